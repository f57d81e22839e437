"""CloudFormation templates for tests: read with their short functions, resolved with names of our own, and their
policies asked what they allow, as far as packaging/aws needs it."""

import fnmatch
import json
import re

import yaml

ACCOUNT = "123456789012"
PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Region": "eu-west-1", "AWS::Partition": "aws",
          "AWS::StackName": "jit-broker", "AWS::URLSuffix": "amazonaws.com",
          "AWS::StackId": f"arn:aws:cloudformation:eu-west-1:{ACCOUNT}:stack/jit-broker/0b6cbd46"}
NOTHING = {"Ref": "AWS::NoValue"}
# What templates of packaging/aws make with these, and with the parameters left alone.
TABLE = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/JITAccessRequests"
MACHINE = f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:JITAccessApprovalWorkflow"
FUNCTION = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:jit-broker-"
ROLES = f"arn:aws:iam::{ACCOUNT}:role/"
ELEVATED = ROLES + "JIT-ElevatedAdminRole"


class Loader(yaml.SafeLoader):
    """!Ref and the others as the long form has them."""


def _function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    build = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
    return {name: build(node, deep=True)}


Loader.add_multi_constructor("!", _function)


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader)  # a SafeLoader


def of_type(template, kind):
    return {name: r for name, r in template["Resources"].items() if r["Type"] == kind}


def listed(value):
    return value if isinstance(value, list) else [value]


class Resolver:
    """What a value is once it is deployed. Resources are called by their names; all conditions are taken as true but
    those that `unmet` names."""

    def __init__(self, template, unmet=(), **parameters):
        self.template, self.unmet = template, unmet
        self.names = {name: p.get("Default", f"<{name}>") for name, p in template["Parameters"].items()}
        self.names |= PSEUDO | parameters

    def arn(self, name):
        resource = self.template["Resources"][name]
        properties = resource.get("Properties", {})
        here = f"{PSEUDO['AWS::Region']}:{ACCOUNT}"
        forms = {"AWS::DynamoDB::Table": ("TableName", f"arn:aws:dynamodb:{here}:table/"),
                 "AWS::Lambda::Function": ("FunctionName", f"arn:aws:lambda:{here}:function:"),
                 "AWS::IAM::Role": ("RoleName", f"arn:aws:iam::{ACCOUNT}:role/"),
                 "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", f"arn:aws:iam::{ACCOUNT}:policy/"),
                 "AWS::Logs::LogGroup": ("LogGroupName", f"arn:aws:logs:{here}:log-group:"),
                 "AWS::SQS::Queue": ("QueueName", f"arn:aws:sqs:{here}:"),
                 "AWS::SNS::Topic": ("TopicName", f"arn:aws:sns:{here}:"),
                 "AWS::Events::Rule": ("Name", f"arn:aws:events:{here}:rule/"),
                 "AWS::StepFunctions::StateMachine": ("StateMachineName", f"arn:aws:states:{here}:stateMachine:")}
        key, prefix = forms.get(resource["Type"], (None, f"arn:of:{name}"))
        suffix = ":*" if resource["Type"] == "AWS::Logs::LogGroup" else ""
        return prefix + (self(properties[key]) if key and key in properties else "") + suffix

    def ref(self, name):
        if name in self.names:
            return self.names[name]
        kind = self.template["Resources"][name]["Type"]
        by_arn = ("AWS::IAM::ManagedPolicy", "AWS::StepFunctions::StateMachine", "AWS::SNS::Topic")
        return self.arn(name) if kind in by_arn else self.arn(name).split(":")[-1].split("/")[-1]

    def sub(self, text):
        def one(found):
            name, _, attribute = found[1].partition(".")
            if not attribute:
                return str(self.ref(name))
            return self.arn(name) + ("/stream/1" if attribute == "StreamArn" else "")
        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", one, text)

    def chosen(self, value):
        while isinstance(value, dict) and "Fn::If" in value:
            condition, met, unmet = value["Fn::If"]
            value = unmet if condition in self.unmet else met
        return value

    def __call__(self, value):
        if isinstance(value, list):
            return [self(v) for v in map(self.chosen, value) if v != NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, body), = value.items()
            if name == "Ref":
                return self.ref(body)
            if name == "Fn::Sub":
                return self.sub(body)
            if name == "Fn::GetAtt":
                return self.arn(body[0]) + ("/stream/1" if body[1] == "StreamArn" else "")
            if name == "Fn::If":
                return self(self.chosen(value))
        return {key: self(v) for key, v in value.items() if self.chosen(v) != NOTHING}


def _fits(patterns, value):
    # IAM's wildcards are * and ?, and a bracket is a bracket
    return any(fnmatch.fnmatchcase(value, re.sub(r"\[", "[[]", p)) for p in listed(patterns))


TESTS = {"StringEquals": lambda have, want: have is not None and have in listed(want),
         "StringNotEquals": lambda have, want: have is None or have not in listed(want),
         "StringLike": lambda have, want: have is not None and _fits(want, have),
         "ArnLike": lambda have, want: have is not None and _fits(want, have),
         "ArnEquals": lambda have, want: have is not None and _fits(want, have),
         "ArnNotEquals": lambda have, want: have is None or not _fits(want, have),
         "ForAllValues:StringEquals": lambda have, want: all(v in listed(want) for v in listed(have or [])),
         "ForAllValues:StringLike": lambda have, want: all(_fits(want, v) for v in listed(have or [])),
         "ForAllValues:StringNotLike": lambda have, want: not any(_fits(want, v) for v in listed(have or []))}


def _holds(condition, context):
    return all(TESTS[test](context.get(key), want) for test, keys in condition.items() for key, want in keys.items())


def applies(statement, action, resource, context):
    if not _fits([a.lower() for a in listed(statement["Action"])], action.lower()):
        return False
    if "Resource" in statement and not _fits(statement["Resource"], resource):
        return False
    if "NotResource" in statement and _fits(statement["NotResource"], resource):
        return False
    return _holds(statement.get("Condition", {}), context)


def _effects(policy, action, resource, context):
    return {s["Effect"] for s in policy["Statement"] if applies(s, action, resource, context or {})}


def allows(policy, action, resource="", context=None):
    """As IAM judges one policy: an explicit Deny wins, and without an Allow there is none. `policy` is resolved."""
    return _effects(policy, action, resource, context) == {"Allow"}


def denies(policy, action, resource="", context=None):
    """Whatever another policy allows, as a role's own trust does in one account."""
    return "Deny" in _effects(policy, action, resource, context)


def size(policy):
    """In the characters that IAM counts: blanks between them are none."""
    return len(json.dumps(policy, separators=(",", ":")))
