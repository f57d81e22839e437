"""Real sudo on a host whose broker is the form on AWS: front door, functions, table, workflow as they are shipped, and a
real STS. Whatever becomes of a request, it stands in the table and on the person's terminal; and no secret of all these runs
stands in anything that is kept of them."""

import json
import os
import re
import urllib.error
import urllib.request

import awslib
import brokerlib
import npm
import signatures
from cloud import Cloud
from dynamo import Between, Dynamo
from imds import Imds
from lab import HOSTNAME, read
from secretsearch import assert_none_is_in
from stscase import LIST_AND_READ, StsCase, permissions
from terminal import wait_until

prepare = npm.prepare

FOLDER = "/run/lab/aws"
SECRETS = "/run/lab/secrets"
CA = "/etc/pam-jit/broker-ca.pem"
GIVEN = "/run/lab/given.json"
APPROVERS_KEY = "the-gateways-key-of-the-approvers"
PATIENCE = 30
# Who asks, and whether by sudo or by sudo -i, chooses the role.
ROLES = """[role hasty]
services = sudo
requesters = op2
hosts = web-*
targets = root
approvers = appr1
reason = optional
pending = {pending}s
[role of-two]
services = sudo-i
requesters = op1
hosts = web-*
targets = root
approvers = appr1 appr2
approvals = 2
reason = optional
arn = {arn}
[role nobodys]
services = sudo-i
requesters = op2
hosts = web-*
targets = root
approvers = appr1
reason = optional
arn = {nobodys}
[person op2]
"""
PENDING = 3  # seconds
NOT_NOW = 4  # exit status of `jit credentials`


class AwsSudo(StsCase):
    """The host's own jit-broker does not run."""

    given = []  # credentials

    @classmethod
    def setUpClass(cls):
        npm.packages()
        super().setUpClass()
        cls.lab.stop_helper()
        cls.lab.broker.stop()
        cls.lab.forget_state()
        for service in ("sudo", "sudo-i"):
            cls.lab.set_pam(account="timeout=60", service=service)
        os.mkdir(FOLDER, 0o700)
        cls.cloud = cls.enterClassContext(Cloud(cls.lab.logs))
        cls.dynamo = cls.enterClassContext(Dynamo(FOLDER))
        cls.relay = Between(cls.dynamo.port, [])
        cls.addClassCleanup(cls.relay.server_close)
        cls.addClassCleanup(cls.relay.shutdown)
        cls.deploy()
        cls.lab.set_api_key(cls.key)
        cls.start_helper(cls.door.url)
        cls.addClassCleanup(cls.lab.stop_helper)

    @classmethod
    def start_helper(cls, url, **more):
        cls.lab.configure(helper={("helper", "broker"): url, ("service sudo", "role"): None,
                                  **{("helper", name): value for name, value in more.items()}})
        cls.lab.start_helper()

    @classmethod
    def deploy(cls):
        nobodys = cls.peer.create_role("JIT-NobodysRole", permissions(*LIST_AND_READ), "somebody-else")
        made = brokerlib.make_broker(FOLDER, awslib.conf(
            cls.cloud, cls.peer.endpoint, arn=cls.peer.arns["admin"], code="required", credential_lifetime="12s") +
            ROLES.format(pending=PENDING, arn=cls.peer.arns["admin"], nobodys=nobodys))
        awslib.move_to_table(made, cls.dynamo, cls.relay)
        awslib.name_in_environment(cls.cloud, made)
        cls.cloud.keys = {"AWS_ACCESS_KEY_ID": cls.peer.access_key, "AWS_SECRET_ACCESS_KEY": cls.peer.secret_key,
                          "AWS_REGION": "eu-west-1"}
        cls.key = brokerlib.new_secret(made, "key", "add", HOSTNAME)
        cls.tokens = {name: brokerlib.new_secret(made, "token", "add", name) for name in ("appr1", "appr2")}
        cls.door = awslib.FrontDoor(cls.cloud, SECRETS, CA, {cls.key: "HostPlan", APPROVERS_KEY: "ApproverPlan"})
        cls.addClassCleanup(cls.door.close)
        cls.imds = Imds()
        cls.addClassCleanup(cls.imds.close)
        cls.signed = awslib.SignedFrontDoor(cls.cloud, SECRETS, CA, cls.imds)
        cls.addClassCleanup(cls.signed.close)
        cls.made = made

    @classmethod
    def tearDownClass(cls):
        """Of all that was given, nothing stands in what workflows, functions, the table, the front door and all programs
        kept, nor in what the table was ever asked."""
        if not cls.given:  # of these tests one alone was run
            return super().tearDownClass()
        doors = cls.door, cls.signed
        places = awslib.recorded(cls.cloud, f"{FOLDER}/*.log", f"{cls.lab.logs}/*.log",
                                 **awslib.of_table(cls.dynamo, cls.relay), **awslib.of_doors(*doors))
        secrets = [keys[name] for keys in cls.given for name in ("SecretAccessKey", "SessionToken")]
        secrets += [keys[name] for keys in cls.imds.given for name in ("SecretAccessKey", "Token")]
        assert_none_is_in(places, [*secrets, *doors[0].tokens, *doors[1].tokens, *cls.tokens.values(), cls.key,
                                   APPROVERS_KEY, cls.peer.secret_key])
        return super().tearDownClass()

    def lead_helper_to(self, url, **more):
        """Until this test is over."""
        self.lab.stop_helper()
        self.start_helper(url, **more)
        self.addCleanup(self.start_helper, self.door.url)
        self.addCleanup(self.lab.stop_helper)

    def decide(self, request, word, key=APPROVERS_KEY, who="appr1", **body):
        return self.call("POST", f"/requests/{request[0]}/{word}", key, who, body)

    def call(self, method, path, key=APPROVERS_KEY, who="appr1", body=None):
        """As an approver's program does: (status, JSON)."""
        data = None if body is None else json.dumps(body).encode()
        call = urllib.request.Request(self.door.url + path, data, {
            "x-api-key": key, "Authorization": f"Bearer {self.tokens[who]}", "Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(call, context=brokerlib.trusting(CA), timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def approve_it(self, request, who="appr1", status="APPROVED"):
        answer, decided = self.decide(request, "approve", who=who, code=request[1])
        self.assertEqual((answer, decided.get("status")), (200, status), decided)
        return decided

    def assert_lets_go_on(self, terminal, request, by="appr1"):
        terminal.expect(rf"request {request[0]}: approved by {by}")
        status, text = terminal.finish(PATIENCE)
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)

    def item(self, request):
        """What stands in the table."""
        return awslib.item_of(self.dynamo, request[0])

    def wait_for_status(self, request, status):
        wait_until(f"the table says {status}", lambda: self.item(request)["status"]["S"] == status, PATIENCE)

    def end_of_workflow(self, request):
        name = self.item(request)["requestId"]["S"]

        def over():
            known = self.cloud.execution(name)
            return known if known and known["status"] != "RUNNING" else None
        return wait_until("the workflow ends", over, PATIENCE)

    def tokens_sent_back(self, request):
        """The task tokens of that request's workflow that were answered."""
        record, name = json.loads(self.cloud.record()), self.item(request)["requestId"]["S"]
        its = {one["payload"]["taskToken"] for one in record
               if "taskToken" in one.get("payload", {}) and one["payload"]["requestId"] == name}
        return [one["body"]["taskToken"] for one in record
                if one.get("called") == "SendTaskSuccess" and one["body"]["taskToken"] in its]

    def credentials_of(self, terminal):
        """What the elevated session gets, on no terminal."""
        status, text = terminal.run(f"sudo sh -c 'umask 077; exec jit credentials >{GIVEN}'", PATIENCE)
        self.assertEqual(status, 0, text)
        self.given.append(json.loads(read(GIVEN)))
        return self.given[-1]

    def renewed(self, terminal, given):
        """What the session gets once those are near their end: asked for with the grant's token."""
        def others():
            now = self.credentials_of(terminal)
            return now if now["AccessKeyId"] != given["AccessKeyId"] else None
        return wait_until("the credentials are renewed", others, PATIENCE, 0.5)

    def test_an_approval_lets_sudo_go_on_with_credentials_that_work_and_that_nothing_keeps(self):
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.assertEqual(self.decide(request, "approve", key="a-key-of-no-usage-plan")[0], 403)
        status, listed = self.call("GET", "/requests?status=PENDING")
        self.assertEqual((status, [r["shortId"] for r in listed["requests"]]), (200, [request[0]]), listed)
        self.approve_it(request)
        self.assert_lets_go_on(terminal, request)
        given = self.credentials_of(terminal)
        self.assertIsNone(self.verdict_on(given))
        self.assertIsNotNone(self.verdict_on({**given, "SecretAccessKey": "x" * 40}))
        status, text = terminal.run(f"sudo {self.s3} s3 ls", PATIENCE)
        self.assertEqual(status, 0, text)
        self.assertIn("reports", text)
        ended = self.end_of_workflow(request)
        self.assertEqual((ended["output"], ended["states"]), (
            {"status": "ACTIVE"},
            ["SimulateApproval", "AwaitDecision", "Decision", "AssumeJITRole", "Collected", "Approved", "Over"]))
        renewed = self.renewed(terminal, given)
        self.assertIsNone(self.verdict_on(renewed))
        self.assertGreaterEqual([event.get("step") for function, event, _ in self.cloud.invoked
                                 if function == "AssumeJITRole"].count("issue"), 2)
        self.assertGreaterEqual(len(self.door.tokens), 2)  # the approver's and the grant's, which the search is for
        self.assertEqual(terminal.run("jit end", PATIENCE)[0], 0)
        self.wait_for_status(request, "ENDED")

    def test_a_denial_refuses_sudo_with_the_approvers_comment(self):
        terminal = self.open_terminal()
        request = self.ask(terminal)
        status, decided = self.decide(request, "deny", comment="not during the freeze")
        self.assertEqual((status, decided.get("status")), (200, "DENIED"), decided)
        status, text = terminal.finish(PATIENCE)
        self.assertEqual(status, 1, text)
        self.assertIn(f"request {request[0]}: denied by appr1: not during the freeze", text)
        self.assertNotIn("uid=0", text)
        self.assertEqual(self.end_of_workflow(request)["output"], {"status": "DENIED"})
        self.assertEqual(self.item(request)["status"]["S"], "DENIED")

    def test_nobody_decides_in_time_and_sudo_is_refused_and_the_workflow_over(self):
        terminal = self.open_terminal("op2")
        request = self.ask(terminal)
        status, text = terminal.finish(PATIENCE)
        self.assertEqual(status, 1, text)
        self.assertIn(f"request {request[0]}: nobody decided within {PENDING} s", text)
        self.assertNotIn("uid=0", text)
        self.assertEqual(self.end_of_workflow(request)["output"]["status"], "EXPIRED")
        self.assertEqual(self.item(request)["status"]["S"], "EXPIRED")
        self.assertEqual(self.decide(request, "approve", code=request[1])[0], 409)

    def test_one_approval_of_two_leaves_sudo_waiting_and_the_second_lets_it_go_on(self):
        terminal = self.open_terminal()
        request = self.ask(terminal, "sudo -i id")
        self.approve_it(request, "appr1", "PENDING")
        asked = len(self.door.events)
        self.door.wait_for("answered", "/prod/changes", 2, asked, PATIENCE)
        self.assertEqual((self.item(request)["status"]["S"], self.door.named("asked", "/prod/requests/", asked)), ("PENDING", []))
        self.approve_it(request, "appr2")
        self.assert_lets_go_on(terminal, request, "appr1 appr2")
        self.assertEqual((self.end_of_workflow(request)["output"], self.item(request)["status"]["S"]),
                         ({"status": "ACTIVE"}, "ACTIVE"))

    def test_a_task_token_that_is_used_twice_changes_nothing_of_the_grant(self):
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.approve_it(request)
        self.assertEqual(terminal.finish(PATIENCE)[0], 0)
        ended = self.end_of_workflow(request)
        tokens = set(self.tokens_sent_back(request))
        self.assertEqual(len(tokens), 2)  # of the decision and of the collection
        for token in tokens:
            status, said = self.cloud.call("SendTaskSuccess", taskToken=token, output='{"status":"DENIED"}')
            self.assertEqual((status, said["__type"]), (400, "com.amazonaws.states#TaskTimedOut"))
        self.assertEqual(self.end_of_workflow(request), ended)
        self.assertEqual(self.item(request)["status"]["S"], "ACTIVE")
        self.assertIsNone(self.verdict_on(self.credentials_of(terminal)))

    def test_what_sts_refuses_is_said_on_the_terminal_and_stands_in_the_record(self):
        terminal = self.open_terminal("op2", columns=400)
        request = self.ask(terminal, "sudo -i jit credentials")
        self.approve_it(request)
        terminal.expect(rf"request {request[0]}: approved by appr1")
        status, text = terminal.finish(PATIENCE)
        self.assertEqual(status, NOT_NOW, text)
        self.assertIn("jit: no credentials from the broker yet: AWS gave no credentials: STS refused the role "
                      "(AccessDenied); tell the operator of this host", text)
        self.assertEqual(self.end_of_workflow(request)["output"], {"status": "ACTIVE"})
        self.assertEqual(self.item(request)["status"]["S"], "ACTIVE")
        self.assertIn(b"credentials.refused", awslib.items(self.dynamo))
        terminal.run("jit end", PATIENCE)
        self.wait_for_status(request, "ENDED")

    def test_over_the_http_api_sudo_goes_on_with_a_signature_and_the_hosts_key(self):
        if not signatures.is_installed():
            self.skipTest("botocore is not installed (python3-botocore)")
        self.lead_helper_to(self.signed.url, broker_auth="both", broker_region=signatures.REGION, imds_endpoint=self.imds.url)
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.approve_it(request)
        status, text = terminal.finish(PATIENCE)
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)
        given = self.credentials_of(terminal)
        self.assertIsNone(self.verdict_on(given))
        self.assertIsNone(self.verdict_on(self.renewed(terminal, given)))
        self.assertEqual(terminal.run("jit end", PATIENCE)[0], 0)
        self.wait_for_status(request, "ENDED")
        self.assertEqual(self.signed.refused, [])
        self.assertEqual({headers.get("x-api-key") for headers in self.signed.let_in}, {self.key})
        self.assertEqual(len(self.signed.tokens), 1)  # the grant's, in a header of its own

    def start_process(self):
        """A `jit-broker serve` on the same table, with the functions' configuration: (process, an approver's way to it)."""
        text = re.sub("(?m)^(issuer|workflow|store)_credentials = .*$", rf"\1_credentials = {self.dynamo.keys}",
                      read(self.made.conf))
        awslib.rewrite(f"{FOLDER}/process.conf", text.replace(f"{FOLDER}/tls.", f"{SECRETS}/tls."))
        process = brokerlib.Broker(brokerlib.built("jit-broker"), f"{FOLDER}/process.conf", f"{FOLDER}/process.log",
                                   self.made.port)
        process.start()
        self.addCleanup(process.stop)
        approver = brokerlib.Api(process.port, CA, token=self.tokens["appr1"])
        self.addCleanup(approver.close)
        return process, approver

    def approve_at(self, approver, request):
        listed = approver.get("/requests?status=PENDING").json["requests"]
        self.assertEqual([r["shortId"] for r in listed], [request[0]])
        decided = approver.post(f"/requests/{request[0]}/approve", {"code": request[1]})
        self.assertEqual((decided.status, decided.json["status"]), (200, "APPROVED"), decided.body)

    def test_a_decision_at_a_process_on_the_same_table_lets_a_host_of_the_functions_go_on(self):
        _, approver = self.start_process()
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.approve_at(approver, request)
        terminal.expect(rf"request {request[0]}: approved by appr1")
        self.assertEqual(terminal.finish(PATIENCE)[0], 0)
        self.assertIsNone(self.verdict_on(self.credentials_of(terminal)))
        self.assertEqual(self.end_of_workflow(request)["output"], {"status": "ACTIVE"})

    def test_a_host_of_a_process_gets_credentials_that_the_issuing_function_made_and_that_work(self):
        process, approver = self.start_process()
        asked, invoked = len(self.door.events), len(self.cloud.invoked)
        self.lead_helper_to(f"https://broker.example:{process.port}")
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.approve_at(approver, request)
        self.assert_lets_go_on(terminal, request)
        given = self.credentials_of(terminal)
        self.assertIsNone(self.verdict_on(given))
        self.assertEqual(self.end_of_workflow(request)["output"], {"status": "ACTIVE"})
        self.assertIsNone(self.verdict_on(self.renewed(terminal, given)))
        its = self.item(request)["requestId"]["S"]
        issued = [event for function, event, _ in self.cloud.invoked[invoked:]
                  if function == "AssumeJITRole" and event.get("step") == "issue"]
        self.assertEqual({event["requestId"] for event in issued}, {its})
        self.assertGreaterEqual(len(issued), 2)
        self.assertEqual(terminal.run("jit end", PATIENCE)[0], 0)
        self.wait_for_status(request, "ENDED")
        # All of it went to the process.
        self.assertEqual(self.door.named("asked", "/prod/request-access", asked), [])
        self.assertEqual(self.door.named("asked", f"/prod/requests/{its}"), [])
