"""A broker that cannot hold a call (an API Gateway with functions behind it): it answers at once and says when it wants
to be asked again."""

import json
import threading

from gateway import Gateway
from lab import LabCase

CHANGES = "/changes"


class GatewayCase(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.set_pam(account="timeout=60")

    def go_through(self, retry_after, **how):
        gateway = Gateway("/run/lab/secrets", "/etc/pam-jit/broker-ca.pem", retry_after=retry_after)
        for name, value in how.items():
            setattr(gateway, name, value)
        self.addCleanup(gateway.close)
        self.lab.stop_helper()
        self.lab.forget_state()
        self.lab.configure(helper={("helper", "broker"): f"https://broker.example:{gateway.port}"})
        self.addCleanup(self.lab.configure)
        self.lab.start_helper()
        self.addCleanup(self.lab.stop_helper)
        return gateway

    def test_it_is_asked_again_around_the_time_that_it_names(self):
        gateway = self.go_through(2)
        gateway.wait_for("asked", CHANGES, 5)
        asked, answered = (gateway.named(what, CHANGES) for what in ("asked", "answered"))
        pauses = [later - earlier for earlier, later in zip(answered, asked[1:5])]
        self.assertGreater(min(pauses), 0.95, pauses)
        # Hosts that were started together do not stay in step.
        self.assertGreater(max(pauses) - min(pauses), 0.01, pauses)

    def test_a_decision_comes_with_the_first_poll_after_it(self):
        gateway = self.go_through(1)
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.approve(request)
        decided = len(gateway.events)
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)
        # One may have been on its way already.
        self.assertLessEqual(len(gateway.named("asked", CHANGES, decided)), 2, gateway.events[decided:])

    def test_the_first_poll_of_a_filing_does_not_wait_for_that_of_an_idle_host(self):
        gateway = self.go_through(3600)
        gateway.wait_for("answered", CHANGES, 1)
        gateway.retry_after = 1  # what it says of a request that waits
        terminal = self.open_terminal()
        request = self.ask(terminal)
        since = len(gateway.events)
        gateway.wait_for("asked", CHANGES, 1, since, timeout=10)
        self.approve(request)
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)

    def test_a_filing_while_the_poll_of_an_idle_host_is_out_does_not_wait_for_the_time_that_its_answer_names(self):
        filed = threading.Event()
        self.addCleanup(filed.set)

        def hold(path, text):
            if "&idle=1" in path:
                filed.wait(30)
            return text

        gateway = self.go_through(1, spoil=hold)
        gateway.wait_for("asked", CHANGES + "?after", 1)
        terminal = self.open_terminal()
        request = self.ask(terminal)
        gateway.retry_after = 3600  # what it says of an idle host: far more than is waited for here
        since = len(gateway.events)
        filed.set()
        gateway.wait_for("answered", CHANGES + "?after", 1, since)
        gateway.retry_after = 1
        gateway.wait_for("asked", CHANGES + "?after", 1, since, timeout=8)
        self.approve(request)
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)

    def test_a_host_says_that_it_is_idle_while_it_has_nothing_open_and_not_else(self):
        gateway = self.go_through(1)

        def idle(since):
            """Of the next poll with a cursor."""
            gateway.wait_for("asked", CHANGES + "?after", 1, since)
            path = next(path for _, what, _, path in gateway.events[since:] if what == "asked" and "?after" in path)
            return "&idle=1" in path

        self.assertTrue(idle(0))
        terminal = self.open_terminal()
        request = self.ask(terminal)
        self.assertFalse(idle(len(gateway.events)))
        self.approve(request)
        self.assertEqual(terminal.finish()[0], 0)
        self.assertFalse(idle(len(gateway.events)))
        terminal.run("jit end")
        since = len(gateway.events)
        gateway.wait_for("asked", CHANGES, 1, since)  # one may have been on its way
        self.assertTrue(idle(len(gateway.events)))

    def test_a_grant_that_comes_at_once_is_watched_at_once(self):
        self.lab.restart(broker={("role admin", "auto_approve"): "hours Mon-Sun 00:00-24:00 UTC"})
        self.addCleanup(self.lab.restart)
        gateway = self.go_through(3600)
        gateway.wait_for("answered", CHANGES, 1)
        gateway.retry_after = None  # what is decided names no time
        since = len(gateway.events)
        self.assertEqual(self.open_terminal().run("sudo id")[0], 0)
        gateway.wait_for("asked", CHANGES + "?after", 1, since, timeout=15)

    def test_ctrl_c_is_told_at_once_however_long_the_pause(self):
        gateway = self.go_through(20)
        terminal = self.open_terminal()
        request = self.ask(terminal)
        since = len(gateway.events)
        terminal.interrupt()
        status, text = terminal.finish()
        self.assertNotEqual(status, 0, text)
        self.lab.wait_for_status(request[0], "CANCELLED")
        cancel = next(i for i, event in enumerate(gateway.events[since:]) if event[3].endswith("/cancel"))
        self.assertEqual(gateway.named("asked", CHANGES, since)[cancel + 1:], [])

    def assert_does_not_spin(self, gateway, most):
        """So many polls within a second at most, and a person is served meanwhile."""
        gateway.wait_for("asked", CHANGES, 3)
        terminal = self.open_terminal()
        self.run_approved(terminal)
        gateway.wait_for("asked", CHANGES, 6)
        asked = gateway.named("asked", CHANGES)
        self.assertLessEqual(len(asked), 4 + most * (asked[-1] - asked[0]), asked)

    def test_one_that_names_no_time_is_not_asked_faster_than_once_a_second(self):
        self.assert_does_not_spin(self.go_through(None), 1.2)

    def test_one_that_says_now_is_not_asked_faster_than_once_a_second(self):
        self.assert_does_not_spin(self.go_through(0), 1.2)

    def test_one_whose_every_answer_is_news_is_not_asked_without_a_pause(self):
        count = iter(range(10**9, 10**12))

        def always_new(path, text):
            if not path.startswith(CHANGES):
                return text
            said = json.loads(text)
            return json.dumps({**said, "next": said["next"] + next(count)}).encode() if "next" in said else text

        gateway = self.go_through(None, spoil=always_new)
        gateway.wait_for("asked", CHANGES, 80)
        asked = gateway.named("asked", CHANGES)
        self.assertGreater(asked[79] - asked[54], 2, asked)  # fifty may follow at once, then ten a second
