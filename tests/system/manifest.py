"""packaging/manifest, and what differs from it: the list of what is installed, with mode and owner."""

import collections
import grp
import os
import pwd
import re
import stat

from namespace import TREE

Entry = collections.namedtuple("Entry", "mode owner group part by path")
PATH = os.path.join(TREE, "packaging/manifest")


def entries(parts, by, places):
    """Those of these parts and ways, with @name@ replaced by places[name]."""
    with open(PATH, encoding="utf-8") as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    found = [Entry(int(mode, 8), *others) for mode, *others in lines]
    return [entry._replace(path=re.sub(r"@(\w+)@", lambda match: places[match[1]], entry.path)) for entry in found
            if entry.part in parts and entry.by in by]


def tree(root):
    """{path below root: (mode, owner, group)}; folders end with a slash."""
    found = {}
    for at, folders, names in os.walk(root):
        for name in folders + names:
            path = os.path.join(at, name)
            status = os.lstat(path)
            key = "/" + os.path.relpath(path, root) + ("/" if stat.S_ISDIR(status.st_mode) else "")
            found[key] = of(status)
    return found


def of(status):
    mode = status.st_mode if stat.S_ISLNK(status.st_mode) else stat.S_IMODE(status.st_mode)
    return mode, pwd.getpwuid(status.st_uid).pw_name, grp.getgrgid(status.st_gid).gr_name


def pattern(path):
    return re.compile(re.escape(path).replace(r"\*", "[^/]+") + (r"(\.gz)?" if "/share/man/" in path else ""))


def differences(listed, found, owners=True):
    """Sentences on what is listed and missing, there and not listed, or there as something else. Folders that are not
    listed are fine when they are 0755 of root."""
    said = []
    met = set()
    for path, (mode, owner, group) in sorted(found.items()):
        matching = [entry for entry in listed if pattern(entry.path).fullmatch(path)]
        met.update(matching)
        expected = matching[0] if matching else Entry(0o755, "root", "root", "", "", path)
        if not matching and not path.endswith("/"):
            said.append(f"{path} is installed and stands not in packaging/manifest")
        elif mode != expected.mode or owners and (owner, group) != (expected.owner, expected.group):
            said.append(f"{path} is {mode:04o} {owner}:{group}, expected {expected.mode:04o} "
                        f"{expected.owner}:{expected.group}")
    said += [f"{entry.path} stands in packaging/manifest and is not installed" for entry in listed if entry not in met]
    return said
