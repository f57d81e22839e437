"""An approver at the page, in a real browser: requests of real sudo appear by themselves, are approved with their code or
denied in words that reach the terminal, and whatever a requester wrote stays text."""

import json
import os
import shutil
import subprocess
import sys

import brokerlib
import chrome
import npm
from lab import Lab, LabCase
from namespace import HOSTNAME, die_with_parent
from webpage import WebPage

prepare = npm.prepare
SOCKET = "/run/jit-broker/proxy.sock"
PEOPLE = {"appr1": 9441, "appr2": 9442, "op1": 9443, "stranger": 9444}
PAYLOADS = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'-alert(1)-'", "</title><svg/onload=alert(1)>",
            "javascript:alert(1)", "&lt;b&gt;", "\x1b[2J\x1b]0;owned\x07", "\u202etxt.exe\u2066", "{{7*7}}${7*7}", "A" * 250]


def address(person, path="/"):
    return f"https://broker.example:{PEOPLE[person]}{path}"


class PageCase(LabCase, WebPage):
    broker_conf = {("broker", "proxy_socket"): SOCKET, ("broker", "proxy_user"): "daemon",
                   **{(f"person {name}", "remote_user"): f"{name}@example.com" for name in ("appr1", "appr2", "op1")}}

    @classmethod
    def setUpClass(cls):
        chrome.find()
        Lab.here()
        os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
        shutil.chown(os.path.dirname(SOCKET), "_jitbroker", "_jitbroker")
        super().setUpClass()
        cls.start_proxy()
        cls.browser = chrome.Browser(cls.lab.log("chromium"))
        cls.addClassCleanup(cls.browser.close)

    @classmethod
    def start_proxy(cls):
        words = [f"{port}={name}@example.com" for name, port in PEOPLE.items()]
        proxy = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), "signing_proxy.py"), SOCKET,
                                  "daemon", "/etc/jit-broker/tls.crt", "/etc/jit-broker/tls.key", *words],
                                 stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        cls.addClassCleanup(proxy.wait)
        cls.addClassCleanup(proxy.stdout.close)
        cls.addClassCleanup(proxy.kill)
        assert proxy.stdout.readline() == b"ready\n"

    def page(self, name="appr1", path="/", script=True):
        """A tab of that person in a browser of their own."""
        tab = self.browser.new_person().tab()
        if not script:
            tab.without_script()
        tab.open(address(name, path))
        self.addCleanup(tab.close)
        return tab

    def file(self, **fields):
        """A request of a host's own making: the fields are what a requester controls."""
        api = brokerlib.Api(8443, "/etc/pam-jit/broker-ca.pem", key=self.lab.api_key)
        self.addCleanup(api.close)
        answer = api.post("/request-access", {"requester": "op1", "role": "admin", "duration": 600, "service": "sudo",
                                              "target": "root", "publicKey": brokerlib.PUBLIC_KEY, "resume": True,
                                              "reason": "disk full", **fields})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["shortId"], answer.json.get("code")


class Deciding(PageCase):
    broker_conf = {**PageCase.broker_conf, (f"host {HOSTNAME}", "may_request_for"): "*"}

    def test_a_request_of_sudo_appears_without_reload_and_its_code_lets_sudo_go_on(self):
        tab = self.page()
        self.assertIn("Nothing waits for you", tab.text())
        tab.run("window.mark = 'the same document'")
        terminal = self.open_terminal(reason="INC-4711: disk full on /var")
        request = self.ask(terminal, "sudo sh -c 'echo I am $(id -un)'")
        card = self.card(tab, request)
        tab.wait(f"document.title === '(1) Waiting · jit-broker' && document.getElementById('news').textContent"
                 f".startsWith('New request {request[0]}: Any command')", "it is announced")
        self.assertTrue(tab.text(f"{card} .grants").startswith("Any command that sudo, sudo-i, polkit-1 allow, as root on "
                                                              f"{HOSTNAME}, for "))
        self.assertIn("/bin/sh -c echo I am $(id -un)", tab.text(card).replace("/usr/bin", "/bin"))
        self.assertIn("INC-4711: disk full on /var", tab.text(card))
        left = tab.text(f"{card} .left")
        tab.wait(f"document.querySelector('{card} .left').innerText !== {json.dumps(left)}", "the time counts")
        self.shoot(tab, "waiting")
        self.assertEqual(tab.run("window.mark"), "the same document")
        wrong = f"{(int(request[1]) + 1) % 100:02}"
        tab.type(f"{card} input[name=code]", wrong)
        tab.send(f"{card} .yes")
        self.assertIn("2 tries are left", tab.text("#said"))
        self.assertIn("2 tries left", tab.text(card))
        self.shoot(tab, "wrong-code")
        tab.type(f"{card} input[name=code]", request[1])
        tab.run("window.old = true")
        tab.key("Enter", 13, "\r")
        tab.wait_for_page()
        self.assertIn(f"Request {request[0]} of op1 is approved.", tab.text("#said"))
        terminal.expect(rf"request {request[0]}: approved by appr1")
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        self.assertIn("I am root", text)
        tab.wait(f"!!document.querySelector('{card}[data-status=ACTIVE]')", "the grant is shown as in use")
        self.shoot(tab, "in-force")
        tab.type(f"{card} input[name=comment]", "enough now")
        tab.send(f"{card} .no")
        self.assertIn(f"Request {request[0]} is revoked; the last credential dies at ", tab.text("#said"))
        self.lab.wait_for_status(request[0], "REVOKED")

    def test_a_denial_with_its_comment_reaches_the_terminal_and_every_tab(self):
        person = self.browser.new_person()
        first, second = person.tab(address("appr1")), person.tab(address("appr1", "/history"))
        self.addCleanup(first.close)
        self.addCleanup(second.close)
        terminal = self.open_terminal()
        request = self.ask(terminal)
        card = self.card(first, request)
        second.open(address("appr1", f"/r/{request[0]}"))
        self.assertEqual(second.run("document.querySelectorAll('form.decide').length"), 1)  # a link has decided nothing
        self.assertEqual(self.lab.request(request[0])["status"], "PENDING")
        second.type("input[name=comment]", "not before the release, ask at noon")
        second.send(".no")
        self.assertIn(f"Request {request[0]} of op1 is denied.", second.text("#said"))
        self.assertIn("Denied by appr1", second.text("article"))
        terminal.expect("not before the release, ask at noon")
        self.assertNotEqual(terminal.finish()[0], 0)
        first.wait(f"!document.querySelector('{card}')", "the other tab has it no more")
        self.shoot(second, "denied")

    def test_what_is_being_typed_stays_when_something_else_happens(self):
        tab = self.page()
        request = self.file()
        card = self.card(tab, request)
        tab.type(f"{card} input[name=comment]", "half a sent")
        other = self.file(reason="something else")
        self.card(tab, other)
        tab.call("Input.insertText", text="ence")
        self.assertEqual(tab.run(f"document.querySelector('{card} input[name=comment]').value"), "half a sentence")
        self.lab.as_approver("appr1", "deny", other[0])
        tab.wait(f"!document.querySelector('[data-key=\"{other[0]}\"]')")
        self.assertEqual(tab.run("document.activeElement.value"), "half a sentence")
        self.lab.as_approver("appr1", "deny", request[0])

    def test_whatever_a_requester_wrote_stays_text(self):
        tab, whole = self.page(), self.page()
        for payload in PAYLOADS:
            host = "".join(c for c in payload if c.isprintable() and c != " ")  # another is refused
            request = self.file(reason=payload, command=payload, ticket=payload, cwd=payload, tty=payload, rhost=payload,
                                session=payload, forHost=host)
            card = self.card(tab, request)
            self.assert_harmless(tab, card, payload)
            whole.open(address("appr1", f"/r/{request[0]}"))
            self.assert_harmless(whole, "article", payload)
            self.lab.as_approver("appr2", "deny", request[0], "--comment", payload)
            whole.wait("document.querySelector('article').dataset.status === 'DENIED'")
            self.assert_harmless(whole, "article", payload)
        tab.open(address("appr1", "/history?q=%3Cscript%3E"))
        self.assert_harmless(tab, "table", PAYLOADS[0])
        self.shoot(tab, "history")
        self.assert_no_script_ran()

    def test_it_works_without_a_script(self):
        tab = self.page(script=False)
        terminal = self.open_terminal()
        request = self.ask(terminal)
        tab.open(address("appr1"))
        card = self.card(tab, request)
        tab.send(f"{card} a.id")
        self.assertEqual(tab.run("location.pathname"), f"/r/{request[0]}")
        self.assertIn("reload it", tab.text())
        tab.type("input[name=code]", request[1])
        tab.send(".yes")
        self.assertIn("is approved", tab.text("#said"))
        self.assertEqual(terminal.finish()[0], 0)
        tab.send("nav a[href='/history']")
        tab.type("#q", request[0])
        tab.send(".search button")
        self.assertIn(request[0], tab.text("table"))

    def test_who_signs_out_or_is_signed_out_decides_no_more(self):
        person = self.browser.new_person()
        first, second = person.tab(address("appr1")), person.tab(address("appr1"))
        self.addCleanup(first.close)
        self.addCleanup(second.close)
        request = self.file()
        card = self.card(second, request)
        first.send(".person button")
        self.assertIn("You are signed out", first.text("main"))
        self.shoot(first, "signed-out")
        second.wait("document.getElementById('live').innerText.includes('signed out')", timeout=5)
        second.send(f"{card} .no")
        self.assertIn("You are signed out", second.text("main"))
        self.assertEqual(self.lab.request(request[0])["status"], "PENDING")
        self.lab.as_approver("appr1", "deny", request[0])

    def test_whom_the_broker_does_not_know_is_told_so(self):
        tab = self.page("stranger")
        self.assertIn("The proxy says that you are stranger@example.com, and the broker knows no person by that name",
                      tab.text("main"))
        self.assertEqual(tab.run("document.querySelectorAll('nav, form').length"), 0)


class Reading(PageCase):
    broker_conf = {**PageCase.broker_conf, ("role admin", "approvals"): "2"}

    def test_a_quorum_and_ones_own_request_and_the_page_fits_its_readers(self):
        """And axe-core finds nothing to say of any page, light or dark."""
        axe = self.axe()
        request = self.file(reason="a quorum of two", ticket="INC-4711", rhost="192.0.2.7", loginUser="op2")
        first, second = self.page(), self.page("appr2", f"/r/{request[0]}")
        card = self.card(first, request)
        self.assertIn("0 of 2 approvals", first.text(card))
        first.type(f"{card} input[name=code]", request[1])
        first.send(f"{card} .yes")
        self.assertIn("it wants another approver too", first.text("#said"))
        self.assertIn("You have approved it", first.text(card))
        second.wait("document.querySelector('.quorum').innerText.startsWith('1 of 2')")
        own = self.page("op1", f"/r/{request[0]}")
        self.assertIn("This is your own request", own.text("article"))
        self.assertEqual(own.run("document.querySelectorAll('.decide').length"), 0)
        history = self.page(path="/history")
        empty = self.page("op1")
        for name, tab in (("list", first), ("request", second), ("own", own), ("history", history), ("empty", empty)):
            self.shoot(tab, name)
            self.assert_accessible(tab, name, axe)
        self.walk(second)

    def walk(self, tab):
        """Everything that can be done is reached by the Tab key, in its order, and shows that it is."""
        tab.run("document.activeElement.blur(); window.scrollTo(0, 0)")
        reached = []
        for _ in range(12):
            tab.key("Tab", 9)
            reached.append(tab.run("(e => [e.textContent.trim() || e.name, getComputedStyle(e).outlineStyle])"
                                   "(document.activeElement)"))
        names = [name for name, _ in reached]
        for wanted in ("Skip to the content", "Waiting", "History", "Sign out", "code", "comment"):
            self.assertIn(wanted, names)
        self.assertTrue(any(name.startswith("Approve request") for name in names), names)
        self.assertNotIn("none", [outline for name, outline in reached if name in ("code", "History", "Sign out")])


if __name__ == "__main__":
    import unittest
    unittest.main()
