"""A stand-in for SSM's Parameter Store on loopback: GetParameter, to whoever signs for it as AWS wants it (SigV4)."""

import http.server
import json
import threading

from sigv4 import signature

TARGET = "AmazonSSM.GetParameter"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _say(self, status, document):
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        store = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        store.calls.append((self.path, self.headers, body))
        wanted = signature(store.secret, store.region, "ssm", "POST", self.path, self.headers, body)
        if "x-amz-target" not in self.headers["Authorization"] or not self.headers["Authorization"].endswith(f"Signature={wanted}"):
            return self._say(400, {"__type": "InvalidSignatureException", "message": "it is another's"})
        if self.headers["X-Amz-Target"] != TARGET or self.headers["Content-Type"] != "application/x-amz-json-1.1":
            return self._say(400, {"__type": "UnknownOperationException"})
        if store.instead:
            return self._say(*store.instead)
        asked = json.loads(body)
        name = asked["Name"]
        if set(asked) != {"Name", "WithDecryption"} or asked["WithDecryption"] is not True:
            return self._say(400, {"__type": "ValidationException"})
        if not name.startswith(store.allowed + "/"):
            return self._say(400, {"__type": "com.amazonaws.ssm#AccessDeniedException",
                                   "message": f"not authorized to perform: ssm:GetParameter on {name}"})
        if name not in store.parameters:
            return self._say(400, {"__type": "ParameterNotFound"})
        return self._say(200, {"Parameter": {
            "ARN": f"arn:aws:ssm:{store.region}:123456789012:parameter{name}", "DataType": "text",
            "LastModifiedDate": 1.763e9, "Name": name, "Type": store.type, "Value": store.parameters[name], "Version": 1}})

    def log_message(self, *_):
        pass


class Ssm(http.server.ThreadingHTTPServer):
    """`parameters` is {name: value}, below the path `allowed`; `instead` is (status, document) of every answer while it is
    set; `calls` has what came: (path, headers, body)."""

    daemon_threads = True

    def __init__(self, secret, region, allowed):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.secret, self.region, self.allowed = secret, region, allowed
        self.parameters, self.type, self.instead, self.calls = {}, "SecureString", None, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def names(self):
        return [json.loads(body)["Name"] for _, _, body in self.calls]

    def close(self):
        self.shutdown()
        self.server_close()
