"""A booted machine that is a broker and a host at once, with sudo gated: what tests of units and packages begin with."""

import glob
import os
import tempfile

import brokerlib
from booted import Machine, MachineCase
from lab import PEOPLE, WAITING, read

HOST_EXAMPLES = "/usr/share/pam-jit/examples"
BROKER_EXAMPLE = "/usr/share/jit-broker/examples/jit-broker.conf"
HELPER_CONF = "/etc/pam-jit/jit-helper.conf"
BROKER_CONF = "/etc/jit-broker/jit-broker.conf"
DEBS = "PAM_JIT_DEBS"  # a folder of packages, build/packages say; without it the tree as it is built is installed
HELPER_UNITS = "jit-helper.socket jit-helper-session.socket jit-helper"


class GatedMachine(Machine):
    """`broker` and `helper` are changes to the examples, {(section, key): value}."""

    def install_programs(self):
        folder = os.environ.get(DEBS)
        if folder:
            self.install(*[path for path in glob.glob(f"{folder}/*.deb") if "-dbgsym_" not in path])
        else:
            self.install_tree()

    def configure(self, broker=None, helper=None):
        """Writes both configurations; they count from the next start of the units on."""
        text = brokerlib.edit_ini(self.get(BROKER_EXAMPLE), broker or {})
        self.put(BROKER_CONF, text, 0o640, "root", "_jitbroker")
        base = {("helper", "broker"): "https://broker.example:8443"}
        text = brokerlib.edit_ini(self.get(f"{HOST_EXAMPLES}/jit-helper.conf"), {**base, **(helper or {})})
        self.put(HELPER_CONF, text, 0o640, "root", "_jit")

    def make_secrets(self):
        """Certificate, CA, the host's key and the approvers' tokens, in their places."""
        with tempfile.TemporaryDirectory() as folder:
            brokerlib.make_tls(folder)
            self.put("/etc/jit-broker/tls.crt", read(f"{folder}/tls.crt"))
            self.put("/etc/jit-broker/tls.key", read(f"{folder}/tls.key"), 0o640, "root", "_jitbroker")
            self.put("/etc/pam-jit/broker-ca.pem", read(f"{folder}/ca.pem"))
        self.put("/etc/pam-jit/aws-credentials", self.get(f"{HOST_EXAMPLES}/aws-credentials"))
        # An approver's own copy of what is to be trusted: /etc/pam-jit is the helper's.
        self.put("/etc/ssl/broker-ca.pem", self.get("/etc/pam-jit/broker-ca.pem"))
        self.put("/etc/pam-jit/api.key", self.admin("key", "add", self.name) + "\n", 0o640, "root", "_jit")
        for name in ("appr1", "appr2"):
            if name in self.people:
                folder = f"/home/{name}/.config/jit-broker"
                self.put(f"{folder}/token", self.admin("token", "add", name) + "\n", 0o600, name)
                self.put(f"{folder}/client.conf", "url = https://broker.example:8443\nca = /etc/ssl/broker-ca.pem\n"
                         f"token_file = {folder}/token\n", 0o600, name)

    def admin(self, *words):
        """A local command of jit-broker as its user: the last line, which is a new secret where one is made."""
        command = ["runuser", "-u", "_jitbroker", "--", "jit-broker", *words]
        return self.run(command).strip().splitlines()[-1]

    def gate(self, *services):
        for name in services:
            self.put(f"/etc/pam.d/{name}", self.get(f"{HOST_EXAMPLES}/{name}.example"))

    def set_up(self, broker=None, helper=None, services=("sudo",)):
        """From installed programs to a host that asks."""
        self.configure(broker, helper)
        self.make_secrets()
        self.run(f"systemctl start jit-broker {HELPER_UNITS}")
        self.gate(*services)

    def approve(self, request, name="appr1"):
        self.run(["jit-broker", "approve", request[0], "--code", request[1]], user=name)

    def ask(self, terminal, command="sudo id"):
        """Types the command and waits until it waits for a decision: (short id, code)."""
        terminal.start(command)
        shown = terminal.expect(WAITING)
        return shown[1], shown[2]

    def show(self, unit, *names):
        """Properties of a unit: {name: value}."""
        lines = self.run(["systemctl", "show", *[f"--property={name}" for name in names], unit]).splitlines()
        return dict(line.split("=", 1) for line in lines)


class GatedCase(MachineCase):
    """Tests on one machine whose sudo is gated."""

    broker_conf = {}
    helper_conf = {}
    people = PEOPLE

    @classmethod
    def make_machine(cls):
        machine = GatedMachine(people=cls.people)
        cls.addClassCleanup(machine.stop)
        machine.install_programs()
        machine.set_up(cls.broker_conf, cls.helper_conf)
        return machine

    def open_terminal(self, user="op1", reason="disk full", **how):
        """With a reason in its environment sudo asks for none."""
        terminal = super().open_terminal(user, **how)
        if reason:
            terminal.run(f"export JIT_REASON='{reason}'")
        return terminal

    def run_approved(self, terminal, command="sudo id"):
        """Types the command, has it approved: (short id, what it printed). The command must succeed."""
        request = self.machine.ask(terminal, command)
        self.machine.approve(request)
        terminal.expect(rf"request {request[0]}: approved by appr1")
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        return request[0], text

    def assert_asks_nobody(self, terminal, command="sudo id"):
        status, text = terminal.run(command, timeout=8)
        self.assertEqual(status, 0, text)
        self.assertNotIn("waiting for approval", text)
        return text
