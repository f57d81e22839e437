"""`make demo`: played without a terminal, handed over with one. It checks its own steps."""

import os
import re
import shutil
import subprocess
import unittest

import pexpect

import namespace

DEMO = os.path.join(namespace.TREE, "demo", "demo")
STEPS = ["Reason for role admin:", r"request \S+, code \d\d: waiting", "jit-broker approve", r"uid=0\(root\)",
         "custom-process", "DEMO-UNUSABLE", "This login session holds no grant", "Given back", "has ended",
         "is CANCELLED", "audit chain is whole", "Every step showed what it promises"]


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = namespace.why_not()
        if reason:
            raise unittest.SkipTest(reason)

    def test_without_a_terminal_it_plays_both_parts(self):
        done = subprocess.run([DEMO], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        at = 0
        for step in STEPS:
            found = re.search(step, done.stdout[at:])
            self.assertTrue(found, f"{step!r} does not come after: {done.stdout[:at][-200:]}")
            at += found.end()

    def test_with_a_terminal_two_people_share_it(self):
        if not shutil.which("tmux"):
            self.skipTest("tmux is not installed")
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "xterm", "LANG": "C.UTF-8", "HOME": "/root"}
        screen = pexpect.spawn(DEMO, env=env, dimensions=(40, 200), encoding="utf-8", timeout=20)
        self.addCleanup(screen.close, force=True)
        screen.expect("jit-broker deny")  # the approver's pane has come up
        screen.send("sudo id\r")
        screen.expect("Reason for role admin")
        screen.send("disk full\r")
        screen.expect(r"request (\w{4}-\w{4}), code (\d\d)")
        short, code = screen.match.groups()
        screen.send("\x02o")  # to the other pane
        screen.send(f"jit-broker approve {short}\r")
        screen.expect("Code on the requester")
        screen.send(f"{code}\r")
        screen.expect(r"uid=0\(root\)")
        screen.send("\x02o")
        screen.send("exit\r")
        screen.expect("The demo is over")
        screen.expect(pexpect.EOF)
        screen.close()
        self.assertEqual(screen.exitstatus, 0)
