"""Sign-in with a certified OpenID Connect provider on another site than the broker: who gets a session, and who does not."""

import json
import os
import re
import shutil
import socket
import tempfile
import time
import unittest
import urllib.parse

import memory
import npm
from brokerlib import Api, edit_ini, make_broker
from oidclib import ANSWER, Browser, Provider, make_key
from terminal import wait_until

prepare = npm.prepare

CONF = """issuer = demo
[role admin]
services = sudo
requesters = op1
hosts = web-*
targets = root
approvers = appr1 appr2
[person op1]
[person appr1]
[person appr2]
"""
ACCOUNTS = {"248289761001": {"email": "appr1@example.com", "email_verified": True},
            "7": {"email": "appr2@example.com", "email_verified": True},
            "8": {"email": "appr2@example.com", "email_verified": False},
            "9<b>": {"email": "x\u001b]0;evil\u0007<script>alert(1)</script>@example.com", "email_verified": True}}
FULL = bool(os.environ.get("PAM_JIT_FULL"))
ANEW = 30  # seconds that the broker lets pass before it asks for keys again
LIMIT = 16  # calls of one address that wait for the provider
SESSION, VISITOR = "__Host-jit", "__Host-jit-sign-in"


class OidcCase(unittest.TestCase):
    client, methods, algorithms = {}, None, ("ES256", "RS256")
    broker_conf = {}

    @classmethod
    def setUpClass(cls):
        npm.packages()
        cls.folder = tempfile.mkdtemp(prefix="oidc-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.broker = make_broker(cls.folder, CONF)
        cls.ca = f"{cls.folder}/ca.pem"
        cls.site = f"https://localhost:{cls.broker.port}"
        cls.provider = Provider(cls.folder, cls.site + ANSWER, ACCOUNTS, cls.client, cls.methods, cls.algorithms)
        cls.secret = f"{cls.folder}/client.secret"
        with open(cls.secret, "w", encoding="ascii") as file:
            file.write(cls.provider.client.get("client_secret", "none") + "\n")
        os.chmod(cls.secret, 0o600)
        cls.configure({
            ("broker", "oidc_issuer"): cls.provider.issuer, ("broker", "oidc_client_id"): "jit-broker",
            ("broker", "oidc_client_secret_file"): cls.secret, ("broker", "oidc_redirect"): cls.site + ANSWER,
            ("broker", "oidc_scopes"): "openid email", ("broker", "oidc_ca"): cls.ca,
            ("person appr1", "oidc"): f"{cls.provider.issuer} 248289761001",
            ("person appr2", "oidc"): f"{cls.provider.issuer} email=appr2@example.com", **cls.broker_conf})
        cls.addClassCleanup(cls.provider.stop)
        cls.provider.start()
        cls.addClassCleanup(cls.stop_broker)
        cls.broker.start()

    @classmethod
    def stop_broker(cls):
        status = cls.broker.stop()
        if status:
            raise AssertionError(f"the broker ended with status {status}")

    @classmethod
    def configure(cls, changes):
        with open(cls.broker.conf, encoding="utf-8") as file:
            text = edit_ini(file.read(), changes)
        with open(cls.broker.conf, "w", encoding="utf-8") as file:
            file.write(text)

    def setUp(self):
        self.browser = Browser(self.ca)

    def start(self, return_to="/"):
        return f"{self.site}/sign-in/oidc?" + urllib.parse.urlencode({"return_to": return_to})

    def held_back(self, login="248289761001", browser=None):
        """A sign-in up to the provider's answer, which is returned as an address and not yet gone to."""
        page = (browser or self.browser).sign_in(self.start(), login, until=self.site + ANSWER)
        self.assertIn("code=", page.header("location"), page.text)
        return page.header("location")

    def session(self, browser=None):
        return (browser or self.browser).cookies.get("localhost", {}).get(SESSION)

    def audit(self, action):
        records = [json.loads(line) for line in self.broker.admin("audit", "show").stdout.splitlines()]
        return [record for record in records if record["action"] == action]

    def logged(self):
        with open(self.broker.log, encoding="utf-8") as file:
            return file.read()

    def assert_refused(self, page, status, sentence):
        self.assertEqual(page.status, status, page.text)
        self.assertIn(sentence, page.text)
        self.assertIsNone(self.session())


class SignIn(OidcCase):
    def test_who_signs_in_has_a_session_and_is_where_they_wanted(self):
        page = self.browser.sign_in(self.start("/r/R7KD-2M9Q"), "248289761001", until=self.site + "/r/")
        self.assertEqual((page.status, page.header("location")), (303, "/r/R7KD-2M9Q"), page.text)
        self.assertTrue(self.session())
        self.assertIn("appr1", [record["actor"] for record in self.audit("session.begun")])
        self.assertNotIn(self.session(), self.logged())

    def test_a_verified_mail_address_names_a_person(self):
        page = self.browser.sign_in(self.start(), "7", until=self.site + "/")
        while not self.session():
            page = self.browser.get(page.header("location"), until=self.site + "/")
        self.assertIn("appr2", [record["actor"] for record in self.audit("session.begun")])

    def test_an_unverified_mail_address_names_nobody(self):
        page = self.browser.sign_in(self.start(), "8")
        self.assert_refused(page, 403, f"You are 8 (appr2@example.com) at {self.provider.issuer}")
        self.assertIn("nobody has that account", page.text)

    def test_a_stranger_is_told_who_they_are_and_recorded_once(self):
        for _ in range(2):
            page = Browser(self.ca).sign_in(self.start(), "31415")
            self.assert_refused(page, 403, f"You are 31415 at {self.provider.issuer}")
        records = [record for record in self.audit("session.refused") if record["detail"]["account"] == "31415"]
        self.assertEqual(len(records), 1)
        self.assertEqual((records[0]["actor"], records[0]["detail"]["issuer"]), ("oidc", self.provider.issuer))
        self.assertIn("31415 at", self.logged())

    def test_what_the_provider_says_of_somebody_stays_text(self):
        page = self.browser.sign_in(self.start(), "9<b>")
        self.assertEqual(page.status, 403)
        self.assertIn("9<b> (x?]0;evil?<script>alert(1)</script>@example.com)", page.text)
        self.assertNotIn("<script>alert", page.source)
        self.assertTrue(page.header("content-type").startswith("text/html"))
        self.assertNotIn("\x1b", page.text)
        self.assertNotIn("\x1b", self.logged())
        self.assertEqual(page.header("x-content-type-options"), "nosniff")

    def test_an_answer_is_good_once(self):
        answer = self.held_back()
        self.assertEqual(self.browser.once("GET", answer).status, 303)
        self.assertTrue(self.session())
        again = self.browser.once("GET", answer)
        self.assertEqual(again.status, 400)
        self.assertIn("This sign-in is not known here", again.text)

    def test_an_answer_is_good_in_its_own_browser_alone(self):
        """Whoever is sent a link with somebody else's answer in it is not signed in as them."""
        answer, victim = self.held_back(), Browser(self.ca)
        victim.get(self.start(), until=self.provider.issuer)
        page = victim.once("GET", answer)
        self.assertEqual(page.status, 400)
        self.assertIsNone(self.session(victim))
        self.assert_refused(self.browser.once("GET", answer), 400, "begun in another browser")

    def test_an_answer_without_our_state_is_refused(self):
        answer = urllib.parse.urlsplit(self.held_back())
        fields = dict(urllib.parse.parse_qsl(answer.query))
        for wrong in ({"state": "A" * 43}, {"state": ""}, {"state": "A" * 500}):
            query = urllib.parse.urlencode({**fields, **wrong})
            self.assert_refused(self.browser.once("GET", f"{self.site}{ANSWER}?{query}"), 400, "Sign in again.")

    def test_a_code_of_another_sign_in_is_refused_for_its_verifier_and_nonce(self):
        """The attack that PKCE and the nonce are for: a stolen code in one's own sign-in."""
        stolen = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.held_back("7", Browser(self.ca))).query))
        mine = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.held_back()).query))
        query = urllib.parse.urlencode({**mine, "code": stolen["code"]})
        self.assert_refused(self.browser.once("GET", f"{self.site}{ANSWER}?{query}"), 502,
                            "The identity provider gives no token: invalid_grant")

    def test_the_answer_of_another_provider_is_refused(self):
        mine = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.held_back()).query))
        self.assertEqual(mine["iss"], self.provider.issuer)
        for wrong in ({"iss": "https://evil.example"}, {"iss": ""}):
            mine = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.held_back()).query))
            query = urllib.parse.urlencode({**mine, **wrong})
            self.assert_refused(self.browser.once("GET", f"{self.site}{ANSWER}?{query}"), 400,
                                "does not come from this broker's identity provider")

    def test_who_declines_is_told_so(self):
        page = self.browser.get(self.start())
        abort = next(link for link in page.form().links if link and link.endswith("/abort"))
        page = self.browser.get(urllib.parse.urljoin(page.url, abort))
        self.assert_refused(page, 403, "The identity provider did not sign you in: access_denied")

    def test_nothing_leads_to_another_site(self):
        for evil in ("https://evil.example/", "//evil.example/", "/\\evil.example", "/r/../../evil", "/sign-in/oidc",
                     "/r/R7KD-2M9Q?x=\r\nSet-Cookie: a=b"):
            browser = Browser(self.ca)
            page = browser.sign_in(self.start(evil), "248289761001", until=self.site + ANSWER)
            page = browser.once("GET", page.header("location"))
            self.assertEqual((page.status, page.header("location")), (303, "/"), evil)

    def test_the_cookie_before_the_sign_in_is_as_browsers_must_have_it(self):
        page = self.browser.once("GET", self.start())
        self.assertRegex(page.header("set-cookie"), rf"^{VISITOR}=[\w-]{{43}}; Path=/; Max-Age=600; Secure; HttpOnly; "
                                                    r"SameSite=Lax$")
        self.assertEqual(page.header("referrer-policy"), "no-referrer")
        sent = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.header("location")).query))
        self.assertEqual((sent["response_type"], sent["code_challenge_method"]), ("code", "S256"))
        self.assertEqual(sent["redirect_uri"], self.site + ANSWER)
        self.assertEqual(len({sent["state"], sent["nonce"], sent["code_challenge"]}), 3)
        self.assertTrue(all(re.fullmatch(r"[\w-]{43}", sent[name]) for name in ("state", "nonce", "code_challenge")))

    def test_no_secret_is_in_the_log_or_stays_in_memory(self):
        answer = self.held_back()
        code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer).query))["code"]
        self.browser.once("GET", answer)
        secrets = {"code": code, "session": self.session(), "visitor": self.browser.cookies["localhost"][VISITOR],
                   "client": self.provider.client["client_secret"]}
        for secret in secrets.values():
            self.assertNotIn(secret, self.logged())
        if not memory.why_not():
            texts = {name: text.encode() for name, text in secrets.items()}
            memory.await_places(self.broker.process.pid, texts)  # has none either


class SecretInForm(OidcCase):
    client = {"id_token_signed_response_alg": "RS256", "token_endpoint_auth_method": "client_secret_post"}
    methods = ["client_secret_post"]

    def test_a_provider_that_wants_the_secret_in_the_form_has_it_there(self):
        self.assertEqual(self.browser.once("GET", self.held_back()).status, 303)
        self.assertTrue(self.session())


class PublicClient(OidcCase):
    client = {"token_endpoint_auth_method": "none", "id_token_signed_response_alg": "RS256"}
    broker_conf = {("broker", "oidc_client_secret_file"): None}

    def test_a_public_client_signs_in_by_its_verifier_alone(self):
        self.assertEqual(self.browser.once("GET", self.held_back()).status, 303)
        self.assertTrue(self.session())


class OtherAlgorithm(OidcCase):
    client = {"id_token_signed_response_alg": "PS256"}
    algorithms = ("ES256", "PS256")

    def test_a_token_signed_otherwise_is_refused(self):
        self.assert_refused(self.browser.once("GET", self.held_back()), 502,
                            "token is not believed: it is not signed with ES256 or RS256")


class SecretAsKey(OidcCase):
    client = {"id_token_signed_response_alg": "HS256"}

    def test_a_token_signed_with_the_clients_secret_is_refused(self):
        self.assert_refused(self.browser.once("GET", self.held_back()), 502,
                            "token is not believed: it is not signed with ES256 or RS256")


class NewKeys(OidcCase):
    @unittest.skipUnless(FULL, f"the broker asks for keys again after {ANEW} s at the soonest; run with --full")
    def test_a_key_that_the_provider_has_made_since_is_asked_for(self):
        self.held_back()
        known = time.monotonic()
        self.provider.stop()
        self.provider.keys = [{**make_key.__wrapped__("ES256"), "kid": "newer"}]
        self.provider.start()
        time.sleep(max(0.0, known + ANEW + 1 - time.monotonic()))  # of which nothing tells
        self.browser = Browser(self.ca)
        self.assertEqual(self.browser.once("GET", self.held_back()).status, 303)
        self.assertTrue(self.session())


class Away(OidcCase):
    def test_a_provider_that_is_away_is_said_to_be(self):
        answer = self.held_back()
        self.provider.stop()
        self.assert_refused(self.browser.once("GET", answer), 502, "The identity provider cannot be asked: ")
        self.broker.stop()
        self.broker.start()
        page = self.browser.once("GET", self.start())
        self.assert_refused(page, 502, "The identity provider cannot be asked: ")
        self.assertIn("connection refused", page.text)
        self.provider.start()
        wait_until("the broker asks the provider again",
                   lambda: self.browser.once("GET", self.start()).status == 303, 10)


class Silent(unittest.TestCase):
    """A provider that takes connections and says nothing."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="oidc-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.listener = socket.create_server(("127.0.0.1", 0))
        cls.addClassCleanup(cls.listener.close)
        issuer = f"https://127.0.0.1:{cls.listener.getsockname()[1]}"
        conf = f"oidc_issuer = {issuer}\noidc_client_id = c\noidc_redirect = https://localhost{ANSWER}\n{CONF}"
        cls.broker = make_broker(cls.folder, conf)
        cls.addClassCleanup(lambda: cls.broker.stop(kill=True))
        cls.broker.start()

    def begin(self):
        api = Api(self.broker.port, f"{self.folder}/ca.pem")
        self.addCleanup(api.close)
        api.send("GET", "/sign-in/oidc")
        return api

    def refused_at_once(self):
        api = self.begin()
        api.connection.sock.settimeout(0.3)
        try:
            return api.receive().status == 503
        except TimeoutError:
            return False
        finally:
            api.close()

    def test_who_waits_for_it_holds_up_nobody_and_is_forgotten_when_they_leave(self):
        waiting = [self.begin() for _ in range(LIMIT)]
        wait_until("one address has as many as it may", self.refused_at_once)
        api = Api(self.broker.port, f"{self.folder}/ca.pem")
        self.addCleanup(api.close)
        began = time.monotonic()
        self.assertEqual(api.get("/healthz").status, 200)
        self.assertLess(time.monotonic() - began, 0.5)
        for one in waiting:
            one.close()
        wait_until("there is room again", lambda: not self.refused_at_once(), 3)


del OidcCase

if __name__ == "__main__":
    unittest.main()
