"""A front door between helper and broker that can do harm: it takes TLS connections, hands each call on, and hurts those
that wait for their answer when it is told to."""

import http.client
import socket
import ssl
import threading

from brokerlib import trusting
from duo import Requests

BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 11\r\n\r\nBad Gateway"


class Gate:
    def __init__(self, folder, upstream):
        self.upstream, self.waiting, self.lock = upstream, set(), threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
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
        broker = http.client.HTTPSConnection("broker.example", self.upstream, timeout=60,
                                             context=trusting("/etc/pam-jit/broker-ca.pem"))
        try:
            with self.context.wrap_socket(connection, server_side=True) as kept:
                for method, target, headers, body in Requests(kept):
                    with self.lock:
                        self.waiting.add(kept)
                    broker.request(method, target, body, headers)
                    answer = broker.getresponse()
                    content = answer.read()
                    head = "".join(f"{name}: {value}\r\n" for name, value in answer.getheaders())
                    with self.lock:
                        if kept not in self.waiting:
                            return  # it was hurt meanwhile
                        self.waiting.discard(kept)
                    kept.sendall(f"HTTP/1.1 {answer.status} {answer.reason}\r\n{head}\r\n".encode() + content)
        except (OSError, ssl.SSLError, http.client.HTTPException):
            pass  # one of the two has gone
        finally:
            broker.close()

    def hurt(self, harm):
        """With each call that waits: `harm(connection)`, and its end. How many they were."""
        with self.lock:
            hurt, self.waiting = self.waiting, set()
        for connection in hurt:
            harm(connection)
            connection.shutdown(socket.SHUT_RDWR)
        return len(hurt)


def bad_gateway(connection):
    connection.sendall(BAD_GATEWAY)


def dropped(_):
    """Nothing is said at all."""
