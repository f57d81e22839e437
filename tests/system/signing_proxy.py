"""A reverse proxy that has signed people in, as one in front of the broker does: HTTPS for browsers, the broker's Unix
socket behind it. Each port is one person: what a browser says of X-Remote-User is thrown away.

    signing_proxy.py SOCKET USER CERTIFICATE KEY PORT=NAME…
"""

import http.client
import http.server
import os
import pwd
import socket
import ssl
import sys
import threading

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-authorization"}


class Behind(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("broker", timeout=40)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(40)
        self.sock.connect(self.path)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = [(name, value) for name, value in self.headers.items()
                   if name.lower() not in HOP_BY_HOP | {"x-remote-user", "content-length"}]
        behind = Behind(self.server.behind)
        try:
            behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers + [("X-Remote-User", self.server.person), ("Content-Length", str(len(body)))]:
                behind.putheader(name, value)
            behind.endheaders(body)
            answer = behind.getresponse()
            data = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True
        finally:
            behind.close()

    do_GET = do_POST = forward

    def log_message(self, *_):
        pass


def main():
    path, user, certificate, key, *people = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(*[account.pw_gid] * 3)
    os.setresuid(*[account.pw_uid] * 3)
    servers = []
    for word in people:
        port, _, name = word.partition("=")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.behind, server.person = path, name
        servers.append(server)
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
