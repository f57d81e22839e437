"""What the bench found: a line for each goal at once, the whole as one table at the end, and as a file."""

import json
import statistics


def median(values):
    return statistics.median(values)


def by_name(runs, field="wall"):
    """{contestant: [that field, in the order of the rounds]}"""
    found = {}
    for run in sorted(runs, key=lambda run: run["round"]):
        found.setdefault(run["name"], []).append(run[field])
    return found


def paired(runs, one, other, compare, field="wall"):
    """The median of what `compare` says of each round's two runs."""
    values = by_name(runs, field)
    return median(compare(a, b) for a, b in zip(values[one], values[other]))


class Report:
    HEAD = ("goal", "pam_jit", "limit", "", "beside it, in the same run")

    def __init__(self):
        self.rows = []
        self.more = []  # tables besides
        self.failed = []  # rows that could not be measured

    def add(self, goal, measured, limit, unit="", beside="", fine=None, limit_text=None):
        """`measured` may be no more than `limit`, unless `fine` says what is."""
        fine = measured <= limit if fine is None else fine
        row = (goal, self._say(measured, unit), limit_text or f"≤ {self._say(limit, unit)}", "PASS" if fine else "MISS",
               beside)
        self.rows.append(row)
        print("  ".join(part for part in (row[3], row[0] + ":", row[1], f"({row[2]})", row[4]) if part), flush=True)

    def fail(self, row, error):
        self.failed.append(row)
        print(f"{row} could not be measured: {error}", flush=True)

    @staticmethod
    def _say(value, unit):
        if isinstance(value, str):
            return value
        digits = 0 if value == int(value) or abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
        return f"{value:,.{digits}f}{' ' + unit if unit else ''}"

    def table(self):
        """Markdown, which reads as a table on a terminal too."""
        lines = [self.HEAD, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(4)]
        text = ["| " + " | ".join([*(line[i].ljust(widths[i]) for i in range(4)), line[4]]) + " |" for line in lines]
        return "\n".join([text[0], "|" + "|".join([*("-" * (width + 2) for width in widths), " --- "]) + "|", *text[1:]])

    def write(self, folder):
        with open(f"{folder}/report.json", "w", encoding="utf-8") as file:
            json.dump([dict(zip(("goal", "measured", "limit", "verdict", "beside"), row)) for row in self.rows], file,
                      indent=1, ensure_ascii=False)
        with open(f"{folder}/report.md", "w", encoding="utf-8") as file:
            file.write("\n\n".join([self.table(), *self.more]) + "\n")
