"""A machine that really boots: Debian 12 with systemd as process 1, in namespaces of its own.

    machine = Machine("web-1")      # an overlay in memory over build/booted/base, booted
    machine.install_tree()          # what `make install` installs; or: machine.install(*debs), as apt does it
    machine.run("systemctl is-active jit-helper")
    with machine.terminal("op1") as terminal:       # a real login, by ssh on the machine's own loopback
        terminal.run("sudo id")
    machine.reboot()                # what is on its disk stays
    machine.stop()

The base is made once (debootstrap; the only moment that needs a network) and again when what BASE lists changes. Several
machines can run at once. Everything of a machine, its mounts and its processes, dies with the process that made it; its
network is a loopback interface alone. On stop() its journal is saved into the test's folder of logs."""

import fcntl
import hashlib
import itertools
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import pexpect

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

from lab import PASSWORD, PEOPLE  # noqa: E402  (its folder has just been added)
from namespace import TREE, die_with_parent  # noqa: E402
from terminal import Terminal, wait_until  # noqa: E402

__all__ = ["Machine", "wait_until"]  # the latter for those who use a machine

FOLDER = os.path.join(TREE, "build/booted")
MIRROR = "http://deb.debian.org/debian"  # where apt knows no other one
SUITE = "bookworm"
# What an admin host has, what our packages depend on (so that they can be installed without a network), and what tests
# call inside.
PACKAGES = {
    "host": "systemd systemd-sysv dbus libpam-systemd sudo openssh-server openssh-client openssl ca-certificates login "
            "passwd util-linux iproute2 procps polkitd pkexec adduser init-system-helpers",
    "ours": "libc6 libpam0g libpam-runtime libcurl4 libevent-2.1-7 libevent-openssl-2.1-7 libjson-c5 libinih1 libssl3 "
            "libsqlite3-0 libexpat1 zlib1g libsystemd0 libseccomp2 libjose0",
    "tests": "keyutils curl strace",
}
SSH_KEY = "/root/test/id_ed25519"  # lets whoever tests in as everybody
PROFILE = """export PS1="$(id -un):\\$?\\\\$ " TERM=dumb
case $- in *i*) exec bash --norc --noprofile --noediting -i ;; esac
"""
# In the new base, as root.
FURNISH = f"""
set -e
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
apt-get clean
ln -sf /dev/null /etc/systemd/system/apt-daily.timer
ln -sf /dev/null /etc/systemd/system/apt-daily-upgrade.timer
install -d -m 0700 /root/test
ssh-keygen -q -t ed25519 -N '' -f {SSH_KEY}
{{ printf '127.0.0.1 '; cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub; }} >/etc/ssh/ssh_known_hosts
"""
# A person, who may exist already: the test's key lets them in by ssh, and their login's prompt can be waited for.
LET_IN = f"""
set -e
for name in "$@"; do
    getent passwd "$name" >/dev/null || useradd --create-home --shell /bin/bash "$name"
    home=$(getent passwd "$name" | cut -d: -f6)
    install -d -m 0700 -o "$name" -g "$name" "$home/.ssh"
    install -m 0600 -o "$name" -g "$name" {SSH_KEY}.pub "$home/.ssh/authorized_keys"
    printf '%s' {shlex.quote(PROFILE)} >"$home/.bash_profile"
    touch "$home/.hushlogin"
    chown "$name:$name" "$home/.bash_profile" "$home/.hushlogin"
    echo "$name:{PASSWORD}"
done | chpasswd
"""
SUDOERS = "op1 ALL=(ALL:ALL) NOPASSWD: ALL\nop2 ALL=(ALL:ALL) NOPASSWD: ALL\nDefaults !lecture\n"
BASE = {"suite": SUITE, "packages": sorted(" ".join(PACKAGES.values()).split()), "furnish": FURNISH}
NEEDED = {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container", "unshare": "util-linux",
          "nsenter": "util-linux"}
BASE_LIMIT = 600
BOOT_LIMIT = 60
STOP_LIMIT = 30
RUN_LIMIT = 60
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb"}
CGROUPS = "pam-jit-machine-"
REBOOT = 133  # nspawn's exit status, where it is not a service of systemd's
NO_AUDIT_SESSION = "4294967295"
_serial = itertools.count(1)


def why_not():
    """None where machines can be booted, else the reason in a sentence."""
    if os.geteuid() != 0:
        return "it needs root, to boot a machine in namespaces"
    missing = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    if missing:
        return f"not installed: {', '.join(missing)}"
    probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--cgroup", "sh", "-c",
                            "d=$(mktemp -d) && mount -t cgroup2 none $d && umount $d; rmdir $d"], capture_output=True,
                           text=True, timeout=30)
    return f"this machine does not allow it ({probe.stderr.strip()})" if probe.returncode else None


# The base


def _apt_proxy():
    """As apt is told to reach its mirrors."""
    if not shutil.which("apt-config"):
        return {}
    said = subprocess.run(["apt-config", "dump", "--format", "%v%n", "Acquire::http::Proxy"], capture_output=True,
                          text=True, timeout=30).stdout.strip()
    return {"http_proxy": said} if said and said != "DIRECT" else {}


def _mirror():
    """The one that apt takes this suite's packages from."""
    if not shutil.which("apt-get"):
        return MIRROR
    said = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages",
                           f"Codename: {SUITE}", "Component: main", "Origin: Debian", "Label: Debian"],
                          capture_output=True, text=True, timeout=30).stdout.split()
    return said[0] if said else MIRROR


def base():
    """The path of the base, made first where it is missing or another one is asked for."""
    os.makedirs(FOLDER, exist_ok=True)
    stamp = hashlib.sha256(json.dumps(BASE, sort_keys=True).encode()).hexdigest()
    path, marker, log = f"{FOLDER}/base", f"{FOLDER}/base.stamp", f"{FOLDER}/base.log"
    with open(f"{FOLDER}/lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(path) and os.path.exists(marker) and open(marker, encoding="ascii").read() == stamp:
            return path
        for old in (path, f"{path}.new"):
            shutil.rmtree(old, ignore_errors=True)
        _make_base(f"{path}.new", log)
        os.rename(f"{path}.new", path)
        with open(marker, "w", encoding="ascii") as file:
            file.write(stamp)
    return path


def _make_base(path, log):
    """Mounts are made in a namespace, so that nothing stays mounted when this is killed."""
    alone = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    steps = [[*alone, "debootstrap", "--variant=minbase", f"--include={','.join(BASE['packages'])}", SUITE, path,
              _mirror()], [*alone, "chroot", path, "sh", "-c", FURNISH]]
    with open(log, "w", encoding="utf-8") as out:
        for step in steps:
            child = subprocess.Popen(step, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                     env={**ENVIRONMENT, **_apt_proxy()}, preexec_fn=die_with_parent)
            try:
                status = child.wait(BASE_LIMIT)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                status = None
            if status != 0:
                with open(log, encoding="utf-8", errors="replace") as file:
                    said = file.read()[-1500:]
                raise AssertionError(f"the base of booted machines could not be made ({status}): {said}\nlog: {log}")


# The keeper: process 1 of the namespace in which nspawn runs


def _mount(*args):
    subprocess.run(["mount", *args], check=True)


CGROUP_TOP = "/sys/fs/cgroup"


def _sweep():
    """The cgroups of machines that are gone are empty, and go."""
    _mount("--make-rprivate", "/")
    _mount("-t", "cgroup2", "cgroup2", CGROUP_TOP)
    for name in os.listdir(CGROUP_TOP):
        if name.startswith(CGROUPS):
            for at, _, _ in os.walk(f"{CGROUP_TOP}/{name}", topdown=False):
                try:
                    os.rmdir(at)
                except OSError:
                    pass  # it is in use


def _own_cgroup():
    group = tempfile.mkdtemp(prefix=CGROUPS, dir=CGROUP_TOP)
    with open(f"{group}/cgroup.procs", "w", encoding="ascii") as file:
        file.write("0")


def _keep(lower, name, notify):
    """Becomes process 1 of a machine, with a cgroup namespace of its own."""
    _sweep()
    _own_cgroup()
    os.execvp("unshare", ["unshare", "--cgroup", sys.executable, os.path.abspath(__file__), "--start", lower, name,
                          notify])


def _start(lower, name, notify):
    """Process 1: nspawn's walls, and nspawn itself again for each time that the machine reboots."""
    subprocess.run(["umount", CGROUP_TOP], check=True)
    _mount("-t", "cgroup2", "cgroup2", CGROUP_TOP)
    top = f"{FOLDER}/machine"  # a folder that is empty for everybody else
    for path in ("/run", top):
        _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", path)
    for part in ("upper", "work", "root"):
        os.mkdir(f"{top}/{part}")
    _mount("-t", "overlay", "-o", f"lowerdir={lower},upperdir={top}/upper,workdir={top}/work", "overlay", f"{top}/root")
    for path, text in (("hostname", f"{name}\n"), ("hosts", f"127.0.0.1 localhost broker.example\n127.0.1.1 {name}\n")):
        with open(f"{top}/root/etc/{path}", "w", encoding="ascii") as file:
            file.write(text)
    command = ["systemd-nspawn", "--quiet", "--boot", f"--directory={top}/root", f"--machine={name}", "--register=no",
               "--keep-unit", "--private-network", "--console=read-only", "--notify-ready=yes", "--resolv-conf=off",
               "--timezone=off", "--link-journal=no", "--system-call-filter=@keyring @memlock"]
    status = REBOOT
    while status == REBOOT:
        child = subprocess.Popen(command, env={**ENVIRONMENT, "NOTIFY_SOCKET": notify})
        pid = 0
        while pid != child.pid:
            pid, status = os.waitpid(-1, 0)
        child.returncode = status = os.waitstatus_to_exitcode(status)
    return status if status >= 0 else 128 - status


# What a test holds


class Machine:
    """A booted machine. `name` is its host name; the people can log in and sudo; without them (people=()) it is as
    Debian makes it, with root alone. Times are seconds; what is late raises AssertionError."""

    def __init__(self, name="web-1", boot=True, people=PEOPLE):
        self.name = name
        self.people = people
        self.logs = os.environ.get("PAM_JIT_LOGS") or os.path.join(TREE, "build/test-logs/booted")
        os.makedirs(self.logs, exist_ok=True)
        self.label = f"{name}-{next(_serial)}"
        self.keeper = self._notified = self._leader = None
        if boot:
            self.boot()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def log(self, kind):
        return os.path.join(self.logs, f"{self.label}.{kind}.log")

    # Its life

    def boot(self, timeout=BOOT_LIMIT):
        """Starts it from its first disk and waits until everything that boots has started: the failed units."""
        lower = base()
        os.makedirs(f"{FOLDER}/machine", exist_ok=True)
        address = f"pam-jit-machine-{os.getpid()}-{self.label}"
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._notified.bind(f"\0{address}")
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable,
                   os.path.abspath(__file__), "--keep", lower, self.name, f"@{address}"]
        with open(self.log("console"), "ab") as console:
            self.keeper = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                           env=ENVIRONMENT, preexec_fn=die_with_parent, cwd="/")
        failed = self._wait_booted(timeout)
        self.let_in("root", *self.people)
        if self.people:
            self.put("/etc/sudoers.d/people", SUDOERS, 0o440)
        return failed

    def _wait_booted(self, timeout):
        self._wait_notified(r"^READY=1$", timeout, "it has booted")
        self._leader = self._find_leader()
        return self.failed_units()

    def _wait_notified(self, pattern, timeout, what):
        """Waits for a word of the machine's systemd."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or self.keeper.poll() is not None:
                with open(self.log("console"), encoding="utf-8", errors="replace") as file:
                    said = file.read()[-1500:]
                raise AssertionError(f"within {timeout} s: {what}; nspawn's exit status: {self.keeper.poll()}; its "
                                     f"console: {said}\nlog: {self.log('console')}")
            self._notified.settimeout(min(left, 1.0))
            try:
                said = self._notified.recv(4096).decode("utf-8", "replace")
            except socket.timeout:
                continue
            if re.search(pattern, said, re.M):
                return said

    def _find_leader(self):
        """The machine's process 1, by its number out here."""
        found = [self.keeper.pid]
        while found:
            pid = found.pop()
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                status = file.read()
            numbers = re.search(r"^NSpid:\s+(.*)$", status, re.M)[1].split()
            if re.search(r"^Name:\s+systemd$", status, re.M) and len(numbers) > 2 and numbers[-1] == "1":
                return pid
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
        raise AssertionError(f"{self.label}: its process 1 is not there; log: {self.log('console')}")

    @property
    def leader(self):
        """Its process 1, by its number out here; /proc/NUMBER/root is its disk."""
        return self._leader

    def failed_units(self):
        """Waits until nothing is being started any more."""
        self.run("systemctl is-system-running --wait", check=False, timeout=BOOT_LIMIT)
        lines = self.run("systemctl --failed --plain --no-legend").splitlines()
        return [line.split()[0] for line in lines]

    def reboot(self, timeout=BOOT_LIMIT):
        """As `reboot` does; what is on its disk stays. Returns the failed units."""
        before = self._leader
        self._save_journal()
        self.run("systemctl --no-block reboot")
        deadline = time.monotonic() + timeout
        self._wait_notified(r"^STOPPING=1$", timeout, "it goes down")
        while True:  # a word of the old one may still be under way
            failed = self._wait_booted(max(deadline - time.monotonic(), 0))
            if self._leader != before:
                return failed

    def stop(self):
        """Ends it at once, like a plug that is pulled. Its journal is saved first."""
        keeper, self.keeper = self.keeper, None
        if keeper is None:
            return
        try:
            if keeper.poll() is None and self._leader:
                self._save_journal()
        finally:
            if keeper.poll() is None:
                keeper.kill()  # and with it everything, see unshare --kill-child
            keeper.wait(STOP_LIMIT)
            self._notified.close()
            subprocess.run(["unshare", "--mount", sys.executable, os.path.abspath(__file__), "--sweep"], check=False,
                           timeout=STOP_LIMIT)

    def _save_journal(self):
        with open(self.log("journal"), "w", encoding="utf-8") as file:
            file.write(self.journal())

    # In it

    def start(self, command, user="root", env=None, **more):
        """Starts a command, text for bash or a list, as that user: its process. No login: no session, no PAM."""
        argv = ["bash", "-c", command] if isinstance(command, str) else list(command)
        home = "/root" if user == "root" else f"/home/{user}"
        words = {**ENVIRONMENT, "HOME": home, "USER": user, "LOGNAME": user, **(env or {})}
        become = ["setpriv", "--pdeathsig=KILL"]  # nsenter forks, and would leave its child behind
        if user != "root":
            become += [f"--reuid={user}", f"--regid={user}", "--init-groups", "--inh-caps=-all"]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen([*self._enter(), "env", "-i", f"--chdir={home if user != 'root' else '/'}",
                                 *[f"{name}={value}" for name, value in words.items()], *become, *argv],
                                preexec_fn=self._move_in, **pipes)

    def run(self, command, user="root", check=True, timeout=RUN_LIMIT, input=None, env=None):
        """Runs a command to its end. What it printed; with check=False (status, what it printed on both)."""
        feed = {"stdin": subprocess.PIPE} if input is not None else {}
        with self.start(command, user, env, text=True, errors="replace", **feed) as child:
            try:
                out, err = child.communicate(input, timeout)
            except subprocess.TimeoutExpired:
                child.kill()
                raise AssertionError(f"{self.label}: {command}: not done within {timeout} s: "
                                     f"{self._rest_of(child)}") from None
        if not check:
            return child.returncode, out + err
        if child.returncode:
            raise AssertionError(f"{self.label}: {command}: exit status {child.returncode}: {out}{err}")
        return out

    @staticmethod
    def _rest_of(child):
        """What a killed command had said; what it has started may still hold the pipes."""
        try:
            return "".join(child.communicate(timeout=2))
        except subprocess.TimeoutExpired:
            child.stdout.close()
            child.stderr.close()
            return "(nothing that could be read)"

    def put(self, path, text, mode=0o644, owner="root", group=None):
        """Writes a file as an administrator would install it; missing folders are made."""
        self.run(["install", "-D", "-m", f"{mode:04o}", "-o", owner, "-g", group or owner, "/dev/stdin", path],
                 input=text)

    def get(self, path):
        """A file's text."""
        return self.run(["cat", path])

    def journal(self, unit=None):
        return self.run(["journalctl", "--no-pager", "-o", "short-precise", *([f"--unit={unit}"] if unit else [])])

    def pid_of(self, unit):
        """A service's main process, by its number in the machine; 0 where there is none."""
        return int(self.run(["systemctl", "show", "--property=MainPID", "--value", unit]))

    def _enter(self):
        return ["nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
                "--root", "--wd"]

    def _move_in(self):
        """In the child: into the machine's own cgroup, and out of the session of whoever tests."""
        die_with_parent()
        with open(f"/proc/{self._leader}/root/sys/fs/cgroup/init.scope/cgroup.procs", "w", encoding="ascii") as file:
            file.write("0")
        try:
            with open("/proc/self/loginuid", "w", encoding="ascii") as file:
                file.write(NO_AUDIT_SESSION)
        except OSError:
            pass  # a kernel without audit has none

    # Packages

    def install(self, *debs, timeout=120):
        """Copies packages in and installs them as an administrator does, with apt and no network: what it said."""
        names = [self.copy_in(deb) for deb in debs]
        return self.run(["apt-get", "install", "-y", "-q", "--allow-downgrades", *names], timeout=timeout,
                        env={"DEBIAN_FRONTEND": "noninteractive"})

    def copy_in(self, path):
        """Copies a file into root's home: its path there."""
        there = f"/root/{os.path.basename(path)}"
        with open(path, "rb") as file:
            self._pipe_in(file, ["install", "-m", "0644", "/dev/stdin", there])
        return there

    def install_tree(self, variables=()):
        """What `make install` installs of the tree as it is built, and what a package then does; nothing is started."""
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["make", "--no-print-directory", "-C", TREE, "-o", "all", "install",
                                   f"DESTDIR={folder}", "PREFIX=/usr", *variables], capture_output=True, text=True,
                                  timeout=RUN_LIMIT)
            if done.returncode:
                raise AssertionError(f"make install: {done.stdout}{done.stderr}")
            packed = subprocess.Popen(["tar", "-C", folder, "--owner=0", "--group=0", "-c", "."], stdout=subprocess.PIPE)
            with packed:
                self._pipe_in(packed.stdout, ["tar", "-C", "/", "--keep-directory-symlink", "--no-overwrite-dir", "-x"])
        self.run("systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload")
        self.run("systemctl --quiet enable jit-helper.socket jit-helper-session.socket jit-helper jit-broker")

    def _pipe_in(self, file, command):
        child = self.start(command, stdin=file)
        out, err = child.communicate(timeout=RUN_LIMIT)
        if child.returncode:
            raise AssertionError(f"{self.label}: {command}: {(out + err).decode('utf-8', 'replace')}")

    # People

    def let_in(self, *names):
        """Makes accounts that are missing; each gets PASSWORD and can come in by terminal()."""
        self.run(["bash", "-c", LET_IN, "let_in", *names])

    def terminal(self, user, door="ssh", wait=True, **how):
        """A person's login: see Login."""
        return Login(self, user, door, wait, **how)


class Login(Terminal):
    """A person who comes in by a door and works on a terminal. Doors:

    ssh    by ssh on the machine's loopback, with a public key; options=["PubkeyAuthentication=no"] for a password
    login  by login(1) on a pseudo-terminal of the machine, with a password

    With wait=False the door is not answered: use shown() and type() until ready()."""

    def __init__(self, machine, user, door="ssh", wait=True, options=(), password=PASSWORD, columns=200):
        self.user, self.machine, self.password = user, machine, password
        self.log = os.path.join(machine.logs, f"{machine.label}-terminal-{next(_serial)}-{user}.log")
        self.prompt = re.escape(user) + r":(\d+)[$#] "
        self._transcript = open(self.log, "w", encoding="utf-8", newline="")
        self._began = 0
        command = self._ssh(options) if door == "ssh" else ["script", "--quiet", "--return", "--command", "login",
                                                            "/dev/null"]
        argv = [*machine._enter(), "env", "-i", *[f"{name}={value}" for name, value in ENVIRONMENT.items()],
                "HOME=/root", *command]
        self.child = pexpect.spawn(argv[0], argv[1:], encoding="utf-8", codec_errors="replace", timeout=20, cwd="/",
                                   dimensions=(40, columns), preexec_fn=machine._move_in)
        self.child.logfile_read = self._transcript
        self.child.delaybeforesend = None
        self.child.delayafterclose = self.child.delayafterterminate = 0.05
        if door == "login":
            self.shown("login: ")
            self.type(user)
        if wait:
            if door == "login" or "PubkeyAuthentication=no" in options:
                self.shown("[Pp]assword: ")
                self.type(password)
            self.ready()

    def _ssh(self, options):
        words = ["ssh", "-tt", "-F", "none", "-i", SSH_KEY]
        for option in ("IdentitiesOnly=yes", "IdentityAgent=none", "CheckHostIP=no", *options):
            words += ["-o", option]
        return [*words, f"{self.user}@127.0.0.1"]

    def shown(self, pattern, timeout=20):
        """Waits until the door shows the pattern; returns the match."""
        found = self.child.expect([pattern, pexpect.TIMEOUT, pexpect.EOF], timeout=timeout)
        if found == 0:
            return self.child.match
        raise AssertionError(f"expected at the door: {pattern!r}; {'nothing more came' if found == 1 else 'it closed'}; "
                             f"it shows: {self.child.before!r}")

    def ready(self, timeout=20):
        """Waits until the person is in, at their shell's prompt."""
        self.shown(self.prompt, timeout)
        return self

    def refused(self, timeout=20):
        """Waits until the door closes: what it showed."""
        found = self.child.expect([pexpect.EOF, self.prompt, pexpect.TIMEOUT], timeout=timeout)
        if found == 0:
            return self.child.before.replace("\r\n", "\n")
        raise AssertionError(f"{self.user} is {'in' if found == 1 else 'still at the door'}: {self.child.before!r}")

    @property
    def pid(self):
        """Of the shell, in the machine."""
        return int(self.run("echo $$")[1].strip())

    def audit_session(self):
        number = self.run("cat /proc/self/sessionid")[1].strip()
        return None if number == NO_AUDIT_SESSION else int(number)

    def log_out(self, timeout=20):
        """As `exit` does; returns when the door has closed."""
        self.child.sendline("exit")
        if self.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=timeout):
            raise AssertionError(f"{self.user} is not out within {timeout} s: {self.child.before!r}")
        self.close()


class MachineCase(unittest.TestCase):
    """Tests on one machine, that is booted with the class and is gone with it."""

    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)
        cls.machine = cls.make_machine()

    @classmethod
    def make_machine(cls):
        machine = Machine()
        cls.addClassCleanup(machine.stop)
        return machine

    @classmethod
    def log_tails(cls):
        machine = getattr(cls, "machine", None)
        return [f"--- logs: {machine.logs}/{machine.label}*", *machine.journal().splitlines()[-12:]] if machine else []

    def open_terminal(self, user="op1", **how):
        """A login that ends with the test."""
        terminal = self.machine.terminal(user, **how)
        self.addCleanup(terminal.close)
        return terminal


if __name__ == "__main__":
    sys.exit({"--keep": _keep, "--start": _start, "--sweep": _sweep}[sys.argv[1]](*sys.argv[2:]))
