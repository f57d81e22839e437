"""What the daemons' sandboxes refused while tests ran, as the kernel's log has it. A call that a daemon makes and its list
lacks is answered ENOSYS: libraries fall back, and no test need notice."""

import re
import subprocess

import inject

# Made on purpose, in test_sandbox.py.
INJECTED = {numbers[list(inject.MACHINES).index(inject.MACHINE)] for name, numbers in inject.CALLS.items()
            if name in ("socket", "prctl", "setuid", "kill")} if inject.MACHINE in inject.MACHINES else set()
LINE = re.compile(r'type=1326 audit\((\d+)\.\d+:\d+\).*comm="(jit-helper|jit-broker)".* sig=0 .*syscall=(\d+) ')


def since(instant):
    """[(program, number of the call)] from that second on; None where the log cannot be read, or has no such lines."""
    try:
        log = subprocess.run(["dmesg"], capture_output=True, text=True, timeout=30)
    except OSError:
        return None
    found = [(match[2], int(match[3])) for match in LINE.finditer(log.stdout) if int(match[1]) >= instant]
    return sorted({one for one in found if one[1] not in INJECTED}) if found else None
