"""What jit-broker really sends to STS for hostile requesters, hosts, tickets and approvers, against the shapes and
patterns of AWS's own description of AssumeRole, as botocore has it."""

import http.server
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import cfn  # noqa: E402  (its folder has just been added)
import cfn_rules  # noqa: E402
from brokerlib import PUBLIC_KEY, Api, make_broker, new_secret  # noqa: E402
from test_sigv4 import ARN, Recorder  # noqa: E402

MODEL = "/usr/lib/python3/dist-packages/botocore/data/sts/2011-06-15/service-2.json"  # where Debian's package has it
CONF = """issuer = sts:{endpoint}
issuer_region = eu-west-1
issuer_credentials = {folder}/keys
issuer_plain_loopback = yes
waiting_per_host = 1000
waiting_per_requester = 1000
[role admin]
arn = {arn}
external_id = broker/1@example.com:2,=+
services = sudo
{requesters}
hosts = *
targets = root
reason = optional
{approvers}
code = off
[role many]
arn = {arn}
services = sudo
{requesters}
hosts = *
targets = root
reason = optional
{approvers}
approvals = 7
code = off
"""
PERSONS = ("b.c_d+e-f", *(letter * 42 for letter in "ABCDEFG"))
HOSTS = ("web-1", "a", "h" * 63, "a.b_c-d")
# Whatever a name may be that AWS takes as a source identity, at its bounds; and what must never be sent.
REQUESTERS = ("op1", "ab", "x" * 64, "admin@example.com", "a,b=c+d.e_f-g", "-x", "a_")
REFUSED = ("x", "x" * 65, "a b", "a/b", "José", "root:0", "a;b", "$(id)", "a*", "\u202eevil", "aws:op1")
LISTED = ("x", "x" * 65, "a/b", "José", "root:0", "a*", "aws:op1")  # though a configuration names them
TICKETS = ("INC-4711", "x" * 511, "é" * 255, "\U0001f511" * 127, "a&Tags.member.1.Value=b", "a\r\nX: y", "%00%26=+",
           "<x/>", "';--", "\u2028\u0007", "  ", "\u202eevil", "Tags.member.5.Key", "jit:requestId",
           "aws:x")


def matches(pattern, value):
    """AWS's patterns are Java's: of \\p{…} only what is ASCII is looked for here, which is stricter."""
    for java, ours in ((r"\p{L}", "A-Za-z"), (r"\p{Z}", " "), (r"\p{N}", "0-9"),
                       (r"\u10000-\u10FFFF", r"\U00010000-\U0010FFFF")):
        pattern = pattern.replace(java, ours)
    return re.fullmatch(pattern, value, re.ASCII) is not None


@unittest.skipUnless(os.path.exists(MODEL), "botocore is not installed (python3-botocore)")
class ShapeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(MODEL, encoding="utf-8") as file:
            cls.shapes = json.load(file)["shapes"]
        template = cfn.load(cfn_rules.ELSEWHERE)
        role = template["Resources"]["ElevatedRoleItself"]["Properties"]
        cls.trust = cfn.Resolver(template)(role["AssumeRolePolicyDocument"])

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="shapes-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
        self.server.seen = []
        self.addCleanup(self.server.server_close)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.shutdown)
        with open(os.open(f"{self.folder}/keys", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("[default]\naws_access_key_id = A\naws_secret_access_key = S\n")
        conf = CONF.format(
            endpoint=f"http://127.0.0.1:{self.server.server_port}", folder=self.folder, arn=ARN,
            approvers="\n".join(f"approvers = {name}" for name in PERSONS),
            requesters="\n".join(f"requesters = {name}" for name in REQUESTERS + LISTED))
        self.broker = make_broker(self.folder, conf + "".join(f"[person {name}]\n" for name in PERSONS))
        self.broker.start()
        self.addCleanup(self.broker.stop)
        self.approvers = [self.api(token=new_secret(self.broker, "token", "add", name)) for name in PERSONS]
        self.hosts = {name: self.api(key=new_secret(self.broker, "key", "add", name)) for name in HOSTS}

    def api(self, **who):
        api = Api(self.broker.port, f"{self.folder}/ca.pem", **who)
        self.addCleanup(api.close)
        return api

    def file(self, host, requester, ticket, role="admin"):
        return self.hosts[host].post("/request-access", {
            "requester": requester, "role": role, "roleArn": ARN, "duration": 900, "target": "root",
            "service": "sudo", "ticket": ticket, "publicKey": PUBLIC_KEY})

    def sent_for(self, host, requester, ticket, role):
        """The form of one request that was approved and collected: [(name, value)]."""
        filed = self.file(host, requester, ticket, role)
        self.assertEqual(filed.status, 200, filed.body)
        for approver in self.approvers[:1] if role == "admin" else self.approvers[1:]:
            said = approver.post(f"/requests/{filed.json['requestId']}/approve")
            self.assertEqual(said.status, 200, said.body)
        self.server.seen.clear()
        path = f"/requests/{filed.json['requestId']}/credentials"
        self.assertEqual(self.hosts[host].post(path, {"publicKey": PUBLIC_KEY}).status, 502)
        self.assertEqual(len(self.server.seen), 1)
        return urllib.parse.parse_qsl(self.server.seen[0][2].decode("ascii"), strict_parsing=True,
                                      keep_blank_values=True), filed.json

    def wrong(self, form):
        """What AWS's description does not let through."""
        members, names = self.shapes["AssumeRoleRequest"]["members"], [name for name, _ in form]
        for name in {n for n in names if names.count(n) > 1}:
            yield f"{name} stands there twice"
        for name, value in form:
            tag = re.fullmatch(r"Tags\.member\.(\d+)\.(Key|Value)", name)
            if name in ("Action", "Version"):
                continue
            if not tag and name not in members:
                yield f"{name} is no parameter"
                continue
            shape = self.shapes[f"tag{tag[2]}Type" if tag else members[name]["shape"]]
            size = int(value) if shape["type"] == "integer" else len(value)
            if not shape.get("min", 0) <= size <= shape.get("max", size):
                yield f"{name} is too short or too long: {size}"
            if "pattern" in shape and not matches(shape["pattern"], value):
                yield f"{name} = {value!r} does not match {shape['pattern']}"
        tags = sorted(int(n.split(".")[2]) for n in names if n.endswith(".Key"))
        if tags != list(range(1, len(tags) + 1)) or len(tags) > 50:
            yield f"tags numbered {tags}"
        keys = [value for name, value in form if name.endswith(".Key")]
        if len({key.lower() for key in keys}) != len(keys) or any(key.lower().startswith("aws:") for key in keys):
            yield f"tag keys {keys}"

    def check(self, host="web-1", requester="op1", ticket="INC-4711", role="admin"):
        with self.subTest(host=host, requester=requester, ticket=ticket[:20]):
            form, filed = self.sent_for(host, requester, ticket, role)
            self.assertEqual(list(self.wrong(form)), [])
            said = dict(form)
            tags = {said[f"Tags.member.{n}.Key"]: said[f"Tags.member.{n}.Value"] for n in range(1, 5)
                    if f"Tags.member.{n}.Key" in said}
            self.assertEqual((tags["jit:requestId"], tags["jit:host"]), (filed["requestId"], host))
            self.assertEqual((said["SourceIdentity"], said["RoleArn"]), (requester, ARN))
            self.assertTrue(said["RoleSessionName"].endswith("-" + filed["shortId"]), said["RoleSessionName"])
            self.check_trust(said, tags)

    def check_trust(self, said, tags):
        """The role's trust policy takes it, with these tags and no other."""
        context = {f"aws:RequestTag/{key}": value for key, value in tags.items()} | {
            "aws:TagKeys": list(tags), "sts:RoleSessionName": said["RoleSessionName"],
            "sts:SourceIdentity": said["SourceIdentity"]}
        for action in ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"):
            self.assertTrue(cfn.allows(self.trust, action, "", context), context)

    def test_whoever_asks_for_whatever_what_is_sent_fits_the_description(self):
        for requester in REQUESTERS:
            self.check(requester=requester)
        for host in HOSTS:
            self.check(host=host)
        for ticket in TICKETS:
            self.check(ticket=ticket)
        self.check(role="many")  # seven approvers, whose names are longer together than a tag

    def test_a_name_that_is_no_source_identity_never_reaches_sts(self):
        self.server.seen.clear()
        for requester in REFUSED:
            with self.subTest(requester):
                answer = self.file("web-1", requester, "INC-1")
                self.assertIn(answer.status, (400, 403), answer.body)
                if requester in LISTED:
                    self.assertIn("as a source identity", answer.json["message"])
        self.assertEqual(self.server.seen, [])

    def test_this_would_see_what_does_not_fit(self):
        good = [("RoleArn", ARN), ("RoleSessionName", "op1-R7KD-2M9Q"), ("DurationSeconds", "900")]
        self.assertEqual(list(self.wrong(good)), [])
        for name, value in (("RoleSessionName", "a b"), ("RoleSessionName", "x" * 65), ("SourceIdentity", "x"),
                            ("DurationSeconds", "60"), ("Colour", "red"), ("Policy", "x" * 2049), ("Policy", "€"),
                            ("Tags.member.1.Value", "x" * 257), ("Tags.member.1.Value", "a&b"),
                            ("Tags.member.2.Key", "a"), ("Tags.member.1.Key", "aws:a"), ("RoleArn", "arn")):
            with self.subTest(name=name, value=value[:10]):
                self.assertNotEqual(list(self.wrong([(n, v) for n, v in good if n != name] + [(name, value)])), [])


if __name__ == "__main__":
    unittest.main()
