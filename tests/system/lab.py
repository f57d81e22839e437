"""One admin host with its broker, really installed, inside the laboratory (namespace.py).

The programs come from `make install`, the configuration from the examples of the tree, the accounts are op1, op2 and
appr1. The helper starts as root and drops to _jit, the broker runs as _jitbroker behind TLS with a CA of its own."""

import glob
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import unittest
import urllib.request

import brokerlib
from namespace import HOSTNAME, TREE, die_with_parent, inside
from terminal import Terminal, wait_until

PASSWORD = "correct horse battery"
PEOPLE = ("op1", "op2", "appr1", "appr2")
EXAMPLES = "/usr/share/pam-jit/examples"
HELPER_CONF = "/etc/pam-jit/jit-helper.conf"
BROKER_CONF = "/etc/jit-broker/jit-broker.conf"
HELPER_STATE = "/run/pam-jit/state/helper.json"
PAM_SOCKET = "/run/pam-jit/pam.sock"
# The snippet first: what a test says has the last word.
SUDOERS = """Defaults env_reset, !lecture, secure_path="/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
@include /etc/sudoers.d/pam-jit
{lines}
"""
NOPASSWD = "op1 ALL=(ALL:ALL) NOPASSWD: ALL\nop2 ALL=(ALL:ALL) NOPASSWD: ALL"
WITH_PASSWORD = "op1 ALL=(ALL:ALL) ALL\nop2 ALL=(ALL:ALL) ALL"
WAITING = r"request (\w{4}-\w{4}), code (\d\d): waiting for approval \(Ctrl-C cancels\)"
WAIT = 20  # seconds that a test waits for what another process does


def write(path, text, mode=0o644, owner=None, group=None):
    """Writes a file as an administrator would install it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    shutil.chown(path, owner or "root", group or "root")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


class Lab:
    """The host. There is one in a process: Lab.here()."""

    _here = None
    _failure = None

    @classmethod
    def here(cls):
        if cls._failure:
            raise cls._failure
        if cls._here is None:
            try:
                cls._here = cls()
            except BaseException as failure:
                cls._failure = failure
                raise
        return cls._here

    def __init__(self):
        if not inside():
            raise RuntimeError("the laboratory is entered through tests/run, or tests/system/namespace.py")
        self.logs = os.environ.get("PAM_JIT_LOGS") or os.path.join(TREE, "build/test-logs/laboratory")
        shutil.rmtree(self.logs, ignore_errors=True)
        os.makedirs(self.logs)
        self.helper = None
        self.helper_environment = None  # more than ours, for what is started next
        self.broker = None
        self._collect_syslog()
        self._add_accounts()
        self._install()
        self._make_secrets()

    # What stands on the host

    def _collect_syslog(self):
        """What is sent to /dev/log goes to the file `syslog`."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        with sock, open(self.log("syslog"), "wb") as out:
            self.log_reader = subprocess.Popen([f"{TREE}/build/tests/load/logreader"], stdin=sock, stdout=out,
                                               preexec_fn=die_with_parent)

    def _add_accounts(self):
        for name in ("_jit", "_jitbroker"):
            self.as_root("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name)
        for name in PEOPLE:
            self.as_root("useradd", "--create-home", "--shell", "/bin/bash", name)
        lines = "".join(f"{name}:{PASSWORD}\n" for name in PEOPLE)
        self.as_root("chpasswd", text=lines)

    def _install(self):
        # What is built already is installed, so that two laboratories at once never build at once.
        self.as_root("make", "--no-print-directory", "-C", TREE, "-o", "all", "install", "PREFIX=/usr")
        if os.environ.get("PAM_JIT_SAN"):
            for name, folder in (("jit-helper", "/usr/sbin"), ("jit-broker", "/usr/sbin"), ("jit", "/usr/bin")):
                shutil.copy(os.path.join(TREE, "build/san", name), folder)
        os.makedirs("/run/pam-jit", exist_ok=True)
        os.makedirs("/var/lib/jit-broker")
        shutil.chown("/var/lib/jit-broker", "_jitbroker", "_jitbroker")
        os.chmod("/var/lib/jit-broker", 0o700)
        write("/etc/pam-jit/aws-credentials", read(f"{EXAMPLES}/aws-credentials"))
        self.set_pam()
        self.set_sudoers(NOPASSWD)

    def _make_secrets(self):
        os.makedirs("/etc/jit-broker", exist_ok=True)
        secrets = "/run/lab/secrets"
        os.mkdir(secrets, 0o700)
        brokerlib.make_tls(secrets)
        write("/etc/jit-broker/tls.crt", read(f"{secrets}/tls.crt"))
        write("/etc/jit-broker/tls.key", read(f"{secrets}/tls.key"), 0o640, "root", "_jitbroker")
        write("/etc/pam-jit/broker-ca.pem", read(f"{secrets}/ca.pem"))
        self.configure()
        broker = brokerlib.Broker("/usr/sbin/jit-broker", BROKER_CONF, self.log("jit-broker"), user="_jitbroker")
        self.broker = broker
        self.api_key = broker.admin("key", "add", HOSTNAME).stdout.strip().splitlines()[-1]
        self.set_api_key(self.api_key)
        self.tokens = {}
        for name in ("appr1", "appr2", "op1"):
            self.tokens[name] = broker.admin("token", "add", name).stdout.strip().splitlines()[-1]
            self._make_client(name)

    def set_api_key(self, key):
        write("/etc/pam-jit/api.key", key + "\n", 0o640, "root", "_jit")

    def _make_client(self, name):
        """What an approver has at home, so that `jit-broker approve` needs no options."""
        folder = f"/home/{name}/.config/jit-broker"
        os.makedirs(folder)
        write(f"{folder}/token", self.tokens[name] + "\n", 0o600, name, name)
        write(f"{folder}/client.conf", "url = https://broker.example:8443\nca = /etc/pam-jit/broker-ca.pem\n"
              f"token_file = {folder}/token\n", 0o600, name, name)

    def as_root(self, *command, text=None):
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout

    def set_pam(self, account="", session="", service="sudo", example=None):
        """A service as its example has it (or another service's: `example`), with other arguments for the module's
        lines."""
        text = read(f"{EXAMPLES}/{example or service}.example")
        for phase, more in (("account", account), ("session", session)):
            line = re.search(rf"^{phase}\s+\S+\s+pam_jit\.so\b.*$", text, re.M)
            assert line, f"{phase} in {example or service}.example"
            names = {argument.split("=")[0] for argument in more.split()}
            kept = [word for word in line[0].split() if word.split("=")[0] not in names]
            text = text.replace(line[0], " ".join(kept + [more]).rstrip())
        write(f"/etc/pam.d/{service}", text)

    def set_password(self, name):
        self.as_root("chpasswd", text=f"{name}:{PASSWORD}\n")

    def set_sudoers(self, lines):
        write("/etc/sudoers.d/pam-jit", read(f"{EXAMPLES}/sudoers.d/pam-jit"), 0o440)
        write("/etc/sudoers", SUDOERS.format(lines=lines), 0o440)
        self.as_root("visudo", "-cq")

    def configure(self, broker=None, helper=None):
        """The examples with changes, {(section, key): value}; they count from the next start on."""
        base = {("broker", "listen"): "127.0.0.1:8443", ("broker", "auditors"): "appr1"}
        text = brokerlib.edit_ini(read("/usr/share/jit-broker/examples/jit-broker.conf"), {**base, **(broker or {})})
        write(BROKER_CONF, text, 0o640, "root", "_jitbroker")
        base = {("helper", "broker"): "https://broker.example:8443"}
        text = brokerlib.edit_ini(read(f"{EXAMPLES}/jit-helper.conf"), {**base, **(helper or {})})
        write(HELPER_CONF, text)

    # What runs on it

    def start(self):
        self.broker.start()
        self.start_helper()

    def start_helper(self):
        log = self.log("jit-helper")
        with open(log, "ab") as out:
            self.helper = subprocess.Popen(["/usr/sbin/jit-helper"], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                           preexec_fn=die_with_parent, cwd="/",
                                           env={**os.environ, **(self.helper_environment or {})})

        def serving():
            if self.helper.poll() is not None:
                raise AssertionError(f"jit-helper ended with {self.helper.returncode}: {read(log)[-2000:]}")
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                return sock.connect_ex(PAM_SOCKET) == 0

        wait_until("jit-helper takes connections", serving, WAIT)

    def stop_helper(self, kill=False):
        if self.helper is None:
            return None
        helper, self.helper = self.helper, None
        (helper.kill if kill else helper.terminate)()
        try:
            return helper.wait(10)
        except subprocess.TimeoutExpired:
            helper.kill()
            helper.wait()
            log = self.log("jit-helper")
            raise AssertionError(f"jit-helper did not end within 10 s of SIGTERM; log: {log}") from None

    def forget_state(self):
        """What the helper kept for the next one."""
        if os.path.exists(HELPER_STATE):
            os.unlink(HELPER_STATE)

    def stop(self):
        """Ends the daemons, which must do so by themselves and find nothing wrong. The store's content stays."""
        daemons = {"jit-helper": self.stop_helper, "jit-broker": self.broker.stop}
        ended = {name: end() for name, end in daemons.items()}
        wrong = {name: status for name, status in ended.items() if status not in (0, None)}
        if wrong:
            raise AssertionError(f"exit status other than 0: {wrong}; logs: {self.logs}")

    def restart(self, broker=None, helper=None):
        self.stop()
        self.forget_state()
        self.configure(broker, helper)
        self.start()

    def terminal(self, user, **how):
        return Terminal(user, self.logs, **how)

    # What is known at the broker

    def ask_broker(self, path, token=None):
        """GET with an approver's token; without one with the host's key."""
        headers = {"Authorization": f"Bearer {token}"} if token else {"x-api-key": self.api_key}
        request = urllib.request.Request(f"https://broker.example:8443{path}", headers=headers)
        context = brokerlib.trusting("/etc/pam-jit/broker-ca.pem")
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return json.load(answer)

    def request(self, request_id):
        return self.ask_broker(f"/requests/{request_id}")

    def wait_for_status(self, request_id, status, timeout=WAIT):
        """Waits until the broker says so; returns the request."""
        last = {}

        def reached():
            last.update(self.request(request_id))
            return last["status"] == status

        try:
            wait_until(f"request {request_id} becomes {status}", reached, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last.get('status')}") from None
        return last

    def pending(self):
        return self.ask_broker("/requests?status=PENDING", self.tokens["appr1"])["requests"]

    def filed(self):
        """How many requests were ever filed."""
        return sum(1 for record in self.records() if record["action"] == "request.filed")

    def records(self):
        """The audit chain."""
        records, after = [], 0
        while True:
            page = self.ask_broker(f"/audit?after={after}", self.tokens["appr1"])
            if not page["records"]:
                return records
            records += page["records"]
            after = page["next"]

    # The second person

    def as_approver(self, name, *command, check=True):
        """Runs `jit-broker COMMAND` as that person, with their token's file."""
        account = pwd.getpwnam(name)
        env = {"HOME": account.pw_dir, "PATH": "/usr/bin:/bin:/usr/sbin", "LANG": "C.UTF-8", "USER": name}
        done = subprocess.run(["/usr/sbin/jit-broker", *command], user=name, group=name, extra_groups=[], env=env,
                              cwd=account.pw_dir, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=30)
        if check and done.returncode:
            raise AssertionError(f"jit-broker {' '.join(command)}: exit status {done.returncode}: {done.stderr}")
        return done

    # Logs

    def log(self, name):
        return os.path.join(self.logs, f"{name}.log")

    def tails(self, lines=8):
        """The end of each daemon's log and of the two newest terminals."""
        terminals = sorted(glob.glob(f"{self.logs}/terminal-*.log"), key=os.path.getmtime)[-2:]
        said = []
        for path in [self.log("jit-helper"), self.log("jit-broker"), self.log("syslog"), *terminals]:
            last = read(path).split("\n")[-lines:] if os.path.exists(path) else []
            said += [f"--- the end of {path}"] + last
        return said


class LabCase(unittest.TestCase):
    """Tests against a host with its daemons running; each class begins with them freshly started."""

    laboratory = True
    broker_conf = {}
    helper_conf = {}

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab.here()
        cls.lab.set_pam()
        cls.lab.set_sudoers(NOPASSWD)
        cls.addClassCleanup(cls.lab.stop)
        cls.lab.restart(cls.broker_conf, cls.helper_conf)

    @classmethod
    def log_tails(cls):
        return cls.lab.tails() if hasattr(cls, "lab") else []

    def open_terminal(self, user="op1", reason="disk full", environment=None, **how):
        """A login session that ends with the test. With a reason given in its environment sudo asks for none."""
        environment = {**({"JIT_REASON": reason} if reason else {}), **(environment or {})}
        terminal = self.lab.terminal(user, environment=environment, **how)
        self.addCleanup(terminal.close)
        return terminal

    def ask(self, terminal, command="sudo id"):
        """Types the command and waits until it waits for a decision: (short id, code)."""
        terminal.start(command)
        shown = terminal.expect(WAITING)
        return shown[1], shown[2]

    def approve(self, request, name="appr1"):
        self.lab.as_approver(name, "approve", request[0], "--code", request[1])

    def run_approved(self, terminal, command="sudo id"):
        """Types the command, has it approved: (short id, what it printed). The command must succeed."""
        request = self.ask(terminal, command)
        self.approve(request)
        terminal.expect(rf"request {request[0]}: approved by appr1")
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        return request[0], text

    def assert_asks_nobody(self, terminal, command):
        """The command succeeds at once and no request is filed: what it printed."""
        before = self.lab.filed()
        status, text = terminal.run(command, timeout=5)
        self.assertEqual((status, self.lab.filed() - before), (0, 0), text)
        return text
