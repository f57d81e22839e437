"""Receivers of notifications for tests: webhooks that behave in a way of their own, and a real mail server."""

import base64
import contextlib
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import os
import ssl
import threading
import time

from brokerlib import free_port


def make_secret(path):
    """A webhook's secret in its file; returns the key's bytes."""
    key = os.urandom(32)
    with open(path, "w", encoding="ascii") as file:
        file.write(f"whsec_{base64.b64encode(key).decode()}\n")
    os.chmod(path, 0o600)
    return key


def sign(key, delivery, timestamp, body):
    """By Standard Webhooks, with Python's own hmac."""
    mac = hmac.new(key, b".".join([delivery.encode(), timestamp.encode(), body]), hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


class Call:
    """One call of a webhook: its headers (lower case), its body as bytes and read, and when it came."""

    def __init__(self, handler):
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.path = handler.path
        self.body = handler.rfile.read(int(self.headers["content-length"]))
        self.json = json.loads(self.body)
        self.at, self.wall = time.monotonic(), time.time()
        self.id = self.headers["webhook-id"]
        self.taken = False

    def event(self):
        return (self.json["data"].get("requestId"), self.json["type"])

    def is_signed(self, key):
        return self.headers["webhook-signature"] == sign(key, self.id, self.headers["webhook-timestamp"], self.body)


class Webhook:
    """A receiver. `answer(call, handler)` gives the status, or None when it has answered by itself."""

    def __init__(self, answer=lambda call, handler: 200, tls=None):
        self.answer, self.calls, self.lock = answer, [], threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                call = Call(self)
                with receiver.lock:
                    receiver.calls.append(call)
                status = receiver.answer(call, self)
                if status is None:
                    return
                call.taken = 200 <= status < 300
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass  # a broker that is killed leaves torn connections

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{tls}/tls.crt", f"{tls}/tls.key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def url(self, path="/hook"):
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}{path}"

    def taken(self):
        """The calls that it answered with success, in order."""
        with self.lock:
            return [call for call in self.calls if call.taken]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class MailServer:
    """aiosmtpd with a certificate and one account. `starttls`: whether it offers that; `tls`: from the first byte on.
    `at_rcpt` and `at_data`: what it answers there to a mail for that address, instead of taking it."""

    USER, PASSWORD = "jit", "correct horse"

    def __init__(self, folder, starttls=True, tls=False, at_rcpt=(), at_data=()):
        from aiosmtpd.controller import Controller  # pylint: disable=import-outside-toplevel
        from aiosmtpd.smtp import SMTP, AuthResult  # pylint: disable=import-outside-toplevel

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
        self.envelopes, self.was_tls, server = [], [], self
        self.at_rcpt, self.at_data, self.refused = dict(at_rcpt), dict(at_data), []

        def authenticate(_server, session, _envelope, _mechanism, data):
            good = (data.login, data.password) == (self.USER.encode(), self.PASSWORD.encode())
            return AuthResult(success=good, handled=False)

        class Handler:
            async def handle_RCPT(self, _server, _session, envelope, address, _options):
                if address in server.at_rcpt:
                    server.refused.append(address)
                    return server.at_rcpt[address]
                envelope.rcpt_tos.append(address)
                return "250 OK"

            async def handle_DATA(self, _server, session, envelope):
                if envelope.rcpt_tos[0] in server.at_data:
                    server.refused.append(envelope.rcpt_tos[0])
                    return server.at_data[envelope.rcpt_tos[0]]
                server.envelopes.append(envelope)
                server.was_tls.append(session.ssl is not None and session.authenticated)
                return "250 kept"

        class Here(Controller):
            def factory(self):
                more = {"authenticator": authenticate, "auth_required": True} if starttls or tls else {}
                if tls:
                    more["auth_require_tls"] = False  # it looks for STARTTLS alone
                elif starttls:
                    more |= {"tls_context": context, "require_starttls": True}
                return SMTP(self.handler, hostname="mail.example", **more)

        self.port = free_port()
        self.controller = Here(Handler(), hostname="127.0.0.1", port=self.port, **({"ssl_context": context} if tls else {}))
        self.controller.start()

    def messages(self, address=None):
        """What came (to that address), parsed."""
        return [email.message_from_bytes(envelope.content, policy=email.policy.default) for envelope in self.envelopes
                if address is None or envelope.rcpt_tos == [address]]

    def close(self):
        self.controller.stop(no_assert=True)
