"""A host whose grants give credentials of a real STS: what tests of them share."""

import json
import os
import unittest

import botocore.exceptions
import botocore.session

import sts
from lab import Lab, LabCase, read, write

HERE = os.path.dirname(os.path.abspath(__file__))
FULL = bool(os.environ.get("PAM_JIT_FULL"))
AWS = "/usr/bin/aws"  # other copies may be on PATH
LIST_AND_READ = ["s3:ListAllMyBuckets", "s3:ListBucket", "s3:GetObject"]


def permissions(*actions):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


def lines_in(path):
    """What aws_client and watch_credentials have written so far."""
    if not os.path.exists(path):
        return []
    return [json.loads(line) for line in read(path).splitlines(keepends=True) if line.endswith("\n")]


class StsCase(LabCase):
    """A broker that assumes a role of the STS peer, which may list and read and nothing else. The peer is the same for
    all classes of a process."""

    laboratory = True
    role_conf = {}  # more of jit-broker.conf; an arn names one of the peer's roles, admin or dba
    peer = None

    @classmethod
    def start_peer(cls):
        peer = sts.Sts("/run/lab/sts")
        try:
            peer.start()
            made = peer.aws("s3", "mb", "s3://reports")
            if made.returncode:
                raise AssertionError(f"the bucket could not be made: {made.stderr}")
            peer.arns = {"admin": peer.create_role("JIT-ElevatedAdminRole", permissions(*LIST_AND_READ)),
                         "dba": peer.create_role("JIT-DbaRole", permissions("s3:ListBucket", "s3:GetObject"))}
        except BaseException:
            peer.stop()
            raise
        unittest.addModuleCleanup(peer.stop)
        write("/etc/jit-broker/issuer.credentials", f"[default]\naws_access_key_id = {peer.access_key}\n"
              f"aws_secret_access_key = {peer.secret_key}\n", 0o640, "root", "_jitbroker")
        StsCase.peer = peer

    @classmethod
    def setUpClass(cls):
        reason = sts.why_not()
        if reason:
            raise unittest.SkipTest(reason)
        cls.lab = Lab.here()
        if StsCase.peer is None:
            cls.start_peer()
        cls.broker_conf = {("broker", "issuer"): f"sts:{cls.peer.endpoint}",
                           ("broker", "issuer_plain_loopback"): "yes",
                           ("broker", "issuer_credentials"): "/etc/jit-broker/issuer.credentials",
                           **{("role admin", "arn"): "admin", **cls.role_conf}}
        for section, key in cls.broker_conf:
            if key == "arn":
                cls.broker_conf[section, key] = cls.peer.arns.get(cls.broker_conf[section, key])
        super().setUpClass()
        cls.s3 = f"{AWS} --endpoint-url {cls.peer.endpoint}"

    def elevated_shell(self):
        """(terminal, short id): a root shell in a login session of its own, under a new grant."""
        terminal = self.open_terminal()
        request = self.ask(terminal, "sudo sh")
        self.approve(request)
        self.assertEqual(terminal.finish()[0], 0)
        return terminal, request[0]

    def copied_credentials(self, terminal):
        """What somebody would carry out of the elevated session."""
        status, text = terminal.run("sudo jit credentials")
        self.assertEqual(status, 0, text)
        return json.loads(text)

    def verdict_on(self, credentials):
        """None where the S3 peer lists buckets for them, else its error code."""
        client = botocore.session.get_session().create_client(
            "s3", endpoint_url=self.peer.endpoint, region_name="us-east-1",
            aws_access_key_id=credentials["AccessKeyId"], aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"])
        try:
            client.list_buckets()
        except botocore.exceptions.ClientError as error:
            return error.response["Error"]["Code"]
        return None
