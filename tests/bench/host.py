"""The host that contestants are compared on: the laboratory, with a command of its own for each of them, whose sudo
goes through that contestant's PAM service and is alike in everything else."""

import contextlib
import os
import shutil

import commits
import duo
from lab import Lab, read, write
from places import LIBRARIES, OUT, TOOLS
from terminal import Terminal

COMMANDS = "/opt/bench"
STAMPS = "/run/lab/stamps"
COMMITS = "/run/lab/commits"
WATCHING = f"{LIBRARIES}/pam-jit-commits.so"
PRELOADED = f"{LIBRARIES}/pam-jit-nodelay.so"
CONTESTANTS = ("floor", "jit", "duo", "curl")
# The same stack for all. Nothing else asks for a password, so that what differs is the line that gates.
STACK = """auth     required  {auth}
@include common-account
account  required  {account}
session  required  {session}
session  required  pam_limits.so
@include common-session-noninteractive
"""
SUDOERS = """op1 ALL=(ALL:ALL) ALL
Defaults timestamp_timeout=0
"""
SCRIPT = """#!/bin/sh
# What people write: asks, and asks again every two seconds.
while answer=$(curl -fsS --max-time 60 --cacert /etc/pam-jit/broker-ca.pem -d user="$PAM_USER" {url}); do
	[ "$answer" = allow ] && exit 0
	sleep 2
done
exit 1
"""
DUO_CONF = """[duo]
host = broker.example:{port}
ikey = DIXXXXXXXXXXXXXXXXXX
skey = a-secret-key-of-forty-characters-in-all.
cafile = /etc/pam-jit/broker-ca.pem
failmode = secure
autopush = yes
"""
ALWAYS = "hours Mon-Sun 00:00-24:00 UTC"


@contextlib.contextmanager
def as_ordinary():
    """Without a real-time priority: who watches the terminal sits elsewhere, and no program here waits for them."""
    was, how = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, was, how)


class Host:
    """`auto`: the policy approves by itself; otherwise an approver does, without a code to type."""

    def __init__(self):
        self.lab = Lab.here()
        self._put_store_on_disk()
        self.service = duo.Service(f"{TOOLS}/duo", "/etc/jit-broker")
        os.makedirs(STAMPS, mode=0o777)
        os.chmod(STAMPS, 0o777)
        self._install_contestants()

    def _put_store_on_disk(self):
        """The laboratory's /var lies in memory: commits would cost nothing."""
        disk = os.path.join(OUT, "store")
        shutil.rmtree(disk, ignore_errors=True)
        shutil.copytree("/var/lib/jit-broker", disk)
        shutil.chown(disk, "_jitbroker", "_jitbroker")
        os.chmod(disk, 0o700)
        for name in os.listdir(disk):
            shutil.chown(os.path.join(disk, name), "_jitbroker", "_jitbroker")
        self.lab.as_root("mount", "--bind", disk, "/var/lib/jit-broker")

    def _install_contestants(self):
        permit = "pam_permit.so"
        stacks = {"floor": (permit,) * 3, "jit": (permit, "pam_jit.so app=sudo", "pam_jit.so app=sudo"),
                  "duo": ("pam_duo.so conf=/etc/security/pam_duo.conf", permit, permit),
                  "curl": (f"pam_exec.so quiet {COMMANDS}/ask", permit, permit)}
        lines = [SUDOERS]
        for name in CONTESTANTS:
            service = "sudo" if name == "jit" else f"bench-{name}"
            auth, account, session = stacks[name]
            write(f"/etc/pam.d/{service}", STACK.format(auth=auth, account=account, session=session))
            os.makedirs(f"{COMMANDS}/{name}")
            shutil.copy("/bin/true", f"{COMMANDS}/{name}/true")
            shutil.copy(f"{TOOLS}/stamp", f"{COMMANDS}/{name}/stamp")
            lines.append(f"Defaults!{COMMANDS}/{name}/ pam_service={service}")
        self.lab.set_sudoers("\n".join(lines))
        shutil.copy(f"{TOOLS}/pairs", f"{COMMANDS}/pairs")
        for name in ("pairs", "transactions"):
            shutil.copy(f"{TOOLS}/{name}", f"{COMMANDS}/jit/{name}")
        url = f"https://broker.example:{self.service.port}/ask"
        write(f"{COMMANDS}/ask", SCRIPT.format(url=url), 0o755)
        write("/etc/security/pam_duo.conf", DUO_CONF.format(port=self.service.port), 0o600)
        shutil.copy(f"{TOOLS}/nodelay.so", PRELOADED)
        os.chmod(PRELOADED, 0o4755)  # what a setuid program may be made to load
        shutil.copy(commits.LIBRARY, WATCHING)

    def _watch_commits(self):
        if os.path.exists(COMMITS):
            os.unlink(COMMITS)  # who runs still has it mapped
        self.lab.broker.environment = commits.watch(COMMITS, WATCHING, "_jitbroker")

    @staticmethod
    def commits():
        """Of each of the broker's changes: (when it was on the disk, when the broker began to tell of it), CLOCK_MONOTONIC
        in ns, since it was started."""
        return commits.seen(COMMITS)[0]

    def start(self, auto, role=None, helper=None):
        """With daemons that know nothing yet, in the configuration that the figures are promised for."""
        changes = {("role admin", "code"): "off", ("role admin", "auto_approve"): ALWAYS if auto else "never",
                   ("usage_plan default", "rate"): "100000", ("usage_plan default", "burst"): "100000"}
        changes.update({("role admin", key): value for key, value in (role or {}).items()})
        self._watch_commits()
        self.lab.restart(changes, helper)

    def terminal(self):
        terminal = Terminal("op1", self.lab.logs, environment={"JIT_REASON": "bench"})
        terminal.child.searchwindowsize = 1000  # else all that has been shown is looked through for the prompt at each line
        return terminal

    def pairs(self, terminal, rounds, *contestants, crowd=1, pause=5, elevated=False):
        """Runs the contestants side by side: [{round, name, wall, cpu, status, began}], times in ms. A contestant is
        (name, words), and words that follow are run after it, untimed."""
        out = "/run/lab/pairs.csv"
        if os.path.exists(out):
            os.unlink(out)
        write(out, "", 0o666)
        words = []
        for name, command, *then in contestants:
            for part_name, part in ((name, command), *(("-", each) for each in then)):
                words += (["--"] if words else []) + [part_name, *part.split()]
        program = f"sudo {COMMANDS}/jit/pairs" if elevated else f"{COMMANDS}/pairs"
        with as_ordinary():
            status, text = terminal.run(f"{program} {rounds} {crowd} {pause} {out} {' '.join(words)}", 600)
        if status:
            raise AssertionError(f"pairs ended with {status}: {text}")
        runs = []
        for line in read(out).splitlines():
            number, name, wall, cpu, status, began = line.split(",")
            runs.append({"round": int(number), "name": name, "wall": int(wall) / 1000, "cpu": int(cpu) / 1000,
                         "status": int(status), "began": int(began)})
        wrong = {(run["name"], run["status"]) for run in runs if run["status"]}
        if wrong:
            raise AssertionError(f"ended with another status than 0: {sorted(wrong)}; {text[-600:]}")
        return runs

    @staticmethod
    def gated(name, command="true"):
        """The words that start it through that contestant's gate."""
        contestant, _, preloaded = name.partition("+")
        return (f"LD_PRELOAD={os.path.basename(PRELOADED)} " if preloaded else "") + \
            f"/usr/bin/sudo {COMMANDS}/{contestant}/{command}"

    def cpu_ms(self, process):
        """Processor time that a daemon has used."""
        with open(f"/proc/{process.pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e6
