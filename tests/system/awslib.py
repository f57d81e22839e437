"""The broker as functions on AWS: the configuration that tests of it share, the front door of the template that is shipped,
and all that was recorded of them."""

import glob
import json
import os
import re
import threading
import time
import urllib.parse

import cfn
import signatures
from cloud import ARN, EXPRESS
from gateway import Gateway
from lab import read
from lambdalib import http_event, rest_event
from namespace import TREE

ROLE = "arn:aws:iam::123456789012:role/JIT-ElevatedAdminRole"
INSTANCE = "arn:aws:sts::123456789012:assumed-role/jit-host/i-0b6cbd46"
TEMPLATE = os.path.join(TREE, "packaging/aws/jit-broker.yaml")
TABLE = "requests"
CONF = """issuer = sts:{sts}
issuer_credentials = environment
issuer_plain_loopback = yes
issue_function = AssumeJITRole
issue_workflow = {express}
issue_endpoint = {url}
workflow = {arn}
workflow_endpoint = {states}
workflow_credentials = environment
workflow_plain_loopback = yes
notify_retry = 1s
[role admin]
services = sudo
requesters = op1
hosts = web-*
targets = root
approvers = appr1 appr2
reason = optional
unsealed = allow
{role}
[person op1]
[person appr1]
[person appr2]
"""
OF_THE_ROLE = {"arn": ROLE, "code": "off", "pending": "5m", "approvals": 1, "auto_approve": "never"}


def conf(cloud, sts=None, **role):
    """For make_broker. The STS is the cloud's own unless another one's address is given."""
    lines = "\n".join(f"{key} = {value}" for key, value in {**OF_THE_ROLE, **role}.items())
    return CONF.format(sts=sts or cloud.url, url=cloud.url, states=cloud.url, arn=ARN, express=EXPRESS, role=lines)


def rewrite(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)


def move_to_table(made, dynamo, relay):
    """The broker's store is a table from now on; the way to it leads through the relay."""
    rewrite(made.conf, re.sub("(?m)^store = sqlite:.*\n", dynamo.keys_of(TABLE, relay.url), read(made.conf)))
    made.admin("store", "create")


def name_in_environment(cloud, made):
    """The functions read a configuration without the names that a stack gives them in the environment."""
    cloud.conf = os.path.join(os.path.dirname(made.conf), "functions.conf")
    text = re.sub("(?m)^(issue_function|issue_workflow|workflow|workflow_credentials) = .*\n", "", read(made.conf))
    text = re.sub("(?m)^store_credentials = .*$", "store_credentials = environment", text)
    rewrite(cloud.conf, text.replace(f"dynamodb:{TABLE}", "dynamodb:no-such-table"))
    cloud.more = {"JIT_TABLE": TABLE, "JIT_WORKFLOW": ARN, "JIT_EXPRESS_WORKFLOW": EXPRESS,
                  "JIT_ISSUING_FUNCTION": "AssumeJITRole"}


# --- The front door

def routes(template):
    """{(method, path): handler} of the REST API; a part of the path in braces may be anything."""
    resources = cfn.of_type(template, "AWS::ApiGateway::Resource")

    def path(name):
        if name not in resources:
            return ""
        part = resources[name]["Properties"]
        return path(part["ParentId"].get("Ref")) + "/" + part["PathPart"]

    found = {}
    for method in cfn.of_type(template, "AWS::ApiGateway::Method").values():
        properties = method["Properties"]
        function = re.search(r"\$\{(\w+)\.Arn\}", properties["Integration"]["Uri"]["Fn::Sub"])[1]
        found[properties["HttpMethod"], path(properties["ResourceId"]["Ref"])] = \
            template["Resources"][function]["Properties"]["Handler"]
    return found


class Plan:
    """A usage plan with one key: so many calls at once, and so many a second after that."""

    def __init__(self, template, name):
        throttle = cfn.Resolver(template)(template["Resources"][name]["Properties"]["Throttle"])
        self.rate, self.burst = float(throttle["RateLimit"]), float(throttle["BurstLimit"])
        self.left, self.at, self.lock = self.burst, time.monotonic(), threading.Lock()

    def lets_in(self):
        with self.lock:
            now = time.monotonic()
            self.left, self.at = min(self.burst, self.left + self.rate * (now - self.at)), now
            if self.left < 1:
                return False
            self.left -= 1
            return True


def signed_routes(template):
    """The same of the HTTP API."""
    found = {}
    for route in cfn.of_type(template, "AWS::ApiGatewayV2::Route").values():
        integration = route["Properties"]["Target"]["Fn::Sub"].removeprefix("integrations/${").rstrip("}")
        function = template["Resources"][integration]["Properties"]["IntegrationUri"]["Fn::GetAtt"][0]
        assert route["Properties"]["AuthorizationType"] == "AWS_IAM"
        found[tuple(route["Properties"]["RouteKey"].split(" "))] = template["Resources"][function]["Properties"]["Handler"]
    return found


class _Door(Gateway):
    """What the API Gateways of the template have in common: a call goes to its path's function as an event. `tokens` has
    each token that came, `refused` the (status, what) of each call that no function answered."""

    def __init__(self, cloud, folder, ca, paths):
        self.cloud, self.tokens, self.refused = cloud, set(), []
        self.routes = [(method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path, handler)
                       for (method, path), handler in paths.items()]
        super().__init__(folder, ca)
        self.url = f"https://broker.example:{self.port}/prod"

    def answer(self, method, path, headers, body):
        low = {name.lower(): value for name, value in headers.items()}
        place, _, query = path.removeprefix("/prod").partition("?")
        route = next((r for r in self.routes if r[0] == method and r[1].fullmatch(place)), None)
        if not path.startswith("/prod/") or not route:
            return self.refuse(403, "Missing Authentication Token", path)
        for name in ("authorization", "x-jit-grant-token"):
            if not low.get(name, "AWS4-").startswith("AWS4-"):
                self.tokens.add(low[name].split()[-1])
        why = self.why_not(method, path, low, body)
        if why:
            return self.refuse(*why, path)
        return self.hand_over(route[3], self.event(method, place, route[2], query, headers, body))

    def hand_over(self, handler, event):
        kind, said = self.cloud.invoke(handler, event)
        if kind != "response":
            return self.refuse(502, "Internal server error", f"{handler}: {said}")
        return said["statusCode"], said["headers"], said["body"].encode()

    def refuse(self, status, message, what):
        self.refused.append((status, what))
        return status, {"Content-Type": "application/json"}, json.dumps({"message": message}).encode()


class FrontDoor(_Door):
    """The REST API: a call comes in with a key of a usage plan alone. `plans` is {key: name of the plan's resource}."""

    def __init__(self, cloud, folder, ca, plans):
        template = cfn.load(TEMPLATE)
        self.plans = {key: Plan(template, name) for key, name in plans.items()}
        super().__init__(cloud, folder, ca, routes(template))

    def why_not(self, _method, _path, low, _body):
        plan = self.plans.get(low.get("x-api-key"))
        if not plan:
            return 403, "Forbidden"
        return None if plan.lets_in() else (429, "Too Many Requests")

    def event(self, method, place, resource, query, headers, body):
        event = rest_event(method, place, query=dict(urllib.parse.parse_qsl(query)) or None, source="127.0.0.1")
        event.update(resource=resource, headers=headers, body=body.decode() or None,
                     multiValueHeaders={name: [value] for name, value in headers.items()})
        return event


class SignedFrontDoor(_Door):
    """The HTTP API: a call comes in with a signature of the instance's role alone. `let_in` has each one's headers."""

    def __init__(self, cloud, folder, ca, imds):
        self.imds, self.let_in = imds, []
        super().__init__(cloud, folder, ca, signed_routes(cfn.load(TEMPLATE)))

    def why_not(self, method, path, low, body):
        if not signatures.is_good(self.imds, self.url.removesuffix("/prod") + path, method, low, body):
            return 403, "Forbidden"
        self.let_in.append(low)
        return None

    def event(self, method, place, resource, query, headers, body):
        event = http_event(method, place, query=query, source="127.0.0.1")
        event.update(routeKey=f"{method} {resource}", headers={name.lower(): value for name, value in headers.items()},
                     **({"body": body.decode()} if body else {}))
        event["requestContext"]["authorizer"] = {"iam": {"accountId": "123456789012", "userArn": INSTANCE}}
        return event


# --- What is kept of it all

def items(dynamo):
    """All of the table."""
    said = dynamo.call("Scan", TableName=TABLE)
    assert "LastEvaluatedKey" not in said
    return json.dumps(said).encode()


def of_table(dynamo, relay):
    """What stands in the table, and all that was ever asked of it."""
    return {"the table": items(dynamo), "what the table was asked": b"\n".join(body for _, body in relay.kept)}


def of_doors(*doors):
    return {"what the doors were asked": repr([door.events for door in doors]).encode(),
            "what the doors refused": repr([door.refused for door in doors]).encode()}


def item_of(dynamo, short_id):
    """A request's item, as DynamoDB writes it."""
    found = dynamo.call("Query", TableName=TABLE, IndexName="shortId", KeyConditionExpression="shortId = :it",
                        ExpressionAttributeValues={":it": {"S": short_id}})["Items"]
    return dynamo.call("GetItem", TableName=TABLE, Key={"requestId": found[0]["requestId"]}, ConsistentRead=True)["Item"]


def recorded(cloud, *patterns, **more):
    """{where: bytes}: all inputs and outputs of workflows and of functions that one invoked, the files, and more."""
    seen = {"the record of workflows": cloud.record().encode(),
            "what functions were asked and said": json.dumps(cloud.invoked).encode(), **more}
    assert b"requestId" in seen["the record of workflows"]  # they are records
    assert b"sealedCredentials" in seen["what functions were asked and said"]
    for path in (path for pattern in patterns for path in glob.glob(pattern)):
        with open(path, "rb") as file:
            seen[path] = file.read()
    return seen
