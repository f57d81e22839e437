"""A host whose packages are removed, purged or refused, on a machine that really boots: whatever stands in PAM's files and
whatever is broken, everybody still logs in."""

import unittest

import packaged
from gated import HELPER_CONF, HELPER_UNITS
from packaged import BROKER, HOST, NEW, PackagedCase

prepare = packaged.prepare

STOPPING = "jit: jit-helper is stopping; try again in a moment"
PAM_SUMS = "sha256sum /etc/pam.d/*"


def module(machine):
    """Where Debian's own modules lie, and ours."""
    return machine.run("dpkg -L libpam-modules | grep /pam_unix.so").strip().replace("unix", "jit")


def by_hand(machine):
    """Writes what administrators write: [(file, line)]."""
    lines = [("/etc/pam.d/su", "account  required  pam_jit.so app=su"),
             ("/etc/pam.d/common-account", "account  required  pam_jit.so observe"),
             ("/etc/pam.d/chfn", f"session  required  {module(machine)} observe")]
    for path, line in lines:
        machine.run(["sed", "-i", f"1i {line}", path])
    return lines


def loading(machine):
    """The lines of PAM's files that still load it."""
    return machine.run("grep -rhE '^[^#]*pam_jit' /etc/pam.d /etc/pam.conf", check=False)[1]


class Removal(PackagedCase):
    """One removal in the middle of everything, while the broker is down."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        machine = cls.machine
        cls.module = module(machine)
        cls.elevated, cls.waiting = cls.person("op1"), cls.person("op2")
        machine.become_root(cls.elevated)
        machine.ask(cls.waiting)
        cls.lines = by_hand(machine)
        machine.run("systemctl stop jit-broker")
        cls.said = machine.apt(f"remove {HOST}")[1]

    def test_what_the_helper_wrote_goes_out_and_the_files_are_the_old_ones(self):
        for name in packaged.GATED:
            self.assertIn(f"{name}: is the file from before, byte for byte", self.said)
        self.assertNotIn("/etc/pam.d/", self.machine.run("dpkg --verify sudo openssh-server", check=False)[1])

    def test_what_somebody_wrote_by_hand_is_commented_out_and_said(self):
        for path, line in self.lines:
            self.assertIn(f"{path}:1: commented out: {line}\n", self.said)
            self.assertEqual(self.machine.get(path).splitlines()[0], f"# pam_jit removed: {line}")
        self.assertEqual(loading(self.machine), "")

    def test_nothing_of_it_runs_listens_or_has_failed(self):
        self.assertEqual(self.machine.run("pgrep -x jit-helper", check=False)[0], 1)
        self.assertEqual(self.machine.listening(), [])
        self.assertEqual(self.machine.run("find /run/pam-jit -type s"), "")
        self.assertEqual(self.failed_units(), "")
        self.assertEqual(self.machine.run(f"find {self.module} /usr/sbin/jit-helper /usr/bin/jit 2>/dev/null",
                                          check=False)[1], "")
        self.assertNotIn("Warning", self.said)

    def test_an_elevated_shell_stays_until_its_person_leaves_it(self):
        self.assertIn("uid=0(root)", self.elevated.run("id")[1])
        self.assertNotEqual(self.elevated.run("jit credentials")[0], 0)
        self.elevated.child.sendline("exit")
        self.elevated.finish()

    def test_who_waits_is_refused_with_a_sentence_and_needs_nobody_then(self):
        status, text = self.waiting.finish()
        self.assertEqual((status, text.count("jit:")), (1, 1), text)
        self.assertIn(STOPPING, text)
        self.assert_asks_nobody(self.waiting)

    def test_everybody_logs_in_and_is_not_asked(self):
        self.assert_host_lets_in(gated=False)

    def test_the_configuration_waits_for_the_next_installation(self):
        self.assertEqual(self.machine.run("ls /etc/pam-jit").split(),
                         ["api.key", "aws-credentials", "broker-ca.pem", "jit-helper.conf"])


class Afterwards(PackagedCase):
    """Each test begins with a gated host, whatever the one before left."""

    def setUp(self):
        self.machine.run("sed -i '/pam_jit/d' /etc/pam.d/* && systemctl stop jit-broker; rm -f /var/lib/jit-broker/*")
        self.machine.install_version(NEW)
        self.machine.configure_gates()
        self.machine.run(f"systemctl restart jit-broker {HELPER_UNITS}")
        self.assertEqual(self.machine.gates(), dict.fromkeys(packaged.GATED, "gate"))

    def assert_open(self):
        self.assertEqual(loading(self.machine), "")
        self.assertEqual(self.failed_units(), "")
        self.assert_host_lets_in(gated=False)

    def test_installed_again_nothing_is_gated(self):
        self.machine.apt(f"remove {HOST}")
        self.machine.install_version(NEW)
        self.assertEqual(self.machine.gates(), {})
        self.assertEqual(self.machine.show("jit-helper", "ActiveState"), {"ActiveState": "active"})
        self.assert_open()

    def test_purged_the_configuration_is_gone_and_accounts_and_the_brokers_store_stay(self):
        said = self.machine.apt(f"purge {HOST} {BROKER}")[1]
        for path in ("/etc/pam-jit", "/var/lib/pam-jit", "/run/pam-jit", "/etc/jit-broker"):
            self.assertNotEqual(self.machine.run(["test", "-e", path], check=False)[0], 0, path)
        self.machine.run("test -s /var/lib/jit-broker/broker.db && getent passwd _jit _jitbroker")
        self.assertIn("jit-broker: /var/lib/jit-broker, with the audit chain, is kept; to remove it too: "
                      "rm -r /var/lib/jit-broker", said)
        self.assertEqual(self.machine.run("find /etc/systemd /var/lib/systemd -name '*jit*'"), "")
        self.assert_open()
        self.assertEqual(self.machine.reboot(), [])
        self.assert_open()

    def test_removed_while_its_configuration_is_broken(self):
        self.machine.put(HELPER_CONF, "[helper\n")
        self.machine.run("systemctl restart jit-helper", check=False)
        self.machine.apt(f"remove {HOST}")
        self.assert_open()

    def test_removed_while_its_program_cannot_run(self):
        lines = by_hand(self.machine)
        self.machine.run("chmod 000 /usr/sbin/jit-helper")
        said = self.machine.apt(f"remove {HOST}")[1]
        for path in (*(path for path, _ in lines), *(f"/etc/pam.d/{name}" for name in packaged.GATED)):
            self.assertIn(f"libpam-jit: {path} loaded pam_jit.so; those lines are comments now", said)
        self.assert_open()

    def test_purged_at_once_while_a_library_of_its_program_is_gone(self):
        by_hand(self.machine)
        library = self.machine.run("ls /usr/lib/*/libevent-2.1.so.7").strip()
        self.machine.run(["mv", library, f"{library}.away"])
        self.addCleanup(self.machine.run, ["mv", f"{library}.away", library])
        self.machine.dpkg(f"--purge {HOST}")
        self.assert_open()
        self.assertNotEqual(self.machine.run("test -e /etc/pam-jit", check=False)[0], 0)

    def test_removed_after_its_unpacking_was_killed(self):
        by_hand(self.machine)
        path = module(self.machine)
        self.machine.run(f"strace -f -o /dev/null -P {path}.dpkg-new -e inject=rename:signal=KILL dpkg -i "
                         f"{self.machine.deb(HOST, NEW)}", check=False)
        self.assertIn("reinstreq", self.machine.version())
        self.machine.dpkg(f"--remove --force-remove-reinstreq {HOST}")
        self.assert_open()

    def test_another_projects_module_in_its_place_is_refused_and_nothing_changes(self):
        path = module(self.machine)
        self.machine.apt(f"purge {HOST}")
        self.machine.put(path, "theirs\n")
        self.addCleanup(self.machine.run, ["rm", path])
        before = self.machine.run(PAM_SUMS)
        status, said = self.machine.apt(f"install {self.machine.deb(HOST, NEW)}", check=False)
        self.assertNotEqual(status, 0)
        self.assertEqual(said.count("libpam-jit: "), 1, said)
        self.assertIn(f"{path} is another program's PAM module of the same name", said)
        self.assertEqual((self.machine.get(path), self.machine.run(PAM_SUMS)), ("theirs\n", before))
        self.assertEqual(self.machine.run("find /usr/sbin/jit-helper /etc/pam-jit 2>/dev/null", check=False)[1], "")
        self.assertEqual(self.machine.run("dpkg --audit"), "")
        self.assert_open()


if __name__ == "__main__":
    unittest.main()
