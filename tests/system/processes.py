"""Whether processes run, and their end."""

from terminal import wait_until

GENEROUS = 12  # seconds that a process has to end


def state_of(pid):
    """As in /proc; a zombie, when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def is_running(pid):
    """A zombie has ended."""
    return state_of(pid) != "Z"


def wait_for_end(*pids, timeout=GENEROUS):
    for pid in pids:
        wait_until(f"process {pid} has ended", lambda pid=pid: not is_running(pid), timeout)
