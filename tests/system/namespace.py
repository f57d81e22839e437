#!/usr/bin/python3
"""The laboratory's walls.

Users, sudoers, PAM services and installed files that tests need are made in namespaces of their own and are gone with
them: the host keeps its users, its PAM, its sudo, its network and its processes. `namespace.py COMMAND…` runs a
command inside; everything that it started dies with it, also when this process is killed.

Inside, /etc /usr /home /root /var and /opt are overlays whose changes lie in memory; /run, /tmp and /dev are new; the
network is a loopback interface alone; process 1 only reaps.
"""

import ctypes
import faulthandler
import fcntl
import os
import signal
import socket
import stat
import struct
import subprocess
import sys

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LAB = "/run/lab"
HOSTNAME = "web-1"
MARK = "PAM_JIT_LAB"
OVERLAID = ["/etc", "/usr", "/home", "/root", "/var", "/opt"]
DEVICES = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}  # minor numbers of major 1
# What a shell may bring along that would change what is tested.
KEPT_ENVIRONMENT = ("LANG", "TERM", "HOME", "COLUMNS", "LINES")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PR_SET_PDEATHSIG = 1
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
FIRST = [sys.executable, os.path.abspath(__file__), "--first"]  # process 1, then its command


# Before any fork: what a child does between its fork and its program is as little as it can be, beside other threads.
LIBC = ctypes.CDLL(None, use_errno=True)


def inside():
    return os.environ.get(MARK) == "1"


def why_not():
    """None where a laboratory can be made, else the reason in a sentence."""
    if os.geteuid() != 0:
        return "it needs root, to make a private mount namespace"
    probe = subprocess.run(_unshare([*FIRST, "true"]), capture_output=True, text=True, timeout=30)
    if probe.returncode:
        said = probe.stderr.strip().splitlines() or [f"exit status {probe.returncode}"]
        return f"this machine does not allow private namespaces ({said[-1]})"
    return None


def die_with_parent():
    """For preexec_fn: the kernel kills this process when its parent ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def heed_the_keyboard():
    """For whoever starts programs that Ctrl-C and a closed terminal are to reach: a shell without job control lets
    what it starts in the background ignore the one, nohup the other, and that is inherited down to sudo."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)  # ignored here as before, and no more after an exec


def enter(argv, environment=None):
    """Becomes argv in a laboratory. Does not return."""
    env = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    env.update(environment or {}, PATH=PATH)
    env[MARK] = "1"
    os.execvpe("unshare", _unshare([*FIRST, *argv]), env)


def furnish(argv):
    """Becomes argv where /proc and terminals are to be had, as they are not in a chroot that nobody prepared. Returns
    where there is nothing to do."""
    if os.geteuid() != 0 or (os.path.exists("/proc/self/status") and os.path.exists("/dev/pts/ptmx")):
        return
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "unchanged", sys.executable,
                          os.path.abspath(__file__), "--furnish", *argv])


def _unshare(argv):
    return ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child", "--propagation",
            "unchanged", *argv]


def _mount(*args):
    subprocess.run(["mount", *args], check=True)


def _libc_mount(source, target, flags):
    if LIBC.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def _root_is_a_mount():
    try:
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            return any(line.split()[4] == "/" for line in mounts)
    except OSError:
        return False


def _make_mounts_private():
    """No mount made from here on is seen outside. In a chroot whose / is a mere folder of a mount that is only out of
    sight, this process first goes to where it can be reached: its own copy, in its own namespace."""
    if _root_is_a_mount():
        return _libc_mount("none", "/", MS_REC | MS_PRIVATE)
    inner = os.open("/", os.O_PATH | os.O_DIRECTORY)
    os.chdir("/")
    os.chroot("/usr")
    while not os.path.samestat(os.stat("."), os.stat("..")):
        os.chdir("..")
    os.chroot(".")
    _libc_mount("none", "/", MS_REC | MS_PRIVATE)
    os.fchdir(inner)
    os.close(inner)
    root = os.getcwd()
    _libc_mount(root, root, MS_BIND | MS_REC)
    os.chdir(root)
    os.chroot(".")
    return None


def _furnish():
    """/proc, /run and /dev of this namespace alone."""
    _make_mounts_private()
    _mount("-t", "proc", "proc", "/proc")
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    os.mkdir(LAB, 0o755)
    _make_dev()


def _make_walls():
    _furnish()
    os.mkdir(f"{LAB}/tree")
    _mount("--bind", TREE, f"{LAB}/tree")
    for path in OVERLAID:
        if os.path.isdir(path) and not os.path.islink(path):
            _overlay(path)
    _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/tmp")
    if TREE.startswith(tuple(f"{path}/" for path in ["/tmp", *OVERLAID])):  # what is built and logged shall stay
        os.makedirs(TREE, exist_ok=True)
        _mount("--bind", f"{LAB}/tree", TREE)
    for path, mode in (("/run/sudo", 0o711), ("/run/sshd", 0o755), ("/run/lock", 0o1777)):
        os.mkdir(path)
        os.chmod(path, mode)


def _overlay(path):
    layer = f"{LAB}/layer{path}"
    for part in ("upper", "work"):
        os.makedirs(f"{layer}/{part}", 0o755)
    status = os.stat(path)
    os.chown(f"{layer}/upper", status.st_uid, status.st_gid)
    os.chmod(f"{layer}/upper", status.st_mode & 0o7777)
    _mount("-t", "overlay", "-o", f"lowerdir={path},upperdir={layer}/upper,workdir={layer}/work", "overlay", path)


def _make_dev():
    """A /dev whose /dev/log is ours: what is logged inside is read by the test, not by the host's journal."""
    new = f"{LAB}/dev"
    os.mkdir(new)
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", new)
    for name, device in {**{name: os.makedev(1, minor) for name, minor in DEVICES.items()},
                         "tty": os.makedev(5, 0)}.items():
        if os.path.exists(f"/dev/{name}"):
            open(f"{new}/{name}", "w", encoding="ascii").close()
            _mount("--bind", f"/dev/{name}", f"{new}/{name}")
        else:
            os.mknod(f"{new}/{name}", 0o666 | stat.S_IFCHR, device)
            os.chmod(f"{new}/{name}", 0o666)
    for name, mode in (("pts", 0o755), ("shm", 0o1777)):
        os.mkdir(f"{new}/{name}")
        os.chmod(f"{new}/{name}", mode)
    _mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=0620,gid=5", "devpts", f"{new}/pts")
    _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", f"{new}/shm")
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                         ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        os.symlink(target, f"{new}/{name}")
    _mount("--move", new, "/dev")


def _loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(sock, 0x8914, request)  # SIOCSIFFLAGS


def _forget_audit_session():
    """Tests begin without the audit session of whoever started them, as a daemon does."""
    try:
        with open("/proc/self/loginuid", "w", encoding="ascii") as loginuid:
            loginuid.write("4294967295")
    except OSError:
        pass  # in a container without CAP_AUDIT_CONTROL; sessions say so when they need one


def _first(argv):
    """Process 1: builds the walls, starts argv, reaps until it ends."""
    limit = float(os.environ.get("PAM_JIT_LIMIT", "0"))
    if limit:  # of a suite (tests/run): walls stand within a second, and where they do not it is said why
        faulthandler.dump_traceback_later(limit / 2)
    _make_walls()
    _loopback_up()
    socket.sethostname(HOSTNAME)
    with open("/etc/hosts", "w", encoding="ascii") as hosts:
        hosts.write(f"127.0.0.1 localhost {HOSTNAME} broker.example\n::1 localhost\n")
    _forget_audit_session()
    child = subprocess.Popen(argv, pass_fds=[int(fd) for fd in os.environ.get("PAM_JIT_PASS_FDS", "").split()])
    faulthandler.cancel_dump_traceback_later()
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child.pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: namespace.py COMMAND [ARGUMENT…]")
    if sys.argv[1] == "--first":
        sys.exit(_first(sys.argv[2:]))
    if sys.argv[1] == "--furnish":
        _furnish()
        os.chdir(TREE)
        os.execvp(sys.argv[2], sys.argv[2:])
    reason = why_not()
    if reason:
        sys.exit(f"No laboratory here: {reason}.")
    enter(sys.argv[1:])
