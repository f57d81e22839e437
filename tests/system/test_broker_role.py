"""A broker whose own AWS credentials are its role's: an EC2 instance's by IMDSv2, an ECS task's or EKS pod's by the
container's endpoint. An STS checks each signature against what was handed out."""

import http.server
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import tempfile
import threading
import unittest
import unittest.mock

import memory
from brokerlib import Api, make_broker, make_tls, new_secret
from cloud import ISSUED, sts_xml
from imds import Container, Imds
from sigv4 import signature
from terminal import wait_until

REGION, PATIENCE = "eu-west-1", 20
ARN = "arn:aws:iam::123456789012:role/JIT-ElevatedAdminRole"
CONF = """issuer = sts:{sts}
issuer_region = eu-west-1
issuer_credentials = {word}
issuer_plain_loopback = yes
[role admin]
arn = {arn}
services = sudo
requesters = op1
hosts = *
targets = root
reason = optional
auto_approve = simulated
unsealed = allow
[person op1]
"""
CALL = {"requester": "op1", "role": "admin", "roleArn": ARN, "duration": 900, "simulateApproval": True}
NAMES = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
         "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN")


class _Sts(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        token = self.headers["X-Amz-Security-Token"]
        keys = next((keys for keys in self.server.given if keys["Token"] == token), None)
        service = re.search(r"/(\w+)/aws4_request", self.headers["Authorization"])[1]
        good = keys and self.headers["Authorization"].endswith("Signature=" + signature(
            keys["SecretAccessKey"], REGION, service, "POST", self.path, self.headers, body))
        self.server.used.append(keys["AccessKeyId"] if good else None)
        text = (sts_xml("0" * 16) if good else "<no/>").encode()
        self.send_response(200 if good else 403)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text[:-1])
        self.server.go_on.wait(PATIENCE)
        self.wfile.write(text[-1:])

    def log_message(self, *_):
        pass


class Sts(http.server.ThreadingHTTPServer):
    """`given` is what was handed out to sign with; `used` has the access key of each call, None where it was wrong. The
    last byte of an answer waits for `go_on`. `tls`: a folder with its certificate."""

    daemon_threads = True

    def __init__(self, given, tls=None):
        super().__init__(("127.0.0.1", 0), _Sts)
        self.given, self.used, self.go_on = given, [], threading.Event()
        self.go_on.set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        if tls:
            self.url = f"https://localhost:{self.server_address[1]}"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{tls}/tls.crt", f"{tls}/tls.key")
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class RoleCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def begin(self, source, word, tls=None, **env):
        """A broker with that word; `source` hands out what the word stands for."""
        self.source, self.sts = source, Sts(source.given, tls)
        self.addCleanup(source.close)
        self.addCleanup(self.sts.close)
        conf = CONF.format(sts=self.sts.url, word=word, arn=ARN)
        self.broker = make_broker(self.folder, f"issuer_ca = {tls}/ca.pem\n{conf}" if tls else conf)
        key = new_secret(self.broker, "key", "add", "web-1")
        with unittest.mock.patch.dict(os.environ, env):
            for name in set(NAMES) - set(env):
                os.environ.pop(name, None)
            self.broker.start()
        self.addCleanup(self.broker.stop)
        self.api = Api(self.broker.port, f"{self.folder}/ca.pem", key=key)
        self.addCleanup(self.api.close)

    def ask(self):
        return self.api.post("/request-access", CALL)

    def assert_issued(self):
        """By the newest keys that the broker can have had, or by those before them, while the newest were on their way."""
        oldest = max(len(self.source.given) - 2, 0)
        answer = self.ask()
        self.assertEqual((answer.status, answer.json["status"]), (200, "ACTIVE"), answer.body)
        self.assertIn(ISSUED[0], answer.body.decode())
        self.assertIn(self.sts.used[-1], [keys["AccessKeyId"] for keys in self.source.given[oldest:]])

    def assert_refused(self, says):
        answer = self.ask()
        self.assertEqual(answer.status, 503, answer.body)
        self.assertIn(says, answer.json["message"])
        self.assertEqual(self.sts.used, [])
        with open(self.broker.log, encoding="utf-8") as file:
            self.assertRegex(file.read(), "there are no AWS credentials(?: yet)?: .*" + re.escape(says.rsplit(": ", 1)[-1]))
        health = self.api.get("/healthz")
        self.assertEqual((health.status, health.json["issuer"] != "ok"), (503, True), health.body)

    def assert_no_secret_is_written(self):
        """In log, store, or anywhere else that is the broker's."""
        paths = [os.path.join(folder, name) for folder, _, names in os.walk(self.folder) for name in names]
        self.assertTrue({self.broker.log, f"{self.folder}/broker.db"} <= set(paths), paths)
        for path in paths:
            with open(path, "rb") as file:
                content = file.read()
            for keys in self.source.given:
                self.assertNotIn(keys["SecretAccessKey"].encode(), content, path)
                self.assertNotIn(keys["Token"][:40].encode(), content, path)

    def in_memory(self):
        """(what of its own secrets and of those that it gave the broker's memory holds, what of them outside of its locked
        heap)."""
        texts = {f"{name} {nth}": keys[name] for nth, keys in enumerate(self.source.given)
                 for name in ("SecretAccessKey", "Token") if keys[name]}
        texts.update({"issued key": ISSUED[0], "issued token": ISSUED[1], "host's key": self.api.headers["x-api-key"]})
        found, bare = memory.places(self.broker.process.pid, {name: text.encode() for name, text in texts.items()})
        return set(found), {name for name, _ in bare}


    def assert_in_memory(self, *expected):
        """Once the broker has gone on after its answer: who has it may be quicker."""
        wait_until(f"its memory holds {expected}", lambda: self.in_memory() == expected, PATIENCE)


class File:
    """A file of static keys."""

    def __init__(self, path):
        self.given = [{"AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": secrets.token_urlsafe(30), "Token": None}]
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("[default]\n" + "".join(f"{name} = {self.given[0][key]}\n" for name, key in (
                ("aws_access_key_id", "AccessKeyId"), ("aws_secret_access_key", "SecretAccessKey"))))

    def close(self):
        """There is nothing to end."""


@unittest.skipIf(memory.why_not(), memory.why_not())
class Memory(RoleCase):
    def test_a_static_key_lies_in_locked_memory_and_what_was_issued_nowhere(self):
        path, tls = f"{self.folder}/keys", f"{self.folder}/sts"
        os.mkdir(tls)
        make_tls(tls)
        self.begin(File(path), path, tls)
        self.assertEqual(self.in_memory(), (set(), set()), "it is read for each call")
        self.assert_issued()
        self.assert_in_memory({"SecretAccessKey 0"}, set())  # libcurl keeps it with the connection

    def test_what_is_not_locked_while_a_call_is_under_way_is_gone_after_it(self):
        """libcurl's copy of the key, and the key of the host that waits, which is looked at again when it is answered."""
        path = f"{self.folder}/keys"
        self.begin(File(path), path)
        self.sts.go_on.clear()
        self.api.send("POST", "/request-access", CALL)
        wait_until("STS's answer has nearly come", lambda: "issued token" in self.in_memory()[0], PATIENCE)
        self.assertEqual(self.in_memory()[1], {"SecretAccessKey 0", "host's key"})
        self.sts.go_on.set()
        self.assertEqual(self.api.receive().status, 200)
        self.assert_in_memory({"SecretAccessKey 0"}, set())


class Instance(RoleCase):
    def test_calls_are_signed_with_the_instances_role_and_with_what_came_after_it(self):
        imds = Imds(life=4)
        self.begin(imds, f"imds:{imds.url}")
        self.assert_issued()
        first = self.sts.used[-1]
        wait_until("others have been fetched", lambda: len(imds.given) >= 3, PATIENCE)
        answer = self.ask()
        self.assertEqual(answer.status, 200, answer.body)
        self.assertNotIn(self.sts.used[-1], (first, None))
        self.assert_no_secret_is_written()
        if not memory.why_not():
            found, bare = self.in_memory()
            self.assertTrue(found, "it has some")
            self.assertEqual(bare, set())

    def test_where_the_service_gives_nothing_it_is_said_and_what_comes_later_counts(self):
        imds = Imds()
        imds.broken = True
        self.begin(imds, f"imds:{imds.url}")
        self.assert_refused("STS cannot be asked: the broker has no AWS credentials of its own: the instance's metadata service at 127.0.0.1")
        imds.broken = False
        wait_until("credentials have come", lambda: imds.given, PATIENCE)
        wait_until("they are used", lambda: self.ask().status == 200, PATIENCE)

    def test_signals_that_come_while_it_waits_for_a_silent_service_are_heeded_after_it(self):
        with socket.create_server(("127.0.0.1", 0)) as silent, Sts([]) as sts:
            word = f"imds:http://127.0.0.1:{silent.getsockname()[1]}"
            self.broker = make_broker(self.folder, CONF.format(sts=sts.url, word=word, arn=ARN))
            silent.settimeout(PATIENCE)
            self.broker.launch()
            self.addCleanup(self.broker.stop)
            asked = silent.accept()[0]
            self.addCleanup(asked.close)
            for number in (signal.SIGHUP, signal.SIGTERM):
                self.broker.process.send_signal(number)
            self.assertEqual(self.broker.process.wait(PATIENCE), 0)
            sts.shutdown()

    def test_it_is_asked_ahead_and_not_for_each_call(self):
        imds = Imds()
        self.begin(imds, f"imds:{imds.url}")
        for _ in range(5):
            self.assert_issued()
        self.assertEqual(len(imds.given), 1)

    def test_a_command_signs_with_it_too(self):
        imds = Imds()
        self.addCleanup(imds.close)
        table = Sts(imds.given)
        self.addCleanup(table.close)
        broker = make_broker(self.folder, CONF.format(sts=table.url, word="imds", arn=ARN))
        with open(broker.conf, encoding="utf-8") as file:
            text = file.read()
        with open(broker.conf, "w", encoding="utf-8") as file:
            file.write(re.sub("(?m)^store = .*$", f"store = dynamodb:requests\nstore_region = {REGION}\nstore_endpoint = "
                              f"{table.url}\nstore_credentials = imds:{imds.url}\nstore_plain_loopback = yes", text))
        self.assertIn("DynamoDB", broker.admin("key", "list", check=False).stderr)
        self.assertEqual(set(table.used), {imds.given[0]["AccessKeyId"]})

    def test_check_takes_the_words_and_no_other_place(self):
        broker = make_broker(self.folder, CONF.format(sts="https://sts.example", word="imds", arn=ARN))
        for word, status in (("imds", 0), ("container", 0), ("imds:http://127.0.0.1:1", 0), ("imds:http://192.0.2.1", 1),
                             ("imds:https://127.0.0.1", 1), ("imds:", 1)):
            with self.subTest(word):
                with open(broker.conf, encoding="utf-8") as file:
                    text = file.read()
                with open(broker.conf, "w", encoding="utf-8") as file:
                    file.write(re.sub("(?m)^issuer_credentials = .*$", f"issuer_credentials = {word}", text))
                said = broker.admin("check", check=False)
                self.assertEqual(said.returncode != 0, bool(status), said.stderr)
                self.assertEqual("is for tests, and must be http:// to this machine" in said.stderr + said.stdout, bool(status))


class Task(RoleCase):
    def test_a_pods_token_is_read_from_its_file_each_time(self):
        container = Container(life=4)
        path = f"{self.folder}/token"
        with open(path, "w", encoding="ascii") as file:
            file.write(container.token + "\n")
        self.begin(container, "container", AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{container.url}/v1/credentials",
                   AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=path)
        self.assert_issued()
        container.token = "another-token"
        with open(path, "w", encoding="ascii") as file:
            file.write(container.token)
        before = len(container.given)
        wait_until("others have been fetched", lambda: len(container.given) > before, PATIENCE)
        self.assertEqual(self.ask().status, 200)
        self.assert_no_secret_is_written()

    def test_a_pods_token_may_be_a_link_that_is_led_elsewhere(self):
        """As a kubelet lays it down: token -> ..data/token, ..data -> a folder of that moment's, replaced by rename."""
        container = Container(life=4)
        pod = tempfile.mkdtemp()  # nothing else that the broker's sandbox allows is near
        self.addCleanup(shutil.rmtree, pod)
        self.put_token(pod, "..1", container.token)
        os.symlink("..data/token", f"{pod}/token")
        self.begin(container, "container", AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{container.url}/v1/credentials",
                   AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=f"{pod}/token")
        self.assert_issued()
        container.token = "another-token"
        self.put_token(pod, "..2", container.token)
        shutil.rmtree(f"{pod}/..1")
        before = len(container.given)
        wait_until("others have been fetched", lambda: len(container.given) > before, PATIENCE)
        self.assert_issued()
        self.assert_no_secret_is_written()

    @staticmethod
    def put_token(pod, folder, token):
        os.mkdir(f"{pod}/{folder}")
        with open(f"{pod}/{folder}/token", "w", encoding="ascii") as file:
            file.write(token)
        os.symlink(folder, f"{pod}/..data_tmp")
        os.rename(f"{pod}/..data_tmp", f"{pod}/..data")

    def test_a_tasks_token_may_stand_in_the_environment(self):
        container = Container()
        self.begin(container, "container", AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{container.url}/v1/credentials",
                   AWS_CONTAINER_AUTHORIZATION_TOKEN=container.token)
        self.assert_issued()

    def test_with_a_wrong_token_nothing_comes(self):
        container = Container()
        self.begin(container, "container", AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{container.url}/v1/credentials",
                   AWS_CONTAINER_AUTHORIZATION_TOKEN="a-guess")
        self.assert_refused("the container's credentials endpoint at 127.0.0.1")

    def test_nobody_is_followed_to_another_place(self):
        container, other = Container(), Container()
        self.addCleanup(other.close)
        container.moved = f"{other.url}/v1/credentials"
        self.begin(container, "container", AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{container.url}/v1/credentials",
                   AWS_CONTAINER_AUTHORIZATION_TOKEN=container.token)
        self.assert_refused("gives no credentials: HTTP status 302")
        self.assertEqual(other.asked, [])

    def test_no_other_host_is_asked(self):
        container = Container()
        self.begin(container, "container", AWS_CONTAINER_CREDENTIALS_FULL_URI="http://192.0.2.1/v1/credentials")
        self.assert_refused("AWS_CONTAINER_CREDENTIALS_FULL_URI leads to where no credentials come from")

    def test_outside_of_a_container_it_says_so(self):
        self.begin(Container(), "container")
        self.assert_refused("this is no container of ECS or EKS")


if __name__ == "__main__":
    unittest.main()
