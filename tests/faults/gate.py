"""A front door between helper and broker that can do harm: it takes TLS connections, hands each call on, and hurts those
that ask for changes and wait for their answer when it is told to."""

import contextlib
import re
import socket
import ssl
import threading

from badserver import BadServer, http
from brokerlib import trusting
from faults.proxy import PATIENCE, Connection, Ended

POLL = b"GET /changes?"
SELDOM = 40  # seconds
BAD_GATEWAY = http(b"Bad Gateway", "text/html", "502 Bad Gateway")


def nothing_new(call):
    cursor = re.search(rb"after=(\d+)", call)[1]
    return http(b'{"changes": [], "next": %s}' % cursor, status=f"200 OK\r\nRetry-After: {SELDOM}")


class Gate(BadServer):
    """`seldom`: it holds no call for changes, has none to tell, and wants to be asked as seldom as a helper does."""

    def __init__(self, folder, upstream, seldom=False):
        self.upstream, self.waiting, self.lock = upstream, set(), threading.Lock()  # waiting: for changes
        self.seldom = seldom
        super().__init__(None, folder)

    def _handle(self, connection):
        with contextlib.suppress(OSError, ssl.SSLError, Ended), \
                self.context.wrap_socket(connection, server_side=True) as kept, self._connect() as broker:
            while True:
                call = Connection.read(kept)
                polls = call.data.startswith(POLL)
                if polls and self.seldom:
                    return kept.sendall(nothing_new(call.data))
                with self.lock:
                    if polls:
                        self.waiting.add(kept)
                broker.sendall(call.data)
                answer = Connection.read(broker)
                with self.lock:
                    if polls and kept not in self.waiting:
                        return  # it was hurt meanwhile
                    self.waiting.discard(kept)
                kept.sendall(answer.data)

    def _connect(self):
        plain = socket.create_connection(("127.0.0.1", self.upstream), timeout=PATIENCE)
        return trusting("/etc/pam-jit/broker-ca.pem").wrap_socket(plain, server_hostname="broker.example")

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
