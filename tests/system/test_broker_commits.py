"""What the broker acknowledges lies on the disk: not only in the kernel, which a kill leaves alone and a power cut does not."""

import os
import shutil
import tempfile
import time
import unittest

import commits
from brokerlib import PUBLIC_KEY, Api, make_broker, new_secret

CONF = """issuer = demo
[role admin]
arn = arn:aws:iam::123456789012:role/JIT-ElevatedAdminRole
services = sudo
requesters = op1
hosts = *
targets = root
approvers = appr1
code = off
reason = optional
[role self]
services = sudo
requesters = op1
hosts = *
targets = root
approvers = appr1
auto_approve = hours Mon-Sun 00:00-24:00 UTC
reason = optional
[person op1]
[person appr1]
"""


@unittest.skipIf(os.environ.get("PAM_JIT_SAN"), "the sanitizer wants to be loaded first")
class Commits(unittest.TestCase):
    def setUp(self):
        folder = tempfile.mkdtemp(prefix="commits-")
        self.addCleanup(shutil.rmtree, folder)
        self.broker = make_broker(folder, CONF)
        self.addCleanup(self.broker.stop)
        key, token = (new_secret(self.broker, *what) for what in (("key", "add", "web-1"), ("token", "add", "appr1")))
        self.watched = f"{folder}/commits"
        self.broker.environment = commits.watch(self.watched)
        self.broker.start()
        self.host = Api(self.broker.port, f"{folder}/ca.pem", key=key)
        self.addCleanup(self.host.close)
        self.approver = Api(self.broker.port, f"{folder}/ca.pem", token=token)
        self.addCleanup(self.approver.close)

    def durably(self, caller, path, body=None):
        """The answer to a call that changes something: it came after the change was on the disk."""
        called = time.monotonic_ns()
        answer = caller.post(path, body)
        answered = time.monotonic_ns()
        self.assertEqual(answer.status, 200, (path, answer.body))
        made, early = commits.seen(self.watched)
        with self.subTest(path.rsplit("/", maxsplit=1)[-1]):
            self.assertEqual(early, 0, "it told something while what it had written was not on the disk")
            self.assertTrue([told for durable, told in made if called < durable < told < answered],
                            "nothing was brought to the disk before the answer")
        return answer.json

    def file(self, role="admin"):
        body = {"requester": "op1", "role": role, "duration": 900, "publicKey": PUBLIC_KEY, "resume": True}
        return f"/requests/{self.durably(self.host, '/request-access', body)['requestId']}"

    def test_each_acknowledged_change_is_on_the_disk_before_its_answer_begins(self):
        used = self.file()
        self.durably(self.approver, f"{used}/approve")
        self.durably(self.host, f"{used}/start")
        self.durably(self.host, f"{used}/credentials", {"publicKey": PUBLIC_KEY})
        self.durably(self.host, f"{used}/end")
        self.durably(self.approver, f"{self.file()}/deny")
        self.durably(self.host, f"{self.file()}/cancel")
        self.durably(self.approver, f"{self.file('self')}/revoke")

    def test_what_only_asks_brings_nothing_to_the_disk(self):
        """So that the watch itself tells a change from none."""
        path = self.file()
        before = commits.seen(self.watched)
        for caller in (self.host, self.approver):
            self.assertEqual(caller.get(path).status, 200)
        self.assertEqual(commits.seen(self.watched), before)


if __name__ == "__main__":
    unittest.main()
