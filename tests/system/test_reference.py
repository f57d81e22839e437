"""broker_type = seed-demo: real sudo against the reference deployment that the project grew from, where nobody approves.
Its answers are used, or refused with the sentence that fits."""

import datetime
import glob
import json
import os
import subprocess

import golden
import memory
from lab import HELPER_STATE, LabCase, read
from reference import KEY, Deployment
from terminal import wait_until

ROLE = "JIT-ElevatedAdminRole"
ARN = f"arn:aws:iam::123456789012:role/{ROLE}"
CONF = {("helper", "broker_type"): "seed-demo", ("service sudo", "role"): None, (f"role {ROLE}", "role_arn"): ARN}


class ReferenceCase(LabCase):
    def setUp(self):
        self.deployment = self.serve(Deployment("/run/lab/secrets"))

    def tearDown(self):
        self.lab.stop_helper()
        self.lab.set_api_key(self.lab.api_key)
        self.lab.configure()

    def serve(self, deployment, key=KEY, url=None, **changes):
        """The helper asks this one from here on."""
        self.addCleanup(deployment.close)
        self.lab.stop_helper()
        self.lab.forget_state()
        self.lab.set_api_key(key)
        more = {("helper", name): value for name, value in changes.items()}
        self.lab.configure(helper={("helper", "broker"): url or deployment.url, **CONF, **more})
        self.lab.start_helper()
        return deployment

    def normal(self, text):
        return text.replace(self.deployment.url, "URL").replace(self.deployment.url.removesuffix("/prod"), "URL")

    def assert_golden(self, name, status):
        terminal = self.open_terminal(reason=None, columns=400)
        got, text = terminal.run("sudo id")
        self.assertEqual(got, status, text)
        golden.check(self, f"reference.{name}", self.normal(text), terminal.transcript())
        return terminal

    def assert_refused(self, name):
        terminal = self.assert_golden(name, 1)
        self.assertEqual(terminal.run("jit status")[0], 1)

    # Express

    def test_an_express_answer_grants_and_says_that_nobody_approved_it(self):
        terminal = self.assert_golden("granted", 0)
        self.assertEqual(self.deployment.asked, [{"requester": "op1", "role": ROLE, "roleArn": ARN, "duration": 900,
                                                  "simulateApproval": True}])
        log = read(self.lab.log("jit-helper"))
        self.assertRegex(log, r"approved by nobody for .* lets whoever asks approve itself")
        self.assertIn("broker_type = seed-demo: what this host is granted is approved by nobody", log)
        status, text = terminal.run("jit status")
        self.assertEqual(status, 0)
        self.assertIn("NOBODY: the reference deployment", text)
        grant, = json.loads(terminal.run("jit status --json")[1])["grants"]
        self.assertEqual((grant.get("approvedBy"), grant["approvedByNobody"]), (None, True))
        # The live grant covers what comes next: it is not asked again.
        self.assertEqual(terminal.run("sudo id")[0], 0)
        self.assertEqual(len(self.deployment.asked), 1)

    def test_the_elevated_session_alone_has_its_credentials_and_they_lie_nowhere_else(self):
        terminal = self.open_terminal(reason=None)
        status, text = terminal.run("sudo jit credentials")
        self.assertEqual(status, 0, text)
        given, = self.deployment.given
        shown = json.loads(text[text.index("{"):])
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"):
            self.assertEqual(shown[name], given[name])
        self.assertEqual(datetime.datetime.fromisoformat(shown["Expiration"].replace("Z", "+00:00")),
                         datetime.datetime.fromisoformat(given["Expiration"]))
        self.assertEqual(terminal.run("jit credentials >/dev/null")[0], 3)
        other = self.open_terminal(reason=None)
        self.assertEqual(other.run("jit credentials >/dev/null")[0], 3)
        files = [self.lab.log("jit-helper"), self.lab.log("syslog"),
                 *glob.glob("/run/pam-jit/**", recursive=True), *glob.glob("/var/lib/pam-jit/**", recursive=True)]
        for path in filter(os.path.isfile, files):
            for secret in (given["SecretAccessKey"], given["SessionToken"]):
                self.assertNotIn(secret, read(path), path)
        if not os.environ.get("PAM_JIT_SAN"):  # whose shadow memory is terabytes
            secrets = {name: given[name].encode() for name in ("SecretAccessKey", "SessionToken")}
            memory.await_places(self.lab.helper.pid, secrets, *secrets)

    def test_it_ends_with_its_credentials_where_these_end_first(self):
        self.deployment.life = datetime.timedelta(seconds=3)
        terminal = self.open_terminal(reason=None)
        self.assertEqual(terminal.run("sudo id")[0], 0)
        wait_until("the grant is over", lambda: terminal.run("jit status")[0] == 1, 15, step=0.3)
        self.assertIn("has ended: its time is over", read(self.lab.log("jit-helper")))

    def test_credentials_that_are_over_give_nothing(self):
        self.deployment.life = datetime.timedelta(seconds=-60)
        self.assert_refused("over")

    def test_a_denial_is_refused_with_its_own_words(self):
        self.deployment.approves = False
        self.assert_refused("denied")

    def test_its_words_cannot_steer_the_terminal(self):
        self.deployment.instead = (200, {"message": "no\x1b[2J\x07\nroot granted \u202eyes"})
        terminal = self.open_terminal(reason=None)
        status, text = terminal.run("sudo id")
        self.assertEqual(status, 1)
        for character in ("\x1b[2J", "\x07", "\u202e"):
            self.assertNotIn(character, text)

    def test_credentials_that_make_no_sense_are_refused(self):
        for broken in (b'{"AccessKeyId":"A","SecretAccessKey":"S"}', b'{"SecretAccessKey":{"a":"b"}}', b"[]", b"null",
                       b'{"AccessKeyId":"A","SecretAccessKey":"S","SessionToken":"T","Expiration":"tomorrow"}'):
            with self.subTest(broken):
                self.deployment.instead = (200, broken)
                status, text = self.open_terminal(reason=None).run("sudo id")
                self.assertEqual(status, 1, text)
                self.assertIn("makes no sense", " ".join(text.split()))

    # Standard, and each error

    def test_a_standard_answer_is_refused_with_why_it_can_never_tell(self):
        self.deployment.express = False
        self.assert_refused("standard")

    def test_an_unknown_key(self):
        self.serve(self.deployment, key="another-key")
        self.assert_refused("forbidden")

    def test_too_many_requests(self):
        self.deployment.plan = "Too Many Requests"
        self.assert_refused("too_many")

    def test_a_quota_that_is_used_up(self):
        self.deployment.plan = "Limit Exceeded"
        self.assert_refused("quota")

    def test_an_unknown_path(self):
        self.serve(self.deployment, url=self.deployment.url.removesuffix("/prod"))
        self.assert_refused("no_stage")

    def test_what_it_does_not_accept(self):
        for message in ("Invalid JSON body", "Missing required field: 'roleArn'"):
            with self.subTest(message):
                self.deployment.instead = (400, {"message": message})
                status, text = self.open_terminal(reason=None, columns=400).run("sudo id")
                self.assertEqual(status, 1)
                self.assertIn(f"/prod did not accept the request: {message}; tell the operator of this host", text)

    def test_a_workflow_that_cannot_start(self):
        self.deployment.broken = True
        self.assert_refused("broken")

    def test_a_role_without_an_arn_is_never_asked_for(self):
        terminal = self.open_terminal(reason=None, environment={"JIT_ROLE": "other"}, columns=400)
        status, text = terminal.run("sudo id")
        self.assertEqual((status, self.deployment.asked), (1, []), text)
        self.assertIn("no section [role other] with a role_arn", text)

    # What stays as ever

    def test_ctrl_c_is_prompt_and_nothing_is_asked_again(self):
        self.deployment.go_on.clear()
        terminal = self.open_terminal(reason=None)
        terminal.start("sudo id")
        self.assertTrue(self.deployment.started.wait(15))
        terminal.interrupt()
        status, text = terminal.finish()
        self.assertNotEqual(status, 0, text)
        self.deployment.go_on.set()
        self.assertEqual(terminal.run("jit status")[0], 1)
        self.assertEqual(len(self.deployment.asked), 1)

    def test_only_no_answer_and_a_5xx_open_break_glass(self):
        self.lab.as_root("sh", "-c", "getent group glass || groupadd glass; usermod -aG glass op1")
        self.serve(self.deployment, break_glass_group="glass")
        self.deployment.plan = "Limit Exceeded"
        status, text = self.open_terminal().run("JIT_BREAK_GLASS=yes JIT_REASON='the disk is full' sudo id")
        self.assertEqual(status, 1, text)
        self.deployment.plan, self.deployment.broken = None, True
        terminal = self.open_terminal(environment={"JIT_BREAK_GLASS": "yes"}, reason="the disk is full")
        status, text = terminal.run("sudo id")
        self.assertEqual(status, 0, text)
        self.assertIn("break-glass: going on without an approval", text)

    def test_a_restart_of_the_helper_ends_what_it_gave(self):
        terminal = self.open_terminal(reason=None)
        self.assertEqual(terminal.run("sudo id")[0], 0)
        self.lab.stop_helper()
        self.assertNotIn(ROLE, read(HELPER_STATE))
        self.lab.start_helper()
        self.assertEqual(terminal.run("jit status")[0], 1)
        self.assertEqual(terminal.run("sudo id")[0], 0)
        self.assertEqual(len(self.deployment.asked), 2)

    def test_nothing_is_asked_for_ahead(self):
        status, text = self.open_terminal(reason=None, columns=400).run("jit request --role JIT-ElevatedAdminRole --reason 'disk full'")
        self.assertNotEqual(status, 0)
        self.assertIn("nothing can be asked for ahead here", text)
        self.assertEqual(self.deployment.asked, [])

    def test_jit_doctor_says_so(self):
        done = subprocess.run(["jit", "doctor"], capture_output=True, text=True, timeout=60)
        self.assertIn("approved by nobody", " ".join(done.stdout.split()))
        self.assertNotIn("does not accept this host's API key", done.stdout)

    def test_its_configuration_is_checked(self):
        wrong = {"takes one broker": {("helper", "broker"): "https://a.example\nbroker = https://b.example"},
                 "needs a section [role NAME]": {(f"role {ROLE}", "role_arn"): None},
                 "role_arn must be a role's ARN": {(f"role {ROLE}", "role_arn"): "admin"}}
        self.lab.stop_helper()
        for said, change in wrong.items():
            with self.subTest(said):
                self.lab.configure(helper={**CONF, **change})
                done = subprocess.run(["jit-helper", "--check"], capture_output=True, text=True, timeout=20)
                self.assertEqual(done.returncode, 1)
                self.assertIn(said, done.stderr)
        self.lab.configure(helper=CONF)
        done = subprocess.run(["jit-helper", "--check"], capture_output=True, text=True, timeout=20)
        self.assertEqual((done.returncode, "approved by nobody" in done.stdout), (0, True), done.stderr)
