#!/usr/bin/python3
"""The tables of docs/performance.md, from what runs of `make bench` left, each a whole one:

  tests/bench/page.py REPORT.json [REPORT.json…]

The runs stand side by side in the order in which they are given; what stands beside the figures, and the table of how cost
grows, are the last one's."""

import json
import os
import re
import sys

from goals import GOALS
from report import as_table, growth_table, say, shown, verdict

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs/performance.md")


def cell(row):
    goal = GOALS[row["key"]]
    of = f" of {say(row['limit'], goal.unit, row['measured'])}" if goal.limit is None else ""
    return shown(row)[1] + of


def figures(reports):
    found = [{row["key"]: row for row in report["rows"]} for report in reports]
    lines = []
    for key, goal in GOALS.items():
        rows = [rows[key] for rows in found]
        lines.append([goal.text, goal.limit_text, *map(cell, rows), verdict(rows), rows[-1]["beside"]])
    names = [f"run {number}" for number in range(1, len(reports) + 1)]
    return as_table(["goal", "limit", *names, "verdict", "beside it, in the last run"], lines)


def machines(reports):
    return "\n".join(f"- Run {number}: {report['machine']['text']}" for number, report in enumerate(reports, 1))


def parts(reports):
    return {"machine": machines(reports), "figures": figures(reports), "growth": growth_table(reports[-1]["growth"])}


def marked(name):
    """(the mark before it, what stands there, the mark after it)."""
    return re.compile(f"(<!-- bench {name}: begin -->\n)(.*?)(<!-- bench {name}: end -->)", re.S)


def read():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def rows_of(name):
    """What stands in the page: the cells of that table, without its head."""
    lines = marked(name).search(read())[2].splitlines()
    return [[part.strip() for part in line.strip("| ").split(" | ")] for line in lines[2:]]


def load(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    missing = [key for key in GOALS if key not in {row["key"] for row in report["rows"]}]
    if missing or not report["growth"]:
        sys.exit(f"page: {path} is not of a whole run: it lacks {' '.join(missing) or 'how cost grows'}. Run `make bench` without "
                 "BENCH_ONLY.")
    return report


def main(paths):
    if not paths:
        sys.exit(f"usage: {__doc__}")
    text = read()
    for name, part in parts([load(path) for path in paths]).items():
        text, found = marked(name).subn(lambda place, part=part: f"{place[1]}{part}\n{place[3]}", text)
        assert found == 1, f"{PAGE} has no place for {name}"
    with open(PAGE, "w", encoding="utf-8") as page:
        page.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
