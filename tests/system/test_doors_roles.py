"""Which role is asked for under sudo, and that grants of two roles in one login session know nothing of each other."""

import json
import os

from doors import DoorCase, role
from lab import HELPER_CONF, PASSWORD, read, write
from terminal import wait_until

JOB = "/run/lab/job"  # asks for credentials until it is told to stop, and notes what came last
STOP = "/run/lab/stop"
JOB_SCRIPT = f"""while [ ! -e {STOP} ]; do
	jit credentials >/tmp/answer.$1 2>/tmp/error.$1; echo $? >>/tmp/answer.$1
	mv /tmp/answer.$1 /run/lab/last.$1
	sleep 0.1
done
"""
NOT_ELEVATED = 3


class RoleCase(DoorCase):
    """The examples' role admin, which sudo's section names, and two others."""

    broker_conf = {**role("ops", services="sudo su", targets="root"),
                   **role("dba", services="sudo su", targets="root op2")}

    def tearDown(self):
        self.lab.set_pam()

    def role_asked_for(self, terminal, command):
        request = self.ask(terminal, command)
        terminal.interrupt()
        self.assertEqual(terminal.finish()[0], 1)
        return self.lab.request(request[0])["role"]


class ThreeLines(DoorCase):
    """The quick start's jit-helper.conf: no service is named, the PAM lines alone gate it."""

    broker_conf = {("role admin", "services"): "sudo"}

    def setUp(self):
        super().setUp()
        self.lab.stop_helper()
        write(HELPER_CONF, "[helper]\nbroker = https://broker.example:8443\nca_file = /etc/pam-jit/broker-ca.pem\n")
        self.lab.start_helper()

    def test_the_policy_chooses_the_role_of_a_service_that_nobody_named(self):
        short, _ = self.run_approved(self.open_terminal())
        self.assertEqual(self.lab.request(short)["role"], "admin")

    def test_a_service_that_no_role_is_good_for_is_refused(self):
        self.lab.set_pam(service="sudo-i", example="sudo")
        status, text = self.open_terminal().run("sudo -i true")
        self.assertEqual(status, 1, text)
        self.assertIn("jit: no role lets op1 ask for sudo-i on web-1", text)


class Choice(RoleCase):
    def test_without_another_word_it_is_the_services(self):
        self.assertEqual(self.role_asked_for(self.open_terminal(), "sudo id"), "admin")

    def test_jit_role_picks_another(self):
        self.assertEqual(self.role_asked_for(self.open_terminal(), "JIT_ROLE=dba sudo id"), "dba")

    def test_jit_role_is_read_where_sudo_asks_nothing_too(self):
        self.assertEqual(self.role_asked_for(self.open_terminal(), "JIT_ROLE=dba sudo -n id"), "dba")

    def test_the_lines_role_beats_jit_role(self):
        self.lab.set_pam("role=ops", "role=ops")
        terminal = self.open_terminal()
        self.assertEqual(self.role_asked_for(terminal, "JIT_ROLE=dba sudo id"), "ops")

    def refused(self, terminal, command):
        before = self.lab.filed()
        status, text = terminal.run(command, timeout=5)
        self.assertEqual((status, self.lab.filed() - before), (1, 0), text)
        return text

    def test_a_role_that_there_is_not_is_refused(self):
        terminal = self.open_terminal()
        self.refused(terminal, "JIT_ROLE=dbaa sudo id")
        self.check_golden("sudo.unknown_role", terminal.transcript(), terminal.log)

    def test_what_is_no_name_is_refused(self):
        terminal = self.open_terminal()
        self.refused(terminal, "JIT_ROLE='dba; id' sudo id")
        self.check_golden("sudo.no_role_name", terminal.transcript(), terminal.log)

    def test_another_target_than_the_picked_roles_is_refused(self):
        """In sudo's account the target is not known yet: the session line judges it."""
        terminal = self.open_terminal()
        self.run_approved(terminal, "JIT_ROLE=ops sudo id")
        self.assertNotIn("uid=", self.refused(terminal, "JIT_ROLE=ops sudo -u op2 id"))
        self.check_golden("sudo.target_not_of_role", terminal.transcript(), terminal.log)


class Policy(RoleCase):
    """No role stands in jit-helper.conf: the first one that allows the request is asked for."""

    helper_conf = {("service sudo", "role"): None, ("service su", "duration"): "15m"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.set_pam(service="su")
        cls.lab.set_password("root")

    def role_of_su(self, command):
        terminal = self.open_terminal()
        terminal.start(command)
        terminal.expect("Password: ")
        terminal.type(PASSWORD)
        request = self.wait_shown(terminal)
        terminal.interrupt()
        terminal.finish()
        return self.lab.request(request[0])["role"]

    def test_the_policy_chooses_by_service_and_target(self):
        self.assertEqual(self.role_asked_for(self.open_terminal(), "sudo id"), "admin")
        self.assertEqual(self.role_of_su("su -c id"), "ops")
        self.assertEqual(self.role_of_su("su op2 -c id"), "dba")

    def test_jit_role_goes_before_it(self):
        self.assertEqual(self.role_asked_for(self.open_terminal(), "JIT_ROLE=dba sudo id"), "dba")
        self.assertEqual(self.role_of_su("JIT_ROLE=dba su -c id"), "dba")


class Overlap(RoleCase):
    def setUp(self):
        for name in ("stop", "last.ops", "last.dba"):
            if os.path.exists(f"/run/lab/{name}"):
                os.unlink(f"/run/lab/{name}")
        write(JOB, JOB_SCRIPT)
        self.addCleanup(write, STOP, "")

    @staticmethod
    def last(name):
        """(exit status, what was printed) of the job's last answer."""
        path = f"/run/lab/last.{name}"
        if not os.path.exists(path):
            return None, ""
        text = read(path).rstrip("\n")
        return int(text.split("\n")[-1]), text.rpartition("\n")[0]

    def key_of(self, name):
        wait_until(f"the job of {name} has credentials", lambda: self.last(name)[0] == 0, 10)
        return json.loads(self.last(name)[1])["AccessKeyId"]

    def test_the_end_of_one_leaves_the_other_its_credentials_and_its_sudo(self):
        terminal = self.open_terminal()
        ids = {}
        for name in ("dba", "ops"):
            ids[name], _ = self.run_approved(terminal, f"JIT_ROLE={name} sudo -b setsid --wait sh {JOB} {name}")
        keys = {name: self.key_of(name) for name in ids}
        self.assertNotEqual(keys["dba"], keys["ops"])
        status, text = terminal.run("jit status")
        self.assertEqual(status, 0, text)
        for name, short in ids.items():
            self.assertRegex(text, rf"{short} .*{name}")

        status, text = terminal.run(f"jit end {ids['dba']}")
        self.assertEqual((status, ids["ops"] in text), (0, False), text)
        wait_until("dba's job has no credentials", lambda: self.last("dba")[0] == NOT_ELEVATED, 5)
        self.lab.wait_for_status(ids["dba"], "ENDED")
        self.assertEqual(self.key_of("ops"), keys["ops"])
        self.assertEqual(self.lab.request(ids["ops"])["status"], "ACTIVE")
        self.assert_asks_nobody(terminal, "JIT_ROLE=ops sudo id")
        self.assertEqual(self.role_asked_for(terminal, "JIT_ROLE=dba sudo id"), "dba")

    def test_a_grant_of_one_role_is_not_used_for_the_other(self):
        terminal = self.open_terminal()
        self.run_approved(terminal, "JIT_ROLE=dba sudo id")
        self.assertEqual(self.role_asked_for(terminal, "JIT_ROLE=ops sudo id"), "ops")
        self.assert_asks_nobody(terminal, "JIT_ROLE=dba sudo id")
