"""The whole way on AWS: the functions, the workflows as they are shipped, an STS; and that no credential is seen on it.

The store is SQLite, which the instances share here, and a table of DynamoDB."""

import json
import tempfile
import time
import unittest

import awslib
import npm
import signatures
from awslib import ROLE
from brokerlib import PUBLIC_KEY, make_broker, new_secret
from cloud import ISSUED, KEYS, Cloud
from dynamo import Between, Dynamo
from lambdalib import rest_event
from secretsearch import assert_none_is_in

prepare = npm.prepare

FILING = {"requester": "op1", "role": "admin", "duration": 900, "publicKey": PUBLIC_KEY, "service": "sudo",
          "target": "root", "command": "/usr/bin/id", "resume": True}
PATIENCE = 20


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.cloud = self.entered(Cloud(self.folder))

    def entered(self, context):
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def broker(self, pending="5m", approvals=1, auto="never"):
        self.made = make_broker(self.folder, awslib.conf(self.cloud, pending=pending, approvals=approvals, auto_approve=auto))
        self.cloud.conf = self.made.conf
        self.prepare_store()
        self.key = new_secret(self.made, "key", "add", "web-1")
        self.token = {name: new_secret(self.made, "token", "add", name) for name in ("appr1", "appr2")}

    def prepare_store(self):
        pass

    def ask(self, function, method, path, body=None, key=None, **more):
        kind, answer = self.cloud.invoke(function, rest_event(method, path, key, body, **more))
        self.assertEqual(kind, "response", answer)
        return answer["statusCode"], json.loads(answer["body"])

    def file(self, **more):
        status, request = self.ask("RequestElevatedAccess", "POST", "/request-access", {**FILING, **more}, self.key)
        self.assertEqual(status, 200, request)
        return request

    def decide(self, request, who="appr1", word="approve"):
        status, said = self.ask(word.capitalize(), "POST", f"/requests/{request['requestId']}/{word}", {},
                                headers={"Authorization": f"Bearer {self.token[who]}"})
        self.assertEqual(status, 200, said)
        return said["status"]

    def collect(self, request):
        return self.ask("Credentials", "POST", f"/requests/{request['requestId']}/credentials", {}, self.key)

    def status(self, request):
        return self.ask("Status", "GET", f"/requests/{request['requestId']}", None, self.key)[1]["status"]

    def sweep(self):
        kind, said = self.cloud.invoke("Sweep", {"detail-type": "Scheduled Event", "source": "aws.events"})
        self.assertEqual(kind, "response", said)
        return said["waiting"]

    def wait(self, what, says):
        until = time.monotonic() + PATIENCE
        while not what():
            if time.monotonic() > until:
                self.fail(f"waited {PATIENCE} s: {says()}")
            time.sleep(0.05)

    def wait_for(self, request, **wanted):
        """Until the execution has that status, output, or is in that state."""
        def known():
            return self.cloud.execution(request["requestId"]) or {"states": [""]}

        def there():
            now = known()
            return all((now["states"] or [""])[-1] == value if name == "state" else now.get(name) == value
                       for name, value in wanted.items())
        self.wait(there, known)
        return known()

    def wait_for_token(self, request, step):
        """Until that step's token is in the record."""
        self.wait(lambda: f'"step":"{step}"' in self.cloud.record() and self.has_been_asked(request, step),
                  self.cloud.record)

    def has_been_asked(self, request, step):
        return any(one.get("payload", {}).get("step") == step and one["payload"]["requestId"] == request["requestId"]
                   for one in json.loads(self.cloud.record()) if "invoked" in one)

    def assert_no_secret_was_seen(self):
        assert_none_is_in(awslib.recorded(self.cloud, f"{self.folder}/*.log", f"{self.folder}/broker.db*", **self.items()),
                          [*ISSUED, KEYS["AWS_SECRET_ACCESS_KEY"], KEYS["AWS_SESSION_TOKEN"]])

    def items(self):
        return {}


class Workflow(Case):
    def test_an_approval_goes_through_to_credentials_that_nobody_saw(self):
        self.broker()
        request = self.file()
        self.wait_for_token(request, "await-decision")
        self.assertEqual(self.decide(request), "APPROVED")
        self.wait_for_token(request, "await-collection")
        status, collected = self.collect(request)
        self.assertEqual((status, collected["status"]), (200, "ACTIVE"), collected)
        self.assertEqual(len(collected["sealedCredentials"].split(".")), 5)
        ended = self.wait_for(request, status="SUCCEEDED")
        self.assertEqual((ended["output"], ended["states"]),
                         ({"status": "ACTIVE"}, ["SimulateApproval", "AwaitDecision", "Decision", "AssumeJITRole",
                                                 "Collected", "Approved", "Over"]))
        self.assertEqual(len(self.cloud.assumed), 1)
        status, renewed = self.collect(request)  # every issue is AssumeJITRole's, a renewal too
        self.assertEqual((status, renewed["status"], len(self.cloud.assumed)), (200, "ACTIVE", 2), renewed)
        self.wait(lambda: self.sweep() == 0, self.sweep)
        self.assert_no_secret_was_seen()

    def test_a_denial_ends_it_as_denied(self):
        self.broker()
        request = self.file()
        self.wait_for_token(request, "await-decision")
        self.assertEqual(self.decide(request, word="deny"), "DENIED")
        self.assertEqual(self.wait_for(request, status="SUCCEEDED")["output"], {"status": "DENIED"})
        self.assertEqual((self.status(request), self.collect(request)[0]), ("DENIED", 403))

    def test_nobody_decides_and_the_time_out_is_the_tables(self):
        self.broker(pending="2s")
        request = self.file()
        ended = self.wait_for(request, status="SUCCEEDED")
        self.assertEqual((ended["output"]["status"], self.status(request)), ("EXPIRED", "EXPIRED"))
        self.assertIn("Expire", ended["states"])

    def test_two_approvers_are_two(self):
        self.broker(approvals=2)
        request = self.file()
        self.wait_for_token(request, "await-decision")
        self.assertEqual(self.decide(request, "appr1"), "PENDING")
        self.assertEqual(self.cloud.execution(request["requestId"])["states"][-1], "AwaitDecision")
        self.assertEqual(self.decide(request, "appr2"), "APPROVED")
        self.wait_for(request, state="AssumeJITRole")

    def test_a_token_that_is_used_already_changes_nothing_and_is_not_tried_again(self):
        self.broker()
        request = self.file()
        self.wait_for_token(request, "await-decision")
        self.decide(request, word="deny")
        self.wait_for(request, status="SUCCEEDED")
        tokens = [one["body"]["taskToken"] for one in json.loads(self.cloud.record())
                  if one.get("called") == "SendTaskSuccess"]
        self.assertEqual(self.cloud.call("SendTaskSuccess", taskToken=tokens[0], output='{"status":"APPROVED"}')[0], 400)
        self.assertEqual(self.cloud.execution(request["requestId"])["output"], {"status": "DENIED"})
        self.wait(lambda: self.sweep() == 0, self.sweep)  # what was told directly is told once more, and done with

    def test_what_sts_refuses_is_failed(self):
        self.broker()
        request = self.file()
        self.wait_for_token(request, "await-decision")
        self.decide(request)
        self.wait_for_token(request, "await-collection")
        self.cloud.sts_denies = True
        status, said = self.collect(request)
        self.assertEqual((status, said["error"]), (502, "issuer.refused"), said)
        self.assertEqual(self.wait_for(request, status="SUCCEEDED")["output"], {"status": "FAILED"})
        self.assertEqual(self.status(request), "FAILED")

    def test_what_could_not_be_told_is_told_by_the_sweep(self):
        self.broker()
        self.cloud.call("Away", away=True)
        request = self.file()
        self.cloud.call("Away", away=False)
        self.assertIsNone(self.cloud.execution(request["requestId"]))
        self.wait(lambda: self.sweep() == 0, self.sweep)
        self.wait_for_token(request, "await-decision")
        self.cloud.call("Away", away=True)
        self.assertEqual(self.decide(request), "APPROVED")
        self.cloud.call("Away", away=False)
        self.assertEqual(self.cloud.execution(request["requestId"])["states"][-1], "AwaitDecision")
        self.wait(lambda: self.sweep() == 0, self.sweep)
        self.wait_for(request, state="AssumeJITRole")

    def test_a_workflow_that_comes_after_the_decision_follows_it(self):
        self.broker()
        self.cloud.call("Away", away=True)
        request = self.file()
        self.decide(request, word="deny")
        self.cloud.call("Away", away=False)
        self.wait(lambda: self.sweep() == 0, self.sweep)
        self.assertEqual(self.wait_for(request, status="SUCCEEDED")["output"], {"status": "DENIED"})

    def test_the_instant_return_gives_credentials_at_once_and_its_history_has_them_sealed(self):
        self.broker(auto="simulated")
        filing = {name: value for name, value in FILING.items() if name != "publicKey"}
        status, said = self.ask("RequestElevatedAccess", "POST", "/request-access",
                                {**filing, "simulateApproval": True, "roleArn": ROLE}, self.key)
        self.assertEqual((status, said.get("status")), (200, "ACTIVE"), said)
        self.assertIn(ISSUED[0], json.dumps(said))
        self.assertIn("StartSyncExecution", self.cloud.record())
        self.assertIn("sealedCredentials", self.cloud.record())
        self.assert_no_secret_was_seen()

    def file_at_once(self, **more):
        """As callers of an older function of that name file: one call, no key of their own."""
        filing = {name: value for name, value in FILING.items() if name not in ("publicKey", "resume")}
        status, said = self.ask("RequestElevatedAccess", "POST", "/request-access", {**filing, "roleArn": ROLE, **more}, self.key)
        self.assertEqual(status, 200, said)
        return said

    def test_the_instant_return_denies_at_once_what_nobody_has_approved(self):
        self.broker(auto="simulated")
        said = self.file_at_once(simulateApproval=False)
        self.assertEqual((said["status"], said["message"]), ("DENIED", f"Request {said['requestId']} updated to DENIED"))
        self.assertNotIn("AccessKeyId", said)
        ran = [one for one in json.loads(self.cloud.record()) if "invoked" in one and one["payload"].get("step") == "deny"]
        self.assertEqual([one["payload"]["requestId"] for one in ran], [said["requestId"]])
        self.assertEqual(self.status(said), "DENIED")
        self.assertEqual(self.wait_for(said, status="SUCCEEDED")["output"], {"status": "DENIED"})

    def test_where_the_instant_return_is_away_the_request_waits_and_nothing_is_given(self):
        self.broker(auto="simulated")
        self.cloud.call("Away", away=True)
        said = self.file_at_once(simulateApproval=False)
        self.assertEqual(said["status"], "PENDING")
        self.assertNotIn("AccessKeyId", said)
        with open(f"{self.folder}/RequestElevatedAccess.log", encoding="utf-8") as log:
            self.assertIn(f"request {said['shortId']} was left waiting by the instant return", log.read())

    def test_an_approval_that_came_before_the_instant_return_could_deny_counts(self):
        self.broker(auto="simulated")
        ask = self.cloud.ask

        def approve_first(name, event):
            if event.get("step") == "deny":
                self.decide(event)
            return ask(name, event)

        self.cloud.ask = approve_first
        said = self.file_at_once(simulateApproval=False)
        self.assertEqual((said["status"], said["decidedBy"]), ("ACTIVE", "appr1"))
        self.assertIn(ISSUED[0], json.dumps(said))
        self.assert_no_secret_was_seen()


class Steps(Case):
    def refused(self, function, event):
        kind, answer = self.cloud.invoke(function, event)
        self.assertEqual(kind, "error", answer)
        return answer["errorType"]

    def test_a_function_serves_its_own_steps_alone(self):
        self.broker()
        request = {"requestId": self.file()["requestId"]}
        for step in ("issue", "await-collection", "approve", None):
            self.assertEqual(self.refused("UpdateAccessStatus", {**request, "step": step, "taskToken": "t"}), "Event.Unknown")
        for step in ("read", "deny", "await-decision"):
            self.assertEqual(self.refused("AssumeJITRole", {**request, "step": step}), "Event.Unknown")
        self.assertEqual(self.refused("UpdateAccessStatus", {**request, "step": "await-decision"}), "Event.Unknown")
        self.assertEqual(self.refused("UpdateAccessStatus", {"step": "read", "requestId": "no"}), "Request.Unknown")
        self.assertEqual(self.status(request), "PENDING")

    def test_nothing_is_issued_for_what_is_not_approved_or_not_live_any_more(self):
        self.broker()
        request = self.file()
        event = {"step": "issue", "requestId": request["requestId"], "publicKey": PUBLIC_KEY,
                 "until": int(time.time()) + 900}
        self.assertEqual(self.refused("AssumeJITRole", event), "Request.Refused")
        self.decide(request)
        kind, said = self.cloud.ask("AssumeJITRole", event)
        self.assertEqual((kind, set(said)), ("response", {"sealedCredentials"}), said)
        for change in ({"until": int(time.time()) - 1}, {"until": None}, {"publicKey": None}, {"publicKey": {"kty": "EC"}}):
            self.assertEqual(self.refused("AssumeJITRole", {**event, **change}), "Event.Field", change)
        until = int(time.time()) + 60
        self.cloud.ask("AssumeJITRole", {**event, "until": until})
        self.assertIn(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until)), self.cloud.assumed[-1]["Policy"])
        self.assertEqual(self.made.admin("audit", "export").stdout.count("role.assumed"), 2)
        self.decide(request, word="revoke")
        self.assertEqual(self.refused("AssumeJITRole", event), "Request.Refused")
        self.assert_no_secret_was_seen()


class OnDynamo(Workflow):
    """The same on a table, and with the names that a stack gives in the environment."""

    def prepare_store(self):
        self.dynamo = self.entered(Dynamo(self.folder))
        self.relay = Between(self.dynamo.port, [])
        self.addCleanup(self.relay.server_close)
        self.addCleanup(self.relay.shutdown)
        awslib.move_to_table(self.made, self.dynamo, self.relay)
        awslib.name_in_environment(self.cloud, self.made)

    def items(self):
        return awslib.of_table(self.dynamo, self.relay)

    def assert_signed(self, url, service, asked):
        """As botocore signs it, with the functions' own credentials: {operation: bodies} of all that was asked there."""
        told = {}
        for headers, body in asked:
            scope, signed, signature = signatures.made_again(
                (KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"]), service, url, "POST", headers, body)
            target = headers["x-amz-target"]
            self.assertTrue(headers["authorization"].startswith(f"AWS4-HMAC-SHA256 {scope}"), target)
            self.assertTrue(headers["authorization"].endswith(f"Signature={signature}"), target)
            self.assertLessEqual({"content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"}, set(signed))
            self.assertEqual(headers["x-amz-security-token"], KEYS["AWS_SESSION_TOKEN"])
            told.setdefault(target.split(".")[1], []).append(body)
        return told

    @unittest.skipUnless(signatures.is_installed(), "botocore is not installed (python3-botocore)")
    def test_all_that_table_and_workflow_are_asked_is_signed_as_botocore_signs_it(self):
        self.broker()
        self.relay.kept.clear()  # the administrator's
        reason = "na\u00efve \u6f22\u5b57 \U0001f512 & more"
        request = self.file(reason=reason)
        self.wait_for_token(request, "await-decision")
        self.decide(request)
        self.wait_for_token(request, "await-collection")
        asked = self.assert_signed(f"{self.relay.url}/", "dynamodb", list(self.relay.kept))
        self.assertTrue([body for body in asked["UpdateItem"] if reason.encode() in body], "the reason is sent as UTF-8")
        self.assertLessEqual({"GetItem", "Query"}, set(asked))
        asked = self.assert_signed(f"{self.cloud.url}/", "states", list(self.cloud.asked))
        self.assertIn("APPROVED", json.loads(asked["SendTaskSuccess"][0])["output"])
        self.assertEqual(len(asked["StartExecution"]), 1)


if __name__ == "__main__":
    unittest.main()
