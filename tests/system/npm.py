"""The npm packages that tests hold ours against: those of tests/package-lock.json, in build/npm.

The laboratory has no network: a file of tests that needs them says `prepare = npm.prepare`, which is called before it is
entered, and its tests call packages()."""

import fcntl
import os
import shutil
import subprocess
import unittest

from namespace import TREE

PACKAGES = os.path.join(TREE, "build/npm")
WHY_NOT = "PAM_JIT_NO_NPM"
COMMAND = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=20000"]


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _are_there():
    done = os.path.join(PACKAGES, "installed")  # written last: what npm was asked for, when it had it all
    return os.path.exists(done) and _read(done) == _read(os.path.join(TREE, "tests/package-lock.json"))


def _install():
    """None, or why they are not to be had here."""
    if _are_there():
        return None
    if not shutil.which("npm") or not shutil.which("node"):
        return "node and npm are not installed"
    shutil.rmtree(PACKAGES, ignore_errors=True)
    os.makedirs(PACKAGES)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(TREE, "tests", name), PACKAGES)
    try:
        done = subprocess.run(COMMAND, cwd=PACKAGES, capture_output=True, text=True, timeout=100)
    except subprocess.TimeoutExpired:
        return "npm took too long to fetch the packages of tests/package-lock.json"
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "code" in line or "rror" in line] or ["it failed"]
        return f"npm cannot fetch the packages of tests/package-lock.json here: {lines[0]}"
    shutil.copy(os.path.join(TREE, "tests/package-lock.json"), os.path.join(PACKAGES, "installed"))
    return None


def prepare():
    """Installs them if they are missing; why that failed is kept for packages()."""
    os.makedirs(os.path.dirname(PACKAGES), exist_ok=True)
    with open(PACKAGES + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.environ[WHY_NOT] = _install() or ""


def packages():
    """The folder that holds node_modules; SkipTest where they could not be had."""
    if os.environ.get(WHY_NOT):
        raise unittest.SkipTest(os.environ[WHY_NOT])
    if not _are_there():
        raise unittest.SkipTest("the packages of tests/package-lock.json are not installed")
    return PACKAGES
