"""A host that is upgraded while people work on it, on a machine that really boots: what of theirs goes on, and that a host
whose upgrade went wrong half-way still lets everybody in who may."""

import contextlib
import json
import shutil
import sqlite3
import tempfile
import unittest

import packaged
from gated import BROKER_CONF, HELPER_CONF
from lab import PASSWORD
from logins import WITH_PASSWORD, Asked
from packaged import BROKER, HOST, NEW, OLD, PackagedCase

prepare = packaged.prepare

STOPPING = "jit: jit-helper is stopping; try again in a moment"
STORE = "/var/lib/jit-broker/broker.db"
KEPT = f"/etc/pam.d/* {HELPER_CONF} {BROKER_CONF} /etc/pam-jit/aws-credentials /etc/pam-jit/api.key /etc/jit-broker/tls.*"
FIRST_TABLES = {"request", "cursor", "audit", "secret"}  # of the store's first version
VERIFIED = r"^the audit chain"


def credentials(terminal):
    status, text = terminal.run("jit credentials")
    if status:
        raise AssertionError(f"jit credentials: exit status {status}: {text}")
    return json.loads(text)


class Upgrade(PackagedCase):
    """One upgrade in the middle of everything; each test looks at something else of what came of it."""

    version = OLD

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        machine = cls.machine
        cls.elevated, cls.granted, cls.waiting, cls.asking = (cls.person(user) for user in ("op1", "op2", "op2", "op1"))
        machine.become_root(cls.elevated)
        cls.first = credentials(cls.elevated)
        for terminal in (cls.granted, cls.asking):
            machine.approve(machine.ask(terminal))
            terminal.finish()
        cls.before = {"listening": machine.listening(), "files": machine.run(f"sha256sum {KEPT}"),
                      "audit": machine.admin("audit", "verify")}
        cls.asking.start("until [ -e /tmp/upgraded ]; do sudo -n true || echo LOST; done")
        cls.request = machine.ask(cls.waiting)
        cls.at_the_door = Asked(machine, "op2", wait=False, options=WITH_PASSWORD)
        cls.addClassCleanup(cls.at_the_door.close)
        cls.door_request = cls.at_the_door.until_waiting()
        cls.said = machine.install_version(NEW)
        cls.at_the_door.shown(STOPPING)
        machine.approve(cls.door_request)
        cls.came_again = Asked(machine, "op2", wait=False, options=WITH_PASSWORD)
        cls.addClassCleanup(cls.came_again.close)
        cls.asked_again = cls.came_again.answer_all()

    def test_an_elevated_shell_goes_on_and_its_credentials_still_come(self):
        self.assertIn("uid=0(root)", self.elevated.run("id")[1])
        self.assertTrue(credentials(self.elevated)["AccessKeyId"])
        self.assertIn("This process is in the elevated session", self.elevated.run("jit status")[1])

    def test_the_next_sudo_of_a_session_with_a_grant_asks_nobody(self):
        self.assert_asks_nobody(self.granted)

    def test_who_asks_with_a_grant_while_it_happens_is_never_refused(self):
        self.machine.run("touch /tmp/upgraded")
        self.assertNotIn("LOST", self.asking.finish()[1])

    def test_who_waits_at_sudo_is_refused_with_a_sentence_and_asks_anew(self):
        status, text = self.waiting.finish()
        self.assertEqual((status, text.count("jit:")), (1, 1), text)
        self.assertIn(STOPPING, text)
        status, said = self.machine.run(["jit-broker", "approve", self.request[0], "--code", self.request[1]], "appr1",
                                        check=False)
        self.assertNotEqual(status, 0)
        self.assertIn(f"{self.request[0]} is CANCELLED already", said)
        self.machine.approve(self.machine.ask(self.waiting))
        self.assertEqual(self.waiting.finish()[0], 0)

    def test_who_waits_at_ssh_is_refused_and_comes_in_by_the_same_request(self):
        self.assertFalse(self.asked_again)
        self.assertIn("op2", self.came_again.run("id -un")[1])
        self.assertIn(self.door_request[0], self.came_again.run("jit status")[1])

    def test_the_sockets_were_never_closed(self):
        self.assertEqual(len(self.before["listening"]), 2)
        self.assertEqual(self.machine.listening(), self.before["listening"])

    def test_the_new_versions_run_and_say_so(self):
        for name in ("jit-helper", "jit-broker"):
            running = self.machine.run(["readlink", f"/proc/{self.machine.pid_of(name)}/exe"]).strip()
            self.assertEqual(running, f"/usr/sbin/{name}")  # and not: (deleted)
            self.assertEqual(self.machine.run([running, "--version"]), f"{name} {NEW}\n")
            self.assertIn(f"{name} {NEW} serves", self.machine.journal(name))

    def test_neither_pam_nor_configuration_is_touched_or_asked_about(self):
        self.assertEqual(self.machine.run(f"sha256sum {KEPT}"), self.before["files"])
        self.assertNotIn("Configuration file", self.said)
        self.assertEqual(self.machine.run("find /etc -name '*.dpkg-*'"), "")

    def test_the_brokers_store_is_whole(self):
        self.assertRegex(self.machine.admin("audit", "verify"), VERIFIED)

    def test_everybody_still_gets_in(self):
        self.assertEqual(self.failed_units(), "")
        self.assert_host_lets_in()
        self.assert_gated()


class OtherChanges(PackagedCase):
    """Each test leaves the newest version, whole."""

    def setUp(self):
        self.addCleanup(self.mend)

    def mend(self):
        self.machine.run("rm -rf /etc/sysusers.d/pam-jit.conf /etc/systemd/system/jit-helper.service.d; "
                         "systemctl daemon-reload")
        if self.machine.version() != f"install ok installed {NEW}" or self.machine.version(BROKER)[-len(NEW):] != NEW:
            self.machine.install_version(NEW)
        self.machine.run("systemctl restart jit-broker jit-helper")

    def elevate(self):
        terminal = self.person("op1")
        self.machine.become_root(terminal)
        return terminal

    def assert_goes_on(self, terminal):
        """The elevated shell, and then the grant that it came by."""
        self.assertTrue(credentials(terminal)["AccessKeyId"])
        terminal.child.sendline("exit")
        terminal.finish()
        self.assert_asks_nobody(terminal)

    def test_a_downgrade_loses_no_session(self):
        terminal = self.elevate()
        self.machine.install_version(OLD)
        self.assertIn(f"jit-helper {OLD} serves", self.machine.journal("jit-helper"))
        self.assert_goes_on(terminal)
        self.assert_gated()
        self.assert_host_lets_in()

    def test_a_reinstallation_loses_no_session(self):
        terminal = self.elevate()
        before, listening = self.machine.pid_of("jit-helper"), self.machine.listening()
        said = self.machine.install_version(NEW, words="--reinstall")
        self.assertIn("2 reinstalled", said)
        self.assertNotEqual(self.machine.pid_of("jit-helper"), before)
        self.assertEqual(self.machine.listening(), listening)
        self.assert_goes_on(terminal)
        self.assert_gated()

    def store(self, *statements):
        """Its schema's number, after these; the broker is stopped then."""
        with self.stored() as (store, write_back):
            for statement in statements:
                store.execute(statement)
            if statements:
                write_back()
            return store.execute("PRAGMA user_version").fetchone()[0]

    def store_tables(self):
        with self.stored() as (store, _):
            found = store.execute("SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'")
            return {name for name, in found}

    @contextlib.contextmanager
    def stored(self):
        """A copy of the store, opened, and what brings it back in the store's place."""
        path = f"/proc/{self.machine.leader}/root{STORE}"
        with tempfile.NamedTemporaryFile() as copy:
            shutil.copyfile(path, copy.name)
            with contextlib.closing(sqlite3.connect(copy.name, isolation_level=None)) as store:
                store.execute("PRAGMA journal_mode=DELETE")
                yield store, lambda: shutil.copyfile(copy.name, path)

    def test_an_older_store_is_brought_forward_and_the_approver_goes_on(self):
        self.machine.install_version(OLD)
        self.machine.run("systemctl stop jit-broker")
        current = self.store()
        later = self.store_tables() - FIRST_TABLES
        self.assertIn("event", later)
        self.assertEqual(self.store(*(f"DROP TABLE {name}" for name in later), "ALTER TABLE secret DROP COLUMN used",
                                    "PRAGMA user_version=1"), 1)
        self.machine.install_version(NEW)
        self.machine.run("systemctl stop jit-broker")
        self.assertEqual(self.store(), current)
        self.machine.run("systemctl start jit-broker")
        self.assertRegex(self.machine.admin("audit", "verify"), VERIFIED)
        self.assert_gated()

    def test_a_broker_refuses_a_newer_store_with_a_sentence_and_the_host_lets_in(self):
        self.machine.run("systemctl stop jit-broker")
        current = self.store()
        self.store("PRAGMA user_version=99")
        self.addCleanup(self.store, f"PRAGMA user_version={current}")
        self.machine.install_version(OLD)
        self.assertIn("was written by a newer jit-broker (schema 99", self.machine.journal("jit-broker"))
        self.assert_only_exempt_get_in("cannot reach the broker")
        self.machine.run("systemctl stop jit-broker")

    def assert_only_exempt_get_in(self, sentence):
        """Where nobody can be asked: root by ssh and everybody where nothing is gated; the others are told at once."""
        self.machine.terminal("root").close()
        with self.machine.terminal("op2", door="login") as terminal:
            status, text = terminal.run("JIT_REASON='disk full' sudo id")
            self.assertNotEqual(status, 0)
            self.assertIn(sentence, text)
        with self.machine.terminal("op2", wait=False, options=WITH_PASSWORD) as terminal:
            terminal.shown("[Pp]assword: ")
            terminal.type(PASSWORD)
            terminal.shown(sentence)

    # What goes wrong half-way

    def test_a_configuration_step_that_fails_keeps_gate_and_sessions_until_it_is_repeated(self):
        self.machine.install_version(OLD)
        terminal = self.elevate()
        self.machine.put("/etc/sysusers.d/pam-jit.conf", "u _jit not-a-number\n")
        status, said = self.machine.apt(f"install {self.machine.deb(HOST, NEW)}", check=False)
        self.assertNotEqual(status, 0, said)
        self.assertIn("half-configured", self.machine.version())
        self.assert_gated()  # the old helper, and the new module
        self.assert_host_lets_in()
        self.machine.run("rm /etc/sysusers.d/pam-jit.conf")
        self.machine.dpkg("--configure -a")
        self.assertEqual(self.machine.version(), f"install ok installed {NEW}")
        self.assertIn(f"jit-helper {NEW} serves", self.machine.journal("jit-helper"))
        self.assert_goes_on(terminal)

    def test_a_helper_that_cannot_start_any_more_keeps_nobody_out_who_is_exempt(self):
        self.machine.install_version(OLD)
        self.machine.put("/etc/systemd/system/jit-helper.service.d/broken.conf",
                         "[Service]\nExecStart=\nExecStart=/nonexistent\n")
        self.machine.install_version(NEW)
        self.assert_only_exempt_get_in("jit:")
        self.machine.run("rm -r /etc/systemd/system/jit-helper.service.d && systemctl daemon-reload && "
                         "systemctl restart jit-helper")
        self.assert_gated()

    def test_killed_at_any_moment_of_unpacking_it_lets_in_and_can_be_finished(self):
        """At the module, at the helper, at a unit: dpkg dies as it puts each in its place."""
        owned = self.machine.run(f"dpkg -L {HOST}").split()
        for end in ("/security/pam_jit.so", "/sbin/jit-helper", "/system/jit-helper.socket"):
            path = next(path for path in owned if path.endswith(end))
            with self.subTest(path):
                self.machine.install_version(OLD)
                terminal = self.elevate()
                new = self.machine.deb(HOST, NEW)
                status, said = self.machine.run(f"strace -f -o /dev/null -P {path}.dpkg-new -e inject=rename:signal=KILL "
                                                f"dpkg -i {new}", check=False)
                self.assertNotEqual(status, 0, said)
                self.assertIn("reinstreq", self.machine.version())
                self.assert_gated()
                self.assert_host_lets_in()
                self.machine.dpkg("--configure -a", check=False)
                self.machine.install_version(NEW)
                self.assertEqual(self.machine.version(), f"install ok installed {NEW}")
                self.assert_goes_on(terminal)


if __name__ == "__main__":
    unittest.main()
