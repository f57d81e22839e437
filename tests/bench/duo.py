"""What pam_duo and a script with curl meet in place of their services: Duo's Auth API as libduo speaks it (/rest/v1,
BSON, requests signed with HMAC-SHA1), and one address that says `allow`. TLS on a loopback port, connections kept
alive, each answer one write, TCP_NODELAY: whatever is slow is not the server.

`decide()` is called when somebody waits for the decision, and returns once it is taken; `decided` has the instants
(CLOCK_MONOTONIC, nanoseconds) at which the answers to that were sent."""

import base64
import hashlib
import hmac
import socket
import ssl
import struct
import threading
import time
import urllib.parse

INTEGRATION_KEY, SECRET_KEY = "DIXXXXXXXXXXXXXXXXXX", "bench-secret-key-of-forty-characters-long"


def bson(value):
    """A document of strings, numbers and documents."""
    body = b""
    for name, item in value.items():
        key = name.encode() + b"\0"
        if isinstance(item, dict):
            body += b"\x03" + key + bson(item)
        elif isinstance(item, int):
            body += b"\x10" + key + struct.pack("<i", item)
        else:
            text = item.encode() + b"\0"
            body += b"\x02" + key + struct.pack("<i", len(text)) + text
    return struct.pack("<i", len(body) + 5) + body + b"\0"


class Requests:
    """The requests on a connection, one after the other: (method, target, headers, body)."""

    def __init__(self, connection):
        self.connection, self.buffer = connection, b""

    def _fill(self):
        data = self.connection.recv(65536)
        self.buffer += data
        return bool(data)

    def __iter__(self):
        while True:
            while b"\r\n\r\n" not in self.buffer:
                if not self._fill():
                    return
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
            length = int(headers.get("content-length", 0))
            while len(self.buffer) < length:
                if not self._fill():
                    return
            body, self.buffer = self.buffer[:length], self.buffer[length:]
            method, target, _ = first.split(" ", 2)
            yield method, target, headers, body


class Service:
    """On 127.0.0.1:port, with the certificate in that folder."""

    def __init__(self, folder):
        self.decide = lambda: None
        self.decided = []
        self.asked = 0  # requests
        self.lock = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self.context.wrap_socket(connection, server_side=True) as kept:
                told = False
                for method, target, headers, body in Requests(kept):
                    with self.lock:
                        self.asked += 1
                    path, _, query = target.partition("?")
                    if path == "/rest/v1/status.bson" and not told:
                        told, answer = True, {"status": "Pushed a login request to your phone..."}
                    else:
                        answer = self._answer(path)
                    if path != "/ask" and not self._is_signed(method, path, headers, query or body.decode()):
                        answer = None
                    self._send(kept, answer)
        except (OSError, ssl.SSLError):
            pass  # who asked has gone

    @staticmethod
    def _is_signed(method, path, headers, arguments):
        pairs = sorted(urllib.parse.parse_qsl(arguments))
        canonical = "\n".join([method, headers["host"].split(":")[0].lower(), path, "&".join(
            f"{urllib.parse.quote(k, '~')}={urllib.parse.quote(v, '~')}" for k, v in pairs)])
        wanted = hmac.new(SECRET_KEY.encode(), canonical.encode(), hashlib.sha1).hexdigest()
        key, _, signature = base64.b64decode(headers["authorization"].split()[1]).decode().partition(":")
        return key == INTEGRATION_KEY and hmac.compare_digest(signature, wanted)

    def _answer(self, path):
        if path == "/rest/v1/preauth.bson":
            return {"result": "auth", "prompt": "", "factors": {"default": "push1", "1": "push1"}}
        if path == "/rest/v1/auth.bson":
            return {"txid": "tx1"}
        if path not in ("/rest/v1/status.bson", "/ask"):
            return None
        self.decide()
        with self.lock:
            self.decided.append(time.monotonic_ns())
        return b"allow" if path == "/ask" else {"result": "allow", "status": "Success. Logging you in..."}

    @staticmethod
    def _send(connection, answer):
        body = answer if isinstance(answer, bytes) else bson({"stat": "OK", "response": answer}) if answer else b""
        status = "200 OK" if answer else "401 Unauthorized"
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Type: application/bson\r\n"
                           f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
