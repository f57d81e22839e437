"""What pam_jit is to the host beside the time at sudo: its module in other programs' processes, its helper, and `jit`."""

import os
import subprocess
import time

import livesessions
from faults.gate import Gate, bad_gateway, dropped
from host import COMMANDS, PRELOADED
from places import MODULES, TOOLS
from report import by_name, median, paired
from terminal import wait_until

PROGRAMS = ("/usr/bin/sudo", "/usr/sbin/sshd", "/usr/libexec/sudo/sudoers.so")


def load(module):
    """Nanoseconds, and the libraries that the process has then."""
    said = subprocess.run([f"{TOOLS}/dlopen", f"{MODULES}/{module}"], capture_output=True, text=True, check=True).stdout
    nanoseconds, *names = said.splitlines()
    return int(nanoseconds), {os.path.basename(name) for name in names}


def libraries_of(program):
    """Those that a program brings along by itself."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return {os.path.basename(line.split()[0]) for line in said.splitlines() if line.strip()}


def loading(_, report, size):
    """What libpam does with a module before anything else."""
    modules = {"jit": "pam_jit.so", "duo": "pam_duo.so", "floor": "pam_permit.so", "curl": "pam_exec.so"}
    times = {name: [] for name in modules}
    for _ in range(size(200)):
        for name, module in modules.items():
            times[name].append(load(module)[0] / 1000)
    found = {name: median(values) for name, values in times.items()}
    limit = max(60, found["duo"] / 20)
    report.add("loading", times["jit"], limit=limit, beside=f"pam_permit {found['floor']:.0f}, pam_exec {found['curl']:.0f}, pam_duo {found['duo']:.0f}")
    there = set.intersection(*(libraries_of(program) for program in PROGRAMS if os.path.exists(program)))
    new = {name: load(module)[1] - load("pam_permit.so")[1] - there - {module} for name, module in modules.items()}
    report.add("libraries", len(new["jit"]), f"pam_duo {len(new['duo'])}: {' '.join(sorted(new['duo']))}")


def memory(host, report, size):
    """Heap that is left in a process after many transactions: account, open_session, close_session; pam_duo's auth."""
    host.start(auto=True)
    count = max(100, size(1000))
    with host.terminal() as terminal:
        terminal.run(host.gated("jit"))
        left = {}
        for name, service, phase in (("jit", "sudo", "account"), ("duo", "bench-duo", "auth"),
                                     ("floor", "bench-floor", "account")):
            status, text = terminal.run(
                f"sudo /usr/bin/env GLIBC_TUNABLES=glibc.malloc.tcache_count=0 LD_PRELOAD={os.path.basename(PRELOADED)} "
                f"{COMMANDS}/jit/transactions {service} op1 {count} {phase}", 300)
            if status:
                raise AssertionError(f"{count} transactions with {service} ended with {status}: {text}")
            left[name] = int(text.split()[-1])
    report.add("memory", max(0, left["jit"] - left["floor"]), f"after {count:,}: pam_permit {left['floor']:,}, pam_duo {left['duo']:,}")


def credentials(host, report, size):
    """`jit credentials`, as the AWS SDKs start it, against /bin/true started the same way, in an elevated session."""
    host.start(auto=True)
    with host.terminal() as terminal:
        terminal.run(host.gated("jit"))
        runs = host.pairs(terminal, size(200), ("true", "/bin/true"), ("jit", "/usr/bin/jit credentials"), pause=2,
                          elevated=True)
    walls = by_name(runs)
    report.add("credentials", paired(runs, "true", "jit", lambda true, jit: jit - true), f"{median(walls['true']):.2f} and {median(walls['jit']):.2f} ms")


def survived(host, report, _):
    """One 502, and one connection that breaks, while a decision is waited for."""
    gate = Gate("/etc/jit-broker", 8443)
    host.start(auto=False, helper={("helper", "broker"): f"https://broker.example:{gate.port}"})
    for harm, goal in ((bad_gateway, "survived/502"), (dropped, "survived/dropped")):
        with host.terminal() as terminal:
            terminal.start(f"sudo {COMMANDS}/jit/true")
            shown = terminal.expect(r"request (\w{4}-\w{4}).*waiting for approval")
            wait_until("the helper's call that waits for changes is hurt", lambda: gate.hurt(harm), 10)
            wait_until("it has asked again", lambda: gate.waiting, 10)
            host.lab.as_approver("appr1", "approve", shown[1])
            began = time.monotonic()
            status, text = terminal.finish(30)
        report.add(goal, status, f"{1000 * (time.monotonic() - began):.0f} ms after it" if not status else text)


def helper(host, report, size):
    """The helper with hundreds of elevated sessions, whose credentials are as long as AWS's, and while nothing happens in them."""
    sessions, whole = min(500, max(20, size(500))), size(500) >= 500
    process, issuer = livesessions.issuer()
    try:
        host.lab.restart({**livesessions.broker_conf(sessions), **issuer}, livesessions.HELPER_CONF)
        found = livesessions.measure(host.lab, sessions, 30 if whole else 3)
    finally:
        livesessions.dismiss(process)
    live = {name: value / 1e6 for name, value in found["live"].items()}
    report.add("helper/memory", live["own"], f"with {sessions}, {found['bytes_each'] / 1000:.1f} kB each; with what it shares "
               f"{live['rss']:.1f} MB resident, of that its share (PSS) {live['pss']:.1f}")
    report.add("helper/idle", found["ns"] / 1e6, f"wake-ups in {found['seconds']} s: {found['wakeups']}; each 25 s the broker "
               "answers its long poll, and it asks again")


ROWS = {"helper": helper, "loading": loading, "memory": memory, "credentials": credentials, "survived": survived}
