"""A DynamoDB on loopback: npm dynalite, in memory or on a disk. Conditional writes are exact; it serves 150 ms after its start.

Expiry (TTL) is not carried out and signatures are not checked: tests/interop/test_sigv4.py holds those against botocore."""

import contextlib
import http.client
import http.server
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import threading
import unittest
import urllib.request

import npm
from brokerlib import PUBLIC_KEY, Api, free_port, make_broker, new_secret, wait_for_port
from namespace import die_with_parent
from terminal import wait_until

CONF = """issuer = demo
waiting_per_host = 1000
waiting_per_requester = 1000
[role admin]
services = sudo
requesters = op1
hosts = web-*
targets = root
approvers = appr1 appr2
code = off
reason = optional
[person op1]
[person appr1]
[person appr2]
"""
FILING = {"requester": "op1", "role": "admin", "duration": 900, "publicKey": PUBLIC_KEY, "loginUser": "op1",
          "service": "sudo", "tty": "/dev/pts/3", "target": "root", "command": "/usr/bin/id"}

MACHINES = {"x86_64": "x64", "aarch64": "arm64"}


def node(packages):
    """The node of the packages: dynalite wants a newer one than Debian's."""
    return os.path.join(packages, f"node_modules/node-linux-{MACHINES.get(platform.machine(), 'x64')}/bin/node")


class Dynamo:
    """with Dynamo(folder) as dynamo: dynamo.endpoint, dynamo.keys (a credentials file). What is `lasting` can be killed
    and started again: it has its tables in the folder."""

    def __init__(self, folder, lasting=False):
        self.where = ["--path", os.path.join(folder, "tables")] if lasting else []
        self.packages, self.log = npm.packages(), os.path.join(folder, "dynalite.log")
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.keys = os.path.join(folder, "store.keys")
        self.process = None
        with open(os.open(self.keys, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")

    def __enter__(self):
        self.start()
        return self

    def start(self):
        cli = os.path.join(self.packages, "node_modules/dynalite/cli.js")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([node(self.packages), cli, "--host", "127.0.0.1", "--port", str(self.port),
                                             "--createTableMs", "0", *self.where], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=die_with_parent)
        wait_for_port("127.0.0.1", self.port, self.process, self.log)

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def call(self, operation, **body):
        """One operation by hand; it looks signed, which is what dynalite wants."""
        headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0",
                   "X-Amz-Date": "20261123T000000Z", "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261123/"
                   "us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"}
        request = urllib.request.Request(f"{self.endpoint}/", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def keys_of(self, table, endpoint=None):
        """The lines of [broker] that make that table the store; they follow others. The endpoint may be one before it."""
        return (f"store = dynamodb:{table}\nstore_endpoint = {endpoint or self.endpoint}\nstore_credentials = {self.keys}\n"
                "store_plain_loopback = yes\n")


class TableCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="dynamo-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.dynamo = cls.enterClassContext(Dynamo(cls.folder))


class Between(http.server.ThreadingHTTPServer):
    """Stands before the table and hands on what is asked. `before` (operation, body) is called first: what it gives
    instead of None, a status and a document, is the answer. `after` (operation, body) is called when the table has
    answered: with anything but None the asker does not hear of it, its connection is cut. `kept` (a list) gets all that
    is asked: (headers in lower case, body)."""

    daemon_threads = True

    def __init__(self, port, kept=None):
        super().__init__(("127.0.0.1", 0), Relay)
        self.table_port, self.kept = port, kept
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.before = self.after = lambda operation, body: None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self):
        with contextlib.suppress(ConnectionError):  # who asked is gone
            super().handle()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.kept is not None:
            self.server.kept.append(({name.lower(): value for name, value in self.headers.items()}, body))
        asked = self.headers["X-Amz-Target"].split(".")[1], json.loads(body)
        instead = self.server.before(*asked)
        status, data = (instead[0], json.dumps(instead[1]).encode()) if instead else self.ask(body)
        if self.server.after(*asked) is not None:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def ask(self, body):
        table = http.client.HTTPConnection("127.0.0.1", self.server.table_port, timeout=20)
        table.request("POST", "/", body, {name: value for name, value in self.headers.items() if name != "Host"})
        answer = table.getresponse()
        data = answer.read()
        table.close()
        return answer.status, data

    def log_message(self, *_):
        pass


class Several(TableCase):
    """Brokers on one table, A and B, with the same keys and tokens."""

    names, conf = "ab", CONF
    tables = 0

    def setUp(self):
        Several.tables += 1
        self.table_name = f"jit-{Several.tables}"
        self.brokers = [self.broker(name) for name in self.names]
        self.brokers[0].admin("store", "create")
        self.key = new_secret(self.brokers[0], "key", "add", "web-1")
        self.tokens = [new_secret(self.brokers[1], "token", "add", name) for name in ("appr1", "appr2")]
        for broker in self.brokers:
            broker.start()
            self.addCleanup(broker.stop, kill=True)

    def broker(self, name):
        folder = tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder)
        broker = make_broker(folder, self.conf)
        with open(broker.conf, encoding="utf-8") as file:
            text = re.sub(r"store = .*\n", self.dynamo.keys_of(self.table_name), file.read(), count=1)
        with open(broker.conf, "w", encoding="utf-8") as file:
            file.write(text.replace(self.dynamo.endpoint, self.endpoint_of(name)))
        return broker

    def endpoint_of(self, name):  # pylint: disable=unused-argument
        return self.dynamo.endpoint

    def end_lease(self):
        """Whoever seals has been gone for so long that another one may."""
        self.dynamo.call("UpdateItem", TableName=self.table_name, Key={"requestId": {"S": "lease:sealer"}},
                         UpdateExpression="SET #until = :none", ExpressionAttributeNames={"#until": "until"},
                         ExpressionAttributeValues={":none": {"N": "0"}})

    def api(self, which, **who):
        broker = self.brokers[which]
        api = Api(broker.port, os.path.join(os.path.dirname(broker.conf), "ca.pem"), **who)
        self.addCleanup(api.close)
        return api

    def file(self, host):
        answer = host.post("/request-access", FILING)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["requestId"]

    def sealed(self, broker):
        """Waits until all records are in the chain; the records, from `audit export`."""
        def whole():
            self.said = broker.admin("audit", "verify").stdout
            return "not in the chain yet" not in self.said
        wait_until("every record is in the chain", whole, 20)
        self.assertIn("the audit chain is whole", self.said)
        return [json.loads(line) for line in broker.admin("audit", "export").stdout.splitlines()]
