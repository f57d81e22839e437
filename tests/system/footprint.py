"""What a process takes: memory, descriptors, threads, processor time, wake-ups. Read from /proc, so the process notices
nothing of it."""

import os
import re

ESTABLISHED = "01"  # in /proc/net/tcp
WAITS = {"x86_64": "232", "aarch64": "22"}.get(os.uname().machine)  # epoll_wait, or epoll_pwait


def memory(pid):
    """Bytes: `rss`, `pss` (of what others map too, its share), and `own`: what it has written to, heap and stack before all.
    That alone does not depend on who else runs here."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line and "kB" in line)
    kib = {name: int(value.split()[0]) for name, value in lines.items()}
    return {name: 1024 * kib[line] for name, line in (("rss", "Rss"), ("pss", "Pss"), ("own", "Anonymous"))}


def descriptors(pid):
    """What each descriptor is open on, by its number."""
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(number)] = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def connections(pid):
    """How many of them are TCP connections. A client keeps some open for its next call, so that their number says little."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as file:
            rows = [line.split() for line in file][1:]
        inodes |= {f"socket:[{row[9]}]" for row in rows if row[3] == ESTABLISHED}
    return len(inodes & set(descriptors(pid).values()))


def effort(pid):
    """`ns` of processor time, and how often it began to `wait` or was put `aside`, of all its threads."""
    found = {"ns": 0, "wait": 0, "aside": 0}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            found["ns"] += int(file.read().split()[0])
        with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file)
        found["wait"] += int(lines["voluntary_ctxt_switches"])
        found["aside"] += int(lines["nonvoluntary_ctxt_switches"])
    return found


def alarms(pid):
    """The timers of a sleeping process that can wake it up by itself, milliseconds each: its wait's time limit, and what is set
    of its timerfds. None: it does not wait in its loop."""
    with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
        fields = file.read().split()
    if fields[0] != WAITS:
        return None
    limit = int(fields[4], 16) & 0xffffffff
    found = [] if limit >> 31 else [limit]  # -1: it has none
    for number, what in descriptors(pid).items():
        if what == "anon_inode:[timerfd]":
            with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as file:
                left = re.search(r"^it_value: \((\d+), (\d+)\)", file.read(), re.M)
            if any(int(part) for part in left.groups()):
                found.append(1000 * int(left[1]) + int(left[2]) // 10**6)
    return found


def take(pid):
    """One sample: memory, and how many TCP connections, other descriptors and threads."""
    tcp = connections(pid)
    return {**memory(pid), "connections": tcp, "descriptors": len(descriptors(pid)) - tcp,
            "threads": len(os.listdir(f"/proc/{pid}/task"))}


def children(pid):
    """{pid: state}, zombies included."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        found = {}
        for child in file.read().split():
            with open(f"/proc/{child}/stat", encoding="utf-8") as stat:
                found[int(child)] = stat.read().rsplit(")", 1)[1].split()[0]
        return found
