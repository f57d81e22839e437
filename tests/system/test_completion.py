"""Completion in the shells themselves, as `make install` puts it there."""

import re
import shutil
import subprocess
import unittest

import pexpect

from namespace import TREE

FROM_HELP = {"status", "end", "request", "credentials", "env", "exec", "doctor"}
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin", "HOME": "/root", "TERM": "dumb", "LANG": "C.UTF-8"}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=ENVIRONMENT,
                          stdin=subprocess.DEVNULL).stdout


class Completion(unittest.TestCase):
    laboratory = True

    @classmethod
    def setUpClass(cls):
        output("make", "--no-print-directory", "-C", TREE, "-o", "all", "install", "PREFIX=/usr")

    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"{program} is not installed")

    def bash(self, program, *words):
        """What bash offers for the last word."""
        function = "_" + program.replace("-", "_")
        line = " ".join(f"'{word}'" for word in [program, *words])
        return set(output("bash", "--norc", "-c", f". /usr/share/bash-completion/completions/{program}\n"
                          f"complete -p {program} >&2\nCOMP_WORDS=({line}) COMP_CWORD={len(words)}\n{function}\n"
                          'printf "%s\\n" "${COMPREPLY[@]}"').split())

    def test_bash_offers_every_command_and_every_option_of_its_help(self):
        listed = set(re.findall(r"^  (\w+) +\S", output("jit", "--help"), re.M))
        self.assertLessEqual(FROM_HELP, listed)
        self.assertEqual(self.bash("jit", ""), listed | {"help", "--help", "--version"})
        for command in listed:
            options = set(re.findall(r"--[a-z][a-z-]*", output("jit", "help", command)))
            self.assertEqual(self.bash("jit", command, "--") - {"--"}, options | {"--help"})

    def test_bash_completes_words_and_values(self):
        for words, expected in ((["stat"], {"status"}), (["env", "--shell", "f"], {"fish"}), (["help", "e"], {"end", "env", "exec"}),
                                (["request", "--rea"], {"--reason"}), (["request", "--role", ""], set()),
                                (["exec", "--", "useradd"], {"useradd"}), (["exec", "--", "ls", "/etc/passw"], {"/etc/passwd"}),
                                (["status", "--socket", "/etc/passw"], {"/etc/passwd"})):
            with self.subTest(words):
                offered = self.bash("jit", *words)
                self.assertEqual({word for word in offered if not word.endswith("-")}, expected)

    def test_bash_completes_the_brokers_commands_too(self):
        self.assertEqual(self.bash("jit-broker", "ap"), {"approve"})
        self.assertLessEqual({"--code", "--comment"}, self.bash("jit-broker", "approve", "--"))

    def test_zsh_completes(self):
        self.need("zsh")
        shell = pexpect.spawn("zsh", ["-f", "-i"], env={**ENVIRONMENT, "PS1": "%% "}, encoding="utf-8", timeout=10)
        self.addCleanup(shell.close, True)
        shell.sendline("autoload -Uz compinit; compinit -u; echo rea''dy")
        shell.expect("ready")
        for typed, expected in (("jit requ", "jit request "), ("jit request --tick", "jit request --ticket "),
                                ("jit env --shell f", "jit env --shell fish "), ("jit help cred", "jit help credentials "),
                                ("jit exec --so", "jit exec --socket "), ("jit exec -- useradd", "jit exec -- useradd ")):
            shell.send(typed + "\t")
            shell.expect_exact(expected)
            shell.sendcontrol("u")

    def test_fish_completes(self):
        self.need("fish")
        for typed, expected in (("jit requ", {"request"}), ("jit request --tick", {"--ticket"}),
                                ("jit env --shell f", {"fish"}), ("jit help cred", {"credentials"}),
                                ("jit exec -- useradd", {"useradd"}), ("jit exec -- ls /etc/passw", {"/etc/passwd"})):
            with self.subTest(typed):
                offered = output("fish", "-c", f"complete -C '{typed}'").splitlines()
                offered = {line.split("\t")[0] for line in offered if line}
                self.assertEqual({word for word in offered if not word.endswith("-")}, expected)


if __name__ == "__main__":
    unittest.main()
