"""A booted machine whose programs come and go as packages, in two versions, and the people who work on it meanwhile."""

import glob
import re
import shutil
import subprocess
import unittest

from booted import MachineCase
from gated import HELPER_UNITS, GatedMachine
from lab import read
from logins import REASON, WITH_PASSWORD, Asked, assert_all_get_in
from namespace import TREE

HOST, BROKER = "libpam-jit", "jit-broker"
OLD, NEW = "0.0.9", read(f"{TREE}/VERSION").strip()
DEBS = "/root/packages"
GATED = ("sudo", "sudo-i", "sshd")
SSHD = "UsePAM yes\nKbdInteractiveAuthentication yes\nLoginGraceTime 330\n"
LOGIN = {"services": "sshd", "requesters": "@operators", "hosts": "*", "targets": "self", "approvers": "@oncall",
         "max_duration": "8h"}
APT = "DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 --allow-downgrades"
APT_LIMIT = 120


def missing():
    tools = [tool for tool in ("dpkg-buildpackage", "dh") if not shutil.which(tool)]
    return f"{', '.join(tools)} not installed: ./setup" if tools else None


def prepare():
    for version in () if missing() else (OLD, NEW):
        done = subprocess.run(["make", "--no-print-directory", "-C", TREE, "deb", f"VERSION={version}"],
                              capture_output=True, text=True, timeout=900)
        if done.returncode:
            raise AssertionError(f"make deb: {done.stdout[-1500:]}{done.stderr[-1500:]}")


class PackagedMachine(GatedMachine):
    def bring_packages(self):
        """All of both versions, for apt() and dpkg."""
        self.run(["mkdir", DEBS])
        for version in (OLD, NEW):
            for name in (HOST, BROKER):
                path = glob.glob(f"{TREE}/build/packages/{name}_{version}_*.deb")[0]
                with open(path, "rb") as file:
                    self._pipe_in(file, ["install", "-m", "0644", "/dev/stdin", self.deb(name, version)])

    @staticmethod
    def deb(name, version):
        return f"{DEBS}/{name}_{version}.deb"

    def apt(self, words, check=True):
        """apt-get WORDS as an administrator types it, with nobody to answer a question: (exit status, all it said)."""
        return self._manage(f"{APT} {words}", check)

    def dpkg(self, words, check=True):
        return self._manage(f"dpkg {words}", check)

    def _manage(self, command, check):
        status, said = self.run(command, check=False, timeout=APT_LIMIT)
        if check and status:
            raise AssertionError(f"{self.label}: {command}: exit status {status}: {said}")
        return status, said

    def install_version(self, version, names=(HOST, BROKER), words=""):
        """What apt said."""
        return self.apt(f"{words} install {' '.join(self.deb(name, version) for name in names)}")[1]

    def version(self, name=HOST):
        """As dpkg sees it: "install ok installed 0.0.9"."""
        return self.run(["dpkg-query", "-Wf", "${Status} ${Version}", name])

    def configure_gates(self):
        """From installed packages to a host whose sudo and ssh ask; root comes in by ssh unasked."""
        self.configure({("role login", key): value for key, value in LOGIN.items()}, {("service sshd", "role"): "login"})
        self.make_secrets()
        self.run(f"systemctl start jit-broker {HELPER_UNITS}")
        self.put("/etc/ssh/sshd_config.d/pam-jit.conf", SSHD)
        self.run("systemctl reload ssh")
        self.enable_gates()

    def enable_gates(self):
        self.run("jit-helper pam enable sudo sudo-i && jit-helper pam enable sshd -- exempt_user=root")

    def gates(self):
        """{service: state} of what `jit-helper pam show` finds gated or broken."""
        lines = [line.split()[:2] for line in self.run("jit-helper pam show").splitlines()[1:]]
        return {service: state for service, state in lines if state != "none"}

    def log_in(self, user):
        """By ssh with a password, where it is gated under a grant."""
        terminal = Asked(self, user, wait=False, options=WITH_PASSWORD)
        if terminal.answer_all():
            self.approve(terminal.request)
            terminal.until_prompt()
        terminal.run(f"export JIT_REASON='{REASON}'")
        return terminal

    def listening(self):
        """What listens on our sockets: [(path, inode)]."""
        return sorted(re.findall(r"(/run/pam-jit/\S+) (\d+)", self.run("ss -xlH")))

    def become_root(self, terminal):
        """A shell under sudo, with an approval."""
        self.approve(self.ask(terminal, "sudo bash --norc --noediting"))
        terminal.expect("approved by appr1")
        terminal.ready()


class PackagedCase(MachineCase):
    """Tests on one machine that has both packages of `version`, with sudo and ssh gated."""

    version = NEW

    @classmethod
    def setUpClass(cls):
        if missing():
            raise unittest.SkipTest(missing())
        super().setUpClass()

    @classmethod
    def make_machine(cls):
        machine = PackagedMachine()
        cls.addClassCleanup(machine.stop)
        machine.bring_packages()
        machine.install_version(cls.version)
        machine.configure_gates()
        return machine

    @classmethod
    def person(cls, user):
        terminal = cls.machine.log_in(user)
        cls.addClassCleanup(terminal.close)
        return terminal

    def assert_host_lets_in(self, gated=True):
        """Root and a person with a password, at each door; ssh asks exactly where it is gated."""
        assert_all_get_in(self.machine, "op2", approve=self.machine.approve if gated else None)

    def assert_asks_nobody(self, terminal):
        status, text = terminal.run("sudo id", timeout=10)
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)
        self.assertNotIn("waiting for approval", text)

    def assert_gated(self):
        self.assertEqual(self.machine.gates(), dict.fromkeys(GATED, "gate"))
        with self.machine.log_in("op1") as terminal:
            self.machine.approve(self.machine.ask(terminal))
            terminal.expect("approved by appr1")
            self.assertEqual(terminal.finish()[0], 0)

    def failed_units(self):
        return self.machine.run("systemctl --failed --plain --no-legend")
