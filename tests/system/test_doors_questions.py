"""The reason and the ticket of a request: asked for on the terminal, or taken from JIT_REASON and JIT_TICKET."""

from doors import DoorCase, role
from lab import PASSWORD

TICKETS = {("role admin", "ticket"): "^INC-[0-9]{4}$"}
ASK_REASON, ASK_TICKET = "Reason for role admin: ", "Ticket for role admin: "


class QuestionCase(DoorCase):
    broker_conf = {**role("admin"), **TICKETS}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("su", "su-l"):
            cls.lab.set_pam(service=name, example="su")
        cls.lab.set_password("root")

    def begin(self, command, environment=None):
        terminal = self.open_terminal(reason=None, environment=environment)
        terminal.start(command)
        if command.startswith("su "):
            terminal.expect("Password: ")
            terminal.type(PASSWORD)
        return terminal

    def pass_through(self, terminal):
        """What was filed, once the command has run."""
        request = self.wait_shown(terminal)
        self.approve(request)
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        return self.lab.request(request[0])

    def compare(self, name, terminal):
        self.check_golden(name, terminal.transcript(), terminal.log)


class FromTheEnvironment(QuestionCase):
    BOTH = {"JIT_REASON": "disk full", "JIT_TICKET": "INC-4711"}

    def check_both(self, command):
        filed = self.pass_through(self.begin(command, self.BOTH))
        self.assertEqual((filed["reason"], filed["ticket"]), ("disk full", "INC-4711"))

    def test_sudo_takes_both(self):
        self.check_both("sudo true")

    def test_sudo_that_may_not_ask_takes_both(self):
        self.check_both("sudo -n true")

    def test_su_takes_both(self):
        self.check_both("su -c true")

    def test_su_to_a_login_shell_takes_both(self):
        self.check_both("su - -c true")

    def refused(self, name, environment):
        before = self.lab.filed()
        terminal = self.begin("sudo -n true", environment)
        status, text = terminal.finish(5)
        self.assertEqual((status, self.lab.filed() - before), (1, 0), text)
        self.compare(name, terminal)

    def test_sudo_that_may_not_ask_is_refused_without_a_reason(self):
        self.refused("sudo-n.no_reason", {"JIT_TICKET": "INC-4711"})

    def test_sudo_that_may_not_ask_is_refused_without_a_ticket(self):
        self.refused("sudo-n.no_ticket", {"JIT_REASON": "disk full"})

    def test_sudo_that_may_not_ask_is_refused_with_a_ticket_that_does_not_fit(self):
        self.refused("sudo-n.wrong_ticket", {"JIT_REASON": "disk full", "JIT_TICKET": "4711"})


class OnTheTerminal(QuestionCase):
    def test_both_are_asked_for(self):
        for row, command in (("sudo", "sudo true"), ("su", "su -c true")):
            with self.subTest(row):
                terminal = self.begin(command)
                terminal.expect(ASK_REASON)
                terminal.type("disk full")
                terminal.expect(ASK_TICKET)
                terminal.type("INC-4711")
                filed = self.pass_through(terminal)
                self.assertEqual((filed["reason"], filed["ticket"]), ("disk full", "INC-4711"))
                self.compare(f"{row}.asked", terminal)

    def test_a_ticket_that_does_not_fit_is_asked_for_again(self):
        terminal = self.begin("sudo true", {"JIT_REASON": "disk full"})
        terminal.expect(ASK_TICKET)
        terminal.type("4711")
        terminal.expect(ASK_TICKET)
        terminal.type("INC-4711")
        self.assertEqual(self.pass_through(terminal)["ticket"], "INC-4711")
        self.compare("sudo.ticket_again", terminal)

    def test_a_ticket_that_never_fits_is_refused_and_pages_nobody(self):
        before = self.lab.filed()
        terminal = self.begin("sudo true", {"JIT_REASON": "disk full"})
        for _ in range(3):
            terminal.expect(ASK_TICKET)
            terminal.type("4711")
        status, text = terminal.finish(5)
        self.assertEqual((status, self.lab.filed() - before), (1, 0), text)
        self.compare("sudo.ticket_never", terminal)
