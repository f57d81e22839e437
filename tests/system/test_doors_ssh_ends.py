"""How a login over ssh ends before its person ends it: by its grant's end, or with sshd's own process."""

import os
import signal
import time

import sshlab
from doors import role, service
from lab import read
from processes import GENEROUS, is_running, wait_for_end
from sshdoors import SshCase
from terminal import wait_until

GRACE = 1  # seconds of end_grace
PROMPT = r"op1@.*\$ "
ROOTS_PROMPT = r"root@\S+# $"


class LoginCase(SshCase):
    """A shell by a public key, under an approval of its own."""

    def log_in(self):
        request = self.refused(self.fetch("ssh-command"))
        self.approve(request)
        client = self.server().shell("-tt", "web-1", options=self.options())
        client.delaybeforesend = None
        self.addCleanup(client.close)
        client.expect(PROMPT)
        return client, request

    @staticmethod
    def pid_in(client):
        """Of the shell that reads what is typed."""
        client.sendline("echo is:$$:")
        client.expect(r"is:(\d+):")
        return int(client.match[1])

    def revoke(self, request):
        self.lab.as_approver("appr1", "revoke", request[0], "--comment", "enough")


class OnExpiryEnd(LoginCase):
    broker_conf = {**SshCase.broker_conf, ("role ssh", "on_expiry"): "end",
                   **role("sudo", services="sudo sudo-i", targets="root", reason="optional", on_expiry="end")}
    helper_conf = {**SshCase.helper_conf, **service("sudo", role="sudo"), **service("sudo-i", role="sudo"),
                   ("helper", "end_grace"): f"{GRACE}s"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.set_pam(service="sudo-i", example="sudo")

    def become_root(self, client):
        client.sendline("sudo -i")
        client.expect(r"request (\w{4}-\w{4}), code (\d\d): waiting")
        request = client.match[1], client.match[2]
        self.approve(request)
        client.expect(ROOTS_PROMPT)
        return request

    def test_the_whole_login_goes_and_another_one_of_the_same_person_stays(self):
        client, request = self.log_in()
        self.setUp()  # from another place
        other, _ = self.log_in()
        pid, other_pid = self.pid_in(client), self.pid_in(other)
        job = f"/tmp/job-{self.source}"
        client.sendline(f"(trap '' HUP; exec setsid sleep 300) </dev/null >/dev/null 2>&1 & echo $! >{job}")
        wait_until("the job runs", lambda: os.path.exists(job) and read(job).strip(), GENEROUS)
        self.revoke(request)
        client.expect(sshlab.EOF)
        wait_for_end(pid, int(read(job)))
        self.assertTrue(is_running(other_pid))
        self.assertEqual(self.pid_in(other), other_pid)

    def test_the_end_of_sudo_in_it_leaves_the_login(self):
        client, request = self.log_in()
        pid = self.pid_in(client)
        sudo = self.become_root(client)
        roots_pid = self.pid_in(client)
        self.assertNotEqual(roots_pid, pid)
        self.revoke(sudo)
        client.expect(rf"jit: request {sudo[0]}, role sudo: revoked by appr1: enough")
        wait_for_end(roots_pid)
        client.expect(PROMPT)
        self.assertEqual(self.pid_in(client), pid)
        self.assertEqual(self.lab.request(request[0])["status"], "ACTIVE")

    def test_the_end_of_the_login_ends_the_sudo_in_it(self):
        client, request = self.log_in()
        sudo = self.become_root(client)
        roots_pid = self.pid_in(client)
        self.revoke(request)
        client.expect(sshlab.EOF)
        wait_for_end(roots_pid)
        self.lab.wait_for_status(sudo[0], "ENDED", 5)


class KilledMonitor(LoginCase):
    def monitor_of(self, pid):
        """The root process of sshd above a login's shell, which the session's end is heard from."""
        while True:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                pid = int(file.read().rsplit(")", 1)[1].split()[1])
            if os.stat(f"/proc/{pid}").st_uid == 0:
                return pid

    def test_no_credentials_a_second_after_although_its_child_still_holds_the_descriptor(self):
        client, request = self.log_in()
        shell = self.pid_in(client)
        said = f"/tmp/said-{self.source}"
        client.sendline("(setsid sh -c 'while :; do jit credentials >/dev/null 2>&1; "
                        f"echo $? $(date +%s.%N) >>{said}; sleep 0.1; done' </dev/null >/dev/null 2>&1 &)")

        def answers():
            lines = [line.split() for line in read(said).splitlines(True) if line.endswith("\n")] \
                if os.path.exists(said) else []
            return [(int(status), float(at)) for status, at in lines]

        wait_until("the job has credentials", lambda: answers() and answers()[-1][0] == 0)
        monitor = self.monitor_of(shell)
        child = [int(pid) for pid in read(f"/proc/{monitor}/task/{monitor}/children").split()]
        self.assertEqual(len(child), 1, "sshd: op1@pts/N")
        killed = time.time()
        os.kill(monitor, signal.SIGKILL)
        wait_until("the job is refused", lambda: answers()[-1][0] != 0)
        self.assertTrue(is_running(child[0]))
        self.assertEqual([at - killed for status, at in answers() if status == 0 and at > killed + 1.0], [])
        self.lab.wait_for_status(request[0], "ENDED", 5)
        for pid in child:
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)
