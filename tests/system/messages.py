"""The sentences with which the programs refuse somebody, taken out of the code by the functions that they go through.

That is mechanical, and so it sees what goes through these functions and no more: a sentence that is put together
elsewhere, comes from the kernel, libcurl or OpenSSL, or stands in a daemon's own log alone, is not found here."""

import glob
import os
import re

from namespace import TREE

# Where refusals of people go through, by room: at a door, from jit, at the broker's API and from its commands. The
# literals among a call's arguments are sentences.
SINKS = {
    "pam_jit/*.c": ("fail", "settle", "reject"),
    "common/args.c": (),
    **{f"jit-helper/{name}.c": ("say", "verdict_of", "refuse", "refuse_question", "turn_away", "fail", "fault",
                                "jh_fault_and_close", "jh_visits_refuse_all")
       for name in ("verdict", "visit", "request", "question", "pam_side", "ahead", "ahead_side", "session_side",
                    "elevation", "glass", "collect", "admit", "peer", "place", "withdraw", "names", "demo",
                    "request_demo")},
    "jit-helper/jit*.c": ("complain", "fputs", "fprintf"),
    "jit-broker/policy.c": ("refuse",),
    **{f"jit-broker/{name}.c": ("jb_engine_fault", "jb_reply_error", "refuse")
       for name in ("engine", "engine_collect", "engine_decide", "engine_file", "api", "api_approver", "api_host")},
    "jit-broker/client*.c": ("fprintf",),
}
# Sentences that are handed back to one of these: `*ret_why = "…"`, snprintf(why, …), return "…".
HANDED = re.compile(r'(?:\*ret_(?:why|refusal)\s*=|\breturn\b|'
                    r'\bsnprintf\(\s*(?:why|buf|ret_why|message|trouble|sentence|text|verdict->text)\s*,[^,"]*,)')
# What goes through them and refuses nobody, or names a field to whoever writes a client.
NO_REFUSAL = re.compile(r"^(told to come back|request …: approved by … for …|would be .*|"
                        r"a role that the policy chooses|"
                        r"…\. Press Enter to wait:|the role that fits|from its first use on|`jit help COMMAND`.*|"
                        r"jit env: .*|"
                        r"\{.*|The parameter .*|status is one of .*|Request … is revoked; .*|approved by .*|"
                        r"must be a (name of|number of|P-256) .*|must have .*|.* gets nothing\.|"
                        r"…: your approval counts.*|"
                        r"jit: cannot write: …|\(id not known\)|waiting for approval|came without a body|"
                        r"… is approved: … gets …\.|"
                        r"[a-z_]+\.[a-z_]+)$")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[A-Za-z_]\w*|\S')
_FORMAT = re.compile(r"%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|z|j)?[diouxXcsp]")
VARIES = "…"


def _strip(text):
    """Without comments; literals stay."""
    return re.sub(r'("(?:[^"\\\n]|\\.)*")|/\*.*?\*/|//[^\n]*', lambda m: m[1] or " ", text, flags=re.S)


def _macros():
    found = {}
    for path in glob.glob(f"{TREE}/*/*.[ch]"):
        with open(path, encoding="utf-8") as file:
            text = file.read().replace("\\\n", " ")
        define = r'^#define (\w+)\s+((?:"(?:[^"\\\n]|\\.)*"|\w+|\s)+?)[ \t]*(?:/\*.*)?$'
        for name, body in re.findall(define, text, re.M):
            if '"' in body:
                found[name] = body
    return found


def _literals(tokens, macros):
    """The literals of a token list, adjacent ones as one; with macros that stand for one."""
    held, out = None, []
    for token in [*tokens, ";"]:
        if token in macros:
            token = '"' + "".join(_STRING.findall(macros[token])) + '"'
        if token[0] == '"':
            held = (held or "") + token[1:-1]
        elif held is not None:
            out.append(held)
            held = None
    return out


def _until_close(text, at):
    """The tokens from behind an opening parenthesis to the one that closes it, or to the statement's end."""
    depth, tokens = 0, []
    for match in _TOKEN.finditer(text, at):
        token = match[0]
        depth += (token == "(") - (token == ")")
        if depth < 0 or token == ";":
            break
        tokens.append(token)
    return tokens


def as_shown(literal):
    """What stands for a format in a page: what varies is an ellipsis."""
    text = literal.replace('\\"', '"').replace("\\n", "").replace("\\\\", "\\").replace("%%", "\0")
    text = re.sub(rf"(?:{_FORMAT.pattern})+", VARIES, text).replace("\0", "%")
    return text.strip()


def of_code():
    """{sentence as shown: the file that says it}"""
    macros, found = _macros(), {}
    for pattern, names in SINKS.items():
        for path in sorted(glob.glob(os.path.join(TREE, pattern))):
            with open(path, encoding="utf-8") as file:
                text = _strip(file.read())
            calls = re.finditer(rf"\b(?:{'|'.join(names)})\(", text) if names else ()
            for match in [*calls, *HANDED.finditer(text)]:
                for literal in _literals(_until_close(text, match.end()), macros):
                    shown = as_shown(literal)
                    if len(re.findall(r"[a-z]{2,}", shown)) >= 3 and not NO_REFUSAL.match(shown):
                        found.setdefault(shown, os.path.relpath(path, TREE))
    return found


def literals():
    """Every literal of the code, as shown."""
    macros, found = _macros(), set()
    for path in glob.glob(f"{TREE}/*/*.c"):
        with open(path, encoding="utf-8") as file:
            found.update(map(as_shown, _literals(_TOKEN.findall(_strip(file.read())), macros)))
    return found


if __name__ == "__main__":
    for sentence, path in of_code().items():
        print(f"{path}: {sentence}")
