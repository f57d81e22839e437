"""The source tarball is enough: what is built, tested and packaged from it is what the commit gives."""

import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from namespace import TREE


def run(*command, cwd, limit=900):
    """Its output; a failure shows the end of it."""
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "SOURCE_DATE_EPOCH")}
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=limit)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def digests(folder, pattern):
    found = {}
    for path in glob.glob(os.path.join(folder, pattern)):
        with open(path, "rb") as file:
            found[os.path.basename(path)] = hashlib.sha256(file.read()).hexdigest()
    return found


class Tarball(unittest.TestCase):
    """The tarball, unpacked where no git is above it."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        tarball = run("make", "--no-print-directory", "dist", f"PACKAGES_DIR={folder.name}", cwd=TREE).split()[0]
        run("tar", "-xzf", tarball, cwd=folder.name)
        cls.tree = tarball[:-len(".tar.gz")]
        run("make", "--no-print-directory", f"-j{os.cpu_count()}", "tests-build", cwd=cls.tree)

    def test_make_help_lists_the_targets(self):
        self.assertRegex(run("make", "--no-print-directory", "help", cwd=self.tree), r"(?m)^  make dist ")

    def test_its_unit_tests_pass(self):
        said = run("tests/run", "--no-build", "--only", "unit/test_common", cwd=self.tree)
        self.assertRegex(said.splitlines()[-1], r"^[1-9]\d* passed, 0 failed, 0 skipped$")

    def test_its_laboratory_installs_and_gates_sudo(self):
        said = run("tests/run", "--no-build", "--only", "test_sudo", cwd=self.tree)
        self.assertRegex(said.splitlines()[-1], r"^\d+ passed, 0 failed, \d+ skipped$")

    def test_its_shell_and_python_files_are_found_by_lint(self):
        run("make", "--no-print-directory", "lint-shell", "lint-python", cwd=self.tree)

    def test_debian_packages_are_those_of_the_tree(self):
        if not shutil.which("dpkg-buildpackage"):
            self.skipTest("dpkg-dev is not installed: ./setup")
        self.compare("deb", "*.deb")

    def compare(self, target, pattern):
        """Built side by side from copies: the packages of the tree that somebody else may be building stay as they are."""
        copy = os.path.join(os.path.dirname(self.tree), f"copy-{target}", os.path.basename(self.tree))
        shutil.copytree(TREE, copy, symlinks=True, ignore=shutil.ignore_patterns("build", "node_modules", "__pycache__"))
        self.addCleanup(shutil.rmtree, os.path.dirname(copy))
        if not os.path.exists(os.path.join(copy, ".git")):
            self.skipTest("this tree is no git tree: there is nothing to compare with")
        for tree in (self.tree, copy):
            run("make", "--no-print-directory", target, cwd=tree)
        mine, theirs = (digests(os.path.join(tree, "build/packages"), pattern) for tree in (self.tree, copy))
        self.assertTrue(mine)
        self.assertTrue(all(re.search(r"\d", name) for name in mine))
        self.assertEqual(mine, theirs)


if __name__ == "__main__":
    unittest.main()
