"""What `jit request` asks for before it is needed, for this host and for others, and what other hosts asked for this one."""

import json
import os
import re
import signal
import urllib.request

import brokerlib
from frames import (DOCUMENT, ELEVATE, END, EXIT, FAULT, FOLLOW, GENEROUS, GRANT, JSON, OPEN, REQUEST, SESSION_SOCKET,
                    STATUS, TAKEN, TEXT, TOKEN, VERDICT, WAITING, Module, end, frame, in_a_process, log_in_here, parse,
                    uid_of)
from lab import LabCase, read
from namespace import HOSTNAME
from terminal import wait_until

KEY = {"kty": "EC", "crv": "P-256", "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
       "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}
HERE, THERE = "192.0.2.7", "192.0.2.8"


class Ahead(LabCase):
    broker_conf = {("role admin", "services"): "sudo sshd chosen", ("role admin", "targets"): "root self",
                   ("role wide", "services"): "sudo sshd cron", ("role wide", "targets"): "root self",
                   ("role wide", "requesters"): "@operators", ("role wide", "hosts"): "*",
                   ("role wide", "approvers"): "@oncall", ("role wide", "scope"): "user",
                   ("role wide", "reason"): "optional",
                   **{("role later", key): value for key, value in (
                       ("services", "cron"), ("targets", "self"), ("requesters", "@operators"), ("hosts", "*"),
                       ("approvers", "@oncall"), ("scope", "user"), ("reason", "optional"))},
                   (f"host {HOSTNAME}", "may_request_for"): "db-*", ("host control", "may_request_for"): HOSTNAME}
    helper_conf = {("service sshd", "role"): "admin", ("service cron", "non_interactive"): "existing",
                   ("service cron", "role"): "wide",
                   ("service chosen", "duration"): "10m"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = {name: cls.lab.broker.admin("key", "add", name).stdout.strip().splitlines()[-1]
                    for name in ("db-1", "db-2", "control")}
        log_in_here("op1")

    def jit(self, kind, user="op1", times=1, **fields):
        """What jit-helper answers to that user in this login session, the last time: (document, None) or (None, (exit
        status, sentence))."""
        read_end, write_end = os.pipe()

        def ask():
            os.setresuid(*[uid_of(user)] * 3)
            for _ in range(times):
                with Module(SESSION_SOCKET) as peer:
                    peer.settimeout(30)
                    peer.send(frame(kind, **fields))
                    answer = peer.recv(16384)
            os.write(write_end, answer)

        end(in_a_process(lambda: [ask()]))
        with os.fdopen(read_end, "rb") as answer:
            os.close(write_end)
            came, fields = parse(answer.read())
        if came == FAULT:
            return None, (fields[EXIT][3], fields[TEXT].decode())
        self.assertEqual(came, DOCUMENT)
        return json.loads(fields[JSON]), None

    def request(self, **fields):
        document, fault = self.jit(REQUEST, **{"ROLE": "wide", **fields})
        self.assertIsNone(fault)
        return document["requests"]

    def visit(self, app="sudo", **fields):
        module = Module()
        self.addCleanup(module.close)
        module.ask(ELEVATE, app, **{"REASON": "", **fields})
        return module

    def pass_through(self, module):
        grant = module.expect(VERDICT).get(GRANT)
        self.assertTrue(grant, "it is allowed")
        module.take()
        return grant.decode()

    def wait_for_log(self, pattern):
        wait_until(f"the log says {pattern}", lambda: re.search(pattern, read(self.lab.log("jit-helper"))), GENEROUS)

    def approve_one(self, request):
        self.approve((request["shortId"], request["code"]))

    def test_it_is_asked_before_its_use(self):
        [request] = self.request(REASON="patch day", DURATION=600)
        self.assertEqual((request["status"], request["host"], request["role"], request["requester"]),
                         ("PENDING", HOSTNAME, "wide", "op1"))
        known = self.lab.request(request["requestId"])
        self.assertEqual((known["reason"], known["duration"], known["loginUser"]), ("patch day", 600, "op1"))
        self.assertNotIn("service", known)
        self.assertEqual([r["shortId"] for r in self.jit(STATUS)[0]["requests"]], [request["shortId"]])
        self.approve_one(request)
        [followed] = self.jit(FOLLOW, GRANT=[request["requestId"]], WAIT=20)[0]["requests"]
        self.assertEqual((followed["status"], followed["decidedBy"], followed["remaining"]), ("APPROVED", "appr1", 600))
        self.pass_through(self.visit(ROLE="wide"))
        # Of scope user and asked for ahead: also where nobody logs in.
        self.pass_through(self.visit("login", SERVICE="cron", TARGET="op1"))
        self.assertEqual(self.jit(END)[0]["ended"], [request["shortId"]])
        self.lab.wait_for_status(request["requestId"], "CANCELLED")

    def test_who_comes_meanwhile_waits_for_it(self):
        [request] = self.request()
        module = self.visit(ROLE="wide")
        self.assertIn(request["shortId"], module.expect(WAITING)[TEXT].decode())
        module.close()
        self.assertEqual(self.lab.request(request["requestId"])["status"], "PENDING", "it goes on without them")
        module = self.visit(ROLE="wide")
        module.expect(WAITING)
        self.assertEqual(self.jit(END, GRANT=request["shortId"].lower())[0], {"ended": [], "withdrawn": [request["shortId"]]})
        self.assertIn("withdrawn", module.verdict()[1])
        self.lab.wait_for_status(request["requestId"], "CANCELLED")

    def test_following_ends_with_the_wait_or_the_decision(self):
        [request] = self.request()
        [still] = self.jit(FOLLOW, GRANT=[request["requestId"]], WAIT=1)[0]["requests"]
        self.assertEqual(still["status"], "PENDING")
        self.lab.as_approver("appr1", "deny", request["shortId"], "--comment", "not today")
        [over] = self.jit(FOLLOW, GRANT=[request["requestId"]], WAIT=20)[0]["requests"]
        self.assertEqual((over["status"], over["decidedBy"], over["comment"]), ("DENIED", "appr1", "not today"))
        self.assertEqual(self.jit(FOLLOW, GRANT=["0b6c1111-2222-4333-8444-555566667777"], WAIT=1)[1][0], 4)

    def test_what_was_said_to_many_is_left_out_before_the_answer_is(self):
        [request] = self.request()
        self.lab.as_approver("appr1", "deny", request["shortId"], "--comment", "not today " * 45)
        [one] = self.jit(FOLLOW, GRANT=[request["requestId"]], WAIT=20)[0]["requests"]
        self.assertIn("not today", one["comment"])
        many = self.jit(FOLLOW, GRANT=[request["requestId"]] * 32, WAIT=20)[0]["requests"]
        self.assertEqual([r["status"] for r in many], ["DENIED"] * 32)

    def test_a_refusal_of_the_policy_is_an_entry(self):
        [request] = self.request(ROLE="admin")
        self.assertEqual((request["status"], request["error"]), ("NOT_ELIGIBLE", "policy.reason"))
        self.assertNotIn("requestId", request)

    def test_a_control_node_asks_for_each_host_and_uses_none(self):
        requests = self.request(HOST=["db-*"])
        self.assertEqual(sorted(r["host"] for r in requests), ["db-1", "db-2"])
        for request in requests:
            self.assertEqual(self.lab.request(request["requestId"])["filedBy"], HOSTNAME)
        self.approve_one(requests[0])
        [followed] = self.jit(FOLLOW, GRANT=[requests[0]["requestId"]], WAIT=20)[0]["requests"]
        self.assertEqual(followed["status"], "APPROVED")
        module = self.visit(ROLE="wide")  # it is not for this one
        self.assertNotIn(requests[0]["shortId"], module.expect(WAITING)[TEXT].decode())
        module.close()
        self.assertEqual(self.jit(END)[0], {"ended": [requests[0]["shortId"]], "withdrawn": [requests[1]["shortId"]]})
        for request in requests:
            wait_until("it is over", lambda request=request: self.lab.request(request["requestId"])["status"] in
                       ("CANCELLED", "ENDED"), GENEROUS)

    def test_a_host_that_it_may_not_ask_for_is_said(self):
        status, text = self.jit(REQUEST, ROLE="wide", HOST=["mail-*"])[1]
        self.assertEqual((status, "may_request_for" in text), (13, True), text)

    def test_this_host_may_be_one_of_the_hosts(self):
        requests = {r["host"]: r for r in self.request(HOST=["db-1", HOSTNAME])}
        self.assertEqual(sorted(requests), sorted(["db-1", HOSTNAME]))
        own = requests[HOSTNAME]
        self.approve_one(own)
        self.assertEqual(self.pass_through(self.visit(ROLE="wide")), own["requestId"])
        self.assertEqual(self.jit(END)[0], {"ended": [own["shortId"]], "withdrawn": [requests["db-1"]["shortId"]]})
        self.lab.wait_for_status(own["requestId"], "CANCELLED")

    def test_what_is_asked_for_other_hosts_takes_no_place_from_who_asks_here(self):
        """Eight of one person may be under way on this host; these are more."""
        shorts = [r["shortId"] for _ in range(5) for r in self.request(HOST=["db-*"])]
        self.visit(ROLE="admin", REASON="disk full").expect(WAITING)
        self.assertEqual(sorted(self.jit(END)[0]["withdrawn"]), sorted(shorts))
        for short in shorts:
            self.lab.wait_for_status(short, "CANCELLED")

    def test_one_person_who_keeps_asking_keeps_nobody_from_asking(self):
        [refused] = self.jit(REQUEST, times=300, ROLE="admin")[0]["requests"]
        self.assertEqual(refused["error"], "policy.reason")
        [request] = self.jit(REQUEST, "op2", ROLE="wide")[0]["requests"]
        self.assertEqual(request["status"], "PENDING", request)
        self.assertEqual(self.jit(END, "op2")[0]["withdrawn"], [request["shortId"]])

    def in_a_session_from_here(self, work):
        """Runs work(token) in a login session that op1 has opened from HERE with a grant of scope user, and leaves that
        open: what it returns, as JSON would."""
        module = self.visit("sshd", TARGET="op1", RHOST=HERE, ROLE="wide")
        named = re.search(r"request (\S+), code (\d\d)", module.expect(WAITING)[TEXT].decode())
        self.approve((named[1], named[2]))
        self.pass_through(module)
        self.addCleanup(self.lab.as_approver, "appr1", "revoke", named[1], "--comment", "tidy", check=False)
        return self.elsewhere(lambda: work(self.open_session("sshd", RHOST=HERE, ROLE="wide")))

    def elsewhere(self, work):
        """What work() returns in a process and a login session of its own, which stay until the test is over."""
        read_end, write_end = os.pipe()

        def in_there():
            log_in_here("op1")
            os.write(write_end, json.dumps(work()).encode())
            os.close(write_end)
            return self.kept

        self.kept = [True]
        self.addCleanup(end, in_a_process(in_there))
        os.close(write_end)
        with os.fdopen(read_end, "rb") as result:
            return json.loads(result.read(65536))

    def open_session(self, app, **fields):
        """Opens it under whatever covers it: the token."""
        opened = Module()
        opened.ask(OPEN, app, **{"TARGET": "op1", **fields})
        token = opened.expect(VERDICT).get(TOKEN)
        opened.send(frame(TAKEN))
        self.kept.append(opened)
        return token

    def test_an_elevated_session_knows_what_was_asked_for_in_it(self):
        def work(token):
            [request] = self.request(ROLE="later")
            status = self.jit(STATUS, TOKEN=token)[0]
            return request["shortId"], status, self.jit(END, TOKEN=token)[0]

        short, status, ended = self.in_a_session_from_here(work)
        self.assertTrue(status["elevated"])
        self.assertEqual([grant["role"] for grant in status["grants"]], ["wide"])
        self.assertEqual([request["shortId"] for request in status["requests"]], [short])
        self.assertEqual((len(ended["ended"]), ended["withdrawn"]), (1, [short]))

    def test_what_is_asked_ahead_is_its_login_sessions_alone(self):
        [request] = self.request()
        self.assertEqual(self.jit(FOLLOW, "op2", GRANT=[request["requestId"]], WAIT=1)[1][0], 4)
        self.assertEqual(self.jit(END, "op2", GRANT=request["shortId"])[1][0], 1)
        followed, ended, status = self.elsewhere(lambda: (
            self.jit(FOLLOW, GRANT=[request["requestId"]], WAIT=1), self.jit(END, GRANT=request["shortId"]),
            self.jit(STATUS)))
        self.assertEqual((followed[1][0], ended[1][0], status[0]["requests"]), (4, 1, []))
        self.assertEqual(self.lab.request(request["requestId"])["status"], "PENDING")
        self.assertEqual(self.jit(END)[0]["withdrawn"], [request["shortId"]])

    def test_a_job_without_a_person_has_not_the_place_of_who_asked_ahead(self):
        """cron under a grant that was asked for from HERE is not a session from HERE."""
        request = self.in_a_session_from_here(lambda token: self.request(ROLE="later")[0])
        self.approve_one(request)
        self.wait_for_log(f"{request['shortId']}: op1 by jit request, .* approved by")

        def job():
            token = self.open_session("login", SERVICE="cron", ROLE="later")
            status = self.jit(STATUS, TOKEN=token)[0]
            module = Module()
            module.ask(ELEVATE, ROLE="wide", REASON="")
            return [g["shortId"] for g in status["grants"]], module.next_of(WAITING, VERDICT)

        held, came = self.elsewhere(job)
        self.assertEqual(held, [request["shortId"]])
        self.assertEqual(came, WAITING, "the grant from there does not cover it")
        self.lab.as_approver("appr1", "revoke", request["shortId"], "--comment", "tidy")

    def file_as_control(self, role, reason="patch day"):
        body = {"requester": "op1", "role": role, "duration": 900, "reason": reason, "forHost": HOSTNAME, "resume": True,
                "publicKey": KEY}
        call = urllib.request.Request("https://broker.example:8443/request-access", json.dumps(body).encode(),
                                      {"x-api-key": self.keys["control"], "Content-Type": "application/json"})
        with urllib.request.urlopen(call, context=brokerlib.trusting("/etc/pam-jit/broker-ca.pem"), timeout=10) as answer:
            return json.load(answer)

    def test_what_a_control_node_asked_for_is_the_first_ones_place(self):
        request = self.file_as_control("wide")
        self.approve_one(request)
        self.wait_for_log(f"{request['shortId']}: .* approved by")
        grant = self.pass_through(self.visit("sshd", TARGET="op1", RHOST=HERE, ROLE="wide"))
        self.assertEqual(grant, request["requestId"])
        self.assertEqual(self.pass_through(self.visit("sshd", TARGET="op1", RHOST=HERE, ROLE="wide")), grant)
        elsewhere = self.visit("sshd", TARGET="op1", RHOST=THERE, ROLE="wide")
        self.assertNotIn(request["shortId"], elsewhere.expect(WAITING)[TEXT].decode())
        self.lab.as_approver("appr1", "revoke", request["shortId"], "--comment", "tidy")
        for pending in self.lab.pending():
            self.lab.as_approver("appr1", "deny", pending["shortId"], "--comment", "tidy")

    def test_what_a_control_node_asks_for_leaves_this_host_with_one_poll(self):
        def polls():
            """Calls of hosts that wait at the broker."""
            with urllib.request.urlopen("https://broker.example:8443/metrics", timeout=10,
                                        context=brokerlib.trusting("/etc/pam-jit/broker-ca.pem")) as answer:
                return int(re.search(r"(?m)^jit_broker_waiters (\d+)$", answer.read().decode())[1])

        wait_until("this host waits", lambda: polls() == 1, 10)
        request = self.file_as_control("wide")
        self.wait_for_log(f"{request['shortId']}: .* filed by control: taken up")
        wait_until("this host waits again", polls, 10)
        self.lab.as_approver("appr1", "deny", request["shortId"], "--comment", "tidy")
        wait_until("this host waits again", polls, 10)
        self.assertEqual(polls(), 1)

    def test_a_pending_one_of_a_control_node_is_waited_for_and_good_once(self):
        request = self.file_as_control("admin")
        self.wait_for_log(f"{request['shortId']}: .* filed by control: taken up")
        first = self.visit("sshd", TARGET="op1", RHOST=HERE)
        shown = first.expect(WAITING)[TEXT].decode()
        self.assertIn(request["shortId"], shown)
        self.approve_one(request)
        grant = self.pass_through(first)

        def monitor():
            log_in_here("op1")
            opened = Module()
            opened.ask(OPEN, "sshd", TARGET="op1", RHOST=HERE, GRANT=grant)
            opened.verdict()
            opened.send(frame(TAKEN))
            return opened

        self.addCleanup(end, in_a_process(monitor))
        self.lab.wait_for_status(request["requestId"], "ACTIVE")
        second = self.visit("sshd", TARGET="op1", RHOST=HERE, REASON="again")
        self.assertNotIn(request["shortId"], second.expect(WAITING)[TEXT].decode())
        self.lab.as_approver("appr1", "revoke", request["shortId"], "--comment", "tidy")
        for pending in self.lab.pending():
            self.lab.as_approver("appr1", "deny", pending["shortId"], "--comment", "tidy")

    def test_a_restart_takes_up_what_a_login_left(self):
        first = self.visit("sshd", TARGET="op1", RHOST=HERE, REASON="disk full")
        short = first.expect(WAITING)[TEXT].decode().split()[1].rstrip(",")
        first.close()
        self.lab.stop_helper(kill=True)
        self.lab.start_helper()
        self.wait_for_log(f"{short}: .* taken up")
        self.assertIn(short, self.visit("sshd", TARGET="op1", RHOST=HERE).expect(WAITING)[TEXT].decode())
        self.lab.as_approver("appr1", "deny", short, "--comment", "tidy")

    def test_a_restart_without_its_state_ends_what_a_login_had_begun(self):
        first = self.visit("sshd", TARGET="op1", RHOST=HERE, REASON="disk full")
        named = re.search(r"request (\S+), code (\d\d)", first.expect(WAITING)[TEXT].decode())
        self.approve((named[1], named[2]))
        grant = self.pass_through(first)
        self.elsewhere(lambda: bool(self.open_session("sshd", RHOST=HERE, GRANT=grant)))
        self.lab.wait_for_status(grant, "ACTIVE")
        self.lab.stop_helper(kill=True)
        self.lab.forget_state()
        self.lab.start_helper()
        self.lab.wait_for_status(grant, "ENDED")

    def test_a_restart_takes_it_up_where_the_policy_chose_the_role(self):
        first = self.visit("sshd", SERVICE="chosen", TARGET="op1", RHOST=HERE, REASON="disk full")
        short = first.expect(WAITING)[TEXT].decode().split()[1].rstrip(",")
        first.close()
        self.lab.stop_helper(kill=True)
        self.lab.start_helper()
        self.wait_for_log(f"{short}: role admin .* taken up")
        again = self.visit("sshd", SERVICE="chosen", TARGET="op1", RHOST=HERE)
        self.assertIn(short, again.expect(WAITING)[TEXT].decode())
        again.close()
        named = self.visit("sshd", SERVICE="chosen", TARGET="op1", RHOST=HERE, ROLE="admin")
        self.assertIn(short, named.expect(WAITING)[TEXT].decode())
        self.lab.as_approver("appr1", "deny", short, "--comment", "tidy")

    def test_a_restart_withdraws_what_nobody_here_follows_any_more(self):
        [own] = self.request()
        [other] = self.request(HOST=["db-1"])
        self.lab.stop_helper(kill=True)
        self.lab.start_helper()
        self.lab.wait_for_status(own["requestId"], "CANCELLED")
        self.assertEqual(self.lab.request(other["requestId"])["status"], "PENDING", "that host uses it")
        self.lab.as_approver("appr1", "deny", other["shortId"], "--comment", "tidy")

    def test_a_restart_takes_it_up_whoever_asks_meanwhile(self):
        first = self.visit("sshd", TARGET="op1", RHOST=HERE, REASON="disk full")
        short = first.expect(WAITING)[TEXT].decode().split()[1].rstrip(",")
        first.close()
        self.lab.stop_helper(kill=True)
        os.kill(self.lab.broker.process.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.lab.broker.process.pid, signal.SIGCONT)
        self.lab.start_helper()
        other = self.visit(REQUESTER="op2", UID=uid_of("op2"), REASON="disk full")
        os.kill(self.lab.broker.process.pid, signal.SIGCONT)
        other.expect(WAITING)
        self.wait_for_log(f"{short}: .* taken up")
        self.lab.as_approver("appr1", "deny", short, "--comment", "tidy")

class ByHand(LabCase):
    """The real jit on a terminal of 80 columns, the real helper and broker."""

    broker_conf = {**Ahead.broker_conf,
                   **{("role brief", key): value for key, value in
                      {"services": "sudo", "targets": "root", "requesters": "@operators", "hosts": "*",
                       "approvers": "@oncall", "reason": "optional", "pending": "1s"}.items()}}
    LINE = r"(\S+)  (\w{4}-\w{4})  code (\d\d)  waiting for approval\r?\n"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("db-1", "db-2"):
            cls.lab.broker.admin("key", "add", name)

    def op1(self, reason="patch day", **how):
        return self.open_terminal(reason=reason, columns=80, **how)

    def run_for(self, terminal, command, expected):
        """What the command showed; it ends with that status, and but for sentences no line is wider than the terminal."""
        status, text = terminal.run(command)
        self.assertEqual(status, expected, text)
        self.assertLessEqual(max((len(line) for line in text.splitlines() if ": " not in line), default=0), 80, text)
        return text

    def file(self, terminal, command):
        """Files one for this host and does not wait: (short id, code)."""
        found = re.fullmatch(self.LINE, self.run_for(terminal, command, 10))
        self.assertTrue(found)
        self.assertEqual(found[1], HOSTNAME)
        return found[2], found[3]

    def begin(self, terminal, command):
        """Types a command that waits: (short id, code)."""
        terminal.start(command)
        shown = terminal.expect(self.LINE)
        return shown[2], shown[3]

    def test_what_was_asked_for_and_approved_lets_sudo_pass_in_this_session_and_in_no_other(self):
        terminal = self.op1()
        request = self.file(terminal, "jit request --role admin --for 10m")
        self.assertRegex(self.run_for(terminal, "jit status", 1),
                         rf"{request[0]}  admin  waits for approval, .*\n  code +{request[1]}\n")
        self.approve(request)
        wait_until("jit status shows the grant", lambda: "not used yet: 10 min" in terminal.run("jit status")[1], GENEROUS)
        self.assert_asks_nobody(terminal, "sudo id")
        shown = self.run_for(terminal, "jit status", 0)
        self.assertRegex(shown, rf"{request[0]}  admin  (9 min \d+ s|10 min) left")
        self.assertIn("  good for      this login session alone\n", shown)
        other = self.op1()
        self.assertNotEqual(self.ask(other)[0], request[0])
        other.interrupt()
        self.assertNotEqual(other.finish()[0], 0)
        self.assertEqual(self.run_for(terminal, "jit end", 0), f"Given back: {request[0]}\n")
        self.run_for(terminal, "jit end", 1)

    def test_each_decision_has_its_sentence_and_its_exit_status(self):
        terminal = self.op1()
        request = self.begin(terminal, "jit request --role admin --wait")
        self.approve(request)
        status, text = terminal.finish()
        self.assertEqual((status, text), (0, f"{HOSTNAME}  {request[0]}  approved by appr1, 15 min from its first use on\n"))
        request = self.begin(terminal, "jit request --role wide --wait 5m")
        self.lab.as_approver("appr1", "deny", request[0], "--comment", "not today")
        self.assertEqual(terminal.finish(), (11, f"{HOSTNAME}  {request[0]}  denied by appr1: not today\n"))
        request = self.begin(terminal, "jit request --role brief --wait")
        self.assertEqual(terminal.finish(), (12, f"{HOSTNAME}  {request[0]}  expired: nobody decided in time\n"))
        request = self.begin(terminal, "jit request --role wide --wait 1s")
        self.assertEqual(terminal.finish(), (10, ""))
        self.assertEqual(self.lab.request(request[0])["status"], "PENDING", "the end of the wait withdraws nothing")
        self.assertIn(f"Withdrawn: {request[0]}\n", self.run_for(terminal, "jit end", 0))
        self.lab.wait_for_status(request[0], "CANCELLED")

    def test_who_may_not_ask_is_told_what_to_do(self):
        terminal = self.op1(reason=None)
        self.assertEqual(self.run_for(terminal, "jit request --role admin", 13), "this host  not eligible: role admin "
                         "needs a reason: say it with --reason 'disk full'\n")
        self.assertIn("not eligible", self.run_for(terminal, "jit request --role nosuch --reason x", 13))
        self.assertIn("may_request_for", self.run_for(terminal, "jit request --role wide --hosts 'mail-*'", 13))
        self.assertIn("--role", self.run_for(terminal, "jit request", 2))

    def test_other_hosts_are_asked_for_and_their_json_is_a_document(self):
        terminal = self.op1()
        requests = json.loads(terminal.run("jit request --role wide --hosts 'db-*' --json | cat")[1])["requests"]
        self.assertEqual(sorted(request["host"] for request in requests), ["db-1", "db-2"])
        for request in requests:
            self.approve((request["shortId"], request["code"]))
        self.assertEqual(len(re.findall(self.LINE, self.run_for(terminal, "jit request --role wide --hosts db-1 db-2", 10))), 2)
        self.run_for(terminal, "jit end", 0)

    def test_ctrl_c_and_a_closed_terminal_withdraw_what_waits(self):
        terminal = self.op1(environment={"TERM": "xterm"})
        request = self.begin(terminal, "jit request --role wide --wait")
        terminal.expect(r"1 request waits for approval, for \d s now \(Ctrl-C withdraws\)")
        terminal.interrupt()
        status, text = terminal.finish()
        self.assertEqual((status, text.replace("^C", "").split("\x1b[K")[-1]), (11, f"{HOSTNAME}  {request[0]}  withdrawn\n"))
        self.lab.wait_for_status(request[0], "CANCELLED")
        granted = self.begin(terminal, "jit request --role wide --wait")
        self.approve(granted)
        self.assertEqual(terminal.finish()[0], 0)
        self.assertIn("  good for      all your sessions from the same place\n", self.run_for(terminal, "jit status", 0))
        self.run_for(terminal, "jit end", 0)
        request = self.begin(terminal, "jit request --role wide --wait")
        terminal.hang_up()
        self.lab.wait_for_status(request[0], "CANCELLED")

    def test_without_a_helper_or_a_broker_it_says_so_at_once(self):
        terminal = self.op1()
        self.lab.broker.stop()
        try:
            self.assertRegex(self.run_for(terminal, "jit request --role wide", 4), "not to be had: .*broker")
        finally:
            self.lab.broker.start()
        self.lab.stop_helper()
        try:
            self.assertEqual(self.run_for(terminal, "jit request --role wide --wait", 4),
                             "jit: cannot reach jit-helper (Connection refused): is it running on this host?\n")
        finally:
            self.lab.start_helper()

    def test_a_restart_of_the_helper_in_the_wait_is_not_an_answer(self):
        terminal = self.op1()
        self.begin(terminal, "jit request --role wide --wait")
        self.lab.stop_helper(kill=True)
        self.lab.start_helper()
        status, text = terminal.finish(GENEROUS)
        self.assertEqual((status, text.count("\n"), "restarted" in text and "ask again" in text), (4, 1, True), text)
