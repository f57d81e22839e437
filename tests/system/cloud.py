"""What of AWS the broker's functions meet, on loopback: Lambda's Invoke with a real bootstrap behind each name, Step
Functions (states.mjs) and an STS that says what a test wants."""

import concurrent.futures
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import npm
from brokerlib import built
from dynamo import node
from lambdalib import Function, environment
from namespace import TREE, die_with_parent

ARN = "arn:aws:states:eu-west-1:123456789012:stateMachine:JITAccessApprovalWorkflow"
EXPRESS = ARN + "-Express"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "the-functions-own-secret",
        "AWS_SESSION_TOKEN": "the-functions-own-token", "AWS_REGION": "eu-west-1"}
ISSUED = ("issued-secret-access-key", "issued-session-token")
PATIENCE = 20


def sts_xml(name):
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    return f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIA{name}</AccessKeyId><SecretAccessKey>{ISSUED[0]}</SecretAccessKey><SessionToken>{ISSUED[1]}</SessionToken>
<Expiration>{until}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


DENIED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def say(self, status, text, *headers):
        body = text.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        cloud = self.server.cloud
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/2015-03-31/functions/"):
            kind, answer = cloud.ask(self.path.split("/")[3], json.loads(body))
            headers = [("X-Amz-Function-Error", "Unhandled")] if kind == "error" else []
            return self.say(200, json.dumps(answer), *headers)
        if "X-Amz-Target" in self.headers:  # what Step Functions is asked at the same endpoint
            cloud.asked.append(({name.lower(): value for name, value in self.headers.items()}, body))
            return self.say(*cloud.states(self.headers["X-Amz-Target"], body, self.headers["Authorization"]))
        asked = dict(urllib.parse.parse_qsl(body.decode()))
        cloud.assumed.append(asked)
        return self.say(403, DENIED) if cloud.sts_denies else self.say(200, sts_xml(f"{len(cloud.assumed):016}"))

    def log_message(self, *_):
        pass


class Cloud:
    """with Cloud(folder, conf) as cloud: cloud.invoke(name, event)"""

    def __init__(self, folder):
        self.folder, self.functions, self.sts_denies = folder, {}, False
        self.assumed, self.invoked = [], []  # what STS was asked; what functions were, and said
        self.asked = []  # what Step Functions was: (headers in lower case, body)
        self.conf, self.lock, self.keys, self.more = None, threading.Lock(), KEYS, {}
        # A process dies with the thread that started it, and those of the server end with their connections.
        self.starter = concurrent.futures.ThreadPoolExecutor(1)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads, self.server.cloud = True, self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        packages = npm.packages()
        aws = os.path.join(TREE, "packaging/aws")
        self.node = subprocess.Popen([node(packages), os.path.join(TREE, "tests/system/states.mjs"), packages, self.url,
                                      f"{ARN}={aws}/state-machine.asl.json", f"{EXPRESS}={aws}/state-machine-express.asl.json"],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.states_url = f"http://127.0.0.1:{int(self.node.stdout.readline())}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.node.kill()  # nobody asks for functions any more
        self.node.wait()
        self.node.stdout.close()
        self.server.shutdown()
        self.server.server_close()
        with self.lock:
            for function, _ in self.functions.values():
                function.stop()
        self.starter.shutdown()

    def invoke(self, name, event):
        """(kind, JSON): "response" or "error". One event at a time for each function, as an instance takes them."""
        with self.lock:
            if name not in self.functions:
                self.functions[name] = self.starter.submit(self.start, name).result(), threading.Lock()
            function, mine = self.functions[name]
        with mine:
            return function.api.invoke(event)

    def start(self, name):
        return Function([built("bootstrap")], f"{self.folder}/{name}.log",
                        environment(_HANDLER=name, JIT_BROKER_CONF=self.conf, **self.keys, **self.more))

    def ask(self, name, event):
        """The same, and kept: no caller of the API's is asking."""
        kind, answer = self.invoke(name, event)
        self.invoked.append((name, event, answer))
        return kind, answer

    def states(self, target, body, authorization=""):
        request = urllib.request.Request(self.states_url, body, {"X-Amz-Target": target, "Authorization": authorization or ""})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def call(self, operation, **body):
        status, text = self.states(f"AWSStepFunctions.{operation}", json.dumps(body).encode(), "x/states/aws4_request")
        return status, json.loads(text)

    def execution(self, name):
        """What became of it; None where there is none."""
        status, said = self.call("DescribeExecution", executionArn=f"x:{name}")
        return said if status == 200 else None

    def record(self):
        with urllib.request.urlopen(self.states_url, timeout=PATIENCE) as answer:
            return answer.read().decode()
