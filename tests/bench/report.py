"""What the bench found: a line for each goal at once, the whole as one table at the end, and as files."""

import json
import math
import statistics

from goals import GOALS

NOISE = ("Within noise: one end of the interval, against another contestant of that of the round-by-round difference, is on the other "
         "side of the limit, so that another run may say the other thing.")
INTERVAL_OF = 6  # with fewer there are no two of which 95 % of medians lie between


def median(values):
    return statistics.median(values)


def interval(values):
    """Between what two of the values the median lies, with 95 % confidence (order statistics). None: they are too few."""
    count = len(values)
    if count < INTERVAL_OF:
        return None
    below = math.comb(count, 0) / 2 ** count
    rank = 0  # of the lower one
    while below + math.comb(count, rank + 1) / 2 ** count <= 0.025:
        rank += 1
        below += math.comb(count, rank) / 2 ** count
    ordered = sorted(values)
    return ordered[rank], ordered[-1 - rank]


def reaches_over(lies, keeps):
    """Whether one end of the interval `keeps` the limit and the other does not: another run may say the other thing."""
    return lies is not None and keeps(lies[0]) != keeps(lies[1])


def by_name(runs, field="wall"):
    """{contestant: [that field, in the order of the rounds]}"""
    found = {}
    for run in sorted(runs, key=lambda run: run["round"]):
        found.setdefault(run["name"], []).append(run[field])
    return found


def paired(runs, one, other, compare, field="wall"):
    """What `compare` says of each round's two runs."""
    values = by_name(runs, field)
    return [compare(a, b) for a, b in zip(values[one], values[other])]


def digits(value, unit):
    """After the point: three significant digits; three decimals where there is no unit, as of ratios."""
    if value == int(value):
        return 0
    return max(0, 2 - math.floor(math.log10(abs(value)))) if unit else 3


def say(value, unit, limit=None):
    """A figure for people. One that is not its limit never looks like it."""
    places = digits(value, unit)
    while limit is not None and value != limit and places < 6 and f"{value:.{places}f}" == f"{limit:.{places}f}":
        places += 1
    return f"{value:,.{places}f}{' ' + unit if unit else ''}"


def as_table(head, rows):
    """Markdown, which reads as a table on a terminal too; the last column is as long as it likes."""
    last = len(head) - 1
    widths = [max(len(row[i]) for row in [head, *rows]) if i < last else 3 for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in [head, *rows]]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def counted(said, count, of):
    return said if count == of else f"{said} in {count} of {of}"


def verdict(rows):
    """Of one goal, by the rows that as many runs have of it."""
    passed, noisy = (sum(kind) for kind in ([row["verdict"] == "PASS" for row in rows], [row["noise"] for row in rows]))
    said = counted("PASS", passed, len(rows)) if passed else "MISS"
    return said + (", " + counted("within noise", noisy, len(rows)) if noisy else "")


def shown(row):
    """(goal, pam_jit, limit, verdict) of a row of report.json."""
    goal = GOALS[row["key"]]
    figure = say(row["measured"], goal.unit, row["limit"])
    if row["interval"]:
        figure += " ({} to {})".format(*(say(end, goal.unit, row["limit"]).split()[0] for end in row["interval"]))
    limit = goal.limit_text if goal.limit is not None else f"{goal.limit_text}: {say(row['limit'], goal.unit, row['measured'])}"
    return goal.text, figure, limit, verdict([row])


GROWTH = ("how many", "memory of each that waits", "a listing, new connection", "a filing, kept connection",
          "all know of decisions on all hosts", "filing, approval and issue", "99th percentile")


def growth_table(rows):
    lines = []
    for n, each, listing, filing, know, way, p99 in rows:
        memory = f"{each / 1000:.0f} kB" if n >= 100 else "-"
        lines.append([f"{n:,}", memory, f"{listing:.1f} ms", f"{filing:.1f} ms", f"{know:,.0f} ms", f"{way:.1f} ms", f"{p99:.1f} ms"])
    return as_table(GROWTH, lines)


class Report:
    HEAD = ("goal", "pam_jit (95 % of medians)", "limit", "", "beside it, in the same run")

    def __init__(self, machine):
        self.machine = machine
        self.rows, self.growth = [], []
        self.failed = []  # rows that could not be measured

    def add(self, key, measured, beside="", limit=None, noise=None):
        """`measured`: a figure, or a list of what each round gave, whose median counts. The verdict is on the figure as it
        is, not as it is shown. `noise`: whether chance could turn it; where that is not said, the list's interval says."""
        goal = GOALS[key]
        limit = goal.limit if limit is None else limit
        figure, lies = (median(measured), interval(measured)) if isinstance(measured, list) else (measured, None)

        def keeps(value):
            return value >= limit if goal.least else value == limit if "exactly" in goal.limit_text else value <= limit

        row = {"key": key, "measured": figure, "limit": limit, "interval": lies, "verdict": "PASS" if keeps(figure) else "MISS",
               "noise": reaches_over(lies, keeps) if noise is None else noise, "beside": beside}
        self.rows.append(row)
        text, figure, limit_text, said = shown(row)
        print("  ".join(part for part in (said, text + ":", figure, f"[{limit_text}]", beside) if part), flush=True)

    def against(self, key, ours, theirs):
        """`ours` may be no more than `theirs`, both lists by the round; beside it how much it is more, round by round."""
        more = [mine - other for mine, other in zip(ours, theirs)]
        lies = interval(more)
        unit = GOALS[key].unit
        self.add(key, median(ours), limit=median(theirs), noise=reaches_over(lies, lambda end: end <= 0),
                 beside=f"{median(more):+.2f} {unit} round by round" + (f" ({lies[0]:+.2f} to {lies[1]:+.2f})" if lies else ""))

    def fail(self, row, error):
        self.failed.append(row)
        print(f"{row} could not be measured: {error}", flush=True)

    def check(self, names):
        """That each goal of these rows was judged."""
        judged = {row["key"] for row in self.rows}
        missing = sorted({goal.row for key, goal in GOALS.items() if goal.row in names and key not in judged})
        self.failed += [row for row in missing if row not in self.failed]

    def text(self):
        tables = [as_table(self.HEAD, [[*shown(row), row["beside"]] for row in self.rows])]
        return "\n\n".join([self.machine["text"], *tables, NOISE, *([growth_table(self.growth)] if self.growth else [])])

    def write(self, folder):
        with open(f"{folder}/report.json", "w", encoding="utf-8") as file:
            json.dump({"machine": self.machine, "rows": self.rows, "growth": self.growth}, file, indent=1, ensure_ascii=False)
        with open(f"{folder}/report.md", "w", encoding="utf-8") as file:
            file.write(self.text() + "\n")
