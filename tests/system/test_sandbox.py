"""The sandboxes of the running daemons, from outside: what the kernel says of the process, and what becomes of who takes
it over and tries more than it does."""

import base64
import ctypes
import errno
import os
import pwd
import re
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

import brokerlib
import inject
import refusals
from lab import LabCase, read, write
from terminal import wait_until

AT_FDCWD = -100
IPPROTO_MPTCP = 262
PTRACE_ATTACH = 16
NONE_BUT_KILL = 1 << 5


def status_of(pid, thread=None):
    """/proc/PID/status as {name: text}."""
    lines = read(f"/proc/{pid}/task/{thread or pid}/status").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def has_landlock(abi):
    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) >= abi


def as_user(name, program, *arguments):
    """Runs a line of Python as that user; its standard output."""
    account = pwd.getpwnam(name)
    done = subprocess.run(["/usr/bin/python3", "-c", program, *arguments], user=account.pw_uid, group=account.pw_gid,
                          extra_groups=[], capture_output=True, text=True, timeout=20, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


ATTACH = """import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
print(0 if libc.ptrace(16, int(sys.argv[1]), None, None) == 0 else ctypes.get_errno())"""
READ = """import sys
try:
    open(f"/proc/{sys.argv[1]}/{sys.argv[2]}", "rb").read(1)
    print(0)
except OSError as failure:
    print(failure.errno)"""


class Sandboxed:
    """What is alike for the helper and the broker. `user` is who it runs as, `capabilities` what is left to it."""

    def setUp(self):
        super().setUp()
        self.wait_until_it_is_in()

    def wait_until_it_is_in(self):
        """It takes connections a moment before that, and serves none."""
        wait_until("it has a filter", lambda: status_of(self.pid)["Seccomp"] == "2")

    @property
    def pid(self):
        return self.process().pid

    def test_every_thread_has_the_filter_and_no_new_privileges(self):
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            status = status_of(self.pid, thread)
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
            self.assertGreaterEqual(int(status["Seccomp_filters"]), 2)

    def test_no_capability_is_left_but_what_it_needs(self):
        status = status_of(self.pid)
        for name in ("CapInh", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        for name in ("CapPrm", "CapEff"):
            self.assertEqual(int(status[name], 16), self.capabilities, name)

    def test_it_leaves_no_core(self):
        self.assertRegex(read(f"/proc/{self.pid}/limits"), r"(?m)^Max core file size +0 +0 ")

    def test_its_own_user_looks_into_it_as_little_as_anybody(self):
        self.assertEqual(as_user(self.user, ATTACH, str(self.pid)), str(errno.EPERM))
        for name in ("mem", "environ", "maps"):
            self.assertIn(as_user(self.user, READ, str(self.pid), name), (str(errno.EACCES), str(errno.EPERM)), name)
        # what is not dumpable is root's in /proc, whoever it runs as
        self.assertEqual(os.stat(f"/proc/{self.pid}/environ").st_uid, 0)

    def test_its_secrets_are_locked(self):
        locked = re.findall(r"^Locked:\s+(\d+) kB", read(f"/proc/{self.pid}/smaps"), re.M)
        self.assertGreater(sum(map(int, locked)), 0)
        self.assertGreaterEqual(int(status_of(self.pid)["VmLck"].split()[0]), self.locked)

    @unittest.skipUnless(inject.possible(), "no calls can be made in another process here")
    def test_who_takes_it_over_starts_no_program(self):
        """Each such call is the process's end."""
        for call in (("execve", "/bin/true", 0, 0), ("mount", "none", "/tmp", "tmpfs", 0, 0),
                     ("ptrace", PTRACE_ATTACH, 1, 0, 0)):
            if call[0] == "ptrace" and self.is_loose:
                continue
            with self.subTest(call[0]):
                with self.assertRaises(inject.Died) as ended, inject.Process(self.pid) as held:
                    held.call(*call)
                self.assertEqual(ended.exception.signal, signal.SIGSYS)
                self.start_anew()
                self.wait_until_it_is_in()

    @unittest.skipUnless(inject.possible(), "no calls can be made in another process here")
    def test_who_takes_it_over_gets_at_nothing_else(self):
        with socket.create_server(("127.0.0.1", 0)) as other, inject.Process(self.pid) as held:
            place = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(other.getsockname()[1]),
                                socket.inet_aton("127.0.0.1"))
            self.assertEqual(held.call("socket", socket.AF_PACKET, socket.SOCK_RAW, 0), -errno.EAFNOSUPPORT)
            self.assertEqual(held.call("socket", socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP), -errno.ENOSYS)
            self.assertEqual(held.call("prctl", 4, 1, 0, 0, 0), 0 if self.is_loose else -errno.ENOSYS)  # PR_SET_DUMPABLE
            self.assertEqual(held.call("setuid", 0), -errno.ENOSYS)
            self.assertEqual(held.call("kill", 1, 0), -errno.ENOSYS)
            fd = held.call("socket", socket.AF_INET, socket.SOCK_STREAM, 0)
            self.assertGreater(fd, 0)
            self.assertEqual(held.call("sendto", fd, "x", 1, socket.MSG_FASTOPEN, place, len(place)), -errno.ENOSYS)
            self.assertEqual(held.call("close", fd), 0)
            # and what it does need it has
            fd = held.call("openat", AT_FDCWD, self.own_conf, os.O_RDONLY)
            self.assertGreater(fd, 0)
            self.assertEqual(held.call("close", fd), 0)
        self.still_serves()

    @unittest.skipUnless(inject.possible() and has_landlock(4), "Landlock of this kernel limits no ports, or no calls can be made")
    def test_who_takes_it_over_reaches_no_other_port(self):
        with socket.create_server(("127.0.0.1", 0)) as other, inject.Process(self.pid) as held:
            place = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(other.getsockname()[1]),
                                socket.inet_aton("127.0.0.1"))
            fd = held.call("socket", socket.AF_INET, socket.SOCK_STREAM, 0)
            self.assertGreater(fd, 0)
            self.assertEqual(held.call("connect", fd, place, len(place)), -errno.EACCES)
            self.assertEqual(held.call("close", fd), 0)
        self.still_serves()

    @unittest.skipUnless(inject.possible() and has_landlock(6), "Landlock of this kernel knows no abstract sockets, or no calls "
                                                                "can be made")
    def test_who_takes_it_over_reaches_no_abstract_socket(self):
        name = b"\0jit-test-%d" % os.getpid()
        with socket.socket(socket.AF_UNIX) as other, inject.Process(self.pid) as held:
            other.bind(name)
            other.listen()
            place = struct.pack("=H", socket.AF_UNIX) + name
            fd = held.call("socket", socket.AF_UNIX, socket.SOCK_STREAM, 0)
            self.assertGreater(fd, 0)
            self.assertEqual(held.call("connect", fd, place, len(place)), -errno.EPERM)
            self.assertEqual(held.call("close", fd), 0)
        self.still_serves()

    @unittest.skipUnless(inject.possible() and has_landlock(1), "this kernel has no Landlock, or no calls can be made")
    def test_who_takes_it_over_gets_at_no_file_of_its_users(self):
        """In a folder that no configuration names, where its user may do everything."""
        with tempfile.TemporaryDirectory(dir="/tmp") as folder, inject.Process(self.pid) as held:
            account = pwd.getpwnam(self.user)
            path = f"{folder}/file"
            write(path, "text", 0o600, self.user, self.user)
            os.chown(folder, account.pw_uid, account.pw_gid)
            self.assertEqual(as_user(self.user, f"open({path!r}).close(); print(open('{folder}/new', 'w').close())"), "None")
            self.assertEqual(held.call("openat", AT_FDCWD, path, os.O_RDONLY), -errno.EACCES)
            self.assertEqual(held.call("openat", AT_FDCWD, f"{folder}/newer", os.O_WRONLY | os.O_CREAT, 0o600),
                             -errno.EACCES)
            self.assertEqual(held.call("unlinkat", AT_FDCWD, path, 0), -errno.EACCES)
            self.assertEqual(sorted(os.listdir(folder)), ["file", "new"])
        self.still_serves()

    @property
    def is_loose(self):
        """Builds with AddressSanitizer may do a little more, which they say at the start."""
        return bool(os.environ.get("PAM_JIT_SAN"))


class Helper(Sandboxed, LabCase):
    user = "_jit"
    capabilities = NONE_BUT_KILL
    locked = 1024  # kB
    own_conf = "/etc/pam-jit/jit-helper.conf"

    def process(self):
        return self.lab.helper

    def start_anew(self):
        self.lab.helper.wait()
        self.lab.start_helper()

    def still_serves(self):
        self.assertIn("uid=0(root)", self.run_approved(self.open_terminal())[1])


class Broker(Sandboxed, LabCase):
    user = "_jitbroker"
    capabilities = 0
    locked = 4096  # kB
    own_conf = "/etc/jit-broker/jit-broker.conf"

    def process(self):
        return self.lab.broker.process

    def start_anew(self):
        self.lab.broker.stop(kill=True)
        self.lab.broker.start()

    def still_serves(self):
        self.assertIn("uid=0(root)", self.run_approved(self.open_terminal())[1])

    @unittest.skipUnless(has_landlock(4), "Landlock of this kernel limits no ports")
    def test_a_reload_that_needs_more_says_what_and_to_restart(self):
        before = read(self.own_conf)
        self.addCleanup(write, self.own_conf, before, 0o640, "root", "_jitbroker")
        for path in ("/etc/jit-broker/chat", "/opt/chat/secret"):
            write(path, "whsec_" + base64.b64encode(bytes(32)).decode(), 0o640, "root", "_jitbroker")
        url, secret, ca = (("webhook chat", key) for key in ("url", "secret", "ca"))
        good = {url: "https://chat.example/hook", secret: "/etc/jit-broker/chat"}
        for changes, said in (({url: "https://chat.example:8444/hook"}, "kept as it was: it needs TCP port 8444, which"),
                              ({ca: "/opt/chat/ca.pem"}, "kept as it was: it needs /opt/chat, which"),
                              ({secret: "/opt/chat/secret"}, "has errors; a file in a folder that the running broker"),
                              ({}, "the configuration has been read anew")):
            with self.subTest(said):
                write("/opt/chat/ca.pem", read("/etc/pam-jit/broker-ca.pem"))
                write(self.own_conf, brokerlib.edit_ini(before, {**good, **changes}), 0o640, "root", "_jitbroker")
                self.process().send_signal(signal.SIGHUP)
                wait_until("it says so", lambda said=said: said in read(self.lab.log("jit-broker")))
        write(self.own_conf, before, 0o640, "root", "_jitbroker")
        self.still_serves()


class KernelsLog(unittest.TestCase):
    """What a whole run says of the kernel's log at its end (tests/run)."""

    begin = "[1.0] before"

    @staticmethod
    def line(program, call, comm=None, signal_number=0):
        return (f'[2.0] audit: type=1326 audit(2.0:1): auid=1 uid=995 gid=994 ses=1 pid=7 comm="{comm or program}" '
                f'exe="/usr/sbin/{program}" sig={signal_number} arch=c000003e syscall={call} compat=0 ip=0x7f code=0x50000')

    def after(self, *lines):
        return refusals.after([self.begin, *lines], self.begin)

    def test_whatever_a_daemon_was_refused_is_told_whatever_else_was_injected(self):
        held = self.line("jit-helper", 41, inject.HELD)
        self.assertEqual(self.after(held, self.line("jit-helper", 41)), [("jit-helper", 41)])
        self.assertEqual(self.after(held, self.line("jit-broker", 59, signal_number=31)), [("jit-broker", 59)])
        self.assertEqual(self.after(held, self.line("jit-broker", 1, "a-thread")), [("jit-broker", 1)])
        self.assertEqual(self.after(held, self.line("test_helper_confine", 41)), [])

    def test_a_log_that_lost_the_runs_beginning_proves_nothing(self):
        self.assertIsNone(refusals.after([self.line("jit-helper", 41, inject.HELD)], self.begin))
        self.assertIsNone(self.after("[2.0] something else"))


if __name__ == "__main__":
    unittest.main()
