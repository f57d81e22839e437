"""Who may wait for one request, take up what another connection has left behind, and pass under what it gave. The
module is played frame by frame; broker and approver are real."""

import itertools
import os
import re
import select
import time

from frames import (ALLOW, ASK, DENIED, ELEVATE, GENEROUS, GRANT, IGNORE, LATER, OPEN, REPLY, TAKEN, TEXT, TIMED_OUT,
                    VERDICT, WAITING, Module, end, frame, in_a_process, log_in_here, uid_of)
from lab import LabCase

NAMED = r"request (\w{4}-\w{4}), code (\d\d)"
TAKEN_WITHIN = 5  # seconds: JH_TAKEN_MS
_places = itertools.count(1)


class VisitCase(LabCase):
    broker_conf = {("role admin", "services"): "sudo sshd polkit-1 cron", ("role admin", "targets"): "root self",
                   ("role wide", "services"): "sudo sshd cron", ("role wide", "targets"): "root self",
                   ("role wide", "requesters"): "@operators", ("role wide", "hosts"): "*",
                   ("role wide", "approvers"): "@oncall", ("role wide", "scope"): "user",
                   ("role wide", "reason"): "optional", ("role wide", "arn"): None}
    helper_conf = {("service sshd", "role"): "admin", ("service polkit-1", "role"): "admin",
                   ("service cron", "non_interactive"): "existing", ("service cron", "role"): "wide",
                   ("service chosen", "duration"): "10m"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        log_in_here("op1")

    def setUp(self):
        """Places of its own: what was refused in one test waits there for somebody to hear it."""
        self.here, self.there = f"192.0.2.{next(_places)}", f"192.0.2.{next(_places)}"

    def visit(self, app="sudo", **fields):
        module = Module()
        self.addCleanup(module.close)
        module.ask(ELEVATE, app, **fields)
        return module

    def login(self, rhost=None, **fields):
        return self.visit("sshd", **{"TARGET": "op1", "RHOST": rhost or self.here, **fields})

    def silent(self, **fields):
        """A login with a public key alone."""
        return self.login(**{"LIVE": 0, "CAN_ASK": 0, **fields})

    def named(self, module, kind=WAITING):
        """(short id, code) of the request that the visit is told to wait for."""
        text = module.expect(kind)[TEXT].decode()
        shown = re.search(NAMED, text)
        self.assertTrue(shown, text)
        return shown[1], shown[2]

    def pass_through(self, module):
        """The grant that the visit was allowed under."""
        grant = module.expect(VERDICT).get(GRANT)
        self.assertTrue(grant, "it is allowed")
        module.take()
        return grant.decode()

    def open_as_sshd(self, grant, rhost=None, role="admin"):
        """The session of a login that was let in, in a process of its own that stays: its pid."""
        def monitor():
            log_in_here("op1")
            opened = Module()
            opened.ask(OPEN, "sshd", TARGET="op1", RHOST=rhost or self.here, ROLE=role, GRANT=grant)
            if opened.verdict()[0] != ALLOW:
                return None
            opened.send(frame(TAKEN))
            return opened

        pid = in_a_process(monitor)
        self.addCleanup(end, pid)
        return pid

    def give_back(self, short):
        """So that the next test finds nothing of this one."""
        self.lab.as_approver("appr1", "revoke", short, "--comment", "tidy", check=False)
        self.lab.wait_for_status(short, "REVOKED")

    def withdraw(self, request):
        self.lab.as_approver("appr1", "deny", request[0], "--comment", "tidy", check=False)


class Prompts(VisitCase):
    def test_an_approval_is_there_for_as_long_as_the_prompt_stands(self):
        """Who is told in a chat that it is approved comes back to "Press Enter to wait" in a while."""
        module = self.login(LIVE=0, CAN_ASK=1)
        request = self.named(module, ASK)
        self.approve(request)
        self.assertTrue(module.expect(VERDICT).get(GRANT))
        self.assertEqual(select.select([module], [], [], TAKEN_WITHIN + 0.5), ([], [], []))
        module.send(frame(REPLY, TEXT=""))
        module.take()
        self.give_back(request[0])

    def test_once_the_prompt_is_answered_it_is_taken_or_falls(self):
        module = self.login(LIVE=0, CAN_ASK=1)
        request = self.named(module, ASK)
        self.approve(request)
        module.expect(VERDICT)
        module.send(frame(REPLY, TEXT=""))
        self.assertEqual(module.recv(16384), b"")
        self.give_back(request[0])


class OneSession(VisitCase):
    def test_two_of_one_session_wait_for_one_request_and_both_pass(self):
        before = self.lab.filed()
        first, second = self.visit(), self.visit()
        request = self.named(first)
        self.assertEqual(self.named(second), request)
        self.assertEqual(self.lab.filed() - before, 1)
        self.approve(request)
        self.assertEqual({self.pass_through(first), self.pass_through(second)}, {self.lab.request(request[0])["requestId"]})
        self.assertEqual(self.visit().verdict()[0], ALLOW)
        self.give_back(request[0])

    def test_one_that_leaves_leaves_the_others_waiting(self):
        first, second = self.visit(), self.visit(REASON="")
        request = self.named(first)
        self.named(second)
        first.close()
        third = self.visit()
        self.assertEqual(self.named(third), request)
        self.assertEqual(self.lab.request(request[0])["status"], "PENDING")
        second.close()
        third.close()
        self.lab.wait_for_status(request[0], "CANCELLED")

    def test_an_approval_that_nobody_takes_is_withdrawn_with_the_last(self):
        first, second = self.visit(), self.visit()
        request = self.named(first)
        self.named(second)
        self.approve(request)
        self.assertEqual((first.verdict()[0], second.verdict()[0]), (ALLOW, ALLOW))
        first.close()
        third = self.visit()  # comes while it is still to be taken
        self.assertEqual(third.verdict()[0], ALLOW)
        second.close()
        third.close()
        self.lab.wait_for_status(request[0], "CANCELLED")

    def test_another_reason_is_another_request(self):
        first, second = self.visit(), self.visit(REASON="something else")
        requests = self.named(first), self.named(second)
        self.assertNotEqual(*requests)
        for module, request in zip((first, second), requests):
            module.close()
            self.lab.wait_for_status(request[0], "CANCELLED")

    def test_the_next_is_asked_when_the_first_leaves_the_question(self):
        first = self.visit(REASON="", CAN_ASK=1)
        self.assertIn(b"Reason for role admin", first.expect(ASK)[TEXT])
        second = self.visit(REASON="", CAN_ASK=1)
        first.close()
        self.assertIn(b"Reason for role admin", second.expect(ASK)[TEXT])
        second.send(frame(REPLY, TEXT="disk full"))
        request = self.named(second)
        self.assertEqual(self.lab.request(request[0])["reason"], "disk full")
        second.close()
        self.lab.wait_for_status(request[0], "CANCELLED")

    def test_what_has_no_session_is_used_when_it_is_allowed(self):
        """polkit never opens one: its grant's clock starts with the answer, at the broker too."""
        module = self.visit("polkit", SERVICE="polkit-1", TARGET="root")
        request = self.named(module)
        self.approve(request)
        self.pass_through(module)
        self.lab.wait_for_status(request[0], "ACTIVE")
        self.give_back(request[0])

    def test_a_service_without_a_role_gets_the_one_that_the_policy_chooses(self):
        self.lab.restart({**self.broker_conf, ("role wide", "services"): "chosen"}, self.helper_conf)
        self.addCleanup(self.lab.restart, self.broker_conf, self.helper_conf)
        module = self.visit("su", SERVICE="chosen", TARGET="root")
        request = self.named(module)
        self.assertEqual(self.lab.request(request[0])["role"], "wide")
        self.approve(request)
        self.pass_through(module)
        self.assertEqual(self.visit("su", SERVICE="chosen", TARGET="root").verdict()[0], ALLOW)
        self.give_back(request[0])


class Logins(VisitCase):
    def test_the_next_login_takes_up_what_the_last_has_left(self):
        first = self.login()
        request = self.named(first)
        first.close()
        second = self.login()
        self.assertEqual(self.named(second), request)
        second.close()
        self.approve(request)
        self.lab.wait_for_status(request[0], "APPROVED")
        passing = self.login()
        self.open_as_sshd(self.pass_through(passing))
        self.lab.wait_for_status(request[0], "ACTIVE")
        third = self.login()  # single use
        self.assertNotEqual(self.named(third), request)
        self.give_back(request[0])
        self.deny_all(third)

    def deny_all(self, *modules):
        for request in self.lab.pending():
            self.lab.as_approver("appr1", "deny", request["shortId"], "--comment", "tidy")
        for module in modules:
            self.assertEqual(module.verdict()[0], DENIED)

    def test_a_denial_that_nobody_heard_is_told_to_the_next_login(self):
        silent = self.silent(REASON="disk full")
        request = self.named(silent, VERDICT)
        before = self.lab.filed()
        self.withdraw(request)
        for _ in range(2):  # the others of the same storm hear it too
            outcome, text = self.login(REASON="disk full").verdict()
            self.assertEqual((outcome, text), (DENIED, f"request {request[0]}: denied by appr1: tidy"))
        self.assertNotIn("denied", self.login(rhost=self.there, REASON="disk full").expect(WAITING)[TEXT].decode())
        self.assertEqual(self.lab.filed() - before, 1, "the one from the other place")

    def test_nobody_else_takes_it_up(self):
        first = self.login()
        request = self.named(first)
        first.close()
        others = [self.login(self.there), self.login(ROLE="wide"),
                  self.login(REQUESTER="op2", UID=uid_of("op2"), TARGET="op2")]
        for other in others:
            self.assertNotEqual(self.named(other), request)
        self.deny_all(*others)

    def test_two_logins_at_a_time_are_two_requests_with_scope_session(self):
        before = self.lab.filed()
        logins = [self.login() for _ in range(3)]
        self.assertEqual(len({self.named(login) for login in logins}), 3)
        self.assertEqual(self.lab.filed() - before, 3)
        self.deny_all(*logins)

    def test_what_is_not_taken_may_be_claimed_again(self):
        first = self.login()
        request = self.named(first)
        self.approve(request)
        self.assertEqual(first.verdict()[0], ALLOW)
        second = self.login()  # one at a time
        self.assertNotEqual(self.named(second), request)
        first.close()
        third = self.login()
        self.assertEqual(self.pass_through(third), self.lab.request(request[0])["requestId"])
        self.give_back(request[0])
        self.deny_all(second)

    def test_fifty_logins_of_scope_user_wait_for_one_request_and_pass(self):
        before = self.lab.filed()
        logins = [self.login(ROLE="wide") for _ in range(50)]
        requests = {self.named(login) for login in logins}
        self.assertEqual((len(requests), self.lab.filed() - before), (1, 1))
        request = requests.pop()
        self.approve(request)
        grants = {self.pass_through(login) for login in logins}
        self.assertEqual(len(grants), 1)
        self.open_as_sshd(grants.pop(), role="wide")
        self.assertEqual(self.login(ROLE="wide").verdict()[0], ALLOW)
        elsewhere = self.login(self.there, ROLE="wide")
        self.assertNotEqual(self.named(elsewhere), request)
        self.give_back(request[0])
        self.deny_all(elsewhere)

    def test_sudo_has_not_the_place_that_its_rhost_names(self):
        """sudo sets PAM_RHOST to this host's own name, and what it says is no proof of anything."""
        first = self.login(ROLE="wide")
        request = self.named(first)
        self.approve(request)
        self.pass_through(first)
        sudo = self.visit(ROLE="wide", RHOST=self.here)
        self.assertNotEqual(self.named(sudo), request)
        self.give_back(request[0])
        self.deny_all(sudo)

    def test_sudo_in_a_login_has_the_place_of_the_login(self):
        """A grant of scope user reaches sudo in any login session from there."""
        def sudo_there(results):
            log_in_here("op1")
            login = Module()
            login.ask(OPEN, "sshd", TARGET="op1", RHOST=self.here, ROLE="wide")
            login.verdict()
            login.send(frame(TAKEN))
            sudo = Module()
            sudo.ask(ELEVATE, ROLE="wide")
            os.write(results, bytes([sudo.verdict()[0]]))
            return login

        first = self.login(ROLE="wide")
        request = self.named(first)
        self.approve(request)
        self.pass_through(first)
        read_end, write_end = os.pipe()
        self.addCleanup(end, in_a_process(lambda: sudo_there(write_end)))
        self.assertEqual(os.read(read_end, 1)[0], ALLOW)
        self.give_back(request[0])


class Silence(VisitCase):
    helper_conf = {**VisitCase.helper_conf, ("service quiet", "role"): "wide", ("service quiet", "silent_wait"): "2s",
                   ("service once", "role"): "wide", ("service once", "resume"): "no"}
    broker_conf = {**VisitCase.broker_conf, ("role wide", "services"): "sshd quiet once"}

    def test_with_a_public_key_alone_the_refusal_names_the_request(self):
        outcome, text = self.silent().verdict()
        self.assertEqual(outcome, LATER)
        shown = re.fullmatch(NAMED + ", waits for approval: connect again once it is approved", text)
        self.assertTrue(shown, text)
        self.assertEqual(self.silent().verdict(), (LATER, text))
        self.approve((shown[1], shown[2]))
        self.lab.wait_for_status(shown[1], "APPROVED")
        self.pass_through(self.silent())
        self.give_back(shown[1])

    def test_a_reason_that_cannot_be_asked_for_is_refused_with_a_way_to_give_one(self):
        outcome, text = self.silent(REASON="").verdict()
        self.assertEqual((outcome, text),
                         (DENIED, "role admin needs a reason, and none can be asked for on this connection: give one "
                                  "with jit request, or log in with keyboard-interactive"))
        module = self.login(REASON="", LIVE=0, CAN_ASK=1)
        module.expect(ASK)
        module.send(frame(REPLY))
        self.assertEqual(module.verdict(), (DENIED, text))

    def test_where_text_is_not_live_all_is_said_in_prompts(self):
        module = self.login(REASON="", LIVE=0, CAN_ASK=1)
        self.assertEqual(module.expect(ASK)[TEXT], b"Reason for role admin: ")
        module.send(frame(REPLY, TEXT="disk full"))
        text = module.expect(ASK)[TEXT].decode()
        shown = re.fullmatch(NAMED + r": waiting for approval\. Press Enter to wait: ", text)
        self.assertTrue(shown, text)
        module.send(frame(REPLY, TEXT=""))
        self.approve((shown[1], shown[2]))
        self.pass_through(module)
        self.give_back(shown[1])

    def test_a_decision_does_not_wait_for_enter(self):
        module = self.login(LIVE=0, CAN_ASK=1)
        request = self.named(module, ASK)
        self.approve(request)
        self.assertEqual(module.verdict()[0], ALLOW)
        module.send(frame(REPLY, TEXT=""))
        module.take()
        self.give_back(request[0])

    def test_a_prompt_that_cannot_be_shown_is_silence(self):
        module = self.login(LIVE=0, CAN_ASK=1)
        request = self.named(module, ASK)
        module.send(frame(REPLY))
        outcome, text = module.verdict()
        self.assertEqual(outcome, LATER)
        self.assertIn(request[0], text)
        self.withdraw(request)

    def test_silence_is_waited_in_for_as_long_as_the_service_says(self):
        began = time.monotonic()
        outcome, text = self.silent(SERVICE="quiet").verdict()
        self.assertEqual(outcome, LATER)
        self.assertTrue(1.5 < time.monotonic() - began < GENEROUS)
        self.withdraw(re.search(NAMED, text).groups())

    def test_at_the_end_of_the_wait_the_request_lives_on(self):
        module = self.login(WAIT=3)
        request = self.named(module)
        outcome, text = module.verdict()
        self.assertEqual(outcome, LATER)
        self.assertIn(f"request {request[0]}, code {request[1]}, waits for approval", text)
        self.assertEqual(self.lab.request(request[0])["status"], "PENDING")
        self.withdraw(request)

    def test_without_resume_it_is_withdrawn_and_said(self):
        outcome, text = self.silent(SERVICE="once").verdict()
        self.assertEqual(outcome, TIMED_OUT)
        shown = re.match(r"request (\S+) was withdrawn", text)
        self.lab.wait_for_status(shown[1], "CANCELLED")
        module = self.login(SERVICE="once")
        request = self.named(module)
        module.close()
        self.lab.wait_for_status(request[0], "CANCELLED")


class Nobody(VisitCase):
    def test_where_nobody_is_there_nobody_is_asked(self):
        before = self.lab.filed()
        outcome, text = self.visit("login", SERVICE="atd", TARGET="op1", ROLE="admin").verdict()
        self.assertEqual((outcome, text), (DENIED, "nobody can be asked in atd: see non_interactive in [service atd] of "
                                                   "jit-helper.conf"))
        outcome, text = self.visit("login", SERVICE="cron", TARGET="op1").verdict()
        self.assertEqual(outcome, DENIED)
        self.assertIn("jit request", text)
        self.assertEqual(self.lab.filed(), before)

    def test_a_grant_from_a_remote_place_is_not_for_cron(self):
        module = self.login(ROLE="wide")
        request = self.named(module)
        self.approve(request)
        self.pass_through(module)
        self.assertEqual(self.visit("login", SERVICE="cron", TARGET="op1").verdict()[0], DENIED)
        self.give_back(request[0])

    def test_who_only_observes_is_told_and_nothing_is_filed(self):
        before = self.lab.filed()
        for fields, says in (({}, "would be asked for role admin at https://broker.example:8443"),
                             ({"SERVICE": "unknown"}, "would be asked for a role that the policy chooses at https:"),
                             ({"SERVICE": "atd", "ROLE": "admin"}, "would be refused: nobody can be asked in atd")):
            outcome, text = self.visit(OBSERVE=1, **fields).verdict()
            self.assertEqual(outcome, IGNORE)
            self.assertRegex(text, says)
        self.assertEqual(self.lab.filed(), before)
        module = self.visit()
        request = self.named(module)
        self.approve(request)
        self.pass_through(module)
        self.assertEqual(self.visit(OBSERVE=1).verdict(), (IGNORE, f"would be allowed by grant {request[0]}"))
        self.give_back(request[0])
