"""The templates of packaging/aws: what they open, log and allow, held against what the code is and does.

Each check of cfn_rules.py is also shown broken templates, and has to say so."""

import copy
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import npm
from brokerlib import POLICY, built
from cfn import ACCOUNT, ELEVATED, TABLE, listed, load, of_type
from cfn_granted import boundary, trust
from cfn_rules import (BROKER, CHECKS, DOES, ELSEWHERE, READS, STARS, alarms, calls, deployment, handlers, keys, kinds,
                       kinds_of_the_code, logs, operations_of_the_code, process, roles, secrets, stars, statements,
                       table, usage_plans, woken, workflows)
from dynamo import Dynamo, node
from lab import read
from namespace import TREE

prepare = npm.prepare


def _properties(template, name):
    return template["Resources"][name]["Properties"]


def _statement(template, name, sid):
    return next(s for n, s in statements(template) if n == name and s.get("Sid") == sid)


def _set(name, key, value):
    def change(template):
        _properties(template, name)[key] = value
    return change


def _drop(name, key):
    def change(template):
        del _properties(template, name)[key]
    return change


def _no(name):
    def change(template):
        del template["Resources"][name]
    return change


def _say(name, sid, key, value):
    def change(template):
        _statement(template, name, sid)[key] = value
    return change


def _policy(template, name):
    properties = _properties(template, name)
    return properties.get("Policies", [properties])[0]["PolicyDocument"]


def _without(name, sid):
    def change(template):
        policy = _policy(template, name)
        policy["Statement"] = [s for s in policy["Statement"] if s.get("Sid") != sid]
    return change


def _allowing(name, action, resource):
    def change(template):
        _policy(template, name)["Statement"].append(
            {"Sid": "More", "Effect": "Allow", "Action": action, "Resource": resource})
    return change


def _made(kind, properties):
    def change(template):
        template["Resources"]["More"] = {"Type": kind, "Properties": properties}
    return change


def _permission(**more):
    return _made("AWS::Lambda::Permission", {
        "FunctionName": {"Ref": "AssumeJITRoleFunction"}, "Action": "lambda:InvokeFunction"} | more)


def _filtered(pattern):
    return _set("NotifyStream", "FilterCriteria", {"Filters": [{"Pattern": pattern}]})


def _always_the_path(template):
    """Also where there is none: then it is all parameters."""
    resources = _statement(template, "ElevatedBoundary", "NoHandOnTheBroker")["Resource"]
    resources[:] = [r["Fn::If"][1] if r.get("Fn::If", [""])[0] == "NotifySecrets" else r for r in resources]


def _unprotected(ending):
    def change(template):
        resources = _statement(template, "ElevatedBoundary", "NoHandOnTheBroker")["Resource"]
        resources[:] = [r for r in resources if ending not in str(r)]
    return change


def _not_denied(action):
    def change(template):
        _statement(template, "ElevatedBoundary", "NoPrincipalWithoutThisBoundary")["Action"].remove(action)
    return change


def _trusting(principal):
    def change(template):
        for statement in _properties(template, "ElevatedRoleItself")["AssumeRolePolicyDocument"]["Statement"]:
            statement["Principal"] = principal
    return change


def _trust_without(key):
    def change(template):
        for statement in _properties(template, "ElevatedRoleItself")["AssumeRolePolicyDocument"]["Statement"]:
            for test in statement["Condition"].values():
                test.pop(key, None)
    return change


def _sharing(one, other):
    def change(template):
        _properties(template, one)["Role"] = {"Fn::GetAtt": [other, "Arn"]}
    return change


def _environment(key, value, name="StatusFunction"):
    def change(template):
        _properties(template, name)["Environment"]["Variables"][key] = value
    return change


def _unset(name, key):
    def change(template):
        del _properties(template, name)["Environment"]["Variables"][key]
    return change


def _renamed(name):
    def change(template):
        template["Resources"]["SweepFunction"]["Properties"]["Handler"] = name
    return change


ALL_KINDS = ("audit", "calls", "chain", "event", "host", "keys", "lease", "outbox", "secret", "session")

# (check, what is broken, what it has to say)
BREAKS = [
    (kinds, _made("AWS::Lambda::Url", {"TargetFunctionArn": {"Ref": "AssumeJITRoleFunction"}, "AuthType": "NONE"}),
     "More: an AWS::Lambda::Url"),
    (stars, _say("ChangesRole", "Read", "Resource", "*"), "Resource *"),
    (stars, _say("WorkflowRole", "LogDelivery", "Action", ["logs:*"]), "no resource type"),
    (stars, _say("DeadLettersPolicy", "Schedule", "Principal", "*"), "everybody"),
    (stars, _set("SweepRole", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]),
     "AdministratorAccess"),
    (keys, _set("ApiMethodDeny", "ApiKeyRequired", False), "ApiMethodDeny: open"),
    (keys, _drop("ApiMethodChanges", "ApiKeyRequired"), "ApiMethodChanges: open"),
    (keys, _drop("ApiMethodEnd", "RequestValidatorId"), "unchecked"),
    (keys, _set("SignedRouteStart", "AuthorizationType", "NONE"), "SignedRouteStart: open"),
    (keys, _set("Api", "MinimumCompressionSize", 1024), "compresses"),
    (keys, _set("Api", "ApiKeySourceType", "AUTHORIZER"), "header"),
    (usage_plans, _no("ApproverPlan"), "not one plan"),
    (usage_plans, _drop("HostPlan", "ApiStages"), "no usage plan of the stage"),
    (usage_plans, _drop("HostPlan", "Quota"), "quota"),
    (usage_plans, _drop("ApproverPlan", "Throttle"), "rate"),
    (usage_plans, _set("ApiStage", "MethodSettings", [{"ResourcePath": "/*"}]), "throttling"),
    (logs, _drop("StartLog", "RetentionInDays"), "StartLog: kept for ever"),
    (logs, _drop("StartFunction", "LoggingConfig"), "Start: no log"),
    (logs, _set("StartFunction", "LoggingConfig", {"LogGroup": {"Ref": "EndLog"}}), "Start: no log"),
    (logs, _say("EndRole", "Log", "Action", ["logs:*"]), "End: more than"),
    (logs, _set("EndFunction", "TracingConfig", {"Mode": "Active"}), "traced"),
    (logs, _drop("ApiStage", "AccessLogSetting"), "access log"),
    (logs, _drop("SignedStage", "AccessLogSettings"), "access log"),
    (logs, _set("Workflow", "LoggingConfiguration", {"Level": "ALL", "IncludeExecutionData": True}), "with its data"),
    (logs, _drop("ExpressWorkflow", "LoggingConfiguration"), "ExpressWorkflow: not logged"),
    (logs, _set("Workflow", "TracingConfiguration", {"Enabled": True}), "traced"),
    (roles, _say("ApproveRole", "Write", "Action", ["dynamodb:*"]), "Approve: may dynamodb:*"),
    (roles, _say("ApproveRole", "Write", "Action", ["dynamodb:UpdateItem", "dynamodb:DeleteItem"]), "DeleteItem"),
    (roles, _say("DenyRole", "Write", "Condition", {}), "Deny: may dynamodb:UpdateItem of chain:"),
    (roles, _say("StartRole", "Tokens", "Resource", "arn:aws:states:eu-west-1:1:stateMachine:*"), "Start: may states"),
    (roles, _say("SweepRole", "Write", "Action", ["dynamodb:UpdateItem"]), "Sweep: may not dynamodb:"),
    (roles, _sharing("ApproveFunction", "AssumeJITRoleRole"), "of several functions"),
    (roles, _say("WorkflowRole", "Functions", "Resource", "arn:aws:lambda:eu-west-1:1:function:*"), "WorkflowRole"),
    (roles, lambda t: _properties(t, "CredentialsRole")["Policies"][0]["PolicyDocument"]["Statement"].append(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ELEVATED}), "Credentials: may sts:AssumeRole"),
    (roles, _without("AssumeJITRoleRole", "NobodyElse"), "sts:AssumeRole by another"),
    (roles, _say("AssumeJITRoleRole", "NobodyElse", "Action", "sts:AssumeRole"), "sts:TagSession by another"),
    (roles, _say("AssumeJITRoleRole", "NobodyElse", "Condition", {
        "ArnEquals": {"lambda:SourceFunctionArn": "arn:aws:lambda:*"}}), "sts:AssumeRole by another"),
    (roles, _say("AssumeJITRoleRole", "NobodyElse", "Condition", {}), "AssumeJITRole: may not sts:AssumeRole"),
    *((roles, _say("EventsRole", sid, "Condition", {"ForAllValues:StringNotLike": {"dynamodb:LeadingKeys": [
        f"{kind}:*" for kind in ALL_KINDS if kind != open_kind]}}), f"Events: may {action} of {open_kind}:")
      for sid, action, kinds_of in (("Forget", "dynamodb:DeleteItem", ALL_KINDS),
                                    ("Write", "dynamodb:UpdateItem", ("chain", "lease", "outbox")))
      for open_kind in kinds_of if (sid, open_kind) != ("Forget", "event")),
    (roles, _say("RequestElevatedAccessRole", "Forget", "Condition", {}), "DeleteItem of audit:"),
    (roles, _say("EventsRole", "Forget", "Condition", {}), "DeleteItem of a request"),
    (roles, _say("EventsRole", "Forget", "Condition", {"ForAllValues:StringNotLike": {
        "dynamodb:LeadingKeys": ["*:*"]}}), "Events: may not dynamodb:DeleteItem"),
    (roles, _say("NotifyRole", "Forget", "Condition", {}), "Notify: may dynamodb:DeleteItem of chain:"),
    (roles, _say("SweepRole", "Forget", "Condition", {"ForAllValues:StringLike": {
        "dynamodb:LeadingKeys": ["audit:*"]}}), f"may not dynamodb:DeleteItem on {TABLE} of outbox"),
    (roles, _allowing("RevokeRole", "dynamodb:PutItem", {"Fn::GetAtt": ["Table", "Arn"]}), "PutItem of secret:"),
    (process, _allowing("ProcessPolicy", "sts:AssumeRole", ELEVATED), "ProcessPolicy: sts:AssumeRole"),
    (process, _say("ProcessPolicy", "Search", "Resource", {"Fn::Sub": "${Table.Arn}/*"}), "table/JITAccessRequests/*"),
    (process, _without("ProcessPolicy", "Issue"), "ProcessPolicy: lambda:InvokeFunction"),
    (process, _set("ProcessPolicy", "Roles", [{"Ref": "StatusRole"}]), "given to somebody"),
    (trust, _trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}), "trusts"),
    (trust, _trusting({"AWS": [{"Fn::GetAtt": ["AssumeJITRoleRole", "Arn"]}, {"Fn::GetAtt": ["SweepRole", "Arn"]}]}),
     "trusts"),
    (trust, _trust_without("sts:SourceIdentity"), "SourceIdentity"),
    (trust, _trust_without("sts:RoleSessionName"), "JITSession"),
    (trust, _trust_without("aws:RequestTag/jit:requestId"), "jit:requestId"),
    (trust, _trust_without("aws:TagKeys"), "department"),
    (trust, _set("ElevatedRoleItself", "MaxSessionDuration", 43200), "an hour"),
    (trust, lambda t: _properties(t, "WorkflowRole")["AssumeRolePolicyDocument"]["Statement"][0].pop("Condition"),
     "any state machine"),
    (boundary, _drop("ElevatedRoleItself", "PermissionsBoundary"), "no boundary"),
    (boundary, _always_the_path, "beyond the boundary without NotifySecrets and Signed: ssm:GetParameter"),
    (boundary, _unprotected("parameter${NotifyPath}"), "within the boundary: ssm:GetParameter"),
    (boundary, _unprotected("policy/${AWS::StackName}"), "within the boundary: iam:DeletePolicy"),
    *((boundary, _not_denied(f"iam:{action}"), f"within the boundary: iam:{action}") for action in (
        "DetachRolePolicy", "DetachUserPolicy", "DeleteRolePolicy", "DeleteUserPolicy")),
    *((boundary, _without("ElevatedBoundary", sid), "within the boundary") for sid in (
        "NoHandOnTheBroker", "NoHandOnTheGateway", "NoHandOnWhatWakesNotify", "NoHandOnWhatTheStackMade",
        "NoPrincipalWithoutThisBoundary", "NoOtherRole", "NoPolicyOfOthers", "NoOtherIdentity", "NoHandOnTheRecords")),
    (boundary, _say("ElevatedBoundary", "Within", "Action", "s3:*"), "beyond the boundary"),
    (boundary, _say("ElevatedBoundary", "Within", "Sid", "x" * 6000), "6144"),
    (handlers, _no("ApproveFunction"), "Approve: a handler without a function"),
    (handlers, _renamed("Broom"), "Broom: no such handler"),
    (handlers, _environment("JIT_COLOUR", "red"), "JIT_COLOUR"),
    (handlers, _set("EndFunction", "Layers", []), "End: another runtime"),
    (handlers, _unset("SweepFunction", "JIT_NOTIFY_PATH"), "Sweep: JIT_NOTIFY_PATH"),
    (handlers, _unset("ApproveFunction", "JIT_WORKFLOW"), "Approve: JIT_WORKFLOW"),
    (handlers, _unset("EndFunction", "JIT_TABLE"), "End: JIT_TABLE"),
    (handlers, lambda t: [_unset("CredentialsFunction", "JIT_ISSUING_FUNCTION")(t), _environment(
        "JIT_ISSUING_FUNCTION", {"Ref": "AssumeJITRoleFunction"}, "StartFunction")(t)],
     "Credentials: JIT_ISSUING_FUNCTION"),
    (handlers, _environment("JIT_ISSUING_FUNCTION", {"Ref": "AssumeJITRoleFunction"}, "StartFunction"),
     "Start: JIT_ISSUING_FUNCTION"),
    (handlers, _environment("JIT_TABLE", "another"), "Status: JIT_TABLE is another"),
    (handlers, _set("AssumeJITRoleFunction", "Timeout", 1), "AssumeJITRole: ended after 1 s"),
    (calls, _no("ApiMethodDeny"), "REST API: ('POST', '/requests/{id}/deny'"),
    (calls, _set("ApiMethodApprove", "HttpMethod", "GET"), "REST API"),
    (calls, _set("ApiMethodDenyPermission", "SourceArn", {"Fn::Sub": "arn:x:${Api}/*"}), "permission"),
    (calls, _no("SignedRouteEvents"), "HTTP API"),
    (calls, _permission(Principal="*"), "More: permission for *"),
    (calls, _permission(Principal="*", FunctionUrlAuthType="NONE"), "More: permission for *"),
    (calls, _permission(Principal="apigateway.amazonaws.com"), "More: permission"),
    (calls, _permission(Principal="events.amazonaws.com", SourceArn={"Fn::GetAtt": ["SweepSchedule", "Arn"]}),
     "More: permission for events"),
    (calls, _drop("SweepPermission", "SourceArn"), "SweepPermission: permission"),
    (woken, _no("SweepSchedule"), "nothing wakes Sweep"),
    (woken, _set("SweepSchedule", "State", "DISABLED"), "nothing wakes Sweep"),
    (woken, _set("SweepSchedule", "ScheduleExpression", "rate(1 day)"), "nothing wakes Sweep"),
    (woken, _set("SweepSchedule", "Targets", [{"Id": "x", "Arn": {"Fn::GetAtt": ["StatusFunction", "Arn"]}}]),
     "another than Sweep"),
    (woken, _no("SweepPermission"), "may not invoke Sweep"),
    (woken, _no("NotifyStream"), "does not wake Notify"),
    (woken, _set("NotifyStream", "Enabled", False), "does not wake Notify"),
    (woken, _set("NotifyStream", "FunctionName", {"Ref": "SweepFunction"}), "does not wake Notify"),
    (woken, _filtered('{"eventName":["INSERT"],"dynamodb":{"NewImage":{"unsealed":{"S":["1"]}}}}'), "other items"),
    (woken, _filtered('{"eventName":["INSERT","MODIFY"],"dynamodb":{"NewImage":{"open":{"S":["1"]}}}}'), "other items"),
    (woken, _set("Table", "StreamSpecification", {"StreamViewType": "KEYS_ONLY"}), "what an item holds"),
    (woken, _drop("SweepInvocations", "DestinationConfig"), "is lost"),
    (woken, _made("AWS::Events::Rule", {"State": "ENABLED"}), "more than the schedule"),
    (table, _drop("Table", "TimeToLiveSpecification"), "TimeToLive"),
    (table, _set("Table", "PointInTimeRecoverySpecification", {"PointInTimeRecoveryEnabled": False}), "PointInTime"),
    (table, _drop("Table", "SSESpecification"), "KMS"),
    (table, _set("Table", "DeletionProtectionEnabled", False), "DeletionProtection"),
    (table, lambda t: t["Resources"]["Table"].pop("DeletionPolicy"), "with the stack"),
    (deployment, _set("ApiMethodEnd", "OperationName", "end"), "call the deployment"),
    (deployment, lambda t: next(iter(of_type(t, "AWS::ApiGateway::Deployment").values()))["DependsOn"].pop(),
     "may come"),
    (alarms, _no("BrokenAlarm"), "5XXError"),
    (alarms, _no("SignedBrokenAlarm"), "no alarm for ('5xx', 'SignedApi')"),
    (alarms, _no("ExpressWorkflowAlarm"), "no alarm for ('ExecutionsFailed', 'ExpressWorkflow')"),
    (alarms, lambda t: _properties(t, "WorkflowAlarm")["Metrics"].pop(2),
     "no alarm for ('ExecutionsTimedOut', 'Workflow')"),
    (alarms, lambda t: _properties(t, "HostsErrorsAlarm")["Metrics"].pop(),
     "no alarm for ('Errors', 'EventsFunction')"),
    (alarms, _set("SweepMissingAlarm", "TreatMissingData", "ignore"), "missing goes unseen"),
    (alarms, _drop("TableAlarm", "AlarmActions"), "nobody is told"),
    (secrets, _environment("JIT_WEBHOOK_SECRET", "x"), "could be a secret"),
    (secrets, _environment("JIT_TABLE", "{{resolve:secretsmanager:x}}"), "could be a secret"),
    (secrets, lambda t: t["Resources"].update(Web1={"Type": "AWS::ApiGateway::ApiKey"}), "a key in the template"),
    (workflows, _set("Workflow", "StateMachineType", "EXPRESS"), "not STANDARD"),
    (workflows, _set("Workflow", "DefinitionSubstitutions", {}), "filled in"),
]


class Shipped(unittest.TestCase):
    def test_nothing_is_wrong_with_the_brokers_template(self):
        template = load(BROKER)
        for check in CHECKS:
            with self.subTest(check.__name__):
                self.assertEqual(list(check(template)), [])

    def test_nothing_is_wrong_with_the_role_of_another_account(self):
        template = load(ELSEWHERE)
        for check in (kinds, stars, trust, boundary):
            with self.subTest(check.__name__):
                self.assertEqual(list(check(template)), [])

    def test_the_role_of_another_account_is_the_same_role(self):
        here, there = load(BROKER), load(ELSEWHERE)

        def said(template):
            text = json.dumps(_properties(template, "ElevatedRoleItself"), sort_keys=True)
            return text.replace('{"Fn::GetAtt": ["AssumeJITRoleRole", "Arn"]}', '{"Ref": "IssuingRoleArn"}')

        self.assertEqual(said(here), said(there))
        common = [s for s in _properties(there, "ElevatedBoundary")["PolicyDocument"]["Statement"]
                  if s["Sid"] != "NoHandOnTheRole"]
        ours = [s for s in _properties(here, "ElevatedBoundary")["PolicyDocument"]["Statement"]
                if s["Sid"] not in ("NoHandOnTheBroker", "NoHandOnTheGateway", "NoHandOnWhatWakesNotify")]
        self.assertEqual(ours, common)

    def test_every_check_sees_what_is_broken(self):
        for number, (check, change, says) in enumerate(BREAKS):
            with self.subTest(f"{number}: {check.__name__}: {says}"):
                template = copy.deepcopy(load_once())
                change(template)
                found = list(check(template))
                self.assertTrue(any(says in one for one in found), found)
        self.assertEqual({check for check, _, _ in BREAKS}, set(CHECKS))

    def test_the_functions_may_what_the_store_does_and_nothing_more(self):
        """All operations of the code are the sweep's, and no function has another."""
        given = {action.removeprefix("dynamodb:") for does in DOES.values() for action, on in READS | does
                 if action.startswith("dynamodb:") and "/stream/" not in on}
        self.assertEqual(given, operations_of_the_code())

    def test_the_kinds_of_items_are_those_of_the_code(self):
        self.assertEqual(kinds_of_the_code(), set(ALL_KINDS))

    def test_every_entry_of_the_list_of_stars_is_used(self):
        found = {(name, s.get("Sid")) for name, s in statements(load_once()) if "*" in listed(s.get("Resource", []))}
        self.assertEqual(found, set(STARS))

    def test_cloudformation_validate_finds_nothing_and_would_find_what_is_wrong(self):
        packages = npm.packages()
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as broken:
            broken.write(read(BROKER).replace("!GetAtt StartRole.Arn", "!GetAtt StatRole.Arn"))
            broken.flush()
            done = subprocess.run([node(packages), os.path.join(TREE, "tests/system/cfn_check.mjs"), packages, BROKER,
                                   ELSEWHERE, broken.name], capture_output=True, text=True, timeout=60)
        *shipped, found = done.stdout.splitlines()
        self.assertEqual(shipped, ["[]", "[]"], done.stderr)
        self.assertIn("StatRole", found)


CONF = "[broker]\ntls = off\nissuer = demo\n{store}\n" + POLICY


def _schema(description):
    """What of a table's description makes its keys and indexes, in no order."""
    indexes = {i["IndexName"]: (i["KeySchema"], i["Projection"]["ProjectionType"],
                                sorted(i["Projection"].get("NonKeyAttributes", [])))
               for i in description["GlobalSecondaryIndexes"]}
    return description["KeySchema"], indexes, sorted((a["AttributeName"], a["AttributeType"])
                                                     for a in description["AttributeDefinitions"])


class Table(unittest.TestCase):
    def test_its_keys_and_indexes_are_those_that_the_broker_makes(self):
        folder = tempfile.mkdtemp(prefix="template-")
        self.addCleanup(shutil.rmtree, folder)
        dynamo = self.enterContext(Dynamo(folder))
        with open(os.open(f"{folder}/conf", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(CONF.format(store=dynamo.keys_of("made")))
        done = subprocess.run([built("jit-broker"), "store", "--config", f"{folder}/conf", "create"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        made = _schema(dynamo.call("DescribeTable", TableName="made")["Table"])
        self.assertEqual(made, _schema(_properties(load_once(), "Table")))
        broken = copy.deepcopy(_properties(load_once(), "Table"))
        broken["GlobalSecondaryIndexes"].pop()
        self.assertNotEqual(made, _schema(broken))


_loaded = []


def load_once():
    if not _loaded:
        _loaded.append(load(BROKER))
    return _loaded[0]


if __name__ == "__main__":
    unittest.main()
