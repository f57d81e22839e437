"""What whoever watches a broker sees: health, metrics, its log, systemd's watchdog; and how it stops while others wait."""

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import tempfile
import threading
import time
import unittest
import unittest.mock

from brokerlib import Api, make_broker, new_secret
from lab import read
from namespace import TREE
from terminal import wait_until
from test_broker_api import ARN, FILING

GIVEN = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAXXXXXXXXXXXXXXXX</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
CONF = f"""auditors = appr1
issuer = sts:http://127.0.0.1:PORT
issuer_plain_loopback = yes
issuer_credentials = FOLDER/aws
[role admin]
arn = {ARN}
services = sudo
requesters = op1 op2
hosts = web-*
targets = root
approvers = appr1 appr2
[person op1]
[person op2]
[person appr1]
[person appr2]
"""


class SlowSts:
    """An STS that answers when the test says so, with the status that it says."""

    def __init__(self):
        self.asked, self.go, self.status, self.trouble = threading.Event(), threading.Event(), 200, b"busy"
        sts = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                sts.asked.set()
                sts.go.wait(20)
                body = GIVEN.encode() if sts.status == 200 else sts.trouble
                self.send_response(sts.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.go.set()
        self.server.shutdown()
        self.server.server_close()


class WatchCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="watch-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.sts = SlowSts()
        self.addCleanup(self.sts.close)
        self.keys = f"{self.folder}/aws"
        self.write_keys()
        port = str(self.sts.server.server_port)
        self.broker = make_broker(self.folder, CONF.replace("PORT", port).replace("FOLDER", self.folder))
        self.key, self.token = new_secret(self.broker, "key", "add", "web-1"), new_secret(self.broker, "token", "add", "appr1")
        self.addCleanup(self.broker.stop)

    def write_keys(self):
        with open(self.keys, "w", encoding="ascii") as file:
            file.write("[default]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n")
        os.chmod(self.keys, 0o600)

    def start(self):
        self.broker.start()
        self.host, self.approver, self.anybody = self.api(key=self.key), self.api(token=self.token), self.api()

    def api(self, **who):
        api = Api(self.broker.port, f"{self.folder}/ca.pem", **who)
        self.addCleanup(api.close)
        return api

    def granted(self):
        filed = self.host.post("/request-access", FILING).json
        answer = self.approver.post(f"/requests/{filed['requestId']}/approve", {"code": filed["code"]})
        self.assertEqual(answer.status, 200, answer.body)
        return filed

    def health(self):
        answer = self.anybody.get("/healthz")
        self.assertEqual(answer.status, 200 if answer.json["status"] == "ok" else 503)
        return answer.json

    def metrics(self, **headers):
        answer = self.anybody.get("/metrics", headers)
        self.assertEqual(answer.status, 200, answer.body)
        return dict(line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#"))

    def log(self):
        with open(self.broker.log, encoding="utf-8") as file:
            return file.read()


class CollectionTest(WatchCase):
    def test_a_key_that_is_revoked_while_the_issuer_is_asked_gets_nothing_any_more(self):
        self.start()
        filed = self.granted()
        self.host.send("POST", f"/requests/{filed['requestId']}/credentials", {})
        self.assertTrue(self.sts.asked.wait(10))
        self.broker.admin("key", "revoke", self.key.split("_")[1])
        self.sts.go.set()
        answer = self.host.receive()
        self.assertEqual((answer.status, answer.body), (403, b'{"message":"Forbidden"}'))


class HealthTest(WatchCase):
    def test_an_issuer_without_its_credentials_is_named(self):
        self.start()
        self.assertEqual(self.health(), {"status": "ok", "store": "ok", "issuer": "ok"})
        os.chmod(self.keys, 0o644)
        self.assertEqual(self.health(), {"status": "failing", "store": "ok",
                                         "issuer": "the broker's own AWS credentials cannot be read"})
        os.chmod(self.keys, 0o600)
        self.assertEqual(self.health()["status"], "ok")
        self.assertFalse(self.sts.asked.is_set())  # nobody was called for it

    def test_an_issuer_goes_on_with_what_it_was_started_with_and_so_does_its_health(self):
        self.start()
        with open(self.broker.conf, encoding="utf-8") as file:
            text = file.read()
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(text.replace(self.keys, f"{self.folder}/elsewhere"))
        self.broker.process.send_signal(signal.SIGHUP)
        wait_until("it is read", lambda: "has been read anew" in self.log(), 5)
        self.assertIn("issuer_credentials is read at the start alone", self.log())
        self.assertEqual(self.health(), {"status": "ok", "store": "ok", "issuer": "ok"})
        os.unlink(self.keys)
        self.assertEqual(self.health()["issuer"], "the broker's own AWS credentials cannot be read")

    def test_a_call_to_sts_that_failed_is_told_until_one_goes_well(self):
        self.start()
        filed = self.granted()
        self.sts.go.set()
        self.sts.status = 500
        self.assertEqual(self.host.post(f"/requests/{filed['requestId']}/credentials").status, 503)
        self.assertEqual(self.health(), {"status": "failing", "store": "ok", "issuer": "the last call to STS failed"})
        self.sts.status = 200
        self.assertEqual(self.host.post(f"/requests/{filed['requestId']}/credentials").status, 200)
        self.assertEqual(self.health()["status"], "ok")

    def test_a_store_that_takes_nothing_is_named_until_it_does(self):
        self.start()
        with sqlite3.connect(f"{self.folder}/broker.db", isolation_level=None) as other:
            for table, change in (("audit", "INSERT"), ("cursor", "UPDATE")):  # as a disk that is full
                other.execute(f"CREATE TRIGGER full_{table} BEFORE {change} ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END")
            self.assertEqual(self.host.post("/request-access", FILING).status, 503)
            self.assertEqual(self.health(), {"status": "failing", "store": "the store cannot be used", "issuer": "ok"})
            other.execute("DROP TRIGGER full_audit")
            other.execute("DROP TRIGGER full_cursor")
        other.close()
        self.assertEqual(self.health()["status"], "ok")
        self.assertGreaterEqual(int(self.metrics()["jit_broker_store_errors_total"]), 1)


def exposition(text):
    """Prometheus' text format 0.0.4, read as strictly as it is written down: {family: (type, {(name, labels): value})}.
    Each family has one HELP and one TYPE, in this order, and its samples right behind them."""
    families, family = {}, None
    assert text.endswith("\n")
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("# HELP "):
            family, helped = re.fullmatch(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (\S.*)", line).groups()
            kind = re.fullmatch(rf"# TYPE {family} (counter|gauge|histogram)", next(lines))[1]
            assert family not in families and helped, line
            families[family] = (kind, {})
            continue
        name, labels, value = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([0-9.e+-]+)', line).groups()
        pairs = tuple(re.findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"', labels or ""))
        assert ",".join(f'{key}="{text}"' for key, text in pairs) == (labels or ""), line
        kind, samples = families[family]
        assert name in ([f"{family}_{part}" for part in ("bucket", "sum", "count")] if kind == "histogram" else [family]), line
        assert (name, pairs) not in samples, line
        samples[name, pairs] = float(value)
    return families


class MetricsTest(WatchCase):
    def test_what_happened_is_counted(self):
        self.start()
        self.sts.go.set()
        filed = self.granted()
        self.host.post(f"/requests/{filed['requestId']}/credentials")
        self.host.post("/request-access", {**FILING, "requester": "nobody"})
        self.host.post("/request-access", FILING)
        waiting = self.api(key=self.key)
        waiting.send("GET", f"/changes?after={self.host.get('/changes').json['next']}&wait=20")
        wait_until("it waits", lambda: self.metrics()["jit_broker_waiters"] == "1", 5)
        seen = self.metrics()
        records = self.broker.admin("audit", "export").stdout.splitlines()
        for name, value in (("requests_filed_total", 2), ("filings_refused_total", 1),
                            ('request_changes_total{status="APPROVED"}', 1), ('requests_open{status="PENDING"}', 1),
                            ('requests_open{status="ACTIVE"}', 1), ('issue_total{outcome="issued"}', 1),
                            ("issue_seconds_count", 1), ('issue_seconds_bucket{le="+Inf"}', 1),
                            ('http_answers_total{status="403"}', 1), ("audit_records", json.loads(records[-1])["seq"])):
            self.assertEqual(seen[f"jit_broker_{name}"], str(value), name)
        self.assertGreaterEqual(int(seen["jit_broker_connections"]), 4)

    def test_the_text_is_what_prometheus_reads(self):
        self.start()
        self.health()
        answer = self.anybody.get("/metrics")
        self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        families = exposition(answer.body.decode())
        self.assertGreater(len(families), 15)
        for name, (kind, samples) in families.items():
            self.assertTrue(samples, name)
            self.assertEqual(kind == "counter", name.endswith("_total"), name)
            self.assertNotRegex(name, "_(count|sum|bucket|milliseconds|ms)$")
            if kind == "histogram":
                buckets = [(float(labels[0][1]), value) for (sample, labels), value in samples.items() if sample == name + "_bucket"]
                self.assertEqual(buckets, sorted(buckets))
                self.assertEqual([count for _, count in buckets], sorted(count for _, count in buckets))
                self.assertEqual(buckets[-1], (float("inf"), samples[name + "_count", ()]))
                self.assertIn((name + "_sum", ()), samples)

    def test_a_configuration_that_was_refused_is_told_until_one_is_taken(self):
        self.start()
        self.assertEqual(self.metrics()["jit_broker_configuration_refused"], "0")
        with open(self.broker.conf, encoding="utf-8") as file:
            text = file.read()
        for now, told in ((text + "colour = red\n", "1"), (text, "0")):
            with open(self.broker.conf, "w", encoding="utf-8") as file:
                file.write(now)
            self.broker.process.send_signal(signal.SIGHUP)
            wait_until("it is told", lambda told=told: self.metrics()["jit_broker_configuration_refused"] == told, 5)
        self.assertEqual(self.health()["status"], "ok")

    def test_the_page_about_the_api_lists_them_all_and_no_other(self):
        self.start()
        shown = [(name.removeprefix("jit_broker_"), kind)
                 for name, (kind, _) in exposition(self.anybody.get("/metrics").body.decode()).items()]
        page = read(os.path.join(TREE, "docs/broker-api.md"))
        self.assertEqual(re.findall(r"(?m)^\| `jit_broker_(\w+)` \| (\w+) \|", page), shown)

    def test_who_comes_through_a_proxy_wants_a_token(self):
        self.start()
        for header in ("X-Forwarded-For", "Forwarded"):
            self.assertEqual(self.anybody.get("/metrics", {header: "192.0.2.7"}).status, 401)
        self.assertEqual(self.api(token="jitk_0000000000000000_x").get("/metrics").status, 401)
        self.assertEqual(self.approver.get("/metrics", {"X-Forwarded-For": "192.0.2.7"}).status, 200)


class LogTest(WatchCase):
    def test_each_change_is_a_line_of_fields_that_nobody_can_forge(self):
        self.start()
        filed = self.host.post("/request-access", {**FILING, "reason": "x"}).json
        denied = self.approver.post(f"/requests/{filed['requestId']}/deny", {"comment": "no\nstatus=APPROVED"})
        self.assertEqual(denied.status, 200)
        lines = [line for line in self.log().splitlines() if filed["requestId"] in line]
        self.assertEqual([re.sub(r"^<\d>", "", line) for line in lines], [
            f"{filed['shortId']} filed status=PENDING id={filed['requestId']} host=web-1 requester=op1 role=admin",
            f"{filed['shortId']} changed status=DENIED id={filed['requestId']} host=web-1 requester=op1 role=admin by=appr1"])


class StopTest(WatchCase):
    def end(self):
        process, self.broker.process = self.broker.process, None
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        process.send_signal(signal.SIGTERM)
        return process

    def test_whoever_waits_is_answered(self):
        self.start()
        after = self.host.get("/changes").json["next"]
        filed = self.api(key=self.key)
        filed.send("POST", "/request-access?wait=25", FILING)
        waiting = [self.api(key=self.key) for _ in range(20)]
        for api in waiting:
            api.send("GET", f"/changes?after={after}&wait=25")
        wait_until("they wait", lambda: self.metrics()["jit_broker_waiters"] == "21", 5)
        process = self.end()
        for api in waiting:
            answer = api.receive()
            self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
            self.assertEqual(answer.json["changes"], [])
        self.assertEqual(filed.receive().json["status"], "PENDING")
        for api in [filed, *waiting, self.host, self.anybody]:
            api.close()
        self.assertEqual(process.wait(5), 0)

    def test_credentials_that_aws_is_asked_for_arrive(self):
        self.start()
        filed = self.granted()
        self.host.send("POST", f"/requests/{filed['requestId']}/credentials", {})
        self.assertTrue(self.sts.asked.wait(5))
        process = self.end()
        wait_until("nobody new is let in", self.refuses_connections, 5)
        self.assertIsNone(process.poll())
        self.sts.go.set()
        answer = self.host.receive()
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn("sealedCredentials", answer.json)
        self.host.close()
        self.assertEqual(process.wait(5), 0)
        self.assertIn('"credentials.issued"', self.broker.admin("audit", "export").stdout)

    def refuses_connections(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.broker.port)) != 0

    def test_an_answer_that_never_comes_holds_it_up_for_no_more_than_its_limit(self):
        self.start()
        filed = self.granted()
        self.host.send("POST", f"/requests/{filed['requestId']}/credentials", {})
        self.assertTrue(self.sts.asked.wait(5))
        began = time.monotonic()
        self.assertEqual(self.end().wait(12), 0)
        self.assertGreater(time.monotonic() - began, 5)
        self.assertIn("stopped with answers under way", self.log())

    def test_told_twice_it_ends_at_once(self):
        self.start()
        filed = self.granted()
        self.host.send("POST", f"/requests/{filed['requestId']}/credentials", {})
        self.assertTrue(self.sts.asked.wait(5))
        process = self.end()
        wait_until("nobody new is let in", self.refuses_connections, 5)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(3), 0)


class WatchdogTest(WatchCase):
    def notified(self, sock, word, seconds):
        """How often it said so in that time."""
        count, until = 0, time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            sock.settimeout(left)
            with contextlib.suppress(TimeoutError):
                count += word in sock.recv(4096).decode()
        return count

    def test_it_is_told_while_the_loop_runs_and_the_store_answers(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(f"{self.folder}/notify")
            with unittest.mock.patch.dict(os.environ, {"NOTIFY_SOCKET": f"{self.folder}/notify", "WATCHDOG_USEC": "600000"}):
                self.start()
            self.assertGreaterEqual(self.notified(sock, "WATCHDOG=1", 1.5), 3)
            os.kill(self.broker.process.pid, signal.SIGSTOP)
            self.notified(sock, "", 0.1)
            self.assertEqual(self.notified(sock, "WATCHDOG=1", 0.8), 0)
            os.kill(self.broker.process.pid, signal.SIGCONT)
            self.assertGreaterEqual(self.notified(sock, "WATCHDOG=1", 1), 1)
            # A store that is written over by something else answers nothing any more.
            with open(f"{self.folder}/broker.db", "r+b") as store:
                store.write(os.urandom(os.fstat(store.fileno()).st_size))
            for name in ("-wal", "-shm"):
                with open(f"{self.folder}/broker.db{name}", "r+b") as journal:
                    journal.write(b"\0" * os.fstat(journal.fileno()).st_size)
            wait_until("the log says so", lambda: "systemd's watchdog is not told" in self.log(), 5)
            self.notified(sock, "", 0.1)
            self.assertEqual(self.notified(sock, "WATCHDOG=1", 0.8), 0)
            self.broker.process.kill()


if __name__ == "__main__":
    unittest.main()
