"""`make bench` in its smallest form: every row runs and says PASS or MISS of each goal. What is no matter of time must
be PASS; how long anything took is not looked at."""

import os
import re
import subprocess
import sys
import unittest

import namespace

BENCH = os.path.join(namespace.TREE, "tests/bench/bench.py")
TIMELESS = ("a denial", "libraries new", "memory that", "a 502", "a dropped connection")


@unittest.skipUnless(os.environ.get("PAM_JIT_FULL"), "it takes a minute; run with --full")
class Bench(unittest.TestCase):
    def test_every_row_runs_and_says_pass_or_miss(self):
        subprocess.run(["make", "--no-print-directory", "-C", namespace.TREE, "bench-tools"], check=True, timeout=120)
        done = subprocess.run([sys.executable, BENCH, "--ordinary", "--rounds", "1"], capture_output=True, text=True, timeout=900)
        if "missing:" in done.stderr:
            self.skipTest(done.stderr.strip())
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        rows = re.findall(r"^(PASS|MISS)  (.*)$", done.stdout, re.M)
        for what in TIMELESS:
            said = [verdict for verdict, goal in rows if goal.startswith(what)]
            self.assertEqual(set(said), {"PASS"}, what)


if __name__ == "__main__":
    unittest.main()
