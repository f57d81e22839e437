"""The bundle for arm64: built in a Debian of its own with a cross compiler, and run by an emulator."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

from lambdalib import Function, environment, rest_event  # noqa: E402  (its folder has just been added)
from namespace import TREE  # noqa: E402

EMULATOR = f"{TREE}/build/arm64-root/usr/bin/qemu-aarch64-static"
LIMIT = 900
CONF = """[broker]
tls = off
store = sqlite:/tmp/broker.db
issuer = demo
[role admin]
services = sudo
requesters = op1
hosts = *
targets = root
approvers = appr1
[person op1]
[person appr1]
"""


@unittest.skipUnless(os.geteuid() == 0, "it needs root, to make a Debian with a cross compiler")
@unittest.skipUnless(shutil.which("debootstrap"), "there is no cross compiler, nor debootstrap to fetch one with")
class Arm64(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = subprocess.run(["make", "--no-print-directory", "-C", TREE, "lambda-arm64"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT)
        if done.returncode:
            raise AssertionError(f"make lambda-arm64: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        cls.zip = max(glob.glob(f"{TREE}/build/lambda/*-arm64.zip"), key=os.path.getmtime)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root, self.task = folder.name, f"{folder.name}/var/task"
        os.makedirs(self.task)
        os.mkdir(f"{self.root}/tmp")
        with zipfile.ZipFile(self.zip) as bundle:
            for entry in bundle.infolist():
                os.chmod(bundle.extract(entry, self.task), entry.external_attr >> 16)

    def test_all_of_it_is_that_machines_and_its_packages_are(self):
        files = [f"{self.task}/bootstrap", *glob.glob(f"{self.task}/lib/*")]
        said = subprocess.run(["readelf", "-h", *files], capture_output=True, text=True, check=True).stdout
        self.assertEqual(re.findall(r"Machine: +(.+)", said), ["AArch64"] * len(files))
        with open(self.zip.removesuffix(".zip") + ".spdx.json", encoding="utf-8") as file:
            packages = [package for package in json.load(file)["packages"] if package["packageFileName"].startswith("lib/")]
        self.assertEqual({f"{self.task}/{package['packageFileName']}" for package in packages}, set(files[1:]))
        # The distribution's own, which gets its updates; a cross compiler brings a C library beside it.
        self.assertEqual({package["externalRefs"][0]["referenceLocator"].split("?")[1] for package in packages}, {"arch=arm64"})

    def test_it_serves_in_a_root_that_holds_nothing_else(self):
        with open(f"{self.task}/jit-broker.conf", "w", encoding="ascii") as file:
            file.write(CONF)
        os.chmod(f"{self.task}/jit-broker.conf", 0o644)
        shutil.copy(EMULATOR, f"{self.root}/emulator")
        function = Function([shutil.which("chroot"), self.root, "/emulator", "/var/task/bootstrap"], f"{self.root}/log",
                            environment(_HANDLER="Status", LAMBDA_TASK_ROOT="/var/task"))
        self.addCleanup(function.stop)
        kind, answer = function.api.invoke(rest_event("GET", "/requests", "k" * 40))
        self.assertEqual((kind, answer["statusCode"], answer["body"]), ("response", 403, '{"message":"Forbidden"}'))
        self.assertEqual(function.api.wrong, [])


if __name__ == "__main__":
    unittest.main()
