"""bootstrap, the broker as AWS Lambda runs it: its loop, the calls of the API that come in events, and how it ends."""

import json
import os
import signal
import tempfile
import time
import unittest

from badserver import BadServer, hang
from brokerlib import PUBLIC_KEY, built, make_broker, new_secret
from lambdalib import TRACE, Function, environment, http_event, rest_event

CONF = """issuer = {issuer}
[role admin]
services = sudo
requesters = op1
hosts = web-*
targets = root
approvers = appr1
reason = optional
code = off
{arn}
[person op1]
[person appr1]
[host web-2]
source = 192.0.2.0/24
"""
STS = """sts:http://127.0.0.1:{port}
issuer_region = eu-west-1
issuer_credentials = {folder}/keys
issuer_plain_loopback = yes"""
FILING = {"requester": "op1", "role": "admin", "duration": 900, "publicKey": PUBLIC_KEY, "service": "sudo",
          "target": "root", "command": "/usr/bin/id", "resume": True, "reason": "INC-4711"}


class LambdaCase(unittest.TestCase):
    issuer, arn = "demo", ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.broker = make_broker(self.folder, CONF.format(issuer=self.issuer.format(folder=self.folder), arn=self.arn))
        self.key = new_secret(self.broker, "key", "add", "web-1")

    def function(self, name, log=None, **env):
        function = Function([built("bootstrap")], log or f"{self.folder}/{name}.log",
                            environment(_HANDLER=name, JIT_BROKER_CONF=self.broker.conf, **env))
        self.addCleanup(function.stop)
        return function

    def answer(self, function, event, seconds=20):
        """The proxy answer's status and JSON."""
        kind, answer = function.api.invoke(event, seconds)
        self.assertEqual(kind, "response", answer)
        self.assertEqual(set(answer), {"statusCode", "headers", "body", "isBase64Encoded"})
        self.last = answer
        return answer["statusCode"], json.loads(answer["body"])

    def fail_of(self, function, event):
        kind, answer = function.api.invoke(event)
        self.assertEqual((kind, set(answer)), ("error", {"errorMessage", "errorType"}), answer)
        return answer["errorType"]

    def file(self, function=None):
        status, request = self.answer(function or self.function("RequestElevatedAccess"),
                                      rest_event("POST", "/request-access", self.key, FILING))
        self.assertEqual((status, request["status"]), (200, "PENDING"), request)
        return request


class Plan(LambdaCase):
    def test_an_instance_that_is_frozen_and_ended_has_written_what_was_called(self):
        with open(self.broker.conf, "a", encoding="utf-8") as file:
            file.write("[host web-1]\nusage_plan = day\n[usage_plan day]\nquota = 3\n")
        statuses = []
        for instance in range(2):
            function = self.function("Status", f"{self.folder}/{instance}.log")
            statuses += [self.answer(function, rest_event("GET", "/requests", self.key))[0] for _ in range(2)]
            function.api.wait_for_next()
            function.process.kill()
        self.assertEqual(statuses, [200, 200, 200, 429])
        used = self.broker.admin("key", "list").stdout.splitlines()[1]
        self.assertNotIn("never", used)


class Loop(LambdaCase):
    def test_one_connection_serves_every_event_and_the_protocol_is_kept(self):
        function = self.function("Status")
        for _ in range(10):
            self.assertEqual(self.answer(function, rest_event("GET", "/requests", self.key))[0], 200)
        function.api.wait_for_next()
        self.assertEqual((function.api.connections, function.api.wrong), (1, []))

    def test_a_proxy_of_the_environment_is_not_asked(self):
        function = self.function("Status", http_proxy="http://127.0.0.1:9", all_proxy="http://127.0.0.1:9")
        self.assertEqual(self.answer(function, rest_event("GET", "/requests", self.key))[0], 200)

    def test_an_event_over_6_mb_is_an_error_and_the_next_is_served(self):
        function = self.function("Status")
        self.assertEqual(self.fail_of(function, b'{"body":"' + b"a" * 6 * 1024 * 1024 + b'"}'), "Event.TooLarge")
        self.assertEqual(self.answer(function, rest_event("GET", "/requests", self.key))[0], 200)
        self.assertEqual(function.api.wrong, [])

    def test_an_answer_that_the_platform_finds_too_large_becomes_an_error(self):
        function = self.function("Status")
        function.api.size_limit = 10
        self.assertEqual(self.fail_of(function, rest_event("GET", "/requests", self.key)),
                         "Function.ResponseSizeTooLarge")
        function.api.size_limit = 10000
        self.assertEqual(self.answer(function, rest_event("GET", "/requests", self.key))[0], 200)

    def test_what_is_no_event_of_ours_is_an_error(self):
        function = self.function("Status")
        for event in (b"", b"[]", b"no JSON", {"Records": [{"body": "{}"}]}):
            self.assertEqual(self.fail_of(function, event), "Event.Unknown")

    def test_the_log_names_an_invocation_that_failed_and_its_trace_in_one_line(self):
        function = self.function("Status")
        self.assertEqual(self.fail_of(function, b"[]"), "Event.Unknown")
        said = [line for line in function.said().splitlines() if "failed" in line]
        self.assertEqual(len(said), 1, said)
        self.assertIn(f"invocation {function.api.under_way.id}, trace {TRACE} failed: Event.Unknown: ", said[0])

    def test_a_runtime_api_that_fails_ends_it(self):
        function = self.function("Status")
        function.api.wait_for_next()
        function.api.next_status = 500
        function.api.invoke(rest_event("GET", "/requests", self.key))
        self.assertEqual(function.process.wait(10), 1)
        self.assertIn("answers invocation/next with status 500", function.said())

    def test_an_event_without_id_or_deadline_ends_it(self):
        for header in ("Lambda-Runtime-Aws-Request-Id", "Lambda-Runtime-Deadline-Ms"):
            with self.subTest(header):
                function = self.function("Status", f"{self.folder}/{header}.log")
                function.api.without = (header,)
                function.api.start(rest_event("GET", "/requests", self.key))
                self.assertEqual(function.process.wait(10), 1)
                self.assertIn(f"without a {header}", function.said())

    def test_keys_in_events_are_asked_of_this_machine_alone(self):
        for address in ("198.51.100.7:9001", "runtime.example:9001", "127.0.0.1", "[::1]:9001", ""):
            with self.subTest(address):
                function = Function(["/usr/bin/env", f"AWS_LAMBDA_RUNTIME_API={address}", built("bootstrap")],
                                    f"{self.folder}/far.log", environment(_HANDLER="Status"))
                self.assertEqual(function.process.wait(10), 1)
                function.stop()
                self.assertIn("AWS_LAMBDA_RUNTIME_API must be", function.said())


class Start(LambdaCase):
    def assert_does_not_start(self, function, error, *words):
        said = function.init_error()
        self.assertEqual(set(said), {"errorMessage", "errorType"})
        self.assertEqual(said["errorType"], error)
        for word in words:
            self.assertIn(word, said["errorMessage"])
        self.assertEqual(function.process.wait(10), 1)
        self.assertEqual(function.api.wrong, [])

    def test_a_handler_that_is_none_of_ours_is_an_init_error_with_those_that_are(self):
        for name in ("index.handler", "", "status", "SimulateApproval"):
            with self.subTest(name):
                self.assert_does_not_start(self.function(name, f"{self.folder}/log"), "Function.Unknown", f"'{name}'",
                                           "RequestElevatedAccess", "AssumeJITRole")

    def test_a_configuration_with_an_error_is_an_init_error_with_the_first_of_them(self):
        with open(self.broker.conf, "a", encoding="utf-8") as file:
            file.write("[role x]\nno_such_key = 1\n")
        self.assert_does_not_start(self.function("Status"), "Configuration.Invalid", "jit-broker.conf:", "no_such_key")

    def test_a_store_that_cannot_be_opened_is_an_init_error(self):
        os.unlink(f"{self.folder}/broker.db")
        os.mkdir(f"{self.folder}/broker.db")
        self.assert_does_not_start(self.function("Status"), "Store.Unavailable")


class Calls(LambdaCase):
    def test_a_request_goes_its_way_through_functions(self):
        request = self.file()
        token = new_secret(self.broker, "token", "add", "appr1")
        path = "/requests/" + request["requestId"]
        status, waiting = self.answer(self.function("Status"), rest_event(
            "GET", "/requests", headers={"Authorization": f"Bearer {token}"}))
        self.assertEqual((status, [item["requestId"] for item in waiting["requests"]]), (200, [request["requestId"]]))
        status, approved = self.answer(self.function("Approve"), rest_event(
            "POST", path + "/approve", None, {"comment": "go"}, headers={"Authorization": f"Bearer {token}"}))
        self.assertEqual((status, approved["status"]), (200, "APPROVED"), approved)
        status, changes = self.answer(self.function("Changes"), http_event("GET", "/changes", self.key))
        self.assertEqual((status, changes["changes"][0]["status"]), (200, "APPROVED"))
        for name, expected in (("Start", "ACTIVE"), ("End", "ENDED")):
            status, now = self.answer(self.function(name), http_event("POST", f"{path}/{name.lower()}", self.key, {}))
            self.assertEqual((status, now["status"]), (200, expected), now)

    def test_a_function_serves_its_own_calls_alone(self):
        function = self.function("Status")
        for method, path in (("POST", "/request-access"), ("GET", "/changes"), ("POST", "/requests/1/approve"),
                             ("GET", "/audit"), ("GET", "/healthz"), ("GET", "/"), ("GET", "/sign-in")):
            self.assertEqual(self.answer(function, rest_event(method, path, self.key, {})),
                             (403, {"message": "Missing Authentication Token"}), path)

    def test_nothing_waits_and_the_answer_says_when_to_ask_again(self):
        request = self.file()
        self.assertEqual(self.last["headers"]["Retry-After"], "2")
        self.assertEqual(self.last["headers"]["Cache-Control"], "no-store")
        function = self.function("Status")
        kind, answer = function.api.invoke(rest_event("GET", "/requests/" + request["requestId"], self.key,
                                                      query={"wait": "25"}), 15)
        self.assertEqual((kind, answer["statusCode"], answer["headers"]["Retry-After"]), ("response", 200, "2"))

    def test_a_host_that_has_nothing_open_may_come_back_later(self):
        function = self.function("Changes")
        _, changes = self.answer(function, http_event("GET", "/changes", self.key))
        after = f"after={changes['next']}&wait=25"
        for query, again in ((after, "2"), (after + "&idle=1", "13"), (after + "&idle=0", "2"), (after + "&idle=7", "13"),
                             ("idle=1", None)):
            kind, answer = function.api.invoke(http_event("GET", "/changes", self.key, query=query), 15)
            self.assertEqual((kind, answer["statusCode"], answer["headers"].get("Retry-After")), ("response", 200, again))
        self.file()
        status, said = self.answer(function, http_event("GET", "/changes", self.key, query="idle=1"))
        self.assertEqual((status, len(said["changes"]), self.last["headers"].get("Retry-After")), (200, 1, None))

    def test_a_key_is_as_good_as_on_a_connection(self):
        function = self.function("Status")
        bound = new_secret(self.broker, "key", "add", "web-2")
        for key, source, expected in ((None, "192.0.2.7", 403), ("jitk_no", "192.0.2.7", 403),
                                      (self.key, "198.51.100.7", 200), (bound, "192.0.2.7", 200),
                                      (bound, "198.51.100.7", 403), (bound, "nowhere", 403)):
            for event in (rest_event, http_event):
                status, _ = self.answer(function, event("GET", "/requests", key, source=source))
                self.assertEqual(status, expected, (key, source, event.__name__))

    def test_a_signature_lets_in_and_the_key_alone_says_which_host_it_is(self):
        function, request = self.function("Status"), self.file()
        other = new_secret(self.broker, "key", "add", "web-9")
        for key, expected in ((None, 403), ("jitk_no", 403), (self.key, 200), (other, 404)):
            event = http_event("GET", "/requests/" + request["requestId"], key)
            event["requestContext"]["authorizer"] = {"iam": {"userArn": "arn:aws:sts::123456789012:assumed-role/web/i-1"}}
            self.assertEqual(self.answer(function, event)[0], expected, key)

    def test_an_approvers_token_lists_beside_a_key_of_the_gateways_and_a_hosts_key_stays_the_hosts(self):
        request, function = self.file(), self.function("Status")
        token = new_secret(self.broker, "token", "add", "appr1")
        bound = new_secret(self.broker, "key", "add", "web-2")

        def asked(path, key, authorization, source="192.0.2.7"):
            """The status, and of each request whether it is shown as approvers see it, or the error."""
            status, said = self.answer(function, rest_event("GET", path, key, source=source,
                                                            headers={"Authorization": authorization}))
            return status, ["person" in r for r in said.get("requests", [said])] if status == 200 else said.get("error")

        one, gateways = "/requests/" + request["requestId"], "a-key-of-the-gateways-alone"
        for path, others in (("/requests", (200, [])), (one, (404, "request.unknown"))):
            for key, authorization, expected in (
                    (gateways, f"Bearer {token}", (200, [True])), (None, f"Bearer {token}", (200, [True])),
                    (self.key, f"Bearer {token}", (200, [False])), (self.key, "Bearer no", (200, [False])),
                    (bound, f"Bearer {token}", others), (gateways, "Bearer no", (401, "auth.token")),
                    (gateways, f"Basic {token}", (403, None)), (None, "Basic no", (401, "auth.token"))):
                self.assertEqual(asked(path, key, authorization), expected, (path, key, authorization))
            # A host's key in a wrong place is refused, not passed over for the token beside it.
            self.assertEqual(asked(path, bound, f"Bearer {token}", "198.51.100.7"), (403, None))

    def test_a_call_that_is_refused_before_anybody_looks_at_it_is_told_so(self):
        function = self.function("Status")
        status, said = self.answer(function, rest_event("PUT", "/requests", self.key))
        self.assertEqual((status, said["error"]), (501, "http.request"))
        twice = rest_event("GET", "/requests", self.key, headers={"X-API-Key": self.key})
        self.assertEqual(self.answer(function, twice)[0], 400)


class Direct(LambdaCase):
    def test_whoever_may_invoke_it_files_for_the_host_that_is_named(self):
        function = self.function("RequestElevatedAccess", JIT_DIRECT_HOST="web-1")
        status, request = self.answer(function, FILING)
        self.assertEqual((status, request["status"], request["host"]), (200, "PENDING", "web-1"))
        status, said = self.answer(function, {"requester": "op1"})
        self.assertEqual((status, said), (400, {"message": "Missing required field: 'role'"}))

    def test_without_a_host_or_on_another_function_nobody_does(self):
        self.assertEqual(self.fail_of(self.function("RequestElevatedAccess"), FILING), "Event.Direct")
        self.assertEqual(self.fail_of(self.function("Status", JIT_DIRECT_HOST="web-1"), FILING), "Event.Direct")

    def test_a_call_through_the_api_still_needs_its_key(self):
        function = self.function("RequestElevatedAccess", JIT_DIRECT_HOST="web-1")
        status, said = self.answer(function, rest_event("POST", "/request-access", None, FILING))
        self.assertEqual((status, said), (403, {"message": "Forbidden"}))


class Deadline(LambdaCase):
    arn = "arn = arn:aws:iam::123456789012:role/JIT-ElevatedAdminRole"

    def setUp(self):
        self.sts = BadServer(hang, None, plain=True)
        self.addCleanup(self.sts.close)
        self.issuer = STS.replace("{port}", str(self.sts.port))
        super().setUp()
        with open(f"{self.folder}/keys", "w", encoding="ascii") as file:
            file.write("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = secret\n")
        os.chmod(f"{self.folder}/keys", 0o600)

    def test_nobody_is_waited_for_past_it_and_the_next_event_is_served(self):
        request = self.file()
        token = new_secret(self.broker, "token", "add", "appr1")
        path = "/requests/" + request["requestId"]
        self.answer(self.function("Approve"), rest_event("POST", path + "/approve", None, {},
                                                         headers={"Authorization": f"Bearer {token}"}))
        function = self.function("Credentials")
        status, said = self.answer(function, rest_event("POST", path + "/credentials", self.key, {}), 1)
        self.assertEqual((status, said["error"]), (503, "function.deadline"))
        status, _ = self.answer(function, rest_event("POST", path + "/credentials", "jitk_no", {}))
        self.assertEqual((status, function.api.wrong), (403, []))

    def test_an_answer_that_comes_too_late_is_not_sent(self):
        function = self.function("Status")
        function.api.wait_for_next()
        os.kill(function.process.pid, signal.SIGSTOP)
        late = function.api.start(rest_event("GET", "/requests", self.key), 0.2)
        while not late.deadline or time.time() < late.deadline:
            time.sleep(0.01)
        os.kill(function.process.pid, signal.SIGCONT)
        self.assertEqual(self.answer(function, rest_event("GET", "/requests", self.key))[0], 200)
        self.assertEqual((late.kind, function.api.wrong), (None, []))
        self.assertIn("was over before it was answered", function.said())


if __name__ == "__main__":
    unittest.main()
