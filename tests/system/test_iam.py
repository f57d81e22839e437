"""broker_auth = iam: a host is known by its instance's role. A front door that signs each call again with botocore lets
those through alone whose signature is the same."""

import glob
import json
import os
import socket
import subprocess
import time
import unittest

import memory
import signatures
from badserver import BadServer, http, send
from gateway import Gateway
from imds import Imds
from lab import LabCase, read
from terminal import wait_until


class SignedDoor(Gateway):
    """`let_in` and `turned_away` have (method, path, headers) of each call."""

    def __init__(self, imds, api_key):
        self.imds, self.api_key, self.let_in, self.turned_away = imds, api_key, [], []
        super().__init__("/run/lab/secrets", "/etc/pam-jit/broker-ca.pem", retry_after=1)

    def answer(self, method, path, headers, body):
        low = {name.lower(): value for name, value in headers.items()}
        good = signatures.is_good(self.imds, f"https://broker.example:{self.port}{path}", method, low, body)
        (self.let_in if good else self.turned_away).append((method, path, low))
        if not good:
            return 403, {"Content-Type": "application/json"}, b'{"message":"Forbidden"}'
        kept = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        return super().answer(method, path, {**kept, "x-api-key": self.api_key}, body)


@unittest.skipUnless(signatures.is_installed(), "botocore is not installed (python3-botocore)")
class IamCase(LabCase):
    broker_conf = {("role admin", "credential_lifetime"): "5s", ("host web-1", "may_request_for"): "*"}

    def setUp(self):
        self.imds = Imds()
        self.addCleanup(self.imds.close)
        self.door = SignedDoor(self.imds, self.lab.api_key)
        self.addCleanup(self.door.close)

    def tearDown(self):
        self.lab.stop_helper()
        self.lab.configure()

    def configure(self, **changes):
        self.lab.stop_helper()
        self.lab.forget_state()
        self.lab.configure(helper={("helper", name): value for name, value in {
            "broker": f"https://broker.example:{self.door.port}", "broker_auth": "iam", "broker_region": signatures.REGION,
            "imds_endpoint": self.imds.url, "api_key_file": "/etc/pam-jit/no.key", **changes}.items()})

    def serve(self, **changes):
        self.configure(**changes)
        self.lab.start_helper()

    def test_every_call_is_signed_as_botocore_signs_it(self):
        self.serve()
        terminal = self.open_terminal()
        terminal.start("sudo sh -c 'jit credentials >/dev/null && sleep 5 && jit credentials >/dev/null && echo renewed'")
        request = terminal.expect(r"request (\w{4}-\w{4}), code (\d\d)")
        self.approve((request[1], request[2]))
        status, text = terminal.finish(30)
        self.assertEqual(status, 0, text)
        self.assertIn("renewed", text)
        self.assertEqual(self.door.turned_away, [])
        called = [(method, path.partition("?")[0].split("/")[-1]) for method, path, _ in self.door.let_in]
        self.assertLessEqual({("POST", "request-access"), ("GET", "changes"), ("POST", "start"),
                              ("POST", "credentials")}, set(called))
        self.assertTrue(any("after=" in path and "wait=" in path for _, path, _ in self.door.let_in))
        self.assertTrue(any("idempotency-key" in headers for *_, headers in self.door.let_in))
        # A signature has the header that a grant token has otherwise.
        self.assertTrue(any("x-jit-grant-token" in headers for *_, headers in self.door.let_in))
        self.assertFalse(any("x-api-key" in headers for *_, headers in self.door.let_in))
        # And the broker reads it there: it has made no other one.
        records = self.lab.ask_broker("/audit?after=0", self.lab.tokens["appr1"])["records"]
        self.assertNotIn("grant.token_renewed", [record["action"] for record in records])

    def test_patterns_of_hosts_are_signed_too(self):
        self.serve()
        terminal = self.open_terminal()
        terminal.run("jit request --role admin --reason 'disk full' --hosts 'web-*' 'db-*'")
        hosts = [path for _, path, _ in self.door.let_in if path.startswith("/hosts?")]
        self.assertTrue(hosts, self.door.turned_away)
        self.assertEqual(self.door.turned_away, [])

    def test_the_next_broker_gets_a_signature_of_its_own(self):
        ill = BadServer(send(http(b"<html/>", "text/html", "502 Bad Gateway")), "/run/lab/secrets")
        self.addCleanup(ill.close)
        self.serve(broker=f"https://broker.example:{ill.port}\nbroker = https://broker.example:{self.door.port}")
        self.run_approved(self.open_terminal())
        self.assertGreater(ill.connections, 0)
        self.assertEqual(self.door.turned_away, [])

    def test_the_key_may_go_with_it(self):
        self.serve(broker_auth="both", api_key_file="/etc/pam-jit/api.key")
        self.door.wait_for("answered", "/changes", 2)
        self.assertEqual(self.door.turned_away, [])
        self.assertEqual({headers.get("x-api-key") for *_, headers in self.door.let_in}, {self.lab.api_key})

    def test_credentials_are_fetched_ahead_and_never_without_a_token(self):
        self.imds.life = 6
        self.serve()
        wait_until("others have been fetched", lambda: len(self.imds.given) >= 3, 20)
        self.door.wait_for("answered", "/changes", 4)
        used = {headers["x-amz-security-token"] for *_, headers in self.door.let_in}
        self.assertGreaterEqual(len(used), 2)
        self.assertEqual(self.door.turned_away, [])
        asked = self.imds.asked
        self.assertTrue(all(asked[i - 1][1].endswith("token") or asked[i - 2][1].endswith("token")
                            for i, (method, _) in enumerate(asked) if method == "GET"), asked)

    def test_without_credentials_nobody_gets_in_and_is_told_why(self):
        self.imds.broken = True
        self.serve()
        status, text = self.open_terminal(columns=400).run("sudo id")
        self.assertEqual(status, 1, text)
        self.assertIn("the instance's metadata service at 127.0.0.1", text)
        self.assertIn("gives no role: HTTP status 500; tell the operator of this host", text)
        self.serve(break_glass_group="op1")  # whose only member is op1
        status, text = self.open_terminal(reason="no role at all", columns=400).run("JIT_BREAK_GLASS=yes sudo id")
        self.assertEqual((status, "gives no role" in text, "glass" in text), (1, True, False), text)
        self.imds.broken = False
        wait_until("it is let in", lambda: self.door.let_in, 20)
        self.run_approved(self.open_terminal())

    def test_a_metadata_service_that_hangs_holds_up_nobody(self):
        deaf = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.addCleanup(deaf.close)
        self.serve(imds_endpoint=f"http://127.0.0.1:{deaf.getsockname()[1]}")
        began = time.monotonic()
        status, text = self.open_terminal(columns=400).run("sudo id")
        self.assertEqual(status, 1, text)
        self.assertIn("it did not answer in time", text)
        self.assertLess(time.monotonic() - began, 3)

    def test_no_secret_of_the_instance_is_kept_or_logged(self):
        self.serve()
        self.door.wait_for("answered", "/changes", 1)
        self.run_approved(self.open_terminal())
        kept = [path for path in glob.glob("/run/pam-jit/**", recursive=True) if os.path.isfile(path)]
        self.assertTrue(kept, "its state is there")
        for path in [self.lab.log("jit-helper"), self.lab.log("syslog"), *kept]:
            text = read(path)
            for keys in self.imds.given:
                self.assertNotIn(keys["SecretAccessKey"], text, path)
                self.assertNotIn(keys["Token"], text, path)
        if not os.environ.get("PAM_JIT_SAN"):  # whose shadow memory is terabytes
            secrets = {name: self.imds.given[-1][name].encode() for name in ("SecretAccessKey", "Token")}
            found, bare = memory.places(self.lab.helper.pid, secrets)
            self.assertEqual(set(found), set(secrets))
            # What libcurl signs with it has copied, for as long as the call lasts.
            self.assertEqual([name for name, _ in bare if name != "SecretAccessKey"], [])

    def check(self):
        return subprocess.run(["jit-helper", "--check"], capture_output=True, text=True, timeout=20)

    def test_its_configuration_is_checked(self):
        for said, change in {"needs broker_region": {"broker_region": None},
                             "must have no % in it": {"broker": "https://broker.example/a%20b"},
                             "imds_endpoint is for tests": {"imds_endpoint": "http://192.0.2.1"}}.items():
            with self.subTest(said):
                self.configure(**change)
                done = self.check()
                self.assertEqual(done.returncode, 1)
                self.assertIn(said, done.stderr)
        self.configure()
        self.assertEqual(self.check().returncode, 0)
        self.imds.broken = True
        self.assertIn("gives no role", self.check().stderr)
        self.assertIn("brokerAuth", json.dumps(json.loads(subprocess.run(
            ["jit-helper", "--probe"], capture_output=True, text=True, timeout=20).stdout)))
