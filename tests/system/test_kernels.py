"""Kernels that offer less for a sandbox: `jit doctor`, `jit-broker check` and both daemons say what is missing and what
to do about it, and the doors open as ever. Of a kernel that lacks nothing doctor and check say nothing."""

import errno
import json
import os
import re
import shutil
import subprocess
import syslog
import tempfile
import unittest

import brokerlib
import kernels
from doors import table
from lab import LabCase, read
from namespace import die_with_parent
from terminal import wait_until

CONF = "issuer = demo\n[role admin]\nservices = sudo\nrequesters = op1\nhosts = *\ntargets = root\napprovers = appr1\n" \
       "[person appr1]\n"
NO_LANDLOCK = ("this kernel has none", "use Linux 5.13 or later, built with CONFIG_SECURITY_LANDLOCK; in a container, allow "
               "the landlock_ calls in its seccomp profile")
NO_SECCOMP = ("this kernel has none", "use Linux 4.14 or later, built with CONFIG_SECCOMP_FILTER")
# What is missing on it, as (part, why, what to do), and how a daemon's line begins.
LACKING = {
    "built_without_landlock": {
        "kernel": {"error": errno.ENOSYS}, "lacks": [("Landlock", *NO_LANDLOCK)],
        "line": "confined by seccomp, but NOT by Landlock: "},
    "started_without_landlock": {
        "kernel": {"error": errno.EOPNOTSUPP},
        "lacks": [("Landlock", "it was not enabled when this kernel started", "boot with lsm=landlock,LIST on "
                   "the kernel's command line, LIST being what /sys/kernel/security/lsm holds")],
        "line": "confined by seccomp, but NOT by Landlock: "},
    "landlock_refused": {
        "kernel": {"error": errno.EPERM},
        "lacks": [("Landlock", "it is refused here (Operation not permitted)", "allow the landlock_ calls in the seccomp "
                   "profile of this container or unit")],
        "line": "confined by seccomp, but NOT by Landlock: "},
    "without_seccomp": {
        "kernel": {"filters": False}, "lacks": [("seccomp", *NO_SECCOMP)],
        "line": f"confined by Landlock ABI {kernels.landlock()}, but NOT by seccomp: "},
    "without_either": {
        "kernel": {"error": errno.ENOSYS, "filters": False},
        "lacks": [("Landlock", *NO_LANDLOCK), ("seccomp", *NO_SECCOMP)], "line": "NOT confined by Landlock: "},
}
OLDER = {2: "neither TCP ports (Linux 6.7 and later do) nor abstract sockets (6.12 and later)",
         4: "no abstract sockets (Linux 6.12 and later do)"}
# A daemon's lines that are no warnings.
ALL = rf"^<{syslog.LOG_INFO}>confined by seccomp and Landlock ABI {kernels.landlock()}\b(?!,)"
PARTLY = f"<{syslog.LOG_INFO}>confined by seccomp and Landlock ABI 2, which limits {OLDER[2]}"
WHOLE = 6  # the version of Landlock from which on nothing is missing
NEEDS_ALL = unittest.skipIf(kernels.landlock() < WHOLE, f"this kernel's Landlock is of a version before {WHOLE}")


def launch(kernel, log, *argv):
    """Starts a daemon on that kernel, with a new log that it takes for the journal."""
    def prepare():
        die_with_parent()
        kernel.enter()

    with open(log, "wb") as out:
        stream = os.fstat(out.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino}"}
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=prepare, cwd="/",
                                env=environment)


def line_of(log):
    """What a daemon said of its sandbox, behind the priority that the journal reads."""
    return "".join(re.findall(r"^.*confined by .*\n", read(log), re.M))


@NEEDS_ALL
@table(LACKING, ("is_warned_of_with_what_to_do", "has_a_helper_that_says_so_and_serves"))
class Host(LabCase):
    def doctor(self, kernel):
        """(exit status, findings of the sandbox, facts of the host)"""
        done = subprocess.run(["/usr/bin/jit", "doctor", "--json"], capture_output=True, text=True, timeout=60,
                              preexec_fn=kernel.enter)
        self.assertEqual(done.stderr, "")
        report = json.loads(done.stdout)
        return done.returncode, [found for found in report["findings"] if found["code"] == "host.sandbox"], report["host"]

    def case_is_warned_of_with_what_to_do(self, _, spec):
        _, found, host = self.doctor(kernels.Refusing(**spec["kernel"]))
        lacks = sorted(spec["lacks"], reverse=True)  # seccomp, what is graver, first
        self.assertEqual([finding["severity"] for finding in found],
                         [{"Landlock": "note", "seccomp": "warning"}[part] for part, _, _ in lacks])
        for finding, (part, why, remedy) in zip(found, lacks):
            self.assertIn(f"jit-helper is not confined by {part} ({why}): whoever takes it over ", finding["what"])
            self.assertEqual(finding["fix"], f"{remedy[0].upper()}{remedy[1:]}.")
        parts = {part for part, _, _ in lacks}
        self.assertEqual((host["landlock"] == "no", host["seccomp"] == "no"), ("Landlock" in parts, "seccomp" in parts))

    def test_a_whole_one_is_passed_over(self):
        _, found, host = self.doctor(kernels.This())
        self.assertEqual((found, host["landlock"], host["seccomp"]), ([], f"ABI {kernels.landlock()}", "yes"))

    def test_an_older_landlock_is_a_note(self):
        for version, unlimited in OLDER.items():
            _, found, _ = self.doctor(kernels.Older(version))
            self.assertEqual(found, [{"code": "host.sandbox", "severity": "note",
                                      "what": f"Landlock of this kernel (ABI {version}) limits {unlimited}."}])

    def start_helper_on(self, kernel):
        """What it says of its sandbox."""
        self.lab.stop_helper()
        log = self.lab.log("jit-helper")
        self.lab.helper = launch(kernel, log, "/usr/sbin/jit-helper")
        wait_until("it serves", lambda: "jit-helper 0" in read(log), 10)
        return line_of(log)

    def assert_serves(self):
        self.assertIn("uid=0(root)", self.run_approved(self.open_terminal())[1])

    def case_has_a_helper_that_says_so_and_serves(self, _, spec):
        line = self.start_helper_on(kernels.Refusing(**spec["kernel"]))
        self.assertTrue(line.startswith(f"<{syslog.LOG_WARNING}>{spec['line']}"), line)
        for _, why, remedy in spec["lacks"]:
            self.assertIn(f"{why}; {remedy}", line)
        self.assert_serves()

    def test_the_helper_says_by_what_it_is_confined(self):
        self.assertRegex(self.start_helper_on(kernels.This()), ALL)

    def test_the_helper_says_what_an_older_landlock_leaves_open_and_serves(self):
        self.assertIn(PARTLY, self.start_helper_on(kernels.Older(2)))
        self.assert_serves()


@NEEDS_ALL
@table(LACKING, ("is_named_by_check", "has_a_broker_that_says_so_and_serves"))
class Broker(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="kernels-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.broker = brokerlib.make_broker(cls.folder, CONF)
        cls.key = brokerlib.new_secret(cls.broker, "key", "add", "web-1")

    def check(self, kernel, *options):
        """What it says on standard error; all is in order."""
        done = subprocess.run([self.broker.program, "check", "--config", self.broker.conf, *options], capture_output=True,
                              text=True, timeout=20, preexec_fn=kernel.enter)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^allowed: " if options else r"^\S+ is in order: ")
        return done.stderr

    def case_is_named_by_check(self, _, spec):
        kernel = kernels.Refusing(**spec["kernel"])
        self.assertEqual(self.check(kernel), "".join(
            f"jit-broker: a broker on this machine is not confined by {part}: {why}; {remedy}\n"
            for part, why, remedy in spec["lacks"]))
        self.assertEqual(self.check(kernel, "--who", "op1", "--host", "web-1"), "")

    def test_check_says_nothing_of_a_whole_one_or_an_older_one(self):
        self.assertEqual(self.check(kernels.This()), "")
        self.assertEqual(self.check(kernels.Older(2)), "")

    def start_on(self, kernel):
        """What it says of its sandbox, once it serves."""
        self.broker.process = launch(kernel, self.broker.log, self.broker.program, "serve", "--config", self.broker.conf)
        self.addCleanup(self.broker.stop)
        brokerlib.wait_for_port("127.0.0.1", self.broker.port, self.broker.process, self.broker.log)
        api = brokerlib.Api(self.broker.port, f"{self.folder}/ca.pem", key=self.key)
        self.addCleanup(api.close)
        self.assertEqual(api.get("/requests").status, 200)
        return line_of(self.broker.log)

    def case_has_a_broker_that_says_so_and_serves(self, _, spec):
        line = self.start_on(kernels.Refusing(**spec["kernel"]))
        self.assertTrue(line.startswith(f"<{syslog.LOG_WARNING}>{spec['line']}"), line)
        for _, why, remedy in spec["lacks"]:
            self.assertIn(f"{why}; {remedy}", line)

    def test_the_broker_says_by_what_it_is_confined(self):
        self.assertRegex(self.start_on(kernels.This()), ALL)

    def test_the_broker_says_what_an_older_landlock_leaves_open_and_serves(self):
        self.assertIn(PARTLY, self.start_on(kernels.Older(2)))


if __name__ == "__main__":
    unittest.main()
