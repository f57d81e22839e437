"""The tables of docs/reliability.md, from matrix.py: `python3 -m faults.page` in tests/ writes them anew."""

import os
import re

from . import matrix

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs/reliability.md")
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


def either(pieces):
    return " / ".join(f"“{words}”" for words in pieces if words)


def show_option(option):
    said, other = either(option.says), either(option.other)
    logged = either(words for words in option.log if words not in option.says)
    read = f": {said or 'nothing'}; {other}" if other else f": {said}" if said else ""
    return option.came + read + (f"; log: {logged}" if logged else "")


def show(cell):
    options = map(show_option, cell.options)
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
