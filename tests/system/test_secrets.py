"""Where secrets must not be: the actual strings, looked for in every environment, command line, log, file and core."""

import glob
import grp
import json
import os
import signal

import memory
from lab import LabCase, read
from terminal import wait_until

CAP_KILL = 1 << 5
HELD = "/run/lab/held"  # root's: what the elevated session got


def found_in(data, secrets):
    return [name for name, secret in secrets.items() if secret in data]


def contents(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # a process that has ended
        return b""


class Secrets(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.makedirs(HELD, 0o700, exist_ok=True)
        terminal = cls.lab.terminal("op1", environment={"JIT_REASON": "disk full"})
        cls.addClassCleanup(terminal.close)
        cls.short = cls.hold(terminal)
        cls.secrets = cls.known_secrets()

    @classmethod
    def hold(cls, terminal):
        """An elevated session that stays open, its credentials and its session token in files of root's."""
        case = cls("test_no_log_holds_a_secret")
        command = (f"sudo sh -c 'umask 77; jit credentials >{HELD}/credentials; aws configure list >{HELD}/seen; "
                   f"for key in $(keyctl show @s | sed -n \"s/^ *\\([0-9]*\\) .* user: .*/\\1/p\"); do "
                   f"keyctl pipe $key >{HELD}/token; done; echo ready; cat'")
        request = case.ask(terminal, command)
        case.approve(request)
        terminal.expect("ready\r\n")
        return request[0]

    @classmethod
    def known_secrets(cls):
        credentials = json.loads(read(f"{HELD}/credentials"))
        token = contents(f"{HELD}/token")
        if len(token) < 32:
            raise AssertionError(f"the session token was not read from the keyring: {len(token)} bytes")
        texts = {"SecretAccessKey": credentials["SecretAccessKey"], "API key": cls.lab.api_key.split("_", 2)[2],
                 "appr1's token": cls.lab.tokens["appr1"].split("_", 2)[2]}
        short = [name for name, text in texts.items() if len(text) < 32]  # would be found anywhere
        if short:
            raise AssertionError(f"too short to be searched for: {short}")
        secrets = {name: text.encode() for name, text in texts.items()}
        return {**secrets, "session token": token, "session token in hex": token.hex().encode()}

    def assert_clean(self, paths, least):
        """None of the files holds a secret; there were at least so many that were not empty."""
        read_files = 0
        for path in paths:
            data = contents(path)
            read_files += bool(data)
            self.assertEqual(found_in(data, self.secrets), [], path)
        self.assertGreaterEqual(read_files, least)

    def test_no_environment_and_no_command_line_holds_a_secret(self):
        pids = [pid for pid in os.listdir("/proc") if pid.isdigit()]
        self.assert_clean([f"/proc/{pid}/{name}" for pid in pids for name in ("environ", "cmdline")], 8)

    def test_no_log_holds_a_secret(self):
        logs = [self.lab.log(name) for name in ("jit-broker", "jit-helper", "syslog")]
        terminals = glob.glob(f"{self.lab.logs}/terminal-*.log")
        self.assert_clean(logs + terminals, 4)

    def test_no_file_of_the_host_holds_a_secret(self):
        """But those that are made to: the key's file and the approvers' own."""
        folders = ["/etc/pam-jit", "/etc/jit-broker", "/run/pam-jit", "/var/lib/jit-broker", "/var/log", "/tmp",
                   "/root/.aws", "/home/op1"]
        meant = {"/etc/pam-jit/api.key"} | {f"/home/{name}/.config/jit-broker/token" for name in self.lab.tokens}
        paths = [os.path.join(folder, name) for top in folders for folder, _, names in os.walk(top) for name in names]
        self.assertTrue(meant & set(paths))
        self.assert_clean([path for path in paths if path not in meant and os.path.isfile(path)], 6)

    def test_the_stores_files_hold_no_secret(self):
        files = glob.glob("/var/lib/jit-broker/*")
        self.assertTrue([path for path in files if path.endswith(".db")])
        self.assert_clean(files, 2)

    def test_a_core_of_the_helper_holds_no_secret(self):
        """The secrets are in its memory, and not in what a core takes of it: nor a piece of one in the registers, where what
        was copied last stays for as long as the helper waits."""
        if memory.why_not():
            self.skipTest(memory.why_not())
        pid = self.helper_pid()
        self.assertIn("SecretAccessKey", memory.places(pid, self.secrets)[0], "the search itself works")
        core = memory.core(pid)
        self.assertIn(b"broker.example", core, "the core has the helper's ordinary memory")
        self.assertEqual(found_in(core, self.secrets), [])
        self.assert_no_piece(memory.registers(core))

    def test_the_brokers_registers_hold_no_secret(self):
        if memory.why_not():
            self.skipTest(memory.why_not())
        self.assert_no_piece(memory.registers(memory.core(self.lab.broker.process.pid)))

    def assert_no_piece(self, registers):
        self.assertIn(b"LINUX", registers, "the notes were found")
        pieces = {(name, at): secret[at:at + 16] for name, secret in self.secrets.items() for at in range(len(secret) - 15)}
        self.assertEqual(found_in(registers, pieces), [])

    def test_the_helpers_secrets_lie_in_locked_memory_alone(self):
        """Which is never written to swap."""
        if memory.why_not():
            self.skipTest(memory.why_not())
        found, bare = memory.places(self.helper_pid(), self.secrets)
        self.assertIn("API key", found)
        self.assertEqual(bare, [])

    def test_the_brokers_own_key_lies_in_locked_memory_alone(self):
        """After it has read it anew, too."""
        if memory.why_not():
            self.skipTest(memory.why_not())
        key = memory.key_texts("/etc/jit-broker/tls.key")
        self.assert_locked(key)
        log = self.lab.log("jit-broker")
        before = read(log).count("has been read anew")
        self.lab.broker.process.send_signal(signal.SIGHUP)
        wait_until("it has", lambda: read(log).count("has been read anew") > before)
        self.assert_locked(key)

    def assert_locked(self, key):
        memory.await_places(self.lab.broker.process.pid, key, "key in limbs")

    def test_the_broker_keeps_neither_what_it_gave_nor_what_people_and_hosts_proved_themselves_with(self):
        """But for the key of a host whose call waits."""
        if memory.why_not():
            self.skipTest(memory.why_not())
        self.lab.stop_helper()
        try:
            self.lab.as_approver("appr1", "list")
            memory.await_places(self.lab.broker.process.pid, self.secrets)
        finally:
            self.lab.start_helper()

    def test_the_helper_cannot_be_dumped_or_traced_by_its_own_user(self):
        limits = read(f"/proc/{self.helper_pid()}/limits")
        self.assertRegex(limits, r"Max core file size +0 +0 ")
        self.assertEqual(os.stat(f"/proc/{self.helper_pid()}/mem").st_uid, 0, "a dumpable process's belong to its user")

    def test_the_helper_has_no_privilege_but_to_end_what_a_grant_left_running(self):
        status = read(f"/proc/{self.helper_pid()}/status")
        self.assertRegex(status, r"NoNewPrivs:\s+1")
        self.assertNotRegex(status, r"Uid:\s+.*\b0\b")
        for name, held in (("CapPrm", CAP_KILL), ("CapEff", CAP_KILL), ("CapBnd", CAP_KILL), ("CapInh", 0),
                           ("CapAmb", 0)):
            with self.subTest(name):
                self.assertRegex(status, rf"{name}:\s+{held:016x}\n")
        self.assertRegex(status, rf"Groups:\s+{grp.getgrnam('tty').gr_gid}\s*\n")

    def helper_pid(self):
        return self.lab.helper.pid
