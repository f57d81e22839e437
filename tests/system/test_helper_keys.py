"""A real jit-helper at a broker that counts its calls, and at one that wants a client certificate beside its key."""

import json
import os
import re
import subprocess
import time

import brokerlib
import memory
from brokerlib import make_certificate, make_tls
from lab import Lab, LabCase, read, write
from namespace import HOSTNAME
from terminal import wait_until

GROUP = "keys-glass"
BUSY = "this host calls the broker too often: trying again"
USED_UP = "this host has made all the calls that its usage plan at the broker gives it a day"


class PlanCase(LabCase):
    """op1 may break the glass, and the broker answers: nobody is asked for it."""

    helper_conf = {("helper", "break_glass_group"): GROUP}

    @classmethod
    def setUpClass(cls):
        lab = Lab.here()
        lab.as_root("groupadd", "--force", GROUP)
        lab.as_root("usermod", "-aG", GROUP, "op1")
        super().setUpClass()

    def refused(self, kind):
        api = brokerlib.Api(8443, "/etc/pam-jit/broker-ca.pem")
        self.addCleanup(api.close)
        text = api.get("/metrics").body.decode()
        return int(re.search(rf'calls_refused_total\{{kind="{kind}"\}} (\d+)$', text, re.M)[1])

    def log_of_the_helper(self):
        with open(self.lab.log("jit-helper"), encoding="utf-8") as log:
            return log.read()


class Rate(PlanCase):
    broker_conf = {(f"host {HOSTNAME}", "usage_plan"): "tight", ("usage_plan tight", "rate"): "1",
                   ("usage_plan tight", "burst"): "1"}

    def test_a_call_that_comes_too_soon_is_made_again_and_the_approval_comes_through(self):
        wait_until("the helper waits for changes", lambda: self.refused("rate") > 0)
        terminal = self.open_terminal()
        other = brokerlib.Api(8443, "/etc/pam-jit/broker-ca.pem", key=self.lab.api_key)
        self.addCleanup(other.close)
        # Somebody else's calls take the tokens; what the person types has to wait for one.
        for _ in range(20):
            other.get("/requests")
        terminal.start("sudo id")
        shown = terminal.expect(rf"{BUSY}|request \S+")[0]
        if BUSY in shown:
            terminal.expect(r"request \S+")
        waiting = wait_until("it is filed", self.lab.pending, 20)[0]
        code = None
        while code is None:
            answer = other.get(f"/requests/{waiting['requestId']}")
            code = answer.json.get("code") if answer.status == 200 else None
        self.approve((waiting["shortId"], code))
        status, text = terminal.finish(20)
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)
        self.assertNotIn("glass", text)


class Quota(PlanCase):
    broker_conf = {(f"host {HOSTNAME}", "usage_plan"): "little", ("usage_plan little", "quota"): "5"}

    def test_a_host_that_has_used_its_day_up_is_told_so_and_does_not_spin(self):
        api = brokerlib.Api(8443, "/etc/pam-jit/broker-ca.pem", key=self.lab.api_key)
        self.addCleanup(api.close)
        while api.get("/requests").status == 200:
            pass
        before = self.refused("quota")
        self.lab.stop_helper()
        self.lab.start_helper()
        wait_until("the helper is refused", lambda: self.refused("quota") > before)
        status, text = self.open_terminal().run("sudo id", timeout=20)
        self.assertEqual(status, 1, text)
        self.assertIn(USED_UP, " ".join(text.split()))
        self.assertNotIn("glass", text)
        self.assertNotIn("uid=0", text)
        before = self.refused("quota")
        time.sleep(3)  # nothing is to happen
        self.assertLess(self.refused("quota") - before, 8)
        log = self.log_of_the_helper()
        self.assertIn("takes no more calls from this host just now (HTTP status 429); trying again", log)


class Certificate(LabCase):
    """The broker binds this host's key to a certificate of its name."""

    broker_conf = {("broker", "tls_client_ca"): "/etc/jit-broker/hosts-ca.pem",
                   (f"host {HOSTNAME}", "client_certificate"): "host.example"}

    @classmethod
    def setUpClass(cls):
        Lab.here()
        cls.folder = "/run/lab/host-certificates"
        for name, names, days in (("ca", None, 30), ("mine", ["host.example"], 30), ("soon", ["host.example"], 13),
                                  ("other", ["other.example"], 30), ("over", ["host.example"], -1)):
            folder = f"{cls.folder}/{name}"
            os.makedirs(folder, exist_ok=True)
            if names:
                make_certificate(f"{cls.folder}/ca", folder, names, [], "clientAuth", days)
            else:
                make_tls(folder)
        write("/etc/jit-broker/hosts-ca.pem", read(f"{cls.folder}/ca/ca.pem"))
        cls.show("mine")
        super().setUpClass()

    helper_conf = {("helper", "tls_certificate"): "/etc/pam-jit/host.crt", ("helper", "tls_key"): "/etc/pam-jit/host.key"}

    @classmethod
    def show(cls, name, mode=0o640):
        write("/etc/pam-jit/host.crt", read(f"{cls.folder}/{name}/tls.crt"))
        write("/etc/pam-jit/host.key", read(f"{cls.folder}/{name}/tls.key"), mode, "root", "_jit")

    def restart_with(self, name):
        """The helper with that certificate; None: with none."""
        self.lab.stop_helper()
        if name:
            self.show(name)
        self.lab.configure(self.broker_conf, self.helper_conf if name else {})
        self.addCleanup(self.lab.configure, self.broker_conf, self.helper_conf)
        self.lab.start_helper()

    def assert_refused(self, *said):
        status, text = self.open_terminal().run("sudo id", timeout=30)
        self.assertEqual(status, 1, text)
        self.assertNotIn("uid=0", text)
        for words in said:
            self.assertIn(words, " ".join(text.split()))

    def test_with_its_certificate_the_host_is_let_in(self):
        self.restart_with("mine")
        _, text = self.run_approved(self.open_terminal())
        self.assertIn("uid=0(root)", text)
        if not memory.why_not():
            memory.await_places(self.lab.helper.pid, memory.key_texts("/etc/pam-jit/host.key"), "key in limbs", "key's file")

    def test_without_it_or_with_another_hosts_its_key_is_not_known(self):
        for name in (None, "other"):
            with self.subTest(name):
                self.restart_with(name)
                self.assert_refused("does not know this host's API key")

    def test_one_that_is_over_is_refused_with_its_reason_and_told_of_at_start(self):
        self.restart_with("over")
        self.assert_refused("does not know this host's API key")
        self.assertRegex(read(self.lab.log("jit-helper")), r"tls_certificate /etc/pam-jit/host.crt is good until \S+Z alone: "
                                                           r"renew it and restart jit-helper")

    def test_what_cannot_be_used_is_told_by_the_check(self):
        self.addCleanup(self.show, "mine")
        for name, why in (("key of another", "tls_key: the key in /etc/pam-jit/host.key does not belong to the certificate"),
                          ("open", "holds a secret and can be read by everybody"), ("no key", "tls_key: "),
                          ("no certificate", "tls_certificate: /etc/pam-jit/host.crt holds no PEM certificate")):
            with self.subTest(name):
                self.show("mine", 0o644 if name == "open" else 0o640)
                if name == "key of another":
                    write("/etc/pam-jit/host.key", read(f"{self.folder}/other/tls.key"), 0o640, "root", "_jit")
                elif name == "no key":
                    write("/etc/pam-jit/host.key", "none\n", 0o640, "root", "_jit")
                elif name == "no certificate":
                    write("/etc/pam-jit/host.crt", "none\n")
                done = subprocess.run(["/usr/sbin/jit-helper", "--check"], capture_output=True, text=True, timeout=20,
                                      check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(why, done.stderr)
                told = self.probe()
                self.assertFalse(told["certificate"]["usable"])
                self.assertIn(why, told["certificate"]["why"])
                self.assertTrue(told["key"]["usable"])  # the doctor blames the right one

    def probe(self):
        done = subprocess.run(["/usr/sbin/jit-helper", "--probe"], capture_output=True, text=True, timeout=30, check=True)
        return json.loads(done.stdout)

    def test_the_doctor_hears_how_long_it_is_good(self):
        self.addCleanup(self.show, "mine")
        for name, days in (("mine", 30), ("soon", 13), ("over", -1)):
            self.show(name)
            told = self.probe()["certificate"]
            self.assertTrue(told["usable"])
            self.assertTrue((days - 1) * 86400 < told["goodFor"] <= days * 86400, told)


del LabCase, PlanCase
