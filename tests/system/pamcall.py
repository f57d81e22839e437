#!/usr/bin/python3
"""pamcall.py SERVICE USER [ITEM=VALUE…]: what a daemon without a person does with PAM (account, open, close), as root. Prints each
phase with its return code, and what the modules say. For services whose own program cannot run in a test."""

import ctypes
import ctypes.util
import os
import sys

PAM_SUCCESS, PAM_CONV_ERR = 0, 19
ITEMS = {"TTY": 3, "RHOST": 4, "RUSER": 8}


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
        print(messages[at].contents.text.decode(errors="replace"), flush=True)
    return PAM_CONV_ERR


def main(service, user, *items):
    pam = ctypes.CDLL(ctypes.util.find_library("pam"))
    handle = ctypes.c_void_p()
    conversation = Conversation(converse, None)
    code = pam.pam_start(service.encode(), os.fsencode(user), ctypes.byref(conversation), ctypes.byref(handle))
    for name, value in (item.split("=", 1) for item in items):
        pam.pam_set_item(handle, ITEMS[name], os.fsencode(value))
    for phase in ("acct_mgmt", "open_session", "close_session"):
        if code != PAM_SUCCESS:
            break
        code = getattr(pam, f"pam_{phase}")(handle, 0)
        print(f"{phase} {code}", flush=True)
    pam.pam_end(handle, code)


if __name__ == "__main__":
    main(*sys.argv[1:])
