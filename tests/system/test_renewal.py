"""Credentials are renewed behind the reader's back: while a broker hangs or fails in the middle of it, who asks is answered
from memory until the old ones end, is then told so, and finds new ones when the broker is itself again. Between the helper
and a real broker (whose credentials are for show) stands one that can be told to misbehave."""

import datetime
import http.client
import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

import brokerlib
from lab import PAM_SOCKET, LabCase, read
from namespace import die_with_parent
from stscase import FULL, HERE, lines_in
from terminal import wait_until

LIFETIME = 5  # seconds of each set of credentials
HOLD = 30
UNAVAILABLE = 4  # exit status of `jit credentials`


class Between(http.server.ThreadingHTTPServer):
    """Passes every call on to the broker, but those for credentials while `mode` is "hang" or a status."""

    daemon_threads = True

    def __init__(self):
        self.mode = None
        self.asked = []  # when credentials were asked for, epoch seconds
        self.well = threading.Event()
        super().__init__(("127.0.0.1", 0), PassOn)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def misbehave(self, mode):
        self.well.clear()
        self.mode = mode

    def recover(self):
        self.mode = None
        self.well.set()


class PassOn(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/credentials"):
            self.server.asked.append(time.time())
            if self.server.mode == "hang":
                self.server.well.wait(HOLD)
                self.close_connection = True
                return
            if self.server.mode:
                self.reply(self.server.mode, b'{"message":"No luck today.","error":"issuer.unavailable"}')
                return
        context = brokerlib.trusting("/etc/pam-jit/broker-ca.pem")
        broker = http.client.HTTPSConnection("broker.example", 8443, timeout=40, context=context)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        broker.request(self.command, self.path, body or None, headers)
        said = broker.getresponse()
        self.reply(said.status, said.read())
        broker.close()

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer


def epoch(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class RenewalCase(LabCase):
    lifetime = LIFETIME

    @classmethod
    def setUpClass(cls):
        cls.between = Between()
        cls.addClassCleanup(cls.between.shutdown)
        cls.broker_conf = {("role admin", "credential_lifetime"): f"{cls.lifetime}s"}
        cls.helper_conf = {("helper", "broker"): f"http://127.0.0.1:{cls.between.server_port}",
                           ("helper", "plain_loopback"): "yes", ("helper", "broker_timeout"): "3s"}
        super().setUpClass()

    def watched(self, seconds=60):
        """`jit credentials` each 50 ms in an elevated session: (terminal, request, path of the answers)."""
        terminal, path = self.open_terminal(), f"/run/lab/{self.id().rsplit('.', 1)[-1]}.jsonl"
        request = self.ask(terminal, "sudo sh")
        self.approve(request)
        self.assertEqual(terminal.finish()[0], 0)
        terminal.run(f"/usr/bin/python3 {HERE}/watch_credentials.py {path} 0.05 {seconds} >/dev/null 2>&1 &")
        wait_until("the watch has credentials", lambda: any(line["status"] == 0 for line in lines_in(path)), 10)
        return terminal, request[0], path


class Misbehaving(RenewalCase):
    lifetime = 8  # long enough that credentials which others are to follow would be held back for their last two seconds

    def check(self, mode, sentence):
        _, _, path = self.watched()
        self.addCleanup(self.between.recover)
        self.between.misbehave(mode)
        wait_until("the reader is told", lambda: lines_in(path)[-1]["status"] != 0, 25)
        self.between.recover()
        failed = lines_in(path)[-1]
        wait_until("there are credentials again", lambda: lines_in(path)[-1]["status"] == 0, 10)
        lines = lines_in(path)
        good = [line for line in lines if line["at"] < failed["at"] and line["status"] == 0]
        end = epoch(good[-1]["expiration"])
        self.assertGreater(good[-1]["at"], end - 1.5, "the old ones are handed out until they end")
        self.assertLess(good[-1]["at"] + good[-1]["took"], end + 0.1, "and not after it")
        self.assertLess(max(line["took"] for line in good), 1.0, "nobody waited while there were any")
        self.assertEqual(failed["status"], UNAVAILABLE)
        self.assertRegex(failed["said"], sentence)
        self.assertNotEqual(lines[-1]["key"], good[-1]["key"])

    def test_a_broker_that_hangs(self):
        self.check("hang", "^jit: the last credentials are over, and the broker gave no new ones: .*; try again in a moment$")

    @unittest.skipUnless(FULL, "like the test of a broker that hangs; run with --full")
    def test_a_broker_that_fails(self):
        self.check(503, "^jit: the last credentials are over, and the broker gave no new ones: No luck today; try again in a "
                   "moment$")


class Quiet(RenewalCase):
    def test_renewal_is_at_two_thirds_of_a_life_and_nobody_waits_for_it(self):
        _, _, path = self.watched(2 * LIFETIME + 3)
        self.between.asked.clear()
        wait_until("two renewals", lambda: len(self.between.asked) > 2, 3 * LIFETIME)
        pauses = [later - sooner for sooner, later in zip(self.between.asked, self.between.asked[1:])]
        for pause in pauses:
            self.assertAlmostEqual(pause, LIFETIME * 2 / 3, delta=LIFETIME * 0.1)
        lines = lines_in(path)
        self.assertEqual([line for line in lines if line["status"] != 0], [])
        self.assertLess(max(line["took"] for line in lines), 0.5)

    def test_renewal_ends_with_the_elevation(self):
        terminal, request, _ = self.watched(1)
        terminal.run("exit")
        self.lab.wait_for_status(request, "ACTIVE")
        time.sleep(0.2)
        self.between.asked.clear()
        time.sleep(LIFETIME)  # that nothing happens has no event
        self.assertEqual(self.between.asked, [])


class AfterSuspend(LabCase):
    """A host that has slept for ten days: the time since boot is that far ahead of the time awake. (The suspend itself cannot
    be had here: the helper is started into such a time.)"""

    SLEPT = 10 * 86400  # seconds
    GRANT = 2 * LIFETIME
    broker_conf = {("role admin", "credential_lifetime"): f"{LIFETIME}s"}
    helper_conf = {("service sudo", "duration"): f"{GRANT}s"}

    @classmethod
    def setUpClass(cls):
        if not os.path.exists("/proc/self/ns/time"):
            raise unittest.SkipTest("this kernel has no time namespaces")
        super().setUpClass()
        cls.lab.stop_helper()
        with open(cls.lab.log("jit-helper"), "ab") as out:
            cls.lab.helper = subprocess.Popen([sys.executable, f"{HERE}/in_time.py", str(cls.SLEPT), "/usr/sbin/jit-helper"],
                                              stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/",
                                              preexec_fn=die_with_parent)
        wait_until("jit-helper takes connections", cls.serving, 20)

    @staticmethod
    def serving():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            return sock.connect_ex(PAM_SOCKET) == 0

    def test_renewals_and_the_grants_end_come_in_time(self):
        """Of the helper's own accord: nobody asks it, and at the end the broker does not answer."""
        def said(what):
            return len(re.findall(rf"{request[0]}: {what}", read(self.lab.log("jit-helper"))))

        terminal = self.open_terminal()
        request = self.ask(terminal, "sudo sh")
        self.approve(request)
        began = time.time()
        terminal.finish()
        wait_until("they are renewed", lambda: said("credentials for") == 2, LIFETIME + 2)
        broker = self.lab.broker.process
        broker.send_signal(signal.SIGSTOP)
        self.addCleanup(broker.send_signal, signal.SIGCONT)
        wait_until("the grant is over", lambda: said("grant .* has ended: its time is over"), self.GRANT + 2)
        self.assertAlmostEqual(time.time() - began, self.GRANT, delta=2)
