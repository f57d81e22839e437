"""An approver's whole way: signed in by a real identity provider on a site of its own, in a real browser, with the keyboard
alone; over real sudo; and what a hostile requester writes, everywhere that somebody reads it."""

import json
import os
import re
import shutil

import brokerlib
import chrome
import npm
import receivers
from lab import Lab, LabCase, read
from namespace import HOSTNAME
from oidclib import Provider
from terminal import wait_until
from webpage import STEERING, WebPage

prepare = npm.prepare

SITE = "https://broker.example:8443"
FOLDER = "/run/lab/journey"
SUBJECTS = {"appr1": "248289761001", "appr2": "248289761002"}
FORGED = "\r\n<5>jit-broker: appr1 has signed in as root from ::1\r\nBcc: evil@example.com"
EVIL = ("<script>alert(1)</script><img src=x onerror=alert(1)> <!channel> <http://evil.example|text> `x` *b* "
        "\x1b]0;owned\x07\x1b[2J\x9b31m \u202etxt.exe" + FORGED)
EVIL_HOST = "\"><img/src=x/onerror=alert(1)>&<!channel><http://evil.example|a>`x`"
ODD_HOST = "_-." * 20 + "Bcc"  # the oddest name that a key is made for
PAGES = "nav[aria-label=Pages]"


def make_readable(path):
    shutil.chown(path, "root", "_jitbroker")
    os.chmod(path, 0o640)
    return path


class Journey(LabCase, WebPage):
    @classmethod
    def setUpClass(cls):
        chrome.find()
        cls.axe_text = cls.axe()
        Lab.here()
        os.makedirs(FOLDER, exist_ok=True)
        brokerlib.make_tls(FOLDER)
        cls.provider = Provider(FOLDER, f"{SITE}/sign-in/oidc/answer", {subject: {} for subject in SUBJECTS.values()})
        cls.broker_conf = {**cls.sign_in_conf(), **cls.notify_conf(), (f"host {HOSTNAME}", "may_request_for"): "*",
                           ("broker", "url"): f"{SITE}/"}  # and no oidc_redirect: it follows from that
        cls.addClassCleanup(cls.provider.stop)
        cls.provider.start()
        super().setUpClass()
        cls.browser = chrome.Browser(cls.lab.log("chromium"))
        cls.addClassCleanup(cls.browser.close)
        cls.people = {}

    @classmethod
    def sign_in_conf(cls):
        with open(f"{FOLDER}/client.secret", "w", encoding="ascii") as file:
            file.write(cls.provider.client["client_secret"])
        return {("broker", "oidc_issuer"): cls.provider.issuer, ("broker", "oidc_client_id"): "jit-broker",
                ("broker", "oidc_client_secret_file"): make_readable(f"{FOLDER}/client.secret"),
                ("broker", "oidc_ca"): f"{FOLDER}/ca.pem",
                **{(f"person {name}", "oidc"): f"{cls.provider.issuer} {subject}" for name, subject in SUBJECTS.items()}}

    @classmethod
    def notify_conf(cls):
        cls.hooks, conf = {}, {}
        for name in ("plain", "slack"):
            cls.hooks[name] = receivers.Webhook()
            cls.addClassCleanup(cls.hooks[name].close)
            receivers.make_secret(f"{FOLDER}/{name}.secret")
            conf[f"webhook {name}", "url"] = cls.hooks[name].url()
            conf[f"webhook {name}", "secret"] = make_readable(f"{FOLDER}/{name}.secret")
            conf[f"webhook {name}", "plain_loopback"] = "yes"
        conf["webhook slack", "format"] = "slack"
        cls.mail = receivers.MailServer(FOLDER)
        cls.addClassCleanup(cls.mail.close)
        with open(f"{FOLDER}/mail", "w", encoding="ascii") as file:
            file.write(f"{cls.mail.USER}\n{cls.mail.PASSWORD}\n")
        return {**conf, ("broker", "mail_server"): f"smtp://127.0.0.1:{cls.mail.port}",
                ("broker", "mail_from"): "jit@example.com", ("broker", "mail_ca"): f"{FOLDER}/ca.pem",
                ("broker", "mail_credentials"): make_readable(f"{FOLDER}/mail"),
                ("person appr1", "mail"): "appr1@example.com"}

    # What a person does

    def tab_to(self, tab, selector, limit=40):
        """The Tab key, until that has the focus; wherever it comes by, that can be seen."""
        for _ in range(limit):
            tab.key("Tab", 9)
            name, outline = tab.run("(e => [e.outerHTML.slice(0, 90), getComputedStyle(e).outlineStyle])"
                                    "(document.activeElement)")
            self.assertTrue(outline != "none" or name.startswith("<body"), f"the focus is not seen on {name}")
            if tab.run(f"document.activeElement.matches({json.dumps(selector)})"):
                return
        raise AssertionError(f"the Tab key does not come to {selector}: {tab.text()!r}")

    @staticmethod
    def write(tab, text):
        tab.call("Input.insertText", text=text)

    @staticmethod
    def enter(tab):
        tab.run("window.old = true")
        tab.key("Enter", 13, "\r")
        tab.wait_for_page()

    def go_to_provider(self, tab):
        self.assertIn(f"Sign in with {self.provider.issuer[8:]}", tab.text("main"))
        self.tab_to(tab, "#provider")
        self.enter(tab)

    def sign_in(self, tab, subject):
        """From the broker's page for it, through the provider's two forms where it does not know them yet."""
        self.go_to_provider(tab)
        if tab.run("location.origin") == SITE:
            return
        tab.run("document.querySelector('input[name=login]').focus()")  # the provider's page is not ours to judge
        self.write(tab, subject)
        tab.run("document.querySelector('input[name=password]').focus()")
        self.write(tab, "any")
        self.enter(tab)
        tab.run("document.querySelector('button[type=submit]').focus()")  # its consent
        self.enter(tab)

    def page(self, name="appr1", path="/"):
        """A tab of that person, who signs in where that is wanted; all of theirs are one browser's."""
        if name not in self.people:
            self.people[name] = self.browser.new_person()
        tab = self.people[name].tab(path if path.startswith(SITE) else SITE + path)
        self.addCleanup(tab.close)
        if tab.run("location.pathname") == "/sign-in":
            self.sign_in(tab, SUBJECTS[name])
        return tab

    def file(self, key=None, **fields):
        api = brokerlib.Api(8443, "/etc/pam-jit/broker-ca.pem", key=key or self.lab.api_key)
        self.addCleanup(api.close)
        return api.post("/request-access", {"requester": "op1", "role": "admin", "duration": 600, "service": "sudo",
                                            "target": "root", "publicKey": brokerlib.PUBLIC_KEY, "resume": True,
                                            "reason": "disk full", **fields})

    def filed(self, **fields):
        answer = self.file(**fields)
        self.assertEqual(answer.status, 200, answer.body)
        self.addCleanup(self.lab.as_approver, "appr2", "deny", answer.json["shortId"], check=False)
        return answer.json["shortId"], answer.json.get("code")

    def told(self, hook, request):
        """What that receiver was told of the request's filing."""
        def found():
            return [call for call in self.hooks[hook].taken() if request[0] in call.body.decode()]

        return wait_until(f"webhook {hook} hears of {request[0]}", found, 10)[0]

    # The way

    def test_one_signs_in_and_approves_real_sudo_with_the_keyboard_alone(self):
        tab = self.browser.new_person().tab(f"{SITE}/")
        self.addCleanup(tab.close)
        self.shoot(tab, "sign-in")
        self.assert_accessible(tab, "sign-in", self.axe_text)
        self.sign_in(tab, SUBJECTS["appr1"])
        self.assertEqual(tab.run("location.href"), f"{SITE}/")
        self.assertEqual(tab.run("document.cookie"), "")  # HttpOnly, all of them
        self.assertIn("Nothing waits for you", tab.text())
        tab.run("window.mark = 'the same document'")
        terminal = self.open_terminal(reason="INC-4711: disk full on /var")
        request = self.ask(terminal, "sudo sh -c 'echo I am $(id -un)'")
        card = self.card(tab, request)
        tab.wait(f"document.querySelector('[aria-live]').textContent.startsWith('New request {request[0]}: Any command')",
                 "it is announced")
        self.assertEqual(tab.run("window.mark"), "the same document")
        self.shoot(tab, "waiting")
        self.assert_accessible(tab, "waiting", self.axe_text)
        self.tab_to(tab, f"{card} input[name=code]")
        self.write(tab, f"{(int(request[1]) + 1) % 100:02}")
        self.enter(tab)
        self.assertIn("Not done. That is not the code", tab.text("#said"))
        self.assertEqual(tab.run("[document.activeElement.id, document.activeElement.getAttribute('role')]"),
                         ["said", "alert"])  # what is read out first
        self.assertEqual(self.lab.request(request[0])["status"], "PENDING")
        self.shoot(tab, "wrong-code")
        self.assert_accessible(tab, "wrong-code", self.axe_text)
        self.approve_while_others_come_and_go(tab, card, request)
        terminal.expect(rf"request {request[0]}: approved by appr1")
        status, text = terminal.finish()
        self.assertEqual((status, "I am root" in text), (0, True), text)
        self.shoot(tab, "approved")
        self.assert_accessible(tab, "approved", self.axe_text)

    def approve_while_others_come_and_go(self, tab, card, request):
        """Neither what is typed nor the place of the focus is lost when the list is renewed."""
        self.tab_to(tab, f"{card} input[name=code]")
        self.write(tab, request[1][0])
        other = self.filed(reason="something else")
        self.card(tab, other)
        self.write(tab, request[1][1])
        self.assertEqual(tab.run(f"document.querySelector('{card} input[name=code]').value"), request[1])
        self.tab_to(tab, f"{card} .yes")
        self.lab.as_approver("appr2", "deny", other[0])
        tab.wait(f"!document.querySelector('[data-key=\"{other[0]}\"]')")
        self.assertTrue(tab.run(f"document.activeElement.matches('{card} .yes')"), "the focus was lost")
        self.enter(tab)
        self.assertIn(f"Done. Request {request[0]} of op1 is approved.", tab.text("#said"))

    def test_what_has_the_focus_and_goes_leaves_its_reader_at_the_content(self):
        tab = self.page()
        request = self.filed()
        card = self.card(tab, request)
        self.tab_to(tab, f"{card} .no")
        self.lab.as_approver("appr2", "deny", request[0])
        tab.wait(f"!document.querySelector('{card}')")
        self.assertEqual(tab.run("document.activeElement.id"), "main")

    def test_a_messages_link_decides_nothing_and_one_approvers_word_is_seen_by_the_other(self):
        first = self.page()
        terminal = self.open_terminal()
        request = self.ask(terminal)
        link = self.told("plain", request).json["data"]["link"]
        self.assertTrue(link.startswith(f"{SITE}/r/{request[0]}?via=plain&"), link)
        second = self.page("appr2", link)
        self.assertEqual(second.run("location.pathname"), f"/r/{request[0]}")
        decided = self.page("appr1", f"/r/{request[0]}")
        for tab in (first, decided, second):
            self.assertEqual(tab.run("document.querySelectorAll('.yes').length"), 1)
        for path in (f"/r/{request[0]}/approve?code={request[1]}", f"/r/{request[0]}/deny", "/sign-out"):
            second.open(SITE + path)  # to go there does nothing
            self.assertEqual(self.lab.request(request[0])["status"], "PENDING", path)
        second.open(link)
        self.tab_to(second, "input[name=code]")
        self.write(second, request[1])
        self.enter(second)
        decided.wait("document.querySelector('article').innerText.includes('Approved by appr2')", "appr1 sees who it was")
        self.assertEqual(decided.run("document.querySelectorAll('.yes').length"), 0)
        decided.wait("document.getElementById('news').textContent.includes('In use')", "it is announced")
        first.wait(f"!!document.querySelector('[data-key=\"{request[0]}\"][data-status=ACTIVE]')")
        self.assertEqual(terminal.finish()[0], 0)
        self.revoke_and_find(decided, request)

    def revoke_and_find(self, tab, request):
        self.tab_to(tab, "input[name=comment]")
        self.write(tab, "enough now")
        self.enter(tab)
        self.assertIn(f"Request {request[0]} is revoked", tab.text("#said"))
        self.tab_to(tab, f"{PAGES} a[href='/history']")
        self.enter(tab)
        self.tab_to(tab, "#q")
        self.write(tab, request[0])
        self.enter(tab)
        self.assertEqual(tab.run("document.querySelectorAll('tbody tr').length"), 1)
        self.assertRegex(tab.text("tbody tr"), rf"(?s){request[0]}.*Revoked.*op1.*disk full.*appr2")
        self.shoot(tab, "history")
        self.assert_accessible(tab, "history", self.axe_text)

    def test_a_session_that_is_ended_leads_to_the_sign_in_and_back(self):
        tab = self.page()
        self.lab.broker.admin("sessions", "end", "appr1")
        self.filed()
        tab.wait("document.getElementById('live').innerText === 'You are signed out. Sign in again'", timeout=5)
        self.assertEqual(tab.run("document.querySelectorAll('article').length"), 0)  # nothing more was told
        self.tab_to(tab, "#live a")
        self.enter(tab)
        self.go_to_provider(tab)  # who still knows them
        tab.wait("location.pathname === '/' && document.querySelectorAll('article').length === 1")

    def test_a_stranger_reads_who_they_are(self):
        tab = self.browser.new_person().tab(f"{SITE}/history")
        self.addCleanup(tab.close)
        self.sign_in(tab, "31415<b>")
        self.assertEqual(tab.text("h1"), "Not signed in")
        self.assert_harmless(tab, "main", f"You are 31415<b> at {self.provider.issuer}, and here you cannot sign in: nobody "
                             "has that account")
        self.assertEqual(tab.run("document.querySelectorAll('nav, form').length"), 0)
        self.shoot(tab, "stranger")
        self.assert_accessible(tab, "stranger", self.axe_text)
        self.tab_to(tab, "main a")
        self.enter(tab)
        self.assertIn("Sign in with", tab.text("main"))

    # Hostile text

    def test_what_a_hostile_requester_writes_is_text_to_everybody(self):
        """As far as real sudo lets it through; then what a host that was taken over could send."""
        tab = self.page()
        terminal = self.open_terminal(reason=EVIL)
        request = self.ask(terminal, "sudo /bin/echo $'" + EVIL.encode("unicode_escape").decode().replace("'", "") + "'")
        self.check_page(tab, request)
        self.check_command_line(request)
        self.decide(request, "deny")
        self.assertNotEqual(terminal.finish()[0], 0)
        self.assert_terminal_is_clean(terminal, "denied by appr2: <script>alert(1)</script>")
        again = self.ask(terminal)
        self.decide(again, "approve", code=again[1])
        self.assertEqual(terminal.finish()[0], 0)
        self.assertEqual(terminal.run("jit status; jit end")[0], 0)
        self.assert_terminal_is_clean(terminal, again[0])
        taken_over = self.filed(reason=EVIL, command=EVIL, ticket=EVIL, cwd=EVIL, tty=EVIL, rhost=EVIL, session=EVIL,
                                forHost=EVIL_HOST)
        self.check_page(tab, taken_over, EVIL_HOST)
        self.check_command_line(taken_over)
        for one in (request, taken_over):
            self.check_messages(one)
        self.shoot(tab, "hostile")
        self.assert_no_script_ran()

    def decide(self, request, verb, **fields):
        """As no command of ours would: with a comment as hostile."""
        api = brokerlib.Api(8443, "/etc/pam-jit/broker-ca.pem", token=self.lab.tokens["appr2"])
        self.addCleanup(api.close)
        answer = api.post(f"/requests/{request[0]}/{verb}", {"comment": EVIL, **fields})
        self.assertEqual(answer.status, 200, answer.body)

    def check_page(self, tab, request, *more):
        card = self.card(tab, request)
        self.assert_harmless(tab, card, EVIL, *more)
        self.assertIn("<script>alert(1)</script><img src=x onerror=alert(1)> <!channel>", tab.text(f"{card} code"))
        whole = self.page("appr1", f"/r/{request[0]}")
        self.assert_harmless(whole, "article", EVIL, *more)

    def check_command_line(self, request):
        for said in (self.lab.as_approver("appr1", "list").stdout, self.lab.as_approver("appr1", "list", "--json").stdout,
                     self.lab.broker.admin("audit", "show").stdout):
            self.assertIn(request[0], said)
            self.assertNotRegex(said, STEERING)
            self.assertNotRegex(said, r"(?m)^(<5>|Bcc)")

    def assert_terminal_is_clean(self, terminal, said):
        text = terminal.transcript()
        shown = re.sub(r"\r\x1b\[K|\r", "", text)  # how the countdown draws itself
        self.assertIn(said, shown)
        self.assertNotRegex(shown, STEERING)
        self.assertNotRegex(shown, r"(?m)^(<5>|Bcc)")

    def check_messages(self, request):
        plain, slack = self.told("plain", request), self.told("slack", request).json["text"]
        self.assertNotRegex(plain.body.decode(), STEERING)
        self.assertNotRegex(json.dumps(plain.json, ensure_ascii=False), STEERING)
        self.assertNotRegex(slack.replace("\n", ""), STEERING)
        self.assertEqual(re.findall("<[^>]*", slack), re.findall(r"<https://broker\.example:8443/r/[^>]*", slack))
        self.assertNotRegex(re.sub("`[^`\n]*`", "", slack), "evil|channel|alert|Bcc")
        mail = wait_until("the mail comes", lambda: [m for m in self.mail.messages("appr1@example.com")
                                                     if request[0] in m["Subject"]], 10)[0]
        self.assertEqual((mail.get_content_type(), mail["From"], mail["To"], mail["Bcc"]),
                         ("text/plain", "jit@example.com", "appr1@example.com", None))
        self.assertEqual(len(mail.get_all("Subject")), 1)
        self.assertNotRegex(mail["Subject"], STEERING)
        body = mail.get_content()
        self.assertNotRegex(re.sub("\r?\n", "", body), STEERING)
        self.assertNotRegex(body, r"(?m)^(<5>|Bcc)")
        self.assertIn("<script>alert(1)</script>", body)

    def test_a_hosts_name_is_as_plain_as_its_key_is_made_for(self):
        for name in ("<script>", "web 1", "web\n1", "web\x1b[2J", "Bcc:", "x" * 64, "", "web/1", "wéb"):
            done = self.lab.broker.admin("key", "add", name, check=False)
            self.assertNotEqual(done.returncode, 0, name)
        key = self.lab.broker.admin("key", "add", ODD_HOST).stdout.strip().splitlines()[-1]
        request = self.filed(key=key)
        tab = self.page()
        self.assert_harmless(tab, self.card(tab, request), ODD_HOST)
        self.assertIn(ODD_HOST, self.told("slack", request).json["text"])
        for name in (EVIL_HOST + " x", EVIL_HOST + "\n", "\x1b[2J", "\u202ex"):
            self.assertEqual(self.file(forHost=name).status, 400, name)

    @classmethod
    def tearDownClass(cls):
        """Whatever was tried: each line of the logs is one of ours, and steers nothing."""
        for name in ("jit-broker", "jit-helper"):
            for line in read(cls.lab.log(name)).split("\n"):
                assert not re.search(STEERING, line), f"{name}: {line!r}"
                assert not line.startswith(("<5>", "Bcc")), f"{name}: {line!r}"
        for line in read(cls.lab.log("syslog")).split("\n"):
            assert not line.startswith(("<5>jit-broker", "Bcc")), f"syslog: {line!r}"
            assert "pam_jit" not in line or not re.search(STEERING, line), f"syslog: {line!r}"
        super().tearDownClass()


if __name__ == "__main__":
    import unittest
    unittest.main()
