"""Several brokers in order: the next one is asked when one does not answer, and a wait goes on across the change."""

import os
import time

import brokerlib
from badserver import BadServer, hang, hang_up, http, send
from lab import BROKER_CONF, LabCase, read, write

FIRST, SECOND, NOBODY = (f"https://broker.example:{port}" for port in (8443, 8444, 1))
SECOND_CONF = "/etc/jit-broker/second.conf"


def in_order(*urls):
    return {("helper", "broker"): "\nbroker = ".join(urls), ("helper", "broker_timeout"): "3s"}


class Failover(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.set_pam(account="timeout=15")

    def ask_in_order(self, *urls):
        self.lab.stop_helper()
        self.lab.configure(helper=in_order(*urls))
        self.lab.start_helper()
        self.addCleanup(self.lab.configure)

    def bad_server(self, answer, **how):
        server = BadServer(answer, "/run/lab/secrets", **how)
        self.addCleanup(server.close)
        return server

    def test_the_next_is_asked_at_once_where_one_does_not_answer(self):
        broken = [self.bad_server(hang_up), self.bad_server(send(http(b"<html/>", "text/html", "502 Bad Gateway")))]
        self.ask_in_order(NOBODY, *(f"https://broker.example:{server.port}" for server in broken), FIRST)
        terminal = self.open_terminal()
        began = time.monotonic()
        request = self.ask(terminal)
        self.assertLess(time.monotonic() - began, 3)
        self.approve(request)
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)

    def test_a_refusal_is_not_asked_for_a_second_opinion(self):
        """Nor is what makes no sense: it is an answer."""
        self.lab.set_pam(account="timeout=4")
        self.addCleanup(self.lab.set_pam, account="timeout=15")
        refusal = b'{"message":"role admin is not for you","error":"policy.requester"}'
        for answer, says in ((http(refusal, status="403 Forbidden"), "role admin is not for you"),
                             (http(b'{"message":"Forbidden"}', status="403 Forbidden"), "does not know this host's API key"),
                             (http(b'{"message":"Limit Exceeded"}', status="429 Too Many Requests"), "its usage plan"),
                             (http(b"", status="302 Found"), "HTTP status 302"),
                             (http(b"<html/>", "text/html"), "makes no sense"), (http(b"{}"), "makes no sense")):
            with self.subTest(says):
                server, second = self.bad_server(send(answer)), self.bad_server(hang)
                self.ask_in_order(*(f"https://broker.example:{each.port}" for each in (server, second)))
                status, text = self.open_terminal().run("sudo id")
                self.assertEqual(status, 1)
                self.assertIn(says, " ".join(text.split()))
                self.assertEqual(second.connections, 0)

    def test_when_none_answers_the_refusal_is_quick_and_names_all(self):
        self.ask_in_order(NOBODY, "https://broker.example:2")
        terminal = self.open_terminal()
        began = time.monotonic()
        status, text = terminal.run("sudo id")
        self.assertLess(time.monotonic() - began, 1, text)
        self.assertEqual(status, 1)
        # The helper's own call may have turned to the second one already, which is then asked first.
        one, two = (f"https://broker.example:{port}: connection refused" for port in (1, 2))
        self.assertRegex(text.replace("\n", ""), f"no broker answers: ({one}; {two}|{two}; {one});")

    def test_a_wait_goes_on_where_another_broker_takes_the_store_over(self):
        write(SECOND_CONF, read(BROKER_CONF).replace("127.0.0.1:8443", "127.0.0.1:8444"), 0o640, "root", "_jitbroker")
        self.addCleanup(os.unlink, SECOND_CONF)
        second = brokerlib.Broker("/usr/sbin/jit-broker", SECOND_CONF, self.lab.log("jit-broker-2"), port=8444,
                                  user="_jitbroker")
        self.ask_in_order(FIRST, SECOND)
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.lab.broker.stop()
        self.addCleanup(self.lab.broker.start)
        second.start()
        self.addCleanup(second.stop)
        self.lab.as_approver("appr1", "approve", request[0], "--code", request[1], "--url", SECOND)
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)
