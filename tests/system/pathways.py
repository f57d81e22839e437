"""What may lie in a file's place, or on the way to it, when somebody else means harm: each of WAYS and ON_THE_WAY does
one thing to a path, which `planted` undoes. And which keys of a configuration name files, by the code's own tables."""

import contextlib
import os
import re
import shutil
import stat

from frames import uid_of
from lab import read, write
from namespace import TREE

STAGE = "/run/lab/stage"  # everybody may write there, as into /tmp


def _give(path, mode, group):
    shutil.chown(path, "root", group)
    os.chmod(path, mode)


def link_of_another(path, content, group):
    """op1's link to a file that op1 cannot write: what it leads to changes when op1 likes."""
    target = f"{STAGE}/{os.path.basename(path)}"
    write(target, content, 0o640, "root", group)
    os.symlink(target, path)
    os.lchown(path, uid_of("op1"), -1)


def pipe(path, _, group):
    os.mkfifo(path)
    _give(path, 0o640, group)


def device(path, _, group):
    os.mknod(path, stat.S_IFCHR, os.makedev(1, 5))  # zero: without an end
    _give(path, 0o640, group)


def folder(path, _, group):
    os.mkdir(path)
    _give(path, 0o750, group)


def another_persons(path, content, group):
    write(path, content, 0o640, "op1", group)


def writable_by_all(path, content, _):
    write(path, content, 0o666)


def endless(path, content, group):
    write(path, content, 0o640, "root", group)
    os.truncate(path, 1 << 40)


WAYS = (link_of_another, pipe, device, folder, another_persons, writable_by_all, endless)


def another_persons_folder(above):
    os.chown(above, uid_of("op1"), -1)


def folder_writable_by_all(above):
    os.chmod(above, 0o777)


def another_persons_link(above):
    os.rename(above, f"{above}.kept")
    os.symlink(f"{above}.kept", above)
    os.lchown(above, uid_of("op1"), -1)


ON_THE_WAY = (another_persons_folder, folder_writable_by_all, another_persons_link)


@contextlib.contextmanager
def planted(path, way, group):
    """That way of WAYS, or, done to the folder above, of ON_THE_WAY."""
    os.makedirs(STAGE, exist_ok=True)
    os.chmod(STAGE, 0o1777)
    with _on_the_way(os.path.dirname(path), way) if way in ON_THE_WAY else _in_its_place(path, way, group):
        yield


@contextlib.contextmanager
def _in_its_place(path, way, group):
    kept = f"{path}.kept"
    content = ""
    if os.path.lexists(path):
        content = read(path) if os.path.isfile(path) else ""
        os.rename(path, kept)
    try:
        way(path, content, group)
        yield
    finally:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
        if os.path.lexists(kept):
            os.rename(kept, path)


@contextlib.contextmanager
def _on_the_way(above, way):
    before = os.stat(above)
    try:
        way(above)
        yield
    finally:
        if os.path.islink(above):
            os.unlink(above)
            os.rename(f"{above}.kept", above)
        os.chown(above, before.st_uid, before.st_gid)
        os.chmod(above, stat.S_IMODE(before.st_mode))


def helper_keys():
    """The keys of jit-helper.conf whose value is a path."""
    return set(re.findall(r'\{JH_\w+, "(\w+)", JH_PATH,', read(f"{TREE}/jit-helper/conf_keys.c")))


def broker_keys():
    """(section, key) of jit-broker.conf whose value is any text: which of them are paths the table does not say."""
    found = re.findall(r'\{JB_(\w+), "(\w+)",\s+JB_(?:TEXT|WORDS),', read(f"{TREE}/jit-broker/conf_keys.c"))
    return {(section.lower(), key) for section, key in found}
