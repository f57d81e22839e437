"""A broker that is away, or is something else: sudo refuses, with one line that names the cause, within the wait that
is configured."""

import os
import re
import resource
import signal
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import brokerlib  # noqa: E402  (its folder has just been added)
from badserver import BadServer, hang, hang_up, http, send  # noqa: E402
from doors import role  # noqa: E402
from faults.gate import Gate, bad_gateway, dropped  # noqa: E402
from lab import BROKER_CONF, EXAMPLES, HELPER_CONF, WAITING, Lab, LabCase, read, write  # noqa: E402
from namespace import die_with_parent  # noqa: E402
from terminal import wait_until  # noqa: E402

CALL = 2  # seconds: broker_timeout
WAIT = 6  # seconds: the module's timeout
SLACK = 1.5
OPENSSL_CONF = "/etc/ssl/openssl.cnf"


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

    def test_it_sends_the_host_elsewhere(self):
        """Nobody is followed: the other one, whose certificate is as good, hears nothing."""
        other = BadServer(hang, "/run/lab/secrets")
        self.addCleanup(other.close)
        for status in ("301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
            with self.subTest(status):
                head = f"{status}\r\nLocation: https://broker.example:{other.port}/request-access"
                self.assert_bad_server_is_refused(send(http(b"", status=head)), f"HTTP status {status[:3]}", WAIT)
        self.assertEqual(other.connections, 0)

    def test_it_speaks_tls_1_1_at_most(self):
        """Where the host's own configuration of OpenSSL would have that."""
        before = read(OPENSSL_CONF)
        self.addCleanup(write, OPENSSL_CONF, before)
        write(OPENSSL_CONF, re.sub(r"(?m)^(MinProtocol|CipherString)\b.*$", "", before).replace(
            "[system_default_sect]", "[system_default_sect]\nMinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0"))
        self.assert_bad_server_is_refused(send(http(b"{}")), "protocol version", newest=ssl.TLSVersion.TLSv1_1)

    def test_it_does_not_know_the_hosts_key(self):
        self.point_helper_at(8443)
        good = self.lab.api_key
        wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
        self.addCleanup(self.lab.set_api_key, good)
        self.lab.set_api_key(wrong)
        self.lab.stop_helper()
        self.lab.start_helper()
        self.assert_refused("does not know this host's API key", CALL)


class Undecided(LabCase):
    """The broker gives a request up before whoever waits does."""

    broker_conf = role("hasty", services="sudo", targets="root", pending="3s")

    def wait(self, meanwhile):
        terminal = self.open_terminal()
        short, _ = self.ask(terminal, "JIT_ROLE=hasty sudo id")
        meanwhile()
        status, text = terminal.finish(20)
        self.assertEqual(status, 1)
        return " ".join(text.split()).replace(short, "R7KD-2M9Q")

    def test_a_broker_that_says_nothing_is_not_taken_for_an_approver_who_does(self):
        broker = self.lab.broker.process
        self.addCleanup(broker.send_signal, signal.SIGCONT)
        self.assertIn("jit: request R7KD-2M9Q: no decision was heard within 3 s: the broker did not say what became of it; tell "
                      "the operator of this host", self.wait(lambda: broker.send_signal(signal.SIGSTOP)))

class Seldom(Undecided):
    """One that tells nothing by itself, and is asked for news seldom: it is asked what became of the request."""

    @classmethod
    def setUpClass(cls):
        Lab.here()  # whose certificates it has
        gate = Gate("/run/lab/secrets", 8443, seldom=True)
        cls.addClassCleanup(gate.close)
        cls.helper_conf = {("helper", "broker"): f"https://broker.example:{gate.port}"}
        super().setUpClass()

    def test_it_is_asked_before_it_is_called_silent(self):
        self.assertIn("jit: request R7KD-2M9Q: nobody decided within 3 s", self.wait(lambda: None))


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


class HurtMidWait(LabCase):
    """The helper's call that waits for the decision comes to nothing: it asks again, and who waits notices nothing."""

    @classmethod
    def setUpClass(cls):
        Lab.here()  # whose certificates it has
        cls.gate = Gate("/run/lab/secrets", 8443)
        cls.addClassCleanup(cls.gate.close)
        cls.helper_conf = {("helper", "broker"): f"https://broker.example:{cls.gate.port}"}
        super().setUpClass()

    def assert_survived(self, harm, said):
        terminal = self.open_terminal()
        filed = self.lab.filed()
        request = self.ask(terminal)
        log = self.lab.log("jit-helper")
        before = len(read(log))

        def hurt():  # more than once: on a connection that was kept libcurl asks once more by itself
            self.gate.hurt(harm)
            return said in read(log)[before:]

        wait_until("the helper says what its call that waits for changes came to", hurt, 10)
        wait_until("it asks again", lambda: self.gate.waiting, 10)
        self.lab.wait_for_status(request[0], "PENDING")
        self.approve(request)
        terminal.expect(rf"request {request[0]}: approved by appr1")
        status, text = terminal.finish()
        self.assertEqual((status, self.lab.filed() - filed), (0, 1), text)
        self.assertIn("uid=0(root)", text)

    def test_a_502_during_the_wait_is_survived_and_the_approval_lets_in(self):
        self.assert_survived(bad_gateway, "failed with HTTP status 502")

    def test_a_dropped_connection_during_the_wait_is_survived_and_the_approval_lets_in(self):
        self.assert_survived(dropped, "broke the connection off")


class Short(LabCase):
    """Whichever descriptor is missing when a daemon starts, its unit tries again: 78 would be for good."""

    def start_short(self, descriptors, command, log, identity):
        """What it ends with and says; None where it serves."""
        def poor():
            die_with_parent()
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        before = len(read(log))
        with open(log, "ab") as out:
            daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=poor,
                                      cwd="/", **identity)
        said = lambda: read(log)[before:]
        wait_until("it serves or ends", lambda: daemon.poll() is not None or " serves " in said() or " serves; " in said(),
                   10)
        if daemon.poll() is None and " serves" in said():
            daemon.kill()
            daemon.wait()
            return None
        return daemon.wait(10), said()

    def assert_tries_again(self, command, log, **identity):
        ends = []
        for descriptors in range(4, 64):
            ended = self.start_short(descriptors, command, log, identity)
            if ended is None:
                break
            ends.append((descriptors, *ended))
        self.assertIsNone(ended, ends)
        self.assertGreater(len(ends), 2)
        self.assertEqual([each for each in ends if each[1] != 1 or not each[2]], [])

    def test_the_helper_is_started_again(self):
        self.lab.stop_helper()
        self.addCleanup(self.lab.start_helper)
        self.assert_tries_again(["/usr/sbin/jit-helper"], self.lab.log("jit-helper"))

    def test_the_broker_is_started_again(self):
        self.lab.broker.stop()
        self.addCleanup(self.lab.broker.start)
        self.assert_tries_again(["/usr/sbin/jit-broker", "serve", "--config", BROKER_CONF],
                                self.lab.log("jit-broker"), user="_jitbroker", group="_jitbroker", extra_groups=[])


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
