"""Break-glass: who may go on when no broker answers, how it is asked for, and how it is told afterwards."""

import json
import os
import shutil
import subprocess
import time

from badserver import BadServer, hang, http, send, send_and_hang
from brokerlib import make_tls
from lab import HELPER_STATE, NOPASSWD, LabCase, read
from terminal import wait_until

GROUP = "oncall-glass"
SPOOL = "/var/lib/pam-jit"
WORDS = r'No broker can be reached\. To go on without an approval type "break glass" \(it is logged and reported\): '
REASON = r"Reason \(at least 8 characters\): "
WHY = "the broker is on fire"
NOBODY = "https://broker.example:1"


class Glass(LabCase):
    helper_conf = {("helper", "break_glass_group"): GROUP, ("helper", "broker_timeout"): "2s"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if subprocess.run(["getent", "group", GROUP], stdout=subprocess.DEVNULL).returncode:
            subprocess.run(["groupadd", GROUP], check=True)
            subprocess.run(["usermod", "-aG", GROUP, "op1"], check=True)

    def setUp(self):
        if self.lab.broker.process is None:
            self.lab.broker.start()
        wait_until("what earlier tests did is told", lambda: not os.listdir(SPOOL), 20)
        self.told_before = len(self.events())

    def events(self):
        records, after = [], 0
        while True:
            page = self.lab.ask_broker(f"/audit?after={after}", self.lab.tokens["appr1"])
            if not page["records"]:
                return [record for record in records if record["action"].startswith("host.break_glass.")]
            records += page["records"]
            after = page["next"]

    def wait_for_events(self, count):
        """What came since this test began, once it is so many."""
        wait_until(f"{count} events arrive", lambda: len(self.events()) - self.told_before >= count, 20)
        told = self.events()[self.told_before:]
        self.assertEqual(len(told), count, told)
        return told

    def stop_broker(self):
        self.lab.broker.stop()

    def broker_returns(self):
        self.lab.broker.start()

    def restart_helper(self, kill=False, **changes):
        self.lab.stop_helper(kill)
        self.lab.configure(helper={**self.helper_conf, **changes.get("helper", {})})
        self.lab.start_helper()

    def configured(self, **changes):
        self.restart_helper(helper={("helper", key): value for key, value in changes.items()})
        self.addCleanup(self.restart_helper)

    def break_glass(self, terminal, command="sudo id"):
        terminal.start(command)
        terminal.expect(WORDS)
        terminal.type("break glass")
        terminal.expect(REASON)
        terminal.type(WHY)
        return terminal.finish()

    def assert_open(self, result):
        status, text = result
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)

    def assert_shut(self, result, *said):
        status, text = result
        self.assertEqual(status, 1, text)
        self.assertNotIn("uid=0", text)
        for words in said:
            self.assertIn(words, " ".join(text.split()))

    def test_a_member_gets_in_and_the_broker_hears_of_it_when_it_returns(self):
        terminal = self.open_terminal(reason=None)
        self.stop_broker()
        self.assert_open(self.break_glass(terminal))
        # The grant lives in this session: the next one asks nobody, and says whose approval it is not.
        self.assert_open(terminal.run("sudo id"))
        self.assertIn("NOBODY: this is break-glass", terminal.run("jit status")[1])
        grants = json.loads(terminal.run("jit status --json")[1])["grants"]
        self.assertEqual([(grant["breakGlass"], grant.get("approvedBy")) for grant in grants], [(True, None)])
        self.assertRegex(read(self.lab.log("jit-helper")), rf"BREAK-GLASS: op1 becomes root by sudo .*reason: {WHY}")
        self.assertEqual(terminal.run("jit end")[0], 0)
        self.broker_returns()
        begin, end = self.wait_for_events(2)
        self.assertEqual((begin["action"], end["action"]), ("host.break_glass.begin", "host.break_glass.end"))
        detail = begin["detail"]
        self.assertEqual({key: detail[key] for key in ("requester", "loginUser", "service", "target", "role", "reason")},
                         {"requester": "op1", "loginUser": "op1", "service": "sudo", "target": "root", "role": "admin",
                          "reason": WHY})
        self.assertIn("id", detail["command"])
        self.assertIn("connection refused", detail["trouble"])
        self.assertEqual(end["detail"]["grant"], detail["grant"])
        self.assertEqual(os.listdir(SPOOL), [])
        # Never told as a request.
        self.assertNotIn(detail["grant"], str(self.lab.ask_broker("/requests")))

    def test_the_record_arrives_once_whatever_becomes_of_the_helper(self):
        terminal = self.open_terminal(reason=None)
        self.stop_broker()
        self.assert_open(self.break_glass(terminal))
        self.restart_helper(kill=True)
        self.assert_open(terminal.run("sudo id"))  # it goes on over a restart, as any grant
        self.restart_helper()
        self.broker_returns()
        self.assertEqual([event["action"] for event in self.wait_for_events(1)], ["host.break_glass.begin"])
        self.restart_helper(kill=True)
        terminal.close()  # its session ends, and with it the grant
        events = self.wait_for_events(2)
        self.assertEqual(events[1]["action"], "host.break_glass.end")
        self.assertEqual(events[0]["detail"]["grant"], events[1]["detail"]["grant"])

    def test_an_end_that_was_recorded_is_not_undone_by_an_older_state(self):
        terminal = self.open_terminal(reason=WHY)
        self.stop_broker()
        self.assert_open(terminal.run("JIT_BREAK_GLASS=yes sudo -n id"))
        shutil.copy2(HELPER_STATE, "/run/lab/older-state")  # killed before what follows was written there
        self.assertEqual(terminal.run("jit end")[0], 0)
        self.lab.stop_helper(kill=True)
        shutil.copy("/run/lab/older-state", HELPER_STATE)  # into the file, which stays the helper's
        self.lab.start_helper()
        self.assert_shut(terminal.run("sudo -n id"), "connection refused")
        self.broker_returns()
        self.assertEqual([event["action"] for event in self.wait_for_events(2)],
                         ["host.break_glass.begin", "host.break_glass.end"])

    def test_whoever_is_no_member_is_refused_in_under_a_second(self):
        for brokers in (None, f"{NOBODY}\nbroker = https://broker.example:2"):
            with self.subTest(brokers):
                if brokers:
                    self.configured(broker=brokers)
                terminal = self.open_terminal("op2")
                if not brokers:
                    self.stop_broker()
                began = time.monotonic()
                self.assert_shut(terminal.run("sudo id"), "connection refused")
                self.assertLess(time.monotonic() - began, 1)

    def test_nobody_is_a_member_where_no_group_is_named(self):
        self.configured(break_glass_group=None)
        terminal = self.open_terminal()
        self.stop_broker()
        self.assert_shut(terminal.run("sudo id"), "connection refused")

    def test_asked_for_in_the_environment_it_needs_no_question(self):
        self.stop_broker()
        terminal = self.open_terminal(reason=WHY)
        self.assert_open(terminal.run("JIT_BREAK_GLASS=yes sudo -n id"))
        self.assert_open(terminal.run("sudo -n id"))
        without = self.open_terminal(reason=WHY)
        self.assert_shut(without.run("sudo -n id"), "break-glass needs a terminal, or JIT_BREAK_GLASS=yes")
        no_reason = self.open_terminal(reason="short")
        self.assert_shut(no_reason.run("JIT_BREAK_GLASS=yes sudo -n id"), "break-glass needs a terminal")
        not_member = self.open_terminal("op2", reason=WHY)
        self.assert_shut(not_member.run("JIT_BREAK_GLASS=yes sudo -n id"), "connection refused")

    def test_other_words_are_no_break_glass(self):
        self.stop_broker()
        terminal = self.open_terminal(reason=None)
        for typed in ("yes", "", "break  glass", "BREAK GLASS", "break glass now"):
            with self.subTest(typed):
                terminal.start("sudo id")
                terminal.expect(WORDS)
                terminal.type(typed)
                self.assert_shut(terminal.finish(), "connection refused")

    def test_without_a_reason_there_is_none(self):
        self.stop_broker()
        terminal = self.open_terminal(reason=None)
        terminal.start("sudo id")
        terminal.expect(WORDS)
        terminal.type("break glass")
        for typed in ("", "short", "a b c d e"):
            terminal.expect(REASON)
            terminal.type(typed)
        self.assert_shut(terminal.finish(), "a reason of at least 8 characters")

    def test_what_cannot_be_recorded_is_refused(self):
        self.stop_broker()
        terminal = self.open_terminal(reason=WHY)
        before = set(os.listdir(SPOOL))
        self.lab.stop_helper()
        shutil.chown(SPOOL, "root")
        self.addCleanup(shutil.chown, SPOOL, "_jit")
        self.lab.start_helper()
        self.assert_shut(terminal.run("JIT_BREAK_GLASS=yes sudo id"), "its record cannot be kept on this host")
        self.assertEqual(set(os.listdir(SPOOL)), before)
        shutil.chown(SPOOL, "_jit")
        self.assert_open(terminal.run("JIT_BREAK_GLASS=yes sudo id"))

    def test_it_ends_in_time(self):
        self.configured(break_glass_duration="3s")
        self.stop_broker()
        terminal = self.open_terminal(reason=WHY)
        self.assert_open(terminal.run("JIT_BREAK_GLASS=yes sudo id"))
        terminal.start("sudo -n sleep 60")
        began = time.monotonic()
        terminal.finish(20)
        self.assertLess(time.monotonic() - began, 15)
        self.assert_shut(terminal.run("sudo -n id"), "connection refused")
        self.broker_returns()
        begin, end = self.wait_for_events(2)
        self.assertIn("time", end["detail"]["why"])

    def test_its_time_runs_from_the_verdict_even_where_no_session_is_opened(self):
        self.configured(break_glass_duration="2s")
        self.stop_broker()
        terminal = self.open_terminal(reason=WHY)
        self.addCleanup(self.lab.set_sudoers, NOPASSWD)
        self.lab.set_sudoers(f"Defaults !pam_session\n{NOPASSWD}")
        self.assert_open(terminal.run("JIT_BREAK_GLASS=yes sudo -n id"))
        wait_until("it ends", lambda: terminal.run("jit status")[0] == 1, 10)
        self.assert_shut(terminal.run("sudo -n id"), "connection refused")

    def test_it_gives_no_credentials_of_aws_when_the_broker_is_back_either(self):
        self.stop_broker()
        terminal = self.open_terminal(reason=WHY)
        self.assert_open(terminal.run("JIT_BREAK_GLASS=yes sudo -n id"))
        self.broker_returns()
        status, text = terminal.run("sudo -n jit credentials")
        self.assertNotEqual(status, 0, text)
        self.assertNotIn("SecretAccessKey", text)
        self.assertIn("the role of this session has no AWS credentials", text)
        self.assertEqual(terminal.run("jit end")[0], 0)
        self.wait_for_events(2)

    def test_no_answer_that_refuses_opens_it_and_none_that_makes_no_sense(self):
        answers = {
            "403": http(b'{"message":"no","error":"policy.requester"}', status="403 Forbidden"),
            "403 of the key": http(b'{"message":"Forbidden"}', status="403 Forbidden"),
            "429": http(b'{"message":"later"}', status="429 Too Many Requests"),
            "garbage": http(b"{}"),
            "html": http(b"<html/>", "text/html"),
            "too large": http(b"x" * 1_000_000),
            "no http": b"220 mail.example ESMTP ready\r\n",
            "redirect": http(b"", status="302 Found"),
        }
        answers = {name: send(answer) for name, answer in answers.items()}
        answers["a refusal that stalls"] = send_and_hang(http(b"{", status="403 Forbidden", length=100))
        terminal = self.open_terminal(reason=WHY)
        for name, answer in answers.items():
            for glass in ("", f"{NOBODY}\nbroker = "):  # alone, and after one that does not answer at all
                with self.subTest(name, behind=bool(glass)):
                    server = BadServer(answer, "/run/lab/secrets")
                    self.restart_helper(helper={("helper", "broker"):
                                                f"{glass}https://broker.example:{server.port}"})
                    self.assert_shut(terminal.run("JIT_BREAK_GLASS=yes sudo -n id"))
                    server.close()
        self.restart_helper()
        self.assertEqual(len(self.events()), self.told_before)

    def test_no_answer_at_all_opens_it_whatever_is_the_cause(self):
        other = "/run/lab/glass-ca"
        os.makedirs(other, exist_ok=True)
        make_tls(other)
        servers = {
            "a 500": BadServer(send(http(b'{"error":"x"}', status="500 Oops")), "/run/lab/secrets"),
            "a certificate of another CA": BadServer(send(http(b"{}")), other),
            "silence": BadServer(hang, "/run/lab/secrets"),
            "a gateway": BadServer(send(http(b"<html/>", "text/html", "503 Unavailable")), "/run/lab/secrets"),
        }
        self.addCleanup(self.restart_helper)
        for name, server in servers.items():
            with self.subTest(name):
                self.addCleanup(server.close)
                self.restart_helper(helper={("helper", "broker"): f"https://broker.example:{server.port}"})
                self.assert_open(self.open_terminal(reason=WHY).run("JIT_BREAK_GLASS=yes sudo -n id", timeout=15))
