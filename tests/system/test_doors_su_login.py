"""su, su - and login × what may come of it; runuser, and root, whom nobody asks. Real programs on a real terminal."""

import os
import re
import time

from doors import DoorCase, service, table
from lab import PASSWORD, read, write
from terminal import wait_until

RAN = "/tmp/ran"  # each row's command leaves its user's name here
SHOW = "/run/lab/show"
PASSWORD_PROMPT = "Password: "
LOGIN_DEFS = "/etc/login.defs"
CASES = ("approved", "denied", "interrupted", "live_grant")
SU_ROWS = {
    "su": {"command": f"su -c {SHOW}"},
    "su-l": {"command": f"su - -c {SHOW}"},
    "su-other": {"command": f"su op2 -c {SHOW}", "user": "op2"},
}
ASK_NOBODY = {
    "su-as-root": {"command": "su op1 -c 'id -un'"},
    "su-l-as-root": {"command": "su - op1 -c 'id -un'"},
    "runuser": {"command": "runuser -u op1 -- id -un"},
    "runuser-l": {"command": "runuser -l op1 -c 'id -un'"},
}


class SuLoginCase(DoorCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("su", "login"):
            cls.lab.set_pam(service=name)
        cls.lab.set_password("root")
        write(SHOW, f"#!/bin/sh\nid -un >{RAN}\nid -un\n", 0o755)
        for name in ("op1", "root"):
            write(f"{os.path.expanduser('~' + name)}/.hushlogin", "")  # or every login's text tells of the one before

    def setUp(self):
        if os.path.exists(RAN):
            os.unlink(RAN)

    def begin(self, terminal, command):
        terminal.start(command)
        terminal.expect(PASSWORD_PROMPT)
        terminal.type(PASSWORD)

    def ask_at(self, terminal, command):
        self.begin(terminal, command)
        return self.wait_shown(terminal)

    def compare(self, row, case, terminal):
        self.check_golden(f"{row}.{case}", terminal.transcript(), terminal.log)

    def assert_did_not_run(self, terminal, status):
        self.assertEqual((status, os.path.exists(RAN)), (1, False), terminal.transcript())

    def assert_ran(self, spec):
        self.assertEqual(read(RAN).strip(), spec.get("user", "root"))


@table(SU_ROWS, CASES)
class Su(SuLoginCase):
    def case_approved(self, row, spec):
        terminal = self.open_terminal()
        request = self.ask_at(terminal, spec["command"])
        filed = self.lab.request(request[0])
        self.assertEqual((filed["requester"], filed["target"]), ("op1", spec.get("user", "root")))
        self.approve(request)
        self.assertEqual(terminal.finish()[0], 0)
        self.assert_ran(spec)
        self.compare(row, "approved", terminal)

    def case_denied(self, row, spec):
        terminal = self.open_terminal()
        self.deny(self.ask_at(terminal, spec["command"]))
        self.assert_did_not_run(terminal, terminal.finish()[0])
        self.compare(row, "denied", terminal)

    def case_interrupted(self, row, spec):
        terminal = self.open_terminal()
        request = self.ask_at(terminal, spec["command"])
        terminal.interrupt()
        self.assertNotEqual(terminal.finish(5)[0], 0)
        self.assertFalse(os.path.exists(RAN))
        self.compare(row, "interrupted", terminal)
        self.lab.wait_for_status(request[0], "CANCELLED")

    def case_live_grant(self, row, spec):
        terminal = self.open_terminal()
        self.approve(self.ask_at(terminal, spec["command"]))
        self.assertEqual(terminal.finish()[0], 0)
        self.setUp()
        before = self.lab.filed()
        self.begin(terminal, spec["command"])
        status, text = terminal.finish(5)
        self.assertEqual((status, self.lab.filed() - before), (0, 0), text)
        self.assert_ran(spec)
        self.compare(row, "live_grant", terminal)

    def test_a_wrong_password_pages_nobody(self):
        before = self.lab.filed()
        terminal = self.open_terminal()
        terminal.start(f"su -c {SHOW}")
        terminal.expect(PASSWORD_PROMPT)
        terminal.type("wrong")
        self.assert_did_not_run(terminal, terminal.finish()[0])
        self.assertEqual(self.lab.filed(), before)
        self.compare("su", "wrong_password", terminal)


@table(SU_ROWS, ("timed_out",))
class NobodyDecides(SuLoginCase):
    helper_conf = {**SuLoginCase.helper_conf, **service("su", role="quick"), **service("su-l", role="quick")}

    def case_timed_out(self, row, spec):
        terminal = self.open_terminal()
        request = self.ask_at(terminal, spec["command"])
        self.assert_did_not_run(terminal, terminal.finish()[0])
        self.compare(row, "timed_out", terminal)
        self.lab.wait_for_status(request[0], "EXPIRED")


@table(ASK_NOBODY, ("asks_nobody",))
class AskNobody(SuLoginCase):
    """Root may become anybody, and runuser has no account phase at all."""

    def case_asks_nobody(self, row, spec):
        before = self.lab.filed()
        terminal = self.open_terminal("root")
        terminal.run(spec["command"], timeout=5)
        self.assertEqual(self.lab.filed(), before)
        self.compare(row, "asks_nobody", terminal)


class Login(SuLoginCase):
    """login on a console: who logs in is who asks, and a login has no session yet that could hold a grant."""

    def log_in(self, reason="disk full"):
        terminal = self.open_terminal("root")
        self.begin(terminal, "login op1")
        terminal.expect("Reason for role admin: ")
        terminal.type(reason)
        return terminal, self.wait_shown(terminal)

    def test_approved(self):
        terminal, request = self.log_in()
        filed = self.lab.request(request[0])
        self.assertEqual((filed["requester"], filed["target"], filed["service"]), ("op1", "op1", "login"))
        self.approve(request)
        terminal.expect(r"op1@.*\$ ")
        terminal.type(SHOW)
        wait_until("the command runs", lambda: os.path.exists(RAN), 5)
        terminal.expect(r"op1@.*\$ ")
        terminal.type("exit")
        self.assertEqual(terminal.finish()[0], 0)
        self.assert_ran({"user": "op1"})
        self.compare("login", "approved", terminal)
        self.lab.wait_for_status(request[0], "ENDED")

    def test_denied(self):
        terminal, request = self.log_in()
        self.deny(request)
        self.assertEqual(terminal.finish()[0], 1)
        self.compare("login", "denied", terminal)

    def test_interrupted(self):
        terminal, request = self.log_in()
        terminal.interrupt()
        self.assertNotEqual(terminal.finish(5)[0], 0)
        self.compare("login", "interrupted", terminal)
        self.lab.wait_for_status(request[0], "CANCELLED")

    def test_another_login_of_the_same_person_asks_anew(self):
        terminal, request = self.log_in()
        self.approve(request)
        terminal.expect(r"op1@.*\$ ")
        _, another = self.log_in()
        self.assertNotEqual(another[0], request[0])

    def test_root_is_asked_like_anybody(self):
        before = self.lab.filed()
        terminal = self.open_terminal("root")
        self.begin(terminal, "login root")
        self.assertNotEqual(terminal.finish(5)[0], 0)
        self.assertEqual(self.lab.filed(), before)  # root is none of the role's requesters
        self.compare("login", "root", terminal)

    def set_login_timeout(self, seconds):
        before = read(LOGIN_DEFS)
        self.addCleanup(write, LOGIN_DEFS, before)
        write(LOGIN_DEFS, re.sub(r"(?m)^LOGIN_TIMEOUT.*$", f"LOGIN_TIMEOUT {seconds}", before))

    def test_nobody_decides(self):
        self.lab.set_pam("timeout=4", service="login")
        self.addCleanup(self.lab.set_pam, service="login")
        terminal, request = self.log_in()
        self.assertEqual(terminal.finish()[0], 1)
        self.compare("login", "timed_out", terminal)
        self.lab.wait_for_status(request[0], "CANCELLED")

    def test_login_timeout_ends_with_the_password(self):
        """libpam_misc's conversation cancels login's alarm: LOGIN_TIMEOUT cuts no wait in account short."""
        self.set_login_timeout(1)
        terminal, request = self.log_in()
        time.sleep(1.5)  # nothing tells that a signal does not come
        self.approve(request)
        terminal.expect(r"op1@.*\$ ")
        self.assertNotIn("timed out", terminal.transcript())


@table({**SU_ROWS, "login": {"command": "login op1"}}, ("broker_down",))
class BrokerDown(SuLoginCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.broker.stop()

    def case_broker_down(self, row, spec):
        terminal = self.open_terminal("root" if row == "login" else "op1")
        self.begin(terminal, spec["command"])
        self.assert_did_not_run(terminal, terminal.finish(5)[0])
        self.compare(row, "broker_down", terminal)
