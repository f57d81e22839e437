"""How each phase is brought about with real sudo, what is done in it while the fault is there, and what that came to.

Each has before(), during() while the fault stands, and after() when it is gone; `came` says in a word or two what became
of it, `said` is what a person read, `other` what the other one did where there are two. Whatever somebody was told for
certain goes to `told`: {short id: set of records}. What the helper has to tell the broker, that a grant begins and that it
is over, is told while the fault stands or late, and not lost."""

import concurrent.futures
import json
import os
import re
import select
import time

from lab import WAITING, read, write
from terminal import wait_until

from .victims import FOLDER

TIMEOUT = 6  # seconds: timeout= of the module's lines for sudo
PATIENT = 90  # and for sudo -i
CALL = 2  # broker_timeout of the helper
LIFETIME = 4  # credential_lifetime of the role
GRACE = 2  # the module's, after its timeout
SLACK = 3  # for machines that have other work
SUDO = TIMEOUT + GRACE + SLACK
JIT = 15 + SLACK
CLIENT = 15 + SLACK  # the call that fails is the last one
LOOKS = 3  # seconds, at most, from one look of the broker at what its clock has made due to the next
UNAVAILABLE = 4  # exit status of jit-broker's commands for approvers
TELLING = 4  # seconds that a helper has to tell the broker, where nothing is wrong
TOKEN = "pam_jit:token"  # an elevation's key, as /proc/keys names it to whose keyring has it
RECOVERY = 30  # seconds that something may take to come back by itself
BARRIER = f"session required pam_exec.so quiet type=open_session {FOLDER}/barrier\n"
BARRIER_SCRIPT = """#!/bin/sh
[ -e {0}/closed ] || exit 0
echo here >{0}/here
read -r _ <{0}/go
"""


def lay_barrier(lab):
    """sudo stops before our open_session wherever FOLDER/closed is."""
    write(f"{FOLDER}/barrier", BARRIER_SCRIPT.format(FOLDER), 0o755)
    for name in ("here", "go"):
        if not os.path.exists(f"{FOLDER}/{name}"):
            os.mkfifo(f"{FOLDER}/{name}")
            os.chmod(f"{FOLDER}/{name}", 0o666)  # pam_exec runs what it runs as who asks
    with open("/etc/pam.d/sudo", encoding="utf-8") as file:
        text = file.read()
    write("/etc/pam.d/sudo", re.sub(r"^session\s+\S+\s+pam_jit", lambda ours: BARRIER + ours[0], text, flags=re.M))


class Phase:
    reads_answer = True  # the helper does, of its report to the broker

    def __init__(self, case, expected):
        self.case, self.lab, self.expected = case, case.lab, expected
        self.came = self.said = self.other = ""
        self.asked = None  # when ask() typed its command
        self.told = {}
        self.allowed = {}  # short id: what was allowed under it

    def ask(self, terminal, command):
        """Until it waits for a decision: (short id, code)."""
        self.asked = time.monotonic()
        request = self.case.ask(terminal, command)
        self.tell(request[0], "request.filed")
        return request

    def tell(self, short, record):
        self.told.setdefault(short, set()).add(record)

    def approve(self, request):
        self.case.approve(request)
        self.tell(request[0], "request.approved")

    def end(self, terminal, limit, since=None):
        """The command has to end within its limit, from now or from `since` on: (whether root ran, what it showed)."""
        since = time.monotonic() if since is None else since
        status, text = terminal.finish(limit + 60)
        took = time.monotonic() - since
        if took > limit:
            raise AssertionError(f"it ended after {took:.1f} s, and had {limit} s; it shows: {text!r}")
        if (status == 0) != ("uid=0(root)" in text):
            raise AssertionError(f"exit status {status}, and it shows: {text!r}")
        return status == 0, text

    def shell(self):
        """A root shell in a login session of its own: (terminal, short id)."""
        terminal = self.case.open_terminal()
        request = self.ask(terminal, "sudo sh")
        self.approve(request)
        status, text = terminal.finish(SUDO)
        self.case.assertEqual(status, 0, text)
        self.case.assertIn(TOKEN, terminal.run("cat /proc/keys", SLACK)[1])
        return terminal, request[0]

    def after(self):
        pass

    def reports(self):
        """The helper's calls about the request, as far as the way to the broker has seen them."""
        return [call for call in self.case.rig.to_broker.calls if re.fullmatch(self.report, call.what)]

    def has_told(self):
        return any(call.status == 200 and (call.whole or not self.reads_answer) for call in self.reports())

    def is_refused(self):
        """The broker has heard of it, and it has ended there already."""
        return any(call.status and 400 <= call.status < 500 for call in self.reports())

    def tell_broker(self):
        """Whether the broker, and the helper that it does, knows by now; a while is waited for it."""
        deadline = time.monotonic() + TELLING
        while not self.has_told() and time.monotonic() < deadline:
            if any(call.over for call in self.reports()) or self.case.rig.to_broker.spoilt():
                break
            time.sleep(0.02)
        self.came += "; told" if self.has_told() else "; has ended there" if self.is_refused() else "; told late"


class Wait(Phase):
    """op1 waits, and may for long (sudo -i), when the fault comes, and is approved when it has gone; op2 asks while it
    is there. Whom the fault itself ends does not wait until it is gone."""

    at_once = {"kill": SLACK, "clock_forward": LOOKS + SLACK}

    def before(self):
        self.waiting = self.case.open_terminal()
        self.request = self.ask(self.waiting, "sudo -i id")

    def during(self):
        began = time.monotonic()
        self.verdict = None
        if self.expected.leaves_nobody_waiting():
            self.see_the_verdict(self.at_once[self.case.fault], began)
        self.ask_meanwhile()
        self.case.keep_the_fault(began)

    def ask_meanwhile(self):
        new = self.case.open_terminal("op2")
        began = time.monotonic()
        new.start("sudo id")
        found = new.child.expect([WAITING, new.prompt], timeout=SUDO + 60)
        if time.monotonic() - began > SUDO:
            raise AssertionError(f"it ended after {time.monotonic() - began:.1f} s, and had {SUDO} s")
        if found == 0:
            self.came = "filed"
            self.tell(new.child.match[1], "request.filed")
            new.interrupt()
            self.case.assertFalse(self.end(new, SLACK)[0], "who gave up was let in")
        else:
            self.came = "refused"
            self.said = new.child.before
            self.case.assertNotEqual(new.child.match[1], "0", self.said)

    def see_the_verdict(self, limit, since):
        """Upon who waited already."""
        allowed, self.other = self.end(self.waiting, limit, since)
        self.verdict = "allowed" if allowed else "refused"
        if allowed:
            self.allowed[self.request[0]] = self.other

    def after(self):
        """Whether they still wait is not known to the one who approves, as in life; a no for now is none."""
        began = time.monotonic()
        wait_until("the broker says yes or no", self.is_decided, RECOVERY, 0.5)
        if self.verdict is None:
            self.see_the_verdict(RECOVERY, began)
        self.came += f"; {self.verdict}"

    def is_decided(self):
        done = self.lab.as_approver("appr1", "approve", self.request[0], "--code", self.request[1], check=False)
        if done.returncode == 0:
            self.tell(self.request[0], "request.approved")
        return done.returncode != UNAVAILABLE


class Open(Phase):
    """op1 is approved; between account and open_session the fault comes."""

    def before(self):
        write(f"{FOLDER}/closed", "")
        self.here = os.open(f"{FOLDER}/here", os.O_RDONLY | os.O_NONBLOCK)
        self.go = os.open(f"{FOLDER}/go", os.O_RDWR | os.O_NONBLOCK)  # never blocks
        self.case.addCleanup(self.release)
        self.terminal = self.case.open_terminal()
        self.request = self.ask(self.terminal, "sudo id")
        self.report = f"POST /requests/{self.lab.request(self.request[0])['requestId']}/start"
        self.approve(self.request)
        ready, _, _ = select.select([self.here], [], [], SUDO)
        os.unlink(f"{FOLDER}/closed")
        self.case.assertTrue(ready, "sudo came to open_session")

    def release(self):
        """Once; sudo goes on, wherever it is."""
        if self.here is not None:
            os.close(self.here)
            os.write(self.go, b"go\n")
            self.here = None

    def during(self):
        began = time.monotonic()
        self.release()
        allowed, self.said = self.end(self.terminal, SUDO)
        if allowed:
            self.allowed[self.request[0]] = self.said
            self.came = "allowed"
            self.tell_broker()
        else:
            self.came = "refused"
        os.close(self.go)
        self.case.keep_the_fault(began)

    def is_refused(self):
        """Or the helper has heard that it is over there in the moment before it tells that it began."""
        over = f"{self.request[0]}: grant of role admin for op1 has ended: its time is over"
        return super().is_refused() or (not self.reports() and over in read(self.lab.log("jit-helper")))

    def after(self):
        if self.allowed:
            wait_until("the broker knows that it began", lambda: self.has_told() or self.is_refused(), RECOVERY)


class Shell(Phase):
    """In a root shell under a grant that has credentials."""

    def before(self):
        self.terminal, self.short = self.shell()
        self.first = wait_until("there are credentials", lambda: self.credentials()[0], JIT)
        self.tell(self.short, "credentials.issued")

    def credentials(self):
        """(document, None) or (None, sentence), within the time that `jit` may take."""
        began = time.monotonic()
        status, text = self.terminal.run("jit credentials", JIT + 60)
        took = time.monotonic() - began
        if took > JIT:
            raise AssertionError(f"`jit credentials` ended after {took:.1f} s, and had {JIT} s: {text!r}")
        if status != 0:
            return None, text
        document = json.loads(text)
        expiration = time.strptime(document["Expiration"].replace("+00:00", "Z"), "%Y-%m-%dT%H:%M:%SZ")
        document["left"] = time.mktime(expiration) - time.timezone - time.time()
        return document, None


class Renewal(Shell):
    """The credentials run out."""

    def during(self):
        began = time.monotonic()
        document = self.first
        while document and document["AccessKeyId"] == self.first["AccessKeyId"]:
            self.case.assertLess(time.monotonic() - began, LIFETIME + JIT, "the first credentials are handed out on and on")
            time.sleep(0.2)
            document, self.said = self.credentials()
        self.came = "renewed" if document else "over" if "has ended" in self.said else "held back"
        self.case.keep_the_fault(began)

    def after(self):
        if self.came != "over":
            wait_until("there are credentials again", lambda: self.credentials()[0], RECOVERY, 0.5)
        status, text = self.terminal.run("exit 0", SLACK)
        self.case.assertEqual(status, 0, text)


class Close(Shell):
    """The root shell ends, and its login session after it."""

    reads_answer = False

    def before(self):
        super().before()
        self.report = f"POST /requests/{self.lab.request(self.short)['requestId']}/(end|cancel)"

    def during(self):
        began = time.monotonic()
        status, self.said = self.terminal.run("exit", SLACK)
        self.case.assertEqual(status, 0, self.said)
        self.case.check_no_token_is_left()
        self.terminal.close()
        self.came = "closed"
        self.tell_broker()
        self.case.keep_the_fault(began)

    def after(self):
        wait_until("the broker knows that it is over", self.has_told, RECOVERY)
        self.tell(self.short, "its end")


class Approve(Phase):
    """op1 waits; somebody approves while the fault is there. sudo's time runs from when it was asked, whatever the
    approver's does."""

    def before(self):
        self.terminal = self.case.open_terminal()
        self.request = self.ask(self.terminal, "sudo id")

    def during(self):
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            approving = beside.submit(self.decide)
            allowed, self.other = self.end(self.terminal, SUDO, self.asked)
            approved, self.said = approving.result()
        if approved:
            self.tell(self.request[0], "request.approved")
        if allowed:
            self.allowed[self.request[0]] = self.other
        self.came = ("approved" if approved else "not approved") + ("; allowed" if allowed else "; refused")
        self.case.keep_the_fault(began)

    def decide(self):
        """(whether the approver's command has approved, what it said)"""
        began = time.monotonic()
        done = self.lab.as_approver("appr1", "approve", self.request[0], "--code", self.request[1], check=False)
        self.case.assertLess(time.monotonic() - began, CLIENT, done.stderr)
        return done.returncode == 0, done.stderr


PHASES = {"wait": Wait, "open": Open, "renewal": Renewal, "close": Close, "approve": Approve}
