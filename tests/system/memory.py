"""What stands in a process's memory, as root reads it: where a secret lies, whether that is kept out of swap and cores, and
what a core has."""

import base64
import os
import re
import struct
import subprocess
import tempfile
import time

from lab import read

PATIENCE = 1  # seconds
HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) .*$", re.M)


def writable(pid):
    """(where it is, its content, its flags: "lo" is locked, "dd" in no core) of all that it may write to."""
    text = read(f"/proc/{pid}/smaps")
    heads = list(HEAD.finditer(text))
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for head, following in zip(heads, [*heads[1:], None]):
            if not head[3].startswith("rw"):
                continue
            flags = re.search(r"^VmFlags: (.*)$", text[head.end():following.start() if following else None], re.M)
            start, end = int(head[1], 16), int(head[2], 16)
            try:
                memory.seek(start)
                yield head[0], memory.read(end - start), flags[1].split() if flags else []
            except OSError:  # a device's
                continue


def places(pid, secrets):
    """{name: where each secret stands} for those that stand anywhere, and [(name, where)] that is not locked or in a core."""
    found, bare = {}, []
    for where, content, flags in writable(pid):
        for name, secret in secrets.items():
            if secret in content:
                found.setdefault(name, []).append(where)
                if not {"lo", "dd"} <= set(flags):
                    bare.append((name, where))
    return found, bare


def await_places(pid, secrets, *names):
    """Only these stand anywhere, in locked memory that no core has: once the process has gone on after its answer, which whoever
    asked for it may have before."""
    expected = (set(names), [])
    deadline = time.monotonic() + PATIENCE
    while (seen := places(pid, secrets)) and (set(seen[0]), seen[1]) != expected:
        if time.monotonic() >= deadline:
            raise AssertionError(f"not {expected}: (where they stand, where unprotected) is {seen}")
        time.sleep(0.02)


def core(pid):
    """What a core of it has, as gdb takes it."""
    with tempfile.TemporaryDirectory(prefix="core-") as folder:
        done = subprocess.run(["gcore", "-o", f"{folder}/core", str(pid)], capture_output=True, text=True, timeout=120, check=False)
        try:
            with open(f"{folder}/core.{pid}", "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise AssertionError(f"no core was made: {done.stderr}") from None


def registers(of):
    """What a core has beside the memory: the notes (elf(5)), which are the registers for the most part."""
    table, size, count = *struct.unpack_from("<Q", of, 32), *struct.unpack_from("<HH", of, 54)
    notes = b""
    for at in range(table, table + size * count, size):
        kind, start, length = *struct.unpack_from("<I", of, at), *struct.unpack_from("<Q", of, at + 8), *struct.unpack_from("<Q", of, at + 32)
        if kind == 4:  # PT_NOTE
            notes += of[start:start + length]
    return notes


def why_not():
    """Why it cannot be looked at here, or ""."""
    if os.environ.get("PAM_JIT_SAN"):
        return "the sanitizer's shadow memory is terabytes"
    return "" if os.geteuid() == 0 else "only root looks into such a process"


def key_texts(path):
    """What a private key on a curve looks like: in DER, in OpenSSL's numbers, in the lines of its file."""
    der = subprocess.run(["openssl", "ec", "-in", path, "-outform", "DER"], check=True, capture_output=True, timeout=20).stdout
    scalar = der[7:7 + der[6]]  # RFC 5915: the second part of the sequence, an octet string
    middle = read(path).splitlines()[1:-1][0].encode()
    assert len(scalar) == 32 and scalar in base64.b64decode("".join(read(path).splitlines()[1:-1])), path
    return {"key": scalar, "key in limbs": scalar[::-1], "key's file": middle}
