"""Somebody with a shell on the host wears the helper out: floods of connections and of frames that are none, giant and
tiny ones, descriptors sent along, all they may have of waits, a sudo that is stopped. Others are let in meanwhile, what
the helper holds stays bounded, and afterwards all of it is given back."""

import array
import contextlib
import os
import select
import shutil
import signal
import socket

import attackers
import frames
from frames import ELEVATE, GENEROUS, SESSION_SOCKET, UNAVAILABLE, Module
from lab import NOPASSWD, PAM_SOCKET, PASSWORD, WAITING, WITH_PASSWORD, Lab, LabCase
from terminal import wait_until

SILENT = 5  # seconds after which the helper lets go of who has said nothing
ROOM_KB = 16384  # what a flood may add to the helper's memory: connections have limits of number and of size


class Floods(LabCase):
    def setUp(self):
        self.helper = attackers.Helper(self.lab)
        self.before = self.helper.descriptors(), self.helper.memory_kb()

    def attack(self, work, user="op1", times=2):
        for _ in range(times):
            pid = attackers.harmful(user, work)
            self.addCleanup(self.relent, pid)
            self.attackers.append(pid)

    def run(self, result=None):
        self.attackers = []
        return super().run(result)

    def relent(self, pid=None):
        """They stop, all or that one."""
        for each in [pid] if pid else list(self.attackers):
            if each in self.attackers:
                self.attackers.remove(each)
                frames.end(each)

    def assert_another_gets_in(self, user="op2"):
        terminal = self.open_terminal(user)
        self.assertIn("uid=0", self.run_approved(terminal)[1])
        status, text = terminal.run("jit status")
        self.assertEqual(status, 0, text)
        status, text = terminal.run("jit end")
        self.assertEqual(status, 0, text)
        terminal.close()

    def assert_all_is_given_back(self):
        try:
            wait_until("the descriptors are given back", lambda: self.helper.descriptors() <= self.before[0], GENEROUS)
        except AssertionError as error:
            raise AssertionError(f"{error}; before {self.before[0]}; now {self.helper.files()}") from None
        self.assertLess(self.helper.memory_kb() - self.before[1], ROOM_KB)

    def assert_nobody_is_kept_out_by(self, work, **how):
        self.attack(work, **how)
        self.assert_another_gets_in()
        self.assertLess(self.helper.memory_kb() - self.before[1], ROOM_KB)
        self.relent()
        self.assert_all_is_given_back()

    def test_a_flood_of_connections_and_half_frames_keeps_nobody_out(self):
        self.assert_nobody_is_kept_out_by(attackers.half_frames)

    def test_whoever_sends_what_is_no_frame_is_sent_away(self):
        """And holds no connection with it, however long they stay."""
        for nth, packet in enumerate(attackers.HALF):
            with self.subTest(nth), attackers.connection() as jit, contextlib.suppress(ConnectionResetError):
                jit.settimeout(SILENT - 1)
                jit.send(packet)
                while jit.recv(16384):
                    pass
        self.assert_all_is_given_back()

    def test_a_descriptor_that_lingers_holds_up_nobody(self):
        """The last close of such a socket waits: in the helper, when it reads what the socket came with, and when it
        closes a connection on which that lies unread."""
        kept = []

        def send_along():
            kept.append(attackers.send_lingering(SESSION_SOCKET, socket.SOCK_SEQPACKET, frames.frame(frames.STATUS)))
            if len(kept) > 100:
                kept.pop(0).close()

        self.assert_nobody_is_kept_out_by(send_along)

    def test_as_many_descriptors_as_go_along_are_all_given_back(self):
        read_end, write_end = os.pipe()
        with contextlib.suppress(PermissionError):  # of Linux 6.16 and later, which lets none in
            for _ in range(20):
                with attackers.connection() as jit:
                    rights = array.array("i", [write_end] * 253)
                    jit.sendmsg([frames.frame(frames.STATUS)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        for nth in range(20):
            with Module() as module:
                rights = array.array("i", [write_end] * (1 + 250 * (nth % 2)))
                module.sendmsg([b"PJ\x01"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                self.assertEqual(module.verdict()[0], frames.INVALID)
        os.close(write_end)
        self.assertTrue(select.select([read_end], [], [], GENEROUS)[0], "somebody holds it")
        self.assertEqual(os.read(read_end, 1), b"")
        os.close(read_end)
        self.assert_all_is_given_back()

    def test_nobody_but_root_may_speak_to_the_modules_socket(self):
        def knock():
            os.setresuid(*[frames.uid_of("op1")] * 3)
            try:
                Module().close()
            except PermissionError:
                return True
            raise AssertionError("it was let in")

        frames.end(frames.in_a_process(knock))

    def test_who_gets_at_the_modules_socket_and_is_not_root_is_refused_all_the_same(self):
        """Its mode is not all that stands before it."""
        os.chmod(PAM_SOCKET, 0o666)
        self.addCleanup(os.chmod, PAM_SOCKET, 0o600)

        def knock():
            os.setresuid(*[frames.uid_of("op1")] * 3)
            with Module() as module:  # told before it has asked
                said = module.verdict()
                if said == (UNAVAILABLE, "only root may ask here"):
                    return True
            raise AssertionError(said)

        frames.end(frames.in_a_process(knock))

    def test_a_flood_by_services_that_root_runs_keeps_nobody_out(self):
        """Anybody can make root's sudo connect, and stop it before it has said anything: more than it serves at a time."""
        silent = frames.in_a_process(attackers.many_silent)
        self.addCleanup(self.relent, silent)
        self.attackers.append(silent)
        for packet in attackers.HALF[1:]:
            with contextlib.suppress(OSError), Module() as module:
                module.send(packet)
                self.assertEqual(module.verdict()[0], frames.INVALID)
        self.assert_another_gets_in()
        self.relent(silent)
        self.assert_all_is_given_back()

    def test_a_flood_of_half_frames_by_services_that_root_runs_keeps_nobody_out(self):
        self.assert_nobody_is_kept_out_by(lambda: attackers.half_frames(PAM_SOCKET), user="root")

    def test_who_has_all_the_waits_that_one_may_have_is_told_so_and_others_are_let_in(self):
        waits = []
        self.addCleanup(lambda: [module.close() for module in waits])
        frames.log_in_here("op1")
        for nth in range(64):
            waits.append(Module())
            waits[-1].ask(ELEVATE, REASON=f"disk {nth % 4} full")
        with Module() as one_more:
            one_more.ask(ELEVATE)
            said = one_more.verdict()
        self.assertEqual(said, (UNAVAILABLE, "you have too many privileged sessions open at a time; close one and try "
                                "again"))
        self.assert_another_gets_in()
        for module in waits:
            module.close()
        wait_until("what waited is withdrawn", lambda: not self.lab.pending(), GENEROUS)
        self.assert_all_is_given_back()


class Together(LabCase):
    """Some persons of the host together, each with all that one may have."""

    persons = 16
    broker_conf = {("group operators", "members"): "op1 op2 " + " ".join(f"crowd{nth}" for nth in range(persons)),
                   **{(f"person crowd{nth}", "unix"): f"crowd{nth}" for nth in range(persons)}}

    def wait_as(self, user, count=64):
        """So many connections that wait for a decision, of one request."""
        for _ in range(count):
            self.waits.append(Module())
            self.waits[-1].ask(ELEVATE, REQUESTER=user, UID=frames.uid_of(user))

    def test_who_has_none_is_let_in_while_many_have_all_that_each_may_have(self):
        self.waits = []
        self.addCleanup(lambda: [module.close() for module in self.waits])
        frames.log_in_here("op1")
        for nth in range(self.persons):
            self.lab.as_root("useradd", "--no-create-home", f"crowd{nth}")
        full = self.persons - 1
        for nth in range(full):
            self.wait_as(f"crowd{nth}")
        self.wait_as(f"crowd{full}", 1000 - 64 * full)
        self.waits[-1].next_of(frames.WAITING)
        with Module() as one_more:
            one_more.ask(ELEVATE, REQUESTER=f"crowd{full}", UID=frames.uid_of(f"crowd{full}"))
            said = one_more.verdict()
        self.assertEqual(said[0], UNAVAILABLE)
        self.assertIn("so many privileged sessions are open on this host", said[1])
        self.assertIn("uid=0", self.run_approved(self.open_terminal("op2"))[1])


class ProxySocket(LabCase):
    """Of a broker behind a proxy: the proxy's account alone is heard there, and anybody can connect."""

    path = "/run/jit-broker/proxy.sock"
    broker_conf = {("broker", "proxy_socket"): path, ("broker", "proxy_user"): "daemon",
                   ("person appr1", "remote_user"): "appr1@example.com"}

    @classmethod
    def setUpClass(cls):
        Lab.here()
        os.makedirs(os.path.dirname(cls.path), exist_ok=True)
        shutil.chown(os.path.dirname(cls.path), "_jitbroker", "_jitbroker")
        super().setUpClass()

    def test_strangers_and_what_they_send_along_hold_up_nobody(self):
        kept = []

        def send_along():
            kept.append(attackers.send_lingering(self.path, socket.SOCK_STREAM, b"GET / HTTP/1.1\r\n"))
            if len(kept) > 100:
                kept.pop(0).close()

        pid = attackers.harmful("op1", send_along)
        self.addCleanup(frames.end, pid)
        self.assertIn("uid=0", self.run_approved(self.open_terminal("op2"))[1])


class StoppedCase(LabCase):
    """A sudo that its own user stops: with SIGSTOP, for as long as they like."""

    def stop_sudo(self, terminal):
        """Its pids: sudo is the invoker's own to signal until it has become root."""
        pids = frames.children_named(terminal.pid, "sudo")
        self.assertTrue(pids)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            self.addCleanup(self.go_on, pid)
        return pids

    @staticmethod
    def go_on(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def assert_another_gets_in(self):
        self.assertIn("uid=0", self.run_approved(self.open_terminal("op2"))[1])


class Stopped(StoppedCase):
    helper_conf = {("service sudo", "duration"): "4s"}

    def test_stopped_in_its_wait_it_takes_no_approval_and_keeps_nobody_waiting(self):
        helper = attackers.Helper(self.lab)
        before = helper.descriptors()
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.stop_sudo(terminal)
        self.approve(request)
        self.assert_another_gets_in()
        self.lab.wait_for_status(request[0], "CANCELLED")  # as an ALLOW that is not taken falls
        wait_until("its place is given back", lambda: helper.descriptors() <= before, GENEROUS)

    def test_stopped_in_its_elevation_the_grant_ends_in_time(self):
        terminal = self.open_terminal()
        request = self.ask(terminal, "sudo sh -c 'echo ready; cat'")
        self.approve(request)
        terminal.expect("ready")
        self.stop_sudo(terminal)
        self.assert_another_gets_in()
        self.lab.wait_for_status(request[0], "EXPIRED")


class StoppedAtAPrompt(StoppedCase):
    """And let go on later, when its time is over or its request is decided: nothing is allowed any more."""

    def setUp(self):
        self.lab.set_pam(account="timeout=3")
        self.addCleanup(self.lab.set_pam)
        self.lab.set_sudoers(NOPASSWD)

    def stop(self, terminal):
        """Its shell says so, and takes commands again."""
        self.stop_sudo(terminal)
        self.assertIn("Stopped", terminal.finish()[1])

    def assert_refused_when_it_goes_on(self, terminal, answer=None):
        terminal.start("fg")
        if answer:
            terminal.type(answer)
        status, text = terminal.finish()
        self.assertNotEqual(status, 0, text)
        self.assertNotIn("uid=0", text)
        wait_until("nothing is left waiting", lambda: not self.lab.pending(), GENEROUS)
        self.assertIsNone(self.lab.helper.poll())
        self.assert_another_gets_in()

    def test_stopped_in_its_wait_and_let_go_on_after_its_time(self):
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.stop(terminal)
        wait_until("its time is over", lambda: self.lab.request(request[0])["status"] != "PENDING", GENEROUS)
        self.assertNotEqual(self.lab.as_approver("appr1", "approve", request[0], "--code", request[1], check=False).returncode, 0)
        self.assert_refused_when_it_goes_on(terminal)

    def test_stopped_in_its_wait_and_let_go_on_after_an_approval(self):
        """Which fell meanwhile, as nobody took it: with its own time still running."""
        self.lab.set_pam()
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.stop(terminal)
        self.approve(request)
        self.lab.wait_for_status(request[0], "CANCELLED")
        self.assert_refused_when_it_goes_on(terminal)

    def test_stopped_at_the_question_for_a_reason_and_let_go_on_after_its_time(self):
        filed = self.lab.filed()
        terminal = self.open_terminal(reason=None)
        terminal.start("sudo id")
        terminal.expect("[Rr]eason")
        self.stop(terminal)
        helper = attackers.Helper(self.lab)
        holding = helper.descriptors()
        wait_until("the helper waits no longer", lambda: helper.descriptors() < holding, GENEROUS)
        self.assert_refused_when_it_goes_on(terminal, "disk full")
        self.assertEqual(self.lab.filed(), filed + 1, "but for the one that was let in")

    def test_stopped_at_the_password_nothing_is_asked_for_yet(self):
        self.lab.set_sudoers(WITH_PASSWORD)
        filed = self.lab.filed()
        terminal = self.open_terminal()
        terminal.start("sudo id")
        terminal.expect("password for op1: ")
        self.stop(terminal)
        self.lab.set_sudoers(NOPASSWD)
        self.assert_another_gets_in()
        self.assertEqual(self.lab.filed(), filed + 1)
        terminal.start("fg")
        terminal.type(PASSWORD)
        shown = terminal.expect(WAITING)
        self.approve((shown[1], shown[2]))
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0", text)
