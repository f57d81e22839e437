"""A Debian host, gated at every door from the packages on, whose broker never answers: who gets in,
who is told what, and that nobody waits for long."""

import glob
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

import brokerlib
from badserver import BadServer, hang
from booted import MachineCase, wait_until
from gated import HELPER_CONF, HELPER_UNITS, GatedMachine
from glass import BY_KEY, DOORS, IN, OUT, WHY, Hole, Mute, Visitor, knock_all, within
from lab import PEOPLE
from namespace import TREE

PACKAGES = os.path.join(TREE, "build/packages")
GROUP, SPARED = "breakglass", "ops-emergency"
TIMEOUT = 4  # broker_timeout
QUICK = 3  # where something says no: su and a crowd at once cost some of it
SLOW = TIMEOUT + 3
AT_ALL = 30
URL = "https://broker.example"
SERVICES = ("sudo", "sudo-i", "su", "polkit-1", "sshd", "login")
OPERATOR = "; tell the operator of this host"
SILENT = "did not answer in time"
SSHD = "UsePAM yes\nKbdInteractiveAuthentication yes\nLoginGraceTime 330\n"


def missing():
    tools = [tool for tool in ("dpkg-buildpackage", "dh") if not shutil.which(tool)]
    return f"{', '.join(tools)} not installed: ./setup" if tools else None


def prepare():
    if not missing():
        done = subprocess.run(["make", "--no-print-directory", "-C", TREE, "deb"], capture_output=True, text=True,
                              timeout=900)
        if done.returncode:
            raise AssertionError(f"make deb: {done.stdout[-1500:]}{done.stderr[-1500:]}")


def debs():
    with open(f"{TREE}/VERSION", encoding="ascii") as file:
        version = file.read().strip()
    return [glob.glob(f"{PACKAGES}/{name}_{version}_*.deb")[0] for name in ("libpam-jit", "jit-broker")]


class DownCase(MachineCase):
    """op1 may break the glass, op2 may not; appr1 is exempt at sshd. The broker is set up and never started."""

    glass = True

    @classmethod
    def make_machine(cls):
        if missing():
            cls.skipTest(cls, missing())
        prepare()
        machine = GatedMachine(people=PEOPLE)
        cls.addClassCleanup(machine.stop)
        machine.install(*debs())
        machine.run(f"groupadd {GROUP} && usermod -aG {GROUP} op1 && groupadd {SPARED} && usermod -aG {SPARED} appr1")
        machine.configure(helper={("helper", "broker_timeout"): f"{TIMEOUT}s",
                                  ("helper", "break_glass_group"): GROUP if cls.glass else None})
        machine.make_secrets()
        machine.put("/etc/ssh/sshd_config.d/pam-jit.conf", SSHD)
        machine.run(f"systemctl disable jit-broker && systemctl start {HELPER_UNITS} && systemctl restart ssh")
        return machine

    def gate(self, *flags):
        """As the documents recommend it: root is spared at the console and over ssh. With --force: the broker that
        does not answer is a reason to refuse."""
        run = self.machine.run
        run(["jit-helper", "pam", "enable", "--force", *flags, *SERVICES[:4]])
        run(["jit-helper", "pam", "enable", "--force", *flags, "login", "--", "exempt_user=root"])
        run(["jit-helper", "pam", "enable", "--force", *flags, "sshd", "--", "exempt_user=root",
             f"exempt_group={SPARED}"])

    def visitors(self, *names):
        made = [Visitor(self.machine, name) for name in names]
        for visitor in made:
            self.addCleanup(visitor.close)
        return made

    def point_at(self, broker):
        """The helper at another address, or at several."""
        text = brokerlib.edit_ini(self.machine.get(HELPER_CONF), {("helper", "broker"): broker})
        self.machine.put(HELPER_CONF, text, 0o640, "root", "_jit")
        self.machine.run("systemctl restart jit-helper")

    def stand_in(self, make):
        """A server in the machine's network, for this test."""
        server = within(self.machine, make)
        self.addCleanup(server.close)
        return server

    def assert_root_gets_in(self):
        for door in ("ssh", "login"):
            with self.machine.terminal("root", door=door) as terminal:
                self.assertIn("uid=0(root)", terminal.run("id")[1])

    def timed(self, command, limit, user="root"):
        began = time.monotonic()
        status, text = self.machine.run(command, user, check=False, timeout=AT_ALL)
        self.assertLess(time.monotonic() - began, limit, command)
        return status, " ".join(text.split())

    def alerts(self):
        return self.machine.run("journalctl --no-pager -p alert -t jit-helper", check=False)[1].count("BREAK-GLASS: op1")

    def spool(self):
        return [name for name in self.machine.run("ls /var/lib/pam-jit").split() if name.endswith(".event")]

    def events(self):
        """What the broker's chain has of breaking the glass, as docs/recovery.md says to look."""
        return re.findall(r"host\.break_glass\.(begin|end)", self.machine.run(
            "runuser -u _jitbroker -- jit-broker audit show"))


class Doors(DownCase):
    def setUp(self):
        self.people = self.visitors("op1", "op2")
        self.gate()
        self.addCleanup(self.machine.run, "jit-helper pam disable --all")

    def check(self, broker, cause, limit, found=None):
        """Everybody at all doors at once; `found` is what jit doctor says where that is said otherwise."""
        self.point_at(broker)
        before = self.alerts()
        for knock in knock_all(self.people, AT_ALL).values():
            with self.subTest(who=knock.who, door=knock.door):
                self.assertLess(knock.seconds, limit, knock)
                self.assertIn(cause, knock.shown)
                self.assertIn(OPERATOR, knock.shown)
                member = knock.who == "op1" and knock.door != BY_KEY
                self.assertEqual((knock.end, knock.asked), (IN, True) if member else (OUT, False), knock)
                if not member:
                    self.assertEqual(knock.shown.count("jit: "), 1, knock)
                self.assertEqual("break-glass can be asked for over keyboard-interactive" in knock.shown,
                                 (knock.who, knock.door) == ("op1", BY_KEY), knock)
        self.assertEqual(self.alerts() - before, len(DOORS) - 1)
        self.assert_told(found or cause, limit)
        self.assert_root_gets_in()
        self.people[0].give_back()

    def assert_told(self, cause, limit):
        """`jit status` of who broke the glass, of who did not, and `jit doctor`."""
        held = json.loads(self.people[0].terminals["sudo"].run("jit status --json")[1])["grants"]
        self.assertEqual([grant["breakGlass"] for grant in held], [True])
        text = self.people[0].terminals["sudo"].run("jit status")[1]
        self.assertRegex(text, r"NOBODY: this is break-glass")
        self.assertRegex(text, r"1[45] min")
        began = time.monotonic()
        self.assertIn("holds no grant", self.people[1].terminals["sudo"].run("jit status")[1])
        self.assertLess(time.monotonic() - began, 1)
        status, text = self.timed("jit doctor", limit)
        self.assertEqual(status, 2, text)
        self.assertRegex(text, rf"ERROR broker\.(down|tls) https://\S+ gives no answer: [^>]*{re.escape(cause)}")
        self.assertIn("broker down refused; members of breakglass may break the glass", text)

    def test_a_broker_that_was_never_started(self):
        self.check(f"{URL}:8443", "connection refused", QUICK)

    def test_a_port_that_takes_connections_and_says_nothing(self):
        self.stand_in(lambda: Mute(9001))
        self.check(f"{URL}:9001", SILENT, SLOW)

    def test_an_address_that_swallows_every_packet(self):
        self.stand_in(lambda: Hole(9002))
        self.check(f"{URL}:9002", SILENT, SLOW)

    def test_two_brokers_that_say_nothing(self):
        self.stand_in(lambda: Mute(9003))
        self.stand_in(lambda: Hole(9004))
        self.check(f"{URL}:9003\nbroker = {URL}:9004", "no broker answers: ", 2 * TIMEOUT + 3, SILENT)

    def test_a_certificate_of_another_ca(self):
        with tempfile.TemporaryDirectory() as folder:
            brokerlib.make_tls(folder)
            server = self.stand_in(lambda: BadServer(hang, folder))
            self.check(f"{URL}:{server.port}", "certificate", QUICK)

    def test_a_name_that_does_not_resolve(self):
        self.check("https://nobody.invalid:8443", "its name cannot be resolved", QUICK)

    def test_a_name_server_that_says_nothing(self):
        """libcurl resolves in a thread, which must hold nobody."""
        before = self.machine.get("/etc/resolv.conf")
        self.addCleanup(self.machine.put, "/etc/resolv.conf", before)
        self.stand_in(lambda: Mute(53, socket.SOCK_DGRAM))
        self.machine.put("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.check("https://nobody.invalid:8443", SILENT, SLOW)


class Spared(DownCase):
    def setUp(self):
        self.addCleanup(self.machine.run, "jit-helper pam disable --all")

    def test_a_member_of_exempt_group_gets_in_by_ssh_whatever_is_down_and_is_logged(self):
        self.gate()
        for down in ("true", f"systemctl stop {HELPER_UNITS}"):
            with self.subTest(down):
                self.machine.run(down)
                self.addCleanup(self.machine.run, f"systemctl start {HELPER_UNITS}")
                before = self.machine.journal().count("appr1")
                for options in ((), ["PreferredAuthentications=keyboard-interactive"]):
                    with self.machine.terminal("appr1", wait=False, options=options) as terminal:
                        if options:
                            terminal.shown("[Pp]assword: ")
                            terminal.type(terminal.password)
                        terminal.ready(QUICK)
                passes = re.findall(r"pam_jit\(sshd:account\): .*exempt.*appr1|pam_jit\(sshd:account\): .*appr1.*exempt",
                                    self.machine.journal())
                self.assertGreater(len(passes), 1, before)

    def test_observed_nobody_is_blocked_and_nobody_waits(self):
        people = self.visitors("op1", "op2")
        self.stand_in(lambda: Hole(9005))
        self.gate("--observe")
        self.point_at(f"{URL}:9005")
        pid = self.machine.pid_of("jit-helper")
        for trouble in ("true", f"kill -STOP {pid}", f"kill -CONT {pid}; systemctl stop {HELPER_UNITS}"):
            with self.subTest(trouble):
                self.machine.run(trouble)
                before = self.machine.journal().count("observing: ")
                for knock in knock_all(people, AT_ALL).values():
                    self.assertEqual((knock.end, knock.asked), (IN, False), knock)
                    self.assertNotIn("jit:", knock.shown)
                    self.assertLess(knock.seconds, QUICK, knock)
                self.assertGreaterEqual(self.machine.journal().count("observing: ") - before, 2 * len(DOORS))
        self.machine.run(f"systemctl start {HELPER_UNITS}")


class Boot(DownCase):
    MUTE = {"mute.socket": "[Socket]\nListenStream=127.0.0.1:9006\nBacklog=128\n[Install]\nWantedBy=sockets.target\n",
            "mute.service": "[Service]\nExecStart=/usr/bin/sleep infinity\n"}

    def test_a_boot_waits_for_nobody_and_what_was_done_is_told_when_a_broker_comes_back(self):
        for name, text in self.MUTE.items():
            self.machine.put(f"/etc/systemd/system/{name}", text)
        self.machine.run("systemctl daemon-reload && systemctl enable --now mute.socket")
        visitor, = self.visitors("op1")
        self.gate()
        self.point_at(f"{URL}:9006")
        for door in ("sudo", "login"):
            self.assertEqual(visitor.knock(door, AT_ALL).end, IN)
        before = self.spool()
        self.assertGreaterEqual(len(before), 2)
        visitor.close()

        self.assertEqual(self.machine.reboot(), [])
        self.assertEqual(self.machine.run("systemctl is-system-running").strip(), "running")
        self.assert_nobody_waited()
        self.assertLessEqual(set(before), set(self.spool()))
        self.assert_root_gets_in()
        with self.machine.terminal("op2", door="login", wait=False) as other:
            other.shown("[Pp]assword: ")
            other.type(other.password)
            self.assertIn(SILENT, other.refused(SLOW))

        self.machine.run("systemctl disable --now mute.socket mute.service; systemctl start jit-broker")
        self.point_at(f"{URL}:8443")
        wait_until("all of it is told", lambda: not self.spool(), 30)
        self.assertEqual(sorted(self.events()), ["begin", "begin", "end", "end"])
        self.assertIn(WHY, self.machine.run("runuser -u _jitbroker -- jit-broker audit show"))

    def assert_nobody_waited(self):
        """Neither the network nor a broker is in the way of the consoles and of sshd."""
        self.assertNotRegex(self.machine.run("systemctl show -P Wants -P Requires -P After jit-helper.service "
                                             "jit-helper.socket jit-helper-session.socket"), "network-online")
        for unit in ("getty.target", "ssh.service"):
            self.assertNotIn("network-online", self.machine.run(f"systemd-analyze critical-chain --no-pager {unit}"))
        for unit in ("jit-helper.service", "systemd-user-sessions.service", "ssh.service", "getty.target"):
            began, active = (int(each) for each in self.machine.show(
                unit, "InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic").values())
            self.assertLess(abs(active - began), 2_000_000, unit)


class LockedOut(DownCase):
    """docs/recovery.md and docs/rollout.md, by the word."""

    glass = False

    def test_a_drill(self):
        """Section "A drill"."""
        page = read_page("recovery.md")
        self.addCleanup(self.machine.configure)
        self.machine.run(f"systemctl start jit-broker {HELPER_UNITS}")
        self.machine.configure(helper={("helper", "break_glass_group"): GROUP})
        visitor, = self.visitors("op1")
        self.machine.run("jit-helper pam enable --force sudo")
        address = re.search(r"`broker = (https://127\.0\.0\.1:1)`", page)[1]
        self.point_at(address)
        knock = visitor.knock("sudo", AT_ALL)
        self.assertEqual((knock.end, knock.asked), (IN, True), knock)
        for line in (f"cannot reach the broker at {address}: connection refused; tell the operator of this host",
                     "break-glass: going on without an approval for 15 min; it is logged and will be reported"):
            self.assertIn(line, page)
            self.assertIn(line, knock.shown)
        self.point_at(f"{URL}:8443")
        wait_until("the broker has it", lambda: "begin" in self.events(), 20)
        self.machine.run("jit-helper pam disable --all; systemctl stop jit-broker")

    def test_who_would_lock_everybody_out_is_refused_and_who_forces_it_gets_out_as_the_page_says(self):
        run = self.machine.run
        files = run("md5sum /etc/pam.d/*")
        status, text = run("jit-helper pam enable login sshd sudo", check=False)
        self.assertEqual(status, 1, text)
        self.assertIn("(lockout.all): /etc/pam.d/sshd: When no broker answers nobody can log in, root neither", text)
        self.assertEqual(run("md5sum /etc/pam.d/*"), files)
        page = re.search(r"\*\*None of these\*\*.*?(?=\n\n)", read_page("recovery.md"), re.S)[0]
        ways = [way for way in re.findall(r"`([^`]+)`", page.replace("\n  ", " ")) if way.startswith(("jit-helper", "sed"))]
        self.assertEqual(len(ways), 2, page)
        for way in ways:
            with self.subTest(way):
                run("jit-helper pam enable --force login sshd sudo")
                for door in ("ssh", "login"):
                    with self.machine.terminal("root", door=door, wait=False) as terminal:
                        if door == "login":
                            terminal.shown("[Pp]assword: ")
                            terminal.type(terminal.password)
                        self.assertIn("jit: cannot reach the broker", terminal.refused(QUICK))
                run(f"systemctl stop {HELPER_UNITS}")  # as in a rescue system
                for service in ("login", "sshd", "sudo") if "SERVICE" in way else ("",):
                    run(way.replace("SERVICE", service))
                self.assertEqual(run("md5sum /etc/pam.d/*"), files)
                self.assert_root_gets_in()
                status, text = run("jit doctor", check=False)
                self.assertNotIn("lockout.all", text)
                run(f"systemctl start {HELPER_UNITS}")

    def test_removing_the_packages_lets_everybody_in_again(self):
        self.gate()
        self.stand_in(lambda: Hole(9007))
        self.point_at(f"{URL}:9007")
        began = time.monotonic()
        self.machine.run("apt-get remove -y -q libpam-jit jit-broker", timeout=60)
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual(self.machine.run("grep -rl pam_jit /etc/pam.d /usr/lib/pam.d", check=False)[0], 1)
        self.assert_root_gets_in()
        with self.machine.terminal("op2", door="login") as terminal:
            self.assertIn("uid=0(root)", terminal.run("sudo id")[1])
        self.machine.install(*debs())


def read_page(name):
    with open(f"{TREE}/docs/{name}", encoding="utf-8") as file:
        return file.read()
