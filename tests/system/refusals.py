"""What the daemons' sandboxes refused while tests ran, as the kernel's log has it. A call that a daemon makes and its list
lacks is answered ENOSYS: libraries fall back, and no test need notice. The log has some ten lines at once and leaves out
more: one that is made again and again is seen, one that drowns in others may not be."""

import re
import subprocess

import inject

LINE = re.compile(r'type=1326 .* comm="([^"]*)" exe="[^"]*?/?(jit-helper|jit-broker)" sig=\d+ .*syscall=(\d+) ')


def _log():
    """The log's lines; None where it cannot be read."""
    try:
        done = subprocess.run(["dmesg"], capture_output=True, text=True, errors="replace", timeout=30)
    except OSError:
        return None
    return done.stdout.splitlines() if done.returncode == 0 else None


def mark():
    """Where the log stands now: its last line. None where it has none."""
    lines = _log()
    return lines[-1] if lines else None


def after(lines, begin):
    """[(program, number of the call)] after that line, but for what a test made on purpose (inject.py). None where the log
    has been overrun since, or never speaks of refusals."""
    if begin not in lines:
        return None
    lines = [line for line in lines[lines.index(begin) + 1:] if "type=1326 " in line]
    found = [LINE.search(line) for line in lines]
    return sorted({(one[2], int(one[3])) for one in found if one and one[1] != inject.HELD}) if lines else None


def since(begin):
    """The same of the log as it stands now."""
    lines = _log()
    return after(lines, begin) if lines and begin else None
