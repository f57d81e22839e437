"""What a container's seccomp filter takes away: the kernel's keys."""

import ctypes
import os
import struct

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
KEY_CALLS = {"x86_64": (248, 249, 250), "aarch64": (217, 218, 219)}[os.uname().machine]  # add_key, request_key, keyctl


class Filter(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def refuse_keys(error):
    """This process, still root, and all that it starts get that errno from add_key, request_key and keyctl from now on
    (seccomp(2), classic BPF). Without no_new_privs, as in a container: sudo still becomes root."""
    program = b"".join(struct.pack("=HBBI", *line) for line in (
        (0x20, 0, 0, 0),  # load the number of the system call
        (0x15, 2, 0, KEY_CALLS[0]),  # to the refusal
        (0x15, 1, 0, KEY_CALLS[1]),
        (0x15, 0, 1, KEY_CALLS[2]),  # past it
        (0x06, 0, 0, 0x00050000 | error),  # SECCOMP_RET_ERRNO
        (0x06, 0, 0, 0x7fff0000)))  # SECCOMP_RET_ALLOW
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Filter(6, program)), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")
