"""A reader of AppArmor profiles, as far as file rules go, and of strace's output: which accesses does a profile not allow?

AppArmor judges opening, making, removing and locking files, mapping them executable, and connecting to sockets that have
a path. Looking at a file's attributes is always allowed, and what does not exist is not judged."""

import os
import re

FOLDER = "/etc/apparmor.d"
RULE = re.compile(r'^(?:owner\s+)?("?)([/@{]\S*)\1\s+([rwaxmkliPpCcUu]+)$')


class Profile:
    """The file rules of a profile: [(pattern, letters)]."""

    def __init__(self, path):
        self.variables = {}
        self.rules = []
        self._read(path)
        self.compiled = [(self._compile(pattern), letters) for pattern, letters in self.rules]

    def allows(self, path, wanted):
        """Is each letter of the access granted by a rule?"""
        granted = "".join(letters for pattern, letters in self.compiled if pattern.fullmatch(path))
        return set(wanted) <= set(granted)

    def _read(self, path):
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"^\s*#(?!include).*$|\s#\s.*$", "", file.read(), flags=re.M)
        for statement in re.split(r",\s*$|^\s*$|\{\s*$|(?<=>)\s*$", text, flags=re.M):
            self._take(" ".join(statement.split()))

    def _take(self, statement):
        include = re.search(r"include( if exists)? <([^>]+)>", statement)
        variable = re.match(r"(@\{\w+\})\s*\+?=\s*(.*)", statement)
        rule = RULE.match(statement)
        if include:
            self._include(f"{FOLDER}/{include[2]}", bool(include[1]))
        elif variable:
            for line in re.findall(r"(@\{\w+\})\s*\+?=\s*((?:(?!@\{\w+\}\s*\+?=).)*)", statement):
                self.variables.setdefault(line[0], []).extend(
                    value.rstrip("/") for value in line[1].split())
        elif rule:
            self.rules.append((rule[2], rule[3]))

    def _include(self, path, optional):
        if os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                self._read(f"{path}/{name}")
        elif os.path.exists(path) or not optional:
            self._read(path)

    def _compile(self, pattern):
        while True:
            found = re.search(r"@\{\w+\}", pattern)
            if not found:
                break
            values = self.variables[found[0]]
            value = values[0] if len(values) == 1 else "{" + ",".join(values) + "}"
            pattern = pattern.replace(found[0], value)
        return re.compile(_expression(re.sub(r"/+", "/", pattern)))


def _expression(pattern):
    """A regular expression of a glob: * and ? stay in one folder, ** does not, {a,b} is one of them."""
    out, at, depth = "", 0, 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            out, at = out + ".*", at + 1
        elif char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[":
            end = pattern.index("]", at)
            out, at = out + pattern[at:end + 1], end
        elif char == "{":
            out, depth = out + "(?:", depth + 1
        elif char == "}":
            out, depth = out + ")", depth - 1
        elif char == "," and depth:
            out += "|"
        else:
            out += re.escape(char)
        at += 1
    return out


# strace -f -y: lines such as  12 openat(AT_FDCWD</>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 5</etc/passwd>
CALL = re.compile(r"^(?:\[pid\s+\d+\]|\d+)?\s*(\w+)\((.*)\)\s+= (-?\d+|0x[0-9a-f]+)(?:<(.*?)>)?(?:\s|$)")
TRACED = "%file,fcntl,flock,connect,mmap,mprotect,recvmsg,fchmod,fchown,ftruncate"
CHANGES = {"unlink": "w", "unlinkat": "w", "rename": "w", "renameat": "w", "renameat2": "w", "mkdir": "w", "mkdirat": "w",
           "rmdir": "w", "chmod": "w", "fchmodat": "w", "chown": "w", "lchown": "w", "fchownat": "w", "truncate": "w",
           "link": "w", "linkat": "w", "symlink": "w", "symlinkat": "w", "mknod": "w", "mknodat": "w"}
DESCRIPTORS = {"fchmod": "w", "fchown": "w", "ftruncate": "w"}


def _opened(arguments):
    """Letters that an open needs."""
    if "O_PATH" in arguments:
        return ""
    letters = "" if "O_WRONLY" in arguments else "r"
    return letters + ("w" if re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", arguments) else "")


def _named(arguments):
    """The paths among a call's arguments, each joined with the folder that stands before it."""
    found = re.findall(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', arguments)
    return [os.path.normpath(os.path.join(folder or "/", name)) for folder, name in found]


def _whole(trace):
    """Its lines, with each call that another thread interrupted put together again."""
    begun = {}
    for line in trace.splitlines():
        pid = line.split(" ", 1)[0]
        resumed = re.match(r"\d+\s+<\.\.\. \w+ resumed>(.*)", line)
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>").rstrip()
        elif resumed:
            yield begun.pop(pid, "") + resumed[1]
        else:
            yield line


def accesses(trace):
    """{(path, letters)} of what succeeded in strace's output."""
    found = set()
    for line in _whole(trace):
        call = CALL.match(line)
        if not call or call[3].startswith("-"):
            continue
        name, arguments, result = call[1], call[2], call[4]
        if name in ("open", "openat"):
            path = _plain(result or _named(arguments)[0])
            if "O_DIRECTORY" in arguments:  # AppArmor's names of folders end so
                path = path.rstrip("/") + "/"
            found.add((path, _opened(arguments)))
        elif name == "execve":
            found.add((_named(arguments)[0], "r"))
        elif name in CHANGES:
            end = "/" if name in ("mkdir", "mkdirat", "rmdir") else ""
            found.update((path + end, CHANGES[name]) for path in _named(arguments))
        else:
            found.update(_by_descriptor(name, arguments))
    return {(path + "/" if _is_folder(path, found) else path, letters) for path, letters in found
            if path.startswith("/") and letters}


def _is_folder(path, found):
    """SQLite opens its folder as it opens a file."""
    return not path.endswith("/") and any(other.startswith(f"{path}/") for other, _ in found)


def _plain(path):
    return re.sub(r"(<char [\d:]+>?|\(deleted\))$", "", path).rstrip()


def _by_descriptor(name, arguments):
    first = re.match(r"\d+<(/[^>]*)>", arguments)
    if name == "connect":
        return {(path, "w") for path in re.findall(r'sun_path="(/[^"]*)"', arguments)}
    if name == "recvmsg":
        handed = re.search(r"cmsg_type=SCM_RIGHTS, cmsg_data=\[(.*?)\]", arguments)
        return {(_plain(path), "w") for path in re.findall(r"\d+<(/[^>]*)>", handed[1])} if handed else set()
    if name in ("mmap", "mprotect"):
        mapped = re.search(r"PROT_EXEC.*?, \d+<(/[^>]*)>", arguments)
        return {(_plain(mapped[1]), "m")} if mapped else set()
    if name == "flock" or (name == "fcntl" and re.search(r"F_(OFD_)?SETLKW?", arguments)):
        return {(_plain(first[1]), "k")} if first else set()
    if name in DESCRIPTORS and first:
        return {(_plain(first[1]), DESCRIPTORS[name])}
    return set()
