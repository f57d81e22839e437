"""A host with an sshd for each way to configure it, what a person's clients fetch from there, and what they show."""

import itertools
import os
import re

import sshlab
from doors import DoorCase, role, service
from lab import PASSWORD
from terminal import wait_until

REFUSED = 255  # exit status of a client whose connection was refused
RSYNC_REFUSED = (12, 255)  # rsync's: it depends on whether its ssh has ended when it looks
PAYLOAD = "/run/lab/payload"
SHOWN = r"request (\w{4}-\w{4}), code (\d\d)"
KBD = {"KbdInteractiveAuthentication": "yes"}
# PAM service: its methods, what jit-helper.conf says of it
SERVERS = {
    "sshd": ("publickey", {"role": "ssh"}),
    "sshd-quick": ("publickey", {"role": "ssh-quick"}),
    "sshd-wait": ("publickey", {"role": "ssh", "silent_wait": "30s"}),
    "sshd-once": ("publickey", {"role": "ssh", "silent_wait": "30s", "resume": "no"}),
    "sshd-crowd": ("publickey", {"role": "crowd"}),
    "sshd-reason": ("publickey", {"role": "admin"}),
    "sshd-kbd": ("keyboard-interactive", {"role": "ssh"}),
    "sshd-kbd-quick": ("keyboard-interactive", {"role": "ssh-quick"}),
    "sshd-kbd-reason": ("keyboard-interactive", {"role": "admin"}),
    "sshd-kbd-crowd": ("keyboard-interactive", {"role": "crowd"}),
    "sshd-both": ("publickey,keyboard-interactive", {"role": "ssh"}),
    "sshd-both-quick": ("publickey,keyboard-interactive", {"role": "ssh-quick"}),
    "sshd-both-crowd": ("publickey,keyboard-interactive", {"role": "crowd"}),
}
SERVICES = " ".join(SERVERS)
PROGRAMS = {
    "ssh-command": ("ssh", ("web-1", f"cat {PAYLOAD}")),
    "scp": ("scp", (f"web-1:{PAYLOAD}", "{out}")),
    "sftp": ("sftp", (f"web-1:{PAYLOAD}", "{out}")),
    "rsync": ("rsync", (f"web-1:{PAYLOAD}", "{out}")),
}
_sources = itertools.count(1)


class SshCase(DoorCase):
    broker_conf = {**role("admin", services=SERVICES, targets="self"),
                   **role("ssh", services=SERVICES, targets="self", reason="optional"),
                   **role("ssh-quick", services=SERVICES, targets="self", reason="optional", pending="2s"),
                   **role("crowd", services=SERVICES, targets="self", reason="optional", scope="user")}
    helper_conf = {key: value for name, (_, keys) in SERVERS.items() for key, value in service(name, **keys).items()}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        sshlab.make_keys(cls.lab, "op1", "op2")
        if not os.path.exists(PAYLOAD):
            with open(PAYLOAD, "wb") as file:
                file.write(os.urandom(1 << 20))
        with open(PAYLOAD, "rb") as file:
            cls.payload = file.read()
        cls.servers = {}

    def setUp(self):
        self.source = f"127.0.1.{next(_sources)}"

    def tearDown(self):
        """What goes on without its connection counts against what one person may have waiting."""
        for request in self.lab.pending() if self.lab.broker.process else []:
            self.deny((request["shortId"],))

    def server(self, name="sshd", **settings):
        """That sshd, running; its settings count when it is first asked for."""
        if name not in self.servers:
            methods = SERVERS[name][0]
            self.lab.set_pam(service=name, example="sshd")
            kbd = KBD if "keyboard" in methods else {"KbdInteractiveAuthentication": "no"}
            server = sshlab.Sshd(self.lab, name, AuthenticationMethods=methods, **kbd, **settings)
            self.servers[name] = server
            self.addClassCleanup(server.stop)
            server.start()
        return self.servers[name]

    def options(self, *more):
        return ("BatchMode=yes", f"BindAddress={self.source}", *more)

    def words(self, row):
        """The program that fetches the payload, its arguments, and where it leaves what came."""
        program, words = PROGRAMS[row]
        out = f"/tmp/out-{self.source}"
        return program, [word.format(out=out) for word in words], out

    def fetch(self, row, server="sshd"):
        """The row's client fetches the payload: (exit status, the bytes that came, errors)."""
        program, words, _ = self.words(row)
        return self.fetched(row, *self.server(server).run(*words, program=program, options=self.options()))

    def begin_to_fetch(self, row, server):
        """The same with a server that waits: (the client, the request that it waits for)."""
        program, words, _ = self.words(row)
        before = {request["shortId"] for request in self.lab.pending()}
        client = self.server(server).begin(*words, program=program, options=self.options())
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)

        def filed():
            return [request for request in self.lab.pending() if request["shortId"] not in before]

        request = wait_until("a request is filed", filed, 10)[0]
        return client, (request["shortId"], self.lab.request(request["requestId"])["code"])

    def fetched(self, row, status, said, errors):
        """What a client that has ended has fetched: (exit status, the bytes that came, errors)."""
        program, _, out = self.words(row)
        if program == "ssh":
            return status, said, errors
        if program == "sftp" and status == 0:  # -q would keep the banner back too
            self.assertEqual(said, f"Fetching {PAYLOAD} to {out}\n".encode())
            said, errors = b"", errors.removeprefix(b"Connected to web-1.\n")
        self.assertEqual(said, b"")
        return status, self.take(out), errors

    @staticmethod
    def take(out):
        """The bytes of a file that a client has left, if any; it is there no more."""
        if not os.path.exists(out):
            return b""
        with open(out, "rb") as file:
            got = file.read()
        os.unlink(out)
        return got

    def assert_fetched(self, fetched):
        """All of it, nothing else, and not a byte beside it."""
        status, got, errors = fetched
        self.assertEqual((status, errors), (0, b""))
        self.assertTrue(got == self.payload, f"{len(got)} bytes came, others than were sent")

    def assert_refused(self, fetched):
        status, got, errors = fetched
        self.assertIn(status, RSYNC_REFUSED if b"rsync error" in errors else (REFUSED,), errors)
        self.assertEqual(got, b"")

    def refused(self, fetched):
        """Asserts that nothing came; the request that the banner names: (short id, code)."""
        self.assert_refused(fetched)
        errors = fetched[2]
        shown = re.search(SHOWN, errors.decode())
        self.assertIsNotNone(shown, errors)
        return shown[1], shown[2]

    def compare(self, name, fetched):
        status, _, errors = fetched
        text = f"{errors.decode()}[exit status {status}]\n"
        if b"rsync error" in errors:  # whose own lines depend on what it has noticed of its ssh
            text = re.sub(r"(?m)^(rsync.*|\[exit.*)\n", "", text)
        if name.startswith("sftp"):  # says twice that it is over, in no order
            text = re.sub(r"(?m)^\r?Connection closed\.? *\r?\n", "", text)
        self.check_golden(name, text)


class Conversation:
    """One client with keyboard-interactive on a terminal, and all that it shows."""

    def __init__(self, case, server, *words, program="ssh"):
        options = (f"BindAddress={case.source}",)
        words = ("web-1", *words) if program == "ssh" else words
        self.case = case
        self.log = os.path.join(case.lab.logs, f"ssh-{case.source}-{server}.log")
        self.file = open(self.log, "w", encoding="utf-8", newline="")
        self.client = case.server(server).shell(*words, program=program, options=options)
        self.client.logfile_read = self.file
        self.client.delaybeforesend = None
        case.addCleanup(self.close)

    def close(self):
        self.client.close(force=True)
        self.file.close()

    def expect(self, pattern, timeout=15):
        found = self.client.expect([pattern, sshlab.EOF, sshlab.TIMEOUT], timeout=timeout)
        if found:
            raise AssertionError(f"expected from ssh: {pattern!r}; it shows: {self.client.before!r}; log: {self.log}")
        return self.client.match

    def type_password(self):
        self.expect("Password: ")
        self.client.sendline(PASSWORD)

    def wait_for_prompt(self):
        """The request that the prompt names, before anybody waits: (short id, code)."""
        shown = self.expect(SHOWN)
        self.expect("Enter[^\n]*: ")
        return shown[1], shown[2]

    def finish(self, timeout=15):
        if self.client.expect([sshlab.EOF, sshlab.TIMEOUT], timeout=timeout):
            raise AssertionError(f"ssh did not end; it shows: {self.client.before!r}; log: {self.log}")
        self.client.wait()
        return self.client.exitstatus

    def transcript(self):
        self.file.flush()
        with open(self.log, encoding="utf-8", newline="") as file:
            return f"{file.read()}\n[exit status {self.client.exitstatus}]\n"
