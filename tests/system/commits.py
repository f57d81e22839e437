"""When a broker's changes were on the disk, and when it began to tell of them (tests/soak/commits.c, preloaded)."""

import mmap
import os
import shutil
import struct

from namespace import TREE

LIBRARY = f"{TREE}/build/tests/soak/commits.so"
HEAD = struct.Struct("<qq")
EACH = struct.Struct("<qq")
SIZE = HEAD.size + EACH.size * 65536  # commits.c maps as much


def watch(path, library=LIBRARY, owner=None):
    """Makes the file that is written to, the owner's; returns what the broker's environment wants."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.truncate(SIZE)
    if owner:
        shutil.chown(path, owner, owner)
    return {"LD_PRELOAD": library, "WATCH_COMMITS": path}


def seen(path):
    """[(when a change was on the disk, when the broker began to tell of it, or 0)], CLOCK_MONOTONIC in ns, since it was
    started; and how often it told something while what it had written was not on the disk."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), SIZE, prot=mmap.PROT_READ) as mapped:
        count, early = HEAD.unpack_from(mapped)
        return [EACH.unpack_from(mapped, HEAD.size + EACH.size * number) for number in range(count)], early
