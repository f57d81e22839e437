"""Each way to run sudo × what may come of it: who is asked, what a person sees, whether the command runs."""

import os

from doors import DoorCase, service, table
from lab import NOPASSWD, PASSWORD, WITH_PASSWORD, write
from terminal import wait_until

PASSWORD_PROMPT = "password for op1: "
RAN = "/tmp/ran"  # each row's command leaves its user's name here
SHOW = "/run/lab/show"  # prints the user's name and leaves it in RAN
EDITED = "/etc/edited"
CASES = ("approved", "denied", "interrupted", "live_grant")
ROWS = {
    "sudo": {"command": f"sudo {SHOW}"},
    "sudo-i": {"command": f"sudo -i {SHOW}"},
    "sudo-s": {"command": f"sudo -s {SHOW}"},
    "sudo-u": {"command": f"sudo -u op2 {SHOW}", "user": "op2"},
    "sudo-b": {"command": f"sudo -b {SHOW} --quiet"},
    "sudo-n": {"command": f"sudo -n {SHOW}"},
    "sudoedit": {"command": f"sudoedit {EDITED}", "user": "edited"},
    "sudo-use_pty": {"command": f"sudo {SHOW}", "sudoers": f"Defaults use_pty\n{NOPASSWD}"},
    "sudo-no_use_pty": {"command": f"sudo {SHOW}", "sudoers": f"Defaults !use_pty\n{NOPASSWD}"},
    "sudo-no_pam_session": {"command": f"sudo {SHOW}", "sudoers": f"Defaults !pam_session\n{NOPASSWD}"},
    "sudo-password": {"command": f"sudo -k {SHOW}", "sudoers": WITH_PASSWORD, "password": True},
    "sudo-ticket": {"command": f"sudo {SHOW}", "sudoers": WITH_PASSWORD, "ticket": True},
}
ASK_NOBODY = {
    "sudo-l": {"command": "sudo -l"},
    "sudo-l-command": {"command": "sudo -l /usr/bin/id"},
    "sudo-v": {"command": "sudo -v"},
    "sudo-k": {"command": "sudo -k"},
    "sudo-K": {"command": "sudo -K"},
    "sudo-n-password": {"command": "sudo -nk id", "sudoers": WITH_PASSWORD},
    "sudo-as-root": {"command": "sudo id -un", "person": "root"},
}


class SudoCase(DoorCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.set_pam(service="sudo-i", example="sudo")
        write(SHOW, f"#!/bin/sh\nid -un >{RAN}.new; mv {RAN}.new {RAN}\n[ -n \"$1\" ] || id -un\n", 0o755)
        write("/run/lab/editor", "#!/bin/sh\necho edited >\"$1\"\n", 0o755)

    def setUp(self):
        for path in (RAN, EDITED):
            if os.path.exists(path):
                os.unlink(path)

    def prepare(self, spec):
        """The person's terminal, with what the row wants done before."""
        self.lab.set_sudoers(spec.get("sudoers", NOPASSWD))
        terminal = self.open_terminal(environment={"EDITOR": "/run/lab/editor"})
        if spec.get("ticket"):
            terminal.start("sudo -v")
            terminal.expect(PASSWORD_PROMPT)
            terminal.type(PASSWORD)
            self.assertEqual(terminal.finish()[0], 0)
        return terminal

    def begin(self, terminal, spec):
        terminal.start(spec["command"])
        if spec.get("password"):
            terminal.expect(PASSWORD_PROMPT)
            terminal.type(PASSWORD)

    def ask_at(self, terminal, spec):
        self.begin(terminal, spec)
        return self.wait_shown(terminal)

    def assert_ran(self, spec):
        if spec.get("user") == "edited":
            with open(EDITED, encoding="utf-8") as file:
                self.assertEqual(file.read(), "edited\n")
            return
        wait_until("the command runs", lambda: os.path.exists(RAN), 5)
        with open(RAN, encoding="utf-8") as file:
            self.assertEqual(file.read().strip(), spec.get("user", "root"))

    def assert_did_not_run(self, terminal, status):
        self.assertEqual(status, 1, terminal.transcript())
        self.assertFalse(os.path.exists(RAN) or os.path.exists(EDITED), terminal.transcript())

    def compare(self, row, case, terminal):
        self.check_golden(f"{row}.{case}", terminal.transcript(), terminal.log)


@table(ROWS, CASES)
class Sudo(SudoCase):
    def case_approved(self, row, spec):
        terminal = self.prepare(spec)
        request = self.ask_at(terminal, spec)
        self.approve(request)
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        self.assert_ran(spec)
        self.compare(row, "approved", terminal)

    def case_denied(self, row, spec):
        terminal = self.prepare(spec)
        request = self.ask_at(terminal, spec)
        self.deny(request)
        self.assert_did_not_run(terminal, terminal.finish()[0])
        self.compare(row, "denied", terminal)
        self.lab.wait_for_status(request[0], "DENIED")

    def case_interrupted(self, row, spec):
        terminal = self.prepare(spec)
        request = self.ask_at(terminal, spec)
        terminal.interrupt()
        status, text = terminal.finish(5)
        self.assertNotEqual(status, 0, text)
        self.assertFalse(os.path.exists(RAN) or os.path.exists(EDITED), text)
        self.compare(row, "interrupted", terminal)
        self.lab.wait_for_status(request[0], "CANCELLED")

    def case_live_grant(self, row, spec):
        terminal = self.prepare(spec)
        request = self.ask_at(terminal, spec)
        self.approve(request)
        self.assertEqual(terminal.finish()[0], 0)
        self.setUp()
        before = self.lab.filed()
        self.begin(terminal, spec)
        status, text = terminal.finish(5)
        self.assertEqual((status, self.lab.filed() - before), (0, 0), text)
        self.assert_ran(spec)
        self.compare(row, "live_grant", terminal)

    def test_whom_sudoers_does_not_know_the_approval_does_not_help(self):
        """sudo runs account first and looks at its own answer afterwards: the approver is asked in vain."""
        spec = {"command": f"sudo {SHOW}", "sudoers": "op2 ALL=(ALL:ALL) ALL", "password": True}
        terminal = self.prepare(spec)
        self.approve(self.ask_at(terminal, spec))
        self.assert_did_not_run(terminal, terminal.finish()[0])
        self.compare("sudo-not-in-sudoers", "approved", terminal)


@table(ROWS, ("timed_out",))
class NobodyDecides(SudoCase):
    helper_conf = {**SudoCase.helper_conf, **service("sudo", role="quick"), **service("sudo-i", role="quick")}

    def case_timed_out(self, row, spec):
        terminal = self.prepare(spec)
        request = self.ask_at(terminal, spec)
        self.assert_did_not_run(terminal, terminal.finish()[0])
        self.compare(row, "timed_out", terminal)
        self.lab.wait_for_status(request[0], "EXPIRED")


@table(ROWS, ("broker_down",))
class BrokerDown(SudoCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.broker.stop()

    def case_broker_down(self, row, spec):
        terminal = self.prepare(spec)
        self.begin(terminal, spec)
        self.assert_did_not_run(terminal, terminal.finish(5)[0])
        self.compare(row, "broker_down", terminal)


@table(ASK_NOBODY, ("asks_nobody",))
class AskNobody(SudoCase):
    """Neither with the broker nor without it is there anything to ask: the transcripts are the same."""

    def case_asks_nobody(self, row, spec):
        self.lab.set_sudoers(spec.get("sudoers", NOPASSWD))
        before = self.lab.filed()
        terminal = self.open_terminal(spec.get("person", "op1"))
        self.begin(terminal, spec)
        terminal.finish(5)
        self.assertEqual(self.lab.filed(), before)
        self.compare(row, "asks_nobody", terminal)
