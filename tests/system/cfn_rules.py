"""What is to be said of the templates of packaging/aws: each check yields what it finds wrong in one. The code is asked
for what it has: handlers, settings, operations."""

import glob
import hashlib
import json
import os
import re

import cfn
from cfn import ACCOUNT, ELEVATED, FUNCTION, MACHINE, TABLE, Resolver, listed, of_type
from cfn_granted import boundary, trust
from lab import read
from namespace import TREE

FOLDER = os.path.join(TREE, "packaging/aws")
BROKER, ELSEWHERE = (os.path.join(FOLDER, name) for name in ("jit-broker.yaml", "jit-elevated-role.yaml"))

# Where Resource may be "*": (resource, statement) -> why. Actions without a resource type, and a boundary's sentences.
STARS = {
    ("WorkflowRole", "LogDelivery"): "log delivery of a state machine: none of its actions has a resource type",
    ("ExpressWorkflowRole", "LogDelivery"): "the same",
    ("ElevatedBoundary", "Within"): "a boundary gives nothing: it is what the Denies beside it are taken from",
    ("ElevatedBoundary", "NoHandOnWhatTheStackMade"): "a Deny, of what has the stack's own tag",
    ("ElevatedBoundary", "NoPrincipalWithoutThisBoundary"): "a Deny",
    ("ElevatedBoundary", "NoOtherIdentity"): "a Deny",
    ("ElevatedBoundary", "NoHandOnTheRecords"): "a Deny",
}
LOG_DELIVERY = {"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
                "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies",
                "logs:DescribeLogGroups"}
# AWS's own policies that roles here have.
MANAGED = {"GatewayAccountRole": "AmazonAPIGatewayPushToCloudWatchLogs"}  # the gateway refuses a role with less

QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:jit-broker-dead-letters"

READS = {("dynamodb:DescribeTable", TABLE), ("dynamodb:GetItem", TABLE), ("dynamodb:BatchGetItem", TABLE),
         ("dynamodb:Query", TABLE + "/index/*")}
CHANGES = {("dynamodb:UpdateItem", TABLE)}
FORGETS = {("dynamodb:DeleteItem", TABLE)}
SEALS = CHANGES | FORGETS | {("dynamodb:PutItem", TABLE)}
TELLS = {("states:SendTaskSuccess", MACHINE)}
STARTS = {("states:StartExecution", MACHINE)}
READS_SECRETS = {("ssm:" + re.search(r'"AmazonSSM\.(\w+)"', read(f"{TREE}/jit-broker/ssm.h"))[1],
                  f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/*")}
INVOKES = {("lambda:InvokeFunction", FUNCTION + "AssumeJITRole")}
GIVES_UP = {("sqs:SendMessage", QUEUE)}
STREAM = {(f"dynamodb:{action}", TABLE + "/stream/*") for action in
          ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")}
# Each function and what it does, but for reading the table and writing its own log.
DOES = {
    "RequestElevatedAccess": CHANGES | FORGETS | STARTS | {("states:StartSyncExecution", MACHINE + "-Express")},
    "Changes": CHANGES, "Status": CHANGES,
    "Start": CHANGES | TELLS, "Cancel": CHANGES | TELLS, "End": CHANGES | TELLS,
    "Credentials": CHANGES | TELLS | INVOKES,
    "Events": CHANGES | FORGETS,
    "Approve": CHANGES | TELLS, "Deny": CHANGES | TELLS, "Revoke": CHANGES | TELLS,
    "AssumeJITRole": CHANGES | TELLS | {(f"sts:{action}", ELEVATED) for action in
                                        ("AssumeRole", "TagSession", "SetSourceIdentity")},
    "UpdateAccessStatus": CHANGES | TELLS,
    "Notify": SEALS | GIVES_UP | TELLS | STARTS | READS_SECRETS | STREAM,
    "Sweep": SEALS | GIVES_UP | TELLS | STARTS | READS_SECRETS,
}


SEALERS = ("Notify", "Sweep")
SEALED = ("chain", "lease", "outbox")  # kinds of items that the sealer alone writes
REQUEST = "0b6cbd46-1a8b-4dd3-9a48-7f8f8a1c2d3e"
# Who removes items of which kinds ("": requests): what expired under the key of a new one; what is sealed, delivered.
REMOVES = {"RequestElevatedAccess": {""}, "Events": {"event"}} | dict.fromkeys(SEALERS, {"audit", "outbox"})
# A process on the same table may what all of them may, but for the secrets, and takes on no role.
PROCESS = READS | SEALS | STARTS | TELLS | INVOKES

# The settings that bootstrap.c reads, as a stack has them; and each function's, for what it does.
SETTINGS = {"JIT_BROKER_CONF": "/opt/jit-broker.conf", "JIT_TABLE": "JITAccessRequests", "JIT_WORKFLOW": MACHINE,
            "JIT_EXPRESS_WORKFLOW": MACHINE + "-Express", "JIT_ISSUING_FUNCTION": "jit-broker-AssumeJITRole",
            "JIT_NOTIFY_PATH": "/notify", "JIT_DIRECT_HOST": "web-1"}
ALL = {"JIT_BROKER_CONF", "JIT_TABLE"}
FOLLOWS = ALL | {"JIT_WORKFLOW"}  # starts the workflow, or answers its steps, before it answers itself
SETS = {
    "RequestElevatedAccess": FOLLOWS | {"JIT_EXPRESS_WORKFLOW", "JIT_DIRECT_HOST"},
    "Changes": ALL, "Status": ALL, "Events": ALL,
    "Start": FOLLOWS, "Cancel": FOLLOWS, "End": FOLLOWS, "Approve": FOLLOWS, "Deny": FOLLOWS, "Revoke": FOLLOWS,
    "Credentials": FOLLOWS | {"JIT_ISSUING_FUNCTION"},
    "AssumeJITRole": FOLLOWS, "UpdateAccessStatus": FOLLOWS,
    "Notify": FOLLOWS | {"JIT_NOTIFY_PATH"}, "Sweep": FOLLOWS | {"JIT_NOTIFY_PATH"},
}
# Seconds until Lambda ends one: of the gateway's 29 where it waits for the issuer, of the minute until the next sweep.
ENDS = dict.fromkeys(DOES, 10) | {"RequestElevatedAccess": 28, "Credentials": 28, "AssumeJITRole": 20, "Notify": 50,
                                  "Sweep": 50}

# All that a template may make: what is not here nobody has judged.
KINDS = {f"AWS::{kind}" for kind in (
    "ApiGateway::Account", "ApiGateway::Deployment", "ApiGateway::GatewayResponse", "ApiGateway::Method",
    "ApiGateway::Model", "ApiGateway::RequestValidator", "ApiGateway::Resource", "ApiGateway::RestApi",
    "ApiGateway::Stage", "ApiGateway::UsagePlan", "ApiGatewayV2::Api", "ApiGatewayV2::Integration",
    "ApiGatewayV2::Route", "ApiGatewayV2::Stage", "CloudWatch::Alarm", "DynamoDB::Table", "Events::Rule",
    "IAM::ManagedPolicy", "IAM::Role", "Lambda::EventInvokeConfig", "Lambda::EventSourceMapping", "Lambda::Function",
    "Lambda::LayerVersion", "Lambda::Permission", "Logs::LogGroup", "SNS::Topic", "SNS::TopicPolicy", "SQS::Queue",
    "SQS::QueuePolicy", "StepFunctions::StateMachine")}


def handlers_of_the_code():
    """{handler: {(method, path)}} as lambda_functions.c has it."""
    text = read(os.path.join(TREE, "jit-broker/lambda_functions.c"))
    rows = re.findall(r'\{\.name = "(\w+)"(.*)\}', text)
    return {name: set(re.findall(r'\{"([A-Z]+)", "([^"]+)"\}', rest)) for name, rest in rows}


def settings_of_the_code():
    return set(re.findall(r'"(JIT_[A-Z_]+)"', read(os.path.join(TREE, "jit-broker/bootstrap.c"))))


def operations_of_the_code():
    """What of DynamoDB the store calls; a table is made by hand alone."""
    text = "".join(read(path) for path in glob.glob(f"{TREE}/jit-broker/store_dynamo*.c"))
    return set(re.findall(r'jb_ddb_call\([^;]*?"([A-Z]\w+)"', text)) - {"CreateTable"}


def kinds_of_the_code():
    """What an item's key begins with, before a colon; a request's has none."""
    text = "".join(read(path) for path in glob.glob(f"{TREE}/jit-broker/store_dynamo*.[ch]"))
    return set(re.findall(r'"([a-z]+):(?:%|[a-z])', text)) | set(re.findall(r'sizeof\("([a-z]+):"\)', text))


def policies(template):
    """(resource, policy) of all that says who may what; not of trust."""
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        for inline in properties.get("Policies", []) if resource["Type"] == "AWS::IAM::Role" else []:
            yield name, inline["PolicyDocument"]
        if "PolicyDocument" in properties:
            yield name, properties["PolicyDocument"]


def statements(template):
    for name, policy in policies(template):
        for statement in policy["Statement"]:
            yield name, statement["Fn::If"][1] if "Fn::If" in statement else statement


def functions(template):
    return {r["Properties"]["Handler"]: r["Properties"] for r in of_type(template, "AWS::Lambda::Function").values()}


# --- The checks. Each yields what is wrong.

def kinds(template):
    for name, resource in template["Resources"].items():
        if resource["Type"] not in KINDS:
            yield f"{name}: an {resource['Type']}, which nobody has judged"


def stars(template):
    for name, statement in statements(template):
        place = (name, statement.get("Sid"))
        if "*" in listed(statement.get("Resource", [])) and place not in STARS:
            yield f"{place}: Resource *"
        if place[1] == "LogDelivery" and set(listed(statement["Action"])) != LOG_DELIVERY:
            yield f"{place}: other actions than those that have no resource type"
        if statement["Effect"] == "Allow" and "Principal" in statement and "*" in str(statement["Principal"]):
            yield f"{place}: allowed to everybody"
        if statement["Effect"] == "Allow" and ("NotResource" in statement or "NotAction" in statement):
            yield f"{place}: allows all but something"
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for arn in role["Properties"].get("ManagedPolicyArns", []):
            if name != "ElevatedRoleItself" and not str(arn).rstrip("'}").endswith("/" + MANAGED.get(name, " ")):
                yield f"{name}: has {arn}"


def keys(template):
    for name, api in of_type(template, "AWS::ApiGateway::RestApi").items():
        if api["Properties"].get("ApiKeySourceType") != "HEADER":
            yield f"{name}: keys do not come in the header"
        if "MinimumCompressionSize" in api["Properties"]:
            yield f"{name}: compresses secrets beside what a requester wrote"
    for name, method in of_type(template, "AWS::ApiGateway::Method").items():
        properties = method["Properties"]
        if properties.get("ApiKeyRequired") is not True and properties.get("AuthorizationType") != "AWS_IAM":
            yield f"{name}: open to everybody"
        if "RequestValidatorId" not in properties:
            yield f"{name}: unchecked"
    for name, route in of_type(template, "AWS::ApiGatewayV2::Route").items():
        if route["Properties"].get("AuthorizationType") != "AWS_IAM":
            yield f"{name}: open to everybody"


def usage_plans(template):
    plans = [p["Properties"] for p in of_type(template, "AWS::ApiGateway::UsagePlan").values()]
    stages = []
    for name, stage in of_type(template, "AWS::ApiGateway::Stage").items():
        stages.append({"ApiId": stage["Properties"]["RestApiId"], "Stage": {"Ref": name}})
        if not all("ThrottlingRateLimit" in s for s in stage["Properties"].get("MethodSettings", [{}])):
            yield f"{name}: no throttling"
    if [plan["UsagePlanName"]["Fn::Sub"].rpartition("-")[2] for plan in plans] != ["hosts", "approvers"]:
        yield "not one plan for hosts and one for approvers"
    for plan in plans:
        if plan.get("ApiStages") != stages:
            yield f"{plan['UsagePlanName']}: no usage plan of the stage"
        if not {"RateLimit", "BurstLimit"} <= set(plan.get("Throttle", {})) or "Limit" not in plan.get("Quota", {}):
            yield f"{plan['UsagePlanName']}: without rate, burst or quota"


def logs(template):
    groups = of_type(template, "AWS::Logs::LogGroup")
    for name, group in groups.items():
        if "RetentionInDays" not in group["Properties"]:
            yield f"{name}: kept for ever"
    for handler, properties in functions(template).items():
        log = properties.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        own = template["Resources"][properties["Role"]["Fn::GetAtt"][0]]["Properties"]["Policies"]
        writes = [s for p in own for s in p["PolicyDocument"]["Statement"] if s.get("Sid") == "Log"]
        if log not in groups or [s["Resource"] for s in writes] != [{"Fn::GetAtt": [log, "Arn"]}]:
            yield f"{handler}: no log of its own"
        elif set(writes[0]["Action"]) != {"logs:CreateLogStream", "logs:PutLogEvents"}:
            yield f"{handler}: more than writing to its log"
        if "TracingConfig" in properties:
            yield f"{handler}: traced"
    for name, stage in of_type(template, "AWS::ApiGateway::Stage").items():
        settings = stage["Properties"]["MethodSettings"]
        if "AccessLogSetting" not in stage["Properties"] or any(s["DataTraceEnabled"] for s in settings):
            yield f"{name}: without access log, or with what was sent in it"
    for name, stage in of_type(template, "AWS::ApiGatewayV2::Stage").items():
        if "AccessLogSettings" not in stage["Properties"]:
            yield f"{name}: without access log"
    for name, machine in of_type(template, "AWS::StepFunctions::StateMachine").items():
        logging = machine["Properties"].get("LoggingConfiguration", {})
        if logging.get("Level") not in ("ERROR", "ALL") or logging.get("IncludeExecutionData") is not False:
            yield f"{name}: not logged, or with its data"
        if machine["Properties"].get("TracingConfiguration") != {"Enabled": False}:
            yield f"{name}: traced"


def _may(policy):
    return {(a, r) for s in policy["Statement"] if s["Effect"] == "Allow"
            for a in listed(s["Action"]) for r in listed(s["Resource"])}


def _item(kind):
    return {"dynamodb:LeadingKeys": [f"{kind}:{REQUEST}" if kind else REQUEST]}


def roles(template):
    """Each function may exactly what it does, with a role that is no other function's."""
    resolve, taken = Resolver(template), []
    for handler, properties in functions(template).items():
        role = properties["Role"]["Fn::GetAtt"][0]
        taken.append(role)
        own = template["Resources"][role]["Properties"]["Policies"]
        policy = {"Statement": [s for inline in own for s in resolve(inline["PolicyDocument"])["Statement"]]}
        log = resolve({"Fn::GetAtt": [handler + "Log", "Arn"]})
        does = READS | DOES.get(handler, set()) | {("logs:CreateLogStream", log), ("logs:PutLogEvents", log)}
        for action, resource in sorted(_may(policy) - does):
            yield f"{handler}: may {action} on {resource}, and does not do it"
        for action, resource in sorted(does):
            inside = {"lambda:SourceFunctionArn": FUNCTION + handler}
            for kind in REMOVES[handler] if action == "dynamodb:DeleteItem" else {""}:
                if not cfn.allows(policy, action, resource, inside | _item(kind)):
                    yield f"{handler}: may not {action} on {resource}{' of ' if kind else ''}{kind}"
        yield from _items(handler, policy)
        if len(own) != 1:
            yield f"{handler}: more than one policy"
        if handler == "AssumeJITRole":
            yield from _nobody_else(policy)
    for role in taken:
        if taken.count(role) > 1:
            yield f"{role}: of several functions"
    yield from workflow_roles(template, resolve)


def _items(handler, policy):
    """What is not the sealer's, and what is still in force."""
    for kind in sorted(kinds_of_the_code() | {""}):
        refused = set() if handler in SEALERS else {"dynamodb:PutItem"}
        if kind in SEALED and handler not in SEALERS:
            refused.add("dynamodb:UpdateItem")
        if kind not in REMOVES.get(handler, ()):
            refused.add("dynamodb:DeleteItem")
        for action in sorted(refused):
            if cfn.allows(policy, action, TABLE, _item(kind)):
                yield f"{handler}: may {action} of {kind + ':' if kind else 'a request'}"


def _nobody_else(policy):
    """By a Deny: where the role lies in the same account, its trust is enough for what is not allowed here."""
    for action in ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"):
        for elsewhere in ({}, {"lambda:SourceFunctionArn": FUNCTION + "Sweep"}):
            if not cfn.denies(policy, action, ELEVATED, elsewhere):
                yield f"AssumeJITRole: {action} by another that has its role"


def workflow_roles(template, resolve):
    for name in ("WorkflowRole", "ExpressWorkflowRole"):
        may = {(a, r) for inline in template["Resources"][name]["Properties"]["Policies"]
               for s in resolve(inline["PolicyDocument"])["Statement"] if s["Sid"] != "LogDelivery"
               for a in listed(s["Action"]) for r in listed(s["Resource"])}
        if may != {("lambda:InvokeFunction", FUNCTION + f) for f in ("UpdateAccessStatus", "AssumeJITRole")}:
            yield f"{name}: invokes other functions than its definition's"


def process(template):
    policy = Resolver(template)(template["Resources"]["ProcessPolicy"]["Properties"]["PolicyDocument"])
    for action, resource in sorted(_may(policy) ^ PROCESS):
        yield f"ProcessPolicy: {action} on {resource} is too much, or missing"
    if any(s["Effect"] != "Allow" or "Condition" in s for s in policy["Statement"]):
        yield "ProcessPolicy: more than what it allows"
    for name, resource in of_type(template, "AWS::IAM::ManagedPolicy").items():
        known = name in ("ProcessPolicy", "ElevatedBoundary")
        if not known or {"Roles", "Users", "Groups"} & set(resource["Properties"]):
            yield f"{name}: given to somebody by the template, or a policy that nobody has judged"


def handlers(template):
    code, have = set(handlers_of_the_code()), functions(template)
    for name in sorted(set(have) - code):
        yield f"{name}: no such handler"
    for name in sorted(code - set(have)):
        yield f"{name}: a handler without a function"
    resolve = Resolver(template, NotifyPath=SETTINGS["JIT_NOTIFY_PATH"], DirectHost=SETTINGS["JIT_DIRECT_HOST"])
    for handler, properties in have.items():
        variables = resolve(properties["Environment"]["Variables"])
        for key in sorted(set(variables) ^ SETS.get(handler, set())):
            yield f"{handler}: {key} is set and of no use to it, or missing"
        for key, value in variables.items():
            if value != SETTINGS.get(key):
                yield f"{handler}: {key} is {value}"
        if properties["Runtime"] != "provided.al2023" or properties["Layers"] != [{"Ref": "Policy"}]:
            yield f"{handler}: another runtime, or not the policy that all have"
        if properties["Timeout"] != ENDS.get(handler):
            yield f"{handler}: ended after {properties['Timeout']} s"
    if set(SETTINGS) != settings_of_the_code() or set().union(*SETS.values()) != set(SETTINGS):
        yield "settings that nobody reads, or that nobody sets"


def _route(template, resource):
    path = ""
    while "Ref" in resource:
        properties = template["Resources"][resource["Ref"]]["Properties"]
        path, resource = f"/{properties['PathPart']}{path}", properties["ParentId"]
    return path


# What lets a gateway invoke a function, beside which one; and the schedule, Sweep.
GATEWAY = {"Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com"}
GATEWAYS = (re.escape("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:") +
            r"\$\{(Api|SignedApi)\}/prod/([A-Z]+)(/.+)")
SWEEPS = {"FunctionName": {"Ref": "SweepFunction"}, "Action": "lambda:InvokeFunction",
          "Principal": "events.amazonaws.com", "SourceArn": {"Fn::GetAtt": ["SweepSchedule", "Arn"]}}


def calls(template):
    """The gateways hand each call to the function that serves it, and to no other."""
    code = {(method, path.replace("*", "{id}"), handler) for handler, served in handlers_of_the_code().items()
            for method, path in served}
    persons = {("POST", f"/requests/{{id}}/{what}", what.capitalize()) for what in ("approve", "deny", "revoke")}
    by_rest, by_http, allowed = set(), set(), set()
    for method in of_type(template, "AWS::ApiGateway::Method").values():
        properties = method["Properties"]
        uri = properties["Integration"]["Uri"]["Fn::Sub"]
        by_rest.add((properties["HttpMethod"], _route(template, properties["ResourceId"]),
                     re.search(r"\$\{(\w+)Function\.Arn\}/invocations$", uri)[1]))
    for route in of_type(template, "AWS::ApiGatewayV2::Route").values():
        method, path = route["Properties"]["RouteKey"].split()
        target = route["Properties"]["Target"]["Fn::Sub"].removeprefix("integrations/${").removesuffix("}")
        function = template["Resources"][target]["Properties"]["IntegrationUri"]["Fn::GetAtt"][0]
        by_http.add((method, path, function.removesuffix("Function")))
    for name, permission in of_type(template, "AWS::Lambda::Permission").items():
        properties = permission["Properties"]
        found = re.fullmatch(GATEWAYS, str(properties.get("SourceArn", {}).get("Fn::Sub")))
        if found and properties | GATEWAY == properties and len(properties) == 4:
            allowed.add((found[1], found[2], found[3].replace("*", "{id}"),
                         properties["FunctionName"]["Ref"].removesuffix("Function")))
        elif properties != SWEEPS:
            yield f"{name}: permission for {properties['Principal']}"
    for call in sorted(by_rest ^ code):
        yield f"REST API: {call}"
    for call in sorted(by_http ^ (code - persons)):  # their header of Authorization is the token's there
        yield f"HTTP API: {call}"
    for call in sorted(map(str, allowed ^ ({("Api", *c) for c in by_rest} | {("SignedApi", *c) for c in by_http}))):
        yield f"permission: {call}"


UNSEALED = {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"NewImage": {"unsealed": {"S": ["1"]}}}}


def woken(template):
    """Sweep every minute, Notify by each item with records that nobody sealed."""
    resources = {name: r["Properties"] for name, r in template["Resources"].items()}
    rule = resources.get("SweepSchedule", {})
    if (rule.get("ScheduleExpression"), rule.get("State")) != ("rate(1 minute)", "ENABLED"):
        yield "nothing wakes Sweep every minute"
    if [t["Arn"] for t in rule.get("Targets", [])] != [{"Fn::GetAtt": ["SweepFunction", "Arn"]}]:
        yield "the schedule wakes another than Sweep"
    if SWEEPS not in [p["Properties"] for p in of_type(template, "AWS::Lambda::Permission").values()]:
        yield "the schedule may not invoke Sweep"
    stream = resources.get("NotifyStream", {})
    if (stream.get("FunctionName"), stream.get("EventSourceArn"), stream.get("Enabled", True)) != (
            {"Ref": "NotifyFunction"}, {"Fn::GetAtt": ["Table", "StreamArn"]}, True):
        yield "the table does not wake Notify"
    if [json.loads(f["Pattern"]) for f in stream.get("FilterCriteria", {}).get("Filters", [])] != [UNSEALED]:
        yield "Notify is woken by other items than those with records to seal"
    if resources["Table"].get("StreamSpecification") != {"StreamViewType": "NEW_IMAGE"}:
        yield "the stream does not show what an item holds"
    for name in ("NotifyStream", "SweepInvocations"):
        failed = resources.get(name, {}).get("DestinationConfig", {}).get("OnFailure")
        if failed != {"Destination": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}:
            yield f"{name}: what could not be done is lost"
    for name, kind in (("SweepSchedule", "Events::Rule"), ("NotifyStream", "Lambda::EventSourceMapping")):
        if set(of_type(template, f"AWS::{kind}")) - {name}:
            yield "more than the schedule and the stream wakes a function"


def table(template):
    properties = template["Resources"]["Table"]["Properties"]
    wanted = {"BillingMode": "PAY_PER_REQUEST", "DeletionProtectionEnabled": True,
              "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
              "TimeToLiveSpecification": {"AttributeName": "expiresAt", "Enabled": True}}
    for key, value in wanted.items():
        if properties.get(key) != value:
            yield f"{key} is not {value}"
    if properties.get("SSESpecification", {}).get("SSEEnabled") is not True:
        yield "not encrypted with a key of KMS"
    if template["Resources"]["Table"].get("DeletionPolicy") != "Retain":
        yield "it goes with the stack"


def deployment(template):
    kinds = ("RestApi", "Resource", "Method", "Model", "RequestValidator", "GatewayResponse")
    what = {}
    for kind in kinds:
        what |= of_type(template, f"AWS::ApiGateway::{kind}")
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:8]
    names = of_type(template, "AWS::ApiGateway::Deployment")
    if list(names) != [f"ApiDeployment{digest}"]:
        yield f"the API is another than the deployed one: call the deployment ApiDeployment{digest}"
    for name, resource in names.items():
        missing = {n for n, r in what.items() if r["Type"].endswith(("Method", "GatewayResponse"))} - set(
            resource["DependsOn"])
        if missing:
            yield f"{name}: may come before {sorted(missing)}"


def alarms(template):
    seen = set()
    for alarm in of_type(template, "AWS::CloudWatch::Alarm").values():
        properties = alarm["Properties"]
        summed = [m["MetricStat"]["Metric"] for m in properties.get("Metrics", []) if "MetricStat" in m]
        metrics = summed or [properties]
        if len(metrics) > 9:
            yield f"{properties['AlarmName']}: CloudWatch takes ten metrics, with the sum"
        if properties.get("AlarmActions") != [{"Ref": "Alarms"}]:
            yield f"{properties['AlarmName']}: nobody is told"
        for metric in metrics:
            for dimension in metric["Dimensions"]:
                seen.add((metric["MetricName"], dimension["Value"]["Ref"] if "Ref" in dimension["Value"] else
                          str(dimension["Value"])))
        if metrics[0]["MetricName"] == "Invocations" and properties["TreatMissingData"] != "breaching":
            yield "a sweep that is missing goes unseen"
    names = of_type(template, "AWS::Lambda::Function")
    wanted = {(metric, name) for metric in ("Errors", "Throttles") for name in names}
    wanted |= {("5XXError", "AWS::StackName"), ("Invocations", "SweepFunction"), ("WriteThrottleEvents", "Table"),
               ("5xx", "SignedApi"), ("ApproximateNumberOfMessagesVisible",
                                                  "{'Fn::GetAtt': ['DeadLetters', 'QueueName']}")}
    wanted |= {(metric, machine) for metric in ("ExecutionsFailed", "ExecutionsTimedOut")
               for machine in of_type(template, "AWS::StepFunctions::StateMachine")}
    wanted |= {("WriteThrottleEvents", index["IndexName"]) for index in
               template["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]}
    for metric in sorted(wanted - seen):
        yield f"no alarm for {metric}"


def secrets(template):
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::ApiGateway::ApiKey":
            yield f"{name}: a key in the template"
    for handler, properties in functions(template).items():
        for key, value in properties["Environment"]["Variables"].items():
            if re.search("SECRET|PASSWORD|TOKEN|_KEY", key) or "resolve:s" in str(value):
                yield f"{handler}: {key} could be a secret, and everybody who may look at a function sees it"


def workflows(template):
    for name, file in (("Workflow", "state-machine.asl.json"), ("ExpressWorkflow", "state-machine-express.asl.json")):
        properties = template["Resources"][name]["Properties"]
        wanted = set(re.findall(r"\$\{(\w+)\}", read(os.path.join(FOLDER, file))))
        if set(properties["DefinitionSubstitutions"]) != wanted:
            yield f"{name}: {wanted} are filled in"
        for key, value in properties["DefinitionSubstitutions"].items():
            if value != {"Fn::GetAtt": [key.removesuffix("Arn") + "Function", "Arn"]}:
                yield f"{name}: {key} is another function"
        kind = "EXPRESS" if name == "ExpressWorkflow" else "STANDARD"
        if properties["StateMachineType"] != kind:
            yield f"{name}: not {kind}"


CHECKS = (kinds, stars, keys, usage_plans, logs, roles, process, trust, boundary, handlers, calls, woken, table,
          deployment, alarms, secrets, workflows)
