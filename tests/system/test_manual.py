"""The manual says what the programs do: every key, argument, command, flag, exit status, variable, signal and member of
a document in the code stands in its page, with its default and range, and every one of a page in the code."""

import glob
import os
import re
import shutil
import subprocess
import unittest

import brokerlib
from lab import write
from namespace import TREE

FOREIGN = {"cvtsudoers 1", "pam.d 5", "pkexec 1", "regex 7", "setsid 2", "sshd_config 5", "sudo 8",
           "sudoers 5", "systemd 1"}  # pages of other projects that ours name
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
BY_CALL = {"jit_log(": {"JOURNAL_STREAM"}, "sd_notify(": {"NOTIFY_SOCKET"},
           "sd_watchdog_enabled(": {"WATCHDOG_PID", "WATCHDOG_USEC"},
           "sd_listen_fds(": {"LISTEN_FDS", "LISTEN_PID"},
           "sd_listen_fds_with_names(": {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}}
FINDING = r'"((?:gate|module|service|sudo|sshd|helper|broker|lockout|polkit|host|login|doctor|pam)\.[a-z_]+)"'
COLUMNS = 80


def read(path):
    with open(os.path.join(TREE, path), encoding="utf-8") as file:
        return file.read()


def uncommented(source):
    return re.sub(r"/\*.*?\*/|\\\n", "", source, flags=re.S)


def sources(*patterns, but=()):
    """The C files that match, as one text without comments."""
    paths = sorted({path for pattern in patterns for path in glob.glob(os.path.join(TREE, pattern))}
                   - {path for pattern in but for path in glob.glob(os.path.join(TREE, pattern))})
    assert paths, patterns
    return "\n".join(uncommented(read(path)) for path in paths)


JIT = ("jit-helper/jit*.[ch]", "jit-helper/doctor*.[ch]")
PROGRAMS = {"jit.1": sources(*JIT, "common/proto.h"), "jit-helper.8": sources("jit-helper/*.[ch]", but=JIT),
            "jit-broker.8": sources("jit-broker/*.[ch]", but=("jit-broker/bootstrap.c",)), "pam_jit.8": sources("pam_jit/*.[ch]")}
EVERYTHING = sources("common/*.[ch]", "pam_jit/*.[ch]", "jit-helper/*.[ch]", "jit-broker/*.[ch]")
DEFINED = dict(re.findall(r"^#define[ \t]+(\w+)[ \t]+(\S.*?)[ \t]*$", EVERYTHING, re.M))


def value(expression):
    """A C constant: a text, a number, or None for NULL."""
    expression = expression.strip()
    while expression in DEFINED:
        expression = DEFINED[expression]
    if expression == "NULL":
        return None
    if expression.startswith('"'):
        return expression.strip('"')
    number = re.sub(r"[A-Z]\w*", lambda name: str(value(name[0])), expression)
    assert re.fullmatch(r"[\d *+()]+", number), expression
    return eval(number)  # pylint: disable=eval-used  (digits and operators alone)


def seconds(text):
    """"5m" or a plain number."""
    return int(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else int(text)


def one_line(text):
    return re.sub(r"\s+", " ", text)


def literals():
    """Every text in the code, adjacent ones joined, conversions as a NUL."""
    def written_out(match):
        text = DEFINED.get(match[1], "")
        return text.strip('"') + '"' if text.startswith('"') else match[0]

    joined = re.sub(r'"\s+([A-Z][A-Z0-9_]*)\b', written_out, EVERYTHING)
    joined = re.sub(r'(?<!\\)"\s*"', "", joined).replace('\\"', '"')
    return re.sub(r"%[-0-9.*]*(?:ll|z)?[a-z]", "\0", joined)


class Page:
    """A page's source: its sections, lists and words."""

    def __init__(self, name):
        self.name = name
        self.text = read(f"docs/man/{name}").replace("\\&", "")
        self.lines = self.text.splitlines()

    def part(self, heading):
        """What stands below `.Sh NAME` or `.Ss NAME`, to the next of the kind."""
        kind = next(line[:4] for line in self.lines if line[4:] == heading and line[:4] in (".Sh ", ".Ss "))
        first = self.lines.index(kind + heading) + 1
        ends = (".Sh ",) if kind == ".Sh " else (".Sh ", ".Ss ")
        last = next((i for i in range(first, len(self.lines)) if self.lines[i][:4] in ends), len(self.lines))
        return self.lines[first:last]

    def subsections(self, heading):
        return [line[4:] for line in self.part(heading) if line.startswith(".Ss ")]

    def words(self, macro, lines=None):
        """Every argument of that macro, also further ones behind a comma."""
        found = []
        for line in self.lines if lines is None else lines:
            if not line.startswith("."):
                continue
            inside = False
            for word in line[1:].split():
                if re.fullmatch(r"[A-Z][a-z]", word):
                    inside = word == macro
                elif inside and re.search(r"\w", word):
                    found.append(word)
        return found

    def flags(self, lines=None):
        return {f"-{word}" for word in self.words("Fl", lines)}


def items(lines):
    """(head, body) of each item of the outermost lists."""
    found, depth = [], 0
    for line in lines:
        if line.startswith(".El"):
            depth -= 1
        if depth == 1 and line.startswith(".It"):
            found.append((line[4:], []))
        elif depth:
            found[-1][1].append(line) if found else None
        if line.startswith(".Bl "):
            depth += 1
    return found


class Key:
    """A row of a table of keys."""

    def __init__(self, section, name, kind, fallback, least, most, choices):
        self.section, self.name, self.kind = section, name, kind
        self.fallback, self.range, self.choices = value(fallback), (value(least), value(most)), value(choices)


ROW = r'\{(J[HB]_\w+), "(\w+)", (J[HB]_\w+), (?:\w+\([^)]*\)|0), (NULL|"[^"]*"|\w+), ([^,]+), ([^,]+), (NULL|"[^"]*")\}'


def keys_of(path):
    table = one_line(uncommented(read(path)))
    table = table[table.index("_COUNT] = {" if "_COUNT] = {" in table else "[] = {"):]
    table = table[:table.index("; ")]
    rows = [Key(*row) for row in re.findall(ROW, table)]
    assert len(rows) == len(re.findall(r"\{J[HB]_[A-Z]+, ", table)), f"a row of {path} is not understood"
    return rows


HELPER_KEYS, BROKER_KEYS = keys_of("jit-helper/conf_keys.c"), keys_of("jit-broker/conf_keys.c")
HELPER_SECTIONS = {"JH_HELPER": "[helper]", "JH_SERVICE": "[service NAME]", "JH_ROLE": "[role NAME]"}
BROKER_SECTIONS = {"JB_BROKER": "[broker]", "JB_ROLE": "[role NAME]", "JB_GROUP": "[group NAME]",
                   "JB_PERSON": "[person NAME]", "JB_HOST": "[host NAME]",
                   "JB_WEBHOOK": "[webhook NAME]", "JB_MAIL": "[mail NAME]", "JB_PLAN": "[usage_plan NAME]"}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, stdin=subprocess.DEVNULL,
                          env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}).stdout


def built(name):
    return os.path.join(TREE, "build", name)


PAGES = {name: Page(name) for name in sorted(os.listdir(os.path.join(TREE, "docs/man")))}


class Form(unittest.TestCase):
    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"{program} is not installed")

    def test_there_is_a_page_for_each_program_and_each_configuration(self):
        self.assertEqual(set(PAGES), {"jit.1", "jit-helper.8", "jit-helper.conf.5", "jit-broker.8", "jit-broker.conf.5",
                                      "pam_jit.8"})

    def test_mandoc_finds_nothing_to_say_of_a_page(self):
        self.need("mandoc")
        for name in PAGES:
            done = subprocess.run(["mandoc", "-T", "lint", "-W", "all", f"{TREE}/docs/man/{name}"], capture_output=True,
                                  text=True, timeout=60, check=False)
            said = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
            self.assertEqual(said, [], name)  # what is referenced is looked at below

    def test_groff_finds_nothing_to_say_of_a_page(self):
        self.need("groff")
        for name in PAGES:
            done = subprocess.run(["groff", "-mdoc", "-Tutf8", "-ww", "-z", f"{TREE}/docs/man/{name}"],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)

    def test_a_page_fits_a_terminal_of_80_columns(self):
        self.need("mandoc")
        for name in PAGES:
            text = re.sub("_\b|.\b", "", run("mandoc", "-T", "utf8", f"{TREE}/docs/man/{name}"))
            self.assertEqual([line for line in text.splitlines() if len(line) > COLUMNS], [], name)

    def test_every_reference_leads_to_a_page_and_back(self):
        named = {name: set(re.findall(r"\bXr (\S+ \d)", page.text)) for name, page in PAGES.items()}
        ours = {name: "{} {}".format(*name.rsplit(".", 1)) for name in PAGES}
        for name, references in named.items():
            self.assertLessEqual(references, FOREIGN | set(ours.values()), name)
            for other in PAGES:
                if ours[other] in references:
                    self.assertIn(ours[name], named[other], f"{other} does not name {name}")

    def test_what_a_page_quotes_as_a_message_is_one(self):
        texts = one_line(literals()) + "".join(os.strerror(number) for number in range(1, 134))
        unknown = []
        for name, page in PAGES.items():
            quoted = [head.strip('"').replace('""', '"') for head, _ in items(page.part("DIAGNOSTICS"))]
            self.assertTrue(quoted, name)
            for message in quoted:
                for piece in re.split(r"\.\.\.|\b[NM]\b", re.sub(r"^jit: ", "", message)):
                    piece = piece.strip(" .,;:()\"'[]")
                    if piece not in texts and not all(part in texts for part in piece.split(": ")):
                        unknown.append(f"{name}: {message!r}: no program says {piece!r}")
        self.assertEqual("\n".join(unknown), "")


class Keys(unittest.TestCase):
    def check(self, page, keys, sections):
        for section, heading in sections.items():
            described = {}
            for head, body in items(page.part(f"Section {heading}")):
                described[re.fullmatch(r"Cm (\w+) = .*", head)[1]] = (head, body)
            rows = {key.name: key for key in keys if key.section == section}
            self.assertEqual(set(described), set(rows), f"{page.name}, {heading}: page and table differ")
            for name, key in rows.items():
                with self.subTest(f"{page.name}: {heading} {name}"):
                    self.check_key(key, *described[name])

    def check_key(self, key, head, body):
        said = re.findall(r"^Default: (.+)\.$", "\n".join(body), re.M)
        self.assertEqual(len(said), 1, "one line says the default")
        self.assertEqual(re.split("[;,] ", said[0])[0], key.fallback if key.fallback is not None else "none")
        ranges = [tuple(map(seconds, limits)) for limits in re.findall(r"^Range: (\w+) to (\w+)\.$", "\n".join(body), re.M)]
        counted = key.kind.split("_")[1] in ("SECONDS", "NUMBER", "WARNINGS")
        self.assertEqual(ranges, [key.range] if counted else [])
        if key.choices:
            words = {re.sub(r" Ar \w+$", "", word) for word in head.split(" = ")[1].split(" | ")}
            self.assertEqual(words, set(key.choices.split()) | ({"hours"} if key.kind == "JB_AUTO" else set()))
        if key.kind in ("JB_AUTO", "JB_HOURS"):
            self.assertIn(f"at most {value('WINDOWS_MAX')} lines", " ".join(body))
        elif not counted and key.range[1]:  # how many lines, or bytes
            self.assertRegex(" ".join(body), rf"\b{key.range[1]}\b.*\bmost\b|\bmost {key.range[1]}\b")

    def test_jit_helper_conf_has_every_key_as_it_is(self):
        self.check(PAGES["jit-helper.conf.5"], HELPER_KEYS, HELPER_SECTIONS)

    def test_jit_broker_conf_has_every_key_as_it_is(self):
        self.assertEqual(len(BROKER_KEYS), len(re.findall(r"^\tJB_KEY_\w+,$", read("jit-broker/conf.h"), re.M)) - 1)
        self.check(PAGES["jit-broker.conf.5"], BROKER_KEYS, BROKER_SECTIONS)

    def test_services_without_a_person_are_named_with_their_default(self):
        named = re.search(r"nobody\[\] = \{([^}]*)\}", read("jit-helper/conf.c"))[1]
        body = dict(items(PAGES["jit-helper.conf.5"].part("Section [service NAME]")))["Cm non_interactive = no | deny | existing"]
        default = next(line for line in body if line.startswith("Default: "))
        self.assertEqual(set(re.findall(r'"([\w-]+)"', named)),
                         set(re.findall(r"[\w-]+", re.search(r"in (.*) it is deny", default)[1])) - {"and"})

    def test_client_conf_has_every_key(self):
        known = re.findall(r'\{"(\w+)", &conf->', read("jit-broker/client_conf.c"))
        described = re.findall(r"^\.It Cm (\w+) = ", "\n".join(PAGES["jit-broker.8"].part("FILES")), re.M)
        self.assertEqual(sorted(described), sorted(known))

    def test_the_modules_arguments_are_described_as_they_are(self):
        code = one_line(uncommented(read("common/args.c")))
        known = dict(re.findall(r'\{"(\w+)", (true|false), set_\w+\}', code))
        defaults = dict(re.findall(r"\.(\w+) = ((?:PJ|JIT)_[A-Z_]+),", code))
        described = {head.split()[1]: (head, body) for head, body in items(PAGES["pam_jit.8"].part("ARGUMENTS"))}
        self.assertEqual(set(described), set(known))
        for name, (head, body) in described.items():
            self.assertEqual("Ns = Ns" in head, known[name] == "true", f"{name}: with a value or without")
            said = re.findall(r"^Default: (.+)\.$", "\n".join(body), re.M)
            self.assertEqual(len(said), 1 if known[name] == "true" else 0, name)
            if name in defaults:
                self.assertEqual(said[0], str(value(defaults[name])), name)
        self.assertIn("Range: {} to {}.".format("1s", "1h"), described["timeout"][1])
        self.assertEqual((seconds("1s"), seconds("1h")), (value("PJ_TIMEOUT_MIN"), value("PJ_TIMEOUT_MAX")))

    def test_the_applications_that_the_module_knows_are_named(self):
        code = one_line(uncommented(read("common/args.c")))
        words = re.findall(r'\[PJ_\w+\] = "(\w+)"', code)
        services = re.findall(r'\{"([\w-]+)", PJ_\w+\}', code)
        self.assertTrue(words and services)
        body = dict(items(PAGES["pam_jit.8"].part("ARGUMENTS")))["Cm app Ns = Ns Ar word"]
        self.assertEqual(set(PAGES["pam_jit.8"].words("Cm", body)), set(words))
        self.assertLessEqual(set(services), set(PAGES["pam_jit.8"].words("Ql", body)))


class Commands(unittest.TestCase):
    def helps(self, program):
        """The commands of a program, each with the help that it prints itself."""
        listed = re.findall(r"^  ([a-z]+) +\S", run(built(program), "--help"), re.M)
        ask = (lambda name: ("help", name)) if program == "jit" else (lambda name: (name, "--help"))
        return {name: run(built(program), *ask(name)) for name in listed}

    def test_every_command_has_its_part_with_its_flags(self):
        for program, page, more in (("jit", PAGES["jit.1"], {"help"}), ("jit-broker", PAGES["jit-broker.8"], set())):
            helps = self.helps(program)
            self.assertEqual(set(page.subsections("DESCRIPTION")), set(helps) | more)
            for name, text in helps.items():
                described = {flag for head, _ in items(page.part(name)) for flag in page.flags(["." + head])}
                self.assertEqual({flag for flag in described if flag.startswith("--")},
                                 set(re.findall(r"--[a-z][a-z-]*", text)) - {"--help", "--socket"}, f"{program} {name}")

    def test_the_synopsis_has_every_command_with_its_flags(self):
        for program, page in (("jit", PAGES["jit.1"]), ("jit-broker", PAGES["jit-broker.8"])):
            shown = {}
            for block in "\n".join(page.part("SYNOPSIS")).split(".Nm\n")[1:]:
                lines = block.splitlines()
                for name in re.findall(r"\w+", lines[0][4:]) if lines[0].startswith(".Cm ") else []:
                    shown[name] = page.flags(lines)
            helps = self.helps(program)
            self.assertEqual(set(shown) - {"help"}, set(helps))
            for name, text in helps.items():
                self.assertEqual(shown[name], set(re.findall(r"--[a-z][a-z-]*", text)) - {"--help"}, f"{program} {name}")

    def test_the_administrators_commands_have_what_stands_behind_them(self):
        helps, page = self.helps("jit-broker"), PAGES["jit-broker.8"]
        for name in ("key", "token", "sessions", "notify", "audit"):
            described = [word for head, _ in items(page.part(name)) for word in page.words("Cm", ["." + head])]
            self.assertEqual(sorted(described), sorted(re.findall(r"[]|] ([a-z]+)", helps[name])), name)

    def test_every_flag_that_is_read_is_described_and_every_one_described_is_read(self):
        for name in ("jit.1", "jit-helper.8", "jit-broker.8"):
            code = one_line(PROGRAMS[name])
            known = {f"--{flag}" for flag in re.findall(
                r'\{ ?(?:\w+ \? )?"([a-z-]+)"(?: : NULL)?, (?:\w+_argument|&asked->)', code)}
            known |= set(re.findall(r'strcmp\([^,]+, "(--?[a-z][a-z-]*)"\)', code))
            for call in re.findall(r"getopt_long\([^;]*;", code):
                known |= {f"-{letter}" for text in re.findall(r'"([^"]*)"', call) for letter in text if letter.isalpha()}
            self.assertIn("--help", known, name)
            self.assertEqual(PAGES[name].flags(), known, name)

    def test_the_helpers_own_help_says_what_its_page_says(self):
        listed = set(re.findall(r"--[a-z][a-z-]*", run(built("jit-helper"), "--help")))
        self.assertLessEqual(listed, PAGES["jit-helper.8"].flags())


class Behaviour(unittest.TestCase):
    def test_every_exit_status_is_described_and_every_one_described_exists(self):
        for name in ("jit.1", "jit-helper.8", "jit-broker.8"):
            enums = re.findall(r"enum \w*exit\s*\{(.*?)\};", PROGRAMS[name], re.S)
            known = {int(number) for body in enums for number in re.findall(r"= (\d+)", body)}
            self.assertIn(0, known, name)
            described = {int(number) for number in re.findall(r"^\.It (\d+)$", "\n".join(PAGES[name].part("EXIT STATUS")), re.M)}
            self.assertEqual(described, known, name)

    def test_no_exit_status_is_a_bare_number(self):
        for path in glob.glob(os.path.join(TREE, "jit-*/*.c")):
            code = uncommented(read(path))
            self.assertNotRegex(code, r"\bEXIT_(SUCCESS|FAILURE)\b|\bEX_[A-Z]+\b", path)
            if re.search(r"^int (main|jb_cmd_\w+)\(", code, re.M):
                self.assertNotRegex(code, r"\breturn ([2-9]|\d\d+);", path)

    def variables(self, code):
        """What a program reads from its environment, or from PAM's."""
        names = set(re.findall(r'(?:getenv|find_environ)\("(\w+)"\)|copy_environ\([^;]*"(\w+)"\)', one_line(code)))
        names = {name for pair in names for name in pair if name}
        names |= {value(name) for name in re.findall(r"pam_getenv\(\w+, (\w+)\)", code)}
        for call, read_by_it in BY_CALL.items():
            names |= read_by_it if call in code else set()
        return names

    def test_every_variable_is_described_and_every_one_described_exists(self):
        code = one_line(PROGRAMS["jit.1"])
        handed_out = set(re.findall(r'put_env\(\w+, "(\w+)"', PROGRAMS["jit-helper.8"]))
        set_by_jit = set(re.findall(r'"(AWS_[A-Z_]+)"', code))
        self.assertTrue(handed_out and set_by_jit)
        known = {name: self.variables(code) for name, code in PROGRAMS.items()}
        known["pam_jit.8"] |= handed_out
        known["jit.1"] |= set_by_jit
        for name, page in PAGES.items():
            described = set(page.words("Ev"))
            self.assertLessEqual(known.get(name, set()), set(page.words("Ev", page.part("ENVIRONMENT")))
                                 if name in known else set(), name)
            self.assertLessEqual(described, set().union(*known.values()), name)

    def test_every_signal_that_is_handled_is_described_and_every_one_described_is_known(self):
        for name, code in PROGRAMS.items():
            lines = [line for line in code.splitlines()
                     if re.search(r"evsignal_new|\bsignal\(|\w+\[\] = \{+SIG|struct volley \w+ =", line)]
            handled = {signal for line in lines for signal in re.findall(r"\bSIG[A-Z0-9]+\b", line)}
            self.assertTrue(handled, name)
            described = set(PAGES[name].words("Dv")) | {word for head, _ in items(PAGES[name].lines) for word in head.split()}
            described = {word for word in described if re.fullmatch("SIG[A-Z0-9]+", word)}
            self.assertLessEqual(handled, described, name)
        for name, page in PAGES.items():
            said = set(re.findall(r"\bSIG[A-Z0-9]+\b", page.text.replace(".Sh SIGNALS", "")))
            self.assertLessEqual(said, set(re.findall(r"\bSIG[A-Z0-9]+\b", EVERYTHING)), name)

    def test_the_members_of_documents_are_those_that_are_written(self):
        code = one_line(sources("jit-helper/status.c", "jit-helper/ahead.c", "jit-helper/ahead_side.c",
                                "jit-helper/session_side.c", "jit-helper/doctor_print.c"))
        written = set(re.findall(
            r'(?:add_text|add_flag|add_words|put_text|put_seconds|put_string|jit_json_add|json_object_object_add|add_list)\(\w+, "(\w+)"', code))
        page = PAGES["jit.1"]
        self.assertEqual(set(page.words("Va", page.part("DOCUMENTS"))), written)

    def test_the_members_of_checks_object_are_those_that_are_written(self):
        code = one_line(sources("jit-broker/admin_check.c"))
        written = set(re.findall(r'json_object_object_add\(json, "(\w+)"', code))
        self.assertEqual(set(PAGES["jit-broker.8"].words("Va", PAGES["jit-broker.8"].part("check"))), written)

    def test_the_doctors_findings_are_those_that_it_can_find(self):
        known = set(re.findall(FINDING, sources("jit-helper/doctor*.c", "jit-helper/jit_doctor.c")))
        page = PAGES["jit.1"]
        self.assertEqual(set(page.words("Li", page.part("FINDINGS"))), known)


class Examples(unittest.TestCase):
    """The example configurations: every key stands in them, and they are right with every line in force."""

    laboratory = True

    def keys_in(self, path):
        """(section, key, value, in force) of every line, those in comments too."""
        section, section_in_force, found = None, True, []
        for line in read(path).splitlines():
            comment, text = re.fullmatch(r"(# )?(.*)", line).groups()
            header = re.fullmatch(r"\[(\w+).*\]", text)
            if header:
                section, section_in_force = header[1], not comment
            pair = re.fullmatch(r"([a-z_]+) = (.*)", text)
            if pair:
                found.append((section, pair[1], pair[2], not comment, section_in_force))
        return found

    def check(self, path, keys, sections):
        found = self.keys_in(path)
        kinds = {kind: re.match(r"\[(\w+)", heading)[1] for kind, heading in sections.items()}
        self.assertEqual({(section, name) for section, name, *_ in found}, {(kinds[key.section], key.name) for key in keys})
        defaults = {(kinds[key.section], key.name): key.fallback for key in keys if key.fallback is not None}
        for section, name, shown, in_force, of_section in found:
            if not in_force and of_section and (section, name) in defaults:
                self.assertEqual(shown, defaults[section, name], f"{path}: {name} in a comment is the default")

    def in_force(self, path):
        return re.sub(r"^# (\[.*\]|[a-z_]+ = .*)$", r"\1", read(path), flags=re.M)

    def test_jit_helpers_has_every_key(self):
        self.check("etc/pam-jit/jit-helper.conf", HELPER_KEYS, HELPER_SECTIONS)

    def test_jit_brokers_has_every_key(self):
        self.check("etc/jit-broker/jit-broker.conf", BROKER_KEYS, BROKER_SECTIONS)

    def test_jit_helper_takes_its_example_with_every_line_in_force(self):
        run("/usr/sbin/useradd", "--system", "--no-create-home", "_jit")
        run("/usr/sbin/groupadd", "--system", "breakglass")
        write("/etc/pam-jit/api.key", "k" * 43 + "\n", 0o640, "root", "_jit")
        os.makedirs("/run/lab/manual")
        brokerlib.make_tls("/run/lab/manual")
        shutil.copy("/run/lab/manual/ca.pem", "/etc/pam-jit/broker-ca.pem")
        shutil.copy("/run/lab/manual/tls.crt", "/etc/pam-jit/host.crt")
        write("/etc/pam-jit/host.key", read("/run/lab/manual/tls.key"), 0o640, "root", "_jit")
        for name, text in (("as it is", read("etc/pam-jit/jit-helper.conf")), ("in force", self.in_force("etc/pam-jit/jit-helper.conf"))):
            write("/etc/pam-jit/jit-helper.conf", text)
            done = subprocess.run([built("jit-helper"), "--check"], capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)

    def test_jit_broker_takes_its_example_with_every_line_in_force(self):
        write("/etc/jit-broker/chat.secret", "whsec_" + "k" * 44 + "\n", 0o640)
        write("/etc/jit-broker/mail.credentials", "jit\nsecret\n", 0o640)
        for name in ("store.credentials", "issuer.credentials", "workflow.credentials", "ssm.credentials"):
            write(f"/etc/jit-broker/{name}", "[default]\naws_access_key_id = AKIA\naws_secret_access_key = x\n", 0o640)
        write("/etc/jit-broker/oidc.secret", "secret\n", 0o640)
        brokerlib.make_tls("/etc/jit-broker")
        shutil.copy("/etc/jit-broker/ca.pem", "/etc/jit-broker/hosts-ca.pem")
        for name in ("dynamodb-ca.pem", "chat-ca.pem", "mail-ca.pem", "sts-ca.pem", "states-ca.pem", "ssm-ca.pem", "oidc-ca.pem"):
            write(f"/etc/jit-broker/{name}", "a certificate\n", 0o644)
        for name, text in (("as it is", read("etc/jit-broker/jit-broker.conf")), ("in force", self.in_force("etc/jit-broker/jit-broker.conf"))):
            write("/etc/jit-broker/jit-broker.conf", text, 0o640)
            done = subprocess.run([built("jit-broker"), "check"], capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)


if __name__ == "__main__":
    unittest.main()
