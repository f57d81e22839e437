"""The gate in front of sudo, as people meet it: real sudo on a real terminal, a real broker, a second person."""

import glob
import os
import re
import signal
import subprocess
import time

from lab import EXAMPLES, NOPASSWD, PASSWORD, WAITING, WITH_PASSWORD, LabCase, read, write
from namespace import TREE
from terminal import wait_until

NOT_ELEVATED = 3  # exit status of `jit credentials` outside an elevated session


def lines_of(text):
    """What a person sees in the end: what was drawn over is not there."""
    seen = [line.split("\r")[-1].replace("\x1b[K", "") for line in text.split("\n")]
    return [line for line in seen if line.strip()]


class Gate(LabCase):
    def test_nopasswd_does_not_pass_the_gate(self):
        terminal = self.open_terminal()
        request, text = self.run_approved(terminal)
        self.assertIn("uid=0(root)", text)
        self.assertEqual(self.lab.request(request)["command"], "/usr/bin/id")

    def test_a_fresh_ticket_does_not_pass_the_gate(self):
        self.lab.set_sudoers(WITH_PASSWORD)
        self.addCleanup(self.lab.set_sudoers, NOPASSWD)
        terminal = self.open_terminal()
        terminal.start("sudo id")
        terminal.expect("password for op1: ")
        terminal.type(PASSWORD)
        shown = terminal.expect(WAITING)
        self.approve((shown[1], shown[2]))
        self.assertEqual(terminal.finish()[0], 0)
        self.assertEqual(terminal.run("jit end")[0], 0)
        request = self.ask(terminal)  # no password this time, and still somebody is asked
        self.assertNotIn("password", terminal.child.before)
        self.approve(request)
        self.assertEqual(terminal.finish()[0], 0)

    def test_a_wrong_password_pages_nobody(self):
        self.lab.set_sudoers(WITH_PASSWORD)
        self.addCleanup(self.lab.set_sudoers, NOPASSWD)
        before = self.lab.filed()
        terminal = self.open_terminal()
        terminal.start("sudo -k id")
        for _ in range(3):
            terminal.expect("password for op1: ")
            terminal.type("wrong")
        self.assertEqual(terminal.finish()[0], 1)
        self.assertEqual(self.lab.filed(), before)

    def test_a_denial_is_one_clear_line_and_one_request(self):
        before = self.lab.filed()
        terminal = self.open_terminal()
        short, _ = self.ask(terminal)
        self.lab.as_approver("appr1", "deny", short, "--comment", "not during the freeze")
        status, text = terminal.finish()
        self.assertEqual(status, 1)
        ours = [line for line in lines_of(text) if not line.startswith("sudo: ") and "left" not in line]
        self.assertEqual(ours, [f"jit: request {short}: denied by appr1: not during the freeze"], text)
        self.assertEqual(self.lab.filed() - before, 1)
        self.assertEqual(self.lab.request(short)["status"], "DENIED")

    def test_a_second_sudo_asks_nobody(self):
        terminal = self.open_terminal()
        self.run_approved(terminal)
        self.assertIn("uid=0(root)", self.assert_asks_nobody(terminal, "sudo id"))

    def test_the_reason_is_asked_for_on_the_terminal(self):
        terminal = self.open_terminal(reason=None)
        terminal.start("sudo id")
        terminal.expect("Reason for role admin: ")
        terminal.type("INC-4711 disk full")
        shown = terminal.expect(WAITING)
        self.assertEqual(self.lab.request(shown[1])["reason"], "INC-4711 disk full")
        self.approve((shown[1], shown[2]))
        self.assertEqual(terminal.finish()[0], 0)

    def test_sudo_that_may_not_ask_says_how_to_give_a_reason(self):
        status, text = self.open_terminal(reason=None).run("sudo -n id")
        self.assertEqual(status, 1)
        self.assertIn("JIT_REASON", text)

    def test_listing_and_validating_ask_nobody(self):
        terminal = self.open_terminal()
        self.assertIn("NOPASSWD", self.assert_asks_nobody(terminal, "sudo -l"))
        self.assert_asks_nobody(terminal, "sudo -v")
        self.assertEqual(terminal.run("jit status")[0], 1)

    def test_another_target_than_the_roles_is_refused(self):
        terminal = self.open_terminal()
        self.run_approved(terminal)
        status, text = terminal.run("sudo -u op2 id")
        self.assertEqual(status, 1, text)
        self.assertNotIn("uid=", text)
        self.assertIn("op2", text)

    def test_an_approval_is_one_line_and_the_countdown_ends_there(self):
        terminal = self.open_terminal()
        short, code = self.ask(terminal)
        self.approve((short, code))
        seen = lines_of(terminal.finish()[1])
        self.assertEqual(seen[1:], [f"request {short}: approved by appr1 for 15 min",
                                    "uid=0(root) gid=0(root) groups=0(root)"], seen)

    def test_a_wrong_code_approves_nothing(self):
        terminal = self.open_terminal()
        short, code = self.ask(terminal)
        wrong = f"{(int(code) + 1) % 100:02}"
        done = self.lab.as_approver("appr1", "approve", short, "--code", wrong, check=False)
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(self.lab.request(short)["status"], "PENDING")
        terminal.interrupt()
        terminal.finish()

    def test_nobody_approves_their_own_request(self):
        terminal = self.open_terminal()
        request = self.ask(terminal)
        done = self.lab.as_approver("op1", "approve", request[0], "--code", request[1], check=False)
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(self.lab.request(request[0])["status"], "PENDING")
        terminal.interrupt()
        terminal.finish()

    def test_root_is_not_asked_under_sudo(self):
        terminal = self.open_terminal("root")
        self.assert_asks_nobody(terminal, "sudo id")

    def test_a_grant_that_is_given_back_at_once_was_used_all_the_same(self):
        """The broker is told of a session after it has begun: never that what was used was not."""
        short, text = self.run_approved(self.open_terminal(), "sudo id; jit end")
        self.assertIn("uid=0(root)", text)
        self.lab.wait_for_status(short, "ENDED")

    def test_status_tells_what_is_held_and_end_gives_it_back(self):
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        status, text = terminal.run("jit status")
        self.assertEqual(status, 0)
        self.assertRegex(text, rf"{short} .*admin.*(14 min|15 min)")
        status, text = terminal.run("jit end")
        self.assertEqual(status, 0)
        self.assertIn(short, text)
        self.lab.wait_for_status(short, "ENDED")
        self.assertEqual(terminal.run("jit status")[0], 1)
        self.ask(terminal)
        terminal.interrupt()
        terminal.finish()


class SessionLine(LabCase):
    """sudo runs the command when the session phase comes to PAM_SESSION_ERR, and libpam keeps the code of the first
    required line that fails."""

    PROBE = "/run/lab/failing.so"
    PAM_SESSION_ERR = "14"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-o", cls.PROBE, f"{TREE}/tests/system/probe.c", "-lpam"],
                       check=True)
        write("/run/lab/answer.open", cls.PAM_SESSION_ERR)
        cls.addClassCleanup(os.unlink, "/run/lab/answer.open")
        cls.addClassCleanup(cls.lab.set_pam)

    def become_another(self, before="", after=""):
        """What comes of another target than the approved one, with lines before and after ours."""
        write("/etc/pam.d/sudo", re.sub(r"^(session .*pam_jit.*)$", rf"{before}\1{after}", read(f"{EXAMPLES}/sudo.example"),
                                        flags=re.M))
        terminal = self.open_terminal()
        self.run_approved(terminal)
        return terminal.run("sudo -u op2 id")

    def test_a_module_behind_ours_that_fails_hides_no_refusal(self):
        status, text = self.become_another(after=f"\nsession required {self.PROBE}")
        self.assertEqual(status, 1, text)
        self.assertNotIn("uid=", text)

    def test_a_module_before_ours_that_fails_hides_it_and_the_doctor_says_so(self):
        status, text = self.become_another(before=f"session required {self.PROBE}\n")
        self.assertEqual((status, "op2" in text), (0, True), f"sudo is not as it was, and the order is free: {text}")
        report = subprocess.run(["/usr/bin/jit", "doctor", "--service", "sudo"], capture_output=True, text=True,
                                timeout=60, check=False).stdout
        self.assertIn("WARNING  sudo  gate.session_late", report)
        self.assertIn("failing.so", report)


class Sessions(LabCase):
    """Who is in the elevated session and who is not."""

    def assert_no_credentials(self, terminal, command="jit credentials"):
        status, text = terminal.run(command)
        self.assertEqual(status, NOT_ELEVATED, text)
        self.assertNotIn("SecretAccessKey", text)
        self.assertRegex(text, r"^jit: .*(session|elevation)")

    def hold_elevated(self, terminal):
        """An elevated session with root's shell open in it."""
        request = self.ask(terminal, "sudo sh -c 'echo ready; cat'")
        self.approve(request)
        terminal.expect("ready")
        return request[0]

    def test_the_elevated_session_gets_credentials(self):
        terminal = self.open_terminal()
        _, text = self.run_approved(terminal, "sudo jit credentials")
        self.assertIn('"SecretAccessKey"', text)

    def test_another_session_of_the_same_user_gets_nothing(self):
        self.hold_elevated(self.open_terminal())
        other = self.open_terminal()
        self.assert_no_credentials(other)
        self.assertEqual(other.run("jit status")[0], 1)
        self.ask(other)  # and its sudo asks for itself
        other.interrupt()
        other.finish()

    def test_another_user_gets_nothing(self):
        self.hold_elevated(self.open_terminal())
        self.assert_no_credentials(self.open_terminal("op2"))

    def test_root_outside_the_session_gets_nothing(self):
        self.hold_elevated(self.open_terminal())
        self.assert_no_credentials(self.open_terminal("root"))

    def test_the_invokers_own_shell_gets_nothing(self):
        terminal = self.open_terminal()
        self.run_approved(terminal)
        self.assert_no_credentials(terminal)
        terminal.run("sudo sleep 300 &")
        self.assert_no_credentials(terminal)

    def test_a_token_carried_into_another_session_opens_nothing(self):
        """Root of one elevated session hands its token, in a key of root's, to root of another session."""
        terminal, other = self.open_terminal(), self.open_terminal("root")
        request = self.ask(terminal, "sudo sh")
        self.approve(request)
        self.assertEqual(terminal.finish()[0], 0)
        self.assertEqual(terminal.run("keyctl pipe $(keyctl search @s user pam_jit:token) >/run/lab/token")[0], 0)
        self.assertEqual(terminal.run("jit credentials >/dev/null")[0], 0)
        self.assertEqual(other.run("keyctl padd user pam_jit:token @s </run/lab/token >/dev/null")[0], 0)
        status, text = other.run("jit credentials")
        self.assertEqual(status, NOT_ELEVATED, text)
        self.assertIn("not in the elevated session", text)

    def test_without_an_audit_session_the_grant_stays_with_its_terminal(self):
        terminal = self.open_terminal(audit_session=False)
        self.assertIsNone(terminal.audit_session())
        _, text = self.run_approved(terminal, "sudo jit credentials")
        self.assertIn('"SecretAccessKey"', text)
        self.assert_asks_nobody(terminal, "sudo id")
        other = self.open_terminal(audit_session=False)
        self.assert_no_credentials(other)
        self.ask(other)
        other.interrupt()
        other.finish()


class Ends(LabCase):
    """How a wait and an elevation end before their time."""

    def test_ctrl_c_returns_within_half_a_second_and_cancels_at_the_broker(self):
        terminal = self.open_terminal()
        short, _ = self.ask(terminal)
        before = time.monotonic()
        terminal.interrupt()
        status, text = terminal.finish(5)
        took = time.monotonic() - before
        self.assertLess(took, 0.5, text)
        self.assertNotEqual(status, 0)
        self.assertNotIn("uid=0", text)
        self.lab.wait_for_status(short, "CANCELLED")

    def test_the_end_of_the_login_session_ends_the_grant(self):
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        self.lab.wait_for_status(short, "ACTIVE")
        terminal.hang_up()
        self.lab.wait_for_status(short, "ENDED", 5)

    def test_a_terminal_that_closes_during_the_wait_cancels(self):
        terminal = self.open_terminal()
        short, _ = self.ask(terminal)
        terminal.hang_up()
        self.lab.wait_for_status(short, "CANCELLED", 5)

    def test_a_killed_sudo_takes_the_credentials_along(self):
        self.credentials_die_with(0, "Defaults use_pty")

    def test_a_killed_pty_monitor_takes_the_credentials_along(self):
        self.credentials_die_with(1, "Defaults use_pty")

    def test_a_killed_sudo_without_a_pty_of_its_own_takes_the_credentials_along(self):
        self.credentials_die_with(0, "Defaults !use_pty")

    def credentials_die_with(self, victim, defaults):
        """What survives of the elevated session asks for credentials ten times a second, before and after. The command
        ignores the signals with which sudo would end it, so that sudo's own clean-up takes long."""
        self.lab.set_sudoers(f"{defaults}\n{NOPASSWD}")
        self.addCleanup(self.lab.set_sudoers, NOPASSWD)
        answers = f"/run/lab/answers-{self.id()}"
        write("/run/lab/survivor.sh", "exec </dev/null >/dev/null 2>&1; while :; do jit credentials; "
              f"echo $? $(date +%s.%N) >>{answers}; sleep 0.1; done\n")
        terminal = self.open_terminal()
        request = self.ask(terminal, "sudo sh -c 'trap \"\" HUP TERM; setsid sh /run/lab/survivor.sh & echo ready; "
                           "while :; do sleep 1; done'")
        self.approve(request)
        terminal.expect("ready")
        wait_until("the survivor has credentials", lambda: self.answers(answers)[-1:] == [0] or None, 5)
        pids = self.sudo_processes(terminal)
        self.assertEqual(len(pids), 1 if "!" in defaults else 2, "sudo, and its pty monitor where it has one")
        killed = time.time()
        os.kill(pids[victim], signal.SIGKILL)
        wait_until("the survivor is refused", lambda: self.answers(answers)[-1:] == [NOT_ELEVATED] or None, 5)
        late = [at - killed for status, at in self.timed(answers) if status == 0 and at > killed + 1.0]
        self.assertEqual(late, [], "credentials came later than a second after the kill")

    @staticmethod
    def timed(path):
        if not os.path.exists(path):
            return []
        with open(path, encoding="ascii") as file:
            return [(int(status), float(at)) for status, at in (line.split() for line in file if line.endswith("\n"))]

    def answers(self, path):
        return [status for status, _ in self.timed(path)]

    @staticmethod
    def sudo_processes(terminal):
        """Below the terminal's shell: sudo, then the monitor that it forked."""
        found, parents = [], {terminal.pid}
        for stat in sorted(glob.glob("/proc/[0-9]*/stat"), key=lambda path: int(path.split("/")[2])):
            try:
                with open(stat, encoding="ascii", errors="replace") as file:
                    pid, name, _, parent = re.match(r"(\d+) \((.*)\) (\S) (\d+)", file.read()).groups()
            except OSError:
                continue
            if name == "sudo" and int(parent) in parents:
                found.append(int(pid))
                parents.add(int(pid))
        return found
