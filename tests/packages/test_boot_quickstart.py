"""docs/quickstart.md, followed literally on a fresh machine that really boots: what the page tells people to type is
typed, and each of its promises is looked at from outside. The numbers of the tests are their order: each goes on where
the one before ended."""

import functools
import glob
import json
import re
import shutil
import subprocess
import unittest

import docblocks
from booted import PROFILE, SSH_KEY, Machine, MachineCase, wait_until
from logins import WITH_PASSWORD, Asked, assert_all_get_in
from namespace import TREE

PAGE = f"{TREE}/docs/quickstart.md"
PEOPLE = {"op1": "try-it-out-1", "appr1": "try-it-out-2"}
HELPER_UNITS = ("jit-helper.socket", "jit-helper-session.socket", "jit-helper.service")
UNITS = (*HELPER_UNITS, "jit-broker.service")
SOCKETS = ("/run/pam-jit/pam.sock", "/run/pam-jit/session.sock")
MORE = "more> "
APPROVED = r"request {}: approved by appr1"
# What stands in a page for something that differs each time.
VARIES = {docblocks.REQUEST: r"\w{4}-\w{4}", r"code \d\d": r"code \d\d", r"\d:\d\d left": r"\d:\d\d left",
          r"\d min \d+ s left": r"\d min( \d+ s)? left", "…": ".*"}


def prepare():
    if not missing():
        done = subprocess.run(["make", "--no-print-directory", "-C", TREE, "deb"], timeout=900, text=True,
                              capture_output=True)
        if done.returncode:
            raise AssertionError(f"make deb: {done.stdout[-1500:]}{done.stderr[-1500:]}")


def missing():
    tools = [tool for tool in ("dpkg-buildpackage", "dh") if not shutil.which(tool)]
    return f"{', '.join(tools)} not installed: ./setup" if tools else None


def packages():
    with open(f"{TREE}/VERSION", encoding="ascii") as file:
        version = file.read().strip()
    patterns = [f"{TREE}/build/packages/{name}_{version}_*.deb" for name in ("libpam-jit", "jit-broker")]
    return [glob.glob(pattern)[0] for pattern in patterns]


def then(test):
    """A step of the journey, which is not taken where one before it went wrong."""

    @functools.wraps(test)
    def step(self):
        if type(self).stopped_in:
            self.skipTest(f"the journey has ended in {type(self).stopped_in}")
        type(self).stopped_in = test.__name__
        test(self)
        type(self).stopped_in = None

    return step


def as_pattern(line):
    """Of an example's line, for what may stand in its place."""

    def one(found):
        others = (other for example, other in VARIES.items() if re.fullmatch(example, found[0]))
        return next(others, re.escape(found[0]))

    return re.sub("|".join([*VARIES, "."]), one, line)


class QuickStart(MachineCase):
    stopped_in = None

    @classmethod
    def make_machine(cls):
        if missing():
            raise unittest.SkipTest(missing())
        prepare()
        machine = Machine(people=())
        cls.addClassCleanup(machine.stop)
        for path in packages():
            machine.copy_in(path)
        cls.blocks = docblocks.blocks(PAGE)
        cls.terminals = {}
        cls.addClassCleanup(cls.close_terminals)
        return machine

    @classmethod
    def close_terminals(cls):
        while cls.terminals:
            cls.terminals.popitem()[1].close()

    # The page, typed

    def play(self, number):
        """The section's blocks, in order."""
        for block in self.blocks:
            if block.section.startswith(f"{number}. "):
                self.type_block(block)
        for person in self.terminals.values():
            if person.request:
                self.end_of(person)

    def type_block(self, block):
        if block.label == ["console"]:
            self.assert_looks_like(block)
        elif block.who == "root":
            self.type_as_root(block)
        elif block.who:
            self.type_as_person(block)

    def type_as_root(self, block):
        """Line after line at the prompt; each command must succeed."""
        root = self.person("root")
        for line in block.text.splitlines():
            root.child.sendline(line)
            root.child.expect_exact(line + "\r\n")
            if root.child.expect([root.prompt, f"\n?{MORE}"], timeout=120) == 0:
                status = int(root.child.match[1])
                self.assertLessEqual(status, 1 if block.may_warn else 0, f"{block}: {line}: {root.child.before}")
        self.let_prompts_be_seen()

    def type_as_person(self, block):
        """A line that waits for a decision goes on while the blocks behind it are typed."""
        person = self.person(block.who)
        if person.request:
            self.end_of(person)
        for line in block.commands():
            waiting = [other for other in self.terminals.values() if other.request]
            if docblocks.REQUEST in line:
                self.assertEqual(len(waiting), 1, f"{block}: who waits?")
                line = line.replace(docblocks.REQUEST, waiting[0].request[0])
            person.start(line)
            if line.startswith("jit-broker approve"):
                person.expect("Code on the requester's terminal: ?")
                person.type(waiting[0].request[1])
            if not person.answer_all():
                self.assertEqual(int(person.child.match[1]), 0, f"{block}: {line}: {person.transcript()}")

    def end_of(self, person):
        """What waited has been decided, and ends well."""
        person.request = None
        status, text = person.finish()
        self.assertEqual(status, 0, text)
        self.assertIn("uid=", text)

    def person(self, name):
        """Their own login, which stays open."""
        if name not in self.terminals:
            password = PEOPLE.get(name)
            terminal = Asked(self.machine, name, options=WITH_PASSWORD if password else (),
                             **({"password": password} if password else {}))
            self.terminals[name] = terminal
            terminal.run(f"PS2='{MORE}'")
        return self.terminals[name]

    def let_prompts_be_seen(self):
        """Who has been made gets a prompt that can be waited for."""
        for name in PEOPLE:
            if self.machine.run(f"test -d /home/{name} && ! test -e /home/{name}/.hushlogin", check=False)[0] == 0:
                self.machine.put(f"/home/{name}/.bash_profile", PROFILE, owner=name)
                self.machine.put(f"/home/{name}/.hushlogin", "", owner=name)

    def assert_looks_like(self, block):
        """What the last person has on their terminal is what the page shows."""
        seen = [terminal.transcript() for terminal in self.terminals.values()]
        lines = [as_pattern(line) for line in block.text.splitlines() if not line.startswith("op1@web-1:")]
        for text in seen:
            at = 0
            for line in lines:
                match = re.compile(line).search(text, at)
                if not match:
                    break
                at = match.end()
            else:
                return
        shown = "\n---\n".join(seen)
        self.fail(f"{block}: {line!r}\nis not on a terminal:\n{shown}")

    # What is asked after each step

    def assert_host_logs_in(self, ssh_gated=False):
        assert_all_get_in(self.machine, "op1", PEOPLE["op1"], self.approve if ssh_gated else None)

    def approve(self, request):
        self.machine.run(["jit-broker", "approve", request[0], "--code", request[1]], user="appr1")

    def snapshot(self):
        """Each file of PAM, its owner, mode and contents."""
        return self.machine.run("cd /etc/pam.d && stat -c '%n %a %U:%G' * && sha256sum *")

    def states(self, units=UNITS):
        return self.machine.run(["systemctl", "is-active", *units], check=False)[1].split()

    def doctor(self, *words):
        status, text = self.machine.run(["jit", "doctor", "--json", *words], check=False)
        return status, json.loads(text)

    def log_in(self, user="op1", **how):
        """A login of its own, which ends with the test."""
        how = {"options": WITH_PASSWORD, "password": PEOPLE[user], **how}
        terminal = Asked(self.machine, user, wait=False, **how)
        self.addCleanup(terminal.close)
        return terminal

    def console(self, user="op1"):
        """At a console, where nothing gates the login."""
        terminal = self.log_in(user, door="login", options=())
        terminal.until_prompt()
        return terminal

    def approved(self, terminal, command="sudo id"):
        """Types the command, answers, has it approved; it goes on. The request's short id."""
        terminal.start(command)
        request = terminal.until_waiting()
        terminal.request = None
        self.approve(request)
        terminal.expect(APPROVED.format(request[0]))
        return request[0]

    def assert_approved(self, terminal, command="sudo id"):
        short = self.approved(terminal, command)
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)
        return short

    def assert_asked(self, terminal, command="sudo id"):
        """Somebody would have to decide; Ctrl-C takes it back."""
        terminal.start(command)
        terminal.until_waiting()
        terminal.request = None
        terminal.interrupt()
        self.assertNotEqual(terminal.finish()[0], 0)

    def assert_passes(self, terminal, command="sudo id"):
        """Nobody is asked."""
        terminal.start(command)
        self.assertEqual(terminal.until_prompt(), 0, terminal.transcript())
        self.assertNotIn("request", terminal.transcript())

    # The journey

    @then
    def test_01_installing_gates_nothing_and_starts_nothing(self):
        type(self).pam_before = self.snapshot()
        self.play(1)
        self.assertEqual(self.snapshot(), self.pam_before)
        self.assertEqual(self.states(), ["inactive"] * 4)
        for path in SOCKETS:
            self.assertNotEqual(self.machine.run(["test", "-e", path], check=False)[0], 0, path)
        self.assertEqual(self.machine.run("pgrep -u _jit,_jitbroker", check=False), (1, ""))
        self.assertEqual(self.machine.failed_units(), [])
        self.assert_passes(self.person("op1"))
        self.assert_host_logs_in()

    @then
    def test_02_the_broker_runs_as_the_page_says(self):
        self.play(2)
        self.assertEqual(self.states(), ["inactive"] * 3 + ["active"])
        self.assert_host_logs_in()

    @then
    def test_03_three_lines_configure_the_host_and_doctor_finds_it_in_order(self):
        self.play(3)
        self.assertEqual(self.states(), ["active"] * 4)
        status, report = self.doctor()
        self.assertEqual((status, {found["severity"] for found in report["findings"]}), (0, {"note"}), report)
        self.assertRegex(self.machine.run("jit doctor"), r"\nNot gated: sudo, sudo-i, su, [^\n]+\n$")
        self.assertEqual(self.snapshot(), self.pam_before)
        self.assert_host_logs_in()

    @then
    def test_04_the_approver_reaches_the_broker(self):
        self.play(4)
        self.assert_host_logs_in()

    @then
    def test_05_observe_logs_and_never_blocks(self):
        self.play(5)
        self.assertIn("pam_jit(sudo:account): observing:", self.machine.journal())
        self.assertNotIn("request", self.person("op1").transcript())
        fixes = {found["code"]: found.get("fix") for found in self.doctor("--service", "sudo")[1]["findings"]}
        self.assertIn("jit-helper pam enable sudo ", fixes["gate.observe"])  # as the page goes on
        self.assert_passes(self.person("op1"), "sudo -i id")
        self.machine.run("systemctl stop jit-broker")
        self.assert_passes(self.person("op1"))
        self.machine.run(f"systemctl stop {' '.join(HELPER_UNITS)}")
        self.assert_passes(self.person("op1"))
        self.machine.run(f"systemctl start jit-broker {' '.join(HELPER_UNITS)}")
        self.assert_host_logs_in()

    @then
    def test_06_switched_on_sudo_asks_and_an_approval_lets_it_through(self):
        self.play(6)
        self.assertEqual({found["severity"] for found in self.doctor()[1]["findings"]}, {"note"})
        for command in ("sudo id", "sudo -i id"):
            self.assert_asked(self.person("op1"), command)
        self.assert_host_logs_in()

    @then
    def test_07_a_grant_is_bound_to_its_login_session(self):
        terminal = self.console()
        short = self.assert_approved(terminal)
        self.assert_passes(terminal, "sudo -i id")
        session = terminal.run("echo $XDG_SESSION_ID")[1].strip()
        self.assertEqual(session, str(terminal.audit_session()))
        self.assertRegex(self.machine.run("loginctl --no-legend list-sessions"), rf"(?m)^\s*{session}\s.*op1")
        self.assertEqual(self.held_by(terminal), [short])
        other = self.console()
        self.assertNotEqual(other.audit_session(), terminal.audit_session())
        self.assertEqual(self.held_by(other), [])
        self.assert_asked(other)
        self.machine.run(["loginctl", "terminate-session", session])
        self.assert_ended(short)

    @staticmethod
    def held_by(terminal):
        """The grants of that login session."""
        return [grant["shortId"] for grant in json.loads(terminal.run("jit status --json")[1])["grants"]]

    def assert_ended(self, short):
        wait_until(f"{short} has ended", lambda: self.state_of(short) == "ENDED", 10)

    def state_of(self, short):
        found = re.findall(rf"{short} \S+ status=([A-Z]+)", self.machine.journal("jit-broker"))
        return found[-1] if found else None

    @then
    def test_08_ssh_asks_too(self):
        self.play(7)
        self.assert_host_logs_in(ssh_gated=True)


    @then
    def test_09_a_public_key_is_told_the_request_and_passes_once_it_is_approved(self):
        self.machine.put("/home/op1/.ssh/authorized_keys", self.machine.get(f"{SSH_KEY}.pub"), 0o600, "op1")
        first = self.log_in(options=())
        said = first.refused()
        short = re.search(r"request (\w{4}-\w{4})", said)[1]
        code = re.search(r"code (\d\d)", said)[1]
        self.assertIn("approved", said)
        self.approve((short, code))
        again = self.log_in(options=())
        self.assertEqual(again.until_prompt(), 0)
        session = again.run("echo $XDG_SESSION_ID")[1].strip()
        self.assertEqual(session, str(again.audit_session()))
        self.assertEqual(self.held_by(again), [short])
        again.log_out()
        self.assert_ended(short)
        self.assert_host_logs_in(ssh_gated=True)

    @then
    def test_10_who_asks_starts_a_stopped_helper(self):
        self.machine.run("systemctl stop jit-helper.service")
        self.assertEqual(self.states(HELPER_UNITS), ["active", "active", "inactive"])
        self.assert_approved(self.console())
        self.assertEqual(self.states(), ["active"] * 4)

    @then
    def test_11_without_its_sockets_who_asks_is_refused_with_one_sentence_and_nobody_hangs(self):
        terminal = self.console()
        self.machine.run(f"systemctl stop {' '.join(HELPER_UNITS)}")
        terminal.start("sudo id")
        self.assertNotEqual(terminal.until_prompt(timeout=10), 0)
        said = [line for line in terminal.transcript().splitlines() if "jit" in line]
        self.assertEqual(len(said), 1, terminal.transcript())
        person = self.log_in(options=())
        self.assertIn(said[0].split(": ", 1)[-1].split(":")[0], person.refused(timeout=10))
        with self.machine.terminal("root") as root:
            self.assertEqual(root.run("systemctl restart jit-helper")[0], 0)
        self.assertEqual(self.states(), ["active"] * 4)
        self.assert_approved(terminal)
        self.assert_host_logs_in(ssh_gated=True)

    @then
    def test_12_a_restart_in_the_middle_of_sessions_loses_nothing(self):
        sleeper, shell = self.console(), self.console()
        self.approved(sleeper, "sudo sleep 321")
        self.approved(shell, "sudo bash --norc --noediting")
        shell.child.expect(shell.prompt)  # of the root shell: sudo lets PS1 through
        self.assertEqual(self.credentials(shell)["Version"], 1)
        self.machine.run("systemctl restart jit-helper")
        self.assertEqual(self.credentials(shell)["Version"], 1)
        pid = self.machine.run("pgrep -u root -x sleep").strip()
        self.machine.run(["kill", pid])
        self.assertEqual(sleeper.finish()[0], 128 + 15)
        shell.child.sendline("exit")
        shell.finish()
        for terminal in (sleeper, shell):
            self.assert_passes(terminal)
        self.assertEqual(sleeper.run("jit end")[0], 0)
        self.assert_asked(sleeper)
        self.assert_passes(shell)

    def credentials(self, terminal):
        status, text = terminal.run("jit credentials")
        self.assertEqual(status, 0, text)
        return json.loads(text)

    @then
    def test_13_after_a_reboot_the_gate_stands_and_serves_the_first_who_asks(self):
        self.close_terminals()
        gated = self.snapshot()
        self.assertEqual(self.machine.reboot(), [])
        self.assertEqual(self.states(), ["active"] * 4)
        self.assertEqual(self.snapshot(), gated)
        for path in SOCKETS:
            self.machine.run(["test", "-S", path])
        self.assert_before("jit-helper.socket", "ssh.service")
        self.assert_before("jit-helper.service", "systemd-user-sessions.service")
        self.assert_approved(self.console())
        self.assert_host_logs_in(ssh_gated=True)

    def assert_before(self, first, second):
        """In this boot, the one was up before the other was begun."""
        def when(unit, what):
            return int(self.machine.run(["systemctl", "show", f"--property={what}TimestampMonotonic", "--value", unit]))
        self.assertLessEqual(when(first, "ActiveEnter"), when(second, "InactiveExit"))

    @then
    def test_14_doctor_finds_the_host_in_order(self):
        status, report = self.doctor()
        self.assertEqual((status, [found for found in report["findings"] if found["severity"] != "note"]), (0, []))
        states = {service["service"]: service["state"] for service in report["services"]}
        gated = {name for name, state in states.items() if state == "gated"}
        self.assertEqual(gated, {"sudo", "sudo-i", "sshd", "polkit-1"})

    @then
    def test_15_undone_pam_is_as_it_was_and_without_the_packages_people_log_in(self):
        undo, remove = [block for block in self.blocks if block.section.startswith("8. ") and block.who]
        self.type_block(undo)
        self.assertEqual(self.snapshot(), self.pam_before)
        self.assert_passes(self.person("op1"))
        self.assert_host_logs_in()
        self.type_block(remove)
        self.assertEqual(self.snapshot(), self.pam_before)
        self.assertEqual(self.machine.run("pgrep -u _jit,_jitbroker", check=False), (1, ""))
        self.assertEqual(self.machine.failed_units(), [])
        self.assert_passes(self.person("op1"))
        self.assert_host_logs_in()
        self.close_terminals()
        self.assertEqual(self.machine.reboot(), [])
        self.assert_host_logs_in()


if __name__ == "__main__":
    unittest.main()
