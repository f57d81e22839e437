"""docs/quickstart.md, typed as it stands: on the laboratory's host, where sudo, sshd and our programs are real,
and systemd and apt are played by scripts. tests/packages plays it in a booted machine, with real ones."""

import glob
import os
import shutil
import signal
import socket
import subprocess
import unittest

import docblocks
from lab import PAM_SOCKET, WAIT, Lab, read, write
from namespace import TREE
from terminal import wait_until

PAGE = os.path.join(TREE, "docs/quickstart.md")
STUBS = "/run/lab/stubs"
PIDS = "/run/lab/pids"
PASSWORD = "try-it-out-1"
REASON = "disk full"
WAITING = r"request (\w{4}-\w{4}), code (\d\d): waiting for approval(?: \(Ctrl-C cancels\)|\. Press Enter to wait: )"
SYSTEMCTL = """#!/bin/sh -e
start() { # NAME COMMAND…: a daemon
    name=$1; shift
    setsid "$@" </dev/null >>LOGS/$name.log 2>&1 &
    echo $! >PIDS/$name
}
case "$*" in
"start jit-broker") start jit-broker runuser -u _jitbroker -- /usr/sbin/jit-broker serve ;;
"start jit-helper.socket jit-helper-session.socket jit-helper") start jit-helper /usr/sbin/jit-helper ;;
"reload ssh")
    if [ -e PIDS/sshd ]; then kill -HUP $(cat PIDS/sshd); else start sshd /usr/sbin/sshd -D; fi ;;
*) echo "systemctl $*: not played here" >&2; exit 1 ;;
esac
"""
# All that was logged before stands in the log once what is logged now does.
JOURNALCTL = """#!/bin/sh
logger "journalctl $$"
timeout 10 sh -c "until grep -q 'journalctl $$' LOG; do sleep 0.02; done"
exec cat LOG
"""
APT = """#!/bin/sh -e
case "$*" in
"install -y ./jit-broker_*.deb ./libpam-jit_*.deb openssl sudo") ;; # no such files here: the pattern stands as it is
"remove -y libpam-jit jit-broker") ;;
*) echo "apt $*: not played here" >&2; exit 1 ;;
esac
"""


class QuickStart(unittest.TestCase):
    """The laboratory's host, without what its own set-up put there."""

    laboratory = True

    @classmethod
    def setUpClass(cls):
        cls.lab = lab = Lab.here()
        cls.addClassCleanup(cls.end_daemons)
        for path in ("/etc/pam-jit", "/etc/jit-broker", "/var/lib/jit-broker"):
            shutil.rmtree(path)
        for name in ("op1", "appr1"):
            lab.as_root("userdel", "--remove", name)
        lab.as_root("groupadd", "--force", "sudo")
        write("/etc/sudoers", "Defaults env_reset, !lecture\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n", 0o440)
        bare = "".join(line for line in read("/etc/pam.d/sudo").splitlines(True) if "pam_jit" not in line)
        for name in ("sudo", "sudo-i"):
            write(f"/etc/pam.d/{name}", bare)
        for path in ("/etc/pam.d/polkit-1", "/usr/lib/pam.d/polkit-1", "/usr/bin/pkexec"):
            if os.path.exists(path):  # it has no pkexec
                os.unlink(path)
        # What the packages bring, and openssh-server's.
        lab.as_root("install", "-d", "-m", "0750", "-g", "_jit", "/etc/pam-jit")
        lab.as_root("install", "-d", "-m", "0750", "-g", "_jitbroker", "/etc/jit-broker")
        lab.as_root("install", "-d", "-m", "0700", "-o", "_jitbroker", "/var/lib/jit-broker")
        lab.as_root("ssh-keygen", "-A")
        os.makedirs("/run/sshd", exist_ok=True)
        os.mkdir(PIDS)
        write(f"{STUBS}/systemctl", SYSTEMCTL.replace("LOGS", lab.logs).replace("PIDS", PIDS), 0o755)
        write(f"{STUBS}/apt", APT, 0o755)
        write(f"{STUBS}/journalctl", JOURNALCTL.replace("LOG", lab.log("syslog")), 0o755)

    @classmethod
    def end_daemons(cls):
        for path in glob.glob(f"{PIDS}/*"):
            os.killpg(int(read(path)), signal.SIGTERM)

    def setUp(self):
        self.terminals, self.waiting = {}, None

    def as_root(self, block):
        env = {"PATH": f"{STUBS}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        script = "".join(f"{line} || [ $? -eq 1 ]\n" for line in block.commands()) if block.may_warn else block.text
        done = subprocess.run(["/bin/sh", "-e", "-c", script], env=env, cwd="/root", capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(done.returncode, 0, f"{block}\n{done.stdout}\n{done.stderr}")
        for name, family, kind, address in (
                ("jit-broker", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 8443)),
                ("sshd", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 22)),
                ("jit-helper", socket.AF_UNIX, socket.SOCK_SEQPACKET, PAM_SOCKET)):
            if os.path.exists(f"{PIDS}/{name}"):  # systemd waits for it by itself
                wait_until(f"{name} serves", lambda: self.connects(family, kind, address), WAIT)
        return done.stdout

    @staticmethod
    def connects(family, kind, address):
        with socket.socket(family, kind) as sock:
            return sock.connect_ex(address) == 0

    def as_person(self, block):
        """Types each line and answers what is asked. What waits for an approval goes on while the next blocks are
        played."""
        if block.who not in self.terminals:
            self.terminals[block.who] = self.lab.terminal(block.who)
            self.addCleanup(self.terminals[block.who].close)
        for command in block.commands():
            if self.waiting:
                command = command.replace(docblocks.REQUEST, self.waiting[1])
            self.type(self.terminals[block.who], command)

    def type(self, terminal, command):
        terminal.start(command)
        questions = {r"assword[^\n]*: ?$": PASSWORD, r"Reason for [^\n]*: $": REASON,
                     r"Code on [^\n]*: $": self.waiting and self.waiting[2]}
        while True:
            found = terminal.child.expect([*questions, WAITING, terminal.prompt], timeout=WAIT)
            if found < len(questions):
                terminal.type(list(questions.values())[found])
                continue
            match = terminal.child.match
            if found == len(questions):
                self.waiting = (terminal, match[1], match[2])
                if "Enter" in match[0]:
                    terminal.type("")
            else:
                self.assertEqual(match[1], "0", f"{command}: {terminal.transcript()}")
            return

    def see_it_go_on(self):
        """What waited has been approved, and succeeds."""
        (terminal, *_), self.waiting = self.waiting, None
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        return text

    def test_it_can_be_typed_as_it_stands(self):
        before = {path: read(path) for path in glob.glob("/etc/pam.d/*")}
        passed, said = [], ""
        for block in docblocks.blocks(PAGE):
            if block.who == "root":
                said += self.as_root(block)
            elif block.who:
                self.as_person(block)
            if self.waiting and "approve" in block.text and block.who:
                passed.append(self.see_it_go_on())
        self.assertEqual(len(passed), 2, "sudo and ssh")
        self.assertIn("uid=0(root)", passed[0])
        self.assertIn("(op1)", passed[1])
        self.assertIn("pam_jit(sudo:account): observing: would be asked for", said)
        self.assertEqual({path: read(path) for path in before}, before)


if __name__ == "__main__":
    unittest.main()
