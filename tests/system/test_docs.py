"""README, SECURITY and docs/*.md hold together: what they tell people to type is known to the programs, what they
link to is there, and docs/troubleshooting.md has every refusal and no other."""

import fnmatch
import functools
import glob
import os
import re
import shlex
import shutil
import subprocess
import unittest

import docblocks
import messages
from lab import LabCase, read
from namespace import TREE

PAGES = [os.path.join(TREE, name) for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted(glob.glob(f"{TREE}/docs/*.md"))
TROUBLE = f"{TREE}/docs/troubleshooting.md"
QUICKSTART = f"{TREE}/docs/quickstart.md"
SPAN = re.compile(r"(?<!`)(?:``\s?(.+?)\s?``|`([^`\n]+)`)(?!`)")
FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
OURS = ("jit", "jit-helper", "jit-broker")
NAMES = {"HOST": "web-1", "ID": "R7KD-2M9Q", "PERSON": "appr1", "SERVICE": "sudo", "NAME": "sudo", "USER": "op1",
         "ROLE": "admin", "FILE": "/dev/null", "PATH": "/dev/null", "ARGUMENT": "exempt_user=root",
         "REASON": "disk full", "TEXT": "disk full", "DURATION": "1s", "PATTERN": "web-*", "COMMAND": "status"}
# How each program says that it does not know what it was told.
UNKNOWN = re.compile(r"^[Uu]sage: |says how it is used|there is no such command|"
                     r"(unrecognized|invalid|unknown) option|is no option", re.M)
SHELL = {"cd", "cat", "printf", "rm", "cp", "chown", "chmod", "for", "done", "if", "fi", "eval", "exit", "sudo", "EOF"}
SHIPPED = ("docs", "tests", "etc", "packaging", "common", "demo", "pam_jit", "jit-helper", "jit-broker")
# A test or a class of them, with its decorators; a test in C, which does not compile where it is in no list.
TEST = re.compile(r"^((?:[ \t]*@.*\n)*)[ \t]*(?:def (test_\w+)|class (\w+))|^static void (\w+)\(void \*\*", re.M)


def name_of(path):
    return os.path.relpath(path, TREE)


def spans(text):
    return [double or single for double, single in SPAN.findall(FENCED.sub("", text))]


def words_of(command):
    """The words of our program in a command line, up to where the shell's part begins: (program, words), or None."""
    if re.search(r"\bjit(-\w+)? …", command):
        return None
    command = re.sub(r"\$\((jit[^)]*)\)", r"\1", command)
    lexer = shlex.shlex(command.replace("…", " "), posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    try:
        tokens = [token for token in lexer]
    except ValueError:
        return None
    for at, token in enumerate(tokens):
        if token.split("/")[-1] in OURS:
            rest = tokens[at + 1:]
            end = next((i for i, word in enumerate(rest) if word[0] in "|;&<>"), len(rest))
            return token.split("/")[-1], rest[:end]
        if not ("=" in token or token in ("sudo", "runuser", "-u", "_jitbroker", "--", "eval", "exec", "if", "!")):
            return None
    return None


def typed_in(path):
    """Every command line of a page: those of its blocks, and what stands in the text as code."""
    text = read(path)
    lines = [line for block in docblocks.blocks(path) if block.who for line in block.commands()]
    lines += [line[2:] for block in docblocks.blocks(path) if block.label[:1] == ["console"]
              for line in block.text.splitlines() if line.startswith("$ ")]
    told = messages.literals() if path == TROUBLE else ()
    return lines + [span for span in spans(text) if span not in told]


class Text(unittest.TestCase):
    def test_every_block_is_a_script_that_the_shell_can_read(self):
        for path in PAGES:
            for block in docblocks.blocks(path):
                if block.who:
                    done = subprocess.run(["/bin/sh", "-n"], input=block.text, capture_output=True, text=True,
                                          timeout=10)
                    self.assertEqual((done.returncode, done.stderr), (0, ""), block)

    def test_every_link_leads_somewhere(self):
        for path in PAGES:
            for target in re.findall(r"\]\(([^)]+)\)", read(path)):
                if "://" in target:
                    continue
                file, _, anchor = target.partition("#")
                where = os.path.join(os.path.dirname(path), file) if file else path
                with self.subTest(page=name_of(path), link=target):
                    self.assertTrue(os.path.exists(where), "there is no such file")
                    heads = [re.sub(r"[^a-z0-9 -]", "", head.lower()).strip().replace(" ", "-")
                             for head in re.findall(r"^#+ (.*)$", read(where), re.M)]
                    self.assertTrue(not anchor or anchor in heads, heads)

    def test_every_file_of_the_tree_that_a_page_names_is_there(self):
        for path in PAGES:
            for span in spans(read(path)) if not path.endswith("CHANGELOG.md") else ():  # which names what has gone
                if re.fullmatch(rf"(?:{'|'.join(SHIPPED)})/[\w./*-]+", span):
                    with self.subTest(page=name_of(path), file=span):
                        self.assertTrue(glob.glob(os.path.join(TREE, span)))

    @functools.lru_cache(maxsize=None)
    def names_of_tests(self):
        tests = "\n".join(read(path) for kind in ("py", "c") for path in glob.glob(f"{TREE}/tests/*/*.{kind}"))
        return set(re.findall(r"^\s*(?:def|class|static void) (\w+)\b", tests, re.M))

    def assert_tests_are_there(self, names):
        for name in names:
            with self.subTest(name):
                self.assertTrue(name in self.names_of_tests() or
                                (name.startswith("tests/") and glob.glob(os.path.join(TREE, name))))

    def test_every_test_that_keeps_a_promise_is_there(self):
        """What the last column of SECURITY.md's table names, and each test that stands elsewhere in the page."""
        page = read(f"{TREE}/SECURITY.md")
        rows = re.findall(r"^\| \d+ \|.*\| (.*) \|$", page, re.M)
        self.assertGreater(len(rows), 20)
        for row in rows:
            self.assertTrue(spans(row), f"a promise without a test: {row}")
        self.assert_tests_are_there({name for row in rows for name in spans(row)} | {
            name for name in spans(page) if re.fullmatch(r"test_\w+", name)})

    def test_every_attack_that_is_tried_is_a_test(self):
        table = read(f"{TREE}/docs/threat-model.md").split("\n## Attacks that are tried\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| (?!attack|---).*\| (.*) \|$", table, re.M)
        self.assertGreater(len(rows), 20)
        for row in rows:
            self.assertTrue(spans(row), f"an attack without a test: {row}")
        self.assert_tests_are_there({name for row in rows for name in spans(row)})

    def test_every_test_that_keeps_a_promise_is_run_by_make_check(self):
        """What the full tier alone runs is said to be of it, or of tests/packages."""
        files = {name_of(path): {test or group or unit: "FULL" in marks for marks, test, group, unit in
                                 TEST.findall(read(path))}
                 for kind in ("py", "c") for path in glob.glob(f"{TREE}/tests/*/*.{kind}")}
        # A fuzz target is one test, and tests/run runs them all.
        files.update({name_of(path): {"fuzz": False} for path in glob.glob(f"{TREE}/tests/fuzz/fuzz_*.c")})
        for row in re.findall(r"^\| \d+ \|.*\| (.*) \|$", read(f"{TREE}/SECURITY.md"), re.M):
            for name in spans(re.sub(r"`[^`]+` \(full tier\)|`tests/packages/[^`]+`", "", row)):
                full = [test for path, tests in files.items() if fnmatch.fnmatch(path, name) for test in tests.values()] or \
                    [tests[name] for tests in files.values() if name in tests]
                with self.subTest(name):
                    self.assertTrue(full, "nothing of that name is run")
                    self.assertFalse(all(full), "the full tier alone runs it")

    def test_every_manual_page_that_a_page_names_is_there(self):
        known = {os.path.basename(path) for path in glob.glob(f"{TREE}/docs/man/*")}
        for path in PAGES:
            text = read(path)
            named = {f"{name}.{number}" for name, number in re.findall(r"\b((?:pam_)?jit[\w.-]*)\((\d)\)", text)}
            self.assertLessEqual(named, known, name_of(path))
            for name in re.findall(r"`man ([\w.-]+)`", text):
                found = [page for page in known if page.rsplit(".", 1)[0] == name]
                self.assertTrue(found, f"{name_of(path)}: man {name}")

    @functools.lru_cache(maxsize=None)
    def dry_run(self, target):
        done = subprocess.run(["make", "-n", "-C", TREE, target], capture_output=True, text=True, timeout=60)
        return done.stderr

    def test_make_help_lists_every_target_that_is_described(self):
        files = [f"{TREE}/Makefile", *glob.glob(f"{TREE}/tests/*.mk"), *glob.glob(f"{TREE}/packaging/*.mk")]
        described = {target for path in files for target in re.findall(r"(?m)^([^\s:#=]+):.*## ", read(path))}
        shown = subprocess.run(["make", "-s", "-C", TREE, "help"], capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertIn("lambda-arm64", described)
        self.assertEqual(set(re.findall(r"(?m)^  make (\S+) ", shown)), described)

    def test_every_target_of_make_and_setup_is_there(self):
        setup = read(f"{TREE}/setup")
        for path in PAGES:
            if path.endswith("CHANGELOG.md"):  # names what is not there yet
                continue
            for line in typed_in(path):
                for target in re.findall(r"(?:^|&& )make ([a-z][\w-]*)", line):
                    with self.subTest(page=name_of(path), make=target):
                        self.assertNotIn("No rule to make target", self.dry_run(target))
                for word in re.findall(r"\./setup ([a-z-]+)", line):
                    with self.subTest(page=name_of(path), setup=word):
                        self.assertRegex(setup, rf"(?m)^\s*(?:[\w-]+ ?\| ?)*{word}(?: ?\| ?[\w-]+)*\)|\b{word}\b.*\)")


class Messages(unittest.TestCase):
    """docs/troubleshooting.md; messages.py says what its list is worth."""

    @classmethod
    def setUpClass(cls):
        cls.code, cls.page = messages.of_code(), read(TROUBLE)

    def test_the_list_is_not_empty(self):
        for sentence in ("the request was denied", "the broker at … did not answer in time",
                         "role … wants a reason; say why you need it"):
            self.assertIn(sentence, self.code)
        self.assertGreater(len(self.code), 150)

    def test_every_refusal_stands_in_the_page(self):
        there = set(spans(self.page))
        missing = [f"{path}: {sentence}" for sentence, path in self.code.items() if sentence not in there]
        self.assertEqual(missing, [])

    def test_every_message_of_the_page_stands_in_the_code(self):
        said = messages.literals()
        quoted = [span for line in self.page.splitlines() if line.startswith("- ")
                  for span in spans(line.split(" — ")[0])]
        self.assertGreater(len(quoted), 150)
        self.assertEqual([span for span in quoted if span not in said], [])


class Commands(LabCase):
    """What the pages tell people to type is typed, on the laboratory's host."""

    def run_it(self, program, words):
        """What it says on standard error. It is not waited for: who understands has begun."""
        child = subprocess.Popen([program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True, start_new_session=True, cwd="/")
        try:
            return child.communicate(timeout=3)[1]
        except subprocess.TimeoutExpired:
            child.kill()
            return child.communicate()[1]

    @functools.lru_cache(maxsize=None)
    def said_to(self, program, words):
        if not words:
            return ""
        if len(words) == (2 if words[0] == "pam" else 1) and words[-1][0] != "-" or words == ("pam",):
            words = (*words, "--help")  # a command's name alone; run so, `serve` would serve
        return self.run_it(program, words)

    def test_our_programs_know_every_command_and_flag(self):
        seen = set()
        for path in PAGES:
            for line in typed_in(path):
                found = words_of(line)
                if not found:
                    continue
                program, words = found
                words = tuple(NAMES.get(word, word) for word in
                              (re.sub(r"^\[+|\]+$", "", word).split("|")[0] for word in words) if word)
                seen.add((program, words[:1]))
                with self.subTest(page=name_of(path), line=line):
                    self.assertNotRegex(self.said_to(program, words), UNKNOWN)
        self.assertLessEqual({("jit", ("status",)), ("jit", ("doctor",)), ("jit", ("request",)),
                              ("jit-helper", ("--check",)), ("jit-broker", ("check",)), ("jit-broker", ("approve",)),
                              ("jit-broker", ("key",))}, seen)

    def test_an_unknown_flag_would_be_seen(self):
        for program, words in (("jit", ("status", "--nosuch")), ("jit", ("nosuch",)), ("jit-helper", ("--nosuch",)),
                               ("jit-broker", ("key", "nosuch")), ("jit-broker", ("nosuch",)),
                               ("jit", ("doctor", "--nosuch")), ("jit-broker", ("approve", "--nosuch"))):
            with self.subTest(program=program, words=words):
                self.assertRegex(self.run_it(program, words), UNKNOWN)

    def test_every_other_program_is_there(self):
        """On a Debian host; what a minimal one lacks stands in the laboratory's packages."""
        for path in PAGES:
            for block in docblocks.blocks(path):
                if block.who != "root" or "<<" in block.text:
                    continue
                for line in block.commands():
                    word = line.split()[0].lstrip("(")
                    if "=" in word or word in SHELL or word.startswith("./"):
                        continue
                    with self.subTest(block=block, word=word):
                        self.assertTrue(shutil.which(word))

    def test_every_path_of_ours_is_installed_or_made_by_a_documented_step(self):
        made = "".join(block.text for block in docblocks.blocks(QUICKSTART) if block.who == "root")
        self.lab.as_root("jit-helper", "pam", "enable", "--observe", "su")
        self.addCleanup(self.lab.as_root, "jit-helper", "pam", "disable", "su")
        for path in PAGES:
            for span in {word for span in spans(read(path)) for word in span.split()}:
                named = re.fullmatch(r"/(?:etc|usr|run|var)/[\w./-]*(?:jit)[\w./-]*", span)
                if named and span not in made:
                    with self.subTest(page=name_of(path), path=span):
                        self.assertTrue(os.path.exists(span))


if __name__ == "__main__":
    unittest.main()
