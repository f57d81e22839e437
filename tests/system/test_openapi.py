"""/openapi.json is true: it has every call of the code and no other, and each answer of a replay of all of them, good and
bad, is one that it describes."""

import json
import os
import re
import sqlite3
import tempfile
import unittest
import uuid

from brokerlib import PUBLIC_KEY, new_secret
from namespace import TREE
from terminal import wait_until
from test_broker_api import ARN, CONF, FILING, PLAIN_CALL, BrokerCase
from test_broker_watch import SlowSts

try:
    import jsonschema
except ImportError:
    jsonschema = None

DOCUMENT = os.path.join(TREE, "jit-broker/openapi.json")
STS = """issuer = sts:http://127.0.0.1:PORT
issuer_plain_loopback = yes
issuer_credentials = /KEYS"""
HURRIED = "[host slow]\nusage_plan = slow\n[usage_plan slow]\nrate = 1\nburst = 1\n"
MORE = f"""[role far]
arn = {ARN}
region = eu-west-1
services = sudo sshd
requesters = op1
hosts = web-*
targets = root self
approvers = appr1 appr2
approvals = 2
code = off
pending = 2s
scope = user
on_expiry = end
ticket = ^INC-
[host ctl]
may_request_for = web-*
"""
NO = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
# Everything that a host can say of a request.
WHOLE = {**FILING, "role": "far", "roleArn": ARN, "rhost": "192.0.2.7", "cwd": "/root", "session": "17", "ticket": "INC-1",
         "resume": True, "duration": "60", "loginUser": "op1"}
TEMPLATE = re.compile(r"\{\w+\}")


def load():
    with open(DOCUMENT, encoding="utf-8") as file:
        return json.load(file)


def operations(document):
    """{(method, path template): operation}."""
    return {(method.upper(), path): operation for path, item in document["paths"].items()
            for method, operation in item.items() if method != "parameters"}


def routes_of_the_code():
    """(method, path with {id}, who may call) of each row of the API's table. Below /sign-in a browser is led to an
    identity provider and back: these are the page's, and no calls."""
    with open(os.path.join(TREE, "jit-broker/api.c"), encoding="utf-8") as file:
        code = file.read()
    table = code[code.index("} routes[] = {"):]
    rows = re.findall(r'\{"([A-Z]+)", "([^"]+)", ([^}]+)\}', table[:table.index("\n};")])
    return {(method, path.replace("*", "{id}")): set(re.findall(r"\.(open|host|person) =", who)) for method, path, who in rows
            if not path.startswith("/sign-in")}


class DocumentTest(unittest.TestCase):
    def test_it_has_every_call_of_the_code_and_no_other(self):
        described, known = operations(load()), routes_of_the_code()
        self.assertGreater(len(known), 15)
        self.assertEqual(set(described), set(known))
        for call, who in known.items():
            asked = {"host" if "hostKey" in way else "person" for way in described[call]["security"] if way}
            self.assertEqual({} if "open" in who else who, {} if {} in described[call]["security"] else asked or {}, call)

    def test_its_names_are_unique_and_lead_somewhere(self):
        document = load()
        names = [operation["operationId"] for operation in operations(document).values()]
        self.assertEqual(len(names), len(set(names)))
        text = json.dumps(document)
        for reference in set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', text)):
            self.assertIn(reference, document["components"]["schemas"])
        for schema in document["components"]["schemas"]:
            self.assertIn(f'"#/components/schemas/{schema}"', text, f"nobody names {schema}")
        for (_, path), operation in operations(document).items():
            given = operation.get("parameters", []) + document["paths"][path].get("parameters", [])
            self.assertEqual({f"{{{p['name']}}}" for p in given if p["in"] == "path"}, set(TEMPLATE.findall(path)), path)

    @unittest.skipUnless(jsonschema, "python3-jsonschema is not installed")
    def test_its_schemas_are_schemas(self):
        for schema in load()["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)


class Checked:
    """A connection whose every answer must be one that the document describes."""

    def __init__(self, test, api):
        self.test, self.api = test, api

    def call(self, method, path, body=None, headers=None, says_so=True):
        """`says_so`: the body is one that the document allows too."""
        self.test.check_asked(method, path, body, says_so)
        answer = self.api.call(method, path, body, headers)
        self.test.check(method, path, answer, "Host" if "x-api-key" in self.api.headers else "Approver")
        return answer

    def get(self, path, headers=None):
        return self.call("GET", path, None, headers)

    def post(self, path, body=None, headers=None, says_so=True):
        return self.call("POST", path, {} if body is None else body, headers, says_so)


@unittest.skipUnless(jsonschema, "python3-jsonschema is not installed")
class ReplayTest(BrokerCase):
    @classmethod
    def setUpClass(cls):
        cls.sts = SlowSts()
        cls.addClassCleanup(cls.sts.close)
        cls.sts.go.set()
        with tempfile.NamedTemporaryFile("w", encoding="ascii", delete=False) as keys:  # mkstemp's mode is 0600
            keys.write("[default]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n")
        cls.addClassCleanup(os.unlink, keys.name)
        issuer = STS.replace("PORT", str(cls.sts.server.server_port)).replace("/KEYS", keys.name)
        cls.conf = CONF.replace("issuer = demo", issuer) + MORE + HURRIED
        super().setUpClass()
        cls.ctl = new_secret(cls.broker, "key", "add", "ctl")

    def setUp(self):
        super().setUp()
        self.document = load()
        self.operations = operations(self.document)
        self.seen, self.members = set(), set()
        self.host = Checked(self, self.host)
        self.approver = Checked(self, self.approver)
        self.nobody = Checked(self, self.api())
        self.op1 = Checked(self, self.api(token=self.tokens["op1"]))
        self.appr2 = Checked(self, self.api(token=self.tokens["appr2"]))
        self.strange = Checked(self, self.api(token=self.tokens["appr1"][:-4] + "AAAA"))

    def find(self, method, path):
        path = path.split("?")[0]
        found = [key for key in self.operations if key[0] == method
                 and re.fullmatch(TEMPLATE.sub("[^/]+", key[1]), path)]
        self.assertEqual(len(found), 1, f"{method} {path}")
        return found[0]

    def errors(self, value, schema):
        resolver = jsonschema.RefResolver.from_schema(self.document)
        errors = jsonschema.Draft202012Validator(schema, resolver=resolver).iter_errors(value)
        return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in errors]

    def validate(self, value, schema, what):
        self.assertEqual(self.errors(value, schema), [], f"{what}: {value}")

    def check_asked(self, method, path, body, says_so):
        operation = self.operations[self.find(method, path)]
        if says_so and body and "requestBody" in operation:
            self.validate(body, operation["requestBody"]["content"]["application/json"]["schema"], f"{method} {path} asks")

    def check(self, method, path, answer, side):
        key = self.find(method, path)
        responses = self.operations[key]["responses"]
        status = str(answer.status)
        self.assertTrue(status in responses or answer.status in (429, 502, 503), f"{key} answers {status}: {answer.body}")
        response = responses.get(status) or responses["default"]
        kind = answer.headers["content-type"].split(";")[0]
        self.assertIn(kind, response["content"], f"{key} {status}")
        value = answer.json if kind == "application/json" else answer.body.decode()
        schema = response["content"][kind]["schema"]
        self.validate(value, schema, f"{key} answers {status}")
        for one in schema.get("oneOf", []) + schema.get("anyOf", []):  # of two sides, each has its own
            if side in one["$ref"]:
                self.validate(value, one, f"{key} answers a caller of the side {side}")
        self.seen.add((*key, status))
        self.note(value, schema)

    def note(self, value, schema):
        """Which members of which schemas, and which words of which lists, have come in answers."""
        for one in schema.get("oneOf", []) + schema.get("anyOf", []):
            if not self.errors(value, one):
                self.note(value, one)
        name = schema.get("$ref", "").rsplit("/", 1)[-1]
        if name:
            schema = self.document["components"]["schemas"][name]
            self.members.add(name)
        if isinstance(value, str) and "enum" in schema:
            self.members.add(f"{name}={value}")
        for one in value if isinstance(value, list) else []:
            self.note(one, schema.get("items", {}))
        for member, one in value.items() if isinstance(value, dict) else []:
            self.members.add(f"{name}.{member}")
            self.note(one, schema.get("properties", {}).get(member, {}))

    def described(self):
        """All of those, as the document has them, of schemas that answers are made of."""
        asked = {"Filing", "PublicKey", "Event", "Decision"}
        for name, schema in self.document["components"]["schemas"].items():
            if name not in asked:
                yield name
                yield from (f"{name}={word}" for word in schema.get("enum", []))
                yield from (f"{name}.{member}" for member in schema.get("properties", {}))

    def hurry(self):
        slow = Checked(self, self.api(key=new_secret(self.broker, "key", "add", "slow")))
        for (method, path), operation in self.operations.items():
            if "429" in operation["responses"]:
                path = TEMPLATE.sub("none", path)
                answers = [slow.call(method, path, {} if method == "POST" else None, says_so=False) for _ in range(3)]
                self.assertIn((429, {"message": "Too Many Requests"}), [(a.status, a.json) for a in answers], path)

    def granted(self):
        filed = self.file()
        self.approve(filed)
        return filed["requestId"]

    def test_every_answer_that_it_names_comes_and_is_as_it_says(self):
        far = self.go_far()
        self.file_requests()
        self.look()
        self.use_grants()
        self.decide()
        self.report()
        self.end_otherwise(far)
        self.watch()
        self.hurry()
        named = {(*key, status) for key, operation in self.operations.items() for status in operation["responses"]
                 if status != "default"}
        self.assertEqual(named - self.seen, set(), "never came")
        self.assertEqual(sorted(set(self.described()) - self.members), [], "members that never came")

    def go_far(self):
        """Requests with everything that there is to say; they are looked at again when their time is over."""
        ctl = Checked(self, self.api(key=self.ctl))
        for_web = ctl.post("/request-access", {**WHOLE, "forHost": "web-1"}).json
        grant = self.host.post("/request-access", WHOLE).json
        late = self.host.post("/request-access", WHOLE).json
        for person in (self.approver, self.appr2):
            self.assertEqual(person.get(f"/requests/{for_web['requestId']}").json["filedBy"], "ctl")
            person.post(f"/requests/{grant['requestId']}/approve", {"comment": "go"})
        path = f"/requests/{grant['requestId']}"
        self.assertEqual(self.host.get(path).json["status"], "APPROVED")
        self.assertEqual(self.host.post(f"{path}/credentials").status, 200)
        self.host.get("/requests")
        self.approver.get(path)
        self.assertEqual(self.host.post(f"{path}/end").status, 200)
        return late

    def end_otherwise(self, late):
        """Of those that expired, were withdrawn, were given back, or that AWS refused."""
        failed = self.granted()
        self.sts.status, self.sts.trouble = 403, NO
        self.assertEqual(self.host.post(f"/requests/{failed}/credentials").status, 502)
        self.sts.status = 200
        self.assertEqual(self.host.get(f"/requests/{failed}").json["status"], "FAILED")
        self.assertIn("AccessDenied", self.approver.get(f"/requests/{failed}").json["failure"])
        wait_until("its time is over", lambda: self.host.get(f"/requests/{late['requestId']}").json["status"] == "EXPIRED", 5)
        for status in self.document["components"]["schemas"]["Status"]["enum"]:
            self.assertEqual(self.approver.get(f"/requests?status={status}").status, 200)
        self.host.get("/changes?after=0")

    def file_requests(self):
        for path in ("/request-access", "/prod/request-access"):
            self.assertIn("AccessKeyId", self.host.post(path, PLAIN_CALL).json)
            key = {"Idempotency-Key": f"{uuid.uuid4()}"}
            filed = self.host.post(path, FILING, key).json
            self.addCleanup(self.host.post, f"/requests/{filed['requestId']}/end")
            self.host.post(path, {**FILING, "reason": "another"}, key)  # 422
            self.host.post(path, {"requester": "op1"}, says_so=False)  # 400
            self.host.post(path, {**FILING, "requester": "nobody"})  # 403

    def look(self):
        filed = self.file()
        for path in ("/changes", "/changes?after=0", "/requests", f"/requests/{filed['requestId']}",
                     f"/requests/{filed['shortId']}?wait=0"):
            self.assertEqual(self.host.get(path).status, 200)
            self.nobody.get(path)
        for path in ("/changes?after=x", "/requests/x?wait=x", "/requests/none"):
            self.assertIn(self.host.get(path).status, (400, 404))
        for path in ("/requests", "/requests?status=APPROVED", f"/requests/{filed['requestId']}"):
            self.assertEqual(self.approver.get(path).status, 200)
            self.assertEqual(self.strange.get(path).status, 401)
        self.assertEqual(self.approver.get("/requests?status=x").status, 400)

    def use_grants(self):
        pending, grant = self.file()["requestId"], self.granted()
        own = {"publicKey": PUBLIC_KEY}
        for path in ("credentials", "start", "cancel", "end"):
            self.nobody.post(f"/requests/{grant}/{path}")
            self.assertEqual(self.host.post(f"/requests/none/{path}").status, 404)
        for path in ("credentials", "start"):
            self.assertEqual(self.host.post(f"/requests/{pending}/{path}").status, 409)
        self.assertEqual(self.host.post(f"/requests/{grant}/start").status, 200)
        self.assertIn("sealedCredentials", self.host.post(f"/requests/{grant}/credentials", own).json)
        self.assertEqual(self.host.post(f"/requests/{grant}/credentials", {"publicKey": {}}, says_so=False).status, 400)
        self.host.get("/requests")  # with a live grant
        self.assertEqual(self.host.post(f"/requests/{grant}/end").status, 200)
        self.assertEqual(self.host.post(f"/requests/{grant}/credentials").status, 403)
        self.assertEqual(self.host.post(f"/requests/{grant}/start").status, 403)
        self.assertEqual(self.host.post(f"/requests/{pending}/cancel").status, 200)

    def decide(self):
        for act in ("approve", "deny", "revoke"):
            path = f"/requests/{self.file()['requestId']}/{act}"
            self.assertEqual(self.strange.post(path).status, 401)
            self.assertEqual(self.op1.post(path).status, 403)  # one's own
            self.assertEqual(self.approver.post(path, b"{", says_so=False).status, 400)
            self.assertEqual(self.approver.post(f"/requests/none/{act}").status, 404)
        filed = self.file()
        path = f"/requests/{filed['requestId']}"
        self.assertEqual(self.approver.post(f"{path}/approve", {"code": filed["code"], "comment": "go"}).status, 200)
        self.assertEqual(self.approver.post(f"{path}/approve", {"code": filed["code"]}).status, 409)
        self.assertEqual(self.approver.post(f"{path}/deny").status, 409)
        self.assertEqual(self.approver.post(f"{path}/revoke", {"comment": "stop"}).status, 200)
        self.assertEqual(self.approver.post(f"{path}/revoke").status, 409)
        self.assertEqual(self.approver.post(f"/requests/{self.file()['requestId']}/deny").status, 200)
        self.approver.get("/requests?status=REVOKED")

    def report(self):
        event = {"id": str(uuid.uuid4()), "type": "break_glass.begin", "at": "2026-11-22T16:00:00Z", "requester": "op1",
                 "service": "sudo"}
        self.assertEqual(self.host.post("/events", {"events": [event]}).status, 202)
        self.assertEqual(self.host.post("/events", {"events": []}, says_so=False).status, 400)
        self.nobody.post("/events", {"events": [event]})
        self.assertEqual(self.host.get("/hosts?match=web-*").status, 200)
        self.assertEqual(self.host.get("/hosts?match=" + "x" * 300).status, 400)
        self.nobody.get("/hosts")

    def watch(self):
        self.assertEqual(self.approver.get("/audit?after=0").status, 200)
        self.assertEqual(self.approver.get("/audit?after=x").status, 400)
        self.assertEqual(self.op1.get("/audit").status, 403)
        self.assertEqual(self.nobody.get("/audit").status, 401)
        self.assertEqual(self.nobody.get("/healthz").status, 200)
        self.assertEqual(self.nobody.get("/metrics").status, 200)
        self.assertEqual(self.strange.get("/metrics").status, 401)
        self.assertEqual(self.nobody.get("/openapi.json").json, self.document)
        with sqlite3.connect(f"{self.folder}/broker.db", isolation_level=None) as other:
            for table, change in (("audit", "INSERT"), ("cursor", "UPDATE")):
                other.execute(f"CREATE TRIGGER full_{table} BEFORE {change} ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END")
            self.assertEqual(self.host.post("/request-access", FILING).status, 503)
            self.assertEqual(self.nobody.get("/healthz").status, 503)
            for table in ("audit", "cursor"):
                other.execute(f"DROP TRIGGER full_{table}")
        other.close()


if __name__ == "__main__":
    unittest.main()
