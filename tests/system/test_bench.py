"""`make bench` in its smallest form: every row runs and says PASS or MISS of each goal. What is no matter of time must be
PASS; how long anything took is not looked at. And the page has the goals that the bench has."""

import contextlib
import io
import json
import os
import subprocess
import sys
import unittest
import unittest.mock
from xml.etree import ElementTree

import namespace

BENCH = os.path.join(namespace.TREE, "tests/bench")
sys.path.append(BENCH)

import flame  # noqa: E402  (its folder has just been added)
import page  # noqa: E402
import report  # noqa: E402
import rows_host  # noqa: E402
from goals import GOALS  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = os.path.join(namespace.TREE, "docs/broker-profile.svg")
OUT = os.path.join(namespace.TREE, "build/bench/short")  # what a run of `make bench` has left stays
# Not the processor time of the idle helper: it is little, and on a loaded machine what it takes to be woken up is not. What
# test_footprint.py asks of the short tier instead is that no timer ticks.
TIMELESS = {"denied", "libraries", "memory", "survived/502", "survived/dropped"}


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = namespace.why_not()
        if reason:
            raise unittest.SkipTest(reason)

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


def reported(*added):
    """A report of these: a key and a figure, or all rounds' figures, or ours and another contestant's."""
    found = report.Report({"text": ""})
    with contextlib.redirect_stdout(io.StringIO()):
        for key, *figures in added:
            (found.against if len(figures) > 1 else found.add)(key, *figures)
    return found


class Figures(unittest.TestCase):
    def test_a_figure_beyond_its_limit_never_looks_like_it(self):
        self.assertEqual(report.say(1.104, "", 1.10), "1.104")
        self.assertEqual(report.say(3.0004, "ms", 3), "3.0004 ms")
        self.assertEqual(report.say(3.0004, "ms"), "3.00 ms")

    def test_a_verdict_is_on_the_figure_as_it_is(self):
        found = reported(("live", 1.10001), ("live", 1.1), ("throughput", 0.49999), ("denied", 0))
        self.assertEqual([row["verdict"] for row in found.rows], ["MISS", "PASS", "MISS", "MISS"])

    def test_a_verdict_that_another_run_may_turn_says_so(self):
        """Where the interval's ends are on both sides of the limit; on the limit is within it."""
        reaches, keeps, far = [1, 2, 3, 4, 5, 6], [1, 1.5, 2, 2.5, 2.75, 3], [7, 8, 9, 10, 11, 12]
        found = reported(("fresh", [2, 2, 2.5, 2.5, 4, 4]), ("fresh", [2, 2, 3.5, 3.5, 4, 4]), ("fresh", keeps), ("fresh", far), ("fresh", 2.9),
                         ("throughput", [0.4, 0.4, 0.6, 0.6, 0.6, 0.6]), ("fresh/duo", reaches, [1, 2, 3, 4, 9, 9]),
                         ("fresh/duo", reaches, [0, 1, 2, 3, 9, 9]), ("fresh/duo", reaches, far))
        said = ["PASS, within noise", "MISS, within noise", "PASS", "MISS", "PASS", "PASS, within noise", "PASS", "MISS, within noise", "PASS"]
        self.assertEqual([report.shown(row)[3] for row in found.rows], said)
        self.assertEqual([line.split(" | ")[3].strip() for line in found.text().splitlines() if line.startswith(("| a fresh", "| filing"))], said)

    def test_an_intervals_end_beyond_the_limit_never_looks_like_it(self):
        found = reported(("fresh", [2, 2, 2.5, 2.5, 2.5, 3.0004]))
        self.assertEqual(report.shown(found.rows[0])[1], "2.50 ms (2 to 3.0004)")

    def test_of_several_runs_it_says_how_many(self):
        row = lambda verdict, noise: {"verdict": verdict, "noise": noise}
        clear, near, missed = row("PASS", False), row("PASS", True), row("MISS", True)
        for rows, said in (([clear] * 3, "PASS"), ([near] * 3, "PASS, within noise"), ([missed] * 2, "MISS, within noise"),
                           ([clear, near, clear], "PASS, within noise in 1 of 3"),
                           ([clear, near, missed], "PASS in 2 of 3, within noise in 2 of 3")):
            self.assertEqual(report.verdict(rows), said)

    def test_the_page_says_what_the_run_says(self):
        near = reported(("throughput", [0.4, 0.4, 0.6, 0.6, 0.6, 0.6])).rows[0]
        rows = [{**near, "key": key} if key == "throughput" else {**near, "key": key, "noise": False} for key in GOALS]
        lines = page.figures([{"rows": rows}, {"rows": rows}]).splitlines()[2:]
        self.assertEqual([line.split(" | ")[4].strip() for line in lines if "within noise" in line], ["PASS, within noise"])

    def test_what_the_idle_helper_uses_is_told_as_it_was_measured(self):
        figures = dict.fromkeys(("own", "rss", "pss"), 9_000_000)
        for ns, shown in ((400_000, ("0.400 ms", "≤ 5 ms", "PASS")), (6_000_000, ("6 ms", "≤ 5 ms", "MISS"))):
            measured = {"live": figures, "bytes_each": 12_000, "seconds": 30, "ns": ns, "wakeups": 3}
            found = report.Report({"text": ""})
            with unittest.mock.patch.multiple(rows_host.livesessions, measure=lambda *_: measured, issuer=lambda: (None, {}),
                                              dismiss=lambda _: None), contextlib.redirect_stdout(io.StringIO()):
                rows_host.helper(unittest.mock.Mock(), found, lambda usual: usual)
            idle = found.rows[-1]
            self.assertEqual(report.shown(idle)[1:], shown)
            self.assertIn("wake-ups in 30 s: 3", idle["beside"])

    def test_an_interval_is_that_of_the_order_statistics(self):
        """Known ranks for 95 % (sign test): of 10 the 2nd and 9th, of 40 the 14th and 27th; five are too few."""
        self.assertEqual(report.interval(list(range(1, 11))), (2, 9))
        self.assertEqual(report.interval(list(range(1, 41))), (14, 27))
        self.assertIsNone(report.interval([1, 2, 3, 4, 5]))


class Flame(unittest.TestCase):
    """The picture of a profile: made of chains of callers, innermost first."""

    @staticmethod
    def drawn(*chains):
        """{name: (its tooltip, left, bottom, width)} of the picture of these: (how many looks, chain)."""
        looks = [chain for count, chain in chains for _ in range(count)]
        found = {}
        for group in ElementTree.fromstring(flame.draw(looks, "A <title> & more")).iter(f"{SVG}g"):
            place = group.find(f"{SVG}rect")
            said = group.find(f"{SVG}title").text
            found[said.split(" (")[0]] = said, *(float(place.get(name)) for name in ("x", "y", "width"))
        return found

    def test_a_function_is_as_wide_as_its_share_and_above_its_caller(self):
        main = ("main", "jit-broker")
        found = self.drawn((600, [("hash", "libcrypto.so.3"), ("work", "jit-broker"), main]), (150, [("work", "jit-broker"), main]),
                           (250, [main]))
        self.assertEqual({name: said for name, (said, *_) in found.items()}, {
            "all": "all", "main": "main (jit-broker): 100.0 %", "work": "work (jit-broker): 75.0 %", "hash": "hash (libcrypto.so.3): 60.0 %"})
        whole = flame.WIDTH - 2 * flame.EDGE
        for name, depth, share in (("main", 1, 1), ("work", 2, 0.75), ("hash", 3, 0.6)):
            _, left, top, width = found[name]
            self.assertAlmostEqual(width, share * whole, delta=0.1)
            self.assertEqual((left, top), (flame.EDGE, found["all"][2] - depth * flame.ROW))

    def test_what_is_under_half_a_percent_is_left_out(self):
        main = ("main", "jit-broker")
        found = self.drawn((991, [main]), (5, [("seldom", "libc.so.6"), main]), (4, [("less", "libc.so.6"), main]))
        self.assertEqual(list(found), ["all", "main", "seldom"])

    def test_names_are_text_whatever_they_hold(self):
        found = self.drawn((1, [("operator<<b>&", "lib&.so")]))
        self.assertEqual(found["operator<<b>&"][0], "operator<<b>& (lib&.so): 100.0 %")

    def test_the_kernel_is_its_call_and_a_library_without_names_is_itself(self):
        found = self.drawn((1, [("iowrite16", flame.KERNEL), ("__x64_sys_fdatasync", flame.KERNEL), ("do_syscall_64", flame.KERNEL),
                                ("fdatasync", "libc.so.6"), ("[unknown]", "libsqlite3.so.0.8.6"), ("[unknown]", "libsqlite3.so.0.8.6"),
                                ("__libc_start_main@@GLIBC_2.34", "libc.so.6")]))
        self.assertEqual(list(found), ["all", "__libc_start_main", "libsqlite3", "fdatasync"])
        self.assertEqual(found["fdatasync"][0], f"fdatasync ({flame.KERNEL}): 100.0 %")

    def test_the_picture_in_docs_is_one_that_needs_nothing_else(self):
        with open(PICTURE, encoding="utf-8") as file:
            text = file.read()
        self.assertLess(len(text.encode()), 150_000)
        tags = {part.tag.removeprefix(SVG) for part in ElementTree.fromstring(text).iter()}
        self.assertEqual(tags, {"svg", "title", "style", "g", "rect", "text"})
        for name in ("main", "jb_engine_file", "jit_seal", "sqlite3_step"):
            self.assertRegex(text, rf"<title>{name} \([^)]*\): [\d.]+ %</title>")
        self.assertIn(f"]({os.path.basename(PICTURE)})", page.read())


if __name__ == "__main__":
    unittest.main()
