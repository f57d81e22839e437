"""What `make install` puts on a host: nothing that raises privileges, and a module that asks nothing of its process."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

from namespace import TREE

ENTRIES = {"pam_sm_acct_mgmt", "pam_sm_authenticate", "pam_sm_chauthtok", "pam_sm_close_session",
           "pam_sm_open_session", "pam_sm_setcred"}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def system_calls(group):
    """Of one of systemd's groups, with those that it holds."""
    words = [line.strip() for line in output("systemd-analyze", "syscall-filter", group).splitlines()[1:]]
    words = {word for word in words if word and not word.startswith("#")}
    return {word for word in words if not word.startswith("@")}.union(
        *(system_calls(word) for word in words if word.startswith("@")))


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = folder.name
        output("make", "--no-print-directory", "-C", TREE, "-o", "all", "install", f"DESTDIR={cls.root}",
               "PREFIX=/usr")
        cls.files = {os.path.relpath(os.path.join(at, name), cls.root): os.path.join(at, name)
                     for at, _, names in os.walk(cls.root) for name in names}
        cls.module = next(path for path in cls.files.values() if path.endswith("/security/pam_jit.so"))

    def symbols(self, which):
        lines = output("nm", "-D", which, self.module).splitlines()
        return {line.split()[-1].split("@")[0] for line in lines}

    def test_programs_stand_where_hosts_look_for_them(self):
        self.assertTrue({"usr/sbin/jit-helper", "usr/sbin/jit-broker", "usr/bin/jit"} <= set(self.files), self.files)

    def test_nothing_has_a_setuid_or_setgid_bit(self):
        raised = [name for name, path in self.files.items() if os.lstat(path).st_mode & (stat.S_ISUID | stat.S_ISGID)]
        self.assertEqual(raised, [])

    def test_nothing_has_file_capabilities(self):
        getcap = shutil.which("getcap") or "/usr/sbin/getcap"
        self.assertEqual(output(getcap, "-r", self.root), "")

    def test_nothing_can_be_written_by_others(self):
        loose = [name for name, path in self.files.items() if os.lstat(path).st_mode & 0o022]
        self.assertEqual(loose, [])

    def test_the_helpers_unit_gives_it_one_capability_and_one_group(self):
        with open(self.files["usr/lib/systemd/system/jit-helper.service"], encoding="utf-8") as file:
            unit = file.read()
        for name in ("AmbientCapabilities", "CapabilityBoundingSet"):
            self.assertEqual(re.findall(rf"^{name}=(.*)$", unit, re.M), ["CAP_KILL"])
        self.assertEqual(re.findall(r"^SupplementaryGroups=(.*)$", unit, re.M), ["tty"])
        self.assertEqual(re.findall(r"^SystemCallFilter=(.*)$", unit, re.M), ["@system-service", "~@privileged", "capset"])

    def test_the_helpers_unit_lets_it_end_processes(self):
        """What @system-service holds less @privileged has the calls that an ending makes."""
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        self.assertLessEqual({"pidfd_open", "pidfd_send_signal"},
                             system_calls("@system-service") - system_calls("@privileged"))

    def test_installing_gates_no_service(self):
        self.assertEqual([name for name in self.files if name.startswith("etc/")], [])

    def test_the_module_needs_libpam_and_libc_alone(self):
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", self.module)))
        self.assertLessEqual(needed, {"libpam.so.0", "libc.so.6"})
        self.assertIn("libpam.so.0", needed)

    def test_the_module_exports_its_entry_points_alone(self):
        self.assertEqual(self.symbols("--defined-only"), ENTRIES)

    def test_the_module_starts_no_process_and_no_thread(self):
        starts = {"fork", "vfork", "clone", "execve", "execv", "execvp", "posix_spawn", "posix_spawnp", "system",
                  "popen", "pthread_create", "atexit", "exit", "abort"}
        self.assertEqual(self.symbols("--undefined-only") & starts, set())

    def test_jit_links_no_libcurl(self):
        needed = output("readelf", "-d", self.files["usr/bin/jit"])
        self.assertNotIn("libcurl", needed)
        self.assertNotIn("libssl", needed)

    def test_every_program_is_hardened(self):
        programs = [self.files[f"usr/{name}"] for name in ("bin/jit", "sbin/jit-helper", "sbin/jit-broker")]
        for path in [self.module, *programs]:
            with self.subTest(os.path.basename(path)):
                dynamic, headers = output("readelf", "-d", path), output("readelf", "-lW", path)
                self.assertRegex(dynamic, r"BIND_NOW|Flags: .*NOW")
                self.assertIn("GNU_RELRO", headers)
                self.assertRegex(headers, r"GNU_STACK .* RW +0x")
                self.assertIn("DYN (", output("readelf", "-h", path))
                self.assertNotRegex(dynamic, "RPATH|RUNPATH|TEXTREL")
