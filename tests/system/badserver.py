"""Servers that a helper may meet instead of its broker. Each speaks TLS with the certificate it is given unless it says
otherwise, and answers every connection the same wrong way."""

import contextlib
import socket
import ssl
import threading
import time

HOLD = 30  # seconds that a server which hangs keeps a connection


def http(body, content_type="application/json", status="200 OK", length=None):
    """An answer; `length` is what it claims to be long."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}",
            f"Content-Length: {len(body) if length is None else length}", "Connection: close", "", ""]
    return "\r\n".join(head).encode() + body


class BadServer:
    """`answer(connection)` is called once the request has been read; `plain`: no TLS is offered; `newest`: or none that is
    newer, but all that is older."""

    def __init__(self, answer, folder, plain=False, newest=None):
        self.answer = answer
        self.context = None
        if not plain:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
            if newest:
                self.context.set_ciphers("ALL:@SECLEVEL=0")
                self.context.minimum_version, self.context.maximum_version = ssl.TLSVersion.TLSv1, newest
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        self.server = threading.Thread(target=self._serve, daemon=True)
        self.server.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection):
        with contextlib.suppress(OSError, ssl.SSLError), connection:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
                connection.settimeout(HOLD)
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(65536)
            self.answer(connection)
            if self.context:
                connection.unwrap()

    def close(self):
        """A thread that is left in accept() serves the next socket of that number, once a stop begins its call anew."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.server.join()
        self.socket.close()


def hang(_):
    time.sleep(HOLD)


def hang_up(connection):
    connection.close()


def send_and_hang(data):
    def answer(connection):
        connection.sendall(data)
        hang(connection)
    return answer


def send(data):
    return lambda connection: connection.sendall(data)
