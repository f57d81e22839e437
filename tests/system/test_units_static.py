"""What systemd and AppArmor themselves say of the units, the accounts, the folders and the profiles, without a boot."""

import glob
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

from lab import read
from namespace import TREE

UNITS = sorted(glob.glob(f"{TREE}/etc/systemd/*.s*"))
SERVICES = [path for path in UNITS if path.endswith(".service")]
EXPOSURE = 20  # tenths


def needs(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


class Units(unittest.TestCase):
    @needs("systemd-analyze")
    def test_exposure_is_under_two(self):
        for path in SERVICES:
            with self.subTest(os.path.basename(path)):
                status, text = run("systemd-analyze", "security", "--no-pager", "--offline=yes",
                                   f"--threshold={EXPOSURE}", path)
                if "unrecognized option" in text:
                    self.skipTest("this systemd-analyze has no --offline")
                self.assertEqual(status, 0, text)

    @needs("systemd-analyze")
    def test_systemd_finds_nothing_to_say(self):
        """In a root of their own: the programs stand there, and units of this machine are not judged."""
        with tempfile.TemporaryDirectory() as folder:
            for path in UNITS:
                name = os.path.basename(path)
                with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                    file.write(re.sub(r"^ExecStart=/usr/sbin/\S+", "ExecStart=/bin/true", read(path), flags=re.M))
            status, text = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                               *[f"{folder}/{os.path.basename(path)}" for path in UNITS])
        self.assertEqual((status, text), (0, ""))

    def test_every_unit_waits_for_a_configuration_and_names_a_manual_page_alone(self):
        for path in UNITS:
            with self.subTest(os.path.basename(path)):
                text = read(path)
                program = "jit-broker" if "jit-broker" in path else "jit-helper"
                folder = "jit-broker" if "jit-broker" in path else "pam-jit"
                self.assertEqual(re.findall(r"^Condition\w+=.*$", text, re.M),
                                 [f"ConditionPathExists=/etc/{folder}/{program}.conf"])
                self.assertRegex(text, r"(?m)^Documentation=man:")
                self.assertNotIn("/usr/share/doc", text)

    def test_what_the_configuration_lacks_is_not_tried_again(self):
        for path in SERVICES:
            self.assertRegex(read(path), r"(?m)^RestartPreventExitStatus=78$")

    def test_nothing_of_a_daemon_goes_to_a_swap_device(self):
        for path in SERVICES:
            self.assertRegex(read(path), r"(?m)^MemorySwapMax=0$", path)

    def test_nothing_in_a_folder_that_a_daemon_writes_is_executed(self):
        """What it could write it could else map as a program, too."""
        for path in SERVICES:
            with self.subTest(os.path.basename(path)):
                written = [root + name for key, root in (("StateDirectory", "/var/lib/"), ("RuntimeDirectory", "/run/"))
                           for line in re.findall(rf"^{key}=(.*)$", read(path), re.M) for name in line.split()]
                self.assertEqual(len(written), 2)
                barred = " ".join(re.findall(r"^NoExecPaths=(.*)$", read(path), re.M)).split()
                self.assertEqual(sorted(barred), sorted(written))


class Profiles(unittest.TestCase):
    @needs("apparmor_parser")
    def test_apparmor_takes_them(self):
        paths = glob.glob(f"{TREE}/etc/apparmor.d/usr.*")
        self.assertEqual(len(paths), len(SERVICES))
        for path in paths:
            with self.subTest(os.path.basename(path)):
                status, text = run("apparmor_parser", "--skip-kernel-load", "--skip-cache", path)
                self.assertEqual(status, 0, text)
                self.assertIn(f"include if exists <local/{os.path.basename(path)}>", read(path))


class Accounts(unittest.TestCase):
    """Each package's own file, in a root of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        for name in ("etc", "var/lib", "run"):
            os.makedirs(f"{self.root}/{name}")

    def made(self, program, kind, package, *more):
        """Copies the file into the root and runs systemd's program on it."""
        for name in (package, *more):
            os.makedirs(f"{self.root}/usr/lib/{kind}", exist_ok=True)
            shutil.copy(f"{TREE}/etc/{kind}/{name}.conf", f"{self.root}/usr/lib/{kind}/")
        extra = ["--create"] if program == "systemd-tmpfiles" else []
        status, text = run(program, f"--root={self.root}", *extra, *[f"{name}.conf" for name in (package, *more)])
        self.assertEqual(status, 0, text)

    @needs("systemd-sysusers")
    def test_each_package_makes_its_own_account_and_no_other(self):
        for package, account, home in (("pam-jit", "_jit", "/nonexistent"),
                                       ("jit-broker", "_jitbroker", "/var/lib/jit-broker")):
            with self.subTest(package):
                for name in ("passwd", "group", "shadow", "gshadow"):
                    if os.path.exists(f"{self.root}/etc/{name}"):
                        os.unlink(f"{self.root}/etc/{name}")
                shutil.rmtree(f"{self.root}/usr", ignore_errors=True)
                self.made("systemd-sysusers", "sysusers.d", package)
                lines = [line.split(":") for line in read(f"{self.root}/etc/passwd").splitlines()]
                self.assertEqual([(line[0], line[5], line[6]) for line in lines],
                                 [(account, home, "/usr/sbin/nologin")])
                self.assertRegex(read(f"{self.root}/etc/shadow"), rf"^{account}:!")

    @needs("systemd-tmpfiles")
    @unittest.skipUnless(os.geteuid() == 0, "it needs root, to give folders away")
    def test_the_folders_are_their_owners_alone(self):
        self.made("systemd-sysusers", "sysusers.d", "pam-jit", "jit-broker")
        self.made("systemd-tmpfiles", "tmpfiles.d", "pam-jit", "jit-broker")
        names = {0: "root"}
        for line in read(f"{self.root}/etc/passwd").splitlines():
            names[int(line.split(":")[2])] = line.split(":")[0]
        wanted = {"run/pam-jit": (0o755, "root"), "run/pam-jit/state": (0o700, "_jit"),
                  "var/lib/pam-jit": (0o700, "_jit"), "etc/pam-jit": (0o755, "root"),
                  "var/lib/jit-broker": (0o700, "_jitbroker"), "etc/jit-broker": (0o750, "root")}
        found = {}
        for path in wanted:
            status = os.stat(f"{self.root}/{path}")
            found[path] = (stat.S_IMODE(status.st_mode), names[status.st_uid])
        self.assertEqual(found, wanted)


if __name__ == "__main__":
    unittest.main()
