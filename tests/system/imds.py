"""A stand-in for AWS' instance metadata service, version 2 alone, on loopback: what a token did not ask for is refused."""

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
            return self._answer(200, json.dumps(self.server.credentials(), indent=2))
        return self._answer(404, "")

    def log_message(self, *_):
        pass


class Imds(http.server.ThreadingHTTPServer):
    """`given` has what was handed out; `life` is how long the next lives, in seconds."""

    daemon_threads = True

    def __init__(self, life=6 * 3600):
        super().__init__(("127.0.0.1", 0), _Service)
        self.asked, self.given, self.tokens, self.life, self.broken = [], [], set(), life, False
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def credentials(self):
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        end = (now + datetime.timedelta(seconds=self.life)).isoformat().replace("+00:00", "Z")
        self.given.append({"Code": "Success", "LastUpdated": now.isoformat().replace("+00:00", "Z"), "Type": "AWS-HMAC",
                           "AccessKeyId": "ASIA" + secrets.token_hex(8).upper(), "SecretAccessKey":
                           secrets.token_urlsafe(30), "Token": secrets.token_urlsafe(400), "Expiration": end})
        return self.given[-1]

    def close(self):
        self.shutdown()
        self.server_close()
