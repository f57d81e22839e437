"""The calls to STS, DynamoDB, Lambda, Step Functions and SSM that jit-broker really sends, signed again by botocore: both must come to the same
signature."""

import http.server
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import signatures  # noqa: E402  (its folder has just been added)
from brokerlib import Api, make_broker, new_secret  # noqa: E402
from signatures import REGION  # noqa: E402

ACCESS, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "tok/en+" + "x" * 400 + "=="
MACHINE = f"arn:aws:states:{REGION}:123456789012:stateMachine:JITAccessApprovalWorkflow"
ARN = "arn:aws:iam::123456789012:role/JIT-ElevatedAdminRole"
CONF = """issuer = sts:{endpoint}
issuer_region = {region}
issuer_credentials = {folder}/keys
issuer_plain_loopback = yes
[role JIT-ElevatedAdminRole]
arn = {arn}
services = sudo
requesters = admin@example.com
hosts = *
targets = root
reason = optional
auto_approve = simulated
unsealed = allow
"""
CALL = {"requester": "admin@example.com", "role": "JIT-ElevatedAdminRole", "roleArn": ARN, "duration": 900,
        "simulateApproval": True, "ticket": "INC-4711 (é & more)"}


class Recorder(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent and refuses it, as STS refuses a role."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers, body))
        answer = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@unittest.skipUnless(signatures.is_installed(), "botocore is not installed (python3-botocore)")
class SignatureTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sigv4-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
        self.server.seen = []
        self.addCleanup(self.server.server_close)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.shutdown)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def write_keys(self, token):
        with open(os.open(f"{self.folder}/keys", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"[default]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n")
            if token:
                file.write(f"aws_session_token = {token}\n")

    def sent_with(self, token):
        """What the broker sends for one approved request: (path, headers, body)."""
        self.write_keys(token)
        conf = CONF.format(endpoint=self.endpoint, region=REGION, folder=self.folder, arn=ARN)
        broker = make_broker(self.folder, conf)
        broker.start()
        try:
            api = Api(broker.port, f"{self.folder}/ca.pem", key=new_secret(broker, "key", "add", "web-1"))
            answer = api.post("/request-access", CALL)
            api.close()
        finally:
            broker.stop()
        self.assertEqual((answer.status, answer.json["error"]), (502, "issuer.refused"), answer.body)
        self.assertEqual(len(self.server.seen), 1)
        return self.server.seen[0]

    def asked_of_a_table(self, token):
        """What the broker's first call to its table is."""
        self.write_keys(token)
        broker = make_broker(self.folder, CONF.format(endpoint=self.endpoint, region=REGION, folder=self.folder,
                                                      arn=ARN))
        with open(broker.conf, encoding="utf-8") as file:
            text = file.read().replace(f"store = sqlite:{self.folder}/broker.db", (
                f"store = dynamodb:jit-requests\nstore_endpoint = {self.endpoint}\nstore_region = {REGION}\n"
                f"store_credentials = {self.folder}/keys\nstore_plain_loopback = yes"))
        with open(broker.conf, "w", encoding="utf-8") as file:
            file.write(text)
        done = broker.admin("key", "list", check=False)
        self.assertIn("DynamoDB", done.stderr)
        return self.server.seen[0]

    def asked_by_workflows(self, instant):
        """What is sent for one approved request where a function issues and a workflow follows: {service: call}."""
        self.write_keys(TOKEN)
        more = (f"issue_function = arn:aws:lambda:{REGION}:123456789012:function:jit-AssumeJITRole\n"
                f"issue_endpoint = {self.endpoint}\nworkflow = {MACHINE}\nworkflow_endpoint = {self.endpoint}\n"
                f"workflow_credentials = {self.folder}/keys\nworkflow_plain_loopback = yes\n"
                + (f"issue_workflow = {MACHINE}-Express\n" if instant else ""))
        broker = make_broker(self.folder, more + CONF.format(endpoint=self.endpoint, region=REGION, folder=self.folder,
                                                             arn=ARN))
        broker.start()
        try:
            api = Api(broker.port, f"{self.folder}/ca.pem", key=new_secret(broker, "key", "add", "web-1"))
            answer = api.post("/request-access", CALL)
            api.close()
            self.assertEqual(answer.json["error"], "issuer.unavailable", answer.body)
            until = time.monotonic() + 20
            while len(self.server.seen) < 2 and time.monotonic() < until:
                time.sleep(0.02)
        finally:
            broker.stop()
        return {headers["X-Amz-Target"]: (path, headers, body) for path, headers, body in self.server.seen}

    def asked_for_a_secret(self, token):
        """What SSM is asked before a message is signed."""
        self.write_keys(token)
        conf = (f"ssm_path = /jit/notify\nssm_region = {REGION}\nssm_endpoint = {self.endpoint}\nssm_credentials = "
                f"{self.folder}/keys\nssm_plain_loopback = yes\n" + CONF.format(
                    endpoint=self.endpoint, region=REGION, folder=self.folder, arn=ARN)
                + f"[webhook chat]\nurl = {self.endpoint}\nplain_loopback = yes\nsecret = ssm:chat\n")
        done = make_broker(self.folder, conf).admin("notify", "test", "chat", check=False)
        self.assertIn("/jit/notify/chat cannot be read", done.stdout)
        self.assertEqual(len(self.server.seen), 1)
        return self.server.seen[0]

    def check(self, token):
        path, headers, body = self.sent_with(token)
        self.check_signature(path, headers, body, token, "sts")
        return urllib.parse.parse_qs(body.decode("ascii"), strict_parsing=True)

    def check_signature(self, path, headers, body, token, service, wanted="/"):
        self.assertEqual(path, wanted)
        low = {name.lower(): value for name, value in headers.items()}
        authorization = low["authorization"]
        scope, signed, signature = signatures.made_again((ACCESS, SECRET), service, f"{self.endpoint}{wanted}", "POST",
                                                         low, body)
        self.assertLessEqual({"content-type", "host", "x-amz-date"} | ({"x-amz-security-token"} if token else set()),
                             set(signed))
        self.assertEqual(authorization.split("Signature=")[1], signature)
        self.assertTrue(authorization.startswith(f"AWS4-HMAC-SHA256 {scope}"))
        self.assertNotIn(SECRET, str(headers))

    def test_botocore_comes_to_the_same_signature(self):
        form = self.check(None)
        self.assertEqual(form["Action"], ["AssumeRole"])
        self.assertEqual(form["SourceIdentity"], ["admin@example.com"])
        self.assertEqual(form["Tags.member.4.Value"], ["INC-4711 __ _ more_"])

    def test_a_session_token_is_sent_and_signed_too(self):
        self.check(TOKEN)
        self.assertEqual(self.server.seen[0][1]["X-Amz-Security-Token"], TOKEN)

    def test_what_functions_and_workflows_are_asked_is_signed_as_botocore_signs_it(self):
        asked = self.asked_by_workflows(False)
        self.check_signature(*asked["AWSStepFunctions.StartExecution"], TOKEN, "states")
        self.check_signature(*asked[None], TOKEN, "lambda", "/2015-03-31/functions/jit-AssumeJITRole/invocations")
        self.assertEqual(json.loads(asked[None][2])["step"], "issue")
        self.server.seen.clear()
        asked = self.asked_by_workflows(True)
        self.check_signature(*asked["AWSStepFunctions.StartSyncExecution"], TOKEN, "states")

    def test_what_the_parameter_store_is_asked_is_signed_as_botocore_signs_it(self):
        for token in (None, TOKEN):
            with self.subTest(token=bool(token)):
                self.server.seen.clear()
                path, headers, body = self.asked_for_a_secret(token)
                self.check_signature(path, headers, body, token, "ssm")
                self.assertEqual(headers["X-Amz-Target"], "AmazonSSM.GetParameter")
                self.assertEqual(headers["Content-Type"], "application/x-amz-json-1.1")
                self.assertEqual(json.loads(body), {"Name": "/jit/notify/chat", "WithDecryption": True})

    def test_what_a_table_is_asked_is_signed_as_botocore_signs_it(self):
        for token in (None, TOKEN):
            with self.subTest(token=bool(token)):
                self.server.seen.clear()
                path, headers, body = self.asked_of_a_table(token)
                self.check_signature(path, headers, body, token, "dynamodb")
                self.assertIn("x-amz-target", headers["Authorization"])
                self.assertEqual(headers["X-Amz-Target"], "DynamoDB_20120810.DescribeTable")
                self.assertEqual(headers["Content-Type"], "application/x-amz-json-1.0")
                self.assertEqual(headers["X-Amz-Security-Token"], token)
                self.assertEqual(json.loads(body), {"TableName": "jit-requests"})
