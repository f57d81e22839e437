"""A role with on_expiry = end: with its grant everything that its elevations started goes, and nothing else."""

import os
import re
import time

from lab import NOPASSWD, LabCase, write
from processes import GENEROUS, is_running, state_of, wait_for_end
from terminal import wait_until

GRACE = 1  # seconds of end_grace
MARK = "/run/lab/mark"  # what a background job writes its pid to
ENDING = {("role admin", "on_expiry"): "end"}


class EndingCase(LabCase):
    broker_conf = ENDING
    helper_conf = {("helper", "end_grace"): f"{GRACE}s"}

    def setUp(self):
        for name in os.listdir("/run/lab"):
            if name.startswith("mark"):
                os.unlink(f"/run/lab/{name}")

    def pid_from(self, name="mark"):
        """Of a job that wrote it."""
        def written():
            try:
                with open(f"/run/lab/{name}", encoding="ascii") as file:
                    return file.read().strip()
            except OSError:
                return None

        pid = int(wait_until(f"a job writes {name}", written, GENEROUS))
        self.assertTrue(is_running(pid))
        return pid

    def job(self, body, name="mark"):
        """A script that goes to the background and writes its pid; run it with `sudo sh`."""
        path = f"/run/lab/job-{name}"
        write(path, f"( {body} ) </dev/null >/dev/null 2>&1 &\necho $! >/run/lab/{name}\n", 0o755)
        return path

    def become_root(self, terminal):
        """A root shell under a new approval: the request."""
        request = self.ask(terminal, "sudo -s")
        self.approve(request)
        terminal.expect(rf"request {request[0]}: approved by appr1")
        terminal.expect(r"root@\S+# $")
        return request

    def root_shell_pid(self, terminal):
        terminal.child.sendline("echo is:$$:")
        return int(terminal.expect(r"is:(\d+):")[1])

    def revoke(self, request):
        self.lab.as_approver("appr1", "revoke", request[0], "--comment", "enough")


class Ends(EndingCase):
    def test_a_root_shell_goes_when_its_grant_is_revoked(self):
        terminal = self.open_terminal()
        request = self.become_root(terminal)
        pid = self.root_shell_pid(terminal)
        revoked = time.monotonic()
        self.revoke(request)
        terminal.expect(rf"jit: request {request[0]}, role admin: revoked by appr1: enough; "
                        "everything of this session is ended now")
        wait_for_end(pid)
        self.assertLess(time.monotonic() - revoked, 2.0 + GRACE)
        terminal.finish()
        self.assertEqual(terminal.run("id -un"), (0, "op1\n"), "the person's own shell is theirs")

    def test_what_an_earlier_sudo_left_in_the_background_goes_too(self):
        terminal = self.open_terminal()
        path = self.job("trap '' HUP; exec setsid sleep 300")
        request = self.run_approved(terminal, f"sudo sh {path}")
        pid = self.pid_from()
        self.revoke(request)
        wait_for_end(pid)

    def test_what_is_told_to_go_and_does_not_is_made_to(self):
        terminal = self.open_terminal()
        path = self.job("trap '' HUP TERM INT; while :; do sleep 0.05; done")
        request = self.run_approved(terminal, f"sudo sh {path}")
        pid = self.pid_from()
        self.revoke(request)
        time.sleep(GRACE / 2)
        self.assertTrue(is_running(pid), "it has its time to end by itself")
        wait_for_end(pid)

    def test_what_is_stopped_is_told_too(self):
        terminal = self.open_terminal()
        path = self.job("exec setsid sh -c 'trap \"echo gone >/run/lab/mark-told; exit\" HUP; kill -STOP $$; "
                        "while :; do sleep 0.05; done'")
        request = self.run_approved(terminal, f"sudo sh {path}")
        pid = self.pid_from()
        wait_until("it has stopped", lambda: state_of(pid) == "T", GENEROUS)
        self.revoke(request)
        wait_for_end(pid)
        self.assertTrue(os.path.exists("/run/lab/mark-told"), "it was killed, and not told")

    def test_what_starts_anew_while_it_is_ended_goes_in_the_end(self):
        terminal = self.open_terminal()
        path = self.job("trap '' HUP; while :; do setsid sh -c \"trap '' HUP; sleep 2\" & sleep 0.2; done")
        request = self.run_approved(terminal, f"sudo sh {path}")
        self.pid_from()
        audit = terminal.audit_session()
        self.revoke(request)
        wait_until("no process of root's is left in the session", lambda: not self.roots_in(audit), GENEROUS)

    def test_the_persons_own_jobs_stay(self):
        terminal = self.open_terminal()
        terminal.run("nohup sleep 300 >/dev/null 2>&1 & echo $! >/tmp/own-job")
        with open("/tmp/own-job", encoding="ascii") as file:
            own = int(file.read())
        path = self.job("exec sleep 300")
        request = self.run_approved(terminal, f"sudo sh {path}")
        pid = self.pid_from()
        self.revoke(request)
        wait_for_end(pid)
        self.assertTrue(is_running(own))
        self.assertTrue(is_running(terminal.pid))
        os.kill(own, 9)

    def test_what_root_runs_in_another_session_stays(self):
        terminal, other = self.open_terminal(), self.open_terminal("op2")
        other_request = self.become_root(other)
        other_pid = self.root_shell_pid(other)
        request = self.become_root(terminal)
        pid = self.root_shell_pid(terminal)
        self.revoke(request)
        wait_for_end(pid)
        self.assertTrue(is_running(other_pid))
        self.revoke(other_request)
        wait_for_end(other_pid)

    def test_what_it_started_in_every_other_way_goes_and_whoever_watches_the_terminal_ends_with_it(self):
        """su and sudo inside, a session of its own, another process group, nohup, sudo's monitor, and a stopped one."""
        self.lab.set_sudoers("Defaults use_pty\n" + NOPASSWD)
        self.addCleanup(self.lab.set_sudoers, NOPASSWD)
        terminal = self.open_terminal()
        request = self.become_root(terminal)
        for name, how in (("mark-su", "su root -c 'exec sleep 300'"), ("mark-sudo", "sudo sleep 300"),
                          ("mark-setsid", "setsid sleep 300"), ("mark-nohup", "nohup sleep 300"),
                          ("mark-b", "sudo -b sleep 300; sleep 300"), ("mark-stopped", "exec setsid sh -c 'kill -STOP $$; sleep 300'")):
            terminal.child.sendline(f"sh {self.job(how, name)}")
            self.pid_from(name)
        audit = terminal.audit_session()
        self.assertGreater(len(self.roots_in(audit)), 8)
        self.revoke(request)
        wait_until("no process of root's is left in the session", lambda: not self.roots_in(audit), GRACE + GENEROUS)
        terminal.finish()
        self.assertEqual(terminal.run("id -un"), (0, "op1\n"))

    def test_what_runs_ends_with_the_login_session(self):
        terminal = self.open_terminal()
        path = self.job("trap '' HUP; exec setsid sleep 300")
        self.run_approved(terminal, f"sudo sh {path}")
        pid = self.pid_from()
        terminal.close()
        wait_for_end(pid)

    def test_without_an_audit_session_what_descends_from_the_elevation_ends(self):
        terminal = self.open_terminal(audit_session=False)
        request = self.become_root(terminal)
        pid = self.root_shell_pid(terminal)
        self.revoke(request)
        wait_for_end(pid)
        self.assertTrue(is_running(terminal.pid))

    def test_a_grant_that_was_given_back_ends_what_runs(self):
        terminal = self.open_terminal()
        path = self.job("trap '' HUP; exec setsid sleep 300")
        self.run_approved(terminal, f"sudo sh {path}")
        pid = self.pid_from()
        self.assertEqual(terminal.run("jit end")[0], 0)
        wait_for_end(pid)

    @staticmethod
    def roots_in(audit):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/sessionid", encoding="ascii") as session, \
                        open(f"/proc/{pid}/status", encoding="utf-8") as status:
                    if int(session.read()) == audit and re.search(r"\nUid:\t0\t", status.read()):
                        found.append(pid)
            except OSError:
                continue
        return [pid for pid in found if is_running(pid)]


class AtItsTime(EndingCase):
    helper_conf = {**EndingCase.helper_conf, ("service sudo", "duration"): "5s", ("helper", "warn"): "3s"}

    def test_a_root_shell_is_warned_and_then_gone(self):
        terminal = self.open_terminal()
        request = self.become_root(terminal)
        pid = self.root_shell_pid(terminal)
        path = self.job("trap '' HUP; exec setsid sleep 300")
        terminal.child.sendline(f"sh {path}")
        job = self.pid_from()
        terminal.expect(rf"jit: request {request[0]}, role admin: 3 s left, then everything of this session is ended")
        terminal.expect(rf"jit: request {request[0]}, role admin: its time is over; "
                        "everything of this session is ended now")
        wait_for_end(pid, job)
        terminal.finish()

    def test_a_helper_that_is_killed_and_started_again_still_ends_it(self):
        terminal = self.open_terminal()
        self.become_root(terminal)
        pid = self.root_shell_pid(terminal)
        path = self.job("trap '' HUP; exec setsid sleep 300")
        terminal.child.sendline(f"sh {path}")
        job = self.pid_from()
        began = time.monotonic()
        self.lab.stop_helper(kill=True)
        wait_until("the grant's time is over", lambda: time.monotonic() - began > 5.5, 10)
        self.assertTrue(is_running(pid), "nobody was there to end it")
        self.lab.start_helper()
        wait_for_end(pid, job)

    def test_a_helper_that_is_killed_while_it_ends_something_goes_on_with_it(self):
        terminal = self.open_terminal()
        path = self.job("trap 'echo told >/run/lab/mark-told' HUP; while :; do sleep 0.05; done")
        self.run_approved(terminal, f"sudo sh {path}")
        pid = self.pid_from()
        wait_until("the job is told to go", lambda: os.path.exists("/run/lab/mark-told"), GENEROUS)
        self.lab.stop_helper(kill=True)
        self.lab.start_helper()
        wait_for_end(pid)


class Warns(EndingCase):
    """The default: what runs goes on."""

    broker_conf = {}
    helper_conf = {**EndingCase.helper_conf, ("service sudo", "duration"): "4s"}

    def test_a_role_that_only_warns_ends_no_process(self):
        terminal = self.open_terminal()
        path = self.job("exec setsid sleep 300")
        short, _ = self.run_approved(terminal, f"sudo sh {path}")
        pid = self.pid_from()
        self.lab.wait_for_status(short, "EXPIRED")
        time.sleep(GRACE + 0.5)
        self.assertTrue(is_running(pid))
        os.kill(pid, 9)
