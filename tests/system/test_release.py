"""What is released: the same tarball from the same tree, its bill of materials, and one version in all of it."""

import hashlib
import json
import os
import re
import subprocess
import tarfile
import tempfile
import unittest

from namespace import TREE

PROGRAMS = ("pam_jit.so", "jit-helper", "jit", "jit-broker")
LIBC = re.compile(r"libc\.so|ld-linux")
EPOCH = 1_700_000_000
# What SPDX 2.3's JSON schema asks of each, and the values that it allows where we use them.
REQUIRED = {"document": {"SPDXID", "creationInfo", "dataLicense", "name", "spdxVersion", "documentNamespace"},
            "package": {"SPDXID", "downloadLocation", "name"},
            "relationship": {"spdxElementId", "relatedSpdxElement", "relationshipType"}}
PURPOSES = {"SOURCE", "APPLICATION", "LIBRARY"}
RELATIONS = {"DESCRIBES", "GENERATED_FROM", "DYNAMIC_LINK"}


def output(*command, **more):
    """Without what a make above, or whoever packages, has set: a tarball brings its own second."""
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "SOURCE_DATE_EPOCH")}
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=env, **more).stdout


def version():
    with open(os.path.join(TREE, "VERSION"), encoding="ascii") as file:
        return file.read().strip()


def make_dist(folder, *variables):
    """The paths of the tarball and of the bill of materials."""
    return output("make", "--no-print-directory", "-C", TREE, "dist", f"PACKAGES_DIR={folder}", *variables).split()


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Release(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folders = []
        for _ in range(2):
            folder = tempfile.TemporaryDirectory()
            cls.addClassCleanup(folder.cleanup)
            cls.folders.append(folder.name)
        cls.tarball, cls.sbom_path = make_dist(cls.folders[0], f"SOURCE_DATE_EPOCH={EPOCH}")
        with open(cls.sbom_path, encoding="utf-8") as file:
            cls.sbom = json.load(file)

    # The tarball

    def test_two_tarballs_of_the_same_tree_are_the_same(self):
        old = os.umask(0o077)
        self.addCleanup(os.umask, old)
        again, sbom = make_dist(self.folders[1], f"SOURCE_DATE_EPOCH={EPOCH}")
        self.assertEqual(sha256(self.tarball), sha256(again))
        self.assertEqual(sha256(self.sbom_path), sha256(sbom))

    def test_the_tarball_holds_the_tree_and_its_second_and_nothing_else(self):
        top = f"pam_jit-{version()}/"
        with tarfile.open(self.tarball) as tar:
            held = {member.name[len(top):]: member for member in tar if not member.isdir()}
            content = {name: tar.extractfile(member).read() for name, member in held.items()}
            for member in tar:
                self.assertEqual((member.uid, member.gid, member.mtime), (0, 0, EPOCH), member.name)
                self.assertTrue((member.name + "/").startswith(top), member.name)
                self.assertIn(member.mode, (0o644, 0o755), member.name)
        self.assertEqual(content.pop(".source-epoch"), f"{EPOCH}\n".encode())
        for name, bytes_held in content.items():
            with open(os.path.join(TREE, name), "rb") as file:
                self.assertEqual(file.read(), bytes_held, name)
        if os.path.exists(os.path.join(TREE, ".git")):
            tracked = output("git", "-C", TREE, "ls-files").splitlines()
            self.assertEqual(set(content), {name for name in tracked if os.path.exists(os.path.join(TREE, name))})
        for name in ("Makefile", "setup", "tests/run", "packaging/dist.mk", "LICENSE", "VERSION"):
            self.assertIn(name, content)

    def test_a_tarball_makes_the_same_tarball_again(self):
        with tempfile.TemporaryDirectory() as folder:
            output("tar", "-xzf", self.tarball, "-C", folder)
            path, _ = output("make", "--no-print-directory", "-C", f"{folder}/pam_jit-{version()}", "dist").split()
            self.assertEqual(sha256(f"{folder}/pam_jit-{version()}/{path}"), sha256(self.tarball))

    # The bill of materials

    def test_the_bill_of_materials_has_what_spdx_asks_for(self):
        document = self.sbom
        self.assertLessEqual(REQUIRED["document"], set(document))
        self.assertEqual((document["spdxVersion"], document["dataLicense"], document["SPDXID"]),
                         ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT"))
        self.assertEqual(document["creationInfo"]["created"], "2023-11-14T22:13:20Z")
        ids = [package["SPDXID"] for package in document["packages"]] + ["SPDXRef-DOCUMENT"]
        self.assertEqual(len(ids), len(set(ids)))
        for package in document["packages"]:
            self.assertLessEqual(REQUIRED["package"], set(package))
            self.assertRegex(package["SPDXID"], r"^SPDXRef-[A-Za-z0-9.-]+$")
            self.assertIn(package["primaryPackagePurpose"], PURPOSES)
            self.assertRegex(package["licenseDeclared"], r"^[A-Za-z0-9.-]+( OR [A-Za-z0-9.-]+)*$")
        for relation in document["relationships"]:
            self.assertEqual(REQUIRED["relationship"], set(relation))
            self.assertIn(relation["relationshipType"], RELATIONS)
            self.assertIn(relation["spdxElementId"], ids)
            self.assertIn(relation["relatedSpdxElement"], ids)

    def test_the_bill_of_materials_is_the_tarballs(self):
        source = next(p for p in self.sbom["packages"] if p["primaryPackagePurpose"] == "SOURCE")
        self.assertEqual(source["packageFileName"], os.path.basename(self.tarball))
        self.assertEqual(source["checksums"], [{"algorithm": "SHA256", "checksumValue": sha256(self.tarball)}])
        self.assertIn(source["checksums"][0]["checksumValue"], self.sbom["documentNamespace"])

    def test_the_bill_of_materials_names_what_the_programs_link(self):
        with open(os.path.join(TREE, "packaging/dependencies"), encoding="utf-8") as file:
            rows = [[word.strip() for word in line.split("|")] for line in file if not line.startswith("#")]
        for program in PROGRAMS:
            with self.subTest(program):
                said = output("readelf", "-d", os.path.join(TREE, "build", program))
                needed = {name for name in re.findall(r"\(NEEDED\).*\[(.*)\]", said) if not LIBC.match(name)}
                self.assertEqual({row[0] for row in rows if program in row[4].split()}, needed)
                spdx_id = "SPDXRef-Program-" + program.replace("_", "-")
                linked = {r["relatedSpdxElement"] for r in self.sbom["relationships"]
                          if (r["spdxElementId"], r["relationshipType"]) == (spdx_id, "DYNAMIC_LINK")}
                self.assertEqual(linked, {f"SPDXRef-Library-{row[1]}" for row in rows if row[0] in needed})

    # The version

    def test_every_program_says_the_version(self):
        for name in PROGRAMS[1:]:
            self.assertEqual(output(os.path.join(TREE, "build", name), "--version"), f"{name} {version()}\n")

    def test_the_changelog_begins_with_the_version(self):
        with open(os.path.join(TREE, "CHANGELOG.md"), encoding="utf-8") as file:
            first = re.search(r"^## (.*)$", file.read(), re.M)[1]
        self.assertRegex(first, rf"^{re.escape(version())} \((unreleased|\d{{4}}-\d\d-\d\d)\)$")

    def test_the_tarball_and_the_bill_of_materials_have_the_version(self):
        self.assertEqual([os.path.basename(path) for path in (self.tarball, self.sbom_path)],
                         [f"pam_jit-{version()}.tar.gz", f"pam_jit-{version()}.spdx.json"])
        self.assertEqual({p["versionInfo"] for p in self.sbom["packages"] if p["primaryPackagePurpose"] != "LIBRARY"
                          or p["name"] == "pam_jit.so"}, {version()})

    def test_another_version_can_be_asked_for(self):
        path, _ = make_dist(self.folders[1], "VERSION=0.0.9")
        self.assertEqual(output("tar", "-xzOf", path, "pam_jit-0.0.9/VERSION"), "0.0.9\n")

    def test_no_other_file_says_the_version(self):
        """Where a version is needed it is read from VERSION."""
        listed = output("tar", "-tzf", self.tarball).splitlines()
        names = [name.split("/", 1)[1] for name in listed if not name.endswith("/")]
        programs = [name for name in names if name.startswith(("packaging/", "common/", "jit-", "pam_jit/", "etc/"))]
        self.assertGreater(len(programs), 100)
        for name in [*programs, "Makefile"]:
            with open(os.path.join(TREE, name), encoding="utf-8") as file:
                found = re.search(rf"(?<![\d.]){re.escape(version())}(?![\d.])", file.read())
            self.assertIsNone(found, name)


if __name__ == "__main__":
    unittest.main()
