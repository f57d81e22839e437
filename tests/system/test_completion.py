"""Completion in the shells themselves, as `make install` puts it there, and the manual pages."""

import re
import shutil
import subprocess
import unittest

import pexpect

from namespace import TREE

FROM_HELP = {"status", "end", "request", "credentials", "env", "exec", "doctor"}
MAN = "/usr/share/man"
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin", "HOME": "/root", "TERM": "dumb", "LANG": "C.UTF-8"}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=ENVIRONMENT,
                          stdin=subprocess.DEVNULL).stdout


class Installed(unittest.TestCase):
    laboratory = True

    @classmethod
    def setUpClass(cls):
        output("make", "--no-print-directory", "-C", TREE, "-o", "all", "install", "PREFIX=/usr")

    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"{program} is not installed")


class Completion(Installed):
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


class Manual(Installed):
    PAGES = ("man1/jit.1", "man5/jit-helper.conf.5", "man8/jit-helper.8", "man8/pam_jit.8")

    def test_every_page_is_there_and_can_be_set_without_a_warning(self):
        self.need("groff")
        for page in self.PAGES:
            done = subprocess.run(["groff", "-mdoc", "-Tutf8", "-ww", "-z", f"{MAN}/{page}"], capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), page)

    def test_every_page_passes_mandocs_lint(self):
        self.need("mandoc")
        for page in self.PAGES:
            done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", f"{MAN}/{page}"], capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""), page)

    def test_jits_page_names_every_option_and_exit_status(self):
        with open(f"{MAN}/man1/jit.1", encoding="utf-8") as file:
            page = file.read()
        for command in FROM_HELP:
            self.assertIn(f".Cm {command}", page)
            for option in re.findall(r"--([a-z]+)", output("jit", "help", command)):
                self.assertIn(f"Fl -{option}", page)
        with open(f"{TREE}/docs/configuration.md", encoding="utf-8") as file:
            documented = re.findall(r"^\| (\d+) \|", file.read().split("### jit exit codes")[1].split("\n## ")[0], re.M)
        self.assertEqual(re.findall(r"^\.It (\d+)$", page, re.M), documented)

    def test_the_configurations_page_has_every_key(self):
        with open(f"{TREE}/docs/configuration.md", encoding="utf-8") as file:
            table = file.read().split("## jit-helper.conf")[1].split("\n## ")[0]
        keys = re.findall(r"^\| `(\w+)` \| `\[", table, re.M)
        self.assertIn("broker", keys)
        with open(f"{MAN}/man5/jit-helper.conf.5", encoding="utf-8") as file:
            self.assertEqual(set(re.findall(r"^\.It Cm (\w+) =", file.read(), re.M)), set(keys))

    def test_the_modules_page_has_every_argument(self):
        with open(f"{TREE}/docs/configuration.md", encoding="utf-8") as file:
            table = file.read().split("## pam_jit.so arguments")[1].split("\n## ")[0]
        with open(f"{MAN}/man8/pam_jit.8", encoding="utf-8") as file:
            page = file.read()
        for name in re.findall(r"^\| `(\w+=?)` \|", table, re.M):
            self.assertIn(f"Cm {name}", page)


if __name__ == "__main__":
    unittest.main()
