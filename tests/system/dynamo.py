"""A DynamoDB on loopback: npm dynalite, in memory. Conditional writes are exact; it serves 150 ms after its start.

Expiry (TTL) is not carried out and signatures are not checked: tests/interop/test_sigv4.py holds those against botocore."""

import json
import os
import platform
import subprocess
import urllib.request

import npm
from brokerlib import free_port, wait_for_port
from namespace import die_with_parent

MACHINES = {"x86_64": "x64", "aarch64": "arm64"}


def node(packages):
    """The node of the packages: dynalite wants a newer one than Debian's."""
    return os.path.join(packages, f"node_modules/node-linux-{MACHINES.get(platform.machine(), 'x64')}/bin/node")


class Dynamo:
    """with Dynamo(folder) as dynamo: dynamo.endpoint, dynamo.keys (a credentials file)"""

    def __init__(self, folder):
        self.packages, self.log = npm.packages(), os.path.join(folder, "dynalite.log")
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.keys = os.path.join(folder, "store.keys")
        self.process = None
        with open(os.open(self.keys, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")

    def __enter__(self):
        cli = os.path.join(self.packages, "node_modules/dynalite/cli.js")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([node(self.packages), cli, "--host", "127.0.0.1", "--port", str(self.port),
                                             "--createTableMs", "0"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent)
        wait_for_port("127.0.0.1", self.port, self.process, self.log)
        return self

    def __exit__(self, *_):
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

    def keys_of(self, table):
        """The lines of [broker] that make that table the store; they follow others."""
        return (f"store = dynamodb:{table}\nstore_endpoint = {self.endpoint}\nstore_credentials = {self.keys}\n"
                "store_plain_loopback = yes\n")
