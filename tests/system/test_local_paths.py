"""What lies in the place of a file that helper, broker and jit open: somebody else's link, a pipe, a device, a folder,
another's file, one that everybody can write, one without an end. It is refused, at once and with a sentence that names it."""

import contextlib
import os
import re
import shutil
import stat
import subprocess

from frames import uid_of
from lab import BROKER_CONF, HELPER_CONF, LabCase, read, write
from namespace import die_with_parent

LONGEST = 20  # seconds that a program may take to say no
STAGE = "/run/lab/stage"  # everybody may write there, as into /tmp


def link_of_another(path, content, group):
    """op1's link to a file that op1 cannot write: what it leads to changes when op1 likes."""
    target = f"{STAGE}/{os.path.basename(path)}"
    write(target, content, 0o640, "root", group)
    os.symlink(target, path)
    os.lchown(path, uid_of("op1"), -1)


def pipe(path, _, group):
    os.mkfifo(path)
    give_to(path, 0o640, group)


def device(path, _, group):
    os.mknod(path, stat.S_IFCHR, os.makedev(1, 5))  # zero: without an end
    give_to(path, 0o640, group)


def folder(path, _, group):
    os.mkdir(path)
    give_to(path, 0o750, group)


def give_to(path, mode, group):
    shutil.chown(path, "root", group)
    os.chmod(path, mode)


def another_persons(path, content, group):
    write(path, content, 0o640, "op1", group)


def writable_by_all(path, content, _):
    write(path, content, 0o666)


def endless(path, content, group):
    write(path, content, 0o640, "root", group)
    os.truncate(path, 1 << 40)


WAYS = (link_of_another, pipe, device, folder, another_persons, writable_by_all, endless)


class PathsCase(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.makedirs(STAGE, exist_ok=True)
        os.chmod(STAGE, 0o1777)

    @contextlib.contextmanager
    def in_its_place(self, path, way):
        kept = f"{path}.kept"
        content = ""
        if os.path.lexists(path):
            content = "" if os.path.isdir(path) or stat.S_ISSOCK(os.stat(path).st_mode) else read(path)
            os.rename(path, kept)
        try:
            way(path, content, self.group)
            yield
        finally:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
            if os.path.lexists(kept):
                os.rename(kept, path)

    def told(self, *command, **how):
        """(exit status, what it said). Whoever waits for a pipe's other end does not end in time."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, stdin=subprocess.DEVNULL, cwd="/",
                                  preexec_fn=die_with_parent, **how)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"{command} did not end: {late.stdout} {late.stderr}") from None
        return done.returncode, done.stdout + done.stderr

    def assert_each_is_refused(self, path, *command, but=(), **how):
        for way in WAYS:
            if way in but:
                continue
            with self.subTest((path, way.__name__)), self.in_its_place(path, way):
                status, text = self.told(*command, **how)
                self.assertIn(status, (1, 78), text)
                self.assertRegex(text, rf"{re.escape(path)}.*\b(regular file|must be|symbolic link|belongs to|"
                                       r"can be written|can be read by everybody|bytes, more|something is there|by others|cannot be read)\b")
                self.assertEqual(text.count("\n"), 1, text)


class Helpers(PathsCase):
    group = "_jit"

    def setUp(self):
        self.lab.stop_helper()
        self.addCleanup(self.lab.configure)

    def test_no_file_of_the_helpers_is_believed_that_another_could_change(self):
        write("/etc/pam-jit/host.crt", read("/run/lab/secrets/tls.crt"))
        write("/etc/pam-jit/host.key", read("/run/lab/secrets/tls.key"), 0o640, "root", "_jit")
        self.lab.configure(helper={("helper", "tls_certificate"): "/etc/pam-jit/host.crt",
                                   ("helper", "tls_key"): "/etc/pam-jit/host.key"})
        self.assertEqual(self.told("/usr/sbin/jit-helper", "--check")[0], 0)
        for path in (HELPER_CONF, "/etc/pam-jit/api.key", "/etc/pam-jit/broker-ca.pem", "/etc/pam-jit/host.crt",
                     "/etc/pam-jit/host.key"):
            self.assert_each_is_refused(path, "/usr/sbin/jit-helper", "--check")

    def test_roots_own_link_to_the_systems_cas_is_followed(self):
        os.symlink("/etc/pam-jit/broker-ca.pem", "/etc/pam-jit/link.pem")
        self.lab.configure(helper={("helper", "ca_file"): "/etc/pam-jit/link.pem"})
        self.assertEqual(self.told("/usr/sbin/jit-helper", "--check")[0], 0)

    def test_neither_its_folders_nor_its_sockets_are_in_anothers_hands(self):
        for path, but in (("/run/pam-jit/state", ()), ("/run/pam-jit/pam.sock", ()), ("/run/pam-jit/session.sock", ()),
                          ("/run/pam-jit", (folder,))):  # a folder of root's is one
            self.assert_each_is_refused(path, "/usr/sbin/jit-helper", but=but)


class Brokers(PathsCase):
    group = "_jitbroker"

    def test_no_file_of_the_brokers_is_believed_that_another_could_change(self):
        self.lab.broker.stop()
        for path in (BROKER_CONF, "/etc/jit-broker/tls.key", "/etc/jit-broker/tls.crt", "/var/lib/jit-broker/broker.db"):
            self.assert_each_is_refused(path, "/usr/sbin/jit-broker", "serve", user="_jitbroker", group="_jitbroker",
                                        extra_groups=[])
