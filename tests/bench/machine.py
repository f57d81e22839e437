"""The machine that a run was made on, by itself: what its figures have to be read with."""

import os
import re
import statistics
import subprocess
import time

SYNCS = 100


def _first(path, pattern):
    with open(path, encoding="utf-8") as file:
        found = re.search(pattern, file.read(), re.M)
    return found[1].strip() if found else None


def _says(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip().partition("\n")[0]


def _sync_ms(folder):
    """What a page at the end of a file takes until it is on the disk."""
    path, times = os.path.join(folder, "sync"), []
    with open(path, "wb", buffering=0) as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            began = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(1000 * (time.monotonic() - began))
    os.unlink(path)
    return statistics.median(times)


def describe(folder):
    """`folder`: where the store is to lie."""
    cpu = _first("/proc/cpuinfo", r"^model name\s*:(.*)$") or os.uname().machine
    memory = int(_first("/proc/meminfo", r"^MemTotal:\s*(\d+)")) / 1024 ** 2
    system = _first("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)')
    virtual = ", a virtual machine" if " hypervisor" in (_first("/proc/cpuinfo", r"^flags\s*:(.*)$") or "") else ""
    sudo = re.sub(r"^Sudo version ", "sudo ", _says("sudo", "-V"))
    duo = _says("dpkg-query", "-W", "-f", "pam_duo ${Version}", "libpam-duo")
    disk = _says("findmnt", "-nro", "FSTYPE", "-T", folder) or _says("stat", "-f", "-c", "%T", folder)
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    parts = [f"{cores} {'core' if cores == 1 else 'cores'} ({cpu}{virtual}), {memory:.0f} GB", f"{system}, Linux {os.uname().release}",
             *filter(None, (sudo, duo)), f"the store on {disk}, whose `fdatasync` takes {_sync_ms(folder):.2f} ms"]
    return {"text": "; ".join(parts) + f". The load was {load:.1f} when it began.", "load": load}
