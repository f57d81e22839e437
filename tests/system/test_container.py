"""An admin host in a container, whose seccomp filter takes the kernel's keys away: the real sudo, sshd and jit of people
who live below it. What descends from an elevation is known by that alone, which is weaker and said to be."""

import errno
import os

import sshlab
from doors import table
from lab import LabCase, read, write
from sshdoors import SshCase
from terminal import wait_until

ROOTS_PROMPT = r"root@\S+# $"
NOT_ELEVATED = 3
FILTERS = {"eperm": {"error": errno.EPERM}, "enosys": {"error": errno.ENOSYS}}
ASK = "jit credentials >{0}.out 2>&1; echo $? >{0}.new; mv {0}.new {0}"
AWS = "/usr/bin/aws"


class ContainerCase(LabCase):
    def enter(self, error=errno.EPERM, **how):
        return self.open_terminal(keys_error=error, **how)

    def become_root(self, terminal):
        request = self.ask(terminal, "sudo -s")
        self.approve(request)
        terminal.expect(ROOTS_PROMPT)
        return request

    def in_root_shell(self, terminal, command):
        """(exit status, output)"""
        terminal.child.sendline(f"{command}; echo st:$?:")
        found = terminal.expect(r"(?s)\n(.*)st:(\d+):\r\n")
        terminal.expect(ROOTS_PROMPT)
        return int(found[2]), found[1]

    def assert_none(self, status, text):
        self.assertEqual(status, NOT_ELEVATED, text)
        self.assertNotIn("SecretAccessKey", text)


@table(FILTERS, ("gives_credentials_to_what_descends_alone",))
class Sudo(ContainerCase):
    def case_gives_credentials_to_what_descends_alone(self, _, spec):
        terminal, sibling = self.enter(spec["error"]), self.enter(spec["error"])
        request = self.become_root(terminal)
        status, text = self.in_root_shell(terminal, "jit credentials | tr -d '\\n'; test $PIPESTATUS = 0")
        self.assertEqual(status, 0, text)
        self.assertIn("SecretAccessKey", text)
        self.assertIn(f"{request[0]}: no session keyring: ", read(self.lab.log("jit-helper")))
        for outside in (sibling, self.enter(spec["error"], user="root"), self.open_terminal()):
            self.assert_none(*outside.run("jit credentials"))
        status, text = self.in_root_shell(terminal, "jit status | cat")
        self.assertIn("weaker", text)

    def test_the_persons_own_shell_gets_none(self):
        terminal = self.enter()
        self.run_approved(terminal, "sudo -b sleep 300")
        self.assert_none(*terminal.run("jit credentials"))

    def test_what_was_left_by_its_parents_gets_none_although_sudo_lives(self):
        terminal = self.enter()
        self.become_root(terminal)
        self.in_root_shell(terminal, f"sh -c \"{ASK.format('/run/lab/child')}\"")
        self.assertEqual(read("/run/lab/child").strip(), "0", read("/run/lab/child.out"))
        write("/run/lab/orphan.sh", "until [ $(ps -o ppid= -p $$) -eq 1 ]; do sleep 0.05; done\n"
              f"{ASK.format('/run/lab/orphan')}\n")
        self.in_root_shell(terminal, "(setsid sh /run/lab/orphan.sh </dev/null >/dev/null 2>&1 &)")
        wait_until("the orphan has asked", lambda: os.path.exists("/run/lab/orphan"), 10)
        self.assert_none(int(read("/run/lab/orphan")), read("/run/lab/orphan.out"))

    def test_aws_has_them(self):
        if not os.access(AWS, os.X_OK):
            self.skipTest(f"{AWS} is not installed")
        terminal = self.enter()
        self.become_root(terminal)
        _, text = self.in_root_shell(terminal, f"{AWS} configure list | cat")
        self.assertRegex(text, r"access_key +\*+\w+ +custom-process")


class Refuse(ContainerCase):
    helper_conf = {("helper", "without_keyring"): "refuse"}

    def test_sudo_is_refused_and_says_why(self):
        terminal = self.enter()
        self.approve(self.ask(terminal, "sudo id"))
        status, text = terminal.finish()
        self.assertEqual(status, 1, text)
        self.assertNotIn("uid=0", text)
        self.assertRegex(text, r"jit: [^\n]*without_keyring")


class Ssh(SshCase):
    def test_a_login_gets_credentials_by_descent_and_another_one_gets_none(self):
        server = sshlab.Sshd(self.lab, AuthenticationMethods="publickey", KbdInteractiveAuthentication="no")
        self.lab.set_pam(service="sshd")
        self.addCleanup(server.stop)
        self.servers["sshd"] = server.start(keys_error=errno.EPERM)
        self.addCleanup(self.servers.pop, "sshd")
        request = self.refused(self.fetch("ssh-command"))
        self.approve(request)
        status, out, errors = server.run("web-1", "jit credentials", options=self.options())
        self.assertEqual((status, errors), (0, b""))
        self.assertIn(b"SecretAccessKey", out)
        self.assertIn(f"{request[0]}: no session keyring: ", read(self.lab.log("jit-helper")))
        self.assertNotEqual(self.open_terminal().run("jit credentials")[0], 0)
