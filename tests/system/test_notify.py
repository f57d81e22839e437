"""Notifications as receivers meet them: a real broker, webhooks that are away, slow or wrong, and a real mail server."""

import base64
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import types
import unittest
import urllib.parse
import uuid

import memory
import npm
import receivers
from brokerlib import Api, free_port, make_broker, make_certificate, make_tls, new_secret
from terminal import wait_until
from test_broker_api import FILING

prepare = npm.prepare

CONF = """issuer = demo
url = https://jit.example
notify_retry = 1s
notify_retry_max = 2s
waiting_per_host = 1000
waiting_per_requester = 1000
{broker}
[role admin]
services = sudo
requesters = op1 op2
hosts = *
targets = root
approvers = appr1 appr2
[person op1]
mail = op1@example.com
[person op2]
[person appr1]
mail = appr1@example.com
[person appr2]
[mail ops]
to = ops@example.com gone@example.com
events = filed break_glass
{more}
"""
MAIL = """mail_server = {url}
mail_from = jit@example.com
mail_credentials = {folder}/mail.credentials
mail_ca = {folder}/peers/ca.pem
"""
NASTY = "<!channel> <script>alert(1)</script> `x` *b* \x1b[2J\x07 \u202e\r\nBcc: evil@example.com"
PATIENCE = 20
FULL = bool(os.environ.get("PAM_JIT_FULL"))


class NotifyCase(unittest.TestCase):
    """A broker of its own for each test: `begin` starts it with these webhooks."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="notify-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.peers = f"{self.folder}/peers"  # the receivers' certificate, and who vouches for it
        os.mkdir(self.peers)
        make_tls(self.peers)
        self.keys, self.hooks = {}, {}

    def hook(self, name, answer=lambda call, handler: 200, tls=None):
        self.hooks[name] = receivers.Webhook(answer, tls)
        self.addCleanup(self.hooks[name].close)
        return self.hooks[name]

    def section(self, name, url=None, **more):
        """[webhook NAME] for the receiver of that name."""
        path = f"{self.folder}/{name}.secret"
        self.keys[name] = receivers.make_secret(path)
        keys = {"url": url or self.hooks[name].url(), "secret": path, **more}
        if keys["url"].startswith("http:"):
            keys["plain_loopback"] = "yes"
        return f"[webhook {name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())

    def begin(self, *sections, broker="", mail=None, scheme="smtp", conf=CONF):
        self.mail = mail
        # Mail that nobody takes where the test is not about it.
        port = mail.port if mail else free_port()
        with open(f"{self.folder}/mail.credentials", "w", encoding="ascii") as file:
            file.write(f"{receivers.MailServer.USER}\n{receivers.MailServer.PASSWORD}\n")
        os.chmod(f"{self.folder}/mail.credentials", 0o600)
        broker += MAIL.format(folder=self.folder, url=f"{scheme}://127.0.0.1:{port}")
        self.broker = make_broker(self.folder, conf.format(broker=broker, more="\n".join(sections)))
        self.broker.start()
        self.addCleanup(self.broker.stop)
        self.key = new_secret(self.broker, "key", "add", "web-1")
        self.token = new_secret(self.broker, "token", "add", "appr1")
        self.connect()

    def connect(self):
        self.host = Api(self.broker.port, f"{self.folder}/ca.pem", key=self.key)
        self.approver = Api(self.broker.port, f"{self.folder}/ca.pem", token=self.token)
        self.addCleanup(self.host.close)
        self.addCleanup(self.approver.close)

    def file(self, **changes):
        answer = self.host.post("/request-access", {**FILING, **changes})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def deny(self, request, comment="no"):
        answer = self.approver.post(f"/requests/{request['requestId']}/deny", {"comment": comment})
        self.assertEqual(answer.status, 200, answer.body)

    def wait(self, condition, timeout=PATIENCE):
        """Until it is so; a failure says what waits in the outbox."""
        try:
            return wait_until("what the test waits for", condition, timeout)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.list()}\n{self.log()[-2000:]}") from None

    def list(self):
        return self.broker.admin("notify", "list").stdout

    def log(self):
        with open(self.broker.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def check_order(self, calls):
        """Each request's filing comes before its end, by the first time that each was taken."""
        seen = {}
        for call in calls:
            request, event = call.event()
            seen.setdefault(request, [])
            if event not in seen[request]:
                seen[request].append(event)
        for request, events in seen.items():
            self.assertEqual(events, sorted(events, key=["request.filed", "request.denied"].index), request)
        return seen

    def check_all_came(self, hook, wanted, timeout):
        """Everything, in order per request, each with one id of its own however often it was tried, and signed."""
        self.wait(lambda: {call.event() for call in hook.taken()} >= wanted, timeout)
        self.assertEqual({call.event() for call in hook.taken()}, wanted)
        self.check_order(hook.taken())
        ids = {}
        for call in hook.calls:
            self.assertTrue(call.is_signed(self.keys["chat"]), call.headers)
            self.assertLess(abs(int(call.headers["webhook-timestamp"]) - call.wall), 90)
            self.assertEqual(ids.setdefault(call.event(), call.id), call.id)  # again is the same delivery
            self.assertEqual(str(uuid.UUID(call.id)), call.id)
        self.assertEqual(len(set(ids.values())), len(wanted))
        self.assertEqual({call.id for call in hook.taken()}, set(ids.values()))
        self.wait(lambda: self.list().count("webhook:chat") == 0)


@unittest.skipUnless(FULL, "takes a quarter of an hour: make check-full")
class TenMinutes(NotifyCase):
    """The receiver is away for ten minutes of everybody's clock, and the broker has its default pauses; it is killed and
    told of its configuration anew meanwhile."""

    def test_a_receiver_that_was_away_for_ten_minutes_gets_everything_signed_and_in_order(self):
        back = time.monotonic() + 600
        hook = self.hook("chat", lambda call, handler: 503 if time.monotonic() < back else 200)
        self.begin(self.section("chat"), conf=CONF.replace("notify_retry = 1s\nnotify_retry_max = 2s\n", ""))
        wanted = set()
        for minute in range(10):
            request = self.file(command=f"/bin/{minute}", resume=True)
            self.deny(request)
            wanted |= {(request["requestId"], event) for event in ("request.filed", "request.denied")}
            if minute == 3:
                self.broker.stop(kill=True)
                self.broker.start()
                self.connect()
            if minute == 6:
                self.broker.process.send_signal(signal.SIGHUP)
            time.sleep(max(0, back - 60 * (9 - minute) - time.monotonic()))
        self.assertGreater(len(hook.calls), 5)
        self.assertEqual(hook.taken(), [])
        self.check_all_came(hook, wanted, 1000)


class Memory(NotifyCase):
    @unittest.skipIf(memory.why_not(), memory.why_not())
    def test_the_receivers_secrets_lie_in_locked_memory_alone(self):
        mail = receivers.MailServer(self.peers)
        self.addCleanup(mail.close)
        hook = self.hook("chat")
        self.begin(self.section("chat"), mail=mail)
        self.file()
        self.wait(lambda: hook.taken() and mail.messages("appr1@example.com"))
        password = receivers.MailServer.PASSWORD.encode()
        secrets = {"webhook": self.keys["chat"], "webhook's file": base64.b64encode(self.keys["chat"]), "mail": password,
                   "mail's login": base64.b64encode(b"\0".join((b"", receivers.MailServer.USER.encode(), password)))}
        memory.await_places(self.broker.process.pid, secrets, "webhook's file", "mail")


class Webhooks(NotifyCase):
    def test_a_receiver_that_was_away_for_ten_minutes_gets_everything_signed_and_in_order(self):
        clock = [0]  # the receiver's own, in seconds: a minute passes from one call to the next

        def answer(_call, _handler):
            clock[0] += 60
            return 503 if clock[0] <= 600 else 200

        hook = self.hook("chat", answer)
        self.begin(self.section("chat"))
        requests = [self.file(command=f"/bin/{i}") for i in range(6)]
        for request in requests:
            self.deny(request)
        wanted = {(request["requestId"], event) for request in requests for event in ("request.filed", "request.denied")}
        self.check_all_came(hook, wanted, 60)
        self.assertGreaterEqual(clock[0], 600 + 60 * len(wanted))
        self.assertGreater(self.metric("total", "webhook", "failed") + self.metric("total", "mail", "failed"), 10)
        self.assertEqual(self.metric("total", "webhook", "delivered"), len(wanted))
        counted = self.approver.get("/metrics").body.decode()
        self.assertIn("notification_channels_failing 1\n", counted)  # that mail

    def test_the_signature_is_one_to_an_implementation_of_the_standard(self):
        packages = npm.packages()
        hook = self.hook("chat")
        self.begin(self.section("chat"))
        self.file(reason="größer")
        self.wait(hook.taken)
        call = hook.taken()[0]
        script = ("const {Webhook} = require('standardwebhooks');"
                  "const i = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
                  "new Webhook(i.secret).verify(i.body, i.headers);"
                  "try {new Webhook(i.secret).verify(i.body + ' ', i.headers); process.exit(3)}"
                  "catch (e) {process.exit(0)}")
        secret = "whsec_" + base64.b64encode(self.keys["chat"]).decode()
        done = subprocess.run(["node", "-e", script], input=json.dumps({"secret": secret, "body": call.body.decode(),
                                                                        "headers": call.headers}), text=True, timeout=30,
                              capture_output=True, cwd=packages, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_message_says_what_is_granted_has_a_signed_link_and_no_code(self):
        hook = self.hook("chat")
        self.begin(self.section("chat"))
        request = self.file()
        self.wait(hook.taken)
        body = hook.taken()[0].json
        self.assertEqual(set(body), {"type", "timestamp", "data"})
        data = body["data"]
        self.assertEqual((body["type"], data["requestId"], data["shortId"], data["status"]),
                         ("request.filed", request["requestId"], request["shortId"], "PENDING"))
        self.assertEqual(data["grants"], "any command that sudo allows, as root on web-1, for 15 min")
        self.assertNotIn("code", data)
        self.assertIn("code", request)
        link, signature = data["link"].split("&sig=")
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(link).query))
        self.assertTrue(link.startswith(f"https://jit.example/r/{request['shortId']}?via=chat&until="), link)
        self.assertTrue(time.time() + 80000 < int(query["until"]) < time.time() + 90000)
        made = receivers.hmac.new(self.keys["chat"], link.encode(), "sha256").digest()
        self.assertEqual(signature, base64.urlsafe_b64encode(made).decode().rstrip("="))

    def test_what_a_requester_wrote_stays_text_and_slack_sees_no_command_in_it(self):
        plain, slack = self.hook("plain"), self.hook("slack")
        self.begin(self.section("plain"), self.section("slack", format="slack"))
        request = self.file(reason=NASTY, command=NASTY)
        self.wait(lambda: plain.taken() and slack.taken())
        for hook in (plain, slack):
            body = hook.taken()[0].body.decode()
            self.assertNotRegex(body, r"[\x00-\x1f\u202e]|\\u001b|\\u0007")
            self.assertTrue(hook.taken()[0].is_signed(self.keys["plain" if hook is plain else "slack"]))
        text = slack.taken()[0].json["text"]
        self.assertIn("Reason: `&lt;!channel&gt; &lt;script&gt;alert(1)&lt;/script&gt; 'x' *b* ?[2J? ???Bcc: evil@", text)
        # The only thing in angle brackets is our link, and every backtick is a pair around a whole text.
        self.assertEqual(len(re.findall("<", text)), 1)
        self.assertRegex(text, rf"\n<https://jit\.example/r/{request['shortId']}\?via=slack&amp;until=\d+&amp;sig=[\w-]+"
                               rf"\|Decide {request['shortId']}>$")
        outside = re.sub("`[^`\n]*`", "", text)
        self.assertNotIn("evil", outside)
        self.assertNotIn("channel", outside)

    def test_what_ails_one_receiver_delays_no_other_and_not_the_broker(self):
        quit_hanging = threading.Event()
        self.addCleanup(quit_hanging.set)

        def hang(_call, _handler):
            quit_hanging.wait(60)

        def busy(_call, handler):
            handler.send_response(429)
            handler.send_header("Retry-After", "3000")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        def garbage(_call, handler):
            handler.wfile.write(b"\x00\xff no HTTP at all\r\n\r\n")
            handler.close_connection = True

        def large(_call, handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(10 << 20))
            handler.end_headers()
            for _ in range(10):
                handler.wfile.write(b"x" * (1 << 20))

        elsewhere = self.hook("elsewhere")

        def redirect(_call, handler):
            handler.send_response(307)
            handler.send_header("Location", elsewhere.url())
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        other = f"{self.folder}/other"
        os.mkdir(other)
        make_tls(other)
        answers = {"hang": hang, "busy": busy, "garbage": garbage, "large": large, "redirect": redirect,
                   "wrong": lambda call, handler: 500, "refuses": lambda call, handler: 422}
        good = self.hook("good", tls=self.peers)
        self.hook("stranger", tls=other)
        for name, answer in answers.items():
            self.hook(name, answer)
        self.begin(*[self.section(name) for name in answers], self.section("stranger", ca=f"{self.peers}/ca.pem"),
                   self.section("away", url=f"http://127.0.0.1:{free_port()}/hook"),
                   self.section("good", ca=f"{self.peers}/ca.pem"))
        began = time.monotonic()
        for _ in range(5):
            self.file()
        self.assertLess(time.monotonic() - began, 2)
        self.wait(lambda: len(good.taken()) == 5)
        self.assertLess(max(call.at for call in good.taken()) - began, 4)
        reasons = {"busy": "HTTP status 429", "wrong": "HTTP status 500", "refuses": "HTTP status 422",
                   "redirect": "HTTP status 307 (redirects are not followed)", "away": "connection refused",
                   "stranger": "", "large": "", "garbage": ""}

        def all_said():
            said = self.list()
            return all(re.search(rf"webhook:{name} .*\d  {re.escape(why) or '[^-]'}", said) for name, why in reasons.items())

        self.wait(all_said)
        self.assertEqual(elsewhere.calls, [])
        self.assertEqual(self.hooks["stranger"].calls, [])
        # Told to come back later, we do: once, while all the others are tried again and again.
        self.wait(lambda: len(self.hooks["wrong"].calls) >= 4)
        self.assertLessEqual(len(self.hooks["busy"].calls), 4)
        # At most four at once, and one alone where it is in trouble.
        self.assertLessEqual(len(self.hooks["hang"].calls), 4)
        # What one refuses does not hold up what it was sent beside it.
        self.assertEqual(len({call.id for call in self.hooks["refuses"].calls}), 5)
        self.assertEqual(self.list().count("webhook:good"), 0)
        for secret in ["/hook", *(base64.b64encode(key).decode() for key in self.keys.values())]:
            self.assertNotIn(secret, self.log() + self.list())  # a URL of Slack's is a secret too

    def test_a_receiver_that_is_back_gets_all_that_waits_at_once(self):
        """Not each at its own time, which after a long absence is a quarter of an hour away."""
        together, back = threading.Barrier(4), threading.Event()

        def answer(call, _handler):
            if hook.calls.index(call) < 4:
                together.wait(PATIENCE)  # or the first is tried again and again before the last, ever later
                return 503
            back.wait(PATIENCE)
            return 200

        hook = self.hook("chat", answer)
        self.begin(self.section("chat"), conf=CONF.replace("notify_retry_max = 2s", "notify_retry_max = 1h"))
        for _ in range(4):
            self.file()
        self.wait(lambda: self.list().count("HTTP status 503") == 4)
        with sqlite3.connect(f"{self.folder}/broker.db", timeout=5) as store:
            store.execute("UPDATE outbox SET due=due+3000 WHERE channel='webhook:chat'")
        store.close()
        back.set()
        self.file()
        self.wait(lambda: len(hook.taken()) == 5)

    def test_kill_9_at_any_instant_loses_nothing(self):
        hook = self.hook("chat", lambda call, handler: random.choice([200, 200, 503]))
        self.begin(self.section("chat"))
        chance, filed, denied = random.Random(7), set(), set()
        for kills in itertools.count():
            if kills >= 12 and len(denied) > 12:
                break
            self.assertLess(kills, 60, f"{len(denied)} denied: nothing gets done between two kills")
            stop = threading.Event()

            def work():
                host = Api(self.broker.port, f"{self.folder}/ca.pem", key=self.key)
                approver = Api(self.broker.port, f"{self.folder}/ca.pem", token=self.token)
                try:
                    while not stop.is_set():
                        answer = host.post("/request-access", {**FILING, "resume": True})
                        if answer.status != 200:
                            break
                        filed.add(answer.json["requestId"])
                        if approver.post(f"/requests/{answer.json['requestId']}/deny").status == 200:
                            denied.add(answer.json["requestId"])
                except (OSError, Exception):  # pylint: disable=broad-except  (the broker is killed under it)
                    pass
                finally:
                    host.close()
                    approver.close()

            worker = threading.Thread(target=work)
            worker.start()
            time.sleep(chance.uniform(0.02, 0.25))
            self.broker.stop(kill=True)
            stop.set()
            worker.join(20)
            self.broker.start()
        hook.answer = lambda call, handler: 200
        wanted = {(request, "request.filed") for request in filed} | {(request, "request.denied") for request in denied}
        self.wait(lambda: {call.event() for call in hook.taken()} >= wanted, 60)
        self.check_order(hook.taken())
        ids = {}
        for call in hook.calls:
            self.assertEqual(ids.setdefault(call.event(), call.id), call.id)
            self.assertTrue(call.is_signed(self.keys["chat"]))
        self.assertIn("whole", self.broker.admin("audit", "verify").stdout)

    def test_what_nobody_takes_is_given_up_loudly(self):
        self.begin(self.section("away", url=f"http://127.0.0.1:{free_port()}/"), broker="notify_give_up = 2s\n")
        request = self.file()
        self.wait(lambda: "gave up telling webhook:away" in self.log())
        records = [json.loads(line) for line in self.broker.admin("audit", "show").stdout.splitlines()]
        given_up = [record["detail"] for record in records if record["action"] == "notification.given_up"
                    and record["detail"]["receiver"] == "webhook:away"]
        self.assertEqual([(detail["about"], detail["event"]) for detail in given_up],
                         [(request["requestId"], "request.filed")])
        self.assertIn("connection refused", given_up[0]["why"])
        self.assertIn("gave up telling webhook:away of request.filed", self.log())

    def test_the_metrics_tell_what_waits_for_how_long_and_what_became_of_the_rest(self):
        self.hook("chat")
        self.hook("picky", lambda call, handler: 422)
        away = self.section("away", url=f"http://127.0.0.1:{free_port()}/")
        self.begin(self.section("chat"), self.section("picky"), away, broker="notify_give_up = 4s\n")
        for name in ("mail", "webhook"):
            self.assertEqual((self.metric("waiting", name), self.metric("oldest_seconds", name)), (0, 0))
        self.file()
        self.wait(lambda: self.metric("oldest_seconds", "webhook") >= 1)
        self.assertEqual(self.metric("waiting", "webhook"), 2)
        self.assertGreaterEqual(self.metric("waiting", "mail"), 1)
        for outcome in ("delivered", "refused", "failed"):
            self.wait(lambda outcome=outcome: self.metric("total", "webhook", outcome))
        self.assertEqual(self.metric("total", "webhook", "delivered"), 1)
        self.assertEqual(self.metric("total", "mail", "delivered"), 0)
        self.wait(lambda: self.metric("total", "webhook", "given_up") == 2)
        self.assertEqual((self.metric("waiting", "webhook"), self.metric("oldest_seconds", "webhook")), (0, 0))

    def metric(self, name, kind, outcome=None):
        labels = f'kind="{kind}"' + (f',outcome="{outcome}"' if outcome else "")
        text = self.approver.get("/metrics").body.decode()
        return int(re.search(rf"(?m)^jit_broker_notifications_{name}{{{labels}}} (\d+)$", text)[1])

    def test_a_reload_brings_a_receiver_in_and_what_waited_goes_out(self):
        """On the same port: another one wants a restart, which the broker says."""
        hook = self.hook("chat")
        away = hook.url().replace("http:", "https:")
        self.begin(self.section("chat", url=away, plain_loopback="yes"), broker="")
        request = self.file()
        self.wait(lambda: self.metric("total", "webhook", "failed"))
        with open(self.broker.conf, encoding="utf-8") as file:
            text = file.read()
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(text.replace(away, hook.url()))
        self.broker.process.send_signal(signal.SIGHUP)
        self.wait(hook.taken)
        self.assertEqual(hook.taken()[0].event(), (request["requestId"], "request.filed"))

    def test_events_and_roles_choose_what_is_told(self):
        ends, none = self.hook("ends"), self.hook("none")
        self.begin(self.section("ends", events="denied expired"), self.section("none", roles="other"),
                   "[role other]\nservices = sudo\nrequesters = op2\nhosts = *\ntargets = root\napprovers = appr1\n")
        request = self.file()
        self.deny(request)
        self.wait(ends.taken)
        self.assertEqual([call.event() for call in ends.calls], [(request["requestId"], "request.denied")])
        self.assertEqual(none.calls, [])

    def test_break_glass_is_told(self):
        hook = self.hook("chat")
        self.begin(self.section("chat"))
        event = {"id": str(uuid.uuid4()), "type": "break_glass.begin", "at": "2026-11-23T03:00:00Z", "requester": "op1",
                 "service": "sudo", "reason": "no broker \x1b[31m"}
        for _ in range(2):  # reported again, it is told once
            self.assertEqual(self.host.post("/events", {"events": [event]}).status, 202)
        self.file()
        self.wait(lambda: len(hook.taken()) == 2)
        told = next(call.json for call in hook.taken() if call.json["type"] == "host.break_glass.begin")
        self.assertEqual((told["data"]["host"], told["data"]["reason"]), ("web-1", "no broker ?[31m"))

    def test_the_tests_message_says_what_came_back(self):
        hook = self.hook("chat")
        self.hook("wrong", lambda call, handler: 403)
        self.begin(self.section("chat"), self.section("wrong"))
        said = self.broker.admin("notify", "test", "chat")
        self.assertEqual(said.stdout, "webhook:chat: taken: HTTP status 200\n")
        self.assertEqual(hook.calls[0].json["type"], "notify.test")
        self.assertTrue(hook.calls[0].is_signed(self.keys["chat"]))
        said = self.broker.admin("notify", "test", "wrong", check=False)
        self.assertEqual((said.returncode, said.stdout), (1, "webhook:wrong: not taken: HTTP status 403\n"))
        said = self.broker.admin("notify", "test", "nobody", check=False)
        self.assertEqual(said.returncode, 1)
        self.assertIn("there is no [webhook nobody]", said.stderr)


class Mail(NotifyCase):
    def start_mail(self, **how):
        server = receivers.MailServer(self.peers, **how)
        self.addCleanup(server.close)
        return server

    def test_approvers_a_list_and_the_person_named_are_told_and_the_thread_goes_on(self):
        mail = self.start_mail(at_rcpt={"gone@example.com": "550 nobody of that name"})
        self.begin(mail=mail)
        request = self.file(reason=NASTY)
        self.wait(lambda: len(mail.messages()) == 3)
        self.deny(request, "not during the freeze")
        self.wait(lambda: len(mail.messages()) == 5)
        self.assertTrue(all(mail.was_tls))
        self.assertEqual(len(mail.messages("ops@example.com")), 1)
        for address, advice in (("appr1@example.com", "you need the code"), ("op1@example.com", "Your name was used")):
            filed, denied = mail.messages(address)
            self.assertEqual((filed["From"], filed["To"]), ("jit@example.com", address))
            self.assertEqual(filed["Subject"], f"[jit] {request['shortId']}: op1, admin on web-1: waits for a decision")
            self.assertEqual(denied["Subject"], f"[jit] {request['shortId']}: op1, admin on web-1: denied by appr1")
            self.assertEqual(denied["In-Reply-To"], filed["Message-ID"])
            self.assertIsNone(filed["Bcc"])
            self.assertIsNone(filed["In-Reply-To"])
            text = filed.get_content().replace("\r\n", "\n")
            self.assertIn("Grants      any command that sudo allows, as root on web-1, for 15 min\n", text)
            self.assertIn("Reason      <!channel> <script>alert(1)</script> `x` *b* ?[2J? ???Bcc: evil@example.com\n", text)
            self.assertIn(f"https://jit.example/r/{request['shortId']}\n", text)
            self.assertIn(advice, text)
            self.assertNotRegex(text.replace("\n", ""), r"[\x00-\x1f\u202e]")
            self.assertNotRegex(text, rf"(?i)code\W+{request['code']}")
            self.assertIn("not during the freeze", denied.get_content())
        self.assertNotIn("jit-broker approve", mail.messages("op1@example.com")[0].get_content())
        # One address that the server does not know holds up nobody else.
        self.wait(lambda: "gone@example.com" in self.list())
        self.assertRegex(self.list(), r"list:ops:gone@example.com .* 550")

    def test_names_in_other_scripts_come_as_they_are(self):
        mail = self.start_mail()
        self.begin(mail=mail)
        self.file(reason="größer — 日本語 " * 20, target="root")
        self.wait(lambda: mail.messages("appr1@example.com"))
        self.assertIn("größer — 日本語 größer", mail.messages("appr1@example.com")[0].get_content())

    def test_tls_from_the_first_byte_on(self):
        mail = self.start_mail(tls=True)
        self.begin(mail=mail, scheme="smtps")
        self.file()
        self.wait(lambda: mail.messages("appr1@example.com"))
        self.assertFalse(self.log().count("certificate"))

    def test_what_the_server_says_of_one_mail_delays_no_other(self):
        """A full mailbox, a grey list and a text that is not liked, where the first failure of a server would hold up
        all mail for half an hour."""
        mail = self.start_mail(at_rcpt={"appr1@example.com": "452 4.2.2 mailbox full"},
                               at_data={"op1@example.com": "451 4.7.1 try later", "gone@example.com": "554 5.7.1 not liked"})
        self.begin(mail=mail, conf=CONF.replace("notify_retry = 1s\nnotify_retry_max = 2s",
                                                "notify_retry = 1h\nnotify_retry_max = 1h"))
        requests = [self.file()["shortId"] for _ in range(5)]
        self.wait(lambda: len(mail.messages("ops@example.com")) == 5)
        for request in requests:
            self.assertTrue(any(request in message["Subject"] for message in mail.messages()), request)
        for receiver, code in (("approver:appr1", 452), ("requester:op1", 451), ("list:ops:gone@example.com", 554)):
            self.wait(lambda who=receiver, said=code: len(re.findall(rf"{who} .*\b{said}\b", self.list())) == 5)
        self.assertNotIn("HTTP", self.list() + self.log())

    def test_a_server_that_is_shutting_down_is_asked_again_and_then_takes_all(self):
        mail = self.start_mail(at_rcpt=dict.fromkeys(("op1@example.com", "appr1@example.com", "ops@example.com"),
                                                     "421 4.3.2 shutting down"))
        self.begin(mail=mail)
        for _ in range(3):
            self.file()
        self.wait(lambda: len(mail.refused) >= 3)
        self.wait(lambda: "mail does not take notifications" in self.log())
        mail.at_rcpt.clear()
        for address in ("op1@example.com", "appr1@example.com", "ops@example.com"):
            self.wait(lambda at=address: len(mail.messages(at)) == 3)

    def test_a_server_that_says_nothing_delays_nobody_and_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            hook = self.hook("chat")
            self.begin(self.section("chat"), broker="", mail=types.SimpleNamespace(port=silent.getsockname()[1]))
            for count in range(1, 4):
                self.file()
                self.wait(lambda n=count: len(hook.taken()) == n)
            self.wait(lambda: re.search(r"approver:appr1 .*\d  .*(time|did not answer)", self.list()), 40)

    def test_without_starttls_nothing_is_said(self):
        mail = self.start_mail(starttls=False)
        self.begin(mail=mail)
        self.file()
        self.wait(lambda: re.search(r"approver:appr1 .*\d  .*STARTTLS", self.list()))
        self.assertEqual(mail.envelopes, [])

    def test_a_server_that_another_vouches_for_hears_nothing(self):
        os.mkdir(f"{self.folder}/other")
        make_tls(f"{self.folder}/other")
        mail = receivers.MailServer(f"{self.folder}/other")
        self.addCleanup(mail.close)
        self.begin(mail=mail)
        self.file()
        self.wait(lambda: re.search(r"approver:appr1 .*\d  .*certificate", self.list()))
        self.assertEqual(mail.envelopes, [])

    def test_a_server_with_another_ones_name_hears_nothing(self):
        os.mkdir(f"{self.folder}/other")
        make_certificate(self.peers, f"{self.folder}/other", ("mail.example",), ("192.0.2.1",))
        mail = receivers.MailServer(f"{self.folder}/other")
        self.addCleanup(mail.close)
        self.begin(mail=mail)
        self.file()
        self.wait(lambda: re.search(r"approver:appr1 .*\d  .*(certificate|name)", self.list()))
        self.assertEqual(mail.envelopes, [])

    def test_the_password_stands_nowhere_and_the_tests_mail_arrives(self):
        mail = self.start_mail(at_rcpt={"gone@example.com": "550 nobody of that name"})
        self.begin(mail=mail)
        said = self.broker.admin("notify", "test", "appr1")
        self.assertEqual(said.stdout, "approver:appr1: taken: the mail server took it\n")
        self.assertEqual(mail.messages()[0]["Subject"], "[jit] a test of jit-broker's notifications")
        said = self.broker.admin("notify", "test", "ops", check=False)  # each address of a list by itself
        self.assertEqual(said.returncode, 1)
        self.assertRegex(said.stdout, "list:ops:ops@example.com: taken: the mail server took it\n"
                                      "list:ops:gone@example.com: not taken: .*550")
        with open(f"{self.folder}/mail.credentials", "w", encoding="ascii") as file:
            file.write("jit\nwrong-password\n")
        said = self.broker.admin("notify", "test", "appr1", check=False)
        self.assertEqual(said.returncode, 1)
        self.assertIn("look at mail_credentials", said.stdout)
        self.assertNotIn("wrong-password", said.stdout + said.stderr + self.log())


class Mistakes(NotifyCase):
    def test_check_tells_each_with_its_line(self):
        secret = f"{self.folder}/s.secret"
        receivers.make_secret(secret)
        with open(f"{self.folder}/bad.secret", "w", encoding="ascii") as file:
            file.write("hunter2\n")
        os.chmod(f"{self.folder}/bad.secret", 0o600)
        receivers.make_secret(f"{self.folder}/open.secret")
        os.chmod(f"{self.folder}/open.secret", 0o644)
        lines = [("url = http://chat.example/", "wants url = https://"), (f"secret = {secret}", None),
                 ("events = filed shouted", "shouted is no event"), ("roles = nobody", "there is no [role nobody]"),
                 ("[webhook b]", None), ("url = https://chat.example/", None),
                 (f"secret = {self.folder}/bad.secret", "line of whsec_"),
                 ("[webhook c]", None), ("url = http://10.0.0.1/", "plain_loopback = yes"), ("plain_loopback = yes", None),
                 (f"secret = {self.folder}/open.secret", "can be read by everybody"),
                 ("[webhook d]", "wants secret"), ("url = https://user@chat.example/", "wants url = https://"),
                 ("[mail e]", None), ("to = e@example.com,f@example.com", "is no mail address"),
                 ("[person g]", None), ("mail = G <g@example.com>", "is no mail address")]
        self.broker = make_broker(self.folder, CONF.format(broker="mail_server = smtp://mail.example/x\n",
                                                           more="[webhook a]\n" + "\n".join(line for line, _ in lines)))
        with open(self.broker.conf, encoding="utf-8") as file:
            text = file.read().splitlines()
        said = self.broker.admin("check", check=False)
        self.assertNotEqual(said.returncode, 0)
        found = dict(re.findall(r"jit-broker.conf:(\d+): (.*)", said.stderr))
        for line, sentence in lines + [("mail_server = smtp://mail.example/x", "mail_server")]:
            number = str(text.index(line) + 1)
            if sentence:
                self.assertIn(sentence, found.get(number, ""), f"{line}: {said.stderr}")
            else:
                self.assertNotIn(number, found, line)
        self.assertNotIn("hunter2", said.stderr)


if __name__ == "__main__":
    unittest.main()
