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
from terminal import wait_until

prepare = npm.prepare
SOCKET = "/run/jit-broker/proxy.sock"
PEOPLE = {"appr1": 9441, "appr2": 9442, "op1": 9443, "stranger": 9444}
PAYLOADS = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'-alert(1)-'", "</title><svg/onload=alert(1)>",
            "javascript:alert(1)", "&lt;b&gt;", "\x1b[2J\x1b]0;owned\x07", "\u202etxt.exe\u2066", "{{7*7}}${7*7}", "A" * 300]


def address(person, path="/"):
    return f"https://broker.example:{PEOPLE[person]}{path}"


class PageCase(LabCase):
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

    def shoot(self, tab, name):
        for look, how in (("desktop", {}), ("dark", {"dark": True}), ("phone", {"width": 390, "height": 844, "phone": True}),
                          ("phone-dark", {"width": 390, "height": 844, "phone": True, "dark": True})):
            tab.look(**how)
            tab.screenshot(os.path.join(self.lab.logs, f"{name}-{look}.png"))
        tab.look()

    def card(self, tab, request):
        """Waits until the page shows that request; its selector."""
        selector = f'article[data-key="{request[0]}"]'
        tab.wait(f"!!document.querySelector({json.dumps(selector)})", f"request {request[0]} appears", 5)
        return selector

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
    def test_a_request_of_sudo_appears_without_reload_and_its_code_lets_sudo_go_on(self):
        tab = self.page()
        self.assertIn("Nothing waits for you", tab.text())
        tab.run("window.mark = 'the same document'")
        terminal = self.open_terminal(reason="INC-4711: disk full on /var")
        request = self.ask(terminal, "sudo systemctl restart nginx.service --no-block; sudo -k; id -u")
        card = self.card(tab, request)
        self.shoot(tab, "waiting")
        self.assertEqual(tab.run("window.mark"), "the same document")


if __name__ == "__main__":
    import unittest
    unittest.main()
