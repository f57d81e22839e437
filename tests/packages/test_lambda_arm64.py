"""The bundle for arm64: built in a Debian of its own with a cross compiler, and run by an emulator."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

from lambdalib import Unpacked, rest_event  # noqa: E402  (its folder has just been added)
from namespace import TREE  # noqa: E402

EMULATOR = f"{TREE}/build/arm64-root/usr/bin/qemu-aarch64-static"


@unittest.skipUnless(os.geteuid() == 0, "it needs root, to make a Debian with a cross compiler")
@unittest.skipUnless(shutil.which("debootstrap"), "there is no cross compiler, nor debootstrap to fetch one with")
class Arm64(Unpacked):
    MADE_BY, MACHINE, LIMIT = "lambda-arm64", "arm64", 900
    RUN_BY = ("/emulator",)

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
        shutil.copy(EMULATOR, f"{self.root}/emulator")
        function = self.start()
        kind, answer = function.api.invoke(rest_event("GET", "/requests", "k" * 40))
        self.assertEqual((kind, answer["statusCode"], answer["body"]), ("response", 403, '{"message":"Forbidden"}'))
        self.assertEqual(function.api.wrong, [])


if __name__ == "__main__":
    unittest.main()
