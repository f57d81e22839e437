#!/usr/bin/python3
"""make bench-profile: where the broker's processor time goes while requests are filed, approved and issued.

perf looks at the process some thousand times; each look is put to the purpose that its chain of callers names, and the
shares are printed as the table of docs/performance.md. build/bench/profile.txt has the chains, folded, and
build/bench/profile.svg is the flame graph of them: docs/broker-profile.svg is that of a run."""

import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import flame
from places import OUT
from rows_broker import AT_ONCE, Place

REQUESTS = 4000
HERTZ = 499
TITLE = f"jit-broker's processor time, while {REQUESTS:,} requests are filed, approved and issued by {AT_ONCE} hosts at once"
# The first of these that is in the chain, by a function's or a library's name, says what it was for.
PURPOSES = (
    ("sealing the credentials: a key pair for each, and the agreement (ECDH)", r"^jit_seal\b|^jit_key_new\b"),
    ("the requester's key parsed and checked", r"^jit_jwk_parse\b"),
    ("SQLite: `fdatasync`", r"fdatasync"),
    ("SQLite: writing into the WAL", r"^(__libc_)?pwrite64|^__x64_sys_pwrite64"),
    ("SQLite: the rest", r"libsqlite3"),
    ("the audit record and its hash", r"^jb_audit_format\b"),
    ("the log's lines", r"^jb_log_|^jit_log\w*"),
    ("API keys and tokens: hashed and compared", r"^jb_secret_|^jb_caller_"),
    ("policy, at filing, approval and issue", r"^jb_policy_"),
    ("TLS: reading and writing", r"libssl"),
    ("JSON: requests, records, answers", r"libjson-c"),
)
REST = "the loop, sockets, memory, and what is nobody else's"


def record(place, scratch):
    """perf's lines: a chain for each look, innermost first. What perf writes does not go to the disk that the store is on."""
    data = f"{scratch}/perf.data"
    perf = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HERTZ), "--call-graph", "dwarf,32768", "-o", data,
                             "-p", str(place.broker.process.pid)])
    time.sleep(1)  # perf says nothing of when it has begun
    seconds, _, _ = place.flow(REQUESTS)
    perf.send_signal(2)
    perf.wait(60)
    print(f"{REQUESTS} requests in {seconds:.1f} s, {AT_ONCE} hosts at once", file=sys.stderr)
    return subprocess.run(["perf", "script", "-i", data, "--no-inline", "-F", "ip,sym,dso"], capture_output=True, text=True,
                          check=True).stdout


def chains(text):
    """Each look: [(function, library)], innermost first."""
    for block in text.split("\n\n"):
        frames = [re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", line) for line in block.splitlines()]
        found = [(frame[1].split("+")[0], os.path.basename(frame[2])) for frame in frames if frame]
        if found:
            yield found


def purpose(chain):
    for said, pattern in PURPOSES:
        if any(re.search(pattern, name) for frame in chain for name in frame):
            return said
    return REST


def main():
    if not shutil.which("perf"):
        sys.exit("profile: perf is missing: on Debian it is in linux-perf, on Fedora in perf.")
    place = Place("profile", AT_ONCE)
    try:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
            looks = list(chains(record(place, scratch)))
    finally:
        place.broker.stop()
    if not looks:
        sys.exit("profile: perf saw nothing of the broker; may it look at other processes (kernel.perf_event_paranoid)?")
    folded = collections.Counter(";".join(function for function, _ in reversed(chain)) for chain in looks)
    with open(f"{OUT}/profile.txt", "w", encoding="utf-8") as file:
        file.writelines(f"{chain} {count}\n" for chain, count in folded.most_common())
    with open(f"{OUT}/profile.svg", "w", encoding="utf-8") as file:
        file.write(flame.draw(looks, TITLE))
    shares = collections.Counter(purpose(chain) for chain in looks)
    print("| share | what |\n| --- | --- |")
    for said, count in shares.most_common():
        print(f"| {100 * count / len(looks):.0f} % | {said} |")


if __name__ == "__main__":
    main()
