"""Functions that tell people: the secrets they sign with come from SSM's Parameter Store, through the real bootstrap to a
real webhook and a real mail server."""

import base64
import glob
import os
import tempfile
import unittest

import receivers
from brokerlib import PUBLIC_KEY, built, make_broker, make_tls, new_secret
from cloud import KEYS
from lambdalib import Function, environment, rest_event
from ssm import Ssm
from terminal import wait_until

PATH = "/jit-broker/notify"
PATIENCE = 20
CONF = """issuer = demo
url = https://jit.example
ssm_path = /jit-broker/another
ssm_endpoint = {ssm}
ssm_credentials = environment
ssm_plain_loopback = yes
notify_retry = 1s
notify_retry_max = 1s
{mail}
[role admin]
services = sudo
requesters = op1
hosts = web-*
targets = root
approvers = appr1
reason = optional
code = off
[person op1]
[person appr1]
{address}
[webhook chat]
url = {hook}
secret = ssm:webhook/chat
plain_loopback = yes
"""
MAIL = """mail_server = smtp://127.0.0.1:{port}
mail_from = jit@example.com
mail_credentials = ssm:mail
mail_ca = {folder}/peers/ca.pem"""
FILING = {"requester": "op1", "role": "admin", "duration": 900, "publicKey": PUBLIC_KEY, "service": "sudo",
          "target": "root", "command": "/usr/bin/id", "resume": True}
DENIED = (400, {"__type": "AccessDeniedException", "message": "no, \x1b[31mnot you"})


class SsmCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.ssm = Ssm(KEYS["AWS_SECRET_ACCESS_KEY"], KEYS["AWS_REGION"], PATH)
        self.addCleanup(self.ssm.close)
        self.hook = receivers.Webhook()
        self.addCleanup(self.hook.close)
        self.secret = self.put_secret()
        self.made = 0

    def put_secret(self, *before):
        """A new one in the store, and those that were before it; its bytes."""
        key = os.urandom(32)
        self.ssm.parameters[f"{PATH}/webhook/chat"] = "".join(
            f"whsec_{base64.b64encode(one).decode()}\n" for one in (key, *before))
        return key

    def begin(self, mail=""):
        os.makedirs(f"{self.folder}/peers", exist_ok=True)
        self.broker = make_broker(self.folder, CONF.format(ssm=self.ssm.url, hook=self.hook.url(), mail=mail,
                                                            address=mail and "mail = appr1@example.com"))
        self.key = new_secret(self.broker, "key", "add", "web-1")

    def function(self, name, **env):
        self.made += 1
        function = Function([built("bootstrap")], f"{self.folder}/{name}-{self.made}.log",
                            environment(_HANDLER=name, JIT_BROKER_CONF=self.broker.conf,
                                        **{**KEYS, "JIT_NOTIFY_PATH": PATH, **env}))
        self.addCleanup(function.stop)
        return function

    def file(self):
        kind, answer = self.function("RequestElevatedAccess").api.invoke(
            rest_event("POST", "/request-access", self.key, FILING))
        self.assertEqual((kind, answer["statusCode"]), ("response", 200), answer)

    def tell(self, function):
        """One event; how many messages wait after it."""
        kind, said = function.api.invoke({"Records": []})
        self.assertEqual(kind, "response", said)
        return said["waiting"]

    def refusal(self, **env):
        """What Notify says of a secret that it does not get: it starts, and keeps what it would have signed."""
        self.file()
        function = self.function("Notify", **env)
        self.assertGreater(self.tell(function), 0)
        return function.said()


class Webhooks(SsmCase):
    def test_notify_and_sweep_sign_with_the_secret_that_lies_in_ssm(self):
        self.begin()
        for name in ("Notify", "Sweep"):
            with self.subTest(name):
                self.ssm.calls.clear()
                self.hook.calls.clear()
                self.file()
                function = self.function(name)
                self.assertEqual(self.tell(function), 0)
                self.assertEqual([call.is_signed(self.secret) for call in self.hook.taken()], [True])
                self.tell(function)
                self.assertEqual(self.ssm.names(), [f"{PATH}/webhook/chat"])  # once, when it started

    def test_nobody_else_asks_for_it(self):
        self.begin()
        self.file()
        self.assertEqual(self.ssm.calls, [])

    def test_a_new_secret_and_the_one_before_sign_both(self):
        self.begin()
        before, self.secret = self.secret, self.put_secret(self.secret)
        self.file()
        self.assertEqual(self.tell(self.function("Notify")), 0)
        call = self.hook.taken()[0]
        self.assertEqual(call.headers["webhook-signature"].split(),
                         [receivers.sign(key, call.id, call.headers["webhook-timestamp"], call.body)
                          for key in (self.secret, before)])

    def test_a_secret_stands_in_no_log_and_no_store(self):
        self.begin()
        self.file()
        self.tell(self.function("Notify"))
        coded = base64.b64encode(self.secret)
        for path in glob.glob(f"{self.folder}/*"):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    text = file.read()
                self.assertNotIn(coded[:20], text, path)
                self.assertNotIn(self.secret, text, path)


class Refusals(SsmCase):
    def tearDown(self):
        self.assertEqual([call for call in self.hook.calls if not call.is_signed(self.secret)], [])

    def test_a_parameter_that_is_not_there_is_named_and_only_its_messages_wait(self):
        self.begin()
        self.ssm.parameters.clear()
        self.assertIn(f"webhook:chat: the parameter {PATH}/webhook/chat cannot be read: there is no such parameter; "
                      "its notifications wait until that is mended", self.refusal())

    def test_what_ssm_refuses_is_said_and_is_clean(self):
        self.begin()
        self.ssm.instead = DENIED
        said = self.refusal()
        self.assertIn(f"{PATH}/webhook/chat cannot be read: SSM: status 400, AccessDeniedException: no, ", said)
        self.assertNotIn("\x1b", said)
        self.ssm.instead = None
        self.assertIn("AccessDeniedException", self.refusal(JIT_NOTIFY_PATH="/jit-broker/others"))

    def test_what_is_no_secret_is_not_signed_with(self):
        self.begin()
        name = f"{PATH}/webhook/chat"
        for value in ("whsec_c2hvcnQ=", "hunter2-hunter2-hunter2", "x" * 4000, "ünläuter"):
            with self.subTest(value[:20]):
                self.ssm.parameters[name] = value
                said = self.refusal()
                self.assertIn(name, said)
                self.assertNotIn(value[:20], said)
        self.put_secret()
        self.ssm.type = "String"
        self.assertIn("it is no SecureString", self.refusal())

    def test_ssm_in_trouble_keeps_messages_waiting_and_all_else_goes_on(self):
        self.begin()
        self.ssm.instead = (500, {"__type": "InternalServerError"})
        self.file()
        function = self.function("Notify")
        self.assertEqual(self.tell(function), 1)
        self.assertIn(f"webhook:chat: the parameter {PATH}/webhook/chat cannot be read: SSM: status 500", function.said())
        self.assertEqual(self.hook.calls, [])
        self.ssm.instead = None
        self.assertEqual(self.tell(self.function("Sweep")), 0)
        self.assertTrue(self.hook.taken()[0].is_signed(self.secret))

    def test_a_key_of_another_gets_no_parameter(self):
        self.begin()
        self.assertIn("InvalidSignatureException", self.refusal(AWS_SECRET_ACCESS_KEY="another"))


class Mail(SsmCase):
    def test_user_and_password_of_the_mail_server_come_from_ssm(self):
        os.mkdir(f"{self.folder}/peers")
        make_tls(f"{self.folder}/peers")
        server = receivers.MailServer(f"{self.folder}/peers")
        self.addCleanup(server.close)
        self.ssm.parameters[f"{PATH}/mail"] = f"{server.USER}\n{server.PASSWORD}\n"
        self.begin(MAIL.format(port=server.port, folder=self.folder))
        self.file()
        self.assertEqual(self.tell(self.function("Notify")), 0)
        self.assertEqual((len(server.messages("appr1@example.com")), server.was_tls), (1, [True]))
        self.ssm.parameters[f"{PATH}/mail"] = server.USER
        self.assertIn(f"{PATH}/mail: there are no two lines, the user and the password of the mail server", self.refusal())


class Process(SsmCase):
    """jit-broker itself, with a file of keys."""

    def begin_with_keys(self):
        self.begin()
        with open(os.open(f"{self.folder}/keys", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
                       f"aws_secret_access_key = {KEYS['AWS_SECRET_ACCESS_KEY']}\n")
        with open(self.broker.conf, encoding="utf-8") as file:
            text = file.read()
        for old, new in {"ssm_credentials = environment": f"ssm_credentials = {self.folder}/keys\nssm_region = eu-west-1",
                         "/jit-broker/another": PATH}.items():
            text = text.replace(old, new)
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(text)

    def test_notify_test_signs_with_what_lies_in_ssm(self):
        self.begin_with_keys()
        self.assertIn("webhook:chat: taken", self.broker.admin("notify", "test", "chat").stdout)
        self.assertTrue(self.hook.taken()[0].is_signed(self.secret))
        self.ssm.parameters.clear()
        said = self.broker.admin("notify", "test", "chat", check=False)
        self.assertIn(f"not taken: the parameter {PATH}/webhook/chat cannot be read: there is no such parameter", said.stdout)

    def test_a_broker_that_serves_reads_a_parameter_that_comes_later(self):
        self.begin_with_keys()
        self.ssm.parameters.clear()
        self.file()
        self.broker.start()
        self.addCleanup(self.broker.stop)
        wait_until("SSM was asked", lambda: self.ssm.calls, PATIENCE)
        self.secret = self.put_secret()
        wait_until("the message came", self.hook.taken, PATIENCE)
        self.assertTrue(self.hook.taken()[0].is_signed(self.secret))

    def test_what_is_badly_named_is_found_by_check(self):
        self.begin_with_keys()
        with open(self.broker.conf, encoding="utf-8") as file:
            good = file.read()
        for old, new, says in (("ssm:webhook/chat", "ssm:/etc/passwd", "ssm:/etc/passwd is no parameter"),
                               ("ssm:webhook/chat", "ssm:", "ssm: is no parameter"),
                               (PATH, "jit-broker", "ssm_path is a path of parameters"),
                               (f"ssm_path = {PATH}\n", "", "wants ssm_path"),
                               ("ssm_plain_loopback = yes", "ssm_plain_loopback = no", "ssm_endpoint is https://"),
                               (f"ssm_credentials = {self.folder}/keys\n", "", "wants ssm_credentials")):
            with self.subTest(says):
                with open(self.broker.conf, "w", encoding="utf-8") as file:
                    file.write(good.replace(old, new))
                said = self.broker.admin("check", check=False)
                self.assertNotEqual(said.returncode, 0)
                self.assertIn(says, said.stdout + said.stderr)


if __name__ == "__main__":
    unittest.main()
