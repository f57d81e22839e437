"""The broker's API from outside: a real broker over TLS on a free port, callers that behave and callers that do not."""

import glob
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import uuid

import pexpect

import sts
from brokerlib import PUBLIC_KEY, Api, make_broker, new_secret, trusting
from terminal import wait_until

ARN = "arn:aws:iam::123456789012:role/JIT-ElevatedAdminRole"
CONF = f"""issuer = demo
auditors = appr1
[role JIT-ElevatedAdminRole]
arn = {ARN}
services = sudo
requesters = admin@example.com
hosts = *
targets = root
reason = optional
auto_approve = simulated
unsealed = allow
[role admin]
arn = {ARN}
services = sudo
requesters = op1 op2
hosts = web-*
targets = root
approvers = appr1 appr2
unsealed = allow
[person op1]
[person op2]
[person appr1]
[person appr2]
"""
PLAIN_CALL = {"requester": "admin@example.com", "role": "JIT-ElevatedAdminRole", "roleArn": ARN, "duration": 900,
              "simulateApproval": True}
FILING = {"requester": "op1", "role": "admin", "duration": 900, "publicKey": PUBLIC_KEY, "loginUser": "op1",
          "service": "sudo", "tty": "/dev/pts/3", "target": "root", "command": "/usr/bin/id", "reason": "disk full"}
AT_ONCE = 0.25  # seconds; what is meant takes two milliseconds, but the machine may be busy


class BrokerCase(unittest.TestCase):
    conf = CONF

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="broker-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.broker = make_broker(cls.folder, cls.conf)
        cls.ca = f"{cls.folder}/ca.pem"
        cls.broker.start()
        cls.addClassCleanup(cls.broker.stop)
        cls.key = new_secret(cls.broker, "key", "add", "web-1")
        cls.tokens = {name: new_secret(cls.broker, "token", "add", name) for name in ("appr1", "appr2", "op1")}

    @classmethod
    def log(cls):
        with open(cls.broker.log, encoding="utf-8") as file:
            return file.read()

    @classmethod
    def log_tails(cls):
        return cls.log().splitlines()[-20:]

    def api(self, **who):
        api = Api(self.broker.port, self.ca, **who)
        self.addCleanup(api.close)
        return api

    def setUp(self):
        self.host = self.api(key=self.key)
        self.approver = self.api(token=self.tokens["appr1"])

    def file(self, **changes):
        answer = self.host.post("/request-access", {**FILING, **changes})
        self.assertEqual(answer.status, 200, answer.body)
        self.addCleanup(self.host.post, f"/requests/{answer.json['requestId']}/end")
        return answer.json

    def approve(self, request):
        answer = self.approver.post(f"/requests/{request['requestId']}/approve", {"code": request["code"]})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def reconfigure(self, old, new):
        """Restarts the broker with that change of its configuration, for this test alone."""
        with open(self.broker.conf, encoding="utf-8") as file:
            before = file.read()
        self.assertIn(old, before)
        self.addCleanup(self._restart_with, before)
        self._restart_with(before.replace(old, new))

    def _restart_with(self, conf):
        self.broker.stop()
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(conf)
        self.broker.start()
        self.host.close()
        self.approver.close()

    def cursor(self):
        return self.host.get("/changes").json["next"]


class PlainCallerTest(BrokerCase):
    """Whoever called the API Gateway's front door calls this one with nothing but another host and key."""

    def curl(self, body, *options, path="/prod/request-access"):
        done = subprocess.run(["curl", "-sS", "--cacert", self.ca, "-X", "POST",
                               f"https://127.0.0.1:{self.broker.port}{path}", "-w", "\n%{http_code}", *options, "-H",
                               "Content-Type: application/json", "--data-binary", "@-"], input=body,
                              capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 0, done.stderr)
        text, status = done.stdout.rsplit("\n", 1)
        return int(status), text

    def with_key(self, body, **more):
        return self.curl(body if isinstance(body, str) else json.dumps(body), "-H", f"x-api-key: {self.key}", **more)

    def test_its_call_is_answered_with_credentials(self):
        for path in ("/prod/request-access", "/request-access"):
            status, text = self.with_key(json.dumps(PLAIN_CALL, indent=2) + "\n", path=path)
            answer = json.loads(text)
            self.assertEqual(status, 200, text)
            self.assertEqual(answer["message"], "Access request submitted")
            self.assertEqual(str(uuid.UUID(answer["requestId"], version=4)), answer["requestId"])
            self.assertIn(answer["requestId"], answer["executionArn"])
            self.assertIn("DEMO", answer["AccessKeyId"])
            self.assertTrue(answer["SecretAccessKey"] and answer["SessionToken"])
            self.assertRegex(answer["Expiration"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
            self.assertNotIn(answer["SecretAccessKey"], self.log())

    def test_a_duration_may_be_a_numeric_string(self):
        status, text = self.with_key({**PLAIN_CALL, "duration": "900"})
        self.assertEqual((status, json.loads(text)["duration"]), (200, 900), text)

    def test_without_simulated_approval_the_request_is_denied(self):
        status, text = self.with_key({**PLAIN_CALL, "simulateApproval": False})
        answer = json.loads(text)
        self.assertEqual(status, 200, text)
        self.assertEqual(answer["message"], f"Request {answer['requestId']} updated to DENIED")
        self.assertNotIn("AccessKeyId", answer)

    def test_no_key_and_a_wrong_key_are_forbidden(self):
        body = json.dumps(PLAIN_CALL)
        forbidden = (403, '{"message":"Forbidden"}')
        self.assertEqual(self.curl(body), forbidden)
        for key in ("x", self.key[:-1], self.key + "0", self.tokens["appr1"]):
            self.assertEqual(self.curl(body, "-H", f"x-api-key: {key}"), forbidden)

    def test_an_unknown_path_misses_a_token_whoever_asks(self):
        missing = (403, '{"message":"Missing Authentication Token"}')
        self.assertEqual(self.curl("{}", path="/nothing"), missing)
        self.assertEqual(self.with_key("{}", path="/request-access/"), missing)
        self.assertEqual(self.with_key("{}", path="/requests//start"), missing)

    def test_a_body_that_is_no_json_is_invalid(self):
        for body in ("", "x", "[]", '{"requester":', "{'requester':1}"):
            self.assertEqual(self.with_key(body), (400, '{"message":"Invalid JSON body"}'), body)

    def test_the_first_missing_field_is_named(self):
        body = dict(PLAIN_CALL)
        for field in ("duration", "roleArn", "role", "requester"):
            del body[field]
            self.assertEqual(self.with_key(body), (400, f'{{"message":"Missing required field: \'{field}\'"}}'))

    def test_another_role_than_the_configured_one_is_refused(self):
        status, text = self.with_key({**PLAIN_CALL, "roleArn": ARN + "X"})
        self.assertEqual((status, json.loads(text)["error"]), (403, "policy.arn"))

    def test_credentials_come_with_an_approval_that_is_waited_for(self):
        filing = {"requester": "op1", "role": "admin", "roleArn": ARN, "duration": 900, "reason": "disk full"}
        self.host.send("POST", "/request-access?wait=20", filing)
        deadline = time.monotonic() + 10
        while not (found := self.approver.get("/requests?status=PENDING").json["requests"]):
            self.assertLess(time.monotonic(), deadline, "the request never came up for decision")
        waiting = found[0]
        # The code is the host's alone: a second look at the request shows it, as its own answer is still out.
        code = self.api(key=self.key).get(f"/requests/{waiting['requestId']}").json["code"]
        self.approve({"requestId": waiting["requestId"], "code": code})
        answer = self.host.receive()
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn("DEMO", answer.json["AccessKeyId"])


class DecisionTest(BrokerCase):
    def test_a_long_poll_is_answered_the_moment_somebody_approves(self):
        request = self.file()
        self.host.send("GET", f"/changes?after={self.cursor()}&wait=25")
        time.sleep(0.1)  # let it reach the broker: what is measured is waking it
        began = time.monotonic()
        self.approve(request)
        answer = self.host.receive()
        took = time.monotonic() - began
        self.assertEqual([c["status"] for c in answer.json["changes"]], ["APPROVED"])
        self.assertLess(took, AT_ONCE)
        # The next poll goes on where this one ended.
        self.assertEqual(self.host.get(f"/changes?after={answer.json['next']}").json["changes"], [])

    def test_a_long_poll_without_changes_ends_with_its_time(self):
        began = time.monotonic()
        answer = self.host.get(f"/changes?after={self.cursor()}&wait=1")
        self.assertEqual((answer.status, answer.json["changes"]), (200, []))
        self.assertTrue(0.9 < time.monotonic() - began < 5)

    def test_waiting_for_one_request_ends_with_its_decision(self):
        request = self.file()
        self.host.send("GET", f"/requests/{request['shortId']}?wait=25")
        time.sleep(0.1)
        answer = self.approver.post(f"/requests/{request['requestId']}/deny", {"comment": "not now"})
        self.assertEqual((answer.status, answer.json["status"]), (200, "DENIED"))
        answer = self.host.receive().json
        self.assertEqual((answer["status"], answer["comment"], answer["decidedBy"]), ("DENIED", "not now", "appr1"))

    def test_a_key_that_is_revoked_while_it_waits_gets_nothing_more(self):
        key = new_secret(self.broker, "key", "add", "web-1")
        plain = {**FILING, "roleArn": ARN, "publicKey": None}
        filing, polling = self.api(key=key), self.api(key=key)
        after = self.cursor()
        filing.send("POST", "/request-access?wait=20", plain)
        request = wait_until("the request is filed", lambda: self.host.get("/requests").json["requests"])[0]
        polling.send("GET", f"/changes?after={after}&wait=20")
        self.assertEqual(self.api(key=key).get("/requests").status, 200)  # the two before it have been read as well
        self.broker.admin("key", "revoke", key.split("_")[1])
        self.approve(request)
        for waiting in (filing, polling):
            answer = waiting.receive()
            self.assertEqual((answer.status, answer.json), (403, {"message": "Forbidden"}))
        self.assertEqual(self.host.get(f"/requests/{request['requestId']}").json["status"], "APPROVED")
        self.host.post(f"/requests/{request['requestId']}/end")

    def test_of_calls_that_wait_together_those_with_a_revoked_key_get_nothing_more(self):
        """They ask the same, and are answered in one turn: each by its own key."""
        key = new_secret(self.broker, "key", "add", "web-1")
        request, after = self.file(), self.cursor()
        polling = [self.api(key=each) for each in (self.key, key, self.key, key)]
        for api in polling:
            api.send("GET", f"/changes?after={after}&wait=20")
        self.assertEqual(self.api(key=key).get("/requests").status, 200)  # those before it have been read as well
        self.broker.admin("key", "revoke", key.split("_")[1])
        self.approve(request)
        good, *_ = answers = [api.receive() for api in polling]
        self.assertEqual([answer.status for answer in answers], [200, 403, 200, 403])
        self.assertEqual([c["status"] for c in good.json["changes"]], ["APPROVED"])
        self.assertEqual(answers[2].json, good.json)
        self.host.post(f"/requests/{request['requestId']}/end")

    @unittest.skipUnless(os.environ.get("PAM_JIT_FULL"), "a host's silence takes half a minute; run with --full")
    def test_a_broker_that_was_stopped_for_a_while_cancels_nothing(self):
        request = self.file()
        os.kill(self.broker.process.pid, signal.SIGSTOP)  # and with it whatever the host says meanwhile
        try:
            time.sleep(32)
        finally:
            os.kill(self.broker.process.pid, signal.SIGCONT)
        time.sleep(0.5)  # its timer comes first, before a host that has to connect anew
        self.assertEqual(self.host.get(f"/requests/{request['requestId']}").json["status"], "PENDING")

    def test_three_wrong_codes_deny(self):
        request = self.file()
        wrong = f"{(int(request['code']) + 1) % 100:02}"
        path = f"/requests/{request['requestId']}/approve"
        for _ in range(3):
            answer = self.approver.post(path, {"code": wrong})
            self.assertEqual((answer.status, answer.json["error"]), (403, "approval.wrong_code"))
        self.assertEqual(self.host.get(f"/requests/{request['requestId']}").json["status"], "DENIED")
        answer = self.approver.post(path, {"code": request["code"]})
        self.assertEqual((answer.status, answer.json["error"]), (409, "request.decided"))

    def test_what_the_approver_sees_has_no_code_and_says_what_is_granted(self):
        request = self.file()
        seen = self.approver.get(f"/requests/{request['shortId'].lower()}").json
        self.assertNotIn("code", seen)
        self.assertIn("as root on web-1", seen["grants"])
        self.assertIn(request["requestId"], [r["requestId"] for r in self.approver.get("/requests").json["requests"]])

    def test_nobody_decides_without_a_persons_token(self):
        request = self.file()
        for api in (self.api(), self.host, self.api(token="x"), self.api(token=self.key)):
            answer = api.post(f"/requests/{request['requestId']}/approve", {"code": request["code"]})
            self.assertEqual((answer.status, answer.json["error"]), (401, "auth.token"))
        answer = self.api(token=self.tokens["op1"]).post(f"/requests/{request['requestId']}/approve",
                                                         {"code": request["code"]})
        self.assertEqual(answer.status, 403)

    def test_a_token_of_a_person_who_is_declared_no_more_opens_nothing(self):
        person = self.api(token=self.tokens["op1"])
        self.assertEqual(person.get("/requests").status, 200)
        self.reconfigure("[person op1]\n", "")
        person.close()
        self.assertEqual(person.get("/requests").status, 401)

    def test_a_grant_is_started_collected_and_revoked(self):
        request = self.file()
        path = f"/requests/{request['requestId']}"
        answer = self.host.post(f"{path}/credentials", {"publicKey": PUBLIC_KEY})
        self.assertEqual((answer.status, answer.json["error"]), (409, "grant.pending"))
        self.approve(request)
        self.assertEqual(self.host.post(f"{path}/start").json["status"], "ACTIVE")
        answer = self.host.post(f"{path}/credentials", {"publicKey": PUBLIC_KEY})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.json["sealedCredentials"].count("."), 4)
        self.assertNotIn("SecretAccessKey", answer.json)
        after = self.cursor()
        answer = self.approver.post(f"{path}/revoke", {"comment": "enough"})
        self.assertRegex(answer.json["message"], r"revoked; the last credential dies at \d{4}-\d\d-\d\dT[\d:]{8}Z")
        self.assertEqual([c["status"] for c in self.host.get(f"/changes?after={after}&wait=5").json["changes"]],
                         ["REVOKED"])
        answer = self.host.post(f"{path}/credentials", {"publicKey": PUBLIC_KEY})
        self.assertEqual((answer.status, answer.json["error"]), (403, "grant.revoked"))

    def test_cancel_withdraws_and_may_be_repeated(self):
        request = self.file()
        for _ in range(2):
            answer = self.host.post(f"/requests/{request['requestId']}/cancel")
            self.assertEqual((answer.status, answer.json["status"]), (200, "CANCELLED"))

    def test_the_same_idempotency_key_gives_the_same_request(self):
        key = {"Idempotency-Key": "abc-123"}
        first = self.host.post("/request-access", FILING, key)
        again = self.host.post("/request-access", FILING, key)
        self.assertEqual(first.json["requestId"], again.json["requestId"])
        other = self.host.post("/request-access", {**FILING, "reason": "another"}, key)
        self.assertEqual((other.status, other.json["error"]), (422, "request.idempotency"))
        self.host.post(f"/requests/{first.json['requestId']}/cancel")

    def test_wrong_fields_and_parameters_are_named(self):
        for name, value in (("reason", 5), ("command", "x" * 5000), ("duration", 0)):
            answer = self.host.post("/request-access", {**FILING, name: value})
            self.assertEqual((answer.status, answer.json["error"]), (400, "request.field"))
            self.assertIn(name, answer.json["message"])
        for query in ("wait=x", "wait=-1", "after=%zz", "wait=1&wait=2"):
            self.assertEqual(self.host.get(f"/changes?{query}").json["error"], "request.field", query)
        self.assertEqual(self.host.post("/request-access", FILING, {"Idempotency-Key": "x" * 65}).status, 400)

    def test_another_host_does_not_see_the_request(self):
        request = self.file(host="web-2", hostname="web-2", filedBy="web-2")
        self.assertEqual(self.approver.get(f"/requests/{request['requestId']}").json["host"], "web-1", "whose key it is")
        other = self.api(key=new_secret(self.broker, "key", "add", "web-2"))
        self.assertEqual(other.get(f"/requests/{request['requestId']}").status, 404)
        self.assertEqual(other.get("/requests").json["requests"], [])

    def test_the_audit_chain_is_served_whole_and_in_order(self):
        self.file()
        records, after = [], 0
        while True:
            page = self.approver.get(f"/audit?after={after}").json
            if not page["records"]:
                break
            records, after = records + page["records"], page["next"]
        self.assertEqual([r["seq"] for r in records], list(range(1, len(records) + 1)))
        self.assertIn("request.filed", {r["action"] for r in records})
        self.assertEqual(self.api().get("/audit").status, 401)

    def test_only_an_auditor_reads_the_audit_chain(self):
        self.file()
        answer = self.api(token=self.tokens["appr2"]).get("/audit")
        self.assertEqual((answer.status, answer.json["error"]), (403, "audit.not_auditor"))
        self.assertNotIn("records", answer.json)
        self.assertEqual(self.approver.get("/audit").status, 200)

    def test_a_request_expires_at_its_second(self):
        """The timer is armed for what is due: nobody has to ask first."""
        self.reconfigure("[role admin]", "[role admin]\npending = 2s")
        request = self.file()
        began = time.monotonic()
        answer = self.host.get(f"/changes?after={self.cursor()}&wait=10").json
        changed = [(c["requestId"], c["status"]) for c in answer["changes"]]
        self.assertEqual(changed, [(request["requestId"], "EXPIRED")])
        self.assertLess(time.monotonic() - began, 3)


class CommandTest(BrokerCase):
    """jit-broker list, approve, deny, revoke: one sentence, a telling exit status."""

    def setUp(self):
        super().setUp()
        self.home = f"{self.folder}/home"
        os.makedirs(f"{self.home}/.config/jit-broker", exist_ok=True)
        self.token_file = f"{self.home}/token"
        with open(os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(self.tokens["appr1"] + "\n")
        os.chmod(self.token_file, 0o600)
        with open(f"{self.home}/.config/jit-broker/client.conf", "w") as file:
            file.write(f"url = https://127.0.0.1:{self.broker.port}/\nca = {self.ca}\ntoken_file = {self.token_file}\n")

    def run_command(self, *command):
        return subprocess.run([self.broker.program, *command], env={"HOME": self.home, "PATH": "/usr/bin:/bin"},
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30,
                              start_new_session=True)

    def test_a_folder_that_others_can_write_matters_where_something_of_it_is_believed(self):
        os.chmod(f"{self.home}/.config", 0o777)
        self.addCleanup(os.chmod, f"{self.home}/.config", 0o755)
        done = self.run_command("list")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/.config can be written by others", done.stderr)
        done = self.run_command("list", "--url", f"https://127.0.0.1:{self.broker.port}/", "--ca", self.ca,
                                "--token-file", self.token_file)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_on_the_brokers_own_machine_nobody_has_to_say_where_it_is(self):
        request = self.file()
        os.remove(f"{self.home}/.config/jit-broker/client.conf")
        here = ("--config", self.broker.conf, "--token-file", self.token_file)
        done = self.run_command("list", *here)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(request["shortId"], done.stdout)
        # Under the name of its own, and nobody asks a name server where that is.
        with open(self.broker.conf) as file:
            conf = file.read()
        with open(os.open(f"{self.folder}/named.conf", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(conf.replace("[broker]\n", "[broker]\nurl = https://localhost\n", 1))
        done = self.run_command("list", "--config", f"{self.folder}/named.conf", *here[2:])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(request["shortId"], done.stdout)
        done = self.run_command("list", "--config", self.broker.conf)
        self.assertEqual((done.returncode, done.stderr), (2, "jit-broker: give --token-file, or write token_file into "
                                                             "~/.config/jit-broker/client.conf\n"))
        # Whoever may not read it, or is elsewhere, has to say it.
        done = self.run_command("list", "--config", f"{self.folder}/none", "--token-file", self.token_file)
        self.assertEqual(done.returncode, 2)
        self.assertIn("give --url and --token-file", done.stderr)

    def test_a_token_comes_by_standard_input_and_never_as_an_argument(self):
        self.file()
        with open(self.token_file) as file:
            token = file.read()
        here = ("--config", self.broker.conf)
        approve = ("approve", self.file()["shortId"])
        done = subprocess.run([self.broker.program, *approve, "--token-file", "-"], input=token, text=True, timeout=30,
                              env={"HOME": self.home, "PATH": "/usr/bin:/bin"}, capture_output=True,
                              start_new_session=True)
        self.assertIn("give --code", done.stderr)
        for given, said in ((token, ""), ("", "standard input must hold an approver's token and nothing else"),
                            ("x" * 513, "standard input: it is longer than a token")):
            done = subprocess.run([self.broker.program, "list", "--token-file", "-"], input=given, text=True, timeout=30,
                                  env={"HOME": self.home, "PATH": "/usr/bin:/bin"}, capture_output=True)
            self.assertEqual(done.stderr, f"jit-broker: {said}\n" if said else "")
            self.assertEqual(done.returncode, 2 if said else 0)
        done = self.run_command("list", *here, "--token", token.strip())
        self.assertEqual(done.returncode, 2)
        self.assertNotIn(token.strip(), done.stderr + done.stdout)
        self.assertIn("a token that stood there is to be revoked", done.stderr)

    def test_list_leads_with_what_is_granted_and_cleans_what_is_claimed(self):
        request = self.file(reason="x\x1b[2Jy\u202ez \u00e9", command="/bin/sh -c 'a\nb'")
        done = self.run_command("list")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [line.strip() for line in done.stdout.splitlines()]
        self.assertTrue(lines[0].startswith(request["shortId"]), lines)
        self.assertTrue(lines[1].startswith("grants   any command that sudo allows, as root on web-1"), lines)
        self.assertIn("reason   x?[2Jy?z \u00e9", lines)
        self.assertIn("command  /bin/sh -c 'a?b'", lines)
        done = self.run_command("list", "--json")
        self.assertEqual(json.loads(done.stdout)["requests"][0]["requestId"], request["requestId"])
        self.assertTrue(done.stdout.isascii() and "\x1b" not in done.stdout)
        self.assertEqual(json.loads(done.stdout)["requests"][0]["reason"], "x?[2Jy?z \u00e9")

    def test_what_may_be_revoked_is_listed_by_its_status(self):
        request = self.file()
        self.approve(request)
        self.assertNotIn(request["shortId"], self.run_command("list").stdout)
        self.assertEqual(self.host.post(f"/requests/{request['requestId']}/start").status, 200)
        done = self.run_command("list", "--status", "ACTIVE")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"{request['shortId']}  ACTIVE\n  grants   any command that sudo allows", done.stdout)
        self.assertEqual(self.run_command("revoke", request["shortId"]).returncode, 0)
        self.assertEqual(self.run_command("list", "--status", "ACTIVE").stdout, "No request that you could have decided is ACTIVE.\n")
        done = self.run_command("list", "--status", "x&y")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--status is PENDING, APPROVED", done.stderr)

    def test_approve_deny_and_revoke_say_what_they_did(self):
        request = self.file()
        done = self.run_command("approve", request["shortId"], "--code", request["code"], "--comment", "go on")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"{request['shortId']} is approved: op1 gets any command", done.stdout)
        done = self.run_command("revoke", request["requestId"])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("is revoked", done.stdout)
        request = self.file()
        done = self.run_command("deny", request["shortId"].lower().replace("-", ""), "--comment", "no")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, f"{request['shortId']} is denied: op1 gets nothing.\n")

    def ask_on_a_terminal(self, request):
        """approve without --code, up to its question."""
        child = pexpect.spawn(self.broker.program, ["approve", request["shortId"]], timeout=15, encoding="utf-8",
                              env={"HOME": self.home, "PATH": "/usr/bin:/bin"}, dimensions=(40, 200))
        self.addCleanup(child.close, force=True)
        child.expect("grants   any command that sudo allows, as root on web-1")
        child.expect("Code on the requester's terminal: ")
        return child

    def end_of(self, child):
        """(exit status, signal, what it printed last)."""
        child.expect(pexpect.EOF)
        child.close()
        return child.exitstatus, child.signalstatus, child.before

    def status_of(self, request):
        return self.host.get(f"/requests/{request['requestId']}").json["status"]

    def test_the_code_is_asked_for_on_the_terminal(self):
        request = self.file()
        child = self.ask_on_a_terminal(request)
        child.sendline(f" {request['code']} ")  # pasted with a blank
        status, _, text = self.end_of(child)
        self.assertEqual(status, 0, text)
        self.assertIn(f"{request['shortId']} is approved: op1 gets any command", text)
        self.assertEqual(self.status_of(request), "APPROVED")

    def test_a_wrong_code_on_the_terminal_decides_nothing_and_counts(self):
        request = self.file()
        for left in ("2 tries are left", "1 try is left", "is denied"):
            child = self.ask_on_a_terminal(request)
            child.sendline(f"{(int(request['code']) + 1) % 100:02}")
            status, _, text = self.end_of(child)
            self.assertEqual(status, 1, text)
            self.assertIn(left, text)
        self.assertEqual(self.status_of(request), "DENIED")

    def test_ctrl_c_or_nothing_instead_of_the_code_sends_nothing(self):
        request = self.file()
        child = self.ask_on_a_terminal(request)
        child.sendintr()
        self.assertEqual(self.end_of(child)[:2], (None, signal.SIGINT))
        for nothing in ("\n", "  \n", "\x04"):
            child = self.ask_on_a_terminal(request)
            child.send(nothing)
            status, _, text = self.end_of(child)
            self.assertEqual(status, 2, repr(nothing))
            self.assertIn("no code was given, and nothing was decided", text)
        answer = self.approver.post(f"/requests/{request['requestId']}/approve", {"code": "0"})
        self.assertIn("2 tries are left", answer.json["message"])  # none of them was counted
        self.assertEqual(self.status_of(request), "PENDING")

    def test_refusals_usage_and_an_absent_broker_differ_in_exit_status(self):
        request = self.file()
        wrong = f"{(int(request['code']) + 1) % 100:02}"
        self.assertEqual(self.run_command("approve", request["shortId"], "--code", wrong).returncode, 1)
        self.assertEqual(self.run_command("approve", "0000-0000", "--code", wrong).returncode, 1)
        for usage in (("approve",), ("approve", "../x", "--code", "1"), ("list", "more"), ("deny", "--code", "1"),
                      ("nothing",)):
            self.assertEqual(self.run_command(*usage).returncode, 2, usage)
        # No code given, and no terminal to ask for it: what would be granted is shown, nothing is decided.
        done = self.run_command("approve", request["shortId"])
        self.assertEqual(done.returncode, 2)
        self.assertIn("grants   any command", done.stdout)
        done = self.run_command("list", "--url", "https://127.0.0.1:1")
        self.assertEqual(done.returncode, 4)
        self.assertIn("connection refused", done.stderr)
        for url in ("http://192.0.2.1:1", "127.0.0.1:1", "ftp://127.0.0.1:1"):
            done = self.run_command("list", "--url", url)
            self.assertEqual((done.returncode, done.stderr), (4, f"jit-broker: the broker at {url} cannot be asked: its URL does "
                                                                 "not begin with https:// (http:// is for this machine alone)\n"))
        os.chmod(self.token_file, 0o604)
        done = self.run_command("list")
        self.assertEqual(done.returncode, 2)
        self.assertIn("chmod", done.stderr)
        self.assertEqual(self.host.get(f"/requests/{request['requestId']}").json["status"], "PENDING")


class GuardTest(BrokerCase):
    def test_it_is_healthy(self):
        answer = self.api().get("/healthz")
        self.assertEqual((answer.status, answer.body), (200, b'{"status":"ok","store":"ok","issuer":"ok"}'))
        self.assertNotIn("server", answer.headers)

    def test_waiters_of_one_key_are_capped_and_vanished_ones_are_forgotten(self):
        after = self.cursor()
        # A few more than the cap, as the one that asks below may come before some of them.
        waiting = [Api(self.broker.port, self.ca, key=self.key) for _ in range(64 + 4)]
        for api in waiting:
            api.send("GET", f"/changes?after={after}&wait=25")
        deadline = time.monotonic() + 10
        while self.host.get(f"/changes?after={after}&wait=1").status != 429:
            self.assertLess(time.monotonic(), deadline, "the 65th waiter was never refused")
        for api in waiting:
            api.close()
        while self.host.get(f"/changes?after={after}&wait=1").status != 200:
            self.assertLess(time.monotonic(), deadline, "waiters whose peers left were not forgotten")

    def test_tls_is_1_2_at_least_and_verified(self):
        # A ClientHello that offers TLS 1.1 at most, by hand: this machine's own TLS library would not send one.
        hello = bytes.fromhex("0302") + bytes(32) + bytes.fromhex("00" "0006 c009 c00a 002f" "0100")
        with socket.create_connection(("127.0.0.1", self.broker.port), 10) as sock:
            sock.sendall(bytes.fromhex("160301") + (len(hello) + 4).to_bytes(2, "big") + b"\x01"
                         + len(hello).to_bytes(3, "big") + hello)
            alert = sock.recv(4096)
            self.assertEqual((alert[:1], alert[5:]), (b"\x15", b"\x02\x46"), "fatal, protocol_version")
        with socket.create_connection(("127.0.0.1", self.broker.port), 10) as sock:
            with self.assertRaises(ssl.SSLCertVerificationError):
                ssl.create_default_context().wrap_socket(sock, server_hostname="127.0.0.1")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(self.ca)
            context.minimum_version = context.maximum_version = version
            with socket.create_connection(("127.0.0.1", self.broker.port), 10) as sock:
                with context.wrap_socket(sock, server_hostname="127.0.0.1") as tls:
                    tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    got = b""
                    while True:
                        part = tls.recv(4096)
                        if not part:
                            break
                        got += part
                    self.assertIn(b"200 OK", got)

    def test_plain_http_gets_nothing_on_the_tls_port(self):
        with socket.create_connection(("127.0.0.1", self.broker.port), 10) as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                got = sock.recv(4096)
            except ConnectionResetError:
                got = b""
            self.assertNotIn(b"HTTP/", got)

    def test_a_body_over_64_KiB_is_refused_in_json(self):
        with socket.create_connection(("127.0.0.1", self.broker.port), 10) as sock:
            with trusting(self.ca).wrap_socket(sock, server_hostname="127.0.0.1") as tls:
                head = b"POST /request-access HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n"
                tls.sendall(head + b"x" * 65536)
                got = tls.recv(4096)
                self.assertIn(b"413", got)
                self.assertIn(b'"error":"http.request"', got)

    def test_the_process_is_hardened(self):
        with open(f"/proc/{self.broker.process.pid}/status", encoding="ascii") as file:
            self.assertIn("NoNewPrivs:\t1", file.read())
        with open(f"/proc/{self.broker.process.pid}/limits", encoding="ascii") as file:
            core = next(line for line in file if line.startswith("Max core file size"))
            self.assertEqual(core.split()[4:6], ["0", "0"])

    def test_secrets_are_in_neither_log_nor_store(self):
        self.file()
        store = b""
        for path in glob.glob(f"{self.folder}/broker.db*"):  # what was written last stands in the log beside it
            with open(path, "rb") as file:
                store += file.read()
        for secret in (self.key, *self.tokens.values()):
            key_id, part = secret.split("_", 2)[1:]
            self.assertIn(key_id.encode(), store, "what is stored can be seen there")
            self.assertNotIn(part, self.log())
            self.assertNotIn(part.encode(), store)
        self.assertEqual(os.stat(f"{self.folder}/broker.db").st_mode & 0o077, 0)

    def test_sigterm_ends_it_cleanly_and_the_requests_stay(self):
        request = self.file(resume=True)
        self.host.send("GET", f"/changes?after={self.cursor()}&wait=25")
        self.assertEqual(self.broker.stop(), 0)
        self.host.close()
        self.broker.start()
        self.assertEqual(self.host.get(f"/requests/{request['requestId']}").json["status"], "PENDING")


@unittest.skipIf(sts.why_not(), sts.why_not())
class RealStsTest(BrokerCase):
    """Credentials that a real STS issued, judged by the S3 behind it."""

    LIFETIME = 8

    @classmethod
    def setUpClass(cls):
        peer_folder = tempfile.mkdtemp(prefix="sts-")
        cls.addClassCleanup(shutil.rmtree, peer_folder)
        cls.sts = cls.enterClassContext(sts.Sts(f"{peer_folder}/peer")) if hasattr(cls, "enterClassContext") else \
            cls._enter(sts.Sts(f"{peer_folder}/peer"))
        cls.keys = f"{peer_folder}/keys"
        cls.write_keys(cls.sts.access_key)
        arn = cls.sts.create_role("demo", {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["s3:ListAllMyBuckets", "s3:ListBucket"], "Resource": "*"}]})
        cls.arn = arn
        cls.conf = CONF.replace("issuer = demo", f"issuer = sts:{cls.sts.endpoint}\nissuer_region = {cls.sts.region}\n"
                                f"issuer_credentials = {cls.keys}\nissuer_plain_loopback = yes").replace(ARN, arn)
        cls.conf = cls.conf.replace("unsealed = allow", f"unsealed = allow\ncredential_lifetime = {cls.LIFETIME}s")
        super().setUpClass()

    @classmethod
    def _enter(cls, peer):
        peer.__enter__()
        cls.addClassCleanup(peer.stop)
        return peer

    @classmethod
    def write_keys(cls, access):
        with open(os.open(cls.keys, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(f"[default]\naws_access_key_id = {access}\naws_secret_access_key = {cls.sts.secret_key}\n")

    def s3(self, answer, method, path):
        """(HTTP status, body) of a signed call; the AWS command line cannot show this peer's empty messages."""
        done = subprocess.run(["curl", "-sS", "-X", method, f"{self.sts.endpoint}{path}", "-w", "\n%{http_code}", "-K",
                               "-"], input=f'aws-sigv4 = "aws:amz:{self.sts.region}:s3"\n'
                              f'user = "{answer["AccessKeyId"]}:{answer["SecretAccessKey"]}"\n'
                              f'header = "x-amz-security-token: {answer["SessionToken"]}"\n'
                              f'header = "x-amz-content-sha256: {hashlib.sha256(b"").hexdigest()}"\n',
                              capture_output=True, text=True, timeout=20)
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), body

    def test_credentials_work_within_the_role_and_die_with_the_session_policy(self):
        answer = self.host.post("/request-access", {**PLAIN_CALL, "roleArn": self.arn})
        issued = time.time()
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(self.s3(answer.json, "GET", "/")[0], 200)
        self.assertEqual(self.s3(answer.json, "PUT", "/forbidden")[0], 403)
        # STS's own credential goes on for 15 minutes; its session policy does not.
        time.sleep(max(0, issued + self.LIFETIME + 1 - time.time()))
        status, body = self.s3(answer.json, "GET", "/")
        self.assertEqual(status, 403, body)
        self.assertIn("<Code>AccessDenied</Code>", body)
        self.assertNotIn(answer.json["SecretAccessKey"], self.log())
        self.assertNotIn(self.sts.secret_key, self.log())

    def test_rotated_keys_count_from_the_next_issue_on(self):
        self.addCleanup(self.write_keys, self.sts.access_key)
        os.unlink(self.keys)
        answer = self.host.post("/request-access", {**PLAIN_CALL, "roleArn": self.arn})
        self.assertEqual((answer.status, answer.json["error"]), (503, "issuer.unavailable"), answer.body)
        self.assertIn("no AWS credentials of its own", answer.json["message"])
        self.write_keys("AKIAGONE000000000000")  # which this peer calls AccessDenied, and AWS InvalidClientTokenId
        answer = self.host.post("/request-access", {**PLAIN_CALL, "roleArn": self.arn})
        self.assertEqual((answer.status, answer.json["error"]), (502, "issuer.refused"), answer.body)
        self.write_keys(self.sts.access_key)
        answer = self.host.post("/request-access", {**PLAIN_CALL, "roleArn": self.arn})
        self.assertEqual(answer.status, 200, answer.body)
