"""The broker's policy as its operator and its callers meet it: what check explains, what a reload changes and what it
leaves alone, hours, approval by the clock, and keys that are good from some addresses alone."""

import datetime
import json
import os
import signal
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from brokerlib import PUBLIC_KEY, edit_ini, make_broker, make_certificate, new_secret
from namespace import die_with_parent
from terminal import wait_until
from test_broker_api import ARN, FILING, BrokerCase

CONF = f"""issuer = demo
[role admin]
arn = {ARN}
services = sudo
requesters = @sre
hosts = web-*
targets = root
approvers = appr1 appr2
max_duration = 30m
[role office]
services = sudo
requesters = op1
hosts = *
targets = root
approvers = appr1 appr2
approvals = 2
hours = Mon-Fri 08:00-18:00 Europe/Berlin
hours = Sat 10:00-12:00 Europe/Berlin
auto_approve = hours Mon-Fri 09:00-17:00 Europe/Berlin
ticket = ^INC-[0-9]+$
[group sre]
members = op1 op2 appr1-adm
[person op1]
[person op2]
[person appr1]
unix = appr1 appr1-adm
[person appr2]
"""


def daily(first, last, now=None):
    """A window of every day, in minutes from now."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    ends = [(now + datetime.timedelta(minutes=minutes)).strftime("%H:%M") for minutes in (first, last)]
    return f"daily {'-'.join(ends)}"


class PolicyCase(BrokerCase):
    conf = CONF

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(cls.broker.conf, encoding="utf-8") as file:
            cls.text = file.read()

    def setUp(self):
        super().setUp()
        self.addCleanup(self.write, self.text, reload=True)

    def write(self, text, reload=False):
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(text)
        if reload:
            self.reload()

    def reload(self):
        """Sends SIGHUP and returns what the broker logs until it has taken the file, or has not."""
        before = len(self.log())

        def said():
            text = self.log()[before:]
            return text if "has been read anew" in text or "kept as it was" in text else None

        os.kill(self.broker.process.pid, signal.SIGHUP)
        return wait_until("the broker heeds SIGHUP", said)

    def change(self, changes):
        """Writes the configuration with these changes and has it read; what the broker logs of that."""
        self.write(edit_ini(self.text, changes))
        return self.reload()

    def line_of(self, text):
        with open(self.broker.conf, encoding="utf-8") as file:
            lines = file.read().splitlines()
        return next(i for i, line in enumerate(lines, 1) if line.startswith(text))

    def where(self, text):
        return f"{self.broker.conf}:{self.line_of(text)}"

    def records(self, action):
        shown = self.broker.admin("audit", "show").stdout
        return [record for record in map(json.loads, shown.splitlines()) if record["action"] == action]

    def refused(self, code, **changes):
        answer = self.host.post("/request-access", {**FILING, **changes})
        self.assertEqual((answer.status, answer.json["error"]), (403, code), answer.body)
        return answer.json["message"]


class CheckTest(PolicyCase):
    """check --who: word for word, since it is read at night."""

    def check(self, *args, status=0, who="op1", host="web-1"):
        done = self.broker.admin("check", "--who", who, "--host", host, *args, check=False)
        self.assertEqual((done.returncode, done.stderr), (status, ""), done.stdout)
        return done.stdout

    def test_what_is_allowed(self):
        conf = self.broker.conf
        self.assertEqual(
            self.check("--role", "admin", "--service", "sudo", "--target", "root", "--duration", "1h"),
            "allowed: op1 may ask for role admin on web-1, for 30 min\n"
            f"decided by {conf}:10: requesters = @sre\n"
            f"the time is cut to max_duration ({conf}:14)\n"
            f"who may approve it: appr1 appr2; 1 must ({conf}:13)\n"
            f"a reason will be asked for ({conf}:7)\n")

    def test_what_is_shut_for_the_night(self):
        conf = self.broker.conf
        self.assertEqual(
            self.check("--role", "office", "--ticket", "INC-1", "--at", "2026-11-24T02:00:00Z", status=1),
            "refused, policy.hours: role office may be used Mon-Fri 08:00-18:00 Europe/Berlin, Sat 10:00-12:00 "
            "Europe/Berlin, and it is Tue 03:00 (Europe/Berlin); the broker's operator sets its hours\n"
            f"decided by {conf}:22: hours = Mon-Fri 08:00-18:00 Europe/Berlin\n")

    def test_what_the_clock_approves_and_cuts(self):
        conf = self.broker.conf
        at_four = ("--role", "office", "--ticket", "INC-1", "--reason", "x", "--at")
        self.assertEqual(
            self.check(*at_four, "2026-11-24T10:00:00Z"),
            "allowed: op1 may ask for role office on web-1, for 1 h\n"
            "approved at once: role office is approved without a person Mon-Fri 09:00-17:00 Europe/Berlin\n"
            f"decided by {conf}:24: auto_approve = hours Mon-Fri 09:00-17:00 Europe/Berlin\n"
            f"who may approve it: appr1 appr2; 2 must ({conf}:20)\n")
        self.assertEqual(  # half an hour before it shuts; a summer's day, so that it is another hour of UTC
            self.check(*at_four, "2026-07-21T15:30:00Z"),
            "allowed: op1 may ask for role office on web-1, for 30 min\n"
            f"decided by {conf}:17: requesters = op1\n"
            f"the time is cut to the end of the role's hours ({conf}:22)\n"
            f"who may approve it: appr1 appr2; 2 must ({conf}:20)\n")

    def test_whether_this_person_may_approve(self):
        conf = self.broker.conf
        args = ("--role", "admin", "--reason", "x", "--approver")
        allowed = ("allowed: appr1-adm may ask for role admin on web-1, for 30 min\n"
                   f"decided by {conf}:10: requesters = @sre\n"
                   f"who may approve it: appr2; 1 must ({conf}:13)\n")
        self.assertEqual(
            self.check(*args, "appr1", who="appr1-adm", status=1), allowed +
            "appr1 may not approve it, approval.own_request: this is your own request; another approver of role admin "
            f"has to decide it\ndecided by {conf}:31: unix = appr1 appr1-adm\n")
        self.assertEqual(self.check(*args, "appr2", who="appr1-adm"), allowed +
                         f"appr2 may approve it\ndecided by {conf}:13: approvers = appr1 appr2\n")

    def test_which_role_a_host_gets_that_names_none(self):
        self.assertIn("allowed: op1 may ask for role admin on web-1", self.check())
        self.assertIn("refused, policy.hours: role office may be used",
                      self.check("--at", "2026-11-24T02:00:00Z", host="db-1", status=1))
        self.assertEqual(self.check(who="nobody", status=1), "refused, policy.role: no role lets nobody ask for anything "
                         "on web-1; the broker's operator sets the roles\n")

    def test_the_same_as_json(self):
        answer = json.loads(self.check("--role", "admin", "--json", "--at", "2026-11-24T02:00:00Z", "--approver", "op1",
                                       status=1))
        self.assertEqual(answer, {
            "allowed": True, "code": "", "message": "op1 may ask for role admin on web-1", "file": self.broker.conf,
            "line": 10, "text": "requesters = @sre", "at": "2026-11-24T02:00:00Z", "role": "admin", "byPolicy": False,
            "approvers": ["appr1", "appr2"], "approvals": 1, "duration": 1800,
            "approver": {"allowed": False, "code": "approval.own_request", "file": self.broker.conf, "line": 28,
                         "message": "this is your own request; another approver of role admin has to decide it",
                         "text": "[person op1]"}})

    def test_what_makes_no_question_is_usage(self):
        for args in (("--who", "op1"), ("--json",), ("--at", "2026-11-24T02:00:00Z"), ("--role", "admin"),
                     ("--who", "op1", "--host", "web-1", "--at", "noon"),
                     ("--who", "op1", "--host", "web-1", "--duration", "0")):
            done = self.broker.admin("check", *args, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), args)

    def test_every_error_is_told_in_one_run(self):
        self.write(edit_ini(self.text, {
            ("role office", "hours"): "Mon-Fri 8-18", ("role admin", "approvers"): None,
            ("person op1", "oidc"): "http://login.example 1", ("person op2", "unix"): "op1",
            ("host web-1", "source"): "10.0.0.1/8"}))
        done = self.broker.admin("check", check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        for begins, told in (("hours = Mon-Fri 8-18", "hours are days, times and a place's clocks, like"),
                             ("[role admin]", "nobody can approve role admin: it wants approvers (or auto_approve)"),
                             ("oidc =", "oidc is an issuer and a subject or a claim, like"),
                             ("unix = op1", "Unix name op1 belongs to person op1 already; one name is one person's"),
                             ("source =", "source names addresses or networks, like")):
            self.assertIn(f"{self.where(begins)}: {told}", done.stderr)


class ReloadTest(PolicyCase):
    """SIGHUP: all of a good file counts from that instant on, nothing of a bad one."""

    def status(self, request_id):
        return self.host.get(f"/requests/{request_id}").json["status"]

    def granted(self, **changes):
        request = self.file(**changes)
        self.approve(request)
        answer = self.host.post(f"/requests/{request['requestId']}/credentials", {"publicKey": PUBLIC_KEY})
        self.assertEqual(answer.status, 200, answer.body)
        return request["requestId"]

    def collect(self, request_id):
        return self.host.post(f"/requests/{request_id}/credentials", {"publicKey": PUBLIC_KEY})

    def test_a_rule_taken_away_ends_what_it_gave(self):
        gone, kept = self.granted(), self.granted(requester="op2", loginUser="op2")
        self.assertEqual(self.collect(gone).status, 200)
        after = self.cursor()
        said = self.change({("group sre", "members"): "op2"})
        self.assertIn("the configuration has been read anew: 2 roles, 1 groups, 4 persons", said)
        told = self.host.get(f"/changes?after={after}&wait=10").json["changes"]
        self.assertEqual([(c["requestId"], c["status"], c["endedBy"]) for c in told], [(gone, "REVOKED", "policy")])
        self.assertIn("op1 may not ask for role admin", told[0]["comment"])
        answer = self.collect(gone)
        self.assertEqual((answer.status, answer.json["error"]), (403, "grant.revoked"), answer.body)
        record = self.records("request.revoked")[-1]
        self.assertEqual((record["actor"], record["detail"]["line"]), ("policy", self.where("requesters = @sre")))
        self.assertEqual(self.collect(kept).status, 200)
        self.change({})
        self.assertEqual(self.collect(gone).status, 403)  # what is over stays over

    def test_a_grant_without_aws_ends_with_its_rule_too(self):
        """Nobody ever asks for credentials under it, so that nothing but the change itself can end it."""
        self.text = edit_ini(self.text, {("role admin", "arn"): None})
        self.addCleanup(setattr, self, "text", type(self).text)
        self.change({})
        requests = [self.file(), self.file(), self.file(requester="op2", loginUser="op2")]
        for request in requests:
            self.approve(request)
        begun, unused, kept = [request["requestId"] for request in requests]
        for each in (begun, kept):
            self.assertEqual(self.host.post(f"/requests/{each}/start").json["status"], "ACTIVE")
        self.change({})  # the same rules: nothing ends
        self.assertEqual([self.status(each) for each in (begun, unused, kept)], ["ACTIVE", "APPROVED", "ACTIVE"])
        after = self.cursor()
        self.change({("group sre", "members"): "op2"})
        wait_until("both are over", lambda: {self.status(begun), self.status(unused)} == {"REVOKED"})
        told = {c["requestId"]: c for c in self.host.get(f"/changes?after={after}").json["changes"]}
        self.assertEqual({each: told[each]["endedBy"] for each in told}, {begun: "policy", unused: "policy"})
        self.assertEqual(self.status(kept), "ACTIVE")

    def test_a_rule_taken_away_while_the_broker_is_down_ends_what_it_gave(self):
        gone, kept = self.granted(), self.granted(requester="op2", loginUser="op2")
        self.broker.stop()
        self.write(edit_ini(self.text, {("group sre", "members"): "op2"}))
        self.broker.start()
        self.host.close()
        self.assertEqual([self.status(gone), self.status(kept)], ["REVOKED", "ACTIVE"])

    def test_a_request_that_waits_is_decided_by_the_new_rules_and_keeps_its_deadline(self):
        request = self.file()
        self.change({("role admin", "approvers"): "appr2", ("role admin", "pending"): "1s"})
        answer = self.approver.post(f"/requests/{request['requestId']}/approve", {"code": request["code"]})
        self.assertEqual((answer.status, answer.json["error"]), (403, "approval.not_eligible"))
        self.assertEqual(self.host.get(f"/requests/{request['requestId']}").json["pendingUntil"],
                         request["pendingUntil"])
        other = self.api(token=self.tokens["appr2"])
        answer = other.post(f"/requests/{request['requestId']}/approve", {"code": request["code"]})
        self.assertEqual((answer.status, answer.json["status"]), (200, "APPROVED"), answer.body)

    def test_a_role_and_a_person_that_are_new_count_at_once(self):
        self.refused("policy.role", role="fresh")
        for key, value in (("services", "sudo"), ("requesters", "op1"), ("hosts", "*"), ("targets", "root"),
                           ("approvers", "appr3")):
            self.text = edit_ini(self.text, {("role fresh", key): value})
        self.text = edit_ini(self.text, {("person appr3", "unix"): "appr3"})
        self.addCleanup(setattr, self, "text", type(self).text)
        self.change({})
        token = new_secret(self.broker, "token", "add", "appr3")
        request = self.file(role="fresh")
        answer = self.api(token=token).post(f"/requests/{request['requestId']}/approve", {"code": request["code"]})
        self.assertEqual(answer.json["status"], "APPROVED", answer.body)
        self.text = type(self).text
        self.change({})
        self.assertEqual(self.api(token=token).get("/requests").status, 401)  # a person who is gone is nobody

    def test_a_bad_file_changes_nothing_and_each_error_is_logged(self):
        self.write(edit_ini(self.text, {("role admin", "requesters"): "op2", ("role admin", "colour"): "red",
                                        ("role office", "approvals"): "3"}))
        said = self.reload()
        self.assertIn(f"{self.where('colour')}: [role] has no key colour", said)
        self.assertIn(f"{self.where('approvals')}: role office wants 3 approvals", said)
        self.assertIn(f"the configuration is kept as it was: {self.broker.conf} has errors", said)
        self.file()  # op1, whom the bad file leaves out
        os.rename(self.broker.conf, f"{self.broker.conf}.away")
        self.assertIn("kept as it was", self.reload())
        os.rename(f"{self.broker.conf}.away", self.broker.conf)
        self.file()

    def test_what_is_read_at_the_start_alone_is_named_and_kept(self):
        before = len(self.records("configuration.loaded"))
        said = self.change({("broker", "listen"): "127.0.0.1:1", ("broker", "store"): f"sqlite:{self.folder}/other.db",
                            ("broker", "issuer_region"): "eu-west-1", ("broker", "max_connections"): "64",
                            ("role admin", "requesters"): "op2"})
        for key in ("listen", "store", "issuer_region", "max_connections"):
            self.assertIn(f"{self.where(key)}: {key} is read at the start alone; the broker goes on with what it was "
                          "started with until it is restarted", said)
        self.assertNotIn("tls is read", said)
        self.refused("policy.requester")  # the rest of the file counts, and the old listener and store serve it
        self.assertFalse(os.path.exists(f"{self.folder}/other.db"))
        self.write(self.text)
        loaded = self.records("configuration.loaded")
        self.assertEqual(len(loaded), before + 1)
        self.assertEqual(loaded[-1]["actor"], "admin")
        self.assertRegex(loaded[-1]["detail"]["sha256"], "^[0-9a-f]{64}$")

    def test_tls_that_is_switched_off_in_the_file_stays_on_until_a_restart(self):
        said = self.change({("broker", "tls"): "off", ("broker", "tls_certificate"): None, ("broker", "tls_key"): None})
        self.assertIn("tls is read at the start alone", said)
        self.assertEqual(self.api().get("/sign-in").headers["strict-transport-security"].split("=")[0], "max-age")
        self.assertNotIn("is read at the start alone", self.change({}))
        self.file()

    def test_systemd_hears_of_the_reload_and_of_its_end_however_the_file_was_named(self):
        folder, apart = (tempfile.mkdtemp(prefix="broker-") for _ in range(2))
        self.addCleanup(shutil.rmtree, folder)
        self.addCleanup(shutil.rmtree, apart)
        broker = make_broker(folder, CONF)
        broker.conf = shutil.move(broker.conf, f"{apart}/broker.conf")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"{folder}/notify")
            manager.settimeout(10)
            with open(broker.log, "ab") as log:
                broker.process = subprocess.Popen([broker.program, "serve", "--config", "broker.conf"],
                                                  cwd=apart, stdout=log, stderr=log, preexec_fn=die_with_parent,
                                                  env={**os.environ, "NOTIFY_SOCKET": f"{folder}/notify"})
            self.addCleanup(broker.stop)
            self.assertEqual(manager.recv(1000), b"READY=1")
            os.kill(broker.process.pid, signal.SIGHUP)
            self.assertRegex(manager.recv(1000), rb"^RELOADING=1\nMONOTONIC_USEC=\d+$")
            self.assertEqual(manager.recv(1000), b"READY=1\nSTATUS=")
            os.truncate(broker.conf, 0)
            os.kill(broker.process.pid, signal.SIGHUP)
            self.assertTrue(manager.recv(1000).startswith(b"RELOADING=1\n"))
            self.assertEqual(manager.recv(1000), b"READY=1\nSTATUS=the new configuration was refused, and the old one "
                             b"counts; the log says why")

    def serial(self):
        with ssl.create_default_context(cafile=self.ca).wrap_socket(
                socket.create_connection(("127.0.0.1", self.broker.port), 5),
                server_hostname="127.0.0.1") as sock:
            return sock.getpeercert()["serialNumber"]

    def test_a_renewed_certificate_is_shown_without_a_restart(self):
        before = self.serial()
        self.assertEqual(self.host.get("/requests").status, 200)
        make_certificate(self.folder, self.folder, ["localhost"], ["127.0.0.1"])
        self.assertEqual(self.serial(), before)
        self.reload()
        self.assertNotEqual(self.serial(), before)
        self.assertEqual(self.host.get("/requests").status, 200)  # on the connection of before

    def test_a_certificate_that_does_not_fit_its_key_changes_nothing(self):
        before = self.serial()
        with open(f"{self.folder}/tls.key", encoding="ascii") as file:
            key = file.read()
        os.rename(f"{self.folder}/ca.key", f"{self.folder}/tls.key")
        self.write(edit_ini(self.text, {("role admin", "requesters"): "op2"}))
        said = self.reload()
        with open(f"{self.folder}/ca.key", "w", encoding="ascii") as ca_key, \
                open(f"{self.folder}/tls.key", encoding="ascii") as moved:
            ca_key.write(moved.read())
        with open(f"{self.folder}/tls.key", "w", encoding="ascii") as file:
            file.write(key)
        self.assertIn("tls_key: the key in", said)
        self.assertIn("kept as it was", said)
        self.assertEqual(self.serial(), before)
        self.file()


class HoursTest(PolicyCase):
    """Windows around now: the broker has no other clock than the machine's."""

    def office(self, **changes):
        answer = self.host.post("/request-access", {**FILING, "role": "office", "ticket": "INC-1", "duration": 3600,
                                                    **changes})
        self.assertEqual(answer.status, 200, answer.body)
        self.addCleanup(self.host.post, f"/requests/{answer.json['requestId']}/end")
        return answer.json

    def test_what_is_filed_in_its_window_is_approved_by_the_policy_which_names_its_line(self):
        window = daily(-60, 60)
        self.change({("role office", "hours"): None, ("role office", "auto_approve"): f"hours {window}"})
        request = self.office()
        self.assertEqual((request["status"], request["decidedBy"]), ("APPROVED", "policy"), request)
        self.assertEqual(request["comment"], f"role office is approved without a person {window} UTC")
        self.assertNotIn("code", request)
        detail = next(record["detail"] for record in reversed(self.records("request.filed")))
        self.assertEqual((detail["status"], detail["decidedBy"], detail["line"]),
                         ("APPROVED", "policy", self.where("auto_approve")))
        # Its hours pass: what was approved in them lives on. The line goes: it does not.
        self.assertEqual(self.host.post(f"/requests/{request['requestId']}/start").status, 200)
        other = self.office()
        self.change({("role office", "hours"): None, ("role office", "auto_approve"): None})
        answer = self.host.post(f"/requests/{other['requestId']}/start")
        self.assertEqual((answer.status, answer.json["error"]), (403, "grant.revoked"))
        self.assertIn("role office is no longer approved without a person", answer.json["message"])
        self.assertEqual(self.records("request.revoked")[-1]["detail"]["rule"], "policy.auto_approve")

    def test_out_of_its_window_persons_decide_and_where_there_are_none_nobody(self):
        window = f"hours {daily(60, 120)}"
        self.change({("role office", "hours"): None, ("role office", "auto_approve"): window})
        request = self.office(simulateApproval=True)  # which is another word
        self.assertEqual((request["status"], request["approvalsNeeded"]), ("PENDING", 2))
        self.change({("role office", "hours"): None, ("role office", "auto_approve"): window,
                     ("role office", "approvers"): None, ("role office", "approvals"): None})
        request = self.office()
        self.assertEqual((request["status"], request["decidedBy"], request["comment"]),
                         ("DENIED", "policy", "nobody approves this role, and the policy does not approve it just now"))

    def test_a_grant_ends_with_the_hours(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        window = daily(-60, 20, now)
        self.change({("role office", "hours"): window, ("role office", "auto_approve"): f"hours {window}"})
        request = self.office()
        shuts = (now + datetime.timedelta(minutes=20)).replace(second=0, microsecond=0)
        self.assertTrue(18 * 60 < request["duration"] <= 20 * 60, request["duration"])
        answer = self.host.post(f"/requests/{request['requestId']}/start")
        self.assertEqual(answer.json["grantedUntil"], shuts.strftime("%Y-%m-%dT%H:%M:%SZ"))

    def test_out_of_hours_nothing_is_filed_approved_or_issued(self):
        open_, shut = daily(-60, 60), daily(60, 120)
        self.change({("role office", "hours"): open_, ("role office", "auto_approve"): None,
                     ("role office", "approvals"): None})
        waiting, approved = self.office(), self.office()
        self.approve(approved)
        self.change({("role office", "hours"): shut, ("role office", "auto_approve"): None,
                     ("role office", "approvals"): None})
        self.assertIn(f"role office may be used {shut} UTC, and it is ",
                      self.refused("policy.hours", role="office", ticket="INC-1"))
        answer = self.approver.post(f"/requests/{waiting['requestId']}/approve", {"code": waiting["code"]})
        self.assertEqual((answer.status, answer.json["error"]), (403, "policy.hours"))
        answer = self.host.post(f"/requests/{approved['requestId']}/start")
        self.assertEqual((answer.status, answer.json["error"]), (403, "grant.revoked"))
        self.assertIn(f"role office may be used {shut} UTC", answer.json["message"])
        answer = self.approver.post(f"/requests/{waiting['requestId']}/deny")  # which is possible at any hour
        self.assertEqual(answer.json["status"], "DENIED", answer.body)


class SourceTest(PolicyCase):
    def test_a_key_from_elsewhere_is_a_wrong_key_and_the_log_names_the_address(self):
        wrong = self.api(key="jitk_0000000000000000_" + "A" * 43).get("/requests")
        self.assertEqual(self.host.get("/requests").status, 200)
        self.change({("host web-1", "source"): "10.0.0.0/8 2001:db8::/32"})
        before = len(self.log())
        line = ("the key of host web-1 was used from 127.0.0.1, which its source does not name "
                f"({self.where('source')}): refused")

        def refused_and_logged():  # once a second at most
            for headers in ({}, {"X-Forwarded-For": "10.1.2.3"}, {"Forwarded": "for=10.1.2.3"}):
                answer = self.host.get("/requests", headers)
                self.assertEqual((answer.status, answer.body), (wrong.status, wrong.body))
            return self.log()[before:].count(line)

        began = time.monotonic()
        logged = wait_until("the log names the address", refused_and_logged)
        self.assertLessEqual(logged, time.monotonic() - began + 2)
        self.assertNotIn(self.key, self.log())
        other = self.api(key=new_secret(self.broker, "key", "add", "web-2"))
        self.assertEqual(other.get("/requests").status, 200)  # a host without a source comes from anywhere
        self.change({("host web-1", "source"): "10.0.0.0/8 127.0.0.0/30"})
        self.assertEqual(self.host.get("/requests").status, 200)

    def test_a_host_bound_elsewhere_is_not_heard_of(self):
        """Its waiting requests are not kept alive by whoever has its key."""
        request = self.file()
        self.change({("host web-1", "source"): "10.0.0.0/8"})
        for path in (f"/requests/{request['requestId']}", "/changes", "/hosts"):
            self.assertEqual(self.host.get(path).json, {"message": "Forbidden"})
        for path in ("/request-access", "/events", f"/requests/{request['requestId']}/cancel"):
            self.assertEqual(self.host.post(path).json, {"message": "Forbidden"})
        self.change({})
        self.assertEqual(self.host.get(f"/requests/{request['requestId']}").json["status"], "PENDING")


if __name__ == "__main__":
    unittest.main()
