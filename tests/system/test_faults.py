"""A broker that is away, or is something else: sudo refuses, with one line that names the cause, within the wait that
is configured."""

import os
import re
import subprocess
import time

import brokerlib
from badserver import BadServer, hang, hang_up, http, send
from lab import EXAMPLES, HELPER_CONF, WAITING, LabCase, read, write

CALL = 2  # seconds: broker_timeout
WAIT = 6  # seconds: the module's timeout
SLACK = 1.5


class Faults(LabCase):
    helper_conf = {("helper", "broker_timeout"): f"{CALL}s"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.set_pam(account=f"timeout={WAIT}")
        cls.broken = "/run/lab/other-ca"
        os.makedirs(cls.broken, exist_ok=True)
        brokerlib.make_tls(cls.broken)

    def point_helper_at(self, port, name="broker.example"):
        self.lab.stop_helper()
        self.lab.configure(helper={**self.helper_conf, ("helper", "broker"): f"https://{name}:{port}"})
        self.lab.start_helper()

    def assert_refused(self, cause, limit):
        """One line of ours that matches cause, exit status 1, within limit seconds, and root was nobody."""
        terminal = self.open_terminal()
        began = time.monotonic()
        status, text = terminal.run("sudo id", timeout=limit + 10)
        took = time.monotonic() - began
        ours = [line.split("\r")[-1] for line in text.split("\n") if "jit: " in line]
        self.assertEqual((status, len(ours)), (1, 1), text)
        self.assertRegex(ours[0], cause)
        self.assertNotIn("uid=0", text)
        self.assertLess(took, limit + SLACK, text)

    def assert_bad_server_is_refused(self, answer, cause, limit=CALL, folder="/run/lab/secrets", **how):
        server = BadServer(answer, folder, **how)
        self.addCleanup(server.close)
        self.point_helper_at(server.port)
        self.assert_refused(cause, limit)
        self.assertGreater(server.connections, 0, "the server was asked")

    def test_nobody_listens(self):
        self.point_helper_at(1)
        self.assert_refused(r"cannot reach the broker at https://broker.example:1: .*refused", CALL)

    def test_its_name_does_not_resolve(self):
        self.point_helper_at(8443, "nowhere.example")
        self.assert_refused(r"cannot reach the broker at https://nowhere.example:8443: .*resolve", CALL)

    def test_it_takes_the_connection_and_says_nothing(self):
        self.assert_bad_server_is_refused(hang, "did not answer in time", plain=True)

    def test_it_hangs_after_the_question(self):
        self.assert_bad_server_is_refused(hang, "did not answer in time")

    def test_it_answers_html(self):
        page = http(b"<html><body>Welcome to the captive portal</body></html>", "text/html")
        self.assert_bad_server_is_refused(send(page), "makes no sense.*text/html")

    def test_it_answers_json_of_another_kind(self):
        self.assert_bad_server_is_refused(send(http(b'{"status":"APPROVED"}')), "makes no sense")

    def test_it_answers_ten_megabytes(self):
        self.assert_bad_server_is_refused(send(http(b"x" * 10_000_000)), "too large")

    def test_it_breaks_off_in_its_answer(self):
        cut = http(b'{"message":', length=500)
        self.assert_bad_server_is_refused(send(cut), "broke the connection off", WAIT)

    def test_it_hangs_up(self):
        self.assert_bad_server_is_refused(hang_up, "broke the connection off", WAIT)

    def test_it_speaks_no_http(self):
        self.assert_bad_server_is_refused(send(b"220 mail.example ESMTP ready\r\n"), "broker at https://broker.example")

    def test_it_fails_with_500(self):
        self.assert_bad_server_is_refused(send(http(b"{}", status="500 Oops")), "failed with HTTP status 500")

    def test_its_gateway_fails_with_502_until_the_wait_is_over(self):
        page = http(b"<html>Bad Gateway</html>", "text/html", "502 Bad Gateway")
        self.assert_bad_server_is_refused(send(page), "failed with HTTP status 502", WAIT)

    def test_its_certificate_is_of_another_ca(self):
        self.assert_bad_server_is_refused(send(http(b"{}")), "certificate", folder=self.broken)

    def test_its_certificate_is_for_another_name(self):
        folder = "/run/lab/other-name"
        os.makedirs(folder, exist_ok=True)
        brokerlib.make_certificate("/run/lab/secrets", folder, names=("elsewhere.example",), addresses=())
        self.assert_bad_server_is_refused(send(http(b"{}")), "certificate|name", folder=folder)

    def test_it_does_not_speak_tls(self):
        self.assert_bad_server_is_refused(send(http(b"{}")), "cannot reach the broker at https", plain=True)

    def test_it_does_not_know_the_hosts_key(self):
        self.point_helper_at(8443)
        good = self.lab.api_key
        wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
        self.addCleanup(self.lab.set_api_key, good)
        self.lab.set_api_key(wrong)
        self.lab.stop_helper()
        self.lab.start_helper()
        self.assert_refused("does not know this host's API key", CALL)


class MidWait(LabCase):
    """What ends while somebody waits for a decision."""

    helper_conf = {("helper", "broker_timeout"): f"{CALL}s"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.set_pam(account=f"timeout={WAIT}")

    def test_nobody_decides(self):
        terminal = self.open_terminal()
        began = time.monotonic()
        short, _ = self.ask(terminal)
        status, text = terminal.finish(WAIT + 5)
        self.assertLess(time.monotonic() - began, WAIT + SLACK)
        self.assertEqual(status, 1)
        self.assertRegex(text, rf"jit: request {short}: nobody decided within")
        self.lab.wait_for_status(short, "CANCELLED", 5)

    def test_the_broker_is_killed_and_the_wait_ends_in_time(self):
        terminal = self.open_terminal()
        began = time.monotonic()
        self.ask(terminal)
        self.lab.broker.stop(kill=True)
        self.addCleanup(self.lab.broker.start)
        status, text = terminal.finish(WAIT + 5)
        self.assertLess(time.monotonic() - began, WAIT + SLACK)
        self.assertEqual(status, 1)
        self.assertEqual(text.count("jit: "), 1, text)

    def test_a_restarted_broker_knows_the_request_and_its_approval_arrives(self):
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.lab.broker.stop(kill=True)
        self.lab.broker.start()
        self.approve(request)
        status, text = terminal.finish(WAIT + 5)
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)

    def test_a_killed_helper_refuses_at_once(self):
        terminal = self.open_terminal()
        self.ask(terminal)
        self.addCleanup(self.lab.start_helper)
        began = time.monotonic()
        self.lab.stop_helper(kill=True)
        status, text = terminal.finish(5)
        self.assertLess(time.monotonic() - began, 1)
        self.assertEqual(status, 1)
        self.assertIn("jit: jit-helper went away", text)

    def test_what_a_killed_helper_left_at_the_broker_is_ended_by_the_next_one(self):
        """Nobody waits for that request any more, and nobody knows of that grant: no approver is to be asked for it."""
        granted = self.run_approved(self.open_terminal())[0]
        waiting, _ = self.ask(self.open_terminal("op2"))
        self.lab.stop_helper(kill=True)
        self.lab.forget_state()
        self.lab.start_helper()
        self.lab.wait_for_status(waiting, "CANCELLED", 5)
        self.lab.wait_for_status(granted, "ENDED", 5)

    def test_without_a_helper_sudo_says_so(self):
        self.lab.stop_helper()
        self.addCleanup(self.lab.start_helper)
        status, text = self.open_terminal().run("sudo id")
        self.assertEqual(status, 1)
        self.assertRegex(text, "jit: .*jit-helper")
        self.assertNotIn("uid=0", text)

    def test_a_restarted_helper_serves_the_next_sudo(self):
        self.lab.stop_helper()
        self.lab.start_helper()
        terminal = self.open_terminal()
        terminal.start("sudo id")
        terminal.expect(WAITING)
        terminal.interrupt()
        terminal.finish()


class Check(LabCase):
    """`jit-helper --check` finds before anybody is gated what would refuse everybody afterwards."""

    def check(self):
        done = subprocess.run(["/usr/sbin/jit-helper", "--check"], capture_output=True, text=True, timeout=10)
        return done.returncode, done.stdout + done.stderr

    def test_a_good_configuration_is_in_order(self):
        self.assertEqual(self.check(), (0, "/etc/pam-jit/jit-helper.conf is in order; "
                                           "the broker is https://broker.example:8443\n"))

    def test_a_break_glass_group_that_does_not_exist_is_named(self):
        text = read(HELPER_CONF)
        self.addCleanup(write, HELPER_CONF, text)
        write(HELPER_CONF, text.replace("[helper]", "[helper]\nbreak_glass_group = glas"))
        self.assertEqual(self.check(), (1, "jit-helper: break_glass_group glas does not exist: nobody could break the "
                                           "glass\n"))

    def test_what_the_example_has_in_comments_is_a_configuration(self):
        example = read(f"{EXAMPLES}/jit-helper.conf")
        text, count = re.subn(r"^# (?=\[|[a-z_]+ = )", "", example, flags=re.M)
        self.assertGreater(count, 12)
        self.addCleanup(write, HELPER_CONF, read(HELPER_CONF))
        write("/etc/pam-jit/host.crt", read("/run/lab/secrets/tls.crt"))
        write("/etc/pam-jit/host.key", read("/run/lab/secrets/tls.key"), 0o640, "root", "_jit")
        write(HELPER_CONF, text.replace("group = breakglass", "group = root"))
        self.assertEqual(self.check()[0], 0, self.check()[1])

    def test_a_missing_key_and_an_unreadable_ca_are_named(self):
        for path, mode, said in (("/etc/pam-jit/api.key", 0o600, "cannot read /etc/pam-jit/api.key: Permission denied"),
                                 ("/etc/pam-jit/broker-ca.pem", 0o600,
                                  "ca_file /etc/pam-jit/broker-ca.pem cannot be read by _jit: Permission denied")):
            with self.subTest(path):
                before = os.stat(path).st_mode & 0o777
                self.addCleanup(os.chmod, path, before)
                os.chmod(path, mode)
                self.assertEqual(self.check(), (1, f"jit-helper: {said}\n"))
                os.chmod(path, before)
