"""`jit-helper pam`: an administrator gates a service by one command, sees where it stands, and takes the gate out again;
and a package that goes leaves no line behind that names its module. On Debian's own files, with real sudo."""

import fcntl
import glob
import grp
import os
import shutil
import stat
import subprocess

from lab import NOPASSWD, Lab, LabCase, read, write
from namespace import TREE

STOCK = os.path.join(TREE, "tests/unit/pamd/debian12")
BEFORE = "/etc/pam-jit/pam.d.before"
LABEL = "security.selinux"
MARK = "# jit-helper pam"
ROLES = {("service " + name, "role"): "admin" for name in ("sudo", "sudo-i", "su", "su-l", "sshd", "login", "polkit-1")}
GLASS = {("helper", "break_glass_group"): "glass"}
DONE, REFUSED, USAGE, NO_SERVICE = 0, 1, 64, 69


def pam(*arguments, **how):
    """(exit status, standard output, standard error) of `jit-helper pam`, as from a package's scripts."""
    done = subprocess.run(["/usr/sbin/jit-helper", "pam", *arguments], capture_output=True, text=True, timeout=60,
                          env={"LANG": "C", "PATH": "/usr/bin"}, stdin=subprocess.DEVNULL, **how)
    return done.returncode, done.stdout, done.stderr


def path_of(service):
    return f"/etc/pam.d/{service}"


def ours(service):
    return [line for line in read(path_of(service)).splitlines() if "pam_jit.so" in line]


class Pamd(LabCase):
    helper_conf = ROLES | GLASS

    @classmethod
    def setUpClass(cls):
        Lab.here()
        subprocess.run(["groupadd", "-f", "glass"], check=True)
        super().setUpClass()

    def setUp(self):
        """A host as the distribution ships it, the helper at work."""
        for folder in ("/etc/pam.d", BEFORE):
            shutil.rmtree(folder, ignore_errors=True)
        os.mkdir("/etc/pam.d")
        for name in os.listdir(STOCK):
            if not name.endswith(".gated") and name != "polkit-1":
                write(path_of(name), read(os.path.join(STOCK, name)))
        self.lab.set_sudoers(NOPASSWD)

    def stock(self, service):
        return read(os.path.join(STOCK, service))

    def assert_stock(self, *services):
        for service in services:
            self.assertEqual(read(path_of(service)), self.stock(service))

    def assert_all_stock(self):
        self.assertEqual({name: read(path_of(name)) for name in sorted(os.listdir("/etc/pam.d"))},
                         {name: self.stock(name) for name in sorted(os.listdir(STOCK))
                          if not name.endswith(".gated") and name != "polkit-1"})

    def without_helper(self):
        self.lab.stop_helper()
        self.addCleanup(self.lab.start_helper)


class Gate(Pamd):
    def test_enable_gates_sudo_and_disable_gives_the_file_back(self):
        terminal = self.open_terminal()
        self.assert_asks_nobody(terminal, "sudo id")
        status, out, err = pam("enable", "sudo")
        self.assertEqual((status, err), (DONE, ""), out)
        self.assertIn("sudo: gated; the file from before is /etc/pam-jit/pam.d.before/sudo:\n", out)
        self.assertIn("Next: jit doctor --service sudo;", out)
        self.assertEqual(ours("sudo"), [f"{phase}  required  pam_jit.so app=sudo  {MARK}" for phase in ("session", "account")])
        self.assertEqual(read(f"{BEFORE}/sudo"), self.stock("sudo"))
        self.assertIn("uid=0(root)", self.run_approved(terminal)[1])
        # Again: nothing is to be done.
        before = os.stat(path_of("sudo"))
        self.assertIn("sudo: gated already, nothing was to be changed", pam("enable", "sudo")[1])
        self.assertEqual(os.stat(path_of("sudo")).st_ino, before.st_ino)
        status, out, err = pam("disable", "sudo")
        self.assertEqual((status, err), (DONE, ""), out)
        self.assertIn("sudo: is the file from before, byte for byte\n", out)
        self.assert_all_stock()
        self.assertFalse(os.path.exists(BEFORE))
        self.assert_asks_nobody(self.open_terminal("op2"), "sudo id")

    def test_observe_needs_nothing_that_works_and_blocks_nobody(self):
        self.without_helper()
        status, out, err = pam("enable", "sudo")
        self.assertEqual((status, out), (REFUSED, ""))
        self.assertRegex(err, r"^sudo: refused, and its file is as it was \(helper.down\): /run/pam-jit/pam.sock: .*\n    -> ")
        self.assert_all_stock()
        status, out, err = pam("enable", "--observe", "sudo", "--", "timeout=90")
        self.assertEqual((status, err), (DONE, ""), out)
        self.assertEqual(ours("sudo")[0], f"session  required  pam_jit.so app=sudo timeout=90 observe  {MARK}")
        self.assertEqual(self.open_terminal().run("sudo id")[0], 0)

    def test_observe_becomes_a_gate_by_enable_again(self):
        pam("enable", "--observe", "sudo", "--", "timeout=90")
        status, out, err = pam("enable", "sudo")
        self.assertEqual((status, err), (DONE, ""), out)
        self.assertEqual(ours("sudo")[1], f"account  required  pam_jit.so app=sudo  {MARK}")
        self.assertEqual(read(f"{BEFORE}/sudo"), self.stock("sudo"), "of the first time")
        self.run_approved(self.open_terminal())

    def test_the_doors_beside_it_are_told(self):
        _, out, _ = pam("enable", "sudo")
        self.assertRegex(out, r"sudo-i: still open \(service.bypass\).*\n    -> Run: jit-helper pam enable sudo-i;")
        _, out, _ = pam("enable", "sudo", "sudo-i")
        self.assertNotIn("sudo-i: still open", out)

    def test_pam_keyinit_without_force_leaves_the_sessions_key_alone(self):
        """Fedora's and RHEL's system-auth, which sudo includes behind our line."""
        write(path_of("sudo"), self.stock("sudo").replace("session    required", "session optional pam_keyinit.so debug\n"
                                                          "session    required"))
        text = read(path_of("sudo"))
        pam("enable", "sudo")
        gated = read(path_of("sudo"))
        # By hand behind ours, as where it comes by the include.
        write(path_of("sudo"), gated.replace("session optional pam_keyinit.so debug\n", "").replace(
            "session    required", "session optional pam_keyinit.so revoke\nsession    required"))
        self.assertNotEqual(text, gated)
        _, text = self.run_approved(self.open_terminal(), "sudo cat /proc/keys")
        self.assertIn("pam_jit", text)


class Refusals(Pamd):
    def test_a_lock_out_is_refused_and_force_says_over_what(self):
        self.lab.stop_helper()
        self.lab.configure(helper=ROLES)
        self.lab.start_helper()
        self.addCleanup(self.lab.restart, helper=self.helper_conf)
        write("/etc/ssh/sshd_config", "UsePAM yes\nKbdInteractiveAuthentication yes\nLoginGraceTime 400\n")
        status, out, err = pam("enable", "sshd", "login")
        self.assertEqual((status, out), (REFUSED, ""), err)
        for service in ("sshd", "login"):
            self.assertIn(f"{service}: refused, and its file is as it was (lockout.all): /etc/pam.d/sshd: When no broker answers "
                          "nobody can log in, root neither", err)
        self.assert_all_stock()
        self.assertFalse(os.path.exists(BEFORE))
        status, out, err = pam("enable", "--dry-run", "--force", "sshd", "login")
        self.assertEqual(status, DONE, err)
        self.assert_all_stock()
        status, out, err = pam("enable", "--force", "sshd", "login")
        self.assertEqual(status, DONE, err)
        self.assertIn("login: forced over (lockout.all)", err)
        self.assertEqual((len(ours("sshd")), len(ours("login"))), (2, 2))

    def test_what_only_a_gate_would_make_worse_may_be_observed(self):
        write(path_of("su"), self.stock("su") + "account required pam_deny.so\n")
        self.assertIn("(gate.never_opens)", pam("enable", "su")[2])
        self.assertEqual(pam("enable", "--observe", "su")[::2], (DONE, ""))

    def test_what_leans_on_a_refused_service_gets_lines_of_its_own(self):
        """alpha includes beta, which is refused: nothing comes from there."""
        write(path_of("alpha"), "account include beta\nsession include beta\n")
        write(path_of("beta"), "auth nonsense pam_unix.so\naccount required pam_unix.so\nsession required pam_unix.so\n")
        status, out, err = pam("enable", "alpha", "beta")
        self.assertEqual(status, REFUSED, out)
        self.assertRegex(err, r"^beta: refused.*\(pam.broken\)")
        self.assertEqual((len(ours("alpha")), ours("beta")), (2, []), out)
        write(path_of("beta"), read(path_of("beta")).replace("nonsense", "required"))
        status, out, err = pam("enable", "beta", "alpha")
        self.assertEqual((len(ours("alpha")), len(ours("beta"))), (0, 2), out + err)

    def test_lines_by_hand_are_left_to_the_hand(self):
        write(path_of("sudo"), self.stock("sudo") + "auth optional pam_jit.so\n")
        before = read(path_of("sudo"))
        status, out, err = pam("enable", "--force", "sudo")
        self.assertEqual((status, out), (REFUSED, ""))
        number = len(before.splitlines())
        self.assertIn(f"line {number} of /etc/pam.d/sudo names pam_jit.so and was written by hand", err)
        self.assertEqual(read(path_of("sudo")), before)
        status, out, err = pam("disable", "sudo")
        self.assertEqual((status, err), (DONE, ""))
        self.assertIn(f"/etc/pam.d/sudo:{number}, which was written by hand: take it out by hand", out)
        self.assertEqual(read(path_of("sudo")), before)

    def test_files_that_others_decide_over_are_refused(self):
        os.rename(path_of("sudo"), "/etc/authselect-sudo")
        self.addCleanup(os.unlink, "/etc/authselect-sudo")
        os.symlink("/etc/authselect-sudo", path_of("sudo"))
        os.chmod(path_of("su"), 0o664)
        shutil.chown(path_of("login"), "op1")
        status, out, err = pam("enable", "--force", "sudo", "su", "login")
        self.assertEqual((status, out), (REFUSED, ""))
        self.assertRegex(err, "sudo: refused.*symbolic link.*custom profile")
        self.assertRegex(err, "su: refused.*written by others.*chmod go-w")
        self.assertRegex(err, "login: refused.*belongs to uid.*chown root")
        self.assertEqual(read("/etc/authselect-sudo"), self.stock("sudo"))
        self.assert_stock("su", "login")

    def test_exit_statuses(self):
        for arguments, status, said in (
                (("enable",), USAGE, "name a service"), ((), USAGE, "say what"), (("frob",), USAGE, "no such command: frob"),
                (("enable", "--all"), USAGE, "--all is for disable"), (("disable", "--all", "sudo"), USAGE, "not both"),
                (("disable", "--observe", "sudo"), USAGE, "for enable"), (("enable", "--frob", "sudo"), USAGE, "--frob"),
                (("enable", "sudo", "sudo"), USAGE, "named twice"),
                (("enable", "sudo", "--", "frob=1"), USAGE, 'the argument "frob=1" of pam_jit.so is not known'),
                (("enable", "sudo", "--", "role=a b"), USAGE, "blank"),
                (("enable", "sshd", "--", "app=sudo"), USAGE, 'the argument "app=sudo" of pam_jit.so does not fit this '
                 "service"),
                (("enable", "sudo", "su", "--", "app=sudo"), USAGE, '"app=sudo" of pam_jit.so does not fit'),
                (("enable", "--observe", "--force", "sudo", "--", "app=other"), USAGE, "leave app= away"),
                (("enable", "sudo", "--", "login_grace=60"), USAGE, "is for sshd, and means nothing in sudo"),
                (("enable", "nosuch"), NO_SERVICE, "there is neither /etc/pam.d/nosuch nor /usr/lib/pam.d/nosuch"),
                (("disable", "nosuch"), NO_SERVICE, "no such service"), (("show", "nosuch"), NO_SERVICE, "no such service"),
                (("enable", "common-auth"), NO_SERVICE, "is no service but what services include"),
                (("enable", "sudo.dpkg-old"), NO_SERVICE, "write its lines by hand"),
                (("enable", "../shadow"), NO_SERVICE, "is no name of a PAM service")):
            with self.subTest(arguments):
                got, _, err = pam(*arguments)
                self.assertEqual(got, status, err)
                self.assertIn(said, err)
        got, _, err = pam("enable", "sudo", user="op1", group="op1", extra_groups=[])
        self.assertEqual(got, NO_SERVICE)
        self.assertIn("only root", err)
        self.assertEqual(pam("--help")[0], DONE)
        self.assert_all_stock()


class Files(Pamd):
    def test_mode_owner_and_other_peoples_changes_stay(self):
        os.chmod(path_of("sudo"), 0o640)
        shutil.chown(path_of("sudo"), "root", "glass")
        os.setxattr(path_of("sudo"), LABEL, b"system_u:object_r:etc_t:s0")
        pam("enable", "--observe", "sudo")
        status = os.stat(path_of("sudo"))
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_gid), (0o640, grp.getgrnam("glass").gr_gid))
        self.assertEqual(stat.S_IMODE(os.stat(f"{BEFORE}/sudo").st_mode), 0o640)
        self.assertEqual(os.getxattr(path_of("sudo"), LABEL), b"system_u:object_r:etc_t:s0")
        write(path_of("sudo"), read(path_of("sudo")) + "# mine\n")
        _, out, _ = pam("disable", "sudo")
        self.assertIn(f"somebody else changed the file too; the one from before is kept as {BEFORE}/sudo", out)
        self.assertEqual(read(path_of("sudo")), self.stock("sudo") + "# mine\n")
        self.assertEqual(glob.glob("/etc/pam.d/.*"), [])

    def test_a_vendors_file_is_copied_and_the_copy_goes(self):
        status, out, err = pam("enable", "--observe", "polkit-1")
        self.assertEqual((status, err), (DONE, ""), out)
        text = read(path_of("polkit-1"))
        self.assertTrue(text.startswith("# jit-helper pam: copied from /usr/lib/pam.d/polkit-1"), text)
        self.assertIn("exempt_user=root", text)
        self.assertEqual(pam("enable", "--observe", "polkit-1")[0], DONE)
        self.assertEqual(read(path_of("polkit-1")), text)
        pam("disable", "polkit-1")
        self.assert_all_stock()
        # Changed by somebody, it is theirs.
        pam("enable", "--observe", "polkit-1")
        write(path_of("polkit-1"), read(path_of("polkit-1")) + "# mine\n")
        pam("disable", "polkit-1")
        self.assertEqual(read(path_of("polkit-1")), read("/usr/lib/pam.d/polkit-1") + "# mine\n")

    def test_whoever_comes_second_waits(self):
        folder = os.open("/etc/pam.d", os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        second = subprocess.Popen(["/usr/sbin/jit-helper", "pam", "enable", "--observe", "sudo"], stdout=subprocess.DEVNULL)
        with self.assertRaises(subprocess.TimeoutExpired):
            second.wait(1.5)  # alone it needs a tenth of that
        self.assert_all_stock()
        os.close(folder)
        self.assertEqual(second.wait(60), DONE)
        self.assertEqual(len(ours("sudo")), 2)

    def test_two_at_once_wait_for_each_other_and_leftovers_go(self):
        write("/etc/pam.d/.pam_jit-abc123", "left by one that was killed\n")
        running = [subprocess.Popen(["/usr/sbin/jit-helper", "pam", "enable", "--observe", service],
                                    stdout=subprocess.DEVNULL) for service in ("sudo", "su", "sshd", "sudo")]
        self.assertEqual([process.wait(60) for process in running], [0] * 4)
        self.assertEqual([len(ours(service)) for service in ("sudo", "su", "sshd")], [2, 2, 2])
        self.assertEqual(glob.glob("/etc/pam.d/.*"), [])

    def test_dry_run_changes_nothing(self):
        status, out, _ = pam("enable", "--observe", "--dry-run", "sudo", "polkit-1")
        self.assertEqual(status, DONE)
        self.assertIn("sudo: would be observed, by these lines; nothing was written:", out)
        self.assert_all_stock()
        pam("enable", "--observe", "sudo", "polkit-1")
        write("/etc/pam.d/.pam_jit-abc123", "left by one that was killed\n")
        texts = {name: read(path_of(name)) for name in os.listdir("/etc/pam.d")}
        for arguments in (("sudo", "polkit-1"), ("--all",)):
            status, out, _ = pam("disable", "--dry-run", *arguments)
            self.assertEqual(status, DONE)
            self.assertIn("would be taken out: ", out)
            self.assertIn("/etc/pam.d/polkit-1: would be removed", out)
            self.assertEqual({name: read(path_of(name)) for name in os.listdir("/etc/pam.d")}, texts)

    def test_show_says_what_stands_where(self):
        pam("enable", "--observe", "sudo", "su")
        write(path_of("login"), self.stock("login") + "account required pam_jit.so\nsession required pam_jit.so\n")
        write(path_of("sshd"), self.stock("sshd") + "session required pam_jit.so\n")
        status, out, err = pam("show", "sudo", "su-l", "sudo-i", "login", "sshd", "polkit-1", user="op1", group="op1",
                               extra_groups=[])
        self.assertEqual((status, err), (DONE, ""))
        rows = [line.split(maxsplit=3) for line in out.replace("WRITTEN BY", "WRITTEN-BY").replace("by hand", "by-hand").splitlines()]
        lines = {name: read(path_of(name)).splitlines() for name in ("login", "sshd")}
        self.assertEqual(rows, [
            ["SERVICE", "STATE", "WRITTEN-BY", "WHERE"],
            ["sudo", "observe", "jit-helper", "/etc/pam.d/sudo:9 (account)"],
            ["sudo", "observe", "jit-helper", "/etc/pam.d/sudo:4 (session)"],
            ["su-l", "observe", "jit-helper", "/etc/pam.d/su:59 (account)"],
            ["su-l", "observe", "jit-helper", "/etc/pam.d/su:61 (session)"],
            ["sudo-i", "none", "-", "/etc/pam.d/sudo-i"],
            ["login", "gate", "by-hand", f"/etc/pam.d/login:{len(lines['login']) - 1} (account)"],
            ["login", "gate", "by-hand", f"/etc/pam.d/login:{len(lines['login'])} (session)"],
            ["sshd", "broken", "by-hand", f"/etc/pam.d/sshd:{len(lines['sshd'])} (session)"],
            ["polkit-1", "none", "-", "/usr/lib/pam.d/polkit-1"]])
        self.assertRegex(pam("show")[1], r"(?m)^sudo  .*\n(.*\n)*login  ")


class Removal(Pamd):
    """What a package runs before its module goes."""

    def setUp(self):
        super().setUp()
        module = glob.glob("/usr/lib/*/security/pam_jit.so")[0]
        self.module = module
        shutil.copy(module, "/run/lab/pam_jit.so")
        self.addCleanup(lambda: shutil.copy("/run/lab/pam_jit.so", module))

    def disable_all(self):
        """As a package's script runs it: (exit status, what it said)."""
        done = subprocess.run(["/bin/sh", "-c", "exec /usr/sbin/jit-helper pam disable --all <&- >/run/lab/said 2>&1"],
                              env={"LANG": "C"}, timeout=60, cwd="/")
        return done.returncode, read("/run/lab/said")

    def test_it_leaves_no_line_and_people_get_in(self):
        self.assertEqual(pam("enable", "--observe", "sudo", "sudo-i", "su", "sshd", "polkit-1")[0], DONE)
        write(path_of("common-account"), self.stock("common-account") +
              f"-account required \\\n   {self.module} \\\n   app=other\n")
        write(path_of("login"), self.stock("login") + "session required pam_jit.so\r\nauth optional pam_jit.so")
        write(path_of("hand"), "account required /opt/ldap/pam_jit.so\naccount required pam_unix.so\n")
        os.makedirs("/etc/pam-local", exist_ok=True)
        write("/etc/pam-local/ours", "session required pam_jit.so\n")
        write(path_of("linked"), "@include /etc/pam-local/ours\n")
        old = read("/etc/pam.conf")
        self.addCleanup(write, "/etc/pam.conf", old)
        write("/etc/pam.conf", old + "sudo account required pam_jit.so\n")
        self.without_helper()
        os.unlink(self.module)
        os.rename("/etc/pam-jit/jit-helper.conf", "/etc/pam-jit/jit-helper.conf.away")
        self.addCleanup(os.rename, "/etc/pam-jit/jit-helper.conf.away", "/etc/pam-jit/jit-helper.conf")
        self.assertNotEqual(self.open_terminal().run("sudo id")[0], 0, "every line that names the module refuses")
        status, said = self.disable_all()
        self.assertEqual(status, DONE, said)
        number = len(self.stock("common-account").splitlines()) + 1
        self.assertIn(f"/etc/pam.d/common-account:{number}: commented out: -account required \\\n", said)
        self.assertEqual(read(path_of("common-account")), self.stock("common-account") +
                         f"# pam_jit removed: -account required \\\n# pam_jit removed:    {self.module} \\\n"
                         "# pam_jit removed:    app=other\n")
        with open(path_of("login"), newline="", encoding="utf-8") as file:
            self.assertEqual(file.read(), self.stock("login") + "# pam_jit removed: session required pam_jit.so\r\n"
                             "# pam_jit removed: auth optional pam_jit.so")
        self.assertEqual(read("/etc/pam.conf"), old + "# pam_jit removed: sudo account required pam_jit.so\n")
        self.assertEqual(read("/etc/pam-local/ours"), "# pam_jit removed: session required pam_jit.so\n")
        self.assertEqual(read(path_of("hand")), "account required /opt/ldap/pam_jit.so\naccount required pam_unix.so\n")
        self.assertIn("/etc/pam.d/hand:1: left alone, it means another project's module", said)
        self.assert_stock("sudo", "sudo-i", "su", "sshd", "su-l")
        self.assertFalse(os.path.exists(path_of("polkit-1")))
        self.assertIn("uid=0(root)", self.open_terminal().run("sudo id")[1])
        texts = {name: read(path_of(name)) for name in os.listdir("/etc/pam.d")}
        self.assertEqual(self.disable_all()[0], DONE)
        self.assertEqual({name: read(path_of(name)) for name in os.listdir("/etc/pam.d")}, texts)

    def test_it_needs_no_standard_files(self):
        pam("enable", "--observe", "sudo")
        write(path_of("login"), self.stock("login") + "auth optional pam_jit.so\n")
        subprocess.run(["/bin/sh", "-c", "exec /usr/sbin/jit-helper pam disable --all <&- >&- 2>&-"], check=True, timeout=60)
        self.assertEqual(read(path_of("login")), self.stock("login") + "# pam_jit removed: auth optional pam_jit.so\n")
        self.assert_stock("sudo")

    def test_another_projects_module_keeps_its_lines(self):
        write(self.module, "a module of the same name\n")
        got, _, err = pam("enable", "--observe", "su")
        self.assertEqual(got, REFUSED)
        self.assertIn("(module.foreign)", err)
        write(path_of("sudo"), self.stock("sudo") + "account optional pam_jit.so\n")
        status, said = self.disable_all()
        self.assertEqual(status, DONE, said)
        self.assertEqual(read(path_of("sudo")), self.stock("sudo") + "account optional pam_jit.so\n")

    def test_a_jump_still_lands_where_it_did(self):
        write(path_of("common-account"), "account [success=1 default=ignore] pam_succeed_if.so quiet user ingroup root\n"
              "account required pam_jit.so\naccount required pam_permit.so\n")
        status, said = self.disable_all()
        self.assertEqual(status, DONE, said)
        self.assertEqual(read(path_of("common-account")).splitlines()[1],
                         "account  [default=ignore]  pam_permit.so  # pam_jit removed: account required pam_jit.so")

    def test_a_jump_before_an_include_still_lands_where_it_did(self):
        """The gate in a file of its own, and a way around it for some, but around nothing else."""
        write(path_of("gate"), "account required pam_jit.so\n")
        write(path_of("sudo"), "account [success=1 default=ignore] pam_succeed_if.so quiet user = op1\n@include gate\n"
              "account requisite pam_deny.so\naccount required pam_permit.so\n" + self.stock("sudo"))
        self.assertNotEqual(self.open_terminal().run("sudo id")[0], 0)
        status, said = self.disable_all()
        self.assertEqual(status, DONE, said)
        self.assertEqual(read(path_of("gate")), "account  [default=ignore]  pam_permit.so  # pam_jit removed: account required "
                         "pam_jit.so\n")
        self.assertNotEqual(self.open_terminal().run("sudo id")[0], 0)

    def test_a_denial_that_only_an_approval_leaves_out_keeps_nobody_out(self):
        write(path_of("sudo"), "account [success=1 default=ignore] pam_jit.so\naccount requisite pam_deny.so\n" +
              self.stock("sudo"))
        status, said = self.disable_all()
        self.assertEqual(status, DONE, said)
        self.assertEqual(read(path_of("sudo")).splitlines()[0], "account  [success=1 default=ignore]  pam_permit.so  "
                         "# pam_jit removed: account [success=1 default=ignore] pam_jit.so")
        self.assertIn("uid=0(root)", self.open_terminal().run("sudo id")[1])
        # But never in auth: nobody gets in without a password.
        text = "auth [success=1 default=ignore] pam_jit.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n"
        write(path_of("su"), text)
        self.assertEqual(self.disable_all()[0], DONE)
        self.assertEqual(read(path_of("su")), f"# pam_jit removed: {text}")
        # Where nothing needs it the line goes, with what it decided.
        write(path_of("sudo"), "account sufficient pam_jit.so\naccount [success=done default=die] pam_jit.so\n" +
              self.stock("sudo"))
        self.assertEqual(self.disable_all()[0], DONE)
        self.assertEqual(read(path_of("sudo")), "# pam_jit removed: account sufficient pam_jit.so\n"
                         "# pam_jit removed: account [success=done default=die] pam_jit.so\n" + self.stock("sudo"))

    def test_what_lies_about_in_the_folder_is_nobodys_business(self):
        with open(path_of("backup.tar"), "wb") as file:
            file.write(bytes(500000))
        os.mkfifo(path_of("fifo"))
        os.symlink("/nowhere", path_of("dangling"))
        os.mkdir(path_of("folder"))
        write(path_of("theirs"), "account required pam_permit.so\n", 0o666, "op1")
        status, said = self.disable_all()
        self.assertEqual((status, said), (DONE, "no line of PAM's files names pam_jit.so: nothing was to be done\n"))

    def test_a_line_that_cannot_be_taken_out_fails_the_removal(self):
        write(path_of("sudo"), self.stock("sudo") + "account required pam_jit.so\n")
        os.chmod(path_of("sudo"), 0o666)
        status, said = self.disable_all()
        self.assertEqual(status, REFUSED, said)
        self.assertIn("/etc/pam.d/sudo can be written by others than its owner: chmod go-w /etc/pam.d/sudo", said)
        self.assertIn("without the module they refuse everybody", said)
