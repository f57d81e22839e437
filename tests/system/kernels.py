"""Other kernels than this one, as far as a filter of system calls can answer for them (seccomp(2)): without Landlock or
seccomp, or with an older Landlock. What is started with `preexec_fn=kernel.enter` meets that kernel, and nobody else."""

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import threading

PR_GET_SECCOMP, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 21, 22, 2
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER = 1, 8
NOTIF_RECV, NOTIF_SEND = 0xc0502100, 0xc0182101  # ioctls of a listener
ALLOW, REFUSE, ASK = 0x7fff0000, 0x00050000, 0x7fc00000  # a filter's answers; REFUSE with an errno
LOAD, IS, ANSWER = 0x20, 0x15, 0x06  # of classic BPF
CREATE_RULESET, ASK_VERSION = 444, 1  # landlock_create_ruleset(…, …, flags)
SECCOMP, PRCTL = {"x86_64": (317, 157), "aarch64": (277, 167)}[os.uname().machine]


class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def program(*rules):
    """A filter: of each rule (call, answer) or (call, answer, argument's index, its value) the first that fits."""
    lines = []
    for call, answer, *argument in rules:
        lines += [(LOAD, 0, 0, 0), (IS, 0, 3 if argument else 1, call)]
        if argument:
            lines += [(LOAD, 0, 0, 16 + 8 * argument[0]), (IS, 0, 1, argument[1])]
        lines.append((ANSWER, 0, 0, answer))
    lines.append((ANSWER, 0, 0, ALLOW))
    return Program(len(lines), b"".join(struct.pack("=HBBI", *line) for line in lines))


def restrict(*rules):
    """For this process, still root, and all that it starts. Without no_new_privs, as in a container: sudo still becomes
    root."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program(*rules)), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


def landlock():
    """This kernel's own version; 0: none."""
    return max(0, ctypes.CDLL(None).syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION))


class This:
    """As it is."""

    def enter(self):
        pass


class Refusing:
    """Landlock answers with that errno, and with `filters` off there are no filters of system calls either."""

    def __init__(self, error=None, filters=True):
        self.rules = [(CREATE_RULESET, REFUSE | error)] if error else []
        if not filters:
            self.rules += [(PRCTL, REFUSE | errno.EINVAL, 0, PR_GET_SECCOMP), (SECCOMP, REFUSE | errno.ENOSYS)]

    def enter(self):
        restrict(*self.rules)


class Older:
    """Landlock says that it is of that version. For one process; a thread of ours answers in the kernel's place."""

    def __init__(self, version):
        self.version = version
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        threading.Thread(target=self._answer, daemon=True).start()

    def enter(self):
        libc = ctypes.CDLL(None, use_errno=True)
        rules = program((CREATE_RULESET, ASK, 2, ASK_VERSION))
        listener = libc.syscall(SECCOMP, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, ctypes.byref(rules))
        if listener < 0:
            raise OSError(ctypes.get_errno(), "SECCOMP_FILTER_FLAG_NEW_LISTENER")
        socket.send_fds(self.theirs, [b"."], [listener])
        os.close(listener)

    def _answer(self):
        with self.ours, self.theirs:
            listener = socket.recv_fds(self.ours, 1, 1)[1][0]
        wait = select.poll()
        wait.register(listener, select.POLLIN)
        while not wait.poll()[0][1] & select.POLLHUP:  # nobody is left who could ask
            asked = bytearray(80)
            fcntl.ioctl(listener, NOTIF_RECV, asked)
            fcntl.ioctl(listener, NOTIF_SEND, bytearray(asked[:8] + struct.pack("=qiI", self.version, 0, 0)))
        os.close(listener)
