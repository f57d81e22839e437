"""The DynamoDB store: what every store promises, on a real table; and brokers that share one."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import subprocess
import tempfile
import threading
import time
import unittest

import npm
from brokerlib import built, make_broker, new_secret
from dynamo import CONF, FILING, Between, Several, TableCase
from terminal import wait_until

prepare = npm.prepare

# The unit tests that say nothing of files: the contract of all stores, and the engine's on top of one.
CONTRACT = ["contract", "contract_held", "contract_lists", "contract_shared"]
UNIT_TESTS = [*CONTRACT, "engine_file", "engine_decide", "engine_collect", "engine_timer", "engine_reload"]


FULL = bool(os.environ.get("PAM_JIT_FULL"))
ROUNDS = 40 if FULL else 3
STAMP_BITS = 20  # below a stamp's milliseconds
LOOKS = 2  # of a broker at what the others wrote


class ContractTest(TableCase):
    """The unit tests of stores and engine, on DynamoDB."""

    def check(self, name, endpoint):
        with self.subTest(name):
            program = built(f"tests/unit/test_broker_{name}")
            done = subprocess.run([program], capture_output=True, text=True, timeout=100,
                                  env={**os.environ, "JB_TEST_STORE": endpoint})
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertNotIn("SKIPPED", done.stdout + done.stderr)

    def test_a_table_keeps_what_every_store_promises(self):
        for name in UNIT_TESTS:
            self.check(name, self.dynamo.endpoint)

    @unittest.skipUnless(FULL, "in the full tier")
    def test_it_keeps_it_too_where_answers_come_in_pages(self):
        """As where items are so large that one fills a page (1 MB), and some more the next: what a filter leaves out
        makes a page that is empty, with others behind it."""
        relay = Between(self.dynamo.port)
        self.addCleanup(relay.server_close)
        self.addCleanup(relay.shutdown)
        pages = []

        def page(operation, body):
            if operation not in ("Query", "Scan"):
                return None
            pages.append(body)
            most = 10 if "ExclusiveStartKey" in body else 1
            return 200, self.dynamo.call(operation, **{**body, "Limit": min(most, body.get("Limit", most))})

        relay.before = page
        for name in CONTRACT:
            self.check(name, f"http://127.0.0.1:{relay.server_port}")
        self.assertTrue(any("ExclusiveStartKey" in body for body in pages))


class Waking(Several):
    def wake(self):
        """How long, in seconds, until both who wait on A know of a decision on B."""
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
        return time.monotonic() - begun


class WokenTest(Waking):
    """The ways to the table lead through relays that count."""

    def setUp(self):
        self.relays = {name: Between(self.dynamo.port) for name in "ab"}
        for relay in self.relays.values():
            self.addCleanup(relay.server_close)
            self.addCleanup(relay.shutdown)
        super().setUp()

    def endpoint_of(self, name):
        return f"http://127.0.0.1:{self.relays[name].server_port}"

    def test_who_waits_on_one_broker_is_answered_by_its_second_look_after_a_decision_on_another(self):
        """Two looks are less than a second apart: the store will not compile otherwise. A third one stands still until
        everybody is answered, and says whether they were."""
        written, answered, in_time = threading.Event(), threading.Event(), []

        def decides(operation, body):
            if operation == "UpdateItem" and ":record" in body["ExpressionAttributeValues"]:
                written.set()

        def looks(operation, body):
            if operation == "Query" and body.get("IndexName") == "feed" and written.is_set():
                in_time.append(len(in_time) != LOOKS or answered.wait(8))

        self.relays["b"].after, self.relays["a"].before = decides, looks
        self.wake()
        answered.set()
        self.assertGreater(len(in_time), 0, "they were answered by something else")
        self.assertTrue(all(in_time), "they were not answered at its first looks")


class SharedTest(Waking):
    @unittest.skipUnless(FULL, "in the full tier")
    def test_who_waits_on_one_broker_is_woken_within_a_second_by_a_decision_on_another(self):
        # The promise is of a machine with nothing else to do.
        self.addCleanup(os.sched_setscheduler, 0, os.SCHED_OTHER, os.sched_param(0))
        with contextlib.suppress(PermissionError):
            for process in [self.dynamo.process.pid, *(broker.process.pid for broker in self.brokers), 0]:
                os.sched_setscheduler(process, os.SCHED_RR, os.sched_param(10))
        took = [self.wake() for _ in range(10)]
        print(f"woken after {', '.join(f'{1000 * t:.0f}' for t in took)} ms")
        self.assertLess(max(took), 1)

    def test_a_change_that_is_seen_late_is_told_all_the_same(self):
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        late, last = self.file(host), self.file(host)
        cursor = host.get("/changes").json["next"]
        for request in (late, last):
            self.assertEqual(approver.post(f"/requests/{request}/approve").status, 200)

        def stamp(request, value=None):
            """Of its last change, in the index; with a value it becomes that one."""
            key = {"TableName": self.table_name, "Key": {"requestId": {"S": request}}}
            if value:
                self.dynamo.call("UpdateItem", **key, UpdateExpression="SET changed = :v",
                                 ExpressionAttributeValues={":v": {"N": str(value)}})
            return int(self.dynamo.call("GetItem", **key)["Item"]["changed"]["N"])

        # The first one's place in the index is empty yet, and what comes behind it is told.
        written = stamp(late) - (5000 << STAMP_BITS)  # its writer's clock is behind, or the index
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

    def test_of_many_keys_that_are_added_at_once_two_are_good(self):
        def add(which):
            return self.brokers[which].admin("key", "add", "web-7", check=False)

        for _ in range(2):  # the second time both places are free again
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                added = list(pool.map(add, [0, 1] * 4))
            self.assertEqual(sorted(done.returncode for done in added)[:3], [0, 0, 1], [done.stderr for done in added])
            for done in added:
                if done.returncode == 0:
                    self.brokers[0].admin("key", "revoke", re.search("jitk_([0-9a-f]+)_", done.stdout)[1])

    def test_a_repeated_filing_gives_the_same_request_on_every_broker(self):
        ids = set()
        for which in (0, 1, 0):
            answer = self.api(which, key=self.key).post("/request-access", FILING, {"Idempotency-Key": "k-1"})
            ids.add(answer.json["requestId"])
        self.assertEqual(len(ids), 1)

    def test_hostile_text_is_kept_clean_or_refused(self):
        host, approver = self.api(0, key=self.key), self.api(1, token=self.tokens[0])
        hostile = ['"\\\\}]}\'; #audit :one {"S":"x"}', 2000 * '\\"', "\x01\x1b[2J\x7f\u202e\ufeff", "a\0b", "\ud800", 1000 * "\U0001f512"]
        bodies = [json.dumps({**FILING, "command": text, "reason": text[:400]}).encode() for text in hostile]
        bodies.append(json.dumps({**FILING, "command": "X"}).encode().replace(b"X", b"\xff\xc0\x80\xed\xa0\x80"))
        bodies.append(json.dumps({**FILING, "duration": 1 << 70}).encode())
        filed = []
        for body in bodies:
            answer = host.post("/request-access", body)
            self.assertIn(answer.status, (200, 400, 422), answer.body[:300])
            if answer.status == 200:
                filed.append(answer.json["requestId"])
                self.assertEqual(approver.post(f"/requests/{filed[-1]}/approve", {"comment": "\"'\x1b\\"}).status, 200)
        self.assertGreaterEqual(len(filed), 4)
        records = self.sealed(self.brokers[0])
        self.assertEqual([r["action"] for r in records if r.get("requestId") in filed].count("request.approved"), len(filed))

    def test_forty_racers_over_two_brokers_have_one_winner_each_round(self):
        host = self.api(0, key=self.key)
        racers = [self.api(i % 2, token=self.tokens[i // 2 % 2]) for i in range(40)]
        with concurrent.futures.ThreadPoolExecutor(len(racers)) as pool:
            for _ in range(ROUNDS):
                request = self.file(host)
                waiting = [self.api(which, key=self.key) for which in (0, 1)]
                for api in waiting:
                    api.send("GET", f"/requests/{request}?wait=25")
                ready = threading.Barrier(len(racers))

                def race(api, way, request=request, ready=ready):
                    ready.wait()
                    return way, api.post(f"/requests/{request}/{way}").status

                went = list(pool.map(race, racers, ["approve", "deny"] * 20))
                won = [way for way, status in went if status == 200]
                self.assertEqual(len(won), 1, went)
                self.assertEqual({status for _, status in went}, {200, 409})
                status = {"approve": "APPROVED", "deny": "DENIED"}[won[0]]
                begun = time.monotonic()
                self.assertEqual([api.receive().json["status"] for api in waiting], [status, status])
                self.assertLess(time.monotonic() - begun, 10, "one of them was not woken")
                self.assertEqual(host.get(f"/requests/{request}").json["status"], status)
        records = self.sealed(self.brokers[0])
        decided = [r for r in records if r["action"] in ("request.approved", "request.denied")]
        self.assertEqual(len(decided), ROUNDS)

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
                self.end_lease()
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
