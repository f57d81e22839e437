"""A stand-in for the reference deployment that the project grew from: an API Gateway with an API key and a usage plan,
before a workflow. It answers word for word as that one does, and gives credentials that nobody takes."""

import datetime
import http.server
import json
import secrets
import ssl
import threading
import uuid

KEY = "reference-key-" + "k" * 26
FIELDS = ("requester", "role", "roleArn", "duration")
LIFE = datetime.timedelta(seconds=900)


def credentials(life=LIFE):
    """What its workflow's output is."""
    end = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + life
    return {"AccessKeyId": "ASIA" + secrets.token_hex(8).upper(), "SecretAccessKey": secrets.token_urlsafe(30),
            "SessionToken": secrets.token_urlsafe(300), "Expiration": end.isoformat()}


class _Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self, status, document):
        text = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(*self.server.deployment.answer(self.command, self.path, self.headers, body))

    do_GET = do_POST

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a caller that has gone


class Deployment:
    """On a loopback port. `express`: the workflow's own output is the answer. `plan`: what the usage plan says instead
    (a message), `broken`: the workflow cannot be started, `approves`: what becomes of simulateApproval. `asked` has the
    bodies that came through, `given` the credentials that went out; `started` is set by each call and `go_on` lets it
    answer."""

    def __init__(self, folder, express=True):
        self.express, self.plan, self.broken, self.approves, self.life = express, None, False, True, LIFE
        self.asked, self.given, self.instead = [], [], None
        self.started, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.server = _Server(("127.0.0.1", 0), _Door)
        self.server.deployment = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://broker.example:{self.server.server_address[1]}/prod"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, headers, body):
        if (method, path) != ("POST", "/prod/request-access"):
            return 403, {"message": "Missing Authentication Token"}
        if headers.get("x-api-key") != KEY:
            return 403, {"message": "Forbidden"}
        if self.plan:
            return 429, {"message": self.plan}
        return self._request_access(body)

    def _request_access(self, body):
        try:
            asked = json.loads(body)
        except ValueError:
            return 400, {"message": "Invalid JSON body"}
        for field in FIELDS:
            if field not in asked:
                return 400, {"message": f"Missing required field: '{field}'"}
        self.asked.append(asked)
        self.started.set()
        self.go_on.wait(20)
        if self.instead:
            return self.instead
        if self.broken:
            return 500, {"message": "Failed to start Step Function execution", "error": "An error occurred (StateMachineD"
                         "oesNotExist) when calling the StartExecution operation"}
        name = str(uuid.uuid4())
        if not self.express:
            return 200, {"message": "Access request submitted", "requestId": name, "executionArn":
                         f"arn:aws:states:us-east-1:123456789012:execution:JITAccessApprovalWorkflow:{name}"}
        if not (asked.get("simulateApproval", False) and self.approves):
            return 200, {"message": f"Request {name} updated to DENIED"}
        self.given.append(credentials(self.life))
        return 200, self.given[-1]

    def close(self):
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()
