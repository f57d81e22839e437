"""What `make install` puts on a host: nothing that raises privileges, and a module that asks nothing of its process."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

import manifest
from namespace import TREE

ENTRIES = {"pam_sm_acct_mgmt", "pam_sm_authenticate", "pam_sm_chauthtok", "pam_sm_close_session",
           "pam_sm_open_session", "pam_sm_setcred"}
SANDBOX_CALLS = "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self"
TRIPLET = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True).stdout.strip()
PLACES = {"security": f"/usr/lib/{TRIPLET}/security" if TRIPLET else "/usr/lib64/security",
          "units": "/usr/lib/systemd/system",
          "doc": "/usr/share/doc/pam-jit",
          "zsh": "/usr/share/zsh/" + ("vendor-completions" if TRIPLET else "site-functions")}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def install(root, *variables):
    return subprocess.run(["make", "--no-print-directory", "-C", TREE, "-o", "all", "install", f"DESTDIR={root}",
                           *variables], capture_output=True, text=True, timeout=60)


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
        done = install(cls.root, "PREFIX=/usr")
        if done.returncode:
            raise AssertionError(done.stderr)
        cls.files = {os.path.relpath(os.path.join(at, name), cls.root): os.path.join(at, name)
                     for at, _, names in os.walk(cls.root) for name in names}
        cls.module = next(path for path in cls.files.values() if path.endswith("/security/pam_jit.so"))

    def symbols(self, which):
        lines = output("nm", "-D", which, self.module).splitlines()
        return {line.split()[-1].split("@")[0] for line in lines}

    def test_what_is_installed_is_what_the_manifest_lists(self):
        listed = manifest.entries(("host", "broker", "both"), ("all", "install"), PLACES)
        self.assertEqual(manifest.differences(listed, manifest.tree(self.root), os.geteuid() == 0), [])

    def test_the_manifest_lists_nothing_that_raises_privileges(self):
        listed = manifest.entries(("host", "broker", "both"), ("all", "install", "package", "configure"), PLACES)
        self.assertEqual([entry for entry in listed if entry.mode & 0o7022 and not stat.S_ISLNK(entry.mode)], [])

    def test_nothing_has_file_capabilities(self):
        getcap = shutil.which("getcap") or "/usr/sbin/getcap"
        self.assertEqual(output(getcap, "-r", self.root), "")

    def test_the_helpers_unit_gives_it_one_capability_and_one_group(self):
        with open(self.files["usr/lib/systemd/system/jit-helper.service"], encoding="utf-8") as file:
            unit = file.read()
        for name in ("AmbientCapabilities", "CapabilityBoundingSet"):
            self.assertEqual(re.findall(rf"^{name}=(.*)$", unit, re.M), ["CAP_KILL"])
        self.assertEqual(re.findall(r"^SupplementaryGroups=(.*)$", unit, re.M), ["tty"])
        self.assertEqual(re.findall(r"^SystemCallFilter=(.*)$", unit, re.M),
                         ["@system-service", "~@privileged", "capset", SANDBOX_CALLS])

    def test_the_helpers_unit_lets_it_end_processes(self):
        """What @system-service holds less @privileged has the calls that an ending makes."""
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        self.assertLessEqual({"pidfd_open", "pidfd_send_signal"},
                             system_calls("@system-service") - system_calls("@privileged"))

    def test_installing_gates_no_service(self):
        self.assertEqual([name for name in self.files if name.startswith("etc/") and
                          not name.startswith("etc/apparmor.d/")], [])

    def test_another_programs_module_of_that_name_is_left_alone(self):
        with tempfile.TemporaryDirectory() as root:
            theirs = os.path.join(root, os.path.relpath(self.module, self.root))
            os.makedirs(os.path.dirname(theirs))
            with open(theirs, "w", encoding="ascii") as file:
                file.write("theirs\n")
            done = install(root)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f"{theirs} is another program's PAM module of the same name", done.stderr)
            self.assertEqual({path for path in manifest.tree(root) if not path.endswith("/")},
                             {theirs.removeprefix(root)})
            shutil.copy(self.module, theirs)
            self.assertEqual(install(root).returncode, 0)  # an older one of ours is replaced

    def test_another_prefix_is_heeded_by_what_is_installed(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(install(root, "PREFIX=/opt/jit").returncode, 0)
            outside = [path for path in manifest.tree(root) if not path.startswith(("/opt/", "/etc/apparmor.d/"))]
            self.assertEqual([path for path in outside if not path.endswith("/")], [])
            with open(f"{root}/opt/jit/lib/systemd/system/jit-helper.service", encoding="utf-8") as unit:
                self.assertIn("\nExecStart=/opt/jit/sbin/jit-helper\n", unit.read())

    def test_the_module_needs_libpam_and_libc_alone(self):
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", self.module)))
        self.assertLessEqual(needed, {"libpam.so.0", "libc.so.6"})
        self.assertIn("libpam.so.0", needed)

    def test_the_module_exports_its_entry_points_alone(self):
        self.assertEqual(self.symbols("--defined-only"), ENTRIES)

    def test_the_module_is_mapped_in_three_pieces_and_runs_nothing_when_it_is_loaded(self):
        pieces = re.findall(r"^ +LOAD .* 0x\w+ (R[ WE]*?) +0x", output("readelf", "-lW", self.module), re.M)
        self.assertEqual(pieces, ["R", "R E", "RW"])
        self.assertNotIn("(INIT)", output("readelf", "-d", self.module))

    @unittest.skipIf(os.environ.get("PAM_JIT_COUNTED"), "gcov's counters call abort and exit")
    def test_the_module_starts_no_process_and_no_thread(self):
        starts = {"fork", "_Fork", "vfork", "clone", "execve", "execv", "execvp", "execvpe", "execl", "execle", "execlp",
                  "execveat", "fexecve", "posix_spawn", "posix_spawnp", "system", "popen", "wordexp", "daemon", "forkpty",
                  "pthread_create", "thrd_create", "timer_create", "pthread_atfork", "dlopen", "atexit", "on_exit",
                  "__cxa_atexit", "at_quick_exit", "exit", "abort"}
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
