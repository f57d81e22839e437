"""A broker for tests: its CA and certificate, its configuration, its keys and tokens, its life as a process."""

import contextlib
import http.client
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import time

from namespace import TREE, die_with_parent

START_LIMIT = 20
LOWEST_PORT = 10000  # what is below may be a service of the machine's own
ports_given = set()


CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def _openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=30)


def make_tls(folder, names=("localhost", "broker.example"), addresses=("127.0.0.1",)):
    """Makes a CA and a server certificate in the folder: ca.pem, tls.crt, tls.key."""
    _openssl("req", "-x509", *CURVE, "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem", "-days", "30", "-subj",
             "/CN=test CA", "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
             "keyUsage=critical,keyCertSign")
    make_certificate(folder, folder, names, addresses)


def make_certificate(ca_folder, folder, names, addresses, use="serverAuth", days=30, name="broker"):
    """A certificate of that folder's CA: tls.crt, tls.key. `days` may be negative: it is over."""
    subject = ",".join([f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses])
    _sign(ca_folder, folder, f"subjectAltName={subject}\nextendedKeyUsage={use}\n", days, name)


def make_intermediate(ca_folder, folder):
    """A CA below that folder's CA: ca.pem, ca.key."""
    _sign(ca_folder, folder, "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n", 30, "between")
    for made, name in (("tls.crt", "ca.pem"), ("tls.key", "ca.key")):
        os.rename(f"{folder}/{made}", f"{folder}/{name}")


def _sign(ca_folder, folder, extensions, days, name):
    with open(f"{folder}/tls.ext", "w", encoding="ascii") as file:
        file.write(extensions)
    _openssl("req", *CURVE, "-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.csr", "-subj", f"/CN={name}")
    _openssl("x509", "-req", "-in", f"{folder}/tls.csr", "-CA", f"{ca_folder}/ca.pem", "-CAkey", f"{ca_folder}/ca.key",
             "-out", f"{folder}/tls.crt", "-days", str(days), "-set_serial", str(time.time_ns()), "-extfile",
             f"{folder}/tls.ext")
    os.chmod(f"{folder}/tls.key", 0o600)


def edit_ini(text, changes):
    """Sets keys in an INI text: {(section, key): value}; value None removes the key. A missing section is added."""
    lines = text.splitlines()
    for (section, key), value in changes.items():
        header = f"[{section}]"
        if header not in lines:
            lines += ["", header]
        first = lines.index(header) + 1
        last = next((i for i in range(first, len(lines)) if lines[i].startswith("[")), len(lines))
        kept = [line for line in lines[first:last] if line.split("=")[0].strip() != key]
        new = [] if value is None else [f"{key} = {value}"]
        lines[first:last] = new + kept
    return "\n".join(lines) + "\n"


def wait_for_port(address, port, process, log):
    """Waits until the port takes connections; AssertionError with the log's tail when the process ends or is late."""
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            socket.create_connection((address, port), 1).close()
            return
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            with open(log, encoding="utf-8", errors="replace") as file:
                said = file.read()[-2000:]
            raise AssertionError(f"{process.args[0]} does not serve (exit status {process.poll()}): {said}")
        time.sleep(0.02)


class Broker:
    """A jit-broker. `program` is the executable, `conf` its jit-broker.conf, `user` whom it runs as (None: as we are)."""

    def __init__(self, program, conf, log, port=8443, user=None):
        self.program, self.conf, self.log, self.port, self.user = program, conf, log, port, user
        self.process = None
        self.environment = None  # more than ours, for what is started next

    def _identity(self):
        return {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}

    def launch(self):
        """Starts it without waiting until it serves."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program, "serve", "--config", self.conf], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, preexec_fn=die_with_parent, cwd="/",
                                            env={**os.environ, **(self.environment or {})}, **self._identity())

    def start(self):
        self.launch()
        wait_for_port("127.0.0.1", self.port, self.process, self.log)

    def stop(self, kill=False):
        """Ends it; returns its exit status."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        if process.poll() is None:
            (process.kill if kill else process.terminate)()
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"jit-broker did not end within 10 s of SIGTERM; log: {self.log}") from None

    def admin(self, *args, check=True):
        """A local command of jit-broker, such as ("key", "add", "web-1"), as the broker's user."""
        done = subprocess.run([self.program, *args, "--config", self.conf], capture_output=True, text=True,
                              timeout=20, cwd="/", **self._identity())
        if check and done.returncode:
            raise AssertionError(f"jit-broker {' '.join(args)}: exit status {done.returncode}: {done.stderr}")
        return done


def trusting(ca):
    """An SSL context that trusts that CA alone."""
    return ssl.create_default_context(cafile=ca)


def built(name):
    """A program of the build: PAM_JIT_SAN=1 takes the one with sanitizers."""
    folder = "build/san" if os.environ.get("PAM_JIT_SAN") else "build"
    path = os.path.join(TREE, folder, name)
    if not shutil.which(path):
        raise AssertionError(f"{path} is not built")
    return path


# The least that a broker can decide by.
POLICY = """[role admin]
services = sudo
requesters = op1
hosts = *
targets = root
approvers = appr1
[person op1]
[person appr1]
"""
# A public P-256 key (RFC 7515, appendix A.3): whoever files with it gets sealed credentials that nobody here can open.
PUBLIC_KEY = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
              "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}


class Answer:
    """status, headers (lower case), body as bytes, and json where it is that."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()
        is_json = self.headers.get("content-type") == "application/json"
        self.json = json.loads(self.body) if is_json else None


class Api:
    """One kept-alive connection to the broker, with a host's key or a person's token."""

    def __init__(self, port, ca, key=None, token=None, certificate=None):
        """`certificate`: the folder of a client's tls.crt and tls.key."""
        self.headers = {"x-api-key": key} if key else {"Authorization": f"Bearer {token}"} if token else {}
        context = trusting(ca)
        if certificate:
            context.load_cert_chain(f"{certificate}/tls.crt", f"{certificate}/tls.key")
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=40, context=context)

    def send(self, method, path, body=None, headers=None):
        """Sends without waiting for the answer; receive() takes it."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        self.connection.request(method, path, data, {**self.headers, **(headers or {})})

    def receive(self):
        return Answer(self.connection.getresponse())

    def call(self, method, path, body=None, headers=None):
        self.send(method, path, body, headers)
        return self.receive()

    def get(self, path, headers=None):
        return self.call("GET", path, None, headers)

    def post(self, path, body=None, headers=None):
        return self.call("POST", path, {} if body is None else body, headers)

    def close(self):
        self.connection.close()


def free_port():
    """One that stays free until somebody listens on it: below those that the kernel gives to connections going out, which
    other tests make meanwhile, and given to nobody else here."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        above = int(file.read().split()[0])
    while True:
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", random.randrange(LOWEST_PORT, above) if above > LOWEST_PORT else 0))
            port = sock.getsockname()[1]
            if port not in ports_given:
                ports_given.add(port)
                return port


def make_broker(folder, conf, program=None):
    """A broker in a folder of its own, on a free port, with TLS; not started. `conf` follows its [broker] section's
    first lines, so it begins with more keys of that section."""
    make_tls(folder)
    port = free_port()
    path = os.path.join(folder, "jit-broker.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[broker]\nlisten = 127.0.0.1:{port}\ntls_certificate = {folder}/tls.crt\n"
                   f"tls_key = {folder}/tls.key\nstore = sqlite:{folder}/broker.db\n{conf}")
    os.chmod(path, 0o600)
    return Broker(program or built("jit-broker"), path, os.path.join(folder, "broker.log"), port)


def new_secret(broker, *command):
    """The text of a new key or token: ("key", "add", "web-1")."""
    return broker.admin(*command).stdout.strip().splitlines()[-1]
