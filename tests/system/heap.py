"""What a daemon keeps: its heap, piece by piece, as tests/soak/heap.c counts it while it runs."""

import os
import struct

from namespace import TREE

COUNTER = os.path.join(TREE, "build/tests/soak/heap.so")
CLASSES = 513  # of pieces that have 8, 24, 40, … bytes; the last one has all that are larger
SIZE = 8 * (1 + CLASSES)


class Heap:
    """Of whatever is started with this environment, the last one of them. Any user's process may write there."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.write(bytes(SIZE))
        os.chmod(path, 0o666)
        self.environment = {"LD_PRELOAD": COUNTER, "HEAP_COUNTS": path}

    def take(self):
        """`secure`: bytes in use of the heap for secrets; `pieces` by their size. Those over 8 KiB have no size: 0."""
        with open(self.path, "rb") as file:
            secure, *numbers = struct.unpack(f"<{1 + CLASSES}q", file.read(SIZE))
        sizes = [16 * number + 8 for number in range(CLASSES - 1)] + [0]
        return {"secure": secure, "pieces": {size: n for size, n in zip(sizes, numbers) if n}}


def count(found):
    return sum(found["pieces"].values())


def size(found):
    return sum(size * n for size, n in found["pieces"].items())


def without(found, sizes, most):
    """As if pieces of those sizes, which are no more than so many, were not there."""
    there = {size: n for size, n in found["pieces"].items() if size in sizes}
    if sum(there.values()) > most:
        raise AssertionError(f"at most {most} pieces of {list(there)} bytes are expected, and there are {sum(there.values())}")
    return {**found, "pieces": {size: n for size, n in found["pieces"].items() if size not in there}}


def changes(before, after):
    """{size: pieces more}"""
    more = {size: after["pieces"].get(size, 0) - before["pieces"].get(size, 0)
            for size in sorted({*before["pieces"], *after["pieces"]})}
    return {size: n for size, n in more.items() if n}
