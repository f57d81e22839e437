"""ssh, scp, sftp and rsync with a public key alone, and keyboard-interactive on a terminal × what may come of it:
real clients against real sshd. Each test comes from an address of its own, which is what an approval may be bound to."""

import os
import signal

import golden
import sshlab
from doors import table
from sshdoors import PROGRAMS, REFUSED, SHOWN, Conversation, SshCase
from terminal import wait_until


@table({name: {} for name in PROGRAMS}, ("approved", "denied", "timed_out", "live_grant"))
class PublicKey(SshCase):
    """Nothing can be shown but a banner with the refusal: the person comes back once it is decided."""

    def case_approved(self, row, _):
        first = self.fetch(row)
        request = self.refused(first)
        self.compare(f"{row}.waiting", first)
        self.assertEqual(self.lab.request(request[0])["status"], "PENDING", "it goes on without the connection")
        self.approve(request)
        self.assert_fetched(self.fetch(row))

    def case_denied(self, row, _):
        request = self.refused(self.fetch(row))
        before = self.lab.filed()
        self.deny(request)
        second = self.fetch(row)
        self.assert_refused(second)
        self.compare(f"{row}.denied", second)
        self.assertEqual(self.lab.filed(), before, "nobody is asked again before the answer was heard")

    def case_timed_out(self, row, _):
        request = self.refused(self.fetch(row, "sshd-quick"))
        self.lab.wait_for_status(request[0], "EXPIRED")
        second = self.fetch(row, "sshd-quick")
        self.assert_refused(second)
        self.compare(f"{row}.timed_out", second)

    def case_live_grant(self, row, _):
        self.approve(self.refused(self.fetch(row, "sshd-crowd")))
        before = self.lab.filed()
        for _ in range(2):
            self.assert_fetched(self.fetch(row, "sshd-crowd"))
        self.assertEqual(self.lab.filed(), before)

    def test_a_second_try_before_the_decision_names_the_same_request(self):
        first, second = self.refused(self.fetch("ssh-command")), self.refused(self.fetch("ssh-command"))
        self.assertEqual(first, second)

    def test_an_approval_of_scope_session_is_good_for_one_connection(self):
        request = self.refused(self.fetch("ssh-command"))
        self.approve(request)
        self.assert_fetched(self.fetch("ssh-command"))
        self.assertNotEqual(self.refused(self.fetch("ssh-command"))[0], request[0])

    def test_from_another_address_it_is_not_taken_up(self):
        request = self.refused(self.fetch("ssh-command"))
        self.approve(request)
        self.setUp()
        self.assertNotEqual(self.refused(self.fetch("ssh-command"))[0], request[0])

    def test_by_another_person_it_is_not_taken_up(self):
        request = self.refused(self.fetch("ssh-command"))
        self.approve(request)
        status, out, errors = self.server().run("web-1", "id", who="op2", options=self.options())
        self.assertNotEqual(self.refused((status, out, errors))[0], request[0])

    def test_a_role_that_wants_a_reason_says_how_to_give_one(self):
        before = self.lab.filed()
        fetched = self.fetch("ssh-command", "sshd-reason")
        self.assert_refused(fetched)
        self.assertIn(b"jit request", fetched[2])
        self.assertEqual(self.lab.filed(), before)
        self.compare("ssh-command.reason", fetched)

    def test_a_shell_on_a_terminal_shows_the_banner_too(self):
        client = self.server().shell("web-1", options=self.options())
        self.addCleanup(client.close)
        client.expect(sshlab.EOF)
        client.wait()
        self.assertRegex(client.before, SHOWN)
        self.check_golden("ssh-shell.waiting", f"{client.before}[exit status {client.exitstatus}]\n")

    def test_a_master_opens_further_sessions_without_anybody_being_asked(self):
        """sshd runs PAM once a connection: what goes over it afterwards is the approved session's."""
        self.approve(self.refused(self.fetch("ssh-command")))
        path = f"/tmp/master-{self.source}"
        options = self.options(f"ControlPath={path}")
        master = self.server().begin("-M", "-N", "web-1", options=options)
        self.addCleanup(master.communicate)
        self.addCleanup(master.kill)
        wait_until("the master connection stands", lambda: os.path.exists(path), 10)
        before = self.lab.filed()
        for _ in range(2):
            self.assertEqual(self.server().run("web-1", "id -un", options=options), (0, b"op1\n", b""))
        self.assertEqual(self.lab.filed(), before)


@table({name: {} for name in PROGRAMS}, ("approved", "interrupted"))
class SilentWait(SshCase):
    """`silent_wait`: the connection waits a while, with nothing to show, before it is refused."""

    def kill(self, client):
        """With all that it has started."""
        os.killpg(client.pid, signal.SIGKILL)
        client.communicate()

    def case_approved(self, row, _):
        client, request = self.begin_to_fetch(row, "sshd-wait")
        self.approve(request)
        out, errors = client.communicate(timeout=10)
        self.assert_fetched(self.fetched(row, client.returncode, out, errors))

    def case_interrupted(self, row, _):
        """The request goes on without its client, and the next connection takes it up."""
        client, request = self.begin_to_fetch(row, "sshd-wait")
        before = self.lab.filed()
        self.kill(client)
        self.assertEqual(self.take(self.words(row)[2]), b"")
        self.assertEqual(self.lab.request(request[0])["status"], "PENDING")
        self.approve(request)
        self.assert_fetched(self.fetch(row, "sshd-wait"))
        self.assertEqual(self.lab.filed(), before)

    def test_without_resume_a_killed_client_withdraws_it(self):
        client, request = self.begin_to_fetch("ssh-command", "sshd-once")
        self.kill(client)
        self.lab.wait_for_status(request[0], "CANCELLED", 5)


@table({name: {} for name in PROGRAMS}, ("broker_down",))
class BrokerDown(SshCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.broker.stop()

    def case_broker_down(self, row, _):
        fetched = self.fetch(row)
        self.assert_refused(fetched)
        self.compare(f"{row}.broker_down", fetched)

    def test_with_keyboard_interactive_too(self):
        for row, server in (("ssh-kbd", "sshd-kbd"), ("ssh-both", "sshd-both")):
            with self.subTest(row):
                seen = Conversation(self, server, "id -un")
                seen.type_password()
                self.assertEqual(seen.finish(), REFUSED)
                self.check_golden(f"{row}.broker_down", seen.transcript())


@table({"ssh-kbd": {"server": "sshd-kbd"}, "ssh-both": {"server": "sshd-both"}},
       ("approved", "denied", "timed_out", "interrupted", "live_grant"))
class KeyboardInteractive(SshCase):
    """Before OpenSSH 10.3 text is shown with the next prompt only: so it stands in a prompt, and Enter begins the
    wait."""

    def ask(self, server, *words):
        seen = Conversation(self, server, *words)
        seen.type_password()
        request = seen.wait_for_prompt()
        seen.client.sendline("")
        return seen, request

    def compare_seen(self, name, seen):
        golden.check(self, name, seen.transcript(), seen.log)

    def case_approved(self, row, spec):
        seen, request = self.ask(spec["server"], "id -un")
        self.approve(request)
        self.assertEqual(seen.finish(), 0)
        self.compare_seen(f"{row}.approved", seen)

    def case_denied(self, row, spec):
        seen, request = self.ask(spec["server"], "id -un")
        self.deny(request)
        self.assertEqual(seen.finish(), REFUSED)
        self.compare_seen(f"{row}.denied", seen)

    def case_interrupted(self, row, spec):
        """Ctrl-C ends the client; the request goes on, and the next connection takes it up."""
        seen, request = self.ask(spec["server"], "id -un")
        seen.expect("\r\n")
        seen.client.sendintr()
        self.assertNotEqual(seen.finish(5), 0)
        self.compare_seen(f"{row}.interrupted", seen)
        self.assertEqual(self.lab.request(request[0])["status"], "PENDING")
        self.approve(request)
        again = Conversation(self, spec["server"], "id -un")
        again.type_password()
        self.assertEqual(again.finish(), 0)
        self.compare_seen(f"{row}.taken_up", again)

    def case_timed_out(self, row, spec):
        seen, request = self.ask(f"{spec['server']}-quick", "id -un")
        self.assertEqual(seen.finish(), REFUSED)
        self.compare_seen(f"{row}.timed_out", seen)
        self.lab.wait_for_status(request[0], "EXPIRED")

    def case_live_grant(self, row, spec):
        """Of scope user: the password is asked for and nothing else, whatever comes in by it."""
        server = f"{spec['server']}-crowd"
        seen, request = self.ask(server, "id -un")
        self.approve(request)
        self.assertEqual(seen.finish(), 0)
        before = self.lab.filed()
        again = Conversation(self, server, "id -un")
        again.type_password()
        self.assertEqual(again.finish(), 0)
        self.compare_seen(f"{row}.live_grant", again)
        for program in ("scp", "sftp", "rsync"):
            self.assert_comes_whole(server, program)
        self.assertEqual(self.lab.filed(), before)

    def assert_comes_whole(self, server, program):
        program, words, out = self.words(program)
        quiet = () if program == "rsync" else ("-q",)  # no meter of their progress
        seen = Conversation(self, server, *quiet, *words, program=program)
        seen.type_password()
        self.assertEqual(seen.finish(), 0, seen.transcript())
        self.assertTrue(self.take(out) == self.payload, f"{program}: other bytes than were sent")
        self.assertNotIn("request", seen.transcript())

    def test_a_shell_is_reached(self):
        seen, request = self.ask("sshd-kbd")
        self.approve(request)
        seen.expect(r"op1@.*\$ ")
        seen.client.sendline("exit")
        self.assertEqual(seen.finish(), 0)
        self.compare_seen("ssh-kbd.shell", seen)

    def test_the_reason_is_asked_for(self):
        seen = Conversation(self, "sshd-kbd-reason", "id -un")
        seen.type_password()
        seen.expect("Reason for role admin: ")
        seen.client.sendline("disk full")
        request = seen.wait_for_prompt()
        self.assertEqual(self.lab.request(request[0])["reason"], "disk full")
        seen.client.sendline("")
        self.approve(request)
        self.assertEqual(seen.finish(), 0)
        self.compare_seen("ssh-kbd.reason", seen)

    def test_an_approval_before_enter_counts(self):
        seen = Conversation(self, "sshd-kbd", "id -un")
        seen.type_password()
        request = seen.wait_for_prompt()
        self.approve(request)
        seen.client.sendline("")
        self.assertEqual(seen.finish(), 0)

    def test_a_wrong_password_pages_nobody(self):
        before = self.lab.filed()
        seen = Conversation(self, "sshd-kbd", "id -un")
        seen.expect("Password: ")
        seen.client.sendline("wrong")
        seen.expect("Password: ")
        self.assertEqual(self.lab.filed(), before)
