"""jit, against a helper that is played: what each command sends, prints, and ends with."""

import errno
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import termios
import threading
import unittest

import jitlib
from jitlib import PlayedHelper, document, fault

KEYS = {"Version": 1, "AccessKeyId": "ASIAX", "SecretAccessKey": "s'/$(touch /nonexistent)+=", "SessionToken": "t`id`",
        "Expiration": "2026-11-22T17:03:36Z"}
VARIABLES = {"AWS_ACCESS_KEY_ID": KEYS["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": "s'/$(touch/nonexistent)+=",
             "AWS_SESSION_TOKEN": KEYS["SessionToken"], "AWS_CREDENTIAL_EXPIRATION": KEYS["Expiration"]}
KEYS["SecretAccessKey"] = VARIABLES["AWS_SECRET_ACCESS_KEY"]
AWS = "/usr/bin/aws"


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def read_to_end(terminal):
    """All that a terminal shows that nobody holds open any more: it comes in pieces."""
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # EIO
            return shown
        if not piece:
            return shown
        shown += piece


class CliCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can put a token into a keyring that jit believes")

    def helper(self, answer):
        """Plays a helper that always says this, or what answer(kind, fields) says."""
        helper = PlayedHelper(answer if callable(answer) else lambda *_: answer)
        self.addCleanup(helper.close)
        return helper

    def jit(self, helper, command, *arguments, **how):
        return jitlib.run(command, "--socket", helper.path, *arguments, **how)


class CommandLine(CliCase):
    def test_every_command_has_a_line_and_a_help_of_its_own(self):
        status, text, _ = jitlib.run("--help")
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        names = re.findall(r"^  (\w+) +\S", text, re.M)
        self.assertEqual(status, 0)
        self.assertLessEqual({"status", "end", "credentials", "env", "exec"}, set(names))
        for name in names:
            with self.subTest(name):
                by_word, by_option = jitlib.run("help", name), jitlib.run(name, "--help")
                self.assertEqual(by_word, by_option)
                self.assertEqual((by_word[0], by_word[2]), (0, ""))
                self.assertTrue(by_word[1].startswith(f"Usage: jit {name}"), by_word[1])
                self.assertLessEqual(max(map(len, by_word[1].splitlines())), 80)

    def test_a_wrong_command_line_is_one_sentence_that_says_where_the_help_is(self):
        for words in (["status", "--bogus"], ["status", "-x"], ["status", "more"], ["end", "a", "b"],
                      ["end", "x" * 40], ["status", "--socket"], ["env", "--shell", "tcsh"], ["exec"], ["exec", "--"],
                      ["bogus"], ["help", "bogus"], ["status", "--json=1"], ["status", "\x1b[31m"]):
            with self.subTest(words):
                status, out, err = jitlib.run(*words)
                self.assertEqual((status, out), (2, ""))
                self.assertRegex(err, r"\Ajit[ \w]*: [^\n\x1b]+`jit (help|--help)[^\n]*\n\Z")

    def test_a_fault_is_passed_on_with_its_status_and_cleaned(self):
        helper = self.helper(fault("no \x1b[31mred", 4))
        for command in ("status", "end", "credentials", "env"):
            self.assertEqual(self.jit(helper, command), (4, "", "jit: no ?[31mred\n"))

    def test_what_cannot_be_written_is_no_success(self):
        held = self.helper(document(compact(HELD)))
        for words, status in ((["status"], 5), (["status", "--json"], 5), (["help", "status"], 5)):
            with self.subTest(words), open("/dev/full", "w", encoding="ascii") as full:
                done = jitlib.run(*words, *(["--socket", held.path] if "help" not in words else []), stdout=full)
                self.assertEqual((done[0], done[2]), (status, "jit: cannot write: No space left on device\n"))

    def test_end_says_what_was_given_back_and_what_was_withdrawn(self):
        for answer, expected in (({"ended": ["R7KD-2M9Q", "8F3M-QQ2A"]}, "Given back: R7KD-2M9Q, 8F3M-QQ2A\n"),
                                 ({"ended": [], "withdrawn": ["C3PA-77AA"]}, "Withdrawn: C3PA-77AA\n"),
                                 ({"ended": ["R7KD-2M9Q"], "withdrawn": ["C3PA-77AA"]},
                                  "Given back: R7KD-2M9Q\nWithdrawn: C3PA-77AA\n")):
            self.assertEqual(self.jit(self.helper(document(compact(answer))), "end"), (0, expected, ""))

    def test_an_answer_without_sense_is_called_that(self):
        for answer in (document("[]"), document("{"), document(""), jitlib.frame(16, ("TEXT", "x")), b"PJ\x02\x30",
                       document('{"grants":{}}'), None):
            helper = self.helper(answer)
            for command in ("status", "env"):
                with self.subTest(answer=answer, command=command):
                    status, out, err = self.jit(helper, command)
                    self.assertIn(status, (4, 5))
                    self.assertEqual(out, "")
                    self.assertRegex(err, r"\Ajit: [^\n]+; [^\n]+\n\Z")


class Credentials(CliCase):
    def test_env_can_be_evaluated_whatever_the_secrets_hold(self):
        helper = self.helper(document(compact(KEYS)))
        status, out, err = self.jit(helper, "env")
        self.assertEqual((status, err), (0, ""))
        seen = subprocess.run(["sh", "-c", f"set -eu\nAWS_PROFILE=p\nexport AWS_PROFILE\n{out}exec env"],
                              env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True).stdout
        seen = dict(line.split("=", 1) for line in seen.splitlines())
        self.assertEqual({name: value for name, value in seen.items() if name.startswith("AWS_")}, VARIABLES)
        self.assertEqual(dict(helper.asked[0][1])["TOKEN"], jitlib.TOKEN)

    def test_env_as_json_is_an_object_of_the_variables(self):
        status, out, _ = self.jit(self.helper(document(compact(KEYS))), "env", "--shell", "json")
        self.assertEqual((status, json.loads(out)), (0, VARIABLES))

    def test_env_warns_where_a_terminal_shows_the_secrets(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        status, _, err = self.jit(self.helper(document(compact(KEYS))), "env", stdout=theirs)
        os.close(theirs)
        self.assertEqual(status, 0)
        self.assertRegex(err, r"\Ajit env: [^\n]*terminal[^\n]*\n\Z")

    def test_exec_becomes_the_command_with_the_variables_alone_added(self):
        helper = self.helper(document(compact(KEYS)))
        before = {"AWS_PROFILE": "p", "AWS_SESSION_TOKEN": "old", "AWS_SHARED_CREDENTIALS_FILE": "/f", "OTHER": "1"}
        child = jitlib.start("exec", "--socket", helper.path, "--", "sh", "-c", "echo $$; cat /proc/$$/environ",
                             environment=before)
        out, err = child.communicate(timeout=20)
        pid, _, environ = out.partition("\n")
        self.assertEqual((int(pid), err), (child.pid, ""))
        seen = dict(entry.split("=", 1) for entry in environ.split("\0") if entry)
        self.assertEqual({name: seen[name] for name in seen if name.startswith("AWS_")},
                         {**VARIABLES, "AWS_SHARED_CREDENTIALS_FILE": "/f"})
        self.assertEqual(seen["OTHER"], "1")

    def test_exec_ends_as_shells_do(self):
        helper = self.helper(document(compact(KEYS)))
        for command, expected in ((["sh", "-c", "exit 7"], 7), (["/nonexistent"], 127), (["no-such-command"], 127),
                                  (["/etc"], 126), (["echo", "--json", "--help"], 0)):
            with self.subTest(command):
                status, _, err = self.jit(helper, "exec", *command)
                self.assertEqual(status, expected)
                self.assertRegex(err, r"\Ajit: cannot run \S+: [^\n]+\n\Z" if expected > 100 else r"\A\Z")
        self.assertEqual(self.jit(helper, "exec", "echo", "--json")[1], "--json\n")

    def test_exec_runs_nothing_without_credentials(self):
        self.assertEqual(self.jit(self.helper(fault("not yet; try again", 4)), "exec", "--", "echo", "ran"),
                         (4, "", "jit: not yet; try again\n"))

    def for_everybody(self):
        """A copy where every user may run it; the tree may lie in root's own folder."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        return shutil.copy(jitlib.JIT, folder)

    def test_no_other_user_reads_the_memory_that_holds_them(self):
        """From before the answer on: what stands in /proc/PID belongs to root while a process cannot be dumped."""
        seen, started = [], threading.Event()

        def answer(*_):
            started.wait(20)
            seen.append(os.stat(f"/proc/{child.pid}/mem").st_uid)
            return document(compact(KEYS))

        helper = self.helper(answer)
        child = jitlib.start("credentials", "--socket", helper.path, user="nobody", program=self.for_everybody())
        started.set()
        out, err = child.communicate(timeout=20)
        self.assertEqual((json.loads(out), err, seen), (KEYS, "", [0]))

    def test_without_a_token_that_could_be_one_the_helper_is_not_asked(self):
        helper = self.helper(document("{}"))
        for command in (["credentials"], ["env"], ["exec", "--", "echo", "ran"]):
            status, out, err = self.jit(helper, command[0], *command[1:], keyctl_error=errno.EKEYREVOKED)
            self.assertEqual((status, out), (3, ""))
            self.assertRegex(err, r"\Ajit: this process is not in an elevated session; [^\n]+\n\Z")
        self.assertEqual(helper.asked, [])

    def test_where_there_is_no_token_the_helper_judges(self):
        """No keyrings, or none when the session began."""
        for error in (errno.ENOKEY, errno.EPERM, errno.ENOSYS, errno.EDQUOT):
            helper = self.helper(document(compact(KEYS)))
            status, out, err = self.jit(helper, "credentials", keyctl_error=error)
            self.assertEqual((status, json.loads(out), err), (0, KEYS, ""))
            self.assertEqual(helper.asked, [(jitlib.CREDENTIALS, [])])

    def test_aws_shows_each_sentence(self):
        if not os.access(AWS, os.X_OK):
            self.skipTest(f"{AWS} is not installed")
        for answer, sentence in ((fault("the elevation that this process belonged to has ended", 3), "has ended"),
                                 (fault("the role of this session has no AWS credentials", 1), "no AWS credentials"),
                                 (fault("no credentials from the broker yet: 503; try again in a moment", 4), "503"),
                                 (None, "jit-helper did not answer")):
            helper = self.helper(answer)
            config = os.path.join(helper.folder.name, "config")
            with open(config, "w", encoding="utf-8") as file:
                file.write(f"[default]\nregion = eu-west-1\ncredential_process = "
                           f"{shlex.quote(jitlib.JIT)} credentials --socket {helper.path}\n")
            done = subprocess.run(
                [AWS, "--endpoint-url", "http://127.0.0.1:1", "sts", "get-caller-identity"], capture_output=True,
                env={"PATH": "/usr/bin:/bin", "AWS_CONFIG_FILE": config, "AWS_EC2_METADATA_DISABLED": "true"}, text=True,
                preexec_fn=lambda: jitlib.join_keyring(jitlib.TOKEN), timeout=60, check=False)
            with self.subTest(sentence):
                self.assertNotEqual(done.returncode, 0)
                self.assertRegex(done.stderr, rf"jit: [^\n]*{sentence}")


HELD = {
    "grants": [
        {"requestId": "0b6c1111-2222-4333-8444-000000000001", "shortId": "R7KD-2M9Q", "role": "admin", "state": "ACTIVE",
         "targets": ["root", "postgres"], "services": ["sudo", "su"], "remaining": 860, "approvedBy": "appr1",
         "scope": "session", "onExpiry": "end", "elevations": 1, "keyring": True, "hasCredentials": True,
         "credentials": {"expiresIn": 240}, "trouble": ""},
        {"shortId": "8F3M-QQ2A", "role": "reader", "targets": ["op1"], "services": ["sshd"], "state": "APPROVED",
         "remaining": 3600, "approvedBy": "appr1, appr2", "scope": "user", "onExpiry": "warn", "keyring": False,
         "hasCredentials": True, "credentials": None,
         "trouble": "the broker at https://broker.example:8443 cannot be reached: Connection refused"},
        {"shortId": "K9PW-3X1C", "role": "admin", "targets": ["root"], "services": ["sudo"], "state": "ACTIVE",
         "remaining": 50, "breakGlass": True, "keyring": True, "hasCredentials": False, "credentials": None}],
    "requests": [{"host": "web-2", "role": "admin", "status": "PENDING", "shortId": "C3PA-77AA", "code": "47",
                  "waiting": 63, "remaining": 237}],
    "elevated": True}
HELD_TEXT = """\
R7KD-2M9Q  admin  14 min 20 s left
  as            root, postgres, by sudo, su
  approved by   appr1
  AWS           credentials for 4 min, renewed by themselves
  good for      this login session alone
  at its end    what still runs in it is ended

8F3M-QQ2A  reader  not used yet: 1 h from its first use on
  as            op1, by sshd
  approved by   appr1, appr2
  AWS           no credentials yet: the broker at https://broker.example:8443
                cannot be reached: Connection refused
  good for      all your sessions from the same place
  at its end    what still runs in it is warned
  weaker        no keyring here: its processes are known by their descent alone

K9PW-3X1C  admin  50 s left
  as            root, by sudo
  approved by   NOBODY: this is break-glass, and the broker is told of it

C3PA-77AA  admin  waits for approval, for 1 min 3 s now, 3 min 57 s left
  code          47
  host          web-2

This process is in the elevated session.
"""


class Status(CliCase):
    def on_a_terminal(self, columns, **environment):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        termios.tcsetwinsize(theirs, (50, columns))
        status, _, err = self.jit(self.helper(document(compact(HELD))), "status", stdout=theirs, environment=environment)
        os.close(theirs)
        shown = read_to_end(ours).decode().replace("\r\n", "\n")
        self.assertEqual((status, err), (0, ""))
        return shown

    def test_all_that_is_held_and_awaited_is_shown_within_80_columns(self):
        status, out, err = self.jit(self.helper(document(compact(HELD))), "status")
        self.assertEqual((status, out, err), (0, HELD_TEXT, ""))
        self.assertLessEqual(max(map(len, out.splitlines())), 80)

    def test_a_narrow_terminal_is_kept_within_too(self):
        self.assertLessEqual(max(len(line) for line in self.on_a_terminal(60, TERM="dumb").splitlines()
                                 if line.startswith("  ")), 60)

    def test_colour_is_for_terminals_that_want_it(self):
        self.assertEqual(self.on_a_terminal(80, TERM="dumb"), HELD_TEXT)
        self.assertEqual(self.on_a_terminal(80, TERM="xterm", NO_COLOR="1"), HELD_TEXT)
        self.assertEqual(self.on_a_terminal(80), HELD_TEXT)
        coloured = self.on_a_terminal(80, TERM="xterm")
        self.assertEqual(re.sub(r"\x1b\[[\d;]*m", "", coloured), HELD_TEXT)
        self.assertIn("\x1b[1;31mNOBODY", coloured)
        self.assertIn("\x1b[1;31m50 s left", coloured)

    def test_what_others_wrote_cannot_steer_the_terminal(self):
        nasty = {"grants": [{name: "\x1b[31m\n\u202e" for name in ("shortId", "role", "approvedBy", "trouble")} |
                            {"targets": ["\x1b]0;x\x07"], "services": ["\r"], "hasCredentials": True, "remaining": -5}],
                 "requests": [{name: "\x1b[31m\n" for name in ("shortId", "role", "host", "code")}]}
        status, out, _ = self.jit(self.helper(document(compact(nasty))), "status")
        self.assertEqual(status, 0)
        self.assertEqual(set(re.findall(r"[^\n -~]", out)), set())

    def test_without_a_grant_it_says_so_and_ends_with_1(self):
        nothing = self.helper(document(compact({"grants": [], "elevated": False})))
        self.assertEqual(self.jit(nothing, "status"), (1, "This login session holds no grant.\n", ""))
        self.assertEqual(self.jit(nothing, "status", "--json")[0], 0)
        waiting = self.helper(document(compact({**HELD, "grants": []})))
        status, out, _ = self.jit(waiting, "status")
        self.assertEqual((status, out.splitlines()[-1]), (1, "This login session holds no grant yet."))

    def test_json_is_the_document_to_the_letter(self):
        text = compact(HELD)
        self.assertEqual(self.jit(self.helper(document(text)), "status", "--json"), (0, text + "\n", ""))


def a_request(status="PENDING", nth=1, **more):
    return {"host": f"web-{nth}", "role": "admin", "status": status, "requestId": f"0b6c1111-2222-4333-8444-{nth:012}",
            "shortId": f"R7KD-2M9{nth}", "code": "47", **more}


def answer_of(*requests):
    return document(compact({"requests": requests}))


APPROVED = {"decidedBy": "appr1", "remaining": 3600}


class Request(CliCase):
    def decided_later(self, *later, first=None):
        """Pending, and decided when it is followed for the second time."""
        followed = []

        def answer(kind, fields):
            if kind == jitlib.FOLLOW:
                followed.append(fields)
            return answer_of(*later) if len(followed) > 1 else answer_of(*(first or [a_request()]))

        return self.helper(answer)

    def test_it_sends_what_it_was_told_and_says_what_is_filed(self):
        helper = self.helper(answer_of(a_request(nth=1), a_request(nth=2)))
        status, out, err = self.jit(helper, "request", "--role", "admin", "--for", "1h", "--reason", "Größe", "--ticket",
                                    "INC-1", "--hosts", "web-*", "db-1", "--hosts", "db-2", token=None)
        self.assertEqual((status, err), (10, ""))
        self.assertEqual(out, "web-1  R7KD-2M91  code 47  waiting for approval\n"
                              "web-2  R7KD-2M92  code 47  waiting for approval\n")
        self.assertEqual([(kind, sorted(fields)) for kind, fields in helper.asked], [(jitlib.REQUEST, [
            ("DURATION", 3600), ("HOST", "db-1"), ("HOST", "db-2"), ("HOST", "web-*"), ("REASON", "Größe"),
            ("ROLE", "admin"), ("TICKET", "INC-1")])])

    def test_a_reason_comes_from_the_environment_too_and_the_option_goes_before_it(self):
        for options, expected in (([], "env"), (["--reason", "option"], "option")):
            helper = self.helper(answer_of(a_request("APPROVED", **APPROVED)))
            self.jit(helper, "request", "--role", "admin", *options, environment={"JIT_REASON": "env", "JIT_TICKET": "no"})
            self.assertEqual(helper.asked[0][1], [("ROLE", "admin"), ("REASON", expected)])

    def test_a_wrong_option_asks_for_nothing(self):
        helper = self.helper(answer_of(a_request()))
        for words in (["--role", ""], ["--for", "8d"], ["--for", "0"], ["--for", "x"], ["--wait=x"], ["more"],
                      ["--reason", "x" * 512], ["--wait", "more"], ["--hosts", "a", *["b"] * 32]):
            with self.subTest(words):
                role = [] if "--role" in words else ["--role", "admin"]
                status, out, err = self.jit(helper, "request", *role, *words)
                self.assertEqual((status, out), (2, ""))
                self.assertRegex(err, r"\Ajit request: [^\n]+\n\Z")
        self.assertEqual(self.jit(helper, "request")[0], 2)
        self.assertEqual(helper.asked, [])

    def test_each_end_has_its_status(self):
        for last, expected in (("APPROVED", 0), ("ACTIVE", 0), ("DENIED", 11), ("CANCELLED", 11), ("EXPIRED", 12),
                               ("FAILED", 4), ("PENDING", 10)):
            with self.subTest(last):
                helper = self.decided_later(a_request(last))
                status, out, _ = self.jit(helper, "request", "--role", "admin", "--wait", "1s" if expected == 10 else "9s")
                self.assertEqual((status, out.count("\n")), (expected, 1 if expected == 10 else 2), out)
        for first, expected in (("NOT_ELIGIBLE", 13), ("UNAVAILABLE", 4)):
            refused = {"host": "web-1", "role": "admin", "status": first, "error": "policy.role", "message": "no such role"}
            status, out, _ = self.jit(self.helper(answer_of(refused)), "request", "--role", "admin", "--wait")
            self.assertEqual(status, expected)
            self.assertRegex(out, r"\Aweb-1  not \w+[^:]*: no such role\n\Z")

    def test_only_what_is_pending_is_followed_and_the_gravest_decides(self):
        helper = self.decided_later(a_request("DENIED", 2, decidedBy="appr1"),
                                    first=[a_request("APPROVED", 1, **APPROVED), a_request(nth=2)])
        status, out, _ = self.jit(helper, "request", "--role", "admin", "--wait")
        self.assertEqual(status, 11)
        self.assertEqual(out.splitlines()[-1], "web-2  R7KD-2M92  denied by appr1")
        self.assertEqual([value for name, value in helper.asked[1][1] if name == "GRANT"], [a_request(nth=2)["requestId"]])
        self.assertEqual(dict(helper.asked[1][1])["WAIT"], 60)

    def test_json_is_one_document_of_all_and_nothing_else(self):
        first = [a_request("APPROVED", 1, **APPROVED), a_request(nth=2)]
        helper = self.decided_later(a_request("APPROVED", 2, **APPROVED), first=first)
        status, out, err = self.jit(helper, "request", "--role", "admin", "--wait", "--json")
        self.assertEqual((status, err, out.count("\n")), (0, "", 1))
        self.assertEqual([request["status"] for request in json.loads(out)["requests"]], ["APPROVED", "APPROVED"])

    def test_a_helper_that_is_restarted_meanwhile_is_asked_again(self):
        def answer(kind, _):
            if kind == jitlib.REQUEST:
                return answer_of(a_request())
            return None if len(helper.asked) < 3 else answer_of(a_request("APPROVED", **APPROVED))

        helper = self.helper(answer)
        status, out, err = self.jit(helper, "request", "--role", "admin", "--wait")
        self.assertEqual((status, err), (0, ""), out)

    def interrupt(self, sign, *more, **how):
        """Sends the signal while it is followed: the ended jit, its output, and the helper."""
        followed = threading.Event()

        def answer(kind, fields):
            if kind == jitlib.FOLLOW:
                followed.set()
                released.wait(20)
            if kind == jitlib.END:
                return document(compact({"ended": [dict(fields)["GRANT"]]}))
            return answer_of(a_request("APPROVED", 1, **APPROVED), a_request(nth=2))

        released = threading.Event()
        self.addCleanup(released.set)
        helper = self.helper(answer)
        child = jitlib.start("request", "--socket", helper.path, "--role", "admin", "--wait", *more, **how)
        self.addCleanup(child.kill)
        self.assertTrue(followed.wait(20))
        child.send_signal(sign)
        out, err = child.communicate(timeout=20)
        return child.returncode, out, err, helper

    def test_interrupted_it_withdraws_what_is_pending_and_says_so(self):
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            status, out, err, helper = self.interrupt(sign)
            self.assertEqual((status, err), (11, ""))
            self.assertEqual(out.splitlines()[-1], "web-2  R7KD-2M92  withdrawn")
            self.assertEqual([fields for kind, fields in helper.asked if kind == jitlib.END],
                             [[("GRANT", a_request(nth=2)["requestId"])]])

    def test_interrupted_its_json_says_so(self):
        status, out, _, _ = self.interrupt(signal.SIGTERM, "--json")
        self.assertEqual((status, json.loads(out)["requests"][1]["status"]), (11, "CANCELLED"))

    def test_one_that_cannot_be_withdrawn_keeps_none_of_the_others(self):
        """It was decided in the same instant, or the helper failed."""
        followed = threading.Event()

        def answer(kind, fields):
            if kind == jitlib.FOLLOW:
                followed.set()
                released.wait(20)
            if kind == jitlib.END:
                gone = dict(fields)["GRANT"] == a_request()["requestId"]
                return fault("no request of that id", 1) if gone else document(compact({"ended": []}))
            return answer_of(a_request(), a_request(nth=2), a_request(nth=3))

        released = threading.Event()
        self.addCleanup(released.set)
        helper = self.helper(answer)
        child = jitlib.start("request", "--socket", helper.path, "--role", "admin", "--wait")
        self.addCleanup(child.kill)
        self.assertTrue(followed.wait(20))
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
        self.assertEqual([line.split()[1] for line in out.splitlines() if line.endswith("withdrawn")],
                         ["R7KD-2M92", "R7KD-2M93"])
        self.assertEqual((child.returncode, err), (11, "jit: no request of that id\n"))

    def test_killed_it_withdraws_nothing(self):
        *_, helper = self.interrupt(signal.SIGKILL)
        self.assertEqual([kind for kind, _ in helper.asked], [jitlib.REQUEST, jitlib.FOLLOW])

    def test_a_terminal_shows_a_line_while_it_waits_and_keeps_none_of_it(self):
        for term, live in (("xterm", True), ("dumb", False)):
            ours, theirs = pty.openpty()
            self.addCleanup(os.close, ours)
            *_, helper = self.interrupt(signal.SIGINT, environment={"TERM": term}, stderr=theirs)
            os.close(theirs)
            shown = read_to_end(ours)
            if live:
                self.assertRegex(shown, rb"\A\r1 request waits for approval, for 0 s now \(Ctrl-C withdraws\)\x1b\[K")
                self.assertTrue(shown.endswith(b"\r\x1b[K"), shown)
            else:
                self.assertEqual(shown, b"")


if __name__ == "__main__":
    unittest.main()
