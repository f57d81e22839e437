"""The tables of docs/reliability.md, from matrix.py: `python3 -m faults.page` in tests/ writes them anew."""

import os
import re

from . import matrix

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs/reliability.md")
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


def show(cell):
    options = []
    for came, says, log in cell.options:
        said = " / ".join(f"“{words}”" for words in says if words)
        logged = " / ".join(f"“{words}”" for words in log if words and words not in says)
        options.append(came + (f": {said}" if said else "") + (f"; log: {logged}" if logged else ""))
    return ", or ".join(options) + ("" if cell.asked else " °")


def table(victim):
    names = list(matrix.PHASES.values())
    lines = [f"### {matrix.VICTIMS[victim]}", "", "| fault | " + " | ".join(names) + " |", "| --- " * (len(names) + 1) + "|"]
    for fault, row in matrix.ROWS[victim].items():
        if isinstance(row, str):
            lines.append(f"| {matrix.FAULTS[fault]} | cannot occur: {row} |" + " |" * (len(names) - 1))
        else:
            lines.append(f"| {matrix.FAULTS[fault]} | " + " | ".join(show(row[phase]) for phase in matrix.PHASES) + " |")
    return "\n".join(lines)


def tables():
    return "\n\n".join(table(victim) for victim in matrix.VICTIMS)


def read():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def shown():
    """What stands in the page."""
    return re.search(f"{BEGIN}\n(.*)\n{END}", read(), re.S)[1]


if __name__ == "__main__":
    text = read().replace(shown(), tables())
    with open(PAGE, "w", encoding="utf-8") as page:
        page.write(text)
