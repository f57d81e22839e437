"""Three brokers on one table of DynamoDB, and thousands of requests from their filing to their end: none is lost, none
is given credentials twice, and the chain has it all. `requests.py` (tests/load) plays hosts and approver.

With --full in full size, and for one, two and three brokers; what it prints is the table of docs/design.md. The table,
a node process of one thread, is most of the load: what it does alone is measured too."""

import collections
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import npm
from brokerlib import new_secret
from dynamo import CONF, Between, Several
from namespace import TREE, die_with_parent
from terminal import wait_until
from test_broker_api import ARN

prepare = npm.prepare

FULL = bool(os.environ.get("PAM_JIT_FULL"))
# Brokers and requests.
RUNS = [(3, 100), (1, 1000), (2, 1000), (3, 1000), (3, 10000), (3, 20000)] if FULL else [(3, 150)]
HOSTS, THREADS = 20, 4
CALLS_EACH = 16.5  # to the table, for one request: filed, approved, collected and ended; some more seal it
STEPS = ["request.filed", "request.approved", "credentials.issued", "grant.ended"]
LOAD_CONF = CONF.replace("[role admin]\n", f"[role admin]\narn = {ARN}\n") + (
    "[usage_plan default]\nrate = 100000\nburst = 100000\n")


class LoadTest(Several):
    names, conf = "abc", LOAD_CONF

    def drive(self, brokers, count):
        """The drivers, one for each broker: what they say of each request, by its id, and how long they took."""
        folder = tempfile.mkdtemp(dir=self.folder)
        with open(f"{folder}/keys", "w", encoding="ascii") as file:
            file.write("\n".join(self.keys) + "\n")
        shares = [count // brokers + (i < count % brokers) for i in range(brokers)]
        began = time.monotonic()
        drivers = [subprocess.Popen([sys.executable, os.path.join(TREE, "tests/load/requests.py"), str(broker.port),
                                     os.path.join(os.path.dirname(broker.conf), "ca.pem"), f"{folder}/keys",
                                     self.tokens[0], str(share), str(THREADS)], stdout=subprocess.PIPE,
                                    preexec_fn=die_with_parent)
                   for broker, share in zip(self.brokers, shares)]
        said = [driver.communicate()[0] for driver in drivers]
        took = time.monotonic() - began
        self.assertEqual([driver.returncode for driver in drivers], [0] * brokers)
        rows = [json.loads(line) for text in said for line in text.splitlines()]
        return {row["id"]: row["ms"] for row in rows}, took

    def waiting(self):
        """Items with records that are not in the chain."""
        answer = self.dynamo.call("Query", TableName=self.table_name, IndexName="unsealed", Select="COUNT",
                                  KeyConditionExpression="unsealed = :one", ExpressionAttributeValues={":one": {"S": "1"}})
        return answer["Count"]

    def watch_backlog(self, stop, seen):
        while not stop.wait(0.5):
            seen.append(self.waiting())

    def cpu(self, process):
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
            words = file.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def one_run(self, brokers, count):
        stop, backlog = threading.Event(), [0]
        watcher = threading.Thread(target=self.watch_backlog, args=(stop, backlog))
        before = [self.cpu(broker.process) for broker in self.brokers], self.cpu(self.dynamo.process)
        watcher.start()
        try:
            done, took = self.drive(brokers, count)
        finally:
            stop.set()
            watcher.join()
        began = time.monotonic()
        wait_until("every record is in the chain", lambda: self.waiting() == 0, 600)
        late = time.monotonic() - began
        ours = sum(self.cpu(broker.process) for broker in self.brokers) - sum(before[0])
        ms = sorted(done.values())
        print(f"{brokers} brokers, {count} requests: {took:.1f} s, {count / took:.0f}/s; one {ms[len(ms) // 2]:.0f} ms "
              f"(p99 {ms[int(len(ms) * 0.99)]:.0f}); CPU: brokers {ours:.1f} s, table {self.cpu(self.dynamo.process) - before[1]:.1f} s; "
              f"unsealed at most {max(backlog)} items, all sealed {late:.1f} s later", flush=True)
        self.assertEqual(len(done), count, "requests were lost, or filed twice")
        return set(done)

    def check(self, requests):
        records = self.sealed(self.brokers[0])
        steps, issued = collections.defaultdict(list), collections.Counter()
        for record in records:
            if record["action"].startswith(("request.", "credentials.", "grant.")):
                steps[record["requestId"]].append(record["action"])
            if record["action"] == "credentials.issued":
                issued[record["detail"]["accessKeyId"]] += 1
        self.assertEqual(set(steps), requests)
        self.assertEqual(set(map(tuple, steps.values())), {tuple(STEPS)})
        self.assertEqual(len(issued), len(requests), "an access key was handed out twice")
        states = collections.Counter()
        for item in self.items("request"):
            states[item["status"]["S"]] += 1
            self.assertNotIn("unsealed", item)
            self.assertIn("expiresAt", item)
        self.assertEqual(states, {"ENDED": len(requests)})

    def items(self, kind):
        more = {}
        while more is not None:
            page = self.dynamo.call("Scan", TableName=self.table_name, FilterExpression="#list = :kind",
                                    ExpressionAttributeNames={"#list": "list"},
                                    ExpressionAttributeValues={":kind": {"S": kind}}, **more)
            yield from page["Items"]
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else None

    def test_of_thousands_of_requests_none_is_lost_and_none_issued_twice(self):
        self.keys = [new_secret(self.brokers[0], "key", "add", f"web-{i}") for i in range(2, HOSTS + 2)]
        done = set()
        for brokers, count in RUNS:
            done |= self.one_run(brokers, count)
        self.check(done)


class CallsTest(Several):
    conf = LOAD_CONF

    def setUp(self):
        self.relay = Between(self.dynamo.port)
        self.addCleanup(self.relay.server_close)
        self.addCleanup(self.relay.shutdown)
        super().setUp()

    def endpoint_of(self, name):
        return f"http://127.0.0.1:{self.relay.server_port}"

    def test_a_request_costs_few_calls_to_the_table(self):
        self.brokers[1].stop()
        host, approver = self.api(0, key=self.key), self.api(0, token=self.tokens[0])
        counts = {"calls": collections.Counter(), "time": collections.Counter()}

        def count(operation, body):
            """What is asked as time goes by, and to seal, is the less for each the more there are."""
            words = json.dumps(body)
            by_time = body.get("IndexName") in ("feed", "unsealed") or operation in ("BatchGetItem", "DescribeTable") or any(
                word in words for word in ("chain:", "lease:", "#audit[0]", "#due <=", '"Limit"', "#used"))
            counts["time" if by_time else "calls"][operation] += 1

        self.file(host)
        self.relay.before = count
        number = 20
        for _ in range(number):
            path = f"/requests/{self.file(host)}"
            self.assertEqual([api.post(path + step).status for api, step in (
                (approver, "/approve"), (host, "/credentials"), (host, "/end"))], [200] * 3)
        self.sealed(self.brokers[1])
        each = {kind: {operation: round(n / number, 1) for operation, n in found.items()} for kind, found in counts.items()}
        print(f"a request: {each}")
        self.assertLessEqual(sum(each["calls"].values()), CALLS_EACH)


if __name__ == "__main__":
    unittest.main()
