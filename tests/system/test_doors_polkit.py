"""polkit-1 × what may come of it: a real pkexec, polkitd and the setuid polkit-agent-helper-1, which runs PAM; the
person answers in pkttyagent on another terminal. polkit runs auth and account; pkexec alone opens a session."""

import os
import re
import shutil
import socket
import subprocess
import time
import unittest

from doors import DoorCase, role, service
from lab import PASSWORD, WAIT, read, write
from namespace import die_with_parent
from terminal import wait_until

POLKITD = "/usr/lib/polkit-1/polkitd"
HELPER = "/usr/lib/polkit-1/polkit-agent-helper-1"
NEEDED = ("pkexec", "pkttyagent", "dbus-daemon", POLKITD)
NOT_AUTHORIZED = 127  # pkexec's exit status
GO = "/run/lab/go"
OUT = "/run/lab/pkexec"
DESK = "/run/lab/desk"
DESK_SCRIPT = f"""read go <{GO}
for n in $(seq $1); do
	{{ pkexec id -un; echo status $?; }} >{OUT}.$n 2>&1
done
"""
# Of the job in the background, and of the agent's helper on stderr, which is not ordered with what the agent shows.
UNORDERED = r"(?m)^(\[\d+\]|polkit-agent-helper-1: pam_acct_mgmt failed).*\n"


class PolkitCase(DoorCase):
    broker_conf = {**role("admin"), **role("quick", pending="2s", reason="optional"),
                   **role("desk", reason="optional")}
    polkit_role = "desk"

    @classmethod
    def setUpClass(cls):
        missing = [name for name in NEEDED if not shutil.which(name)]
        if missing:
            raise unittest.SkipTest(f"not installed: {', '.join(missing)}")
        cls.helper_conf = {**cls.helper_conf, **service("polkit-1", role=cls.polkit_role)}
        super().setUpClass()
        cls.lab.set_pam(service="polkit-1")
        cls.lab.set_password("root")
        cls.start_polkit()

    @classmethod
    def start_polkit(cls):
        os.makedirs("/run/dbus", exist_ok=True)
        for words, ready in ((["dbus-daemon", "--system", "--nofork", "--nopidfile"], None),
                             ([POLKITD], "Acquired the name org.freedesktop.PolicyKit1")):
            log = cls.lab.log(os.path.basename(words[0]))
            with open(log, "wb") as out:
                daemon = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/",
                                          preexec_fn=die_with_parent)
            cls.addClassCleanup(daemon.wait)
            cls.addClassCleanup(daemon.kill)
            wait_until(f"{words[0]} serves", lambda: ready in read(log) if ready else cls.has_bus(), 3 * WAIT)

    @staticmethod
    def has_bus():
        """Somebody listens: the file alone may be of a bus that was before."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex("/run/dbus/system_bus_socket") == 0

    def make_go(self):
        if os.path.exists(GO):
            os.unlink(GO)
        os.mkfifo(GO)
        os.chmod(GO, 0o666)

    def begin(self, runs=1):
        """The person's terminal: pkexec waits in the background for its agent, which asks there in the foreground; the
        password is typed."""
        terminal = self.open_terminal()
        self.make_go()
        write(DESK, DESK_SCRIPT)
        agents = self.registered()
        terminal.start(f"sh {DESK} {runs} & pkttyagent --process $!")
        wait_until("the agent is registered", lambda: self.registered() > agents, WAIT)
        for path in (f"{OUT}.1", f"{OUT}.2"):
            write(path, "", 0o666)
        with open(GO, "w", encoding="ascii") as go:
            go.write("go\n")
        self.type_password(terminal)
        return terminal

    def registered(self):
        return read(self.lab.log("polkitd")).count("Registered Authentication Agent")

    def type_password(self, terminal):
        terminal.expect("Password: ")
        terminal.child.waitnoecho()  # what is typed before is thrown away
        terminal.type(PASSWORD)

    def finish(self, name, terminal, status, runs=1):
        """Waits for pkexec's end, ends the agent, compares what both showed."""
        for run in range(1, runs + 1):
            wait_until(f"pkexec ends ({run})", lambda: "status" in read(f"{OUT}.{run}"), WAIT)  # noqa: B023
            self.assertIn(f"status {status}\n", read(f"{OUT}.{run}"), terminal.transcript())
        terminal.interrupt()
        terminal.finish()
        text = "".join(f"pkexec {run}:\n{read(f'{OUT}.{run}')}" for run in range(1, runs + 1))
        self.check_golden(f"polkit.{name}", re.sub(UNORDERED, "", terminal.transcript()) + text, terminal.log)


class Polkit(PolkitCase):
    def test_approved_and_with_the_live_grant_nobody_is_asked(self):
        terminal = self.begin(runs=2)
        request = self.wait_shown(terminal)
        filed = self.lab.request(request[0])
        self.assertEqual((filed["requester"], filed["target"], filed["service"]), ("op1", "root", "polkit-1"))
        self.approve(request)
        before = self.lab.filed()
        self.type_password(terminal)
        self.finish("approved", terminal, 0, runs=2)
        self.assertEqual(self.lab.filed(), before)

    def test_what_opens_no_session_is_done_as_root_and_starts_the_grants_clock(self):
        """Actions over D-Bus run polkit's helper and nothing else. Who may authenticate by their own password is here
        PAM_USER."""
        terminal = self.open_terminal()
        self.make_go()
        terminal.start(f"(echo cookie; read go; echo '{PASSWORD}'; read go) <{GO} | {HELPER} op1")
        with open(GO, "w", encoding="ascii", buffering=1) as go:
            terminal.expect("PAM_PROMPT_ECHO_OFF Password: ")
            go.write("go\n")
            request = self.wait_shown(terminal)
            self.assertEqual(self.lab.request(request[0])["target"], "root")
            self.approve(request)
            self.lab.wait_for_status(request[0], "ACTIVE")
        terminal.finish()

    def test_roots_own_pkexec_asks_nobody(self):
        done = subprocess.run(["pkexec", "id", "-un"], capture_output=True, text=True, timeout=WAIT)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "root\n", ""))

    def test_denied(self):
        terminal = self.begin()
        self.deny(self.wait_shown(terminal))
        self.finish("denied", terminal, NOT_AUTHORIZED)

    def test_an_agent_that_is_interrupted_withdraws_the_request(self):
        terminal = self.begin()
        request = self.wait_shown(terminal)
        terminal.interrupt()
        self.lab.wait_for_status(request[0], "CANCELLED")


class Quick(PolkitCase):
    polkit_role = "quick"

    def test_timed_out(self):
        terminal = self.begin()
        self.wait_shown(terminal)
        self.finish("timed_out", terminal, NOT_AUTHORIZED)


class WithReason(PolkitCase):
    polkit_role = "admin"

    def test_the_reason_is_asked_for_by_the_agent(self):
        terminal = self.begin()
        terminal.expect("Reason for role admin: ")
        time.sleep(0.2)  # the agent throws away what is typed before it reads, and shows nothing when it does
        terminal.type("disk full")
        request = self.wait_shown(terminal)
        self.assertEqual(self.lab.request(request[0])["reason"], "disk full")
        self.approve(request)
        self.finish("reason", terminal, 0)


class BrokerDown(PolkitCase):
    def test_broker_down(self):
        self.lab.broker.stop()
        self.finish("broker_down", self.begin(), NOT_AUTHORIZED)
