"""The session's credentials, issued and judged by a real STS: what they open, what they do not, and when they stop."""

import time

from stscase import StsCase
from terminal import wait_until

NOTHING_HERE = 3  # exit status of `jit credentials` without an elevation


class InTheGrant(StsCase):
    def test_aws_works_in_the_elevated_session(self):
        terminal = self.open_terminal()
        _, text = self.run_approved(terminal, f"sudo {self.s3} s3 ls")
        self.assertIn("reports", text)

    def test_aws_works_with_variables_alone(self):
        """Also where a profile stands in the environment."""
        terminal = self.open_terminal()
        self.run_approved(terminal)
        bare = "env -u AWS_SHARED_CREDENTIALS_FILE AWS_PROFILE=other"
        for command in (f"sudo {bare} jit exec -- {self.s3} s3 ls",
                        f"sudo {bare} sh -c 'eval \"$(jit env)\" && exec {self.s3} s3 ls'"):
            status, text = terminal.run(command)
            self.assertEqual(status, 0, text)
            self.assertIn("reports", text)

    def test_what_the_roles_policy_forbids_is_refused(self):
        terminal = self.open_terminal()
        self.run_approved(terminal)
        self.assertEqual(terminal.run(f"sudo {self.s3} s3 ls s3://reports")[0], 0)
        self.assertNotEqual(terminal.run(f"sudo {self.s3} s3 cp /etc/hostname s3://reports/x")[0], 0)
        self.assertNotEqual(terminal.run(f"sudo {self.s3} s3 mb s3://another")[0], 0)
        self.assertEqual(self.peer.aws("s3", "ls", "s3://reports").stdout, "")

    def test_aws_outside_the_session_finds_no_credentials(self):
        terminal = self.open_terminal()
        self.run_approved(terminal)
        config = "AWS_SHARED_CREDENTIALS_FILE=/etc/pam-jit/aws-credentials"
        status, text = terminal.run(f"{config} {self.s3} s3 ls")
        self.assertNotEqual(status, 0)
        self.assertNotIn("reports", text)
        self.assertIn("jit: ", text)

    def test_a_revoked_grant_gives_no_more_credentials(self):
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        terminal.start("sudo sh -c 'until ! jit credentials >/dev/null 2>/run/lab/said; do sleep 0.05; done; "
                       "cat /run/lab/said'")
        revoked = time.monotonic()
        self.lab.as_approver("appr1", "revoke", short, "--comment", "enough")
        status, text = terminal.finish()
        self.assertLess(time.monotonic() - revoked, 10.0)  # and not by the credentials' own end
        self.assertIn("jit: ", text)
        self.assertEqual(self.lab.request(short)["status"], "REVOKED")


class AfterItsEnd(StsCase):
    helper_conf = {("service sudo", "duration"): "6s"}

    def test_copied_credentials_die_with_the_grant_and_not_fifteen_minutes_later(self):
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        credentials = self.copied_credentials(terminal)
        self.assertIsNone(self.verdict_on(credentials))
        self.lab.wait_for_status(short, "EXPIRED")
        wait_until("the copied credentials are refused", lambda: self.verdict_on(credentials), 3)
        # Not ExpiredToken: the credential itself has minutes left, its session policy has ended.
        self.assertEqual(self.verdict_on(credentials), "AccessDenied")

    def test_an_elevated_process_that_outlives_the_grant_gets_nothing(self):
        terminal = self.open_terminal()
        request = self.ask(terminal, "sudo sh")
        self.approve(request)
        self.assertEqual(terminal.finish()[0], 0)
        self.assertEqual(terminal.run("jit credentials >/dev/null")[0], 0)
        self.lab.wait_for_status(request[0], "EXPIRED")
        status, text = terminal.run("jit credentials")
        self.assertEqual(status, NOTHING_HERE, text)
        self.assertIn("jit: ", text)
        self.assertNotEqual(terminal.run(f"{self.s3} s3 ls")[0], 0)
        terminal.run("exit")


class Renewal(StsCase):
    role_conf = {("role admin", "credential_lifetime"): "8s"}

    def test_credentials_are_renewed_while_the_grant_lasts_and_old_ones_die(self):
        terminal = self.open_terminal()
        self.run_approved(terminal)
        first = self.copied_credentials(terminal)
        wait_until("the first credentials are refused", lambda: self.verdict_on(first), 12)
        second = self.copied_credentials(terminal)
        self.assertNotEqual(second["AccessKeyId"], first["AccessKeyId"])
        self.assertIsNone(self.verdict_on(second))
        status, text = terminal.run(f"sudo {self.s3} s3 ls")
        self.assertEqual(status, 0, text)
