"""jit, against a helper that is played: what each command sends, prints, and ends with."""

import errno
import json
import os
import pty
import re
import shlex
import subprocess
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
        names = re.findall(r"^  (\w+) +\S", text, re.M)
        self.assertEqual(status, 0)
        self.assertLessEqual({"status", "end", "credentials", "env", "exec"}, set(names))
        for name in names:
            with self.subTest(name):
                by_word, by_option = jitlib.run("help", name), jitlib.run(name, "--help")
                self.assertEqual(by_word, by_option)
                self.assertEqual((by_word[0], by_word[2]), (0, ""))
                self.assertTrue(by_word[1].startswith(f"Usage: jit {name}"), by_word[1])
                self.assertLessEqual(max(map(len, by_word[1].splitlines())), 120)

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

    def test_no_other_user_reads_the_memory_that_holds_them(self):
        """From before the answer on: what stands in /proc/PID belongs to root while a process cannot be dumped."""
        seen = []

        def answer(*_):
            seen.append(os.stat(f"/proc/{child.pid}/mem").st_uid)
            return document(compact(KEYS))

        helper = self.helper(answer)
        child = jitlib.start("credentials", "--socket", helper.path, user="nobody")
        out, err = child.communicate(timeout=20)
        self.assertEqual((json.loads(out), err, seen), (KEYS, "", [0]))

    def test_without_a_token_the_helper_is_not_asked(self):
        helper = self.helper(document("{}"))
        for command in (["credentials"], ["env"], ["exec", "--", "echo", "ran"]):
            status, out, err = self.jit(helper, command[0], *command[1:], token=None)
            self.assertEqual((status, out), (3, ""))
            self.assertRegex(err, r"\Ajit: this process is not in an elevated session; [^\n]+\n\Z")
        self.assertEqual(helper.asked, [])

    def test_where_keyrings_are_not_to_be_had_the_helper_judges(self):
        for error in (errno.EPERM, errno.ENOSYS, errno.EDQUOT):
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


if __name__ == "__main__":
    unittest.main()
