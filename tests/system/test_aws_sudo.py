"""Real sudo on a host whose broker is the form on AWS: front door, functions, table, workflow as they are shipped, and a
real STS; and that no secret stands in anything that is kept of it."""

import json
import os
import urllib.error
import urllib.request

import awslib
import brokerlib
import npm
from cloud import Cloud
from dynamo import Dynamo
from lab import HOSTNAME, read
from stscase import StsCase
from terminal import wait_until

prepare = npm.prepare

FOLDER = "/run/lab/aws"
SECRETS = "/run/lab/secrets"
CA = "/etc/pam-jit/broker-ca.pem"
GIVEN = "/run/lab/given.json"
APPROVERS_KEY = "the-gateways-key-of-the-approvers"
PATIENCE = 30


class AwsSudo(StsCase):
    """The host's own jit-broker does not run."""

    @classmethod
    def setUpClass(cls):
        npm.packages()
        super().setUpClass()
        cls.lab.stop_helper()
        cls.lab.broker.stop()
        cls.lab.forget_state()
        cls.lab.set_pam(account="timeout=60")
        os.mkdir(FOLDER, 0o700)
        cls.cloud = cls.enterClassContext(Cloud(cls.lab.logs))
        cls.dynamo = cls.enterClassContext(Dynamo(FOLDER))
        cls.deploy()
        cls.lab.set_api_key(cls.key)
        cls.lab.configure(helper={("helper", "broker"): cls.url})
        cls.lab.start_helper()
        cls.addClassCleanup(cls.lab.stop_helper)

    @classmethod
    def deploy(cls):
        made = brokerlib.make_broker(FOLDER, awslib.conf(
            cls.cloud, cls.peer.endpoint, arn=cls.peer.arns["admin"], code="required", credential_lifetime="12s"))
        awslib.move_to_table(made, cls.dynamo)
        awslib.name_in_environment(cls.cloud, made)
        cls.cloud.keys = {"AWS_ACCESS_KEY_ID": cls.peer.access_key, "AWS_SECRET_ACCESS_KEY": cls.peer.secret_key,
                          "AWS_REGION": "eu-west-1"}
        cls.key = brokerlib.new_secret(made, "key", "add", HOSTNAME)
        cls.token = brokerlib.new_secret(made, "token", "add", "appr1")
        cls.door = awslib.FrontDoor(cls.cloud, SECRETS, CA, {cls.key: "HostPlan", APPROVERS_KEY: "ApproverPlan"})
        cls.addClassCleanup(cls.door.close)
        cls.url = f"https://broker.example:{cls.door.port}/prod"

    def decide(self, request, word, key=APPROVERS_KEY, **body):
        """As an approver's program does: (status, JSON)."""
        call = urllib.request.Request(f"{self.url}/requests/{request[0]}/{word}", json.dumps(body).encode(), {
            "x-api-key": key, "Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(call, context=brokerlib.trusting(CA), timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def end_of_workflow(self, decided):
        def over():
            known = self.cloud.execution(decided["requestId"])
            return known if known and known["status"] != "RUNNING" else None
        return wait_until("the workflow ends", over, PATIENCE)

    def credentials_of(self, terminal):
        """What the elevated session gets, on no terminal."""
        status, text = terminal.run(f"sudo sh -c 'umask 077; exec jit credentials >{GIVEN}'", PATIENCE)
        self.assertEqual(status, 0, text)
        return json.loads(read(GIVEN))

    def renewed(self, terminal, given):
        """What the session gets once those are near their end: asked for with the grant's token."""
        def others():
            now = self.credentials_of(terminal)
            return now if now["AccessKeyId"] != given["AccessKeyId"] else None
        return wait_until("the credentials are renewed", others, PATIENCE, 0.5)

    def assert_no_secret_was_recorded(self, *secrets):
        self.assertGreaterEqual(len(self.door.tokens), 2)  # the approver's and the grant's
        places = awslib.recorded(self.cloud, f"{FOLDER}/*.log", f"{self.lab.logs}/*.log", table=awslib.items(self.dynamo),
                                 door=repr((self.door.events, self.door.refused)).encode())
        awslib.assert_none_is_in(places, [*secrets, *self.door.tokens, self.token, self.key, APPROVERS_KEY,
                                          self.peer.secret_key])

    def test_an_approval_lets_sudo_go_on_with_credentials_that_work_and_that_nothing_keeps(self):
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.assertEqual(self.decide(request, "approve", key="a-key-of-no-usage-plan")[0], 403)
        status, decided = self.decide(request, "approve", code=request[1])
        self.assertEqual((status, decided.get("status")), (200, "APPROVED"), decided)
        terminal.expect(rf"request {request[0]}: approved by appr1")
        status, text = terminal.finish(PATIENCE)
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)
        given = self.credentials_of(terminal)
        self.assertIsNone(self.verdict_on(given))
        self.assertIsNotNone(self.verdict_on({**given, "SecretAccessKey": "x" * 40}))
        status, text = terminal.run(f"sudo {self.s3} s3 ls", PATIENCE)
        self.assertEqual(status, 0, text)
        self.assertIn("reports", text)
        ended = self.end_of_workflow(decided)
        self.assertEqual((ended["output"], ended["states"]), (
            {"status": "ACTIVE"},
            ["SimulateApproval", "AwaitDecision", "Decision", "AssumeJITRole", "Collected", "Approved", "Over"]))
        renewed = self.renewed(terminal, given)
        self.assertIsNone(self.verdict_on(renewed))
        self.assertGreaterEqual([event.get("step") for function, event, _ in self.cloud.invoked
                                 if function == "AssumeJITRole"].count("issue"), 2)
        self.assertEqual(terminal.run("jit end", PATIENCE)[0], 0)
        self.assert_no_secret_was_recorded(*(keys[name] for keys in (given, renewed)
                                             for name in ("SecretAccessKey", "SessionToken")))

    def test_a_denial_refuses_sudo_with_the_approvers_comment(self):
        terminal = self.open_terminal()
        request = self.ask(terminal)
        status, decided = self.decide(request, "deny", comment="not during the freeze")
        self.assertEqual((status, decided.get("status")), (200, "DENIED"), decided)
        status, text = terminal.finish(PATIENCE)
        self.assertEqual(status, 1, text)
        self.assertIn(f"request {request[0]}: denied by appr1: not during the freeze", text)
        self.assertNotIn("uid=0", text)
        self.assertEqual(self.end_of_workflow(decided)["output"], {"status": "DENIED"})
