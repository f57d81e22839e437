"""Names that were chosen to be taken for others: of accounts, of terminals, of hosts. Nobody is anybody else, at the
module, the helper, the policy and the exemptions; and no name makes a line in a log or steers a terminal."""

import os
import re
import subprocess
import sys
import sysconfig

from lab import WAIT, LabCase, read, write
from namespace import die_with_parent
from terminal import wait_until

FIRST_UID = 7000
ALIKE = ["root ", " root", "ROOT", "-x", "--help", "op1,op2", "op1 op2", "*", "0", "1001", "@operators", "op1.", "op1@web-1",
         "op\u0455", "\u043ep1", "op1\u202e", "op1\u200b", "o" * 33, "o" * 255, "o" * 256, "op1" + " " * 250, "%wheel", "!op1", "$(id)",
         "'op1'", "op1;id", "../op1", "op1\\", "op1\x7f", "op1\x1b[2J", "op1\xa0"]
OPTIONS = [name for name in ALIKE if name.startswith("-")]  # to glibc a line of /etc/passwd that begins so is no account
PLAIN = ["ROOT", "*", "0", "-x", "\u043ep1", "%wheel", "$(id)"]  # which can stand in a list
# Who says no, and to what: the policy to a name that it does not have; the broker to one with a blank, which none of its
# lists could name; the helper to what is no text; the module to root's name with another uid, and to one that nobody has.
BY_POLICY = "{name} may not ask for role admin; the broker's operator sets its requesters"
BY_BROKER = "the broker did not accept the request: requester must be a name of at most 255 bytes, without blanks"
OTHERS = {"root ": BY_BROKER, "op1 op2": BY_BROKER, "op1" + " " * 250: BY_BROKER,
          " root": "the application says that root asks, but the kernel says uid {uid}",  # sudo leaves the blank out
          "o" * 256: "the account of uid {uid}, who asks, cannot be found",
          **dict.fromkeys(["op1\u202e", "op1\u200b", "op1\x7f", "op1\x1b[2J"], "the name of the requester has characters that")}
DIRECTORY = """#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <string.h>
static const struct passwd people[] = {%s};
static enum nss_status find(const char *name, uid_t uid, struct passwd *ret, int *error)
{
	for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++)
		if (name ? !strcmp(name, people[i].pw_name) : uid == people[i].pw_uid)
			return *ret = people[i], NSS_STATUS_SUCCESS;
	*error = ENOENT;
	return NSS_STATUS_NOTFOUND;
}
enum nss_status _nss_alike_getpwnam_r(const char *name, struct passwd *ret, char *buf, size_t size, int *error)
{
	return find(name, 0, ret, error);
}
enum nss_status _nss_alike_getpwuid_r(uid_t uid, struct passwd *ret, char *buf, size_t size, int *error)
{
	return find(NULL, uid, ret, error);
}
"""
SUDOERS = "ALL ALL=(ALL:ALL) NOPASSWD: ALL"
PAMCALL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pamcall.py")
LINES = "\nroot allowed: allowed\n<86>Jan  1 00:00:00 sudo: forged \x1b[2J\x1b]0;forged\x07\u202eforged\u2028forged\u200b\xff"
FORGED = re.compile(r"^(root allowed|<86>Jan)", re.M)


def unclean(text):
    return [char for char in text if char != "\n" and (ord(char) < 32 or char in "\u202e\u2028\u200b\x7f\x9b\ufffd")]


class Accounts(LabCase):
    """Accounts that this host really has: only the machine's operator can make them, but a directory may hold them, and
    its own people choose their names there."""

    broker_conf = {("role admin", "requesters"): "op1 op2 root", ("role wide", "requesters"): " ".join(PLAIN),
                   ("role wide", "services"): "sudo", ("role wide", "hosts"): "*", ("role wide", "targets"): "root",
                   ("role wide", "approvers"): "appr1", ("role wide", "reason"): "optional"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        passwd = read("/etc/passwd")
        cls.addClassCleanup(write, "/etc/passwd", passwd)
        cls.addClassCleanup(write, "/etc/shadow", read("/etc/shadow"), 0o640, "root", "shadow")
        cls.uids = {name: FIRST_UID + at for at, name in enumerate(ALIKE)}
        write("/etc/passwd", passwd + "".join(f"{name}:x:{uid}:{FIRST_UID}::/:/bin/sh\n" for name, uid in cls.uids.items()
                                              if name not in OPTIONS))
        cls.add_directory()
        with open("/etc/shadow", "a", encoding="utf-8") as shadow:
            shadow.write("".join(f"{name}:*:19000::::::\n" for name in cls.uids))
        cls.lab.set_sudoers(SUDOERS)

    @classmethod
    def add_directory(cls):
        """A second source of accounts, as a directory is one, with the names that no line of /etc/passwd can have."""
        people = ",".join(f'{{"{name}", "*", {cls.uids[name]}, {FIRST_UID}, "", "/", "/bin/sh"}}' for name in OPTIONS)
        library = f"/usr/lib/{sysconfig.get_config_var('MULTIARCH') or ''}/libnss_alike.so.2"
        subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=DIRECTORY % people, text=True, check=True,
                       timeout=60)
        cls.addClassCleanup(os.unlink, library)
        switch = read("/etc/nsswitch.conf")
        cls.addClassCleanup(write, "/etc/nsswitch.conf", switch)
        write("/etc/nsswitch.conf", re.sub(r"(?m)^(passwd:.*)$", r"\1 alike", switch))

    @staticmethod
    def log_in(uid):
        with open("/proc/self/loginuid", "w", encoding="ascii") as loginuid:
            loginuid.write(str(uid))
        os.setgroups([])
        os.setresgid(*[FIRST_UID] * 3)
        os.setresuid(*[uid] * 3)

    def sudo(self, uid, role):
        """A `sudo id` of somebody of that uid, in a login session without a terminal."""
        env = {"PATH": "/usr/bin:/bin", "JIT_REASON": "disk full", "JIT_ROLE": role, "LANG": "C.UTF-8"}
        return subprocess.Popen(["sudo", "-n", "id"], env=env, text=True, cwd="/", errors="replace", stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=lambda: self.log_in(uid))

    @staticmethod
    def finish(child):
        """(exit status, what was said)"""
        text = child.communicate(timeout=WAIT)[0]
        return child.returncode, text

    def test_no_account_is_taken_for_one_that_the_policy_names(self):
        """Nor for one that is exempt, nor for root."""
        self.lab.set_pam(account="exempt_user=root,op9 exempt_group=wheel timeout=4")
        self.addCleanup(self.lab.set_pam)
        filed = self.lab.filed()
        for name, uid in self.uids.items():
            with self.subTest(name):
                status, text = self.finish(self.sudo(uid, "admin"))
                self.assertEqual(status, 1, text)
                self.assertNotIn("uid=0", text)
                why = OTHERS.get(name, BY_POLICY).format(name=name, uid=uid)
                self.assertTrue(text.startswith(f"jit: {why}"), (text, why))
                self.assertEqual(unclean(text), [], text)
        self.assertEqual(self.lab.filed(), filed, "nobody is asked for them")

    def test_whoever_asks_stands_before_the_approver_under_their_own_name(self):
        asking = {name: self.sudo(self.uids[name], "wide") for name in PLAIN}
        self.addCleanup(lambda: [self.finish(child) for child in asking.values()])
        self.addCleanup(lambda: [child.terminate() for child in asking.values()])
        wait_until("all of them are asked for", lambda: len(self.lab.pending()) == len(PLAIN), WAIT)
        self.assertEqual({request["requester"] for request in self.lab.pending()}, set(PLAIN))
        for name in PLAIN:
            with self.subTest(name):
                self.assertRegex(self.lab.as_approver("appr1", "list").stdout, rf"(?m)(^|\s){re.escape(name)}(\s|$)")

    def test_who_cannot_be_named_never_stands_before_the_approver(self):
        """A name with a blank would look like another's, and two."""
        filed = self.lab.filed()
        for name in (name for name, why in OTHERS.items() if why == BY_BROKER):
            with self.subTest(name):
                text = self.finish(self.sudo(self.uids[name], "wide"))[1]
                self.assertTrue(text.startswith(f"jit: {BY_BROKER}"), text)
        self.assertEqual((self.lab.filed(), self.lab.pending()), (filed, []))


class Items(LabCase):
    """What a program tells PAM of a person who is not known yet, or of their terminal, they may have had a say in."""

    broker_conf = {("role admin", "services"): "login", ("role admin", "targets"): "self",
                   ("role admin", "reason"): "optional"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        write("/etc/pam.d/login", "account required pam_jit.so timeout=3\nsession required pam_jit.so\n")

    def call(self, user, *items):
        env = {"PATH": "/usr/bin:/bin", "JIT_REASON": "disk full"}
        return subprocess.Popen([sys.executable, PAMCALL, "login", user, *items], env=env, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)

    def assert_no_log_is_forged(self):
        for name in ("jit-helper", "jit-broker", "syslog"):
            text = read(self.lab.log(name))
            self.assertIsNone(FORGED.search(text), name)
            ours = "".join(line for line in text.splitlines(keepends=True) if "sudo: " not in line)  # its own are its own
            self.assertEqual(unclean(ours), [], name)

    def test_a_login_name_is_nobody_elses_whatever_stands_in_it(self):
        for name in ("", "op1 ", "op1" + LINES, LINES, "-x", "op1\nroot", "root\n", "op1,op2", "*", "1001", "\x1b[2J", "\u202eop1",
                     "o" * 100000):
            with self.subTest(name[:40]):
                child = self.call(name)
                text = child.communicate(timeout=WAIT)[0]
                self.assertRegex(text, r"jit: .*\nacct_mgmt [1-9]")
                self.assertEqual(unclean(text), [])
        self.assert_no_log_is_forged()
        self.assertEqual(self.lab.pending(), [])

    def test_a_terminals_or_hosts_name_is_text(self):
        for name in (LINES, "../../etc/shadow", "x" * 100000):
            with self.subTest(name[:40]):
                child = self.call("op1", f"TTY={name}", f"RHOST={name}")
                wait_until("it is asked for", self.lab.pending, WAIT)
                request = self.lab.pending()[0]
                for field in ("tty", "rhost"):
                    self.assertEqual(unclean(request[field] + "\n"), [])
                    self.assertNotIn("\n", request[field])
                    self.assertLess(len(request[field]), 256)
                self.assertEqual(unclean(self.lab.as_approver("appr1", "list").stdout), [])
                self.assertRegex(child.communicate(timeout=WAIT)[0], r"acct_mgmt [1-9]")
                wait_until("it is over", lambda: not self.lab.pending(), WAIT)
        self.assert_no_log_is_forged()
