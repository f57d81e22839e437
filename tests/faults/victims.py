"""How each fault is put onto each victim, how it shows that it was met, and how it is taken away again. Nothing is
restarted for it but what has ended."""

import collections
import ctypes
import mmap
import os
import pwd
import resource
import secrets
import select
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import time

import brokerlib
from brokerlib import free_port, trusting, wait_for_port
from dynamo import Dynamo
from frames import ALLOW, DOCUMENT, GRANT, JSON, OUTCOME, SAY, SESSION_SOCKET, SEVERITY, TEXT, VERDICT
from lab import PAM_SOCKET, read, write
from namespace import TREE, die_with_parent
from processes import state_of

from . import peers, proxy

FOLDER = "/run/lab/faults"
STORE = "/var/lib/jit-broker"
DATABASE = f"{STORE}/broker.db"
HELPERS_FOLDERS = ("/run/pam-jit/state", "/var/lib/pam-jit")
SHIM = os.path.join(TREE, "build/tests/faults/shim.so")
DAY = 86400
TWO_DAYS = 2 * DAY
EIO, ENOSPC = 5, 28
SYS_PIDFD_GETFD = 438
LIMITS = {"nofile": "Max open files", "as": "Max address space"}
STANDARD = 3  # descriptors that every process has
REPLACED_S = 0.15  # in which a helper that has just begun to has put its state in place
ROOM = 65536  # bytes of address space that one which is short of memory may still take
MALFORMED = "database disk image is malformed"
ERROR = ('<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Receiver</Type><Code>{0}</Code>'
         "<Message>{1}</Message></Error><RequestId>1</RequestId></ErrorResponse>")


# clear() takes it away; met() is how often somebody met it since it was put, while it stands: that it stands is seen to.
Put = collections.namedtuple("Put", "clear met")


class Orders:
    """What shim.c does in one process, and how often it did, or met a shortage."""

    ORDERS = ("shift", "slow", "error", "torn", "hoard")
    MET = ("shifted", "slowed", "failed", "starved", "crowded", "full", "locked")

    def __init__(self, name):
        self.path = f"{FOLDER}/{name}.shim"
        size = 8 * len(self.ORDERS + self.MET)
        with open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            os.fchmod(file.fileno(), 0o666)  # each daemon is somebody of its own
            file.truncate(size)
            self.page = memoryview(mmap.mmap(file.fileno(), size)).cast("q")
        self.environment = {"LD_PRELOAD": SHIM, "FAULT_SHIM": self.path}

    def give(self, **orders):
        for at, name in enumerate(self.ORDERS):
            self.page[at] = orders.get(name, 0)

    def put(self, what, **orders):
        """Until clear(); met() counts what MET calls so."""
        met = self.counter(what)
        self.give(**orders)
        return Put(self.give, met)

    def counter(self, what):
        at = len(self.ORDERS) + self.MET.index(what)
        before = self.page[at]
        return lambda: self.page[at] - before


def added_to(path):
    """What gives all that a log says from now on."""
    before = os.path.getsize(path)

    def added():
        with open(path, "rb") as file:
            file.seek(before)
            return file.read().decode(errors="replace")
    return added


def soft_limit(process, kind):
    line = next(line for line in read(f"/proc/{process.pid}/limits").splitlines() if line.startswith(LIMITS[kind]))
    return line[len(LIMITS[kind]):].split()[0]


def limit(process, kind, soft):
    """As the process's own user, who may lower and raise the soft limit."""
    owner = pwd.getpwuid(uid_of(process))
    subprocess.run(["prlimit", "--pid", str(process.pid), f"--{kind}={soft}:"], check=True, user=owner.pw_uid,
                   group=owner.pw_gid, extra_groups=[])


def uid_of(process):
    line = next(line for line in read(f"/proc/{process.pid}/status").splitlines() if line.startswith("Uid:"))
    return int(line.split()[1])


def short_of(process, kind, soft, met):
    """That soft limit stands; `met` counts who came up against it."""
    old = soft_limit(process, kind)
    limit(process, kind, soft)

    def seen():
        stands = soft_limit(process, kind)
        assert stands == str(soft), f"the limit of {kind} is {stands}, and not {soft}"
        return met()
    return Put(lambda: process.poll() is None and limit(process, kind, old), seen)


def stop(process, met):
    process.send_signal(signal.SIGSTOP)

    def seen():
        state = state_of(process.pid)
        assert state == "T", f"process {process.pid} is stopped, and its state {state}"
        return met()
    return Put(lambda: process.poll() is None and process.send_signal(signal.SIGCONT), seen)


def assert_killed(process):
    assert process.returncode == -signal.SIGKILL, f"process {process.pid} has ended with {process.returncode}"


def waiting(process):
    """How many of what a daemon looks at have something for it: its own epoll, asked beside it."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(process.pid)
    try:
        at = next(int(name) for name in os.listdir(f"/proc/{process.pid}/fd")
                  if os.readlink(f"/proc/{process.pid}/fd/{name}") == "anon_inode:[eventpoll]")
        fd = libc.syscall(SYS_PIDFD_GETFD, pidfd, at, 0)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        with select.epoll.fromfd(fd) as epoll:
            return len(epoll.poll(0, 16))
    finally:
        os.close(pidfd)


def fill(folder):
    """Not a byte more goes there; nor where a file that was just being replaced has given its room back."""
    path = f"{folder}/ballast"
    until = time.monotonic() + REPLACED_S
    with open(path, "wb", buffering=0) as file:
        while time.monotonic() < until:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                if error.errno != ENOSPC:
                    raise
            time.sleep(0.01)
    return lambda: os.unlink(path)


def full(folders, met):
    undo = [fill(folder) for folder in folders]

    def seen():
        room = [os.statvfs(folder).f_bavail for folder in folders]
        assert not any(room), f"blocks free in {folders}: {room}"
        return met()
    return Put(lambda: [step() for step in undo], seen)


class Victim:
    """`daemons` are looked after by the case."""

    networked = ("refuse", "hang", "slow", "garbage", "cut")

    def __init__(self, rig):
        self.rig = rig

    def put(self, fault):
        if fault in self.networked and self.proxy():
            return self.spoil(fault)
        return getattr(self, fault)()

    def proxy(self):
        return None

    def spoil(self, mode, instead=None):
        self.proxy().misbehave(mode, instead)
        return Put(self.proxy().recover, self.proxy().spoilt)

    def process(self):
        raise NotImplementedError

    def orders(self):
        return self.rig.orders[self.name]

    def clock_forward(self):
        return self.orders().put("shifted", shift=DAY)

    def clock_back(self):
        return self.orders().put("shifted", shift=-DAY)

    def descriptors(self):
        """No further one, whatever it gives back; connections that are kept for later end, so that there are new ones."""
        put = short_of(self.process(), "nofile", STANDARD, self.orders().counter("crowded"))
        self.rig.to_broker.reset_all()
        return put

    def memory(self):
        """It gets hardly any more, and what its heap had left is gone too."""
        pages = int(read(f"/proc/{self.process().pid}/statm").split()[0])
        met = self.orders().counter("starved")
        limited = short_of(self.process(), "as", pages * resource.getpagesize() + ROOM, met)
        self.orders().give(hoard=1)

        def give_back():
            self.orders().give()  # first: it would take what it now gets
            limited.clear()
        return Put(give_back, limited.met)

    def stop(self):
        """Who asks it then is read by the proxy before it."""
        before = len(self.proxy().calls)
        return stop(self.process(), lambda: len(self.proxy().calls) - before)

    def kill_behind_proxy(self, kill, start):
        """The port is then closed; the proxy's is, too."""
        process = self.process()
        refused = self.spoil("refuse")
        kill()

        def seen():
            assert_killed(process)
            return refused.met()

        def restart():
            start()
            refused.clear()
        return Put(restart, seen)


class Broker(Victim):
    name = "broker"

    def proxy(self):
        return self.rig.to_broker

    def process(self):
        return self.rig.lab.broker.process

    def kill(self):
        broker = self.rig.lab.broker
        return self.kill_behind_proxy(lambda: broker.stop(kill=True), broker.start)


class Helper(Victim):
    name = "helper"

    def process(self):
        return self.rig.lab.helper

    def kill(self):
        """Whoever it held meets that."""
        process = self.process()
        self.rig.lab.stop_helper(kill=True)

        def seen():
            assert_killed(process)
            return 1
        return Put(self.rig.lab.start_helper, seen)

    def stop(self):
        process = self.process()
        return stop(process, lambda: waiting(process))

    def disk_full(self):
        return full(HELPERS_FOLDERS, self.orders().counter("full"))

    def impostor(self, frames, listens=True):
        doubles = [peers.Impostor(PAM_SOCKET, frames, 0o600, listens),
                   peers.Impostor(SESSION_SOCKET, frames, 0o666, listens)]
        return Put(lambda: [double.end() for double in doubles], lambda: sum(double.met() for double in doubles))

    def refuse(self):
        return self.impostor(None, listens=False)

    def hang(self):
        def frames(_):
            while True:
                yield None
        return self.impostor(frames)

    def slow(self):
        def frames(_):
            while True:
                yield head(SAY) + peers.field(TEXT, b"still at it") + peers.field(SEVERITY, 0)
                yield None
        return self.impostor(frames)

    def garbage(self):
        return self.impostor(lambda _: [head(VERDICT) + peers.field(OUTCOME, ALLOW) + secrets.token_bytes(64)])

    def cut(self):
        """An ALLOW without its end."""
        def frames(kind):
            if kind > 31:
                return [head(DOCUMENT) + peers.field(JSON, b'{"Version":1,"AccessKeyId":"ASIA"}')[:-9]]
            return [head(VERDICT) + peers.field(OUTCOME, ALLOW) + peers.field(GRANT, b"0b6c1111-2222")[:-2]]
        return self.impostor(frames)


class Sts(Victim):
    name = "sts"

    def proxy(self):
        return self.rig.to_sts

    def process(self):
        return self.rig.sts

    def says(self, status, code, message):
        return self.spoil("short", proxy.answer(status, ERROR.format(code, message), "text/xml"))

    def disk_full(self):
        return self.says("500 Internal Server Error", "InternalFailure", "no space left")

    def descriptors(self):
        return self.says("503 Service Unavailable", "ServiceUnavailable", "too many open files")

    def memory(self):
        return self.says("400 Bad Request", "Throttling", "Rate exceeded")

    def kill(self):
        def kill():
            self.rig.sts.kill()
            self.rig.sts.wait()
        return self.kill_behind_proxy(kill, self.rig.start_sts)


class Store(Victim):
    """The SQLite file."""

    name = "store"

    def orders(self):
        return self.rig.orders["broker"]

    def refuse(self):
        return self.orders().put("failed", error=EIO)

    def cut(self):
        return self.orders().put("failed", error=EIO, torn=1)

    def slow(self):
        return self.orders().put("slowed", slow=1000)

    def hang(self):
        """Another process writes, and does not end."""
        met = self.orders().counter("locked")
        other = sqlite3.connect(DATABASE, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")

        def end():
            other.execute("ROLLBACK")
            other.close()
        return Put(end, met)

    def disk_full(self):
        touch()  # a log that has room of its own would do for a while
        return full([STORE], self.orders().counter("full"))

    def garbage(self):
        """Every page but the first is noise. What was cached is read again: another process began to write before, and ends
        when the noise is there."""
        touch()
        other = sqlite3.connect(DATABASE, isolation_level=None, timeout=10)
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE cursor SET value=value")
        with open(DATABASE, "r+b") as file:
            whole = file.read()
            size = int.from_bytes(whole[16:18], "big")
            file.seek(size)
            file.write(secrets.token_bytes(len(whole) - size))
        other.execute("COMMIT")
        other.close()
        said = added_to(self.rig.lab.log("jit-broker"))

        def mend():
            with open(DATABASE, "r+b") as file:
                file.seek(size)
                file.write(whole[size:])
            touch()
        return Put(mend, lambda: said().count(MALFORMED))


def touch():
    """Everything is in the file and nothing beside it; who has read from it reads it again."""
    other = sqlite3.connect(DATABASE, isolation_level=None, timeout=10)
    other.execute("UPDATE cursor SET value=value")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    other.execute("UPDATE cursor SET value=value")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    other.close()


class Table(Victim):
    """The table of DynamoDB."""

    name = "table"

    def proxy(self):
        return self.rig.to_table

    def process(self):
        return self.rig.table.process

    def says(self, status, code, message):
        body = '{"__type":"%s","message":"%s"}' % (code, message)
        return self.spoil("short", proxy.answer(status, body, "application/x-amz-json-1.0"))

    def disk_full(self):
        return self.says("500 Internal Server Error", "com.amazonaws.dynamodb.v20120810#InternalServerError", "oops")

    def descriptors(self):
        return self.says("503 Service Unavailable", "com.amazon.coral.service#ServiceUnavailable", "too busy")

    def memory(self):
        return self.says("400 Bad Request", "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                         "slow down")

    def clock_forward(self):
        return self.says("400 Bad Request", "com.amazon.coral.service#InvalidSignatureException",
                         "Signature expired: 20261123T000000Z is now earlier than 20261124T000000Z")

    def clock_back(self):
        return self.says("400 Bad Request", "com.amazon.coral.service#InvalidSignatureException",
                         "Signature not yet current: 20261123T000000Z is still later than 20261122T000000Z")

    def kill(self):
        """What it was asked to keep it has."""
        return self.kill_behind_proxy(self.rig.table.kill, self.rig.table.start)


def head(kind):
    return b"PJ\x01" + bytes([kind])


VICTIMS = {victim.name: victim for victim in (Broker, Helper, Sts, Store, Table)}


class Rig:
    """The host, with proxies on its ways and its daemons under the shim."""

    def __init__(self, lab):
        self.lab = lab
        os.makedirs(FOLDER, exist_ok=True)
        self.orders = {name: Orders(name) for name in ("helper", "broker", "sts", "past")}
        self.make_older_certificates()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("/run/lab/secrets/tls.crt", "/run/lab/secrets/tls.key")
        self.to_broker = proxy.FaultProxy(8443, context, trusting("/run/lab/secrets/ca.pem"), "broker.example")
        self.sts_port = free_port()
        self.sts = None
        self.start_sts()
        self.to_sts = proxy.FaultProxy(self.sts_port)
        self.to_table = self.table = None
        write("/etc/jit-broker/issuer.credentials", "[default]\naws_access_key_id = AKIAEXAMPLE\n"
              "aws_secret_access_key = secret\n", 0o640, "root", "_jitbroker")
        for name in ("appr1", "appr2"):
            path = f"/home/{name}/.config/jit-broker/client.conf"
            write(path, read(path).replace(":8443", f":{self.to_broker.port}"), 0o600, name, name)
        for folder in HELPERS_FOLDERS:
            mount(folder, "256k", "_jit")
        self.move_store()
        lab.helper_environment = self.orders["helper"].environment
        lab.broker.environment = self.orders["broker"].environment

    def make_older_certificates(self):
        """Those of a host that is older than a day: a clock put back does not find them not yet good."""
        self.orders["past"].give(shift=-TWO_DAYS)
        os.environ.update(self.orders["past"].environment)
        brokerlib.make_tls("/run/lab/secrets")
        for name in self.orders["past"].environment:
            del os.environ[name]
        write("/etc/jit-broker/tls.crt", read("/run/lab/secrets/tls.crt"))
        write("/etc/jit-broker/tls.key", read("/run/lab/secrets/tls.key"), 0o640, "root", "_jitbroker")
        write("/etc/pam-jit/broker-ca.pem", read("/run/lab/secrets/ca.pem"))

    def move_store(self):
        shutil.copytree(STORE, f"{FOLDER}/store")
        mount(STORE, "8m", "_jitbroker")
        for name in os.listdir(f"{FOLDER}/store"):
            shutil.copy2(f"{FOLDER}/store/{name}", STORE)
            shutil.chown(f"{STORE}/{name}", "_jitbroker", "_jitbroker")

    def start_sts(self):
        log = f"{self.lab.logs}/sts.log"
        with open(log, "ab") as out:
            self.sts = subprocess.Popen([sys.executable, os.path.abspath(peers.__file__), str(self.sts_port)],
                                        stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=die_with_parent,
                                        env={**os.environ, **self.orders["sts"].environment})
        wait_for_port("127.0.0.1", self.sts_port, self.sts, log)

    def conf_of_broker(self):
        return {("broker", "issuer"): f"sts:http://127.0.0.1:{self.to_sts.port}",
                ("broker", "issuer_plain_loopback"): "yes",
                ("broker", "issuer_credentials"): "/etc/jit-broker/issuer.credentials"}

    def start_table(self):
        """A DynamoDB; what makes a table of it the store."""
        folder = f"{FOLDER}/table"
        os.makedirs(folder)
        self.table = Dynamo(folder, lasting=True)
        self.table.start()
        self.to_table = proxy.FaultProxy(self.table.port)
        write("/etc/jit-broker/store.credentials", read(self.table.keys), 0o640, "root", "_jitbroker")
        return {("broker", "store"): "dynamodb:jit", ("broker", "store_plain_loopback"): "yes",
                ("broker", "store_endpoint"): f"http://127.0.0.1:{self.to_table.port}",
                ("broker", "store_credentials"): "/etc/jit-broker/store.credentials"}

    def conf_of_helper(self):
        return {("helper", "broker"): f"https://broker.example:{self.to_broker.port}"}


def mount(folder, size, owner):
    os.makedirs(folder, exist_ok=True)
    account = pwd.getpwnam(owner)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700,uid={account.pw_uid},gid={account.pw_gid}",
                    "tmpfs", folder], check=True)
