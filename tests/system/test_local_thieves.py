"""Somebody with a shell on the host wants what another's elevated session gets: with a key of their own making, with its
token, with the number of one of its processes. They get a refusal, and the session goes on."""

import array
import contextlib
import os
import select
import signal
import socket

import attackers
import frames
from frames import FAULT, GENEROUS, TEXT
from lab import LabCase, read
from terminal import wait_until

CREDENTIALS = 32
NOT_ELEVATED = 3  # exit status of jit
LAST_PID = "/proc/sys/kernel/ns_last_pid"
STOLEN = "/run/lab/stolen"
SPEAK = f"""import socket, sys; sys.path.insert(0, "{os.path.dirname(os.path.abspath(__file__))}")
import frames
with frames.Module(frames.SESSION_SOCKET) as jit:
    jit.send(frames.frame(32, TOKEN=bytes.fromhex(sys.argv[1])))
    kind, fields = frames.parse(jit.recv(16384))
print(fields[frames.TEXT].decode() if kind == frames.FAULT else "GIVEN")
"""


class Thieves(LabCase):
    """op1's sudo has a root shell open; its token has been copied by root in it, which nobody can be kept from."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.as_root("install", "-d", "-m", "0711", STOLEN)
        with open(f"{STOLEN}/speak.py", "w", encoding="ascii") as file:
            file.write(SPEAK)
        os.chmod(f"{STOLEN}/speak.py", 0o755)
        cls.victim = cls.lab.terminal("op1", environment={"JIT_REASON": "disk full"})
        cls.addClassCleanup(cls.victim.close)
        cls.token = cls.elevate()

    @classmethod
    def elevate(cls):
        case = cls("test_the_session_that_was_robbed_goes_on")
        request = case.ask(cls.victim, "sudo sh")
        case.approve(request)
        cls.victim.finish()
        cls.request_id = request[0]
        cls.victim.run(f"keyctl pipe $(keyctl search @s user pam_jit:token) >{STOLEN}/token")
        with open(f"{STOLEN}/token", "rb") as file:
            token = file.read()
        if len(token) != 32:
            raise AssertionError(f"the token has {len(token)} bytes")
        return token

    def speak(self, terminal, token=None, before=""):
        """What the helper answers to whoever speaks to it without jit, with the token."""
        status, text = terminal.run(f"{before}python3 {STOLEN}/speak.py {(token or self.token).hex()}")
        self.assertEqual(status, 0, text)
        return text.strip()

    def tearDown(self):
        self.test_the_session_that_was_robbed_goes_on()

    def test_the_session_that_was_robbed_goes_on(self):
        self.assertEqual(self.speak(self.victim), "GIVEN", "what is stolen is the token")

    def test_a_stolen_token_is_nothing_to_another_user(self):
        for user in ("op2", "daemon"):
            with self.subTest(user):
                self.assertEqual(self.speak(self.open_terminal(user)),
                                 "this process runs as another user than the elevated session")

    def test_a_stolen_token_is_nothing_to_the_invokers_own_shell(self):
        """In the same login session, and not become anybody."""
        self.assertEqual(self.speak(self.victim, before="setpriv --reuid=op1 --regid=op1 --clear-groups "),
                         "this process runs as another user than the elevated session")

    def test_a_stolen_token_is_nothing_to_another_session_of_the_same_uid(self):
        other = self.open_terminal("root")
        self.assertNotEqual(other.audit_session(), self.victim.audit_session())
        self.assertEqual(self.speak(other), "this process is not in the elevated session")

    def test_no_other_token_fits(self):
        near = bytes([self.token[0] ^ 1]) + self.token[1:]
        for token in (near, bytes(32), self.token[::-1], self.token[:31], self.token + b"\0"):
            with self.subTest(token.hex()):
                self.assertEqual(self.speak(self.victim, token),
                                 "the elevation that this process belonged to has ended")

    def test_a_stolen_token_is_nothing_after_the_end(self):
        other = self.open_terminal("op2")
        request = self.ask(other, "sudo sh")
        self.approve(request)
        other.finish()
        other.run(f"umask 77; keyctl pipe $(keyctl search @s user pam_jit:token) >{STOLEN}/second")
        with open(f"{STOLEN}/second", "rb") as file:
            token = file.read()
        self.assertEqual(self.speak(other, token), "GIVEN")
        self.lab.as_approver("appr1", "revoke", request[0])
        wait_until("the helper has heard", lambda: f"{request[0]}: grant of role admin for op2 has ended" in
                   read(self.lab.log("jit-helper")), GENEROUS)
        self.assertEqual(self.speak(other, token), "the elevation that this process belonged to has ended")
        other.run("exit")

    def test_lies_about_who_sends_are_not_believed(self):
        """SCM_CREDENTIALS of a process of root's may name any other; who asks is whoever connected."""
        inside = int(self.victim.run("echo $$")[1])
        self.assertEqual(int(read(f"/proc/{inside}/sessionid")), self.victim.audit_session())
        credentials = array.array("i", [inside, 0, 0])
        with attackers.connection() as jit:
            jit.sendmsg([frames.frame(CREDENTIALS, TOKEN=self.token)],
                        [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)])
            kind, fields = frames.parse(jit.recv(16384))
        self.assertEqual((kind, fields.get(TEXT)), (FAULT, b"this process is not in the elevated session"))

    def test_a_forged_key_in_any_keyring_opens_nothing(self):
        """With the module's name, and content that is guessed, or stolen."""
        thief = self.open_terminal("op2")
        for content in (bytes(32), self.token):
            for ring in ("@s", "@u", "@us"):
                with self.subTest((ring, content[:2])):
                    with open(f"{STOLEN}/content", "wb") as file:
                        file.write(content)
                    os.chmod(f"{STOLEN}/content", 0o644)
                    added = thief.run(f"keyctl padd user pam_jit:token {ring} <{STOLEN}/content")
                    self.assertEqual(added[0], 0, added)
                    status, text = thief.run("jit credentials")
                    self.assertEqual(status, NOT_ELEVATED, text)
                    self.assertNotIn("SecretAccessKey", text)
                    self.assertNotIn("another user", text, "jit sends no key that is not root's")
                    thief.run(f"keyctl clear {ring}")

    def test_a_key_that_was_forged_before_is_not_the_sessions(self):
        """Who goes on to sudo has it in their own rings; their elevated session finds the module's."""
        thief = self.open_terminal("op2")
        for ring in ("@s", "@u", "@us"):
            self.assertEqual(thief.run(f"head -c 32 /dev/zero | keyctl padd user pam_jit:token {ring}")[0], 0)
        _, text = self.run_approved(thief, "sudo jit credentials")
        self.assertIn('"SecretAccessKey"', text)
        for ring in ("@u", "@us"):
            thief.run(f"keyctl clear {ring}")
        thief.run("jit end")

    def test_somebody_whose_keys_are_used_up_gets_the_session_and_others_too(self):
        """The quota is the uid's (keyrings(7)): at its end no ring of theirs can be made."""
        hungry = self.open_terminal("op2")
        hungry.run("n=0; while keyctl add user fill$n x @u >/dev/null 2>&1; do n=$((n+1)); done; echo filled $n")
        self.assertNotEqual(hungry.run("keyctl add user one-more x @s")[0], 0, "it is used up")
        _, text = self.run_approved(hungry, "sudo jit credentials")
        self.assertIn('"SecretAccessKey"', text)
        self.assertNotIn("recognised by descent", read(self.lab.log("jit-helper")), "it has a keyring")
        hungry.run("keyctl clear @u; jit end")

    def test_a_number_that_is_given_anew_is_not_who_connected(self):
        """A process outside connects and ends; one of the elevated session gets its number before the helper looks."""
        for _ in range(20):
            with self.connected_by_the_dead() as (jit, pid):
                if not self.reborn_in_the_session(pid):
                    continue
                os.kill(self.lab.helper.pid, signal.SIGCONT)
                select.select([jit], [], [], GENEROUS)
                jit.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # a reset, as the frame was not read: told once
                kind, fields = frames.parse(jit.recv(16384))
                self.assertEqual((kind, fields.get(TEXT)), (FAULT, b"the calling process cannot be identified: it is "
                                                            b"gone or in another pid namespace"))
                return
        self.fail("the number was never given anew")

    @contextlib.contextmanager
    def connected_by_the_dead(self):
        """(a connection to the helper, which is stopped, with a stolen token sent; the number of who had connected)"""
        os.kill(self.lab.helper.pid, signal.SIGSTOP)
        jit = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        jit.settimeout(GENEROUS)
        try:
            pid = os.fork()
            if pid == 0:
                jit.connect(frames.SESSION_SOCKET)
                jit.send(frames.frame(CREDENTIALS, TOKEN=self.token))
                os._exit(0)
            os.waitpid(pid, 0)
            yield jit, pid
        finally:
            os.kill(self.lab.helper.pid, signal.SIGCONT)
            jit.close()
            # A shell ignores SIGTERM, and so does a child of its own that has not got as far as its command.
            self.victim.run("kill -KILL $! 2>/dev/null; wait")

    def reborn_in_the_session(self, pid):
        """The next process that is made gets the number after the last one's; here it is one of the root shell's."""
        with open(LAST_PID, "w", encoding="ascii") as last:
            last.write(str(pid - 1))
        self.victim.run("sleep 60 &")
        try:
            return int(read(f"/proc/{pid}/sessionid")) == self.victim.audit_session()
        except FileNotFoundError:
            return False
