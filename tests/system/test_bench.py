"""`make bench` in its smallest form: every row runs and says PASS or MISS of each goal. What is no matter of time must be
PASS; how long anything took is not looked at. And the page has the goals that the bench has."""

import json
import os
import subprocess
import sys
import unittest

import namespace

BENCH = os.path.join(namespace.TREE, "tests/bench")
sys.path.append(BENCH)

import page  # noqa: E402  (its folder has just been added)
import report  # noqa: E402
from goals import GOALS  # noqa: E402

OUT = os.path.join(namespace.TREE, "build/bench/short")  # what a run of `make bench` has left stays
TIMELESS = {"denied", "libraries", "memory", "survived/502", "survived/dropped"}


class Bench(unittest.TestCase):
    def test_every_row_runs_and_says_pass_or_miss(self):
        subprocess.run(["make", "--no-print-directory", "-C", namespace.TREE, "bench-tools"], check=True, timeout=120,
                       stdout=subprocess.DEVNULL)
        done = subprocess.run([sys.executable, f"{BENCH}/bench.py", "--ordinary", "--rounds", "1"], capture_output=True, text=True,
                              timeout=200, env={**os.environ, "BENCH_OUT": OUT})
        if "missing:" in done.stderr:
            self.skipTest(done.stderr.strip())
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        with open(f"{OUT}/report.json", encoding="utf-8") as file:
            found = json.load(file)
        verdicts = {row["key"]: row["verdict"] for row in found["rows"]}
        self.assertEqual(verdicts.keys(), GOALS.keys())
        self.assertEqual({verdicts[key] for key in TIMELESS}, {"PASS"})
        page.parts([found])  # the page can be made of it


class Page(unittest.TestCase):
    def test_the_page_has_the_goals_and_limits_of_the_bench(self):
        self.assertEqual([row[:2] for row in page.rows_of("figures")], [[goal.text, goal.limit_text] for goal in GOALS.values()])


class Figures(unittest.TestCase):
    def test_a_figure_beyond_its_limit_never_looks_like_it(self):
        self.assertEqual(report.say(1.104, "", 1.10), "1.104")
        self.assertEqual(report.say(3.0004, "ms", 3), "3.0004 ms")
        self.assertEqual(report.say(3.0004, "ms"), "3.00 ms")

    def test_a_verdict_is_on_the_figure_as_it_is(self):
        found = report.Report({"text": ""})
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            stdout, sys.stdout = sys.stdout, nowhere
            try:
                found.add("live", 1.10001)
                found.add("live", 1.1)
                found.add("throughput", 0.49999)
                found.add("denied", 0)
            finally:
                sys.stdout = stdout
        self.assertEqual([row["verdict"] for row in found.rows], ["MISS", "PASS", "MISS", "MISS"])

    def test_an_interval_is_that_of_the_order_statistics(self):
        """Known ranks for 95 % (sign test): of 10 the 2nd and 9th, of 40 the 14th and 27th; five are too few."""
        self.assertEqual(report.interval(list(range(1, 11))), (2, 9))
        self.assertEqual(report.interval(list(range(1, 41))), (14, 27))
        self.assertIsNone(report.interval([1, 2, 3, 4, 5]))


if __name__ == "__main__":
    unittest.main()
