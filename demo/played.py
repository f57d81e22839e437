"""The demo with both parts played: each step is shown as its people see it, and the demo fails where one does not keep
its promise."""

import re
import sys
import time

from lab import WAITING, Lab
from terminal import Terminal

PLAIN_PS1 = {"op1": "op1@web-1:~$ ", "appr1": "appr1@broker:~$ "}


class Broken(Exception):
    """A step did not show what it promises."""


def promise(kept, what, seen=""):
    if not kept:
        raise Broken(f"{what}. What came: {seen!r}")


def heading(text):
    print(f"\n=== {text}", flush=True)


class Screen:
    """A person's terminal whose lines are printed here, marked with whose it is."""

    def __init__(self, lab, user, mark):
        self.mark = mark
        self.user = user
        self.terminal = Terminal(user, lab.logs)

    def show(self, text):
        for line in text.replace("\r\n", "\n").strip("\n").split("\n"):
            print(f"{self.mark} | {line.split(chr(13))[-1].replace(chr(27) + '[K', '')}".rstrip(), flush=True)

    def typed(self, command):
        self.terminal.start(command)
        self.show(PLAIN_PS1[self.user] + command)

    def sees(self, pattern, timeout=15):
        """Waits for it; shows what came up to there."""
        match = self.terminal.expect(pattern, timeout)
        self.show(self.terminal.child.before + match.group(0))
        return match

    def answers(self, prompt, answer):
        self.terminal.expect(prompt)
        self.terminal.type(answer)
        self.terminal.child.expect_exact(answer + "\r\n")
        self.show(prompt + answer)

    def ends(self, timeout=15):
        """Waits for the prompt; shows the rest. (exit status, the rest)"""
        status, text = self.terminal.finish(timeout)
        if text.strip():
            self.show(text)
        return status, text

    def runs(self, command):
        self.typed(command)
        return self.ends()

    def root_runs(self, command):
        """In root's shell that this terminal has open (sudo lets PS1 through): what it printed."""
        self.terminal.start(command)
        self.show("# " + command)
        return self.ends()[1]


def play():
    lab = Lab.here()
    lab.start()
    print("pam_jit, the main job. A host (web-1) and its broker (TLS, SQLite, audit chain) run in private namespaces.")
    print("op1 may use sudo without a password, and still nothing runs before appr1 has approved it.")
    screens = [Screen(lab, "op1", "op1         "), Screen(lab, "appr1", "appr1       "),
               Screen(lab, "op1", "op1, second ")]
    try:
        tell(lab, *screens)
    except (Broken, AssertionError) as broken:
        sys.stdout.flush()
        print(f"\nThe demo failed: {broken}\nLogs: {lab.logs}", file=sys.stderr)
        return 1
    finally:
        for screen in screens:
            screen.terminal.close()
        lab.stop()
    print("\nEvery step showed what it promises.")
    return 0


def tell(lab, operator, approver, second):
    short, code = asks(operator)
    approves(operator, approver, short, code)
    asks_nobody(lab, operator)
    credentials = holds_credentials(operator)
    gets_nothing(second)
    ends(lab, operator, short, credentials)
    asks_again(lab, operator)
    proves(lab)


def asks(operator):
    heading("sudo asks why, and shows a request, a code and a countdown")
    operator.typed("sudo id")
    operator.answers("Reason for role admin: ", "INC-4711 disk full on /var")
    shown = operator.sees(WAITING + r".*?, (\d:\d\d) left")
    print("              (a moment later, the same line)")
    later = operator.sees(WAITING + r".*?, (\d:\d\d) left", 5)
    promise(later[3] < shown[3], "the countdown runs", later.group(0))
    return shown[1], shown[2]


def approves(operator, approver, short, code):
    heading("the approver sees what would really be granted, and types the code from op1's terminal")
    status, text = approver.runs("jit-broker list")
    promise(status == 0 and short in text and "INC-4711" in text, "the approver sees the request", text)
    approver.typed(f"jit-broker approve {short}")
    shown = approver.terminal.expect("Code on the requester's terminal: ")
    approver.show(approver.terminal.child.before + shown.group(0) + code)
    began = time.monotonic()
    approver.terminal.type(code)
    approver.terminal.child.expect_exact(code + "\r\n")
    status, text = approver.ends()
    promise(status == 0 and "approved" in text, "the approval is taken", text)
    print("              (and at op1's, without a key pressed)")
    status, text = operator.ends(5)
    promise(status == 0 and "uid=0(root)" in text, "the command runs as root", text)
    promise(time.monotonic() - began < 2, "it runs within a second of the approval")


def asks_nobody(lab, operator):
    heading("while the grant lasts, the next sudo in this session asks nobody")
    filed = lab.filed()
    operator.typed("sudo sh")
    operator.ends(5)
    promise("uid=0(root)" in operator.root_runs("id"), "a root shell")
    promise(lab.filed() == filed, "no second request was filed")


def holds_credentials(operator):
    heading("in the elevated session plain AWS tools find credentials, by credential_process "
            "(these are the demo's: they open nothing)")
    text = operator.root_runs("aws configure list")
    promise("custom-process" in text, "aws reads credentials from the session", text)
    text = operator.root_runs("aws configure export-credentials")
    found = re.search(r'"SecretAccessKey": "(DEMO-UNUSABLE-[^"]+)"', text)
    promise(found, "aws hands the labelled credentials to programs", text)
    return found[1]


def gets_nothing(second):
    heading("another session of the same user, at the same moment, gets nothing")
    for command, expected in (("jit status", 1), ("jit credentials", 3)):
        status, text = second.runs(command)
        print(f"              (exit status {status})")
        promise(status == expected and "session" in text, "a sentence and an exit status", text)


def ends(lab, operator, short, credentials):
    heading("op1 gives the grant back, and the credentials are gone, in the root shell that is still open too")
    promise(short in operator.root_runs("jit status"), "the status names the grant")
    promise(short in operator.root_runs("jit end"), "the grant is given back")
    text = operator.root_runs("aws configure export-credentials")
    promise(credentials not in text and "AccessKeyId" not in text and "jit:" in text, "no credentials are left", text)
    text = operator.root_runs("jit credentials; echo exit status $?")
    promise("exit status 3" in text, "a sentence and an exit status", text)
    operator.root_runs("exit")
    lab.wait_for_status(short, "ENDED", 5)


def asks_again(lab, operator):
    heading("the next sudo asks again; Ctrl-C withdraws the request, at the broker too")
    operator.typed("sudo id")
    operator.answers("Reason for role admin: ", "one more look")
    shown = operator.sees(WAITING + r".*?left")
    operator.terminal.interrupt()
    status, text = operator.ends(2)
    promise(status != 0 and "uid=0" not in text, "Ctrl-C ends the wait", text)
    lab.wait_for_status(shown[1], "CANCELLED", 5)
    print(f"              (the broker: {shown[1]} is CANCELLED)")


def proves(lab):
    heading("what happened can be proved: the broker's audit chain")
    done = lab.broker.admin("audit", "verify")
    print(f"broker       | # jit-broker audit verify\nbroker       | {done.stdout.strip()}")
