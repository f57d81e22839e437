"""The fenced blocks of a document, in order, for tests that run what a page tells people to type.

A block's label is what stands behind its fence. In docs/quickstart.md:

  sh            root types it; every line succeeds (run it as one `sh -e` script; blocks share the
                machine alone)
  sh look       root types it and reads: exit status 0 or 1 of each line is right (jit doctor: 1 is a warning)
  sh op1        op1 types it, line after line, on a terminal that stays open over all blocks with that label; sudo's and
                ssh's questions (password, reason, Enter) are answered as they come, and a line that waits for an
                approval goes on while the blocks behind it are played
  sh appr1      likewise
  console       what it looks like; nothing is run

REQUEST stands in a page for the id of the request that waits, as the person's terminal shows it."""

import re

REQUEST = "R7KD-2M9Q"
_FENCE = re.compile(r"^(`{3,})([^`]*)$")


class Block:
    """`label` as a list of words, `text` without the fences, `line` the number of its first line, `section` the heading
    that it stands under."""

    def __init__(self, path, line, label, text, section):
        self.path, self.line, self.label, self.text, self.section = path, line, label, text, section

    def __repr__(self):
        return f"{self.path}:{self.line} [{' '.join(self.label)}]"

    @property
    def who(self):
        """Whose block it is: "root", a person's name, or None where nothing is to be run."""
        if self.label[:1] != ["sh"]:
            return None
        return self.label[1] if self.label[1:] and self.label[1] != "look" else "root"

    @property
    def may_warn(self):
        return "look" in self.label

    def commands(self):
        """Its lines with continuations joined, without comments and empty ones. Not for blocks with here-documents."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def blocks(path):
    found, label, began, held, fence, section = [], None, 0, [], "", ""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file.read().splitlines(), 1):
            match = _FENCE.match(line)
            if label is None and match:
                fence, label, began, held = match[1], match[2].split(), number + 1, []
            elif label is None and line.startswith("## "):
                section = line[3:]
            elif label is not None and line == fence:
                found.append(Block(path, began, label, "\n".join(held) + "\n", section))
                label = None
            elif label is not None:
                held.append(line)
    if label is not None:
        raise ValueError(f"{path}:{began}: the block does not end")
    return found
