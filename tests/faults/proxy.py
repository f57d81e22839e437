"""Stands between a client and its server and hands each call on, until it is told to misbehave.

It speaks HTTP/1.1, on TLS where it is given a certificate, so that it can spoil what stands inside of TLS. Modes:

    refuse   nobody listens, and what was connected is reset
    hang     connections are taken, calls are read, nothing is said
    slow     the call is handed on, its answer comes a byte at a time
    garbage  the call is handed on, the answer is noise of the right length and type
    cut      the call is handed on, half of the answer comes, then the connection is reset
    short    the call is answered with what `instead` holds, and not handed on

It keeps what came and what became of it: `calls`; and how often it did what its mode says: spoilt().
"""

import contextlib
import os
import select
import socket
import ssl
import struct
import threading

PACE = 0.25  # seconds a byte, where it is slow
PATIENCE = 60  # seconds that a call may take


def unheard():
    """How many connects came to nothing in this network, which is the laboratory's own."""
    with open("/proc/net/snmp", encoding="ascii") as file:
        names, values = (line.split() for line in file if line.startswith("Tcp:"))
    return int(dict(zip(names, values))["AttemptFails"])


class Message:
    """A call or an answer as it came, and where its body begins."""

    def __init__(self, data, at):
        self.data, self.at = data, at


def answer(status, body, content_type):
    """What `instead` takes."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return Message(head + body.encode(), len(head))


class Call:
    """`what`: method and path. `over` with the `status` that its caller was told, or without one; `whole` where what it was
    told was the server's answer."""

    def __init__(self, call):
        self.what = " ".join(call.data.split(b"\r\n", 1)[0].decode("latin-1").split()[:2])
        self.status, self.over, self.whole = None, False, False


class Ended(Exception):
    """The other side has closed, or was told to."""


class Connection:
    """One client, and the server's side of it."""

    def __init__(self, proxy, client):
        self.proxy, self.client, self.server = proxy, client, None

    def serve(self):
        try:
            if self.proxy.front:
                self.client.settimeout(PATIENCE)
                self.hold_if("hang")
                self.client = self.proxy.front.wrap_socket(self.client, server_side=True)
            while True:
                self.exchange()
        except (Ended, OSError, ssl.SSLError):
            pass
        finally:
            self.close()

    def hold_if(self, mode):
        """Says nothing until the fault is over, and then nothing at all."""
        if self.proxy.mode == mode:
            self.proxy.spoil()
            self.proxy.well.wait(PATIENCE)
            raise Ended

    def exchange(self):
        message = self.read(self.client)
        call = Call(message)
        self.proxy.calls.append(call)
        try:
            self.hold_if("hang")
            said = self.proxy.instead if self.proxy.mode == "short" else self.ask(message)
            call.whole = self.give(said)
            call.status = int(said.data.split()[1])
        finally:
            call.over = True

    def ask(self, message):
        if self.server is None:
            self.server = self.proxy.connect()
        self.server.sendall(message.data)
        self.wait_for_answer()
        said = self.read(self.server)
        self.hold_if("hang")
        return said

    def wait_for_answer(self):
        """A client that goes meanwhile is gone for the server too."""
        while not (isinstance(self.server, ssl.SSLSocket) and self.server.pending()):
            ready, _, _ = select.select([self.server, self.client], [], [], PATIENCE)
            if self.server in ready:
                return
            raise Ended

    def give(self, said):
        """Whether all of it went out as it is."""
        mode = self.proxy.mode
        if mode in ("slow", "garbage", "cut", "short"):
            self.proxy.spoil()
        if mode == "slow":
            self.trickle(said.data)
        elif mode == "garbage":
            self.client.sendall(said.data[:said.at] + os.urandom(len(said.data) - said.at))
        elif mode == "cut":
            self.client.sendall(said.data[:(said.at + len(said.data)) // 2])
            raise Ended
        else:
            self.client.sendall(said.data)
        return mode != "garbage"

    def trickle(self, data):
        for at in range(len(data)):
            self.client.sendall(data[at:at + 1])
            if self.proxy.well.wait(PACE):
                return self.client.sendall(data[at + 1:])
        return None

    @staticmethod
    def read(sock):
        """One whole message. Each that is met here says how long it is."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += some(sock)
        at = data.index(b"\r\n\r\n") + 4
        lengths = [line.split(b":")[1] for line in data[:at].lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0]) if lengths else 0
        while len(data) < at + length:
            data += some(sock)
        return Message(data, at)

    def reset(self):
        """Ends it from another thread."""
        for sock in (self.client, self.server):
            if sock is not None:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for sock in (self.client, self.server):
            if sock is not None:
                sock.close()
        self.proxy.forget(self)


def some(sock):
    data = sock.recv(65536)
    if not data:
        raise Ended
    return data


class FaultProxy:
    """`to`: the server's port. `front`, `behind`: SSL contexts, or None where it speaks plainly; `name` is whom the
    server's certificate is for."""

    def __init__(self, to, front=None, behind=None, name=None):
        self.to, self.front, self.behind, self.name = to, front, behind, name
        self.mode, self.instead = None, None
        self.well = threading.Event()
        self.well.set()
        self.lock = threading.Lock()
        self.connections = set()
        self.calls = []
        self.bent = self.turned_away = 0  # calls and connections spoilt since misbehave(); unheard() then
        self.port = 0
        self.listener = None
        self.listen()

    def listen(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, client)
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=connection.serve, daemon=True).start()

    def connect(self):
        server = socket.create_connection(("127.0.0.1", self.to), PATIENCE)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.behind.wrap_socket(server, server_hostname=self.name) if self.behind else server

    def forget(self, connection):
        with self.lock:
            self.connections.discard(connection)

    def reset_all(self):
        with self.lock:
            now = list(self.connections)
        for connection in now:
            connection.reset()

    def spoil(self):
        with self.lock:
            self.bent += 1

    def spoilt(self):
        """Since misbehave(): how many calls and connections met its mode."""
        return unheard() - self.turned_away if self.mode == "refuse" else self.bent

    def misbehave(self, mode, instead=None):
        self.instead = instead
        self.bent, self.turned_away = 0, unheard()
        self.well.clear()
        self.mode = mode
        if mode == "refuse":
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.reset_all()

    def recover(self):
        mode, self.mode = self.mode, None
        self.well.set()
        if mode == "refuse":
            self.listen()

    def close(self):
        self.well.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.reset_all()
