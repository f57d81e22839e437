"""Hosts that lose their power: no FIN comes, and nothing that is sent to them is confirmed. What the broker keeps of them is
given back all the same. In the full tier alone: it takes more than a minute."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest

from brokerlib import Api, edit_ini, make_broker, new_secret
from namespace import die_with_parent
from terminal import wait_until
from test_load import CONF

HERE, THERE = "10.99.0.1", "10.99.0.2"
EACH = 10
POLL_S, UNCONFIRMED_S, SLACK_S = 25, 30, 35  # retries come at growing intervals, and each looks at the clock


@unittest.skipUnless(os.environ.get("PAM_JIT_FULL"), "takes more than a minute; run with --full")
class Vanished(unittest.TestCase):
    laboratory = True  # a network of its own

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vanished-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.far = subprocess.Popen(["unshare", "--net", "sleep", "600"], preexec_fn=die_with_parent)
        self.addCleanup(self.far.wait)
        self.addCleanup(self.far.kill)
        here = os.readlink("/proc/self/ns/net")
        wait_until("it has a network of its own", lambda: os.readlink(f"/proc/{self.far.pid}/ns/net") != here, 5)
        self.ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(self.far.pid))
        self.ip("addr", "add", f"{HERE}/24", "dev", "near")
        self.ip("link", "set", "near", "up")
        self.there("ip", "addr", "add", f"{THERE}/24", "dev", "far")
        self.there("ip", "link", "set", "far", "up")
        self.broker = make_broker(self.folder, CONF)
        with open(self.broker.conf, encoding="utf-8") as file:
            text = edit_ini(file.read(), {("broker", "listen"): f"0.0.0.0:{self.broker.port}"})
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(text)
        self.broker.start()
        self.addCleanup(self.broker.stop)
        self.key = new_secret(self.broker, "key", "add", "web-1")

    def ip(self, *args):
        subprocess.run(["ip", *args], check=True, timeout=10)

    def there(self, *args):
        subprocess.run(["nsenter", "--net", "--target", str(self.far.pid), *args], check=True, timeout=10)

    def host(self, path):
        """One of the hosts there, on a connection that it keeps."""
        child = subprocess.Popen(["nsenter", "--net", "--target", str(self.far.pid), "openssl", "s_client", "-quiet",
                                  "-connect", f"{HERE}:{self.broker.port}"], stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        child.stdin.write(f"GET {path} HTTP/1.1\r\nHost: broker\r\nx-api-key: {self.key}\r\n\r\n".encode())
        child.stdin.flush()
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.broker.process.pid}/fd"))

    def waiting(self):
        api = Api(self.broker.port, f"{self.folder}/ca.pem")
        lines = api.get("/metrics").body.decode().splitlines()
        api.close()
        return next(float(line.split()[-1]) for line in lines if line.startswith("jit_broker_waiters "))

    def test_hosts_without_power_leave_no_descriptor(self):
        before = self.descriptors()
        for _ in range(EACH):
            self.host("/changes?after=0&wait=25")  # something will be sent to it
            self.host("/requests")  # nothing will
        wait_until("half of them wait", lambda: self.waiting() == EACH, 20)
        wait_until("all of them are there", lambda: self.descriptors() >= before + 2 * EACH, 20)
        self.there("ip", "link", "set", "far", "down")
        began = time.monotonic()
        wait_until("half of them are given back", lambda: self.descriptors() <= before + EACH,
                   POLL_S + UNCONFIRMED_S + SLACK_S)
        print(f"half after {time.monotonic() - began:.0f} s")
        wait_until("all of them are given back", lambda: self.descriptors() <= before,
                   POLL_S + UNCONFIRMED_S + SLACK_S - (time.monotonic() - began))
        print(f"all after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    unittest.main()
