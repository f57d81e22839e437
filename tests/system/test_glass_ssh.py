"""Break-glass by ssh: asked where prompts can be shown, pointed to where they cannot."""

import os
import re
import subprocess

import pexpect

import sshlab
from lab import PASSWORD, LabCase
from test_glass import GROUP, WHY
from terminal import wait_until

SERVERS = {"sshd": ("publickey", "no"), "sshd-kbd": ("keyboard-interactive", "yes")}


class GlassSsh(LabCase):
    helper_conf = {("helper", "break_glass_group"): GROUP, ("helper", "broker_timeout"): "2s",
                   **{(f"service {name}", "role"): "admin" for name in SERVERS}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if subprocess.run(["getent", "group", GROUP], stdout=subprocess.DEVNULL).returncode:
            cls.lab.as_root("groupadd", GROUP)
        cls.lab.as_root("usermod", "-aG", GROUP, "op1")
        sshlab.make_keys(cls.lab, "op1", "op2")
        cls.servers = {}
        for name, (methods, kbd) in SERVERS.items():
            cls.lab.set_pam(service=name, example="sshd")
            server = sshlab.Sshd(cls.lab, name, AuthenticationMethods=methods, KbdInteractiveAuthentication=kbd)
            cls.servers[name] = server.start()
            cls.addClassCleanup(server.stop)
        cls.lab.broker.stop()

    def log_in(self, who):
        client = self.servers["sshd-kbd"].shell("web-1", "id -un", who=who)
        self.addCleanup(client.close, force=True)
        client.expect("[Pp]assword: ")
        client.sendline(PASSWORD)
        return client

    def test_with_prompts_a_member_is_asked_and_gets_in(self):
        client = self.log_in("op1")
        client.expect(re.escape("connection refused"))
        client.expect(re.escape('To go on without an approval type "break glass"'))
        client.sendline("break glass")
        client.expect(re.escape("Reason (at least 8 characters): "))
        client.sendline(WHY)
        client.expect("op1")
        client.expect(pexpect.EOF)
        client.close()
        self.assertEqual(client.exitstatus, 0)
        self.lab.broker.start()
        self.addCleanup(self.lab.broker.stop)
        wait_until("the record arrives", lambda: not os.listdir("/var/lib/pam-jit"), 20)
        shown = str(self.lab.ask_broker("/audit", self.lab.tokens["appr1"]))
        self.assertIn("host.break_glass.begin", shown)
        self.assertIn(WHY, shown)

    def test_with_prompts_whoever_is_no_member_is_not_asked(self):
        client = self.log_in("op2")
        client.expect([pexpect.EOF, "[Pp]assword: "])
        self.assertNotIn("break", client.before)

    def test_with_a_key_alone_the_banner_says_where_it_can_be_asked_for(self):
        status, out, errors = self.servers["sshd"].run("web-1", "id", options=("BatchMode=yes",))
        self.assertEqual((status, out), (255, b""))
        self.assertIn(b"break-glass can be asked for over keyboard-interactive", errors)
        status, out, errors = self.servers["sshd"].run("web-1", "id", options=("BatchMode=yes",), who="op2")
        self.assertEqual((status, out), (255, b""))
        self.assertNotIn(b"break-glass", errors)
