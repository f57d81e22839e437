"""Services without a person (cron, systemd --user): a configured answer, at once, and nobody is ever asked. Their
programs are stood in for by a caller of PAM that does as they do (pamcall.py)."""

import os
import subprocess
import sys
import time

from doors import DoorCase, role, service
from lab import PASSWORD
from namespace import TREE

PAMCALL = os.path.join(TREE, "tests/system/pamcall.py")
AT_ONCE = 1.0  # seconds, Python's start included
PAM_PERM_DENIED = 6


class Unattended(DoorCase):
    broker_conf = {**role("admin", reason="optional", services="login cron systemd-user batch", scope="user",
                          targets="root op2 self")}
    helper_conf = {**DoorCase.helper_conf, **service("cron"), **service("systemd-user"),
                   **service("batch", non_interactive="existing")}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.set_pam(service="login")
        for name in ("cron", "systemd-user", "batch"):
            cls.lab.set_pam(service=name, example="cron")

    def call(self, name, user="op1"):
        began = time.monotonic()
        done = subprocess.run([sys.executable, PAMCALL, name, user], capture_output=True, text=True, timeout=20)
        self.assertLess(time.monotonic() - began, AT_ONCE, done)
        return done.stdout

    def assert_refused(self, name, text):
        self.assertTrue(text.endswith(f"acct_mgmt {PAM_PERM_DENIED}\n"), text)
        self.check_golden(f"{name}.refused", text)

    def test_nobody_is_asked_for_a_job_and_it_is_refused_at_once(self):
        before = self.lab.filed()
        for name in ("cron", "systemd-user"):
            with self.subTest(name):
                self.assert_refused(name, self.call(name))
        self.assertEqual(self.lab.filed(), before)

    def test_roots_jobs_pass_where_the_line_exempts_them(self):
        self.assertEqual(self.call("cron", "root"), "acct_mgmt 0\nopen_session 0\nclose_session 0\n")

    def test_existing_passes_with_a_live_grant_of_scope_user_alone(self):
        self.assert_refused("batch", self.call("batch"))
        terminal = self.open_terminal("root")
        terminal.start("login op1")
        terminal.expect("Password: ")
        terminal.type(PASSWORD)
        self.approve(self.wait_shown(terminal))
        terminal.expect(r"op1@.*\$ ")
        before = self.lab.filed()
        self.assertEqual(self.call("batch"), "acct_mgmt 0\nopen_session 0\nclose_session 0\n")
        self.assert_refused("batch", self.call("batch", "op2").replace("op2", "op1"))
        self.assertEqual(self.lab.filed(), before)
        terminal.type("jit end")
        terminal.expect("given back|ended")
        self.assert_refused("batch", self.call("batch"))

    def test_without_a_broker_the_answer_is_the_same(self):
        self.lab.broker.stop()
        self.addCleanup(self.lab.broker.start)
        self.assert_refused("cron", self.call("cron"))

    def test_without_a_helper_it_is_refused_too(self):
        self.lab.stop_helper()
        self.addCleanup(self.lab.start_helper)
        text = self.call("cron")
        self.assertNotIn("open_session", text)
        self.check_golden("cron.no_helper", text)
