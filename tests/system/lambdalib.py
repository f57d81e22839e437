"""The Runtime API of AWS Lambda (2018-06-01), as far as its page says how it behaves, and functions that ask it.

What a runtime does against the protocol is kept in `wrong`: asking for the next event before it has answered one,
answering what was never asked or twice, no JSON."""

import base64
import glob
import http.server
import json
import os
import platform
import queue
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import uuid
import zipfile

from brokerlib import POLICY
from namespace import TREE, die_with_parent

ROOT = "/2018-06-01/runtime/"
SIZE_LIMIT = 6 * 1024 * 1024
PATIENCE = 20
TRACE = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:jit"
MACHINE = platform.machine().replace("aarch64", "arm64")  # as Lambda calls it
CONF = "[broker]\ntls = off\nstore = sqlite:/tmp/broker.db\nissuer = demo\n" + POLICY


class Invocation:
    """One event on its way: `kind` is "response" or "error" and `answer` its JSON, once it is answered."""

    def __init__(self, event, seconds):
        self.id = str(uuid.uuid4())
        self.event = event if isinstance(event, bytes) else json.dumps(event).encode()
        self.seconds, self.deadline = seconds, 0
        self.kind = self.answer = None
        self.done = threading.Event()

    def end(self, kind, body):
        self.kind, self.answer = kind, json.loads(body)
        self.done.set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "runtime-api"

    def setup(self):
        super().setup()
        self.server.api.connections += 1

    def say(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        api = self.server.api
        if self.path != ROOT + "invocation/next":
            api.wrong.append(f"GET {self.path}")
            return self.say(404)
        if api.next_status != 200:
            return self.say(api.next_status)
        invocation = api.take()
        if invocation is None:
            self.close_connection = True
            return None
        headers = [("Content-Type", "application/json"), ("Lambda-Runtime-Aws-Request-Id", invocation.id),
                   ("Lambda-Runtime-Deadline-Ms", str(int(invocation.deadline * 1000))),
                   ("Lambda-Runtime-Invoked-Function-Arn", ARN),
                   ("Lambda-Runtime-Trace-Id", TRACE)]
        return self.say(200, invocation.event, [item for item in headers if item[0] not in api.without])

    def do_POST(self):
        api = self.server.api
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answered = re.fullmatch(ROOT + "invocation/([^/]+)/(response|error)", self.path)
        if self.path == ROOT + "init/error":
            api.init_errors.put(json.loads(body))
            return self.say(202, b'{"status":"OK"}')
        if not answered:
            api.wrong.append(f"POST {self.path}")
            return self.say(404)
        if answered[2] == "response" and len(body) > api.size_limit:
            return self.say(413, b'{"errorType":"RequestEntityTooLarge"}')
        return self.say(api.end(answered[1], answered[2], body))

    def log_message(self, *_):
        pass


class RuntimeApi:
    def __init__(self):
        self.events, self.init_errors = queue.Queue(), queue.Queue()
        self.under_way, self.wrong = None, []
        self.connections, self.size_limit, self.next_status, self.without = 0, SIZE_LIMIT, 200, ()
        self.asked = threading.Semaphore(0)  # once for each `next`
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.api = self
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def take(self):
        """The next event for a runtime that asks for one; None when the test is over."""
        if self.under_way and not self.under_way.done.is_set() and time.time() < self.under_way.deadline:
            self.wrong.append("the next event was asked for before the last one was answered")
        self.asked.release()
        invocation = self.events.get()
        if invocation:
            invocation.deadline = time.time() + invocation.seconds
        self.under_way = invocation
        return invocation

    def end(self, name, kind, body):
        invocation = self.under_way
        if not invocation or invocation.id != name or invocation.done.is_set():
            self.wrong.append(f"{kind} for {name}, which is not under way")
            return 400
        if time.time() > invocation.deadline:
            self.wrong.append(f"{kind} for {name} after its deadline")
        try:
            invocation.end(kind, body)
        except ValueError:
            self.wrong.append(f"{kind} for {name} is no JSON: {body[:100]}")
            return 400
        return 202

    def start(self, event, seconds=PATIENCE):
        invocation = Invocation(event, seconds)
        self.events.put(invocation)
        return invocation

    def invoke(self, event, seconds=PATIENCE):
        """(kind, JSON) of the answer."""
        invocation = self.start(event, seconds)
        if not invocation.done.wait(PATIENCE):
            raise AssertionError(f"expected an answer within {PATIENCE} s, and none came")
        return invocation.kind, invocation.answer

    def wait_for_next(self):
        if not self.asked.acquire(timeout=PATIENCE):
            raise AssertionError(f"expected the function to ask for its next event within {PATIENCE} s")

    def close(self):
        self.events.put(None)
        self.server.shutdown()
        self.server.server_close()


class Function:
    """A bootstrap under a Runtime API of its own. `command` starts it; `env` is all of its environment but for that."""

    def __init__(self, command, log, env):
        self.api = RuntimeApi()
        self.log = log
        with open(log, "ab") as file:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                            env=dict(env, AWS_LAMBDA_RUNTIME_API=self.api.address),
                                            preexec_fn=die_with_parent, cwd="/")

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def init_error(self):
        return self.api.init_errors.get(timeout=PATIENCE)

    def peak_kib(self):
        """The most memory it has had so far."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+) kB", file.read())[1])

    def processor_time(self):
        """What it has used so far, in seconds."""
        used = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as file:
                used += int(file.read().split()[0])
        return used / 1e9

    def stop(self):
        """Ends it; its own exit status where it had ended."""
        status = self.process.poll()
        if status is None:
            self.process.kill()
        self.process.wait()
        self.api.close()
        return status


def rest_event(method, path, key=None, body=None, query=None, source="192.0.2.7", **more):
    """What a REST API's proxy integration sends (payload 1.0)."""
    headers = {"Content-Type": "application/json", **({"x-api-key": key} if key else {}), **more.pop("headers", {})}
    return {"resource": path, "path": path, "httpMethod": method, "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": query, "pathParameters": None, "stageVariables": None,
            "multiValueQueryStringParameters": query and {name: [value] for name, value in query.items()},
            "requestContext": {"stage": "prod", "path": "/prod" + path, "httpMethod": method,
                               "identity": {"sourceIp": source, "userArn": None}, "requestId": "r", "apiId": "a"},
            "body": None if body is None else json.dumps(body), "isBase64Encoded": False, **more}


def http_event(method, path, key=None, body=None, query="", source="192.0.2.7"):
    """What an HTTP API sends (payload 2.0), its body in base64 as it may be."""
    event = {"version": "2.0", "routeKey": f"{method} {path}", "rawPath": "/prod" + path, "rawQueryString": query,
             "headers": {"content-type": "application/json", **({"x-api-key": key} if key else {})},
             "requestContext": {"stage": "prod", "http": {"method": method, "path": path, "sourceIp": source}},
             "isBase64Encoded": body is not None}
    if body is not None:
        event["body"] = base64.b64encode(json.dumps(body).encode()).decode()
    return event


def environment(**more):
    """Of a function: what Lambda sets, and nothing of ours."""
    return {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8",
            **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}, **more}


class Unpacked(unittest.TestCase):
    """The bundle that `make MADE_BY` makes where Lambda puts it, in a root that holds nothing else."""
    MADE_BY, MACHINE, LIMIT = "lambda", MACHINE, 150
    RUN_BY = ()  # a program in that root which runs the bundle's

    @classmethod
    def setUpClass(cls):
        done = subprocess.run(["make", "--no-print-directory", "-C", TREE, cls.MADE_BY], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=cls.LIMIT)
        if done.returncode:
            raise AssertionError(f"make {cls.MADE_BY}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        cls.zip = max(glob.glob(f"{TREE}/build/lambda/*-{cls.MACHINE}.zip"), key=os.path.getmtime)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.task = f"{self.root}/var/task"
        os.makedirs(self.task)
        os.mkdir(f"{self.root}/tmp")
        with zipfile.ZipFile(self.zip) as bundle:
            for entry in bundle.infolist():
                os.chmod(bundle.extract(entry, self.task), entry.external_attr >> 16)
        self.configure(CONF)

    def configure(self, text):
        with open(f"{self.task}/jit-broker.conf", "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(f"{self.task}/jit-broker.conf", 0o644)

    def start(self, **env):
        function = Function([shutil.which("chroot"), self.root, *self.RUN_BY, "/var/task/bootstrap"], f"{self.root}/log",
                            environment(_HANDLER="Status", LAMBDA_TASK_ROOT="/var/task", **env))
        self.addCleanup(function.stop)
        return function
