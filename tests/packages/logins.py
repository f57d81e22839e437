"""People at the doors of a booted machine: they answer what they are asked, and all of them still get in."""

import re

import pexpect

from booted import Login
from lab import PASSWORD

REQUEST = r"request (\w{4}-\w{4}), code (\d\d)"
REASON = "disk full"
WITH_PASSWORD = ("PubkeyAuthentication=no", "NumberOfPasswordPrompts=1")


class Asked(Login):
    """A login whose person answers password, reason and Enter as they are asked for. `request` is (short id, code) of
    what waits for a decision."""

    request = None

    def until_waiting(self, timeout=20):
        """Answers until a request waits: its (short id, code)."""
        if not self.answer_all(timeout):
            raise AssertionError(f"{self.user} was not asked, and is at the prompt: {self.child.before!r}")
        return self.request

    def until_prompt(self, timeout=20):
        """Answers until the prompt, and nobody has to be waited for: the exit status before it."""
        if self.answer_all(timeout):
            raise AssertionError(f"{self.user} has to wait for a decision on {self.request[0]}")
        return int(self.child.match.group(1))

    def answer_all(self, timeout=20):
        """True where somebody else has to decide now, False at the prompt."""
        questions = {r"[Pp]assword(?: for \w+)?: $": self.password, r"Reason for [^\n]*: $": REASON,
                     REQUEST + r": waiting for approval \(Ctrl-C": None, REQUEST + r"[^\n]*Press Enter to wait: $": ""}
        while True:
            found = self.child.expect([self.prompt, *questions, pexpect.TIMEOUT, pexpect.EOF], timeout=timeout)
            if not found:
                return False
            if found > len(questions):
                what = "nothing more came" if found == len(questions) + 1 else "it closed"
                raise AssertionError(f"{self.user} at the door: {what}: {self.child.before!r}")
            answer = list(questions.values())[found - 1]
            if found > 2:
                self.request = self.child.match[1], self.child.match[2]
            if answer is not None:
                self.type(answer)
            if found > 2:
                return True


def assert_all_get_in(machine, user, password=PASSWORD, approve=None):
    """Root by ssh and at a console, and a person with a password by ssh, at a console and by su: each really logs in.
    Where ssh is gated, `approve` is called with what waits, (short id, code)."""
    with machine.terminal("root") as root:
        assert_works(root, f"su - {user} -c id", user)
    with machine.terminal("root", door="login") as root:
        assert_works(root, "id", "root")
    with machine.terminal(user, door="login", password=password) as person:
        person.start(f"su -c id {user}")
        person.expect("[Pp]assword: ")
        person.type(password)
        assert_said(person.finish(), user)
    with Asked(machine, user, wait=False, options=WITH_PASSWORD, password=password) as person:
        if approve:
            approve(person.until_waiting())
        person.until_prompt()
        assert_works(person, "id", user)


def assert_works(terminal, command, user):
    assert_said(terminal.run(command), user)


def assert_said(done, user):
    status, text = done
    if status or not re.search(rf"uid=\d+\({user}\)", text):
        raise AssertionError(f"expected the id of {user}: exit status {status}: {text!r}")
