"""The AppArmor profiles allow what the daemons do, and no program of theirs to be started. Kernels of test machines seldom
enforce AppArmor: the daemons are traced on a booted machine through a whole request instead, and each access is held
against the profile's rules."""

import os
import re
import unittest

import apparmor
from booted import wait_until
from gated import GatedCase
from lab import read
from namespace import TREE

PROFILES = {"jit-helper": f"{TREE}/etc/apparmor.d/usr.sbin.jit-helper",
            "jit-broker": f"{TREE}/etc/apparmor.d/usr.sbin.jit-broker"}
# The same user, group and capability as the unit gives, without its sandbox: the daemon lets nobody but root look into it.
TRACED = """[Service]
ExecStart=
ExecStart=+/usr/bin/strace -D -f -y -s 300 -e trace={calls} -o /run/trace/{name} /usr/bin/setpriv --no-new-privs \\
    --reuid={user} --regid={user} {rights} {command}
TimeoutStartSec=60s
TimeoutStopSec=30s
"""
DAEMONS = (("jit-helper", "_jit", "/usr/sbin/jit-helper",
            "--groups=tty --inh-caps=-all,+kill --ambient-caps=+kill --bounding-set=-all,+kill"),
           ("jit-broker", "_jitbroker", "/usr/sbin/jit-broker serve", "--clear-groups --inh-caps=-all "
            "--bounding-set=-all"))


class Matcher(unittest.TestCase):
    """That the test can fail."""

    def test_globs_are_read_as_apparmor_reads_them(self):
        for pattern, path, matches in (("/a/*", "/a/b", True), ("/a/*", "/a/b/c", False), ("/a/**", "/a/b/c", True),
                                       ("/a/{b,c}/d", "/a/c/d", True), ("/a/{,b}", "/a/", True), ("/a/?", "/a/bc", False),
                                       ("/dev/pts/[0-9]*", "/dev/pts/12", True), ("/a.b", "/axb", False)):
            with self.subTest(pattern=pattern, path=path):
                found = re.fullmatch(apparmor._expression(pattern), path)
                self.assertEqual(bool(found), matches)

    def test_a_trace_is_read_as_accesses(self):
        trace = ('7 openat(AT_FDCWD</>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 5</etc/passwd>\n'
                 '7 openat(5</run/x>, "new", O_WRONLY|O_CREAT|O_EXCL, 0600) = 6</run/x/new>\n'
                 '7 openat(AT_FDCWD</>, "/none", O_RDONLY) = -1 ENOENT (No such file or directory)\n'
                 '7 renameat(5</run/x>, "new", 5</run/x>, "old") = 0\n'
                 '7 fcntl(8</var/db>, F_SETLK, {l_type=F_RDLCK}) = 0\n'
                 '7 connect(9<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="/run/s"}, 8) = 0\n'
                 '7 mmap(NULL, 9, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3</lib/a.so>, 0) = 0x7f00\n')
        self.assertEqual(apparmor.accesses(trace), {("/etc/passwd", "r"), ("/run/x/new", "w"), ("/run/x/old", "w"),
                                                    ("/var/db", "k"), ("/run/s", "w"), ("/lib/a.so", "m")})

    @unittest.skipUnless(os.path.exists(f"{apparmor.FOLDER}/abstractions/base"), "apparmor is not installed")
    def test_the_profiles_allow_nothing_that_they_should_not(self):
        for name, path in PROFILES.items():
            with self.subTest(name):
                profile = apparmor.Profile(path)
                self.assertGreater(len(profile.rules), 50, "the abstractions are read")
                self.assertTrue(profile.allows("/etc/passwd", "r"))
                for other, letters in (("/etc/shadow", "r"), ("/etc/passwd", "w"), ("/usr/bin/sh", "x"),
                                       ("/usr/sbin/jit-helper", "w"), ("/proc/12/environ", "r"), ("/root/x", "r")):
                    self.assertFalse(profile.allows(other, letters), f"{other} {letters}")
                self.assertNotRegex(read(path), r"(?m)^\s*\S+\s+[rwmk]*(ix|px|ux|cx|Px|Ux|Cx),")
                self.assertIn(f"AppArmorProfile=-{name}", read(f"{TREE}/etc/systemd/{name}.service"))


@unittest.skipUnless(os.path.exists(f"{apparmor.FOLDER}/abstractions/base"), "apparmor is not installed")
class Traced(GatedCase):
    broker_conf = {("role admin", "on_expiry"): "end"}
    helper_conf = {("helper", "end_grace"): "1s"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        machine = cls.machine
        machine.run("systemctl stop jit-helper jit-broker; install -d /run/trace")
        for name, user, command, rights in DAEMONS:
            text = TRACED.format(calls=apparmor.TRACED.replace("%", "%%"), name=name, user=user, command=command,
                                 rights=rights)
            machine.put(f"/etc/systemd/system/{name}.service.d/trace.conf", text)
        machine.run("systemctl daemon-reload && systemctl start jit-broker jit-helper", timeout=90)

    def test_everything_that_a_request_needs_is_allowed(self):
        """Asked, approved, elevated, credentials, a restart, a warning, an end by force, and the stop."""
        machine, terminal = self.machine, self.open_terminal()
        terminal.run("mesg y")
        request = machine.ask(terminal, "sudo sh -c 'jit credentials; nohup setsid sleep 987 >/dev/null 2>&1 & sleep 988'")
        machine.approve(request)
        terminal.expect("approved by appr1", timeout=30)
        wait_until("it is in use", lambda: f"{request[0]} changed status=ACTIVE" in machine.journal("jit-broker"), 20)
        first = self.trace_of("jit-helper")
        machine.run("systemctl restart jit-helper", timeout=90)
        machine.run(["jit-broker", "revoke", request[0], "--comment", "enough"], user="appr1")
        terminal.expect("revoked by appr1", timeout=30)
        wait_until("what ran is gone", lambda: not machine.run("pgrep -f '^sleep 987$'", check=False)[1], 20)
        machine.run("systemctl stop jit-helper jit-broker", timeout=90)
        traces = {"jit-helper": first + self.trace_of("jit-helper"), "jit-broker": self.trace_of("jit-broker")}
        for name, trace in traces.items():
            with self.subTest(name):
                found = apparmor.accesses(trace)
                self.assertGreater(len(found), 20, "the trace is read")
                profile = apparmor.Profile(PROFILES[name])
                missing = sorted((path, letters) for path, letters in found if not profile.allows(path, letters))
                self.assertEqual(missing, [])
        seen = apparmor.accesses(traces["jit-helper"])
        self.assertTrue(any(path.startswith("/dev/pts/") for path, _ in seen), "a terminal was opened")
        self.assertTrue(any(re.fullmatch(r"/proc/\d+/stat", path) for path, _ in seen), "processes were looked at")

    def trace_of(self, name):
        text = self.machine.get(f"/run/trace/{name}")
        with open(self.machine.log(f"{name}-trace"), "a", encoding="utf-8") as file:
            file.write(text)
        return text[text.index(f'execve("/usr/sbin/{name}"'):]  # from there on it is the daemon


if __name__ == "__main__":
    unittest.main()
