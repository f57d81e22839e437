"""A front door as an API Gateway with functions behind it is: it ends no call late, so it holds none. What comes is
handed to a real jit-broker with its `wait` taken away, and answered at once with Retry-After."""

import http.client
import http.server
import re
import ssl
import threading
import time

import brokerlib


class _Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _hand_over(self):
        gateway = self.server.gateway
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        gateway.note("asked", self.command, self.path)
        status, headers, answer = gateway.answer(self.command, self.path, dict(self.headers.items()), body)
        gateway.note("answered", self.command, self.path)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = _hand_over

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a caller that has gone


class Gateway:
    """On a loopback port. `retry_after` may be changed at any time (None: the header is left out); `spoil(path, body)`
    gives another body for what the broker said. `events` is what happened, in order: (seconds, what, method, path)."""

    def __init__(self, folder, ca, port=8443, retry_after=1):
        self.events, self.retry_after, self.spoil = [], retry_after, None
        self.changed = threading.Condition()
        self._broker = ("127.0.0.1", port)
        self._trust = brokerlib.trusting(ca)
        self.server = _Server(("127.0.0.1", 0), _Door)
        self.server.gateway = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, headers, body):
        broker = http.client.HTTPSConnection(*self._broker, context=self._trust, timeout=10)
        headers = {name: value for name, value in headers.items() if name.lower() not in ("host", "content-length")}
        broker.request(method, re.sub(r"[?&]wait=\d+", "", path), body or None, headers)
        said = broker.getresponse()
        text = said.read()
        broker.close()
        if self.spoil:
            text = self.spoil(path, text)
        more = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return said.status, {"Content-Type": said.getheader("Content-Type") or "", **more}, text

    def note(self, what, method, path):
        with self.changed:
            self.events.append((time.monotonic(), what, method, path))
            self.changed.notify_all()

    def named(self, what, start, since=0):
        """When it happened, of calls whose path begins so, among the events from that one on."""
        return [at for at, happened, _, path in self.events[since:] if happened == what and path.startswith(start)]

    def wait_for(self, what, start, count, since=0, timeout=30):
        """Until it has happened so often since that event."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.named(what, start, since)) >= count, timeout):
                raise AssertionError(f"{start} was {what} {len(self.named(what, start, since))} times, not {count}: "
                                     f"{self.events[since:]}")

    def close(self):
        self.server.shutdown()
        self.server.server_close()
