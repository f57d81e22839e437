"""pam_jit.so and jit played frame by frame (docs/protocol-helper.md): what they say to jit-helper, and what it answers."""

import contextlib
import os
import pwd
import signal
import socket
import struct
import time

from lab import PAM_SOCKET
from namespace import die_with_parent

SESSION_SOCKET = "/run/pam-jit/session.sock"
ELEVATE, OPEN, REPLY, TAKEN, CLOSE = 1, 2, 3, 4, 5
SAY, ASK, WAITING, VERDICT = 16, 17, 18, 19
CREDENTIALS, STATUS, END, REQUEST, FOLLOW, DOCUMENT, FAULT = 32, 33, 34, 35, 36, 48, 49
# Tags
SERVICE, APP, REQUESTER, UID, TARGET, TTY, RHOST, COMMAND, CWD, ROLE = range(1, 11)
REASON, TICKET, CAN_ASK, WAIT, GRANT, TEXT, ECHO, REMAINING, OUTCOME = range(11, 20)
TOKEN, JSON, EXIT, SEVERITY, LIVE, OBSERVE, DURATION, HOST = 20, 22, 23, 24, 25, 27, 29, 30
# Outcomes
ALLOW, IGNORE, DENIED, TIMED_OUT, CANCELLED, UNAVAILABLE, INVALID, LATER = range(8)
GENEROUS = 10  # seconds that something which must come may take


def frame(kind, **fields):
    body = b"PJ\x01" + bytes([kind])
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            value = struct.pack(">I", value) if isinstance(value, int) else value
            value = value.encode() if isinstance(value, str) else value
            body += bytes([globals()[name]]) + struct.pack(">H", len(value)) + value
    return body


def parse(packet):
    """(type, {tag: value}) of a frame; (None, {}) for the end."""
    fields, at = {}, 4
    while at < len(packet):
        length = struct.unpack_from(">H", packet, at + 1)[0]
        fields[packet[at]] = packet[at + 3:at + 3 + length]
        at += 3 + length
    return (packet[3] if packet else None), fields


class Module(socket.socket):
    """One connection of the PAM module."""

    def __init__(self, path=PAM_SOCKET):
        super().__init__(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.connect(path)
        self.settimeout(GENEROUS)

    def ask(self, kind, app="sudo", **more):
        self.send(frame(kind, **{"SERVICE": app, "APP": app, "REQUESTER": "op1", "UID": uid_of("op1"),
                                 "REASON": "disk full", "WAIT": 30, **more}))

    def expect(self, kind):
        """The fields of the next frame of that type; others but a verdict are passed over."""
        while True:
            came, fields = parse(self.recv(16384))
            if came in (kind, VERDICT, None):
                if came != kind:
                    raise AssertionError(f"expected a frame {kind}; {came} came: {fields}")
                return fields

    def next_of(self, *kinds):
        """The type of the next frame of one of these."""
        while True:
            came, _ = parse(self.recv(16384))
            if came in kinds or came is None:
                return came

    def verdict(self):
        """(outcome, text) of the verdict; whatever comes before it is passed over."""
        fields = self.expect(VERDICT)
        return fields[OUTCOME][3], fields.get(TEXT, b"").decode()


    def take(self):
        """Takes an ALLOW, and returns when the helper has heard so."""
        self.send(frame(TAKEN))
        assert self.recv(16384) == b""


def uid_of(name):
    return pwd.getpwnam(name).pw_uid


def log_in_here(name):
    """This process is in a login session of its own from now on, as after pam_loginuid."""
    with open("/proc/self/loginuid", "w", encoding="ascii") as loginuid:
        loginuid.write(str(uid_of(name)))


def forked(work, trouble):
    """Runs work(done) in a child: its pid, once that has called done(), which it may do again."""
    read_end, write_end = os.pipe()

    def done():
        with contextlib.suppress(BrokenPipeError):
            os.write(write_end, b"1")

    pid = os.fork()
    if pid == 0:
        try:
            die_with_parent()
            work(done)
        finally:
            os._exit(1)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as said:
        if said.read(1) != b"1":
            raise AssertionError(trouble)
    return pid


def in_a_process(work):
    """Runs work() in a child, which then stays until it is killed: its pid, once work() is done."""
    def once(done):
        kept = work()
        done()
        while kept:
            time.sleep(1)
    return forked(once, "the other process could not do its part")


def children_named(parent, name):
    """The pids of what that process started under that name, and of what these started, the oldest first."""
    found, parents = [], {parent}
    for pid in sorted(int(pid) for pid in os.listdir("/proc") if pid.isdigit()):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                called, rest = file.read().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if called == name and int(rest.split()[1]) in parents:
            found.append(pid)
            parents.add(pid)
    return found


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
