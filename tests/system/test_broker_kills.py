"""kill -9 of the broker at random instants under load: what was acknowledged is there, nothing happened twice, and
nothing is stuck. The seed of the instants is in each failure; PAM_JIT_SEED repeats it."""

import collections
import http.client
import json
import os
import random
import shutil
import sqlite3
import ssl
import tempfile
import threading
import time
import unittest

import sts
from brokerlib import PUBLIC_KEY, Api, make_broker, new_secret
from terminal import wait_until

ARN = "arn:aws:iam::123456789012:role/JIT-ElevatedAdminRole"
CONF = f"""issuer = demo
waiting_per_host = 10000
waiting_per_requester = 10000
[role admin]
arn = {ARN}
services = sudo
requesters = op1 op2
hosts = *
targets = root
approvers = appr1 appr2
code = off
unsealed = allow
reason = optional
[role brief]
services = sudo
requesters = op1 op2
hosts = *
targets = root
approvers = appr1 appr2
code = off
reason = optional
pending = 2s
use_within = 2s
[person op1]
[person op2]
[person appr1]
[person appr2]
"""
KILLS = 200 if os.environ.get("PAM_JIT_FULL") else 16
HOSTS = 4
UP_MAX = 0.12  # seconds under load before a kill
ENDS = {"request.denied": "DENIED", "request.cancelled": "CANCELLED", "request.expired": "EXPIRED",
        "request.revoked": "REVOKED", "grant.ended": "ENDED", "request.failed": "FAILED"}
AS_LATE_AS = {"PENDING": 0, "APPROVED": 1, "ACTIVE": 2}
BROKEN = (OSError, http.client.HTTPException, ssl.SSLError)


class Caller:
    """Calls until there is an answer: a connection that breaks leaves it open whether the call was heard."""

    def __init__(self, load, **who):
        self.load, self.who, self.connection = load, who, None

    def post(self, path, body=None, headers=None):
        """The answer, and whether an earlier try may have been heard."""
        retried = False
        while True:
            try:
                if self.connection is None:
                    self.connection = Api(self.load.broker.port, self.load.ca, **self.who)
                return self.connection.post(path, body, headers), retried
            except BROKEN:
                self.load.interrupted += not retried
                retried = True
                self.close()
                time.sleep(0.005)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Client(threading.Thread):
    """One host and its approvers: lives of requests, each step as soon as the one before it is acknowledged."""

    def __init__(self, load, name, number):
        super().__init__(daemon=True)
        self.load, self.random = load, random.Random(number)
        self.host = Caller(load, key=load.keys[name])
        self.persons = [Caller(load, token=token) for token in load.tokens.values()]
        self.wrong = None

    def run(self):
        try:
            while not self.load.over.is_set():
                self.live()
        except Exception as problem:  # it is told by the thread that waits for this one
            self.wrong = problem
        finally:
            for caller in [self.host, *self.persons]:
                caller.close()

    def live(self):
        request, plain = self.file()
        if self.random.random() < 0.15:
            return  # forgotten by its host: it ends by its own clock
        if self.random.random() < 0.15:
            self.step(request, self.host, "cancel", {"CANCELLED"})
            return
        if self.random.random() < 0.15:
            self.step(request, self.persons[0], "deny", {"DENIED", "EXPIRED"})
            return
        if self.step(request, self.random.choice(self.persons), "approve", {"APPROVED", "EXPIRED"}) != "APPROVED":
            return
        if self.random.random() < 0.5 and self.step(request, self.host, "start", {"ACTIVE", "EXPIRED"}) != "ACTIVE":
            return
        if request["role"] == "admin":
            for _ in range(self.random.randint(1, 2)):
                self.collect(request, plain)
        last = self.random.random()
        if last < 0.4:
            self.step(request, self.host, "end", {"ENDED", "CANCELLED", "EXPIRED"})
        elif last < 0.8:
            self.step(request, self.persons[1], "revoke", {"REVOKED", "EXPIRED"})

    def file(self):
        brief = self.random.random() < 0.3
        plain = not brief and self.random.random() < 0.5
        key = f"{self.name}-{self.random.getrandbits(64):x}"
        body = {"requester": self.random.choice(("op1", "op2")), "role": "brief" if brief else "admin",
                "duration": 2 if brief else 900, "resume": True}
        body |= {"roleArn": self.load.arn} if plain else {"publicKey": PUBLIC_KEY}
        answer, _ = self.host.post("/request-access", body, {"Idempotency-Key": key})
        assert answer.status == 200, answer.body
        self.load.filed[key] = answer.json["requestId"]
        self.load.acknowledged(answer.json["requestId"], answer.json["status"])
        return answer.json, plain

    def step(self, request, caller, call, expected):
        """Its status after it; a refusal says what it is already."""
        answer, retried = caller.post(f"/requests/{request['requestId']}/{call}")
        if answer.status == 200:
            status = answer.json["status"]
            self.load.acknowledged(request["requestId"], status)
        else:
            # Unless an earlier try was heard, or its clock was faster, there is nothing to refuse.
            assert retried or request["role"] == "brief", (call, answer.status, answer.body)
            assert answer.status in (403, 409), (call, answer.status, answer.body)
            status = next((s for s in (*expected, "EXPIRED") if s in answer.json["message"]), None)
            status = status or ("EXPIRED" if "not used in time" in answer.json["message"] else
                                "REVOKED" if "revoked" in answer.json["message"] else None)
        assert status in expected, (call, status, answer.status, answer.body)
        return status

    def collect(self, request, plain):
        answer, _ = self.host.post(f"/requests/{request['requestId']}/credentials",
                                   {} if plain else {"publicKey": PUBLIC_KEY})
        assert answer.status == 200, answer.body
        self.load.acknowledged(request["requestId"], "ACTIVE")
        self.load.issued[request["requestId"]] += 1
        if plain:
            self.load.in_clear.append((request["requestId"], answer.json["AccessKeyId"]))
        else:
            self.load.sealed[request["requestId"]] = answer.json["sealedCredentials"]


class Load:
    """A broker, its clients, and what they were told: the journal that the store is held against."""

    def __init__(self, folder, conf, arn):
        self.folder, self.ca = folder, f"{folder}/ca.pem"
        self.arn, self.broker = arn, make_broker(folder, conf)
        self.names = [f"web-{number}" for number in range(HOSTS)]
        self.keys = {name: new_secret(self.broker, "key", "add", name) for name in self.names}
        self.tokens = {name: new_secret(self.broker, "token", "add", name) for name in ("appr1", "appr2")}
        self.over, self.lock = threading.Event(), threading.Lock()
        self.filed, self.in_clear, self.sealed = {}, [], {}
        self.issued = collections.Counter()
        self.interrupted = 0  # calls of which nobody knew whether they had been heard
        self.known, self.fresh = {}, {}  # request id: status; since the last look

    def acknowledged(self, request_id, status):
        with self.lock:
            self.known[request_id] = self.fresh[request_id] = status

    def take_fresh(self):
        with self.lock:
            fresh, self.fresh = self.fresh, {}
        return fresh

    def stored(self):
        """Every request as it is in the store, read while the broker serves."""
        database = sqlite3.connect(f"file:{self.folder}/broker.db?mode=ro", uri=True)
        try:
            return {row[0]: json.loads(row[1]) for row in database.execute("SELECT id, doc FROM request")}
        finally:
            database.close()


class KillTest(unittest.TestCase):
    kills, up_max = KILLS, UP_MAX

    def configuration(self):
        return CONF, ARN

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kills-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.load = Load(self.folder, *self.configuration())
        self.broker = self.load.broker
        self.addCleanup(self.broker.stop)
        self.seed = int(os.environ.get("PAM_JIT_SEED") or random.SystemRandom().getrandbits(32))
        self.where = ""
        self.random = random.Random(self.seed)

    def _formatMessage(self, msg, standardMsg):
        return f"{super()._formatMessage(msg, standardMsg)} (PAM_JIT_SEED={self.seed}, {self.where})"

    def test_what_was_acknowledged_outlives_kill_9_at_any_instant(self):
        self.broker.start()
        clients = [Client(self.load, name, self.random.getrandbits(32)) for name in self.load.names]
        for client in clients:
            client.start()
        for kill in range(self.kills):
            self.where = f"kill {kill + 1} of {self.kills}"
            time.sleep(self.random.uniform(0, self.up_max))
            self.kill_and_start()
            self.check_acknowledged()
            self.assertEqual([str(client.wrong) for client in clients if client.wrong], [])
        self.where = "after the last"
        self.load.over.set()
        for client in clients:
            client.join(30)
            self.assertFalse(client.is_alive(), "a call is never answered")
            self.assertIsNone(client.wrong)
        self.assertGreater(self.load.interrupted, self.kills // 2, "there was no load when it was killed")
        self.end_all()
        self.check_acknowledged()
        self.check_chain()

    def kill_and_start(self):
        """Some are killed as they start, when the store is being recovered."""
        self.broker.stop(kill=True)
        while self.random.random() < 0.2:
            self.broker.launch()
            time.sleep(self.random.uniform(0, 0.04))
            self.broker.stop(kill=True)
        self.broker.start()

    def check_acknowledged(self):
        """At least what was told, and what is over as it was told; and the chain is whole."""
        fresh = self.load.take_fresh()
        stored = self.load.stored()
        for request_id, status in fresh.items():
            self.assertIn(request_id, stored, f"told as {status}, and gone")
            now = stored[request_id]["status"]
            if status in AS_LATE_AS:
                self.assertGreaterEqual(AS_LATE_AS.get(now, 3), AS_LATE_AS[status], request_id)
            else:
                self.assertEqual(now, status, request_id)
        done = self.broker.admin("audit", "verify", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def end_all(self):
        """Nothing is stuck: what has a short clock ends by it, everything else by its host."""
        def brief():
            return [r for r in self.load.stored().values() if r["role"] == "brief" and r["status"] in AS_LATE_AS]

        wait_until("each brief request has ended by its own clock", lambda: not brief(), 20)
        for name, key in self.load.keys.items():
            host = Api(self.broker.port, self.load.ca, key=key)
            for request in host.get("/requests").json["requests"]:
                ended = host.post(f"/requests/{request['requestId']}/end")
                self.assertEqual(ended.status, 200, ended.body)
                self.load.acknowledged(request["requestId"], ended.json["status"])
            self.assertEqual(host.get("/requests").json["requests"], [], name)
            host.close()

    def check_chain(self):
        records = [json.loads(line) for line in self.broker.admin("audit", "export").stdout.splitlines()]
        stored, of = self.load.stored(), collections.defaultdict(list)
        for record in records:
            if "requestId" in record:
                of[record["requestId"]].append(record)
        self.assertEqual(set(of), set(stored))
        # One filing for each key, however often it was sent.
        self.assertEqual(sorted(self.load.filed.values()), sorted(stored))
        for request_id, request in stored.items():
            actions = [record["action"] for record in of[request_id]]
            self.assertEqual(request["version"], len(actions), f"{request_id}: each change has one record: {actions}")
            self.check_life(request, actions)
            told = self.load.issued[request_id]
            self.assertGreaterEqual(actions.count("credentials.issued"), told, request_id)
        self.check_credentials(records, of, stored)

    def check_life(self, request, actions):
        self.assertEqual(actions[0], "request.filed")
        for once in ("request.filed", "request.approved", "grant.started"):
            self.assertLessEqual(actions.count(once), 1, actions)
        ends = [action for action in actions if action in ENDS]
        self.assertEqual(len(ends), 1, actions)
        self.assertEqual(actions[-1], ends[0], actions)
        self.assertEqual(request["status"], ENDS[ends[0]])
        self.assertGreater(request["expiresAt"], request.get("grantedUntil", 0))
        if "credentials.issued" in actions or "grant.started" in actions:
            self.assertIn("request.approved", actions)

    def check_credentials(self, records, of, stored):
        """Each set of credentials was made once, for one request, and told to its host alone."""
        issued = [record["detail"]["accessKeyId"] for record in records if record["action"] == "credentials.issued"]
        self.assertEqual(len(issued), len(set(issued)))
        for request_id, key in self.load.in_clear:
            mine = [record["detail"]["accessKeyId"] for record in of[request_id]
                    if record["action"] == "credentials.issued"]
            self.assertIn(key, mine, "credentials were told of which the chain knows nothing")
        keys = [key for _, key in self.load.in_clear]
        self.assertEqual(len(keys), len(set(keys)), "the same credentials were told twice")
        sealed = list(self.load.sealed.values())
        self.assertEqual(len(sealed), len(set(sealed)))
        self.assertTrue(keys and sealed, "both kinds were issued")
        self.assertTrue(all("sealed" not in request for request in stored.values()), "what is over keeps none")


@unittest.skipUnless(os.environ.get("PAM_JIT_FULL"), "a real STS takes its time; run with --full")
@unittest.skipIf(sts.why_not(), sts.why_not())
class StsKillTest(KillTest):
    """The same while AWS is being asked: a call that was under way when the broker died gives nobody anything."""

    kills, up_max = 40, 0.4

    def configuration(self):
        folder = tempfile.mkdtemp(prefix="sts-")
        self.addCleanup(shutil.rmtree, folder)
        peer = sts.Sts(f"{folder}/peer")
        peer.__enter__()
        self.addCleanup(peer.stop)
        with open(os.open(f"{folder}/keys", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(f"[default]\naws_access_key_id = {peer.access_key}\naws_secret_access_key = {peer.secret_key}\n")
        arn = peer.create_role("demo", {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": "*"}]})
        conf = CONF.replace("issuer = demo", f"issuer = sts:{peer.endpoint}\nissuer_region = {peer.region}\n"
                            f"issuer_credentials = {folder}/keys\nissuer_plain_loopback = yes")
        return conf.replace(ARN, arn), arn


@unittest.skipUnless(os.environ.get("PAM_JIT_FULL"), "a host's silence takes half a minute; run with --full")
class SilenceTest(unittest.TestCase):
    def test_a_silent_host_loses_what_waits_half_a_minute_after_the_brokers_own_return(self):
        with tempfile.TemporaryDirectory(prefix="silence-") as folder:
            load = Load(folder, CONF, ARN)
            self.addCleanup(load.broker.stop)
            load.broker.start()
            host = Api(load.broker.port, load.ca, key=load.keys["web-0"])
            filing = {"requester": "op1", "role": "admin", "duration": 900, "publicKey": PUBLIC_KEY}
            polled, resumed = [host.post("/request-access", {**filing, "resume": resume}).json["requestId"]
                               for resume in (False, True)]
            host.close()
            time.sleep(20)
            load.broker.stop(kill=True)
            load.broker.start()
            returned = time.monotonic()
            wait_until("it is cancelled", lambda: load.stored()[polled]["status"] == "CANCELLED", 45)
            self.assertGreater(time.monotonic() - returned, 28)
            self.assertEqual(load.stored()[polled]["endedBy"], "timer")
            self.assertEqual(load.stored()[resumed]["status"], "PENDING")
            load.broker.stop()


if __name__ == "__main__":
    unittest.main()
