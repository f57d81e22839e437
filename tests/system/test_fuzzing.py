"""The fuzz targets are what docs/reliability.md says they are, and the libc of fuzz_module_pam is whole: each call that
the module makes can fail in it, or cannot fail at all."""

import glob
import os
import re
import subprocess
import unittest

from lab import read
from namespace import TREE

FUZZ = os.path.join(TREE, "tests/fuzz")

# What the module calls and what cannot fail there, and why. Whatever else it calls is in libc.syms.
CANNOT_FAIL = {
    "works on memory alone": "explicit_bzero memchr memcmp memcpy memmem memset strcasecmp strcmp strcspn strlen strncmp "
                             "strnlen strpbrk strrchr strsep strspn strstr sigaddset sigemptyset sigismember",
    "fails by its arguments alone": "gmtime_r inet_ntop inet_pton snprintf strftime timegm vsnprintf",
    "always has an answer": "geteuid getpgrp getpid getppid sched_yield strerror",
    "NULL is what it says of what is not there": "getenv",
    "asked for _SC_CLK_TCK, a constant": "sysconf",
    "gives back": "globfree",
    "no call of the source": "environ __environ __errno_location __stack_chk_fail __stack_chk_guard",
}


def undefined(path):
    """By the names that the source has: __openat_2 and __snprintf_chk are checks of the compiler's around them."""
    lines = subprocess.run(["nm", "-D", "--undefined-only", path], capture_output=True, text=True, check=True,
                           timeout=60).stdout.splitlines()
    names = {line.split()[-1].split("@")[0] for line in lines}
    return {re.sub(r"^__(\w+?)_(?:chk|2)$", r"\1", name) for name in names}


@unittest.skipIf(os.environ.get("PAM_JIT_COUNTED"), "gcov's counters call what the source does not")
class Libc(unittest.TestCase):
    """tests/fuzz/libc.syms against what the module really calls."""

    @classmethod
    def setUpClass(cls):
        cls.called = undefined(os.path.join(TREE, "build/pam_jit.so"))
        cls.faked = {line.split()[0] for line in read(f"{FUZZ}/libc.syms").splitlines()}
        cls.safe = {name for names in CANNOT_FAIL.values() for name in names.split()}

    def test_each_call_of_the_module_can_fail_when_it_is_fuzzed_or_never_does(self):
        pam = {name for name in self.called if name.startswith("pam_")}
        self.assertEqual(self.called - pam - self.faked - self.safe, set(), "write it into libc.syms and libc.c")
        self.assertEqual(pam - set(re.findall(r"^\w[\w *]*?\b(pam_\w+)\(", read(f"{FUZZ}/pam.c"), re.M)), set())

    def test_no_call_stands_in_both_lists_or_in_the_first_for_nothing(self):
        self.assertEqual(self.faked & self.safe, set())
        self.assertEqual(self.faked - self.called, set())


class Targets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.targets = {os.path.basename(path)[len("fuzz_"):-len(".c")] for path in glob.glob(f"{FUZZ}/fuzz_*.c")}

    def test_the_page_has_a_row_for_each_target_and_no_other(self):
        page = read(f"{TREE}/docs/reliability.md").split("\n## Fuzzing\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| (`.*?) \|", page, re.M)
        named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
        self.assertEqual(sorted(named), sorted(self.targets))

    def test_each_target_has_seeds_and_what_lies_beside_has_a_target(self):
        for target in self.targets:
            with self.subTest(target):
                self.assertTrue(glob.glob(f"{FUZZ}/seeds/fuzz_{target}/*"))
        beside = {os.path.basename(path) for path in glob.glob(f"{FUZZ}/seeds/*")}
        beside |= {os.path.basename(path)[:-len(".dict")] for path in glob.glob(f"{FUZZ}/dictionaries/*.dict")}
        self.assertLessEqual(beside, {f"fuzz_{target}" for target in self.targets})


if __name__ == "__main__":
    unittest.main()
