"""Runs a command whose clock of the time since boot has been put forward, as after a suspend: in a time namespace.

  in_time.py SECONDS COMMAND…     SIGTERM is passed on; the exit status is the command's"""

import ctypes
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from namespace import die_with_parent  # noqa: E402  (its folder has just been added)

CLONE_NEWTIME = 0x80


def main(seconds, *command):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWTIME) < 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWTIME)")
    with open("/proc/self/timens_offsets", "w", encoding="ascii") as offsets:
        offsets.write(f"boottime {int(seconds)} 0\n")
    pid = os.fork()  # children are born into it
    if pid == 0:
        die_with_parent()
        os.execv(command[0], command)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
