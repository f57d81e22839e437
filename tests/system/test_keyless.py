"""Where the kernel gives no session keyring: the elevated session is recognised by descent, uid and audit session, and
only where the configuration lets it. With a keyring nothing of this is reachable."""

import json
import os
import signal
import subprocess

import frames
from lab import LabCase, read
from namespace import die_with_parent
from terminal import wait_until

CREDENTIALS = frames.frame(32)
WITHOUT_KEYRING = frames.frame(frames.TAKEN) + bytes([28, 0, 4, 0, 0, 0, 0])
WITH_KEYRING = frames.frame(frames.TAKEN)
REFUSED = 3
GENEROUS = 10


def ask_for_credentials():
    """(type of the answer, exit status of a fault)."""
    with frames.Module(frames.SESSION_SOCKET) as jit:
        jit.send(CREDENTIALS)
        kind, fields = frames.parse(jit.recv(16384))
    return kind, (int.from_bytes(fields[23], "big") if kind == frames.FAULT else json.loads(fields[22])["Version"])


class Elevated:
    """A process that made an elevation, and does what it is told: each line of code is evaluated there, or in a child."""

    def __init__(self, taken):
        self.commands, self.answers = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                die_with_parent()
                self.serve(taken)
            finally:
                os._exit(1)
        os.close(self.commands[0])
        os.close(self.answers[1])
        self.inbox = os.fdopen(self.answers[0], encoding="utf-8")
        self.said = json.loads(self.inbox.readline())

    def serve(self, taken):
        os.close(self.commands[1])  # else no child of a test's end would be heard
        module = frames.Module()
        module.ask(frames.OPEN, TARGET="root")
        first = module.expect(frames.VERDICT)
        module.send(taken)
        second = None
        if taken == WITHOUT_KEYRING:
            second = module.expect(frames.VERDICT)
        self.say([int.from_bytes(first[frames.OUTCOME], "big"),
                  second and int.from_bytes(second[frames.OUTCOME], "big"),
                  second and second.get(frames.TEXT, b"").decode()])
        with os.fdopen(self.commands[0], encoding="utf-8") as lines:
            for line in lines:
                if line == "jit\n":
                    done = subprocess.run(["jit", "credentials"], capture_output=True, text=True, timeout=GENEROUS)
                    self.say([done.returncode, done.stderr])
                    continue
                uid = int(line)
                child = os.fork()
                if child == 0:
                    os.setresuid(uid, uid, uid)
                    self.say(ask_for_credentials())
                    os._exit(0)
                os.waitpid(child, 0)

    def say(self, what):
        os.write(self.answers[1], (json.dumps(what) + "\n").encode())

    def child_asks(self, uid=0):
        return self.tell(str(uid))

    def tell(self, line):
        os.write(self.commands[1], f"{line}\n".encode())
        return tuple(json.loads(self.inbox.readline()))

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.commands[1])
        self.inbox.close()


class KeylessCase(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        frames.log_in_here("op1")

    def setUp(self):
        with frames.Module() as module:
            module.ask(frames.ELEVATE)
            words = module.expect(frames.WAITING)[frames.TEXT].decode().replace(",", "").split()
            self.short = words[1]
            self.approve((words[1], words[3].rstrip(":")))
            self.assertEqual(module.expect(frames.VERDICT)[frames.OUTCOME], bytes(4))
            module.send(frames.frame(frames.TAKEN))
            module.recv(1)
        self.addCleanup(self.revoke)

    def revoke(self):
        self.lab.as_approver("appr1", "revoke", self.short)
        ended = f"{self.short}: grant of role admin for op1 has ended"
        wait_until("the grant is over here", lambda: ended in read(self.lab.log("jit-helper")), GENEROUS)

    def elevate(self, taken=WITHOUT_KEYRING):
        elevated = Elevated(taken)
        self.addCleanup(lambda: elevated.pid and elevated.end())
        return elevated

    def end(self, elevated):
        elevated.end()
        elevated.pid = None


class Descent(KeylessCase):
    def test_what_descends_from_the_elevation_gets_credentials_and_the_log_says_it_is_weaker(self):
        elevated = self.elevate()
        self.assertEqual(elevated.said[:2], [0, 0])
        self.assertEqual(elevated.child_asks(), (frames.DOCUMENT, 1))
        self.assertIn(f"{self.short}: no session keyring: ", read(self.lab.log("jit-helper")))

    def test_jit_gets_them_where_keyrings_are_to_be_had_again(self):
        """The key could not be kept, for want of quota; by now a search of the keyring just finds none."""
        self.assertEqual(self.elevate().tell("jit"), (0, ""))

    def test_jit_elsewhere_says_what_to_do(self):
        done = subprocess.run(["jit", "credentials"], capture_output=True, text=True, timeout=GENEROUS)
        self.assertEqual((done.returncode, done.stderr), (REFUSED, "jit: this process is not in an elevated session; run "
                                                          "it under sudo, su or ssh with an approval\n"))

    def test_another_process_of_the_same_login_session_and_user_gets_nothing(self):
        self.elevate()
        self.assertEqual(ask_for_credentials(), (frames.FAULT, REFUSED))

    def test_another_user_below_the_elevation_gets_nothing(self):
        elevated = self.elevate()
        self.assertEqual(elevated.child_asks(frames.uid_of("op1")), (frames.FAULT, REFUSED))

    def test_nobody_gets_anything_once_its_process_is_gone(self):
        elevated = self.elevate()
        self.assertEqual(elevated.child_asks(), (frames.DOCUMENT, 1))
        self.end(elevated)
        self.assertEqual(ask_for_credentials(), (frames.FAULT, REFUSED))

    def test_with_a_keyring_descent_opens_nothing(self):
        elevated = self.elevate(WITH_KEYRING)
        self.assertEqual(elevated.said[0], 0)
        self.assertEqual(elevated.child_asks(), (frames.FAULT, REFUSED))

    def test_it_is_recognised_after_a_restart(self):
        elevated = self.elevate()
        self.assertEqual(elevated.child_asks(), (frames.DOCUMENT, 1))  # by now the helper knows that it was taken
        self.lab.stop_helper(kill=True)
        self.lab.start_helper()
        self.assertEqual(elevated.child_asks(), (frames.DOCUMENT, 1))
        self.assertEqual(ask_for_credentials(), (frames.FAULT, REFUSED))

    def test_status_says_that_it_is_weaker(self):
        self.elevate()
        self.assertIs(self.grant_in_status()["keyring"], False)

    @staticmethod
    def grant_in_status():
        """Asked by the requester, in the login session."""
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                uid = frames.uid_of("op1")
                os.setresuid(uid, uid, uid)
                with frames.Module(frames.SESSION_SOCKET) as jit:
                    jit.send(frames.frame(frames.STATUS))
                    os.write(write_end, frames.parse(jit.recv(16384))[1][22])
            finally:
                os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, encoding="utf-8") as answer:
            grants = json.load(answer)["grants"]
        os.waitpid(pid, 0)
        return grants[0]


class Refuses(KeylessCase):
    helper_conf = {("helper", "without_keyring"): "refuse"}

    def test_a_session_without_a_keyring_does_not_begin(self):
        elevated = self.elevate()
        self.assertEqual(elevated.said[0], 0)
        self.assertNotEqual(elevated.said[1], 0)
        self.assertIn("without_keyring", elevated.said[2])
        self.assertEqual(elevated.child_asks(), (frames.FAULT, REFUSED))

    def test_one_with_a_keyring_does(self):
        self.assertEqual(self.elevate(WITH_KEYRING).said[0], 0)
