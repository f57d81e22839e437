"""The DynamoDB store: what every store promises, on a real table; and brokers that share one."""

import concurrent.futures
import http.client
import http.server
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import npm
from brokerlib import PUBLIC_KEY, Api, built, make_broker, new_secret
from dynamo import Dynamo
from terminal import wait_until

prepare = npm.prepare

CONF = """issuer = demo
waiting_per_host = 1000
waiting_per_requester = 1000
[role admin]
services = sudo
requesters = op1
hosts = web-*
targets = root
approvers = appr1 appr2
code = off
reason = optional
[person op1]
[person appr1]
[person appr2]
"""
FILING = {"requester": "op1", "role": "admin", "duration": 900, "publicKey": PUBLIC_KEY, "loginUser": "op1",
          "service": "sudo", "tty": "/dev/pts/3", "target": "root", "command": "/usr/bin/id"}
# The unit tests that say nothing of files: the contract of all stores, and the engine's on top of one.
UNIT_TESTS = ["contract", "engine_file", "engine_decide", "engine_collect", "engine_timer", "engine_reload"]


class TableCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="dynamo-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.dynamo = cls.enterClassContext(Dynamo(cls.folder))


class Between(http.server.ThreadingHTTPServer):
    """Stands before the table and hands on what is asked; `after` (operation, body) is called when the table has
    answered, and with anything but None the asker does not hear of it: its connection is cut."""

    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Relay)
        self.table_port, self.after = port, lambda operation, body: None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        table = http.client.HTTPConnection("127.0.0.1", self.server.table_port, timeout=20)
        table.request("POST", "/", body, {name: value for name, value in self.headers.items() if name != "Host"})
        answer = table.getresponse()
        data = answer.read()
        table.close()
        if self.server.after(self.headers["X-Amz-Target"].split(".")[1], json.loads(body)) is not None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class ContractTest(TableCase):
    """The unit tests of stores and engine, on DynamoDB."""

    def test_a_table_keeps_what_every_store_promises(self):
        for name in UNIT_TESTS:
            with self.subTest(name):
                program = built(f"tests/unit/test_broker_{name}")
                done = subprocess.run([program], capture_output=True, text=True, timeout=100,
                                      env={**os.environ, "JB_TEST_STORE": self.dynamo.endpoint})
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertNotIn("SKIPPED", done.stdout + done.stderr)


class Two(TableCase):
    """Two brokers on one table, A and B, with the same keys and tokens."""

    table = 0

    def setUp(self):
        Two.table += 1
        self.brokers = [self.broker(name) for name in "ab"]
        self.brokers[0].admin("store", "create")
        self.key = new_secret(self.brokers[0], "key", "add", "web-1")
        self.tokens = [new_secret(self.brokers[1], "token", "add", name) for name in ("appr1", "appr2")]
        for broker in self.brokers:
            broker.start()
            self.addCleanup(broker.stop, kill=True)

    def broker(self, name):
        folder = tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder)
        broker = make_broker(folder, CONF)
        with open(broker.conf, encoding="utf-8") as file:
            text = re.sub(r"store = .*\n", self.dynamo.keys_of(f"jit-{Two.table}"), file.read(), count=1)
        with open(broker.conf, "w", encoding="utf-8") as file:
            file.write(text)
        return broker

    def api(self, which, **who):
        broker = self.brokers[which]
        api = Api(broker.port, os.path.join(os.path.dirname(broker.conf), "ca.pem"), **who)
        self.addCleanup(api.close)
        return api

    def file(self, host):
        answer = host.post("/request-access", FILING)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["requestId"]

    def sealed(self, broker):
        """Waits until all records are in the chain; the records, from `audit export`."""
        def whole():
            self.said = broker.admin("audit", "verify").stdout
            return "not in the chain yet" not in self.said
        wait_until("every record is in the chain", whole, 20)
        self.assertIn("the audit chain is whole", self.said)
        return [json.loads(line) for line in broker.admin("audit", "export").stdout.splitlines()]


class SharedTest(Two):
    def test_who_waits_on_one_broker_is_woken_by_a_decision_on_another(self):
        host = self.api(0, key=self.key)
        request = self.file(host)
        host.send("GET", f"/requests/{request}?wait=25")
        listener = self.api(0, key=self.key)
        cursor = listener.get("/changes").json["next"]
        listener.send("GET", f"/changes?after={cursor}&wait=25")
        # It waits: other calls of the same broker are answered behind it.
        self.assertEqual(self.api(0, key=self.key).get(f"/requests/{request}").json["status"], "PENDING")
        begun = time.monotonic()
        self.assertEqual(self.api(1, token=self.tokens[0]).post(f"/requests/{request}/approve").status, 200)
        self.assertEqual(host.receive().json["status"], "APPROVED")
        self.assertEqual([r["requestId"] for r in listener.receive().json["changes"]], [request])
        self.assertLess(time.monotonic() - begun, 10, "neither of them was woken: their time was over")
        print(f"woken after {(time.monotonic() - begun) * 1000:.0f} ms")

    def test_a_change_that_is_seen_late_is_told_all_the_same(self):
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        late, last = self.file(host), self.file(host)
        cursor = host.get("/changes").json["next"]
        for request in (late, last):
            self.assertEqual(approver.post(f"/requests/{request}/approve").status, 200)

        def stamp(request, value=None):
            """Of its last change, in the index; with a value it becomes that one."""
            key = {"TableName": f"jit-{Two.table}", "Key": {"requestId": {"S": request}}}
            if value:
                self.dynamo.call("UpdateItem", **key, UpdateExpression="SET changed = :v",
                                 ExpressionAttributeValues={":v": {"N": str(value)}})
            return int(self.dynamo.call("GetItem", **key)["Item"]["changed"]["N"])

        # The first one's place in the index is empty yet, and what comes behind it is told.
        written = stamp(late)
        stamp(late, 1)
        told = host.get(f"/changes?after={cursor}").json
        self.assertEqual([r["requestId"] for r in told["changes"]], [last])
        self.assertLess(written, stamp(last))
        stamp(late, written)
        again = host.get(f"/changes?after={told['next']}").json
        self.assertIn(late, [r["requestId"] for r in again["changes"]])
        self.assertEqual(host.get(f"/changes?after={again['next']}").json["changes"], [])

    def test_a_key_is_good_on_every_broker_until_it_is_revoked_on_one(self):
        key = new_secret(self.brokers[0], "key", "add", "web-2")
        self.assertEqual(self.api(1, key=key).get("/requests").status, 200)
        self.brokers[0].admin("key", "revoke", re.match("jitk_([0-9a-f]+)_", key)[1])
        self.assertEqual(self.api(1, key=key).get("/requests").status, 403)

    def test_a_repeated_filing_gives_the_same_request_on_every_broker(self):
        ids = set()
        for which in (0, 1, 0):
            answer = self.api(which, key=self.key).post("/request-access", FILING, {"Idempotency-Key": "k-1"})
            ids.add(answer.json["requestId"])
        self.assertEqual(len(ids), 1)

    def test_forty_racers_over_two_brokers_have_one_winner_each_round(self):
        host = self.api(0, key=self.key)
        racers = [self.api(i % 2, token=self.tokens[i // 2 % 2]) for i in range(40)]
        with concurrent.futures.ThreadPoolExecutor(len(racers)) as pool:
            for _ in range(3):
                request = self.file(host)
                ready = threading.Barrier(len(racers))

                def race(api, way, request=request, ready=ready):
                    ready.wait()
                    return way, api.post(f"/requests/{request}/{way}").status

                went = list(pool.map(race, racers, ["approve", "deny"] * 20))
                won = [way for way, status in went if status == 200]
                self.assertEqual(len(won), 1, went)
                self.assertEqual({status for _, status in went}, {200, 409})
                self.assertEqual(host.get(f"/requests/{request}").json["status"],
                                 {"approve": "APPROVED", "deny": "DENIED"}[won[0]])
        records = self.sealed(self.brokers[0])
        decided = [r for r in records if r["action"] in ("request.approved", "request.denied")]
        self.assertEqual(len(decided), 3)

    def test_a_broker_that_is_killed_loses_nothing_and_repeats_nothing(self):
        acknowledged, stop = [], threading.Event()

        def work(which, token):
            """Files and decides until it is told to stop; what was acknowledged is noted."""
            while not stop.is_set():
                try:
                    host, approver = self.api(which, key=self.key), self.api(which, token=token)
                    while not stop.is_set():
                        request = self.file(host)
                        acknowledged.append(("request.filed", request))
                        if approver.post(f"/requests/{request}/approve").status == 200:
                            acknowledged.append(("request.approved", request))
                except (OSError, AssertionError, ValueError, http.client.HTTPException):
                    time.sleep(0.05)  # its broker is away

        workers = [threading.Thread(target=work, args=(i % 2, self.tokens[i // 2])) for i in range(4)]
        for worker in workers:
            worker.start()
        try:
            for which in (0, 1, 0, 1):  # whichever seals is among them
                enough = len(acknowledged) + 20
                wait_until("the brokers work", lambda enough=enough: len(acknowledged) > enough, 30)
                self.brokers[which].stop(kill=True)
                self.brokers[which].start()
        finally:
            stop.set()
            for worker in workers:
                worker.join()
        records = self.sealed(self.brokers[0])
        written = [(r["action"], r.get("requestId")) for r in records if r["action"].startswith("request.")]
        self.assertEqual(len(written), len(set(written)), "a record stands twice in the chain")
        self.assertEqual(set(acknowledged) - set(written), set(), "what was acknowledged is not in the chain")
        print(f"{len(acknowledged)} acknowledged, {len(records)} records")


class CutTest(Two):
    """A's way to the table leads through a relay that cuts it where it hurts."""

    def setUp(self):
        self.relay = Between(self.dynamo.port)
        self.addCleanup(self.relay.server_close)
        self.addCleanup(self.relay.shutdown)
        super().setUp()

    def broker(self, name):
        broker = super().broker(name)
        if name == "a":
            with open(broker.conf, encoding="utf-8") as file:
                text = file.read().replace(self.dynamo.endpoint, f"http://127.0.0.1:{self.relay.server_port}")
            with open(broker.conf, "w", encoding="utf-8") as file:
                file.write(text)
        return broker

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
            self.brokers[0].start()
            host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
            for request in requests[-3:]:
                if host.get(f"/requests/{request}").json["status"] == "PENDING":
                    self.assertEqual(approver.post(f"/requests/{request}/approve").status, 200)
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


class RefusedTest(TableCase):
    def test_a_table_that_is_not_there_is_named_at_the_start(self):
        folder = tempfile.mkdtemp(dir=self.folder)
        broker = make_broker(folder, CONF)
        with open(broker.conf, encoding="utf-8") as file:
            text = re.sub(r"store = .*\n", self.dynamo.keys_of("none-of-it"), file.read(), count=1)
        with open(broker.conf, "w", encoding="utf-8") as file:
            file.write(text)
        self.assertRaisesRegex(AssertionError, "cannot use the store dynamodb:none-of-it", broker.start)
        done = broker.admin("backup", f"{folder}/copy", check=False)
        self.assertIn("point-in-time recovery", done.stderr)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
