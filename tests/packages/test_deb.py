"""The Debian packages: what is in them, and what becomes of a host's PAM when they come, change and go.

dpkg works on the laboratory's overlay of this host, without systemd. The machine that boots is tested elsewhere."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import manifest
from lab import read, write
from namespace import TREE

PACKAGES = os.path.join(TREE, "build/packages")
HOST, BROKER = "libpam-jit", "jit-broker"
PARTS = {HOST: ("host", "both"), BROKER: ("broker", "both")}
HAND = "/etc/pam.d/by-hand"
BEFORE = """\
# pam_jit.so is loaded below
auth     required  pam_permit.so
account  required  pam_permit.so
account  required  pam_jit.so observe  # for a while
account  [success=1 default=ignore] \\
# in between

\tpam_jit.so \\
    observe
-session optional {folder}/pam_jit.so
session\trequired\tpam_permit.so
"""
AFTER = """\
# pam_jit.so is loaded below
auth     required  pam_permit.so
account  required  pam_permit.so
# pam_jit removed: account  required  pam_jit.so observe  # for a while
# pam_jit removed: account  [success=1 default=ignore] \\
# pam_jit removed: # in between
# pam_jit removed: 
# pam_jit removed: \tpam_jit.so \\
# pam_jit removed:     observe
# pam_jit removed: -session optional {folder}/pam_jit.so
session\trequired\tpam_permit.so
"""
# Lines that load something else, which are nobody's to take out.
ALIKE = """\
account  sufficient  /opt/ldap/pam_jit.so
account  [success=ok default=bad]  pam_exec.so /usr/bin/check {folder}/pam_jit.so pam_jit.so
auth     required  not_pam_jit.so
session  optional  pam_exec.so /usr/bin/not_pam_jit.so pam_jit.so.old \\
"""
INVOKE = '#!/bin/sh\necho "$(basename "$0") $*" >>/run/called\n'


def missing():
    tools = [tool for tool in ("dpkg-buildpackage", "dh", "lintian", "shellcheck") if not shutil.which(tool)]
    return f"{', '.join(tools)} not installed: ./setup" if tools else None


def prepare():
    if not missing():
        output("make", "--no-print-directory", "-C", TREE, "deb", limit=900)


def run(*command, limit=120):
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=limit, env=env)


def output(*command, limit=120):
    done = run(*command, limit=limit)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def package(name):
    version = read(f"{TREE}/VERSION").strip()
    return glob.glob(f"{PACKAGES}/{name}_{version}_*.deb")[0]


class Packages(unittest.TestCase):
    laboratory = True

    @classmethod
    def setUpClass(cls):
        if missing():
            raise unittest.SkipTest(missing())
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        modules = output("dpkg-query", "-L", "libpam-modules").split()  # ours belongs beside Debian's own
        cls.security = next(os.path.dirname(path) for path in modules if path.endswith("/pam_permit.so"))
        cls.module = f"{cls.security}/pam_jit.so"

    def places(self, name):
        units = glob.glob(f"{self.folder}/{name}/usr/lib/systemd/system") or [""]
        return {"security": self.security, "doc": f"/usr/share/doc/{name}", "zsh": "/usr/share/zsh/vendor-completions",
                "units": "/usr/lib/systemd/system" if units[0] else "/lib/systemd/system"}


class Contents(Packages):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in PARTS:
            output("dpkg-deb", "-x", package(name), f"{cls.folder}/{name}")
            output("dpkg-deb", "-e", package(name), f"{cls.folder}/{name}.control")

    def test_what_they_hold_is_what_the_manifest_lists(self):
        for name, parts in PARTS.items():
            with self.subTest(name):
                debian = {f"/usr/share/doc/{name}/copyright", f"/usr/share/doc/{name}/changelog.gz",
                          f"/usr/share/lintian/overrides/{name}"}
                found = manifest.tree(f"{self.folder}/{name}")
                self.assertLessEqual(debian, set(found))
                found = {path: as_what for path, as_what in found.items() if path not in debian}
                listed = manifest.entries(parts, ("all", "package"), self.places(name))
                self.assertEqual(manifest.differences(listed, found), [])

    def test_nothing_in_them_has_file_capabilities(self):
        self.assertEqual(output(shutil.which("getcap") or "/usr/sbin/getcap", "-r", self.folder), "")

    def test_lintian_finds_nothing(self):
        changes = glob.glob(f"{PACKAGES}/pam-jit_{read(f'{TREE}/VERSION').strip()}_*.changes")
        output("lintian", "--display-info", "--pedantic", "--display-experimental", "--fail-on",
               "error,warning,info,pedantic,experimental", "--allow-root", *changes)

    def test_their_scripts_are_clean_for_shellcheck(self):
        """But for what debhelper writes into them."""
        scripts = [path for path in glob.glob(f"{self.folder}/*.control/*") if read(path).startswith("#!/bin/sh")]
        self.assertEqual({os.path.basename(path) for path in scripts}, {"preinst", "postinst", "prerm", "postrm"})
        for path in scripts:
            write(path, re.sub(r"(?ms)^# Automatically added by .*?^# End automatically added section$", "", read(path)))
        output("shellcheck", "--shell=sh", *scripts)

    def test_only_what_holds_no_secret_is_a_configuration_file(self):
        for name, own in ((HOST, ["/etc/pam-jit/aws-credentials"]), (BROKER, [])):
            path = f"{self.folder}/{name}.control/conffiles"
            found = read(path).split() if os.path.exists(path) else []
            self.assertEqual([path for path in found if not path.startswith("/etc/apparmor.d/")], own)


class Lifecycle(Packages):
    """Each test begins with a host that has neither package, and lines of ours in its PAM."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.path.exists("/var/lib/man-db/auto-update"):
            os.remove("/var/lib/man-db/auto-update")  # a second for each step
        cls.su = read("/etc/pam.d/su")
        cls.old = cls.repack("old", Version="0.0.9")

    @classmethod
    def repack(cls, name, preinst=None, **fields):
        """libpam-jit with other fields, and a last word of its preinst."""
        folder = f"{cls.folder}/{name}"
        output("dpkg-deb", "-R", package(HOST), folder)
        control = read(f"{folder}/DEBIAN/control")
        for field, value in fields.items():
            control = re.sub(rf"^{field}: .*$", f"{field}: {value}", control, flags=re.M)
        write(f"{folder}/DEBIAN/control", control)
        if preinst:
            write(f"{folder}/DEBIAN/preinst", read(f"{folder}/DEBIAN/preinst") + preinst, 0o755)
        output("dpkg-deb", "--root-owner-group", "-b", folder, f"{folder}.deb")
        return f"{folder}.deb"

    def setUp(self):
        output("dpkg", "--purge", HOST, BROKER)
        self.before, self.after, self.alike = (text.format(folder=self.security) for text in (BEFORE, AFTER, ALIKE))
        write(HAND, self.before)
        write("/etc/pam.d/su", "account required pam_jit.so app=su\n" + self.su)
        self.addCleanup(write, "/etc/pam.d/su", self.su)

    def tearDown(self):
        run("dpkg", "--purge", "--force-all", HOST, BROKER)

    def dpkg(self, *words):
        return output("dpkg", "--force-unsafe-io", *words)

    def break_helper(self):
        write("/usr/sbin/jit-helper", "#!/bin/sh\nexit 70\n", 0o755)

    def can_su(self):
        return run("su", "nobody", "-s", "/bin/sh", "-c", "true").returncode == 0

    def assert_gated(self):
        self.assertEqual(read(HAND), self.before)
        self.assertIn("\naccount required pam_jit.so app=su\n", "\n" + read("/etc/pam.d/su"))
        self.assertTrue(os.path.exists(self.module))

    def assert_open(self):
        """Nothing loads the module any more, and people get in."""
        self.assertEqual(read("/etc/pam.d/su"), "# pam_jit removed: account required pam_jit.so app=su\n" + self.su)
        self.assertEqual([line for line in read(HAND).splitlines() if line not in self.after.splitlines()], [])
        self.assertFalse(os.path.exists(self.module))
        self.assertTrue(self.can_su())

    def test_a_module_that_is_not_there_keeps_everybody_out(self):
        """What the tests below are about."""
        self.assertFalse(self.can_su())

    def test_installing_changes_no_file_of_pam_and_sets_modes_as_listed(self):
        before = {path: read(path) for path in glob.glob("/etc/pam.d/*")}
        self.dpkg("-i", package(HOST), package(BROKER))
        self.assertEqual({path: read(path) for path in glob.glob("/etc/pam.d/*")}, before)
        for name, parts in PARTS.items():
            listed = manifest.entries(parts, ("package", "configure"), self.places(name))
            found = {entry.path: manifest.of(os.lstat(entry.path)) for entry in listed}
            self.assertEqual(manifest.differences(listed, found), [])
        for account in ("_jit", "_jitbroker"):
            self.assertRegex(output("getent", "passwd", account), ":/usr/sbin/nologin\n")

    def test_installing_again_and_any_change_of_version_keep_the_gate(self):
        self.dpkg("-i", self.old)
        for step in (package(HOST), package(HOST), self.old):
            self.dpkg("-i", step)
            self.assert_gated()

    def test_removal_comments_out_what_loads_the_module(self):
        self.dpkg("-i", package(HOST))
        said = self.dpkg("-r", HOST)
        self.assert_open()
        self.assertIn(HAND, said)

    def test_removal_leaves_lines_that_load_something_else(self):
        write("/etc/pam.d/alike", self.alike)
        self.addCleanup(os.remove, "/etc/pam.d/alike")
        self.dpkg("-i", package(HOST))
        self.dpkg("-r", HOST)
        self.assert_open()
        self.assertEqual(read("/etc/pam.d/alike"), self.alike)

    def test_removal_does_so_without_the_helper(self):
        os.symlink("../by-hand-too", "/etc/pam.d/linked")
        self.addCleanup(os.remove, "/etc/pam.d/linked")
        write("/etc/by-hand-too", self.before + self.alike, 0o640, "root", "shadow")
        write("/etc/pam.conf", "other account required pam_jit.so\n")
        write("/usr/lib/pam.d/vendor", "-account [default=bad  success=ok] [pam_jit.so]\r\nsession required \\\n pam_jit.so \\\n")
        self.addCleanup(os.remove, "/usr/lib/pam.d/vendor")
        os.chmod(HAND, 0o600)
        self.dpkg("-i", package(HOST))
        self.break_helper()
        said = self.dpkg("-r", HOST)
        self.assert_open()
        for path, more in ((HAND, ""), ("/etc/by-hand-too", self.alike)):
            self.assertEqual(read(path), self.after + more)
            self.assertIn(f"{path} loaded pam_jit.so", said)
        self.assertTrue(os.path.islink("/etc/pam.d/linked"))
        self.assertEqual(manifest.of(os.stat("/etc/by-hand-too")), (0o640, "root", "shadow"))
        self.assertEqual(manifest.of(os.stat(HAND)), (0o600, "root", "root"))
        self.assertEqual(read("/etc/pam.conf"), "# pam_jit removed: other account required pam_jit.so\n")
        self.assertEqual(open("/usr/lib/pam.d/vendor", newline="", encoding="utf-8").read(),
                         "# pam_jit removed: -account [default=bad  success=ok] [pam_jit.so]\r\n"
                         "# pam_jit removed: session required \\\n# pam_jit removed:  pam_jit.so \\\n")
        self.assertEqual(glob.glob("/etc/**/*.pam-jit-new", recursive=True), [])

    def test_a_file_that_cannot_be_changed_keeps_the_package(self):
        self.dpkg("-i", package(HOST))
        self.break_helper()
        output("mount", "--bind", HAND, HAND)
        self.addCleanup(run, "umount", HAND)
        done = run("dpkg", "-r", HOST)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"{HAND} loads pam_jit.so and cannot be changed; take those lines out by hand.", done.stdout)
        self.assertTrue(os.path.exists(self.module))
        self.assertIn("install ok installed", output("dpkg-query", "-Wf", "${Status}", HOST))
        output("umount", HAND)
        self.dpkg("-r", HOST)
        self.assert_open()

    def test_removal_of_what_was_never_configured_does_so_too(self):
        self.dpkg("--unpack", package(HOST))
        self.assert_gated()
        self.dpkg("-r", HOST)
        self.assert_open()

    def test_being_deconfigured_for_another_package_keeps_the_gate(self):
        self.dpkg("-i", self.old)
        folder = f"{self.folder}/other"
        write(f"{folder}/DEBIAN/control", "Package: jit-test-other\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.example>\n"
              f"Breaks: {HOST} (<< 0.0.10)\nDescription: breaks an old one\n")
        output("dpkg-deb", "-b", folder, f"{folder}.deb")
        self.addCleanup(run, "dpkg", "--purge", "jit-test-other")
        self.dpkg("--auto-deconfigure", "--unpack", f"{folder}.deb")
        self.assertNotIn("ok installed", output("dpkg-query", "-Wf", "${Status}", HOST))
        self.assert_gated()
        self.dpkg("-i", package(HOST))
        self.assert_gated()

    def test_an_upgrade_that_fails_leaves_the_old_version_and_the_gate(self):
        self.dpkg("-i", self.old)
        failing = self.repack("failing", preinst="\nexit 1\n")
        self.assertNotEqual(run("dpkg", "-i", failing).returncode, 0)
        self.assertEqual(output("dpkg-query", "-Wf", "${Status} ${Version}", HOST), "install ok installed 0.0.9")
        self.assert_gated()

    def test_purge_takes_the_hosts_configuration_and_keeps_the_brokers_store(self):
        self.dpkg("-i", package(HOST), package(BROKER))
        for path in ("/etc/pam-jit/api.key", "/var/lib/pam-jit/spool", "/etc/jit-broker/jit-broker.conf",
                     "/var/lib/jit-broker/broker.db"):
            write(path, "x\n")
        self.dpkg("-r", HOST, BROKER)
        self.assertTrue(os.path.exists("/etc/pam-jit/api.key"))
        self.assertTrue(os.path.exists("/etc/jit-broker/jit-broker.conf"))
        said = self.dpkg("--purge", HOST, BROKER)
        self.assertEqual([path for path in ("/etc/pam-jit", "/var/lib/pam-jit", "/run/pam-jit", "/etc/jit-broker")
                          if os.path.exists(path)], [])
        self.assertEqual(read("/var/lib/jit-broker/broker.db"), "x\n")
        self.assertIn("to remove it too: rm -r /var/lib/jit-broker", said)
        self.assertIn(":", output("getent", "passwd", "_jit"))
        shutil.rmtree("/var/lib/jit-broker")

    def test_another_programs_module_of_that_name_is_left_alone(self):
        write(self.module, "theirs\n")
        self.addCleanup(lambda: os.path.exists(self.module) and os.remove(self.module))
        done = run("dpkg", "-i", package(HOST))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"{self.module} is another program's PAM module of the same name", done.stdout)
        self.assertEqual(read(self.module), "theirs\n")
        self.assertFalse(os.path.exists("/usr/sbin/jit-helper"))
        write(HAND, "")
        write("/etc/pam.d/su", self.su)
        output("dpkg", "--purge", HOST)
        self.assertEqual(read(self.module), "theirs\n")

    def test_units_are_enabled_at_first_and_then_as_the_administrator_has_them(self):
        units = ("jit-helper.service", "jit-helper.socket", "jit-helper-session.socket")

        def states():
            return [run("systemctl", "--root=/", "is-enabled", unit).stdout.strip() for unit in units]

        self.dpkg("-i", self.old)
        self.assertEqual(states(), ["enabled"] * 3)
        output("systemctl", "--root=/", "disable", *units)
        self.dpkg("-i", package(HOST))
        self.assertEqual(states(), ["disabled"] * 3)
        self.dpkg("-r", HOST)
        self.dpkg("-i", package(HOST))
        self.assertEqual(states(), ["disabled"] * 3)
        self.dpkg("--purge", HOST)
        self.dpkg("-i", package(HOST))
        self.assertEqual(states(), ["enabled"] * 3)

    def test_an_upgrade_restarts_the_helper_and_leaves_its_sockets(self):
        self.dpkg("-i", self.old)
        os.makedirs("/run/systemd/system")
        self.addCleanup(os.rmdir, "/run/systemd/system")
        for program in ("/usr/bin/deb-systemd-invoke", "/usr/bin/systemctl"):
            os.rename(program, f"{program}.real")
            self.addCleanup(os.rename, f"{program}.real", program)
            write(program, INVOKE, 0o755)
        self.dpkg("-i", package(HOST))
        called = [line for line in read("/run/called").splitlines() if line.startswith("deb-systemd-invoke ")]
        os.remove("/run/called")
        self.assertEqual(called, ["deb-systemd-invoke restart jit-helper.service",
                                  "deb-systemd-invoke start jit-helper-session.socket jit-helper.socket"])
        self.dpkg("-r", HOST)
        self.assertEqual([line for line in read("/run/called").splitlines() if line.startswith("deb-systemd-invoke ")],
                         ["deb-systemd-invoke stop jit-helper-session.socket jit-helper.socket",
                          "deb-systemd-invoke stop jit-helper.service",
                          "deb-systemd-invoke stop jit-helper-session.socket jit-helper.socket jit-helper.service",
                          "deb-systemd-invoke reset-failed jit-helper.service jit-helper.socket jit-helper-session.socket"])


if __name__ == "__main__":
    unittest.main()
