"""What an approval over ssh is good for: a storm of connections, the grace time of sshd, the credentials in a login."""

import json
import os
import time

import sshlab
from sshdoors import REFUSED, Conversation, SshCase
from terminal import wait_until

STORM = 50
FULL = bool(os.environ.get("PAM_JIT_FULL"))
GRACE = 20 if FULL else 8  # seconds: sshd's LoginGraceTime


class Storm(SshCase):
    """One approval for many connections of one person from one place."""

    def begin_many(self, count):
        clients = [self.server("sshd-crowd").begin("web-1", "echo in", options=self.options()) for _ in range(count)]
        for client in clients:
            self.addCleanup(client.communicate)
            self.addCleanup(client.kill)
        return [(*client.communicate(timeout=60), client.returncode) for client in clients]

    def test_fifty_connections_are_one_request_and_all_pass_after_one_approval(self):
        before = self.lab.filed()
        refused = self.begin_many(STORM)
        self.assertEqual({(out, status) for out, _, status in refused}, {(b"", REFUSED)})
        self.assertEqual(self.lab.filed() - before, 1)
        self.approve(self.refused(self.fetch("ssh-command", "sshd-crowd")))
        passed = self.begin_many(STORM)
        self.assertEqual({(out, err, status) for out, err, status in passed}, {(b"in\n", b"", 0)})
        self.assertEqual(self.lab.filed() - before, 1)

    def test_from_another_address_the_grant_lets_nobody_in(self):
        self.approve(self.refused(self.fetch("ssh-command", "sshd-crowd")))
        self.assert_fetched(self.fetch("ssh-command", "sshd-crowd"))
        self.setUp()
        self.refused(self.fetch("ssh-command", "sshd-crowd"))


class GraceTime(SshCase):
    """The wait ends before sshd's LoginGraceTime does, and the request goes on. With keyboard-interactive PAM runs in a
    child without sshd's alarm: there the module reads /etc/ssh/sshd_config."""

    def start(self, name, account=""):
        self.lab.set_pam(account, service=name, example="sshd")
        self.servers[name] = server = sshlab.Sshd(self.lab, name, AuthenticationMethods="keyboard-interactive",
                                                  KbdInteractiveAuthentication="yes", LoginGraceTime=GRACE)
        self.addClassCleanup(server.start().stop)

    def refused_in_time(self, name):
        """Nobody decides before sshd would end the connection: (what was seen, the request)."""
        began = time.monotonic()
        seen = Conversation(self, name, "id -un")
        seen.type_password()
        request = seen.wait_for_prompt()
        seen.client.sendline("")
        self.assertEqual(seen.finish(GRACE + 5), REFUSED)
        self.assertLess(time.monotonic() - began, GRACE)
        self.assertEqual(self.lab.request(request[0])["status"], "PENDING")
        return seen, request

    def test_it_is_refused_with_the_id_before_sshd_ends_it_and_the_next_connection_passes(self):
        self.start("sshd")
        seen, request = self.refused_in_time("sshd")
        self.check_golden("ssh-kbd.grace_time", seen.transcript(), seen.log)
        self.approve(request)
        again = Conversation(self, "sshd", "id -un")
        again.type_password()
        self.assertEqual(again.finish(), 0)

    def test_an_sshd_with_a_file_of_its_own_has_its_time_told_on_the_line(self):
        """Started with -f another file, which the module does not know of."""
        self.start("sshd-kbd", f"login_grace={GRACE}")
        self.addCleanup(self.lab.set_pam, service="sshd-kbd", example="sshd")
        seen, _ = self.refused_in_time("sshd-kbd")
        self.check_golden("ssh-kbd.grace_time", seen.transcript(), seen.log)

    def test_a_silent_wait_ends_before_it_too(self):
        self.server("sshd-wait", LoginGraceTime=GRACE)
        began = time.monotonic()
        self.refused(self.fetch("ssh-command", "sshd-wait"))
        self.assertLess(time.monotonic() - began, GRACE)


class LoginCase(SshCase):
    def log_in(self):
        """A shell by a public key, approved."""
        self.approve(self.refused(self.fetch("ssh-command")))
        client = self.server().shell("-tt", "web-1", options=self.options())
        client.delaybeforesend = None
        self.addCleanup(client.close)
        client.expect(r"op1@.*\$ ")
        return client

    def ask(self, client, command):
        """(exit status, output) of a command in the login's shell."""
        client.sendline(f"{command}; echo \"st=$?\"")
        client.expect(r"\n(.*)st=(\d+)\r\n")
        found = int(client.match[2]), client.match[1].replace("\r", "")
        client.expect(r"op1@.*\$ ")
        return found


class Credentials(LoginCase):
    """A login's credentials are that login's."""

    def test_the_login_has_credentials_and_no_other_one_has_them_and_they_end_with_it(self):
        client = self.log_in()
        status, out = self.ask(client, "jit credentials 2>&1 | tr -d '\\n'; test ${PIPESTATUS[0]} = 0")
        self.assertEqual(status, 0, out)
        self.assertIn("SecretAccessKey", json.loads(out))
        status, out = self.ask(client, "jit status 2>&1 | cat")
        self.assertEqual(status, 0, out)
        for terminal in (self.open_terminal(), self.open_terminal("op2"), self.open_terminal("root")):
            status, out = terminal.run("jit credentials")
            self.assertNotEqual(status, 0, out)
            self.assertNotIn("SecretAccessKey", out)
        granted = [request for request in self.lab.ask_broker("/requests")["requests"]
                   if request["status"] == "ACTIVE" and request["rhost"] == self.source]
        self.assertEqual(len(granted), 1)
        client.sendline("exit")
        client.expect(sshlab.EOF)
        self.lab.wait_for_status(granted[0]["requestId"], "ENDED", 5)

    def test_the_logins_terminal_is_told_of_its_end(self):
        client = self.log_in()
        granted = [request for request in self.lab.ask_broker("/requests")["requests"]
                   if request["status"] == "ACTIVE" and request["rhost"] == self.source]
        self.lab.as_approver("appr1", "revoke", granted[0]["shortId"], "--comment", "enough")
        client.expect(rf"\njit: request {granted[0]['shortId']}, role ssh: revoked by appr1: enough\r")

    def test_what_outlives_the_logout_gets_none(self):
        client = self.log_in()
        said = f"/tmp/said-{self.source}"
        self.ask(client, f"(setsid sh -c 'trap \"\" HUP; while :; do jit credentials >/dev/null 2>&1; echo $? >>{said}; "
                         "sleep 0.1; done' </dev/null >/dev/null 2>&1 &)")

        def answers():
            if not os.path.exists(said):
                return []
            with open(said, encoding="ascii") as file:
                return file.read().split()

        wait_until("what runs in the background has credentials", lambda: "0" in answers())
        client.sendline("exit")
        client.expect(sshlab.EOF)
        wait_until("it has none any more", lambda: answers()[-1] != "0", 5)


class Ends(LoginCase):
    """A role with on_expiry = end: the login goes with its grant, and no other one of that person does."""

    broker_conf = {**SshCase.broker_conf, ("role ssh", "on_expiry"): "end"}
    helper_conf = {**SshCase.helper_conf, ("helper", "end_grace"): "1s"}

    def test_a_login_is_ended_whole_and_another_one_goes_on(self):
        other = self.log_in()
        self.setUp()
        client = self.log_in()
        status, out = self.ask(client, "trap '' HUP; nohup setsid sleep 300 >/dev/null 2>&1 & echo $!")
        self.assertEqual(status, 0)
        job = int(out.split()[-1])
        self.lab.as_approver("appr1", "revoke", self.granted(), "--comment", "enough")
        client.expect("everything of this session is ended now")
        client.expect(sshlab.EOF)
        wait_until("what it left in the background has ended", lambda: not os.path.exists(f"/proc/{job}"), 5)
        self.assertEqual(self.ask(other, "id -un"), (0, "op1\n"))

    def granted(self):
        return [request for request in self.lab.ask_broker("/requests")["requests"]
                if request["status"] == "ACTIVE" and request["rhost"] == self.source][0]["shortId"]
