"""Stand-ins for what gives AWS credentials to a machine, on loopback: the instance metadata service, version 2 alone, which
refuses what a token did not ask for, and the endpoint of a container."""

import datetime
import http.server
import json
import secrets
import threading

ROLE = "jit-host"
ROLES = "/latest/meta-data/iam/security-credentials/"


class _Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        self.server.asked.append(("PUT", self.path))
        ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or not ttl.isdigit():
            return self._answer(400, "")
        self.server.tokens.add(token := secrets.token_urlsafe(40))
        return self._answer(200, token)

    def do_GET(self):
        self.server.asked.append(("GET", self.path))
        if self.headers.get("X-aws-ec2-metadata-token") not in self.server.tokens:
            return self._answer(401, "")
        if self.server.broken:
            return self._answer(500, "")
        if self.path == ROLES:
            return self._answer(200, ROLE)
        if self.path == ROLES + ROLE:
            return self._answer(200, json.dumps(self.server.document(), indent=2))
        return self._answer(404, "")

    def log_message(self, *_):
        pass


class _Source(http.server.ThreadingHTTPServer):
    """`given` has what was handed out; `life` is how long the next lives, in seconds."""

    daemon_threads = True

    def __init__(self, handler, life):
        super().__init__(("127.0.0.1", 0), handler)
        self.asked, self.given, self.life = [], [], life
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def credentials(self, **more):
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        end = (now + datetime.timedelta(seconds=self.life)).isoformat().replace("+00:00", "Z")
        self.given.append({**more, "AccessKeyId": "ASIA" + secrets.token_hex(8).upper(), "SecretAccessKey":
                           secrets.token_urlsafe(30), "Token": secrets.token_urlsafe(400), "Expiration": end})
        return self.given[-1]

    def close(self):
        self.shutdown()
        self.server_close()


class Imds(_Source):
    def __init__(self, life=6 * 3600):
        self.tokens, self.broken = set(), False
        super().__init__(_Service, life)

    def document(self):
        return self.credentials(Code="Success", LastUpdated="2026-11-23T00:00:00Z", Type="AWS-HMAC")


class _Endpoint(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        source = self.server
        source.asked.append(self.path)
        good = self.path == "/v1/credentials" and self.headers.get("Authorization") == source.token
        status = 302 if source.moved else 200 if good else 403
        data = json.dumps(source.credentials(AccountId="123456789012") if status == 200 else {"message": "no"}).encode()
        self.send_response(status)
        if source.moved:
            self.send_header("Location", source.moved)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Container(_Source):
    """`token` is what it wants to see; `moved`, an address, is where it sends everybody while it is set."""

    def __init__(self, life=6 * 3600):
        self.token, self.moved = secrets.token_urlsafe(100), None
        super().__init__(_Endpoint, life)
