"""Golden transcripts: tests/system/golden/NAME.txt holds what a person sees, word for word.

What differs from run to run (ids, codes, ports, what is left of a countdown) is normalised; everything else is
compared verbatim. `PAM_JIT_GOLDEN=write tests/run --only …` writes the files anew: read the diff before you commit it."""

import os
import re

from namespace import TREE

FOLDER = os.path.join(TREE, "tests/system/golden")
WRITE = os.environ.get("PAM_JIT_GOLDEN") == "write"
REDRAWN = "\r\x1b[K"  # the countdown's line is drawn over once a second
CHANGING = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),  # first: there may be a short id in it
    (r"\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b", "XXXX-XXXX"),
    (r"\bcode \d\d\b", "code NN"),
    (r", \d+:\d\d left", ", M:SS left"),
    (r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d"
     r"( \w+)? \d{4}", "DATE"),
    (r"\b\d\d:\d\d(:\d\d)?\b( UTC)?", "TIME"),
    (r"\bport \d+", "port N"),
    (r"\bpts/\d+\b", "pts/N"),
    (r"\bpid \d+", "pid N"),
    (r"\x1b\[[0-9;]*m", ""),
)


def draw_lines(line):
    """The drawings of one line, each state of it once."""
    drawn = []
    for part in line.split(REDRAWN):
        part = part.replace("\r", "")
        if part and (not drawn or drawn[-1] != part):
            drawn.append(part)
    return drawn or [""]


def normalise(text):
    for pattern, word in CHANGING:
        text = re.sub(pattern, word, text)
    lines = [drawn for line in text.split("\n") for drawn in draw_lines(line.rstrip("\r"))]
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


def check(case, name, text, log):
    """Compares what a person saw with the golden transcript of that name; `log` is where the raw text stands."""
    path = os.path.join(FOLDER, f"{name}.txt")
    got = normalise(text)
    if WRITE:
        os.makedirs(FOLDER, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(got)
        return
    if not os.path.exists(path):
        case.fail(f"there is no golden transcript {path}; got:\n{got}\nlog: {log}")
    with open(path, encoding="utf-8") as file:
        expected = file.read()
    if got != expected:
        case.fail(f"expected (tests/system/golden/{name}.txt):\n{expected}\ngot:\n{got}\nlog: {log}")
