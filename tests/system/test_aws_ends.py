"""Long grants with short credentials, by a real STS: AWS goes on until the grant's end and not a second longer, whichever
end comes. The run of a call each second is one process with botocore; /usr/bin/aws, which takes a second of CPU a call,
gives samples."""

import datetime
import json
import time

from lab import EXAMPLES, WAITING, read, write
from stscase import FULL, HERE, StsCase, lines_in
from terminal import wait_until

GRANT, LIFETIME = (40, 10) if FULL else (12, 4)  # seconds
KNOWN = 2.0  # seconds from a revoke to the last credential that this host hands out
REFUSED = 3  # exit status of `jit credentials`
ENDED = "jit: the elevation that this process belonged to has ended"


def epoch(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class EndsCase(StsCase):
    def out(self, nth=0):
        return f"/run/lab/{self.id().rsplit('.', 1)[-1]}-{nth}.jsonl"

    def client(self, path, calls, every):
        """The command of a program that calls AWS."""
        return f"/usr/bin/python3 {HERE}/aws_client.py {self.peer.endpoint} {path} {calls} {every}"

    def watch(self, terminal, path, seconds=60):
        """`jit credentials` each 50 ms from that elevated shell on, until it is over, in a session of its own."""
        terminal.run(f"setsid /usr/bin/python3 {HERE}/watch_credentials.py {path} 0.05 {seconds} >/dev/null 2>&1 &")
        wait_until("the watch has credentials", lambda: any(line["status"] == 0 for line in lines_in(path)), 10)

    def last_given(self, path, event, patience=10):
        """Seconds from the event to the last credentials that were handed out; waits until there have been none for
        half a second."""
        def silent():
            given = [line["at"] + line["took"] for line in lines_in(path) if line["status"] == 0]
            return lines_in(path)[-1]["at"] > max(given) + 0.5 and max(given)

        return wait_until("no more credentials are given", silent, patience) - event


class LongGrant(EndsCase):
    helper_conf = {("service sudo", "duration"): f"{GRANT}s"}
    role_conf = {("role admin", "credential_lifetime"): f"{LIFETIME}s"}

    def test_a_call_each_second_never_fails_until_the_end_and_always_after_it(self):
        terminal = self.open_terminal()
        request = self.ask(terminal, "sudo " + self.client(self.out(), GRANT + 5, 1))
        self.approve(request)
        until = epoch(self.lab.wait_for_status(request[0], "ACTIVE")["grantedUntil"])
        terminal.finish(GRANT + 30)
        lines = lines_in(self.out())
        # A call that began within the grant and came back after its end may have had either answer.
        during = [line for line in lines if line["at"] + line["took"] < until]
        after = [line for line in lines if line["at"] >= until]
        self.assertGreater(len(during), GRANT - 4)
        self.assertGreater(len(after), 2)
        self.assertEqual([line for line in during if line["said"] != "ok"], [])
        self.assertEqual([line for line in after if line["said"] == "ok"], [])
        self.assertIn("jit: ", after[-1]["said"])
        issued = [record for record in self.records(request[0]) if record["action"] == "credentials.issued"]
        self.assertGreaterEqual(len(issued), GRANT // LIFETIME, "each set is short")

    def test_aws_as_a_person_types_it_works_until_the_end_and_not_after(self):
        terminal = self.open_terminal()
        request, text = self.run_approved(terminal, f"sudo {self.s3} s3 ls")
        self.assertIn("reports", text)
        until = epoch(self.lab.request(request)["grantedUntil"])
        shell = self.open_terminal()  # of another login session: it has nothing
        while time.time() < until - 3:
            status, text = terminal.run(f"sudo {self.s3} s3 ls")
            self.assertEqual((status, "reports" in text), (0, True), text)
        self.assertNotEqual(shell.run(f"{self.s3} s3 ls")[0], 0)
        wait_until("the grant is over", lambda: time.time() > until + 1, 10)
        terminal.start(f"sudo -n {self.s3} s3 ls")  # asks anew
        terminal.expect("waiting for approval")
        terminal.interrupt()
        self.assertNotEqual(terminal.finish()[0], 0)

    def records(self, short):
        """Of the audit chain, about that request."""
        full, records, after = self.lab.request(short)["requestId"], [], 0
        while True:
            page = self.lab.ask_broker(f"/audit?after={after}", self.lab.tokens["appr1"])
            if not page["records"]:
                return [record for record in records if record.get("requestId") == full]
            records += page["records"]
            after = page["next"]


class GivenUp(EndsCase):
    role_conf = {("role admin", "credential_lifetime"): "6s"}
    ROUNDS = 5

    def test_after_a_revoke_this_host_gives_no_credentials_within_two_seconds_each_time(self):
        for nth in range(self.ROUNDS):
            with self.subTest(nth):
                terminal, request = self.elevated_shell()
                self.watch(terminal, self.out(nth))
                before = time.time()
                self.lab.as_approver("appr1", "revoke", request, "--comment", "enough")
                self.assertLess(self.last_given(self.out(nth), before), KNOWN)
                refusal = lines_in(self.out(nth))[-1]
                self.assertEqual((refusal["status"], refusal["said"]), (REFUSED, ENDED))
                terminal.close()

    def test_a_program_in_the_session_fails_within_two_seconds_of_a_revoke(self):
        terminal = self.open_terminal()
        request = self.ask(terminal, "sudo " + self.client(self.out(), 400, 0.2))
        self.approve(request)
        wait_until("calls succeed", lambda: sum(line["said"] == "ok" for line in lines_in(self.out())) > 3, 15)
        revoked = time.time()
        self.lab.as_approver("appr1", "revoke", request[0], "--comment", "enough")
        wait_until("calls fail", lambda: lines_in(self.out())[-1]["said"] != "ok", 10)
        lines = lines_in(self.out())
        self.assertEqual([line for line in lines if line["said"] == "ok" and line["at"] > revoked + KNOWN], [])
        self.assertEqual([line for line in lines if line["said"] != "ok" and line["at"] < revoked], [])
        self.assertIn(ENDED, lines[-1]["said"])

    def test_what_was_copied_out_before_a_revoke_dies_at_its_own_expiration(self):
        terminal, request = self.elevated_shell()
        status, text = terminal.run("jit credentials")
        self.assertEqual(status, 0, text)
        copied = json.loads(text)
        expiration = epoch(copied["Expiration"])
        self.assertLessEqual(expiration, time.time() + 6)
        self.lab.as_approver("appr1", "revoke", request, "--comment", "enough")
        self.assertIsNone(self.verdict_on(copied), "a revoke does not reach what was handed out: that is not promised")
        wait_until("it is refused", lambda: self.verdict_on(copied), 10, step=0.1)
        self.assertGreater(time.time(), expiration - 1.5)
        self.assertEqual(self.verdict_on(copied), "AccessDenied")

    def test_after_jit_end_credentials_are_gone_within_a_second(self):
        terminal, _ = self.elevated_shell()
        self.watch(terminal, self.out())
        before = time.time()
        self.assertEqual(terminal.run("jit end")[0], 0)
        self.assertLess(self.last_given(self.out(), before), 1.0)

    def test_after_the_elevated_session_credentials_are_gone_within_a_second(self):
        terminal, _ = self.elevated_shell()
        self.watch(terminal, self.out())
        before = time.time()
        terminal.start("exit")
        self.assertLess(self.last_given(self.out(), before), 1.0)

    def test_after_a_closed_window_credentials_are_gone_within_a_second(self):
        terminal, request = self.elevated_shell()
        self.watch(terminal, self.out())
        before = time.time()
        terminal.hang_up()
        self.assertLess(self.last_given(self.out(), before), 1.0)
        self.lab.wait_for_status(request, "ENDED", 5)


class TwoRoles(EndsCase):
    """`sudo` gives role admin, `sudo -i` role dba: two grants of one login session at once."""

    helper_conf = {("service sudo", "role"): "admin", ("service sudo-i", "role"): "dba"}
    role_conf = {("role dba", key): value for key, value in {
        "arn": "dba", "services": "sudo-i", "requesters": "@operators", "hosts": "*", "targets": "root",
        "approvers": "@oncall"}.items()}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        write("/etc/pam.d/sudo-i", read(f"{EXAMPLES}/sudo.example"))

    def watch_in_background(self, terminal, sudo, path):
        """The watch under that sudo, as a job of the shell: the request."""
        terminal.child.sendline(f"{sudo} /usr/bin/python3 {HERE}/watch_credentials.py {path} 0.05 60 >/dev/null 2>&1 &")
        terminal.child.expect(WAITING)
        request = terminal.child.match[1], terminal.child.match[2]
        self.approve(request)
        wait_until("the watch has credentials", lambda: any(line["status"] == 0 for line in lines_in(path)), 15)
        return request[0]

    def test_two_grants_of_one_session_give_their_own_credentials_and_end_on_their_own(self):
        terminal = self.open_terminal()
        admin = self.watch_in_background(terminal, "sudo", self.out("admin"))
        dba = self.watch_in_background(terminal, "sudo -i", self.out("dba"))
        self.assertEqual((self.lab.request(admin)["role"], self.lab.request(dba)["role"]), ("admin", "dba"))
        keys = [{line["key"] for line in lines_in(self.out(name)) if line["status"] == 0} for name in ("admin", "dba")]
        self.assertTrue(keys[0].isdisjoint(keys[1]), keys)
        terminal.child.sendline("sudo jit credentials; sudo -i jit credentials; echo rea''dy")
        terminal.child.expect(r"(\{.*\})\r\n(\{.*\})\r\nready")
        opened = [self.verdict_on(json.loads(text)) for text in terminal.child.match.groups()]
        self.assertEqual(opened, [None, "AccessDenied"], "only admin may list buckets")
        ended = time.time()
        terminal.child.sendline(f"jit end {admin}")
        self.assertLess(self.last_given(self.out("admin"), ended), 1.0)
        others = lines_in(self.out("dba"))
        self.assertGreater(others[-1]["at"], ended + 0.4)
        self.assertEqual([line for line in others if line["status"] != 0], [])
        self.assertEqual((self.lab.request(admin)["status"], self.lab.request(dba)["status"]), ("ENDED", "ACTIVE"))
        self.lab.as_approver("appr1", "revoke", dba, "--comment", "enough")
        self.assertLess(self.last_given(self.out("dba"), time.time()), KNOWN)
