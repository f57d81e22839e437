"""A flame graph: where a program's processor time goes, drawn from the chains of callers that a profiler saw. A function is
as wide as the share of the looks that saw it; below it stands who called it, above it whom it called. No script is needed
to read it: opened by itself, a rectangle says its name and share where the pointer rests."""

import html
import re

WIDTH, ROW, EDGE, HEAD = 1200, 17, 10, 74
LETTER = 6.7  # how wide one is, about
LEAST = 0.005  # of all looks: what is narrower is left out
# Whose a function is, by its library's name: what the legend calls it, and its colour.
OWNERS = (("jit-broker", r"^jit-", "#9ec5fe"), ("SQLite", r"^libsqlite3", "#ffc078"), ("OpenSSL", r"^lib(ssl|crypto)", "#a9dfb0"),
          ("json-c", r"^libjson-c", "#ffe58a"), ("Linux", r"^\[", "#dcc3f0"), ("libc and others", r"", "#dee2e6"))
STYLE = "text { font: 11px monospace; fill: #212529 } .title { font: 15px sans-serif } .note { font: 12px sans-serif } " \
    "rect { stroke: #ffffff; stroke-width: 0.7 } g:hover > rect { stroke: #212529 } " + \
    " ".join(f".o{number} {{ fill: {colour} }}" for number, (_, _, colour) in enumerate(OWNERS))


VARIANT = re.compile(r"(@@.*|\.(part|constprop|isra|cold)(\.\d+)?)+$")  # a version or a piece of a function
UNKNOWN = "[unknown]"  # what perf calls a function of which no name is to be had
KERNEL = "[kernel.kallsyms]"
CALL = re.compile(r"^(?:__\w+?_sys_|ksys_|__do_sys_)(\w+)$")  # what the kernel has for a system call


class Frame:
    """A function as one chain of callers has it, and whom it called."""

    def __init__(self, function, library):
        self.function, self.library = function, library
        self.looks, self.called = 0, {}

    def owner(self):
        return next(number for number, (_, pattern, _) in enumerate(OWNERS) if re.search(pattern, self.library))


def simply(chain):
    """Outermost first. The kernel is one function, named after the system call; what a library has no names for is one too."""
    found = []
    for function, library in reversed(chain):
        if library == KERNEL:
            call = CALL.match(function)
            function = call[1] if call else "kernel"
        elif function == UNKNOWN and library != UNKNOWN:
            function = library.split(".so")[0]
        else:
            function = VARIANT.sub("", function)
        if library == KERNEL and found and found[-1][1] == KERNEL:
            if found[-1][0] == "kernel":
                found[-1] = (function, library)
        elif not found or found[-1] != (function, library):
            found.append((function, library))
    return found


def grow(chains):
    """What is under all of them, from [(function, library)], innermost first, one for each look."""
    root = Frame("all", "")
    for chain in chains:
        at = root
        at.looks += 1
        for function, library in simply(chain):
            at = at.called.setdefault((function, library), Frame(function, library))
            at.looks += 1
    return root


def laid_out(frame, least, begin=0, depth=0):
    """(frame, looks to the left of it, how many stand below it), of all that are wide enough."""
    yield frame, begin, depth
    for called in sorted(frame.called.values(), key=lambda called: called.function):
        if called.looks >= least:
            yield from laid_out(called, least, begin, depth + 1)
        begin += called.looks


def label(function, width):
    """What of its name has room."""
    room = int((width - 6) / LETTER)
    return function if len(function) <= room else function[:room - 1] + "…" if room >= 4 else ""


def rectangle(frame, left, top, width, share):
    text = label(frame.function, width)
    said = html.escape(f"{frame.function} ({frame.library}): {100 * share:.1f} %" if frame.library else frame.function)
    return f'<g><title>{said}</title><rect class="o{frame.owner()}" x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW}"/>' + \
        (f'<text x="{left + 3:.1f}" y="{top + 12}">{html.escape(text)}</text>' if text else "") + "</g>"


def legend(top):
    left, parts = EDGE, []
    for number, (name, _, _) in enumerate(OWNERS):
        parts.append(f'<rect class="o{number}" x="{left}" y="{top}" width="14" height="14"/>'
                     f'<text class="note" x="{left + 20}" y="{top + 11}">{name}</text>')
        left += 48 + 7 * len(name)
    return parts


def draw(chains, title):
    """The picture, as the text of an SVG file. `title` says what the program did."""
    root = grow(chains)
    found = list(laid_out(root, LEAST * root.looks))
    height = HEAD + ROW * (1 + max(depth for _, _, depth in found)) + EDGE
    each = (WIDTH - 2 * EDGE) / root.looks
    note = f"{root.looks:,} looks. A function is as wide as the share of it and of what it called, which stands above it; less than " \
        f"{100 * LEAST:.1f} % is left out."
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
             f"<title>{html.escape(title)}</title>", f"<style>{STYLE}</style>",
             f'<rect x="0" y="0" width="{WIDTH}" height="{height}" fill="#ffffff"/>',
             f'<text class="title" x="{EDGE}" y="22">{html.escape(title)}</text>', f'<text class="note" x="{EDGE}" y="41">{note}</text>',
             *legend(50)]
    for frame, begin, depth in found:
        lines.append(rectangle(frame, EDGE + begin * each, height - EDGE - ROW * (depth + 1), frame.looks * each, frame.looks / root.looks))
    return "\n".join([*lines, "</svg>", ""])
