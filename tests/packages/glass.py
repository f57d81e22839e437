"""Every door of a booted machine whose broker does not answer: who knocks, what they answer, what came of it and when.

A knock is (how it ended, what was shown, the seconds from the last password to a question or to the end)."""

import concurrent.futures
import ctypes
import socket
import threading
import time
from typing import NamedTuple

import pexpect

from lab import PASSWORD
from terminal import wait_until

WORDS = r'No broker can be reached\. To go on without an approval type "break glass" \(it is logged and reported\): ?'
REASON = r"Reason \(at least 8 characters\): ?"
WHY = "the broker is on fire"
CLONE_NEWNET = 0x40000000
ENDED = "pkexec is done"
# An agent of polkit's in the foreground, and pkexec, once it is there, behind it.
PKEXEC = (f"rm -f go; mkfifo go; (cat go >/dev/null; pkexec id; echo {ENDED}) & pkttyagent --notify-fd 3 --process $! 3>go")
COMMANDS = {"sudo": "sudo id", "sudo-i": "sudo -i id", "su": "su -c id root", "polkit-1": PKEXEC}
BY_KEY = "sshd by key"
SSH = {"sshd": ["PreferredAuthentications=keyboard-interactive", "NumberOfPasswordPrompts=1"],
       BY_KEY: ["PreferredAuthentications=publickey"]}
DOORS = (*COMMANDS, *SSH, "login")
IN, OUT = "in", "out"


class Knock(NamedTuple):
    door: str
    who: str
    end: str
    asked: bool
    seconds: float
    shown: str

    def __str__(self):
        return f"{self.who} at {self.door}: {self.end} after {self.seconds:.1f} s: {self.shown!r}"


class Visitor:
    """A person with a login session for each door that is opened from within one. Made before any door is gated."""

    def __init__(self, machine, user):
        self.machine, self.user = machine, user
        self.terminals = {door: machine.terminal(user) for door in COMMANDS}
        self.agent = self.terminals["polkit-1"].run("tty")[1].strip()

    def close(self):
        for terminal in self.terminals.values():
            terminal.close()

    def knock(self, door, limit):
        """Goes through a door, answers all questions; `limit` seconds for each."""
        if door in COMMANDS:
            self.terminals[door].start(COMMANDS[door])
            return self._answer(door, self.terminals[door], limit, inside=r"uid=0\(root\)")
        how = {"door": "login"} if door == "login" else {"options": SSH[door]}
        with self.machine.terminal(self.user, wait=False, **how) as terminal:
            return self._answer(door, terminal, limit, inside=terminal.prompt)

    def _answer(self, door, terminal, limit, inside):
        began, first, shown, asked, end = time.monotonic(), None, "", False, OUT
        shut = {"login": "login: $", "polkit-1": f"{ENDED}\r"}.get(door)
        patterns = [pexpect.EOF, pexpect.TIMEOUT, terminal.prompt, r"[Pp]assword(?: for \w+)?: ", WORDS, REASON, inside]
        if inside == terminal.prompt:
            patterns[2] = ENDED
        patterns += [shut] if shut else []
        while True:
            found = terminal.child.expect(patterns, timeout=limit)
            shown += terminal.child.before if isinstance(terminal.child.before, str) else ""
            if found == 1:
                raise AssertionError(f"{self.user} hangs at {door} for {limit} s: {shown!r}")
            if found == 3:
                if door == "polkit-1":  # its agent throws away what is typed before it has switched the echo off
                    wait_until("no echo", lambda: " -echo " in self.machine.run(["stty", "-F", self.agent, "-a"]))
                terminal.type(PASSWORD)
                began = time.monotonic()
            elif found in (4, 5):
                first = first or time.monotonic() - began
                asked = True
                terminal.type("break glass" if found == 4 else WHY)
            elif found == 6:
                end = IN
                if door not in COMMANDS:
                    break
            elif found == 7 and door == "polkit-1":
                terminal.interrupt()
            else:
                break
        return Knock(door, self.user, end, asked, first or time.monotonic() - began,
                     " ".join(shown.replace("\r\n", "\n").split()))

    def give_back(self):
        """What breaking the glass has given to the sessions."""
        for terminal in self.terminals.values():
            terminal.run("jit end")


def knock_all(visitors, limit, doors=DOORS):
    """Everybody at every door at once: {(user, door): Knock}."""
    with concurrent.futures.ThreadPoolExecutor(len(visitors) * len(doors)) as pool:
        jobs = {(visitor.user, door): pool.submit(visitor.knock, door, limit) for visitor in visitors for door in doors}
        return {key: job.result() for key, job in jobs.items()}


def within(machine, make):
    """Calls make() in the machine's network: what sockets it makes stay there."""
    done = []

    def enter():
        try:
            with open(f"/proc/{machine._leader}/ns/net", "rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            done.append(make())
        except OSError as error:
            done.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(done[0], OSError):
        raise done[0]
    return done[0]


class Hole:
    """A port that answers to no connection at all: its queue is full, and the kernel throws away what comes."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen(0)
        self.fillers = []
        for _ in range(4):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            self.fillers.append(filler)

    def close(self):
        for each in (self.socket, *self.fillers):
            each.close()


class Mute:
    """A port that takes every connection and never says anything."""

    def __init__(self, port, kind=socket.SOCK_STREAM):
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            self.socket.listen(256)

    def close(self):
        self.socket.close()
