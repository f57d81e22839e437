"""What `make lambda` packs: all that bootstrap needs and nothing of the machine, small, and quick to its first event."""

import glob
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import unittest
import zipfile

from brokerlib import Broker, built, new_secret
from lambdalib import Function, environment, rest_event
from namespace import TREE

PYTHON = "/usr/bin/python3"  # Debian's own, with Debian's boto3
CLIENT = "import boto3; boto3.client('dynamodb', region_name='eu-west-1', aws_access_key_id='a', aws_secret_access_key='s')"
ZIP_LIMIT = 12e6  # bytes
MEMORY_LIMIT = 20000  # KiB
ROUNDS = 7
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


@unittest.skipUnless(os.geteuid() == 0, "it needs root, to enter an empty root")
class Bundle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = subprocess.run(["make", "--no-print-directory", "-C", TREE, "lambda"], capture_output=True, text=True,
                              timeout=150)
        if done.returncode:
            raise AssertionError(f"make lambda: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        cls.zip = max(glob.glob(f"{TREE}/build/lambda/*.zip"), key=os.path.getmtime)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.task = f"{self.root}/var/task"
        os.makedirs(self.task)
        os.mkdir(f"{self.root}/tmp")
        with zipfile.ZipFile(self.zip) as bundle:
            for entry in bundle.infolist():
                os.chmod(bundle.extract(entry, self.task), entry.external_attr >> 16)
        with open(f"{self.task}/jit-broker.conf", "w", encoding="ascii") as file:
            file.write(CONF)
        os.chmod(f"{self.task}/jit-broker.conf", 0o644)

    def start(self, **env):
        function = Function([shutil.which("chroot"), self.root, "/var/task/bootstrap"], f"{self.root}/log",
                            environment(_HANDLER="Status", LAMBDA_TASK_ROOT="/var/task", **env))
        self.addCleanup(function.stop)
        return function

    def test_it_serves_in_a_root_that_holds_nothing_else(self):
        conf = f"{self.root}/tmp/host.conf"  # the same store, by the name that it has out here
        with open(conf, "w", encoding="ascii") as file:
            file.write(CONF.replace("/tmp/broker.db", f"{self.root}/tmp/broker.db"))
        os.chmod(conf, 0o600)
        key = new_secret(Broker(built("jit-broker"), conf, f"{self.root}/broker.log"), "key", "add", "web-1")
        function = self.start()
        kind, answer = function.api.invoke(rest_event("GET", "/requests", key))
        self.assertEqual((kind, answer["statusCode"], answer["body"]), ("response", 200, '{"requests":[]}'))
        self.assertEqual(function.api.wrong, [])
        self.assertLess(function.peak_kib(), MEMORY_LIMIT)

    def test_its_libraries_are_whole_down_to_the_loader(self):
        """None is looked for elsewhere: AWS's C library is older than what some of them ask for."""
        files = [f"{self.task}/bootstrap", *glob.glob(f"{self.task}/lib/*")]
        names, wanted, versions, offered = {os.path.basename(path) for path in files}, set(), set(), set()
        for path in files:
            said = subprocess.run(["readelf", "-dVl", path], capture_output=True, text=True, check=True).stdout
            wanted.update(re.findall(r"\(NEEDED\).*\[(.+?)\]", said))
            versions.update(re.findall(r"Name: (GLIBC_[\d.]+) ", said))
            if path.endswith("/libc.so.6"):
                offered.update(re.findall(r"Name: (GLIBC_[\d.]+)\n", said.split("Version needs")[0]))
        self.assertEqual(wanted - names, set())
        self.assertTrue(versions)
        self.assertEqual({version for version in versions if version not in offered}, set())
        said = subprocess.run(["readelf", "-dl", files[0]], capture_output=True, text=True, check=True).stdout
        self.assertRegex(said, r"program interpreter: /var/task/lib/ld-linux")
        self.assertRegex(said, r"\(RPATH\).*\[/var/task/lib\]")

    def test_the_bill_of_materials_names_every_file_with_its_package_and_version(self):
        """Beside the .zip; what it says of a file is what dpkg says of it, and its checksum is the file's."""
        with open(self.zip.removesuffix(".zip") + ".spdx.json", encoding="utf-8") as file:
            bill = json.load(file)
        named = {package["packageFileName"]: package for package in bill["packages"]}
        held = {f"lib/{name}" for name in os.listdir(f"{self.task}/lib")} | {"bootstrap", "aws-ca.pem", os.path.basename(self.zip)}
        self.assertEqual(set(named), held)
        for name, package in named.items():
            with open(self.zip if name.endswith(".zip") else f"{self.task}/{name}", "rb") as file:
                self.assertEqual(package["checksums"][0]["checksumValue"], hashlib.sha256(file.read()).hexdigest(), name)
        for name in ("lib/libcurl.so.4", "lib/libc.so.6", "lib/libssl.so.3"):
            package = named[name]
            said = subprocess.run(["dpkg-query", "-W", "-f", "${Version}\n", package["name"]], capture_output=True, text=True,
                                  check=True).stdout
            self.assertIn(package["versionInfo"], said.splitlines())
            self.assertIn(f"pkg:deb/debian/{package['name']}@", package["externalRefs"][0]["referenceLocator"])
        contained = {one["relatedSpdxElement"] for one in bill["relationships"] if one["relationshipType"] == "CONTAINS"}
        self.assertEqual(contained, {package["SPDXID"] for package in bill["packages"]} - set(bill["documentDescribes"]))

    def test_it_is_small_and_holds_the_roots_of_amazons_certificates(self):
        self.assertLess(os.path.getsize(self.zip), ZIP_LIMIT)
        with open(f"{self.task}/aws-ca.pem", encoding="ascii") as file:
            self.assertEqual(file.read().count("-----BEGIN CERTIFICATE-----"), 5)

    def test_it_asks_for_its_first_event_in_a_tenth_of_the_time_that_boto3_takes_to_make_a_client(self):
        done = subprocess.run([PYTHON, "-c", CLIENT], capture_output=True, text=True, timeout=60)
        if "No module named 'boto3'" in done.stderr:
            self.skipTest("python3-boto3 is not installed")
        self.assertEqual(done.returncode, 0, done.stderr)
        ours, theirs = [], []
        for _ in range(ROUNDS):  # in turns: what else the machine does meets both
            began = time.monotonic()
            function = self.start()
            function.api.wait_for_next()
            ours.append(time.monotonic() - began)
            function.stop()
            began = time.monotonic()
            subprocess.run([PYTHON, "-c", CLIENT], check=True, timeout=60)
            theirs.append(time.monotonic() - began)
        ours, theirs = statistics.median(ours), statistics.median(theirs)
        self.assertLess(ours * 10, theirs, f"{ours * 1000:.1f} ms, and {theirs * 1000:.1f} ms")


if __name__ == "__main__":
    unittest.main()
