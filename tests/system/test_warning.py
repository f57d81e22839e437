"""Before a grant's end and at it, its sessions' terminals are told, in one clear line; nothing else is ever written to."""

import array
import os
import select
import socket
import tty

import frames
from lab import LabCase, read
from terminal import wait_until

GENEROUS = 10
MANY = 12  # terminals of one grant


class WarningCase(LabCase):
    helper_conf = {("service sudo", "duration"): "6s", ("helper", "warn"): "20s 4s 2s"}


class Warnings(WarningCase):
    def test_each_warning_is_a_line_of_its_own_at_its_time(self):
        terminal = self.open_terminal()
        request = self.ask(terminal, "sudo sleep 30")
        self.approve(request)
        # Not of the 20 s: a grant that is shorter says nothing with it.
        shown = terminal.expect(rf"(?s)approved by appr1 for 6 s\r\n(.*?)jit: request {request[0]}, role admin: 4 s left\r")
        self.assertNotIn("jit:", shown[1])
        self.assertTrue(shown[1].endswith("\r\n"), "what is typed there stays a line of its own")
        terminal.expect(rf"jit: request {request[0]}, role admin: 2 s left\r")
        terminal.expect(rf"jit: request {request[0]}, role admin: its time is over\r")
        terminal.interrupt()
        terminal.finish()

    def test_a_revoked_grant_says_who_revoked_it(self):
        terminal = self.open_terminal()
        request = self.ask(terminal, "sudo sleep 30")
        self.approve(request)
        terminal.expect("approved by appr1")
        self.lab.wait_for_status(request[0], "ACTIVE")
        self.lab.as_approver("appr1", "revoke", request[0], "--comment", "wrong \u202ehost")
        terminal.expect(rf"jit: request {request[0]}, role admin: revoked by appr1: wrong \?host\r")
        terminal.interrupt()
        terminal.finish()

    def test_a_session_that_is_over_is_not_told(self):
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        self.lab.wait_for_status(short, "EXPIRED")
        self.assertNotIn("jit:", terminal.run("true")[1])

    def test_whoever_wants_no_messages_gets_none(self):
        terminal = self.open_terminal()
        terminal.run("mesg n")
        request = self.ask(terminal, "sudo sleep 30")
        # Only where the helper finds the terminal itself, as after a restart; what the module hands over is open.
        self.approve(request)
        terminal.expect("approved by appr1")
        self.lab.wait_for_status(request[0], "ACTIVE")
        self.lab.stop_helper()
        self.lab.start_helper()
        self.lab.wait_for_status(request[0], "EXPIRED")
        terminal.interrupt()
        self.assertNotIn("left", terminal.finish()[1])


def hand_over(module, fds, **how):
    """OPEN with descriptors."""
    packet = frames.frame(frames.OPEN, **{"SERVICE": "sudo", "APP": "sudo", "REQUESTER": "op1",
                                        "UID": frames.uid_of("op1"), "TARGET": "root", "WAIT": 30, **how})
    module.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])


class HandedOver(WarningCase):
    """What comes with OPEN is written to when it is a terminal on which a write cannot wait, and closed when it is
    anything else."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        frames.log_in_here("op1")

    def tearDown(self):
        """The next test asks for itself."""
        self.lab.as_approver("appr1", "revoke", self.short, check=False)
        wait_until("the grant is over", lambda: f"{self.short}: grant of role admin for op1 has ended" in
                   read(self.lab.log("jit-helper")), GENEROUS)

    def approved(self):
        with frames.Module() as module:
            module.ask(frames.ELEVATE)
            text = module.expect(frames.WAITING)[frames.TEXT].decode()
            words = text.replace(",", "").split()
            self.short = words[1]
            self.approve((words[1], words[3].rstrip(":")))
            self.assertEqual(module.expect(frames.VERDICT)[frames.OUTCOME], bytes(4))
            module.send(frames.frame(frames.TAKEN))
            return module.recv(1)

    def begin(self, fds):
        self.approved()
        module = frames.Module()
        self.addCleanup(module.close)
        hand_over(module, fds)
        self.assertEqual(module.expect(frames.VERDICT)[frames.OUTCOME], bytes(4))
        module.send(frames.frame(frames.TAKEN))
        return module

    def pair(self, flags=os.O_NONBLOCK):
        """A terminal's other end, and the terminal as the module opens it."""
        outer, inner = os.openpty()
        name = os.ttyname(inner)
        tty.setraw(inner)
        fd = os.open(name, os.O_WRONLY | os.O_NOCTTY | flags)
        os.close(inner)
        for each in (outer, fd):
            self.addCleanup(os.close, each)
        return outer, fd

    def said(self, outer, seconds):
        return os.read(outer, 4096) if select.select([outer], [], [], seconds)[0] else b""

    def revoke(self, module):
        """Until the helper has ended the elevation: what is said then has been said."""
        self.lab.as_approver("appr1", "revoke", self.short)
        self.assertEqual(module.recv(1), b"")
        module.close()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.lab.helper.pid}/fd"))

    def test_a_terminal_is_warned(self):
        outer, fd = self.pair()
        module = self.begin([fd])
        self.assertRegex(self.said(outer, 6), rb"^\r\njit: request \S+, role admin: 4 s left\r\n$")
        self.revoke(module)

    def test_each_of_many_terminals_is_told(self):
        """All handed over as /dev/tty, which has one number for everybody."""
        def elevate_on(name):
            os.setsid()
            own = os.open(name, os.O_RDWR)
            fd = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
            module = frames.Module()
            hand_over(module, [fd])
            self.assertEqual(module.expect(frames.VERDICT)[frames.OUTCOME], bytes(4))
            module.send(frames.frame(frames.TAKEN))
            return own, module

        self.approved()
        outers = []
        for _ in range(MANY):
            outer, inner = os.openpty()
            self.addCleanup(os.close, outer)
            self.addCleanup(frames.end, frames.in_a_process(lambda name=os.ttyname(inner): elevate_on(name)))
            os.close(inner)
            outers.append(outer)
        self.lab.as_approver("appr1", "revoke", self.short)
        for outer in outers:
            self.assertIn(b"revoked by appr1", self.said(outer, GENEROUS))

    def test_a_terminal_that_could_make_the_helper_wait_is_not_taken(self):
        outer, fd = self.pair(flags=0)
        self.revoke(self.begin([fd]))
        self.assertEqual(self.said(outer, 0.5), b"")

    def test_a_terminal_that_takes_nothing_holds_up_nobody(self):
        outer, fd = self.pair()
        while True:
            try:
                os.write(fd, bytes(4096))
            except BlockingIOError:
                break
        self.revoke(self.begin([fd]))
        with frames.Module(frames.SESSION_SOCKET) as jit:
            jit.send(frames.frame(frames.STATUS))
            self.assertEqual(frames.parse(jit.recv(16384))[0], frames.DOCUMENT)
        self.assertNotEqual(self.said(outer, 0), b"")

    def test_what_is_no_terminal_is_closed_unwritten(self):
        before = self.descriptors()
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        module = self.begin([write_end])
        os.close(write_end)
        self.assertEqual(os.read(read_end, 1), b"", "nobody holds it")
        os.close(read_end)
        self.revoke(module)
        wait_until("every descriptor is closed", lambda: self.descriptors() <= before, GENEROUS)

    def test_descriptors_that_nobody_asked_for_are_closed(self):
        before = self.descriptors()
        outer, fd = self.pair()
        read_end, write_end = os.pipe()
        module = self.begin([fd, write_end])  # two: neither is taken
        os.close(write_end)
        self.assertEqual(os.read(read_end, 1), b"")
        packet = frames.frame(frames.TAKEN)
        read_again, write_again = os.pipe()
        module.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [write_again]))])
        os.close(write_again)
        self.assertEqual(os.read(read_again, 1), b"")
        with frames.Module(frames.SESSION_SOCKET) as jit:
            third, fourth = os.pipe()
            try:
                jit.sendmsg([frames.frame(frames.STATUS)],
                            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fourth]))])
                jit.recv(16384)
            except PermissionError:
                pass  # Linux 6.16 and later: not even sent
            os.close(fourth)
            self.assertEqual(os.read(third, 1), b"")
        for each in (read_end, read_again, third):
            os.close(each)
        self.revoke(module)
        self.assertEqual(self.said(outer, 0.2), b"")
        wait_until("every descriptor is closed", lambda: self.descriptors() <= before, GENEROUS)
