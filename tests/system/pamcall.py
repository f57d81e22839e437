#!/usr/bin/python3
"""pamcall.py SERVICE USER: what a daemon without a person does with PAM (account, open, close), as root. Prints each
phase with its return code, and what the modules say. For services whose own program cannot run in a test."""

import ctypes
import ctypes.util
import sys

PAM_SUCCESS, PAM_CONV_ERR = 0, 19


class Message(ctypes.Structure):
    _fields_ = [("style", ctypes.c_int), ("text", ctypes.c_char_p)]


CONVERSE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.POINTER(Message)), ctypes.c_void_p,
                            ctypes.c_void_p)


class Conversation(ctypes.Structure):
    _fields_ = [("converse", CONVERSE), ("data", ctypes.c_void_p)]


@CONVERSE
def converse(count, messages, _answers, _data):
    """Shows, and has nobody who could answer, as cron's and systemd's conversations."""
    for at in range(count):
        print(messages[at].contents.text.decode(), flush=True)
    return PAM_CONV_ERR


def main(service, user):
    pam = ctypes.CDLL(ctypes.util.find_library("pam"))
    handle = ctypes.c_void_p()
    conversation = Conversation(converse, None)
    code = pam.pam_start(service.encode(), user.encode(), ctypes.byref(conversation), ctypes.byref(handle))
    for phase in ("acct_mgmt", "open_session", "close_session"):
        if code != PAM_SUCCESS:
            break
        code = getattr(pam, f"pam_{phase}")(handle, 0)
        print(f"{phase} {code}", flush=True)
    pam.pam_end(handle, code)


if __name__ == "__main__":
    main(*sys.argv[1:])
