"""Brokers on one table of DynamoDB that are killed, stopped, and cut off from it where it hurts."""

import contextlib
import datetime
import http.client
import json
import os
import re
import signal
import socket
import threading
import time
import unittest
import unittest.mock
import urllib.error
import uuid

import npm
from brokerlib import PUBLIC_KEY, new_secret
from dynamo import CONF, FILING, Between, Several
from terminal import wait_until

prepare = npm.prepare

FULL = bool(os.environ.get("PAM_JIT_FULL"))
ITEM_MAX = 400 * 1024  # bytes that DynamoDB takes
long = unittest.skipUnless(FULL, "in the full tier")


class CutTest(Several):
    """The ways to the table lead through relays that cut them where it hurts."""

    conf = CONF.replace("[role admin]\n", "[role admin]\narn = arn:aws:iam::123456789012:role/admin\n")

    def setUp(self):
        self.relays = {name: Between(self.dynamo.port) for name in "ab"}
        for relay in self.relays.values():
            self.addCleanup(relay.server_close)
            self.addCleanup(relay.shutdown)
        self.relay = self.relays["a"]
        super().setUp()

    def endpoint_of(self, name):
        return f"http://127.0.0.1:{self.relays[name].server_port}"

    def check_chain(self, requests):
        """Each request is in the chain once, with its filing and its one decision."""
        records = self.sealed(self.brokers[1])
        written = [(r["action"], r.get("requestId")) for r in records if r["action"].startswith("request.")]
        self.assertEqual(len(written), len(set(written)), "a record stands twice in the chain")
        self.assertEqual(set(written), {(action, request) for request in requests
                                        for action in ("request.filed", "request.approved")})

    def test_a_sealer_that_dies_at_any_step_leaves_each_record_once(self):
        self.brokers[1].stop()  # A seals
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        requests = []
        # Behind the chain's item; behind the first record that is taken out; behind the note of where the chain ends.
        for step in (lambda operation, body: operation == "PutItem" and "lines" in body["Item"],
                     lambda operation, body: "REMOVE #audit" in body.get("UpdateExpression", ""),
                     lambda operation, body: "#last" in body.get("UpdateExpression", "")):
            died = threading.Event()

            def kill(operation, body, step=step, died=died):
                if died.is_set() or not step(operation, body):
                    return None
                self.brokers[0].process.kill()
                died.set()
                return "killed"

            self.sealed(self.brokers[1])
            for _ in range(3):
                requests.append(self.file(host))
            self.relay.after = kill
            for request in requests[-3:]:
                try:
                    approver.post(f"/requests/{request}/approve")
                except (OSError, http.client.HTTPException):
                    pass  # it died in the middle
            self.assertTrue(died.wait(20))
            self.brokers[0].process.wait(10)
            self.end_lease()
            self.brokers[0].start()
            host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
            for request in requests[-3:]:
                if host.get(f"/requests/{request}").json["status"] == "PENDING":
                    self.assertEqual(approver.post(f"/requests/{request}/approve").status, 200)
        self.check_chain(requests)

    def stop_at(self, which, step):
        """Stops that broker (SIGSTOP) when it is answered at that step; the event is set then."""
        broker, stopped = self.brokers[which], threading.Event()

        def stop(operation, body):
            if not stopped.is_set() and step(operation, body):
                os.kill(broker.process.pid, signal.SIGSTOP)
                stopped.set()

        self.relays["ab"[which]].after = stop
        return stopped

    def let_a_seal(self):
        """What there is, and, as nobody else runs and the lease is held then, what comes."""
        self.brokers[1].stop()
        self.sealed(self.brokers[0])
        wait_until("A has the lease", lambda: self.leased_until() > time.time(), 20)

    def leased_until(self):
        found = self.dynamo.call("GetItem", TableName=self.table_name, Key={"requestId": {"S": "lease:sealer"}},
                                 ConsistentRead=True)
        return int(found.get("Item", {}).get("until", {"N": "0"})["N"]) / 1000

    def test_a_sealer_that_was_stopped_for_long_spoils_nothing(self):
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        self.let_a_seal()
        self.brokers[1].start()
        other = self.api(1, key=self.key), self.api(1, token=self.tokens[0])

        def finds(operation, body):
            return operation == "Query" and body["IndexName"] == "unsealed"

        def appends(operation, body):
            return operation == "PutItem" and "lines" in body["Item"]

        def change(host, approver):
            request = self.file(host)
            self.assertEqual(approver.post(f"/requests/{request}/approve").status, 200)
            return request

        requests = []
        # A stops before it has read where the chain ends, or behind its own item of it; B, which takes over, stops
        # with its item written and nothing taken out. Then A goes on, and B behind it.
        for first in (finds, appends) if FULL else (finds,):
            stopped = self.stop_at(0, first)
            requests.append(change(*other))
            self.assertTrue(stopped.wait(20))
            stopped = self.stop_at(1, appends)
            requests.append(change(*other))
            self.end_lease()
            self.assertTrue(stopped.wait(20))
            os.kill(self.brokers[0].process.pid, signal.SIGCONT)
            # The call that A was stopped in has timed out; until it asks the table again, it refuses at once.
            wait_until("A serves", lambda: host.get("/requests").status == 200, 20)
            requests.append(change(host, approver))
            os.kill(self.brokers[1].process.pid, signal.SIGCONT)
            self.let_a_seal()
            self.brokers[1].start()
            other = self.api(1, key=self.key), self.api(1, token=self.tokens[0])
        self.check_chain(requests)

    def test_a_write_whose_answer_is_lost_is_done_once(self):
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        lost = {}

        def lose(operation, body):
            """The first answer to each change of a request is lost."""
            mark = (body.get("Key", {}).get("requestId", {}).get("S", ""), body.get("ConditionExpression"))
            if operation != "UpdateItem" or ":" in mark[0] or mark in lost:
                return None
            return lost.setdefault(mark, "lost")

        self.relay.after = lose
        requests = [self.file(host) for _ in range(3)]
        for request in requests:
            answer = approver.post(f"/requests/{request}/approve")
            self.assertEqual((answer.status, answer.json["status"]), (200, "APPROVED"))
        self.assertGreaterEqual(len(lost), 6)
        self.assertEqual(len(host.get("/requests").json["requests"]), 3)
        self.check_chain(requests)

    def item(self, request):
        return self.dynamo.call("GetItem", TableName=self.table_name, Key={"requestId": {"S": request}},
                                ConsistentRead=True)["Item"]

    def over(self, request):
        """Approved, collected and given back: the instant of the grant's end as it was given."""
        self.assertEqual(self.api(0, token=self.tokens[0]).post(f"/requests/{request}/approve").status, 200)
        host = self.api(0, key=self.key)
        collected = host.post(f"/requests/{request}/credentials", {"publicKey": PUBLIC_KEY})
        self.assertEqual(collected.status, 200, collected.body)
        until = datetime.datetime.fromisoformat(collected.json["grantedUntil"].replace("Z", "+00:00")).timestamp()
        self.assertEqual(host.post(f"/requests/{request}/end").json["status"], "ENDED")
        return until

    def test_what_is_not_in_the_chain_yet_is_not_forgotten_and_verify_says_how_much_that_is_and_since_when(self):
        before = len(self.sealed(self.brokers[0]))

        def refuse(operation, body):
            sealing = operation == "PutItem" and "lines" in body["Item"]
            return (400, {"__type": "x#ValidationException"}) if sealing else None

        for relay in self.relays.values():
            relay.before = refuse
        begun = int(time.time())
        request = self.file(self.api(0, key=self.key))
        filed = int(time.time())
        until = self.over(request)
        item = self.item(request)
        self.assertEqual((item["status"]["S"], item["unsealed"]["S"]), ("ENDED", "1"))
        self.assertNotIn("expiresAt", item)
        said = self.brokers[0].admin("audit", "verify").stdout
        self.assertIn(f"the audit chain is whole: {before} records\n", said)
        count, since = re.search(r"^(\d+) records, the first from (\S+), are not in the chain yet", said, re.M).groups()
        since = datetime.datetime.fromisoformat(since.replace("Z", "+00:00")).timestamp()
        self.assertTrue(begun <= since <= filed, said)
        for relay in self.relays.values():
            relay.before = lambda operation, body: None
        records = self.sealed(self.brokers[0])
        self.assertEqual(len(records) - before, int(count))
        its = [r["action"] for r in records if r.get("requestId") == request]
        self.assertEqual((its[0], its[-1]), ("request.filed", "grant.ended"))
        item = self.item(request)
        self.assertGreaterEqual(int(item["expiresAt"]["N"]), until)
        self.assertNotIn("unsealed", item)

    def test_a_write_in_the_place_of_what_has_expired_is_done_once_too(self):
        host, lost = self.api(0, key=self.key), {}
        event = {"id": str(uuid.uuid4()), "type": "break_glass.begin", "at": "2026-11-22T16:00:00Z", "requester": "op1",
                 "service": "sudo", "grant": str(uuid.uuid4())}
        item = {"TableName": self.table_name, "Key": {"requestId": {"S": f"event:web-1:{event['id']}"}}}
        self.assertEqual(host.post("/events", {"events": [event]}).json, {"accepted": 1, "repeated": 0})
        self.sealed(self.brokers[0])
        self.dynamo.call("UpdateItem", UpdateExpression="SET expiresAt = :then", **item,
                         ExpressionAttributeValues={":then": {"N": "1000000000"}})

        def lose(operation, body):
            """The first answers to the removal, and to the write behind it, are lost."""
            due = "UpdateItem" if "DeleteItem" in lost else "DeleteItem"
            if operation != due or body["Key"] != item["Key"] or operation in lost:
                return None
            return lost.setdefault(operation, "lost")

        self.relay.after = lose
        self.assertEqual(host.post("/events", {"events": [event]}).json, {"accepted": 1, "repeated": 0})
        self.assertEqual(set(lost), {"DeleteItem", "UpdateItem"})
        self.relay.after = lambda operation, body: None
        self.assertEqual(host.post("/events", {"events": [event]}).json, {"accepted": 0, "repeated": 1})
        told = [record for record in self.sealed(self.brokers[0]) if record["action"] == "host.break_glass.begin"]
        self.assertEqual(len(told), 2)

    def test_while_the_table_is_away_nothing_is_granted_and_afterwards_all_is_well(self):
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        request = self.file(host)
        self.relay.after = lambda operation, body: "away" if operation != "UpdateItem" else None
        self.assertEqual(host.get(f"/requests/{request}").status, 503)
        self.assertEqual(approver.post(f"/requests/{request}/approve").status, 503)
        self.relay.after = lambda operation, body: None
        wait_until("the broker serves again", lambda: host.get(f"/requests/{request}").status == 200, 20)
        self.assertEqual(approver.post(f"/requests/{request}/approve").status, 200)
        self.check_chain([request])

    def test_of_a_change_that_may_have_been_made_nobody_says_that_it_was_not(self):
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        request, away = self.file(host), threading.Event()

        def lose(operation, body):
            """From the write on nothing is heard of the table."""
            if operation == "UpdateItem" and body["Key"]["requestId"]["S"] == request:
                away.set()
            return "away" if away.is_set() else None

        def refuse(operation, body):
            write = operation == "UpdateItem" and body["Key"]["requestId"]["S"] == request
            return (400, {"__type": "x#ValidationException"}) if write else None

        self.relay.before = refuse
        self.assertIn("nothing was changed", approver.post(f"/requests/{request}/approve").json["message"])
        self.relay.before = lambda operation, body: None
        self.relay.after = lose
        answer = approver.post(f"/requests/{request}/approve")
        self.assertEqual(answer.status, 503)
        self.assertIn("nobody can say whether it was changed", answer.json["message"])
        self.assertEqual(self.api(1, key=self.key).get(f"/requests/{request}").json["status"], "APPROVED")

    def test_a_table_that_is_hasty_or_confused_is_asked_again_or_refused(self):
        host = self.api(0, key=self.key)
        request = self.file(host)

        def refuse(kind, tries):
            """Each operation on a request or key is answered so often with that error."""
            left = {}

            def answer(operation, body):
                what = json.dumps(body)
                if operation not in ("GetItem", "UpdateItem") or "lease:" in what or left.setdefault(what, tries) == 0:
                    return None
                left[what] -= 1
                return 400, {"__type": f"com.amazonaws.dynamodb.v20120810#{kind}", "message": "no \x1b[31m"}
            return answer

        self.relay.before = refuse("ProvisionedThroughputExceededException", 2)
        self.assertEqual(host.get(f"/requests/{request}").status, 200)
        for kind in ("ThrottlingException", "ValidationException"):
            self.relay.before = refuse(kind, 100)
            answer = host.get(f"/requests/{request}")
            self.assertEqual(answer.status, 503)
            self.assertNotIn(b"\x1b", answer.body)
            self.relay.before = lambda operation, body: None
            self.assertEqual(host.get(f"/requests/{request}").status, 200, "it is not given rest for that")

    def test_what_the_table_leaves_undone_of_a_batch_is_asked_for_again(self):
        host, halves = self.api(0, key=self.key), []
        requests = {self.file(host) for _ in range(4)}

        def leave_half(operation, body):
            if operation != "BatchGetItem":
                return None
            (table, ask), = body["RequestItems"].items()
            if len(ask["Keys"]) < 2:
                return None
            half = len(ask["Keys"]) // 2
            answer = self.dynamo.call(operation, RequestItems={table: {**ask, "Keys": ask["Keys"][:half]}})
            halves.append(half)
            return 200, {**answer, "UnprocessedKeys": {table: {**ask, "Keys": ask["Keys"][half:]}}}

        self.relay.before = leave_half
        self.assertEqual({r["requestId"] for r in host.get("/requests").json["requests"]}, requests)
        self.assertTrue(halves)

    def pad(self, request, size):
        """Makes its item larger; 0: as it was."""
        update = {"UpdateExpression": "SET padding = :p", "ExpressionAttributeValues": {":p": {"S": size * "x"}}} if size \
            else {"UpdateExpression": "REMOVE padding"}
        self.dynamo.call("UpdateItem", TableName=self.table_name, Key={"requestId": {"S": request}}, **update)

    def test_a_change_that_would_make_an_item_too_large_is_refused_and_nothing_is_lost(self):
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        request = self.file(host)
        self.sealed(self.brokers[0])  # the sealer's own writes are behind us
        for less in range(1000, 4000, 100):  # until the table takes it
            with contextlib.suppress(urllib.error.HTTPError):
                self.pad(request, ITEM_MAX - less)
                break
        answer = approver.post(f"/requests/{request}/approve", {"comment": 60 * "why "})
        self.assertEqual(answer.status, 503)
        self.assertIn("maximum allowed size", answer.json["message"])
        self.assertIn("nothing was changed", answer.json["message"])
        self.assertEqual(host.get(f"/requests/{request}").json["status"], "PENDING")
        self.file(host)  # nobody else is held up
        self.pad(request, 0)
        self.assertEqual(approver.post(f"/requests/{request}/approve", {"comment": 60 * "why "}).status, 200)
        self.assertEqual([r["action"] for r in self.sealed(self.brokers[0]) if r.get("requestId") == request],
                         ["request.filed", "request.approved"])

    def test_all_pages_of_an_answer_are_read(self):
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        cursor = host.get("/changes").json["next"]
        requests = {self.file(host) for _ in range(5)}
        pages = []

        def page(operation, body):
            """As where one item fills a page (1 MB): with a filter some are empty, and others come behind them."""
            if operation not in ("Query", "Scan"):
                return None
            answer = self.dynamo.call(operation, **{**body, "Limit": 1})
            pages.append("LastEvaluatedKey" in answer)
            return 200, answer

        def found(api, path, name="requests"):
            pages.clear()
            answer = api.get(path).json[name]
            self.assertTrue(any(pages), path)
            return {r["requestId"] for r in answer}

        self.relay.before = page
        self.assertEqual(found(host, "/requests"), requests)
        self.assertEqual(found(approver, "/requests?status=PENDING"), requests)
        # Those of another host are left out page by page.
        other = self.api(0, key=new_secret(self.brokers[0], "key", "add", "web-2"))
        theirs = self.file(other)
        self.assertEqual(found(other, "/requests"), {theirs})
        metrics = approver.get("/metrics").body.decode()
        self.assertIn('jit_broker_requests_open{status="PENDING"} 6', metrics)
        for request in requests:
            self.assertEqual(approver.post(f"/requests/{request}/approve").status, 200)
        self.assertEqual(found(host, f"/changes?after={cursor}", "changes"), requests)

    def hide(self, hidden):
        """Indexes are late: they show none of these requests."""
        def late(operation, body):
            if operation != "Query" or "IndexName" not in body:
                return None
            answer = self.dynamo.call(operation, **body)
            items = [item for item in answer.get("Items", []) if item["requestId"]["S"] not in hidden]
            return 200, {**answer, "Items": items, "Count": len(items)}

        self.relay.before = late

    def test_an_index_that_does_not_show_a_request_yet_costs_a_moment_and_nothing_else(self):
        hidden = set()
        self.hide(hidden)
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        filed = host.post("/request-access", FILING, {"Idempotency-Key": "k-1"}).json
        request, short = filed["requestId"], filed["shortId"]
        hidden.add(request)
        self.assertEqual(host.post("/request-access", FILING, {"Idempotency-Key": "k-1"}).json["requestId"], request)
        self.assertEqual(approver.get("/requests?status=PENDING").json["requests"], [])
        self.assertEqual(approver.get(f"/requests/{short}").status, 404)
        self.assertEqual(approver.post(f"/requests/{request}/approve").json["status"], "APPROVED")
        cursor = host.get("/changes").json["next"]
        hidden.clear()
        self.assertEqual(approver.get(f"/requests/{short}").json["status"], "APPROVED")
        self.assertEqual([r["requestId"] for r in host.get(f"/changes?after={cursor}").json["changes"]], [request])

    def test_an_index_that_still_shows_what_was_decides_nothing(self):
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        other = self.api(1, token=self.tokens[1])
        request = self.file(host)
        kept = {}

        def old(operation, body):
            """What is open, as it was when it was asked first."""
            if operation != "Query" or body.get("IndexName") != "open":
                return None
            return 200, kept.setdefault(json.dumps(body, sort_keys=True), self.dynamo.call(operation, **body))

        self.relay.before = old
        self.assertEqual(len(approver.get("/requests?status=PENDING").json["requests"]), 1)
        self.assertEqual(other.post(f"/requests/{request}/deny").status, 200)
        self.assertEqual(approver.get("/requests?status=PENDING").json["requests"], [])
        self.assertEqual(host.get("/requests").json["requests"], [])
        self.assertEqual(approver.post(f"/requests/{request}/approve").status, 409)
        self.assertEqual(host.get(f"/requests/{request}").json["status"], "DENIED")

    @long
    def test_a_batch_of_megabytes_is_read(self):
        host = self.api(0, key=self.key)
        requests = [self.file(host) for _ in range(60)]
        for request in requests:
            self.pad(request, 100000)

        def whole(operation, body):
            """As DynamoDB answers, which gives up to 16 MB; dynalite gives less at once."""
            if operation != "BatchGetItem":
                return None
            (table, ask), = body["RequestItems"].items()
            items = [self.dynamo.call("GetItem", TableName=table, Key=key)["Item"] for key in ask["Keys"]]
            return 200, {"Responses": {table: items}, "UnprocessedKeys": {}}

        self.relay.before = whole
        told = self.api(0, token=self.tokens[0]).get("/requests?status=PENDING")
        self.assertEqual(told.status, 200, told.body[:300])
        self.assertEqual({r["requestId"] for r in told.json["requests"]}, set(requests))

    def test_a_broker_is_not_started_anew_because_its_table_is_away(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(f"{self.folder}/notify")
            sock.settimeout(10)
            self.brokers[0].stop()
            with unittest.mock.patch.dict(os.environ, {"NOTIFY_SOCKET": f"{self.folder}/notify", "WATCHDOG_USEC": "60000"}):
                self.brokers[0].start()
            self.relay.after = lambda operation, body: "away"
            host = self.api(0, key=self.key)
            self.assertEqual(host.get("/healthz").status, 503)
            for _ in range(20):  # what was said before
                said = sock.recv(4096)
            self.assertIn(b"WATCHDOG=1", said)

    @long
    def test_a_table_that_hangs_keeps_nobody_long_and_is_found_again(self):
        host, go_on = self.api(0, key=self.key), threading.Event()
        self.addCleanup(go_on.set)
        request = self.file(host)
        self.relay.before = lambda operation, body: go_on.wait(60) and None
        self.assertEqual(host.get(f"/requests/{request}").status, 503)
        # From here on the loop is held up by a look now and then, and by nobody's call.
        took = []
        for _ in range(9):
            began = time.monotonic()
            answer = host.get("/healthz")
            took.append(time.monotonic() - began)
            self.assertEqual((answer.status, answer.json["store"]), (503, "the store cannot be used"))
        self.assertLess(sorted(took)[4], 0.5)
        self.relay.before = lambda operation, body: None
        go_on.set()
        wait_until("the broker serves again", lambda: host.get(f"/requests/{request}").status == 200, 30)


if __name__ == "__main__":
    unittest.main()
