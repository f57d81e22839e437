"""System calls made within a running process of somebody else's, as who has taken it over would make them: a debugger's
work (ptrace, as root), in which the process's own filters and rules count. It bears another name meanwhile, by which the
kernel's log tells what it was made to do from what it does (refusals.py); its number there is not the laboratory's."""

import ctypes
import os
import signal
import struct

from processes import state_of
from terminal import wait_until

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long
GETREGSET, SETREGSET, SEIZE, INTERRUPT, SINGLESTEP, CONT, DETACH = 0x4204, 0x4205, 0x4206, 0x4207, 9, 7, 17
NT_PRSTATUS = 1
PR_SET_NAME = 15
HELD = "injected"
SCRATCH = 4096  # bytes below the stack's end that nobody uses
# How many 64-bit registers, and which of them are what; the instruction is as long as `step`.
MACHINES = {
    "x86_64": {"count": 27, "number": 10, "old_number": 15, "result": 10, "stack": 19, "next": 16, "step": 2,
               "arguments": (14, 13, 12, 7, 9, 8), "instruction": b"\x0f\x05"},
    "aarch64": {"count": 34, "number": 8, "old_number": None, "result": 0, "stack": 31, "next": 32, "step": 4,
                "arguments": (0, 1, 2, 3, 4, 5), "instruction": b"\x01\x00\x00\xd4"},
}
MACHINE = os.uname().machine
# By the kernel's tables: x86_64, aarch64.
CALLS = {"openat": (257, 56), "execve": (59, 221), "socket": (41, 198), "connect": (42, 203), "ptrace": (101, 117),
         "mount": (165, 40), "prctl": (157, 167), "setuid": (105, 146), "kill": (62, 129), "close": (3, 57),
         "unlinkat": (263, 35), "mprotect": (10, 226), "sendto": (44, 206)}


def possible():
    return MACHINE in MACHINES and os.geteuid() == 0


def _ptrace(request, pid, address=0, data=0):
    if LIBC.ptrace(request, pid, address, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


class Died(Exception):
    """The process's end came of the call: `signal` ended it."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.signal = number


class Process:
    """A process that waits in a system call, held while this is in use:  with Process(pid) as held: held.call(…)"""

    def __init__(self, pid):
        self.pid = pid
        self.machine = MACHINES[MACHINE]

    def __enter__(self):
        wait_until("it waits", lambda: state_of(self.pid) == "S")
        _ptrace(SEIZE, self.pid)
        _ptrace(INTERRUPT, self.pid)
        self._wait()
        self.before = self._registers()
        at = self.before[self.machine["next"]] - self.machine["step"]
        if self._memory(at, self.machine["step"]) != self.machine["instruction"]:
            _ptrace(DETACH, self.pid)
            raise AssertionError("it does not wait in a system call")
        with open(f"/proc/{self.pid}/comm", encoding="utf-8") as file:
            self.name = file.read().strip()
        self.call("prctl", PR_SET_NAME, HELD)
        return self

    def __exit__(self, kind, *_):
        if kind is not Died:
            self.call("prctl", PR_SET_NAME, self.name)
            self._set_registers(self.before)
            _ptrace(DETACH, self.pid)

    def _wait(self):
        """Until it has stopped; whether that was because it had made its step."""
        _, status = os.waitpid(self.pid, 0x40000000)  # __WALL
        if os.WIFSIGNALED(status):
            raise Died(os.WTERMSIG(status))
        if os.WIFEXITED(status):
            raise AssertionError(f"it ended with status {os.WEXITSTATUS(status)}")
        return status >> 8 == signal.SIGTRAP

    def _registers(self):
        raw = (ctypes.c_ulonglong * self.machine["count"])()
        vector = struct.pack("PN", ctypes.addressof(raw), ctypes.sizeof(raw))
        _ptrace(GETREGSET, self.pid, NT_PRSTATUS, ctypes.cast(vector, ctypes.c_void_p).value)
        return list(raw)

    def _set_registers(self, values):
        raw = (ctypes.c_ulonglong * self.machine["count"])(*values)
        vector = struct.pack("PN", ctypes.addressof(raw), ctypes.sizeof(raw))
        _ptrace(SETREGSET, self.pid, NT_PRSTATUS, ctypes.cast(vector, ctypes.c_void_p).value)

    def _memory(self, at, size, data=None):
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(at)
            return memory.write(data) if data is not None else memory.read(size)

    def call(self, name, *arguments):
        """Its result, -errno where it failed. Text and bytes are laid into its stack."""
        registers = list(self.before)
        scratch = self.before[self.machine["stack"]] - SCRATCH
        for place, argument in zip(self.machine["arguments"], arguments):
            if isinstance(argument, (bytes, str)):
                data = argument if isinstance(argument, bytes) else argument.encode() + b"\0"
                self._memory(scratch, len(data), data)
                argument, scratch = scratch, scratch + (len(data) + 15 & ~15)
            registers[place] = argument & 0xffffffffffffffff
        registers[self.machine["number"]] = CALLS[name][list(MACHINES).index(MACHINE)]
        if self.machine["old_number"] is not None:
            registers[self.machine["old_number"]] = 0xffffffffffffffff
        registers[self.machine["next"]] -= self.machine["step"]
        self._set_registers(registers)
        _ptrace(SINGLESTEP, self.pid)
        while not self._wait():  # a signal came first
            _ptrace(SINGLESTEP, self.pid)
        return ctypes.c_longlong(self._registers()[self.machine["result"]]).value
