"""The systemd units on a machine that really boots: they start, keep people's sessions over a restart, wait for a
configuration, come back when killed, give up what only an administrator can mend, and do all of it inside their sandbox."""

import json
import re
import time
import unittest

from booted import wait_until, why_not
from gated import BROKER_CONF, HELPER_CONF, HELPER_UNITS, GatedCase, GatedMachine
from lab import WAITING

SERVICES = ("jit-helper", "jit-broker")
CAP_KILL = 1 << 5
EXPOSURE = 20  # tenths, of systemd-analyze security
MONOTONIC = "ActiveEnterTimestampMonotonic"
PROXY = "/run/jit-broker/proxy.sock"
STOP_MAX = 10  # seconds that `systemctl stop` may take


class Running(GatedCase):
    broker_conf = {("role admin", "on_expiry"): "end", ("broker", "proxy_socket"): PROXY, ("broker", "proxy_user"): "daemon",
                   ("person appr1", "remote_user"): "appr1@example.com"}
    helper_conf = {("helper", "end_grace"): "1s"}

    def status_of(self, unit):
        """/proc/PID/status of its main process."""
        text = self.machine.get(f"/proc/{self.machine.pid_of(unit)}/status")
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def restart_helper(self):
        before = self.machine.pid_of("jit-helper")
        self.machine.run("systemctl restart jit-helper")
        self.assertNotEqual(self.machine.pid_of("jit-helper"), before)

    def test_the_services_run_as_their_users_and_say_when_they_are_ready(self):
        for name, user in (("jit-helper", "_jit"), ("jit-broker", "_jitbroker")):
            shown = self.machine.show(name, "ActiveState", "SubState", "Type", "User")
            self.assertEqual(shown, {"ActiveState": "active", "SubState": "running", "Type": "notify", "User": user})

    def test_the_services_have_the_rights_that_their_units_name_and_no_other(self):
        gid = self.machine.run("getent group tty").split(":")[2]
        for name, caps, groups in (("jit-helper", CAP_KILL, {gid}), ("jit-broker", 0, set())):
            with self.subTest(name):
                status = self.status_of(name)
                self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
                self.assertEqual([int(status[key], 16) for key in ("CapPrm", "CapEff", "CapBnd")], [caps] * 3)
                self.assertEqual([int(status[key], 16) for key in ("CapInh", "CapAmb")], [0] * 2)
                self.assertEqual(set(status["Groups"].split()) - {status["Gid"].split()[0]}, groups)

    def test_the_folders_belong_to_who_writes_them(self):
        wanted = ["755 root:root /run/pam-jit", "700 _jit:_jit /run/pam-jit/state", "700 _jit:_jit /var/lib/pam-jit",
                  "755 root:root /etc/pam-jit", "700 _jitbroker:_jitbroker /var/lib/jit-broker",
                  "750 root:_jitbroker /etc/jit-broker", "600 root:root /run/pam-jit/pam.sock",
                  "666 root:root /run/pam-jit/session.sock"]
        paths = " ".join(line.split()[-1] for line in wanted)
        self.assertEqual(self.machine.run(f"stat -c '%a %U:%G %n' {paths}").splitlines(), wanted)

    def test_nothing_is_executed_from_a_folder_that_they_write(self):
        for name, folders in (("jit-helper", ("/run/pam-jit/state", "/var/lib/pam-jit")),
                              ("jit-broker", ("/run/jit-broker", "/var/lib/jit-broker"))):
            mounts = [line.split() for line in self.machine.get(f"/proc/{self.machine.pid_of(name)}/mountinfo").splitlines()]
            options = {words[4]: words[5].split(",") for words in mounts}
            for folder in folders:
                with self.subTest(folder):
                    self.assertIn("noexec", options[folder])

    def test_a_sudo_starts_a_helper_that_was_stopped(self):
        self.machine.run("systemctl stop jit-helper")
        self.assertEqual(self.machine.show("jit-helper", "ActiveState"), {"ActiveState": "inactive"})
        self.run_approved(self.open_terminal())
        self.assertEqual(self.machine.show("jit-helper", "ActiveState"), {"ActiveState": "active"})

    def test_a_login_session_is_logind_s_and_a_grant_is_bound_to_it(self):
        terminal = self.open_terminal()
        session = terminal.run("echo $XDG_SESSION_ID")[1].strip()
        self.assertEqual(session, str(terminal.audit_session()))
        self.assertIn(session, self.machine.run("loginctl --no-legend list-sessions"))
        self.run_approved(terminal)
        self.assert_asks_nobody(terminal)
        other = self.open_terminal()
        self.machine.ask(other)  # another session of the same person is asked anew
        other.interrupt()
        other.finish()

    def test_a_grant_ends_when_its_login_session_does(self):
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        terminal.log_out()
        wait_until("the helper ends the grant", lambda: re.search(rf"{short}.*(ended|over|gone)",
                                                                  self.machine.journal("jit-helper")), 10)

    def test_a_restart_in_the_middle_of_a_session_loses_nothing(self):
        terminal = self.open_terminal()
        request = self.machine.ask(terminal, "sudo bash --norc --noediting")
        self.machine.approve(request)
        self.be_root(terminal)
        before = self.credentials(terminal)
        self.restart_helper()
        after = self.credentials(terminal)
        self.assertNotEqual(before["AccessKeyId"], "")
        self.assertEqual(after["Version"], 1)
        terminal.child.sendline("exit")
        terminal.finish()
        self.assert_asks_nobody(terminal)
        status = json.loads(terminal.run("jit status --json")[1])
        self.assertIn(request[0], json.dumps(status))

    def be_root(self, terminal):
        terminal.expect("approved by appr1")
        terminal.ready()

    def credentials(self, terminal):
        status, text = terminal.run("jit credentials")
        self.assertEqual(status, 0, text)
        return json.loads(text)

    def test_who_waits_at_a_restart_is_refused_and_not_left_hanging(self):
        terminal = self.open_terminal()
        self.machine.ask(terminal)
        self.restart_helper()
        status, text = terminal.finish(timeout=10)
        self.assertNotEqual(status, 0, text)
        self.assertIn("jit:", text)

    def test_terminals_are_warned_by_a_helper_that_has_to_find_them(self):
        """After a restart no terminal is handed over: group tty, and /dev/pts in the sandbox."""
        terminal = self.open_terminal()
        terminal.run("mesg y")
        request = self.machine.ask(terminal, "sudo sleep 30")
        self.machine.approve(request)
        terminal.expect("approved by appr1")
        self.wait_active(request)
        self.restart_helper()
        self.revoke(request)
        terminal.expect(rf"jit: request {request[0]}, role admin: revoked by appr1: enough")

    def wait_active(self, request):
        wait_until("the broker knows that it is in use", lambda: f"{request[0]} changed status=ACTIVE" in self.machine.journal(
            "jit-broker"), 10)

    def revoke(self, request):
        self.machine.run(["jit-broker", "revoke", request[0], "--comment", "enough"], user="appr1")

    def test_what_a_revoked_grant_left_running_is_killed(self):
        """CAP_KILL, pidfd_send_signal and the others' /proc, in the sandbox."""
        terminal = self.open_terminal()
        request = self.machine.ask(terminal, "sudo sh -c 'nohup setsid sleep 987 >/dev/null 2>&1 & sleep 988'")
        self.machine.approve(request)
        terminal.expect("approved by appr1")
        self.wait_active(request)
        wait_until("both run", lambda: len(self.sleepers()) == 2, 5)
        self.revoke(request)
        wait_until("both are gone", lambda: not self.sleepers(), 10)

    def sleepers(self):
        return self.machine.run("pgrep -u root -f '^sleep 98[78]$'", check=False)[1].split()

    def test_the_page_is_for_whom_the_trusted_proxy_names_and_for_no_other_account(self):
        """The kernel says who connects, in the sandbox too."""
        ask = ["curl", "-sSi", "--max-time", "10", "--unix-socket", PROXY, "-H", "X-Remote-User: appr1@example.com",
               "http://broker.example/"]
        self.assertIn("HTTP/1.1 303", self.machine.run(["runuser", "-u", "daemon", "--", *ask]))
        sessions = ["runuser", "-u", "_jitbroker", "--", "jit-broker", "sessions", "list"]
        self.assertRegex(self.machine.run(sessions), r"(?m)^[0-9a-f]{16}\s+appr1\s+proxy ")
        status, text = self.machine.run(["runuser", "-u", "op2", "--", *ask], check=False)
        self.assertNotEqual(status, 0, text)
        self.assertIn(f"uid {self.machine.run('id -u op2').strip()} tried {PROXY}", self.machine.journal("jit-broker"))

    def test_a_killed_service_comes_back(self):
        terminal = self.open_terminal()
        self.run_approved(terminal)
        for name in SERVICES:
            before = self.machine.pid_of(name)
            self.machine.run(f"kill -9 {before}")
            wait_until(f"{name} is there again", lambda name=name, before=before: self.machine.pid_of(name) not in (
                0, before) and self.machine.show(name, "SubState")["SubState"] == "running", 15)
            self.assert_asks_nobody(terminal)

    def test_a_helper_that_is_killed_again_and_again_still_comes_back(self):
        """More often than systemd's own limit, which would close the sockets."""
        for _ in range(7):
            pid = wait_until("a helper", lambda: self.machine.pid_of("jit-helper"), 15)
            self.machine.run(f"kill -9 {pid}", check=False)
        self.run_approved(self.open_terminal())

    def test_stopping_is_quick_while_people_wait(self):
        terminal = self.open_terminal()
        self.machine.ask(terminal)
        began = time.monotonic()
        self.machine.run(f"systemctl stop {' '.join(SERVICES)}")
        self.assertLess(time.monotonic() - began, STOP_MAX)
        for name in SERVICES:
            self.assertEqual(self.machine.show(name, "Result", "ActiveState"),
                             {"Result": "success", "ActiveState": "inactive"})
        self.machine.run(f"systemctl start {' '.join(SERVICES)}")
        self.assertNotEqual(terminal.finish()[0], 0)

    def test_exposure_is_under_two(self):
        for name in SERVICES:
            status, text = self.machine.run(f"systemd-analyze security --no-pager --threshold={EXPOSURE} {name}.service",
                                            check=False)
            self.assertEqual(status, 0, text)

    def test_nothing_of_a_daemon_goes_to_a_swap_device(self):
        for name in SERVICES:
            self.assertEqual(self.machine.show(name, "MemorySwapMax"), {"MemorySwapMax": "0"})

    def test_systemd_finds_nothing_to_say_of_the_units(self):
        done = self.machine.run("systemd-analyze verify --man=no jit-helper.service jit-broker.service jit-helper.socket "
                                "jit-helper-session.socket", check=False)
        self.assertEqual(done, (0, ""))


class Configuration(GatedCase):
    """What comes of a wrong one, or of none."""

    def tearDown(self):
        self.machine.configure(self.broker_conf, self.helper_conf)
        self.machine.run(f"systemctl restart jit-broker {HELPER_UNITS}")

    def assert_works(self):
        self.run_approved(self.open_terminal())

    def break_helper(self):
        self.machine.put(HELPER_CONF, "[helper]\nbroker = https://broker.example:8443\nno_such_key = 1\n", 0o640, "root",
                         "_jit")

    def test_a_wrong_one_fails_with_its_sentence_and_is_not_tried_again(self):
        self.break_helper()
        self.machine.put(BROKER_CONF, "[broker]\nno_such_key = 1\n", 0o640, "root", "_jitbroker")
        for name in SERVICES:
            with self.subTest(name):
                self.assertNotEqual(self.machine.run(f"systemctl restart {name}", check=False)[0], 0)
                shown = self.machine.show(name, "ActiveState", "ExecMainStatus", "NRestarts")
                self.assertEqual(shown, {"ActiveState": "failed", "ExecMainStatus": "78", "NRestarts": "0"})
                self.assertRegex(self.machine.run(f"systemctl status --no-pager {name}", check=False)[1],
                                 rf"/etc/\S+/{name}.conf:\d+: .*no_such_key")

    def test_with_a_wrong_one_sudo_is_refused_at_once_and_works_when_it_is_mended(self):
        terminal = self.open_terminal()
        self.break_helper()
        self.machine.run("systemctl restart jit-helper", check=False)
        for _ in range(2):  # also when systemd has had enough and closed the socket
            status, text = terminal.run("sudo id", timeout=15)
            self.assertNotEqual(status, 0, text)
            self.assertIn("jit:", text)
        starts = self.machine.journal("jit-helper").count("Starting jit-helper.service")
        self.assertLess(starts, 20, "systemd goes on trying")
        self.machine.configure()
        self.machine.run("systemctl restart jit-helper")
        self.assert_works()

    def test_when_it_is_taken_away_sudo_is_refused_and_nothing_loops(self):
        terminal = self.open_terminal()
        self.machine.run(f"systemctl stop jit-helper && mv {HELPER_CONF} {HELPER_CONF}.away")
        status, text = terminal.run("sudo id", timeout=15)
        self.assertNotEqual(status, 0, text)
        self.assertIn("jit:", text)
        self.assertEqual(self.machine.show("jit-helper", "ActiveState"), {"ActiveState": "inactive"})
        self.machine.run(f"mv {HELPER_CONF}.away {HELPER_CONF}; systemctl restart {HELPER_UNITS}")
        self.assert_works()


class Boots(unittest.TestCase):
    """Of a machine of its own, since it reboots."""

    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)

    def setUp(self):
        self.machine = GatedMachine()
        self.addCleanup(self.machine.stop)
        self.machine.install_programs()

    def show(self, unit, *names):
        return self.machine.show(unit, *names)

    def test_without_a_configuration_nothing_runs_listens_or_fails(self):
        self.assertEqual(self.machine.reboot(), [])
        for unit in ["jit-broker", *HELPER_UNITS.split()]:
            self.assertEqual(self.show(unit, "ActiveState", "ConditionResult"),
                             {"ActiveState": "inactive", "ConditionResult": "no"}, unit)
        self.assertNotIn("pam-jit", self.machine.run("ss -xl"))

    def test_the_boot_has_the_gate_ready_before_anybody_can_log_in(self):
        self.machine.set_up()
        self.assertEqual(self.machine.reboot(), [])
        entered = {unit: int(self.show(unit, MONOTONIC)[MONOTONIC]) for unit in (
            *HELPER_UNITS.split(), "ssh.service", "systemd-user-sessions.service", "console-getty.service")}
        for socket in HELPER_UNITS.split()[:2]:
            self.assertLess(entered[socket], entered["ssh.service"], socket)
        self.assertLess(entered["jit-helper"], entered["systemd-user-sessions.service"])
        self.assertLess(entered["jit-helper"], entered["console-getty.service"])
        terminal = self.machine.terminal("op1")
        self.addCleanup(terminal.close)
        terminal.run("export JIT_REASON=boot")
        request = self.machine.ask(terminal)
        self.machine.approve(request)
        self.assertEqual(terminal.finish()[0], 0)

    def test_no_login_waits_for_the_network(self):
        self.machine.set_up()
        units = self.machine.run("systemctl list-dependencies --plain jit-helper.service jit-helper.socket")
        self.assertNotIn("network-online.target", units)
        self.assertNotIn("network-online.target", self.show("jit-helper", "After")["After"])

    def test_a_wrong_configuration_holds_up_no_boot_and_no_login(self):
        self.machine.set_up()
        self.machine.put(HELPER_CONF, "[helper]\nno_such_key = 1\n", 0o640, "root", "_jit")
        self.assertEqual(self.machine.reboot(timeout=30), ["jit-helper.service"])
        terminal = self.machine.terminal("op1")
        self.addCleanup(terminal.close)
        status, text = terminal.run("sudo id")
        self.assertNotEqual(status, 0)
        self.assertNotRegex(text, WAITING)
