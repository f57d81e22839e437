"""How the helper comes to its sockets: systemd hands them over, or it makes them itself; and what it says where it cannot
start. Then what its sockets refuse at the first word."""

import os
import resource
import socket
import subprocess

import livesessions
from frames import (ELEVATE, IGNORE, INVALID, SESSION_SOCKET, TAKEN, UNAVAILABLE, WAITING, Module, end, frame,
                    in_a_process, log_in_here, uid_of)
from lab import PAM_SOCKET, LabCase, read
from namespace import die_with_parent
from terminal import wait_until

FIRST_FD = 3
FAILED = 78  # exit status: configuration, or what it needs of the machine
PROGRAM = "/usr/sbin/jit-helper"
SERVED = 64  # connections of one requester


class Start(LabCase):
    def setUp(self):
        self.lab.stop_helper()
        self.log = self.lab.log("jit-helper")
        self.before = len(read(self.log))
        self.addCleanup(self.start_again)

    def start_again(self):
        """As it is started otherwise, once the test's own sockets are closed."""
        if self.lab.helper is None:
            self.lab.start_helper()

    def listener(self, path, mode=0o600, kind=socket.SOCK_SEQPACKET):
        if os.path.exists(path):
            os.unlink(path)
        sock = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(sock.close)
        sock.bind(path)
        os.chmod(path, mode)
        sock.listen(64)
        return sock

    def hand_over(self, named):
        """Starts a helper as systemd does, with (name, socket) from descriptor 3 on."""
        kept = [os.dup(sock.fileno()) for _, sock in named]
        aside = [os.dup2(fd, 100 + at) for at, fd in enumerate(kept)]

        def prepare():
            die_with_parent()
            for at, fd in enumerate(aside):
                os.dup2(fd, FIRST_FD + at)
            os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(aside)),
                              LISTEN_FDNAMES=":".join(name for name, _ in named))
            os.execv(PROGRAM, [PROGRAM])  # with the environment that has just been made

        with open(self.log, "ab") as out:
            helper = subprocess.Popen([PROGRAM], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/",
                                      preexec_fn=prepare, pass_fds=aside)
        for fd in kept + aside:
            os.close(fd)
        return helper

    def said(self):
        return read(self.log)[self.before:]

    def refused(self, helper):
        """What a helper said that did not start."""
        self.assertEqual(helper.wait(10), FAILED)
        return self.said()

    def test_sockets_that_systemd_hands_over_are_served_and_stay(self):
        sockets = [("other", self.listener("/run/lab/other.sock")), ("session", self.listener(SESSION_SOCKET, 0o666)),
                   ("pam", self.listener(PAM_SOCKET))]
        self.lab.helper = self.hand_over(sockets)
        wait_until("it serves", lambda: "jit-helper 0" in self.said(), 10)
        self.run_approved(self.open_terminal(), "sudo jit status")
        self.assertEqual(self.lab.stop_helper(), 0)
        self.assertTrue(os.path.exists(PAM_SOCKET), "who connects now waits for the next one")
        for _, sock in sockets:
            sock.close()

    def test_sockets_of_another_name_or_kind_are_not_taken(self):
        for named in ([("session", self.listener(SESSION_SOCKET)), ("pam.socket", self.listener(PAM_SOCKET))],
                      [("session", self.listener(SESSION_SOCKET)),
                       ("pam", self.listener(PAM_SOCKET, kind=socket.SOCK_STREAM))]):
            self.before = len(read(self.log))
            self.assertIn("systemd handed over no sequential-packet sockets named pam and session",
                          self.refused(self.hand_over(named)))

    def test_a_second_one_does_not_take_the_place_of_the_first(self):
        self.lab.start_helper()
        second = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=20)
        self.assertEqual(second.returncode, FAILED, second.stderr)
        self.assertIn(f"cannot listen on {PAM_SOCKET}: something is there already; is jit-helper running?", second.stderr)
        self.run_approved(self.open_terminal())

    def test_without_memory_that_can_be_locked_it_does_not_start(self):
        def poor():
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))

        done = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=20, user="_jit", group="_jit",
                              extra_groups=[], preexec_fn=poor)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertRegex(done.stderr, r"cannot lock \d+ KiB of memory for secrets: raise the limit")


class FirstWord(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        log_in_here("op1")

    def test_a_module_that_begins_with_something_else_is_refused(self):
        for fields, outcome in (({}, INVALID), ({"OBSERVE": 1}, IGNORE)):
            with Module() as module:
                module.send(frame(TAKEN, **fields))
                got, text = module.verdict()
                self.assertEqual(got, outcome)
                self.assertIn("the PAM module must begin with a question", text)

    def test_one_requester_has_so_many_sessions_and_no_more(self):
        modules = []
        self.addCleanup(lambda: [module.close() for module in modules])
        for _ in range(SERVED):
            modules.append(Module())
            modules[-1].ask(ELEVATE, "sudo")
        with Module() as module:
            module.ask(ELEVATE, "sudo")
            self.assertEqual(module.verdict(), (UNAVAILABLE, "you have too many privileged sessions open at a time; close "
                                                             "one and try again"))
        with Module() as other:
            other.ask(ELEVATE, "sudo", REQUESTER="op2", UID=uid_of("op2"))
            other.next_of(WAITING)


class NotTaken(LabCase):
    broker_conf = livesessions.broker_conf(1)
    helper_conf = livesessions.HELPER_CONF

    def test_a_session_that_is_offered_and_not_taken_is_ended(self):
        """A module that hangs behind an allowed open_session holds no elevation open."""
        self.lab.as_root("useradd", "--no-create-home", "crowd0")

        def stuck():
            log_in_here("crowd0")
            opened = livesessions.begin("crowd0", 0, take=False)
            return opened if opened.recv(16384) == b"" else None

        self.addCleanup(end, in_a_process(stuck))
        self.assertEqual(livesessions.elevations(), 0)
