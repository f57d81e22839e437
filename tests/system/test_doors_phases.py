"""What the applications do with PAM, measured by a module that only notes its calls (probe.c): the facts that this
project's module relies on. A test that fails here says that an application has changed."""

import collections
import glob
import os
import subprocess

import sshlab
from lab import NOPASSWD, PASSWORD, WITH_PASSWORD, Lab, LabCase, read, write
from namespace import TREE
from terminal import wait_until

PHASES = "/run/lab/phases"
PROBE = "/run/lab/probe.so"
PAM_PERM_DENIED, PAM_AUTH_ERR, PAM_SESSION_ERR, PAM_CRED_ERR = 6, 7, 14, 17
Call = collections.namedtuple("Call", "phase service user ruser uid euid pid session command left")
STACK = """auth required {probe}
{auth}
account required {probe}
session required pam_loginuid.so
session required {probe}
"""


class PhasesCase(LabCase):
    """No daemon of ours runs: the applications alone."""

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab.here()
        subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-o", PROBE, os.path.join(TREE, "tests/system/probe.c"),
                        "-lpam"], check=True)
        for service in ("sudo", "sudo-i", "su", "login", "sshd", "runuser"):
            rootok = "auth sufficient pam_rootok.so\n" if service in ("su", "runuser") else ""
            write(f"/etc/pam.d/{service}", STACK.format(auth=f"{rootok}auth required pam_unix.so", probe=PROBE))
        cls.lab.set_password("root")
        sshlab.make_keys(cls.lab, "op1")
        write(PHASES, "", 0o666)

    def setUp(self):
        write(PHASES, "", 0o666)
        for path in glob.glob("/run/lab/answer.*"):
            os.unlink(path)
        self.lab.set_sudoers(NOPASSWD)

    def answer(self, phase, code):
        write(f"/run/lab/answer.{phase}", str(code))

    def calls(self):
        return [Call(*line.split("\t")) for line in read(PHASES).splitlines()]

    def phases(self):
        return [call.phase for call in self.calls()]

    def call(self, phase):
        found = [call for call in self.calls() if call.phase == phase]
        self.assertEqual(len(found), 1, self.phases())
        return found[0]

    def sudo(self, command, sudoers=NOPASSWD, password=None):
        self.lab.set_sudoers(sudoers)
        terminal = self.open_terminal()
        terminal.start(command)
        for _ in range(password or 0):
            terminal.expect("password for op1: ")
            terminal.type(PASSWORD)
        return terminal, terminal.finish()


class SudoPhases(PhasesCase):
    def test_a_first_sudo_runs_every_phase(self):
        _, (status, _) = self.sudo("sudo id", WITH_PASSWORD, 1)
        self.assertEqual(status, 0)
        self.assertEqual(self.phases(), ["auth", "account", "reinit", "open", "close", "delete"])
        self.assertEqual(len({call.pid for call in self.calls()}), 1, "in one process")

    def test_nopasswd_skips_auth(self):
        self.sudo("sudo id")
        self.assertEqual(self.phases(), ["account", "reinit", "open", "close", "delete"])

    def test_a_ticket_skips_auth(self):
        terminal, _ = self.sudo("sudo id", WITH_PASSWORD, 1)
        self.setUp()
        self.lab.set_sudoers(WITH_PASSWORD)
        terminal.run("sudo id")
        self.assertEqual(self.phases(), ["account", "reinit", "open", "close", "delete"])

    def test_root_is_not_authenticated_and_goes_through_account(self):
        self.open_terminal("root").run("sudo id")
        self.assertEqual(self.phases()[:1], ["account"])

    def test_validating_and_listing_stop_after_account(self):
        for command, words in (("sudo -v", "validate"), ("sudo -l", "list")):
            with self.subTest(command):
                self.setUp()
                self.sudo(command)
                self.assertEqual([(call.phase, call.command) for call in self.calls()], [("account", words)])

    def test_minus_n_that_needs_a_password_and_minus_k_run_nothing(self):
        for command in ("sudo -nk id", "sudo -K", "sudo -k"):
            with self.subTest(command):
                self.setUp()
                self.sudo(command, WITH_PASSWORD)
                self.assertEqual(self.phases(), [])

    def test_in_the_background_account_and_session_are_different_processes(self):
        self.sudo("sudo -b true")
        wait_until("the command's session is opened", lambda: "open" in self.phases())
        self.assertNotEqual(self.call("account").pid, self.call("open").pid)

    def test_account_sees_the_invoker_and_open_the_target(self):
        self.sudo("sudo -u op2 id")
        seen = {call.phase: (call.user, call.ruser) for call in self.calls()}
        self.assertEqual(seen["account"], ("op1", "op1"))
        for phase in ("reinit", "open", "close"):
            self.assertEqual(seen[phase], ("op2", "op1"))

    def test_the_real_uid_is_the_invokers(self):
        self.sudo("sudo id")
        op1 = self.open_terminal().account.pw_uid
        for phase in ("account", "open"):
            self.assertEqual((int(self.call(phase).uid), int(self.call(phase).euid)), (op1, 0))

    def test_sudoedit_has_become_root_when_it_opens_the_session(self):
        write("/etc/edited", "")
        self.lab.set_sudoers(NOPASSWD)
        terminal = self.open_terminal(environment={"EDITOR": "/bin/true"})
        terminal.run("sudoedit /etc/edited")
        self.assertEqual(int(self.call("account").uid), terminal.account.pw_uid)
        self.assertEqual((self.call("open").uid, self.call("open").ruser), ("0", "op1"))

    def test_the_command_is_told_to_modules_and_not_by_the_caller(self):
        self.lab.set_sudoers(NOPASSWD)
        self.open_terminal(environment={"SUDO_COMMAND": "/bin/forged"}).run("sudo id -u")
        self.assertEqual(self.call("account").command, "/usr/bin/id -u")

    def test_a_refusal_in_auth_is_asked_three_times_and_in_account_once(self):
        self.answer("auth", PAM_AUTH_ERR)
        _, (status, _) = self.sudo("sudo id", WITH_PASSWORD, 3)
        self.assertEqual((status, self.phases()), (1, ["auth"] * 3))
        self.setUp()
        self.answer("account", PAM_PERM_DENIED)
        _, (status, text) = self.sudo("sudo id")
        self.assertEqual((status, self.phases()), (1, ["account"]), text)

    def test_session_err_from_open_runs_the_command_all_the_same(self):
        self.answer("open", PAM_SESSION_ERR)
        _, (status, text) = self.sudo("sudo id")
        self.assertEqual(status, 0)
        self.assertIn("uid=0", text)

    def test_perm_denied_from_open_runs_nothing_and_neither_close_nor_delete_comes(self):
        self.answer("open", PAM_PERM_DENIED)
        _, (status, text) = self.sudo("sudo id")
        self.assertEqual(status, 1)
        self.assertNotIn("uid=0", text)
        self.assertEqual(self.phases(), ["account", "reinit", "open"])

    def test_a_refusal_in_setcred_stops_nothing(self):
        self.answer("reinit", PAM_CRED_ERR)
        _, (_, text) = self.sudo("sudo id")
        self.assertIn("uid=0", text)

    def test_without_pam_session_no_open_comes(self):
        self.sudo("sudo id", f"Defaults !pam_session\n{NOPASSWD}")
        self.assertNotIn("open", self.phases())
        self.assertIn("account", self.phases())

    def test_without_pam_acct_mgmt_no_account_comes(self):
        self.sudo("sudo id", f"Defaults !pam_acct_mgmt\n{NOPASSWD}")
        self.assertNotIn("account", self.phases())


class OtherPhases(PhasesCase):
    def test_su_names_the_target_throughout(self):
        terminal = self.open_terminal()
        terminal.start("su -c true")
        terminal.expect("Password: ")
        terminal.type(PASSWORD)
        self.assertEqual(terminal.finish()[0], 0)
        self.assertEqual(self.phases(), ["auth", "account", "establish", "open", "close", "delete"])
        self.assertEqual({(call.user, call.ruser) for call in self.calls()}, {("root", "op1")})
        self.assertEqual(int(self.call("account").uid), terminal.account.pw_uid)

    def test_su_by_root_goes_through_account(self):
        self.open_terminal("root").run("su op1 -c true")
        self.assertIn("account", self.phases())

    def test_runuser_has_neither_auth_nor_account(self):
        self.open_terminal("root").run("runuser -u op1 -- true")
        self.assertNotIn("account", self.phases())
        self.assertNotIn("auth", self.phases())
        self.open_terminal("root").run("runuser op1 -c true")
        self.assertNotIn("account", self.phases())
        self.assertIn("open", self.phases())

    def test_login_runs_account_as_root_and_never_deletes(self):
        terminal = self.open_terminal("root")
        terminal.start("login op1")
        terminal.expect("Password: ")
        terminal.type(PASSWORD)
        terminal.expect(r"op1@.*\$ ")
        terminal.type("exit")
        terminal.finish()
        self.assertEqual(self.phases()[:2], ["auth", "account"])
        self.assertEqual((self.call("account").uid, self.call("account").user), ("0", "op1"))
        self.assertNotIn("delete", self.phases())


class SshPhases(PhasesCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.publickey = sshlab.Sshd(cls.lab, AuthenticationMethods="publickey").start()
        cls.servers = [cls.publickey]
        cls.addClassCleanup(cls.publickey.stop)

    def tearDown(self):
        """What sshd still does for this connection is not to be taken for the next one's."""
        for server in self.servers:
            wait_until("the connection is over", lambda server=server: not server.connections(), 10)

    def kbdint(self, methods="keyboard-interactive"):
        server = sshlab.Sshd(self.lab, "sshd-kbd", AuthenticationMethods=methods, KbdInteractiveAuthentication="yes")
        write("/etc/pam.d/sshd-kbd", read("/etc/pam.d/sshd"))
        self.servers.append(server.start())
        self.addCleanup(self.servers.remove, server)
        self.addCleanup(server.stop)
        client = server.shell("web-1", "id -un")
        self.addCleanup(client.close)
        client.expect("Password: ")
        client.sendline(PASSWORD)
        client.expect("op1")
        client.expect(sshlab.EOF)

    def test_a_public_key_skips_auth_and_its_session_is_opened_by_another_process(self):
        status, out, err = self.publickey.run("web-1", "id -un")
        self.assertEqual((status, out, err), (0, b"op1\n", b""))
        phases = self.phases()
        self.assertNotIn("auth", phases)
        self.assertEqual(phases[0], "account")
        self.assertEqual(phases.count("establish") + phases.count("reinit"), 2)
        self.assertIn("open", phases)

    def test_account_runs_as_root_in_no_audit_session_of_the_login(self):
        self.publickey.run("web-1", "id")
        account, opened = self.call("account"), self.call("open")
        self.assertEqual((account.uid, account.user, account.ruser), ("0", "op1", "-"))
        self.assertNotEqual(account.session, opened.session)
        self.assertEqual(account.command, "-")

    def test_sftp_and_a_command_go_the_same_way(self):
        for program, words in (("ssh", ("web-1", "true")), ("sftp", ("-q", "-b", "/dev/null", "web-1"))):
            with self.subTest(program):
                self.tearDown()
                self.setUp()
                self.assertEqual(self.publickey.run(*words, program=program)[0], 0)
                self.assertEqual(self.phases()[0], "account")
                self.assertIn("open", self.phases())

    def test_keyboard_interactive_runs_auth_and_account_in_a_child(self):
        self.kbdint()
        self.assertEqual(self.phases()[:2], ["auth", "account"])
        self.assertEqual(self.call("auth").pid, self.call("account").pid)
        self.assertNotEqual(self.call("account").pid, self.call("open").pid)

    def test_from_keyboard_interactives_child_the_environment_of_pam_comes_back_and_its_data_does_not(self):
        self.kbdint()
        self.assertEqual(self.call("open").left, "env")

    def test_with_a_public_key_both_are_there(self):
        self.publickey.run("web-1", "id")
        self.assertEqual(self.call("open").left, "data env")

    def test_a_public_key_and_keyboard_interactive_run_every_phase_once(self):
        self.kbdint("publickey,keyboard-interactive")
        self.assertEqual(self.phases()[:2], ["auth", "account"])
        self.call("account")

    def test_a_refusal_in_account_disconnects(self):
        self.answer("account", PAM_PERM_DENIED)
        status, out, _ = self.publickey.run("web-1", "id")
        self.assertEqual((status, out), (255, b""))
        self.assertNotIn("open", self.phases())

    def test_a_refusal_in_open_is_status_254(self):
        self.answer("open", PAM_PERM_DENIED)
        status, out, _ = self.publickey.run("web-1", "id")
        self.assertEqual((status, out), (254, b""))
