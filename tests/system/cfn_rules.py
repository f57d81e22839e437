"""What is to be said of the templates of packaging/aws: each check yields what it finds wrong in one. The code is asked
for what it has: handlers, settings, operations."""

import glob
import hashlib
import json
import os
import re

import cfn
from cfn import ACCOUNT, Resolver, listed, of_type
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

TABLE = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/JITAccessRequests"
MACHINE = f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:JITAccessApprovalWorkflow"
FUNCTION = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:jit-broker-"
QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:jit-broker-dead-letters"
ROLES = f"arn:aws:iam::{ACCOUNT}:role/"
ELEVATED = ROLES + "JIT-ElevatedAdminRole"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/JIT-ElevatedAdminBoundary"

READS = {("dynamodb:DescribeTable", TABLE), ("dynamodb:GetItem", TABLE), ("dynamodb:BatchGetItem", TABLE),
         ("dynamodb:Query", TABLE + "/index/*")}
CHANGES = {("dynamodb:UpdateItem", TABLE)}
FORGETS = {("dynamodb:DeleteItem", TABLE)}  # a filing, or an event, puts away what has expired under its key
SEALS = CHANGES | FORGETS | {("dynamodb:PutItem", TABLE)}
TELLS = {("states:SendTaskSuccess", MACHINE)}
STARTS = {("states:StartExecution", MACHINE)}
READS_SECRETS = {("ssm:" + re.search(r'"AmazonSSM\.(\w+)"', read(f"{TREE}/jit-broker/ssm.h"))[1],
                  f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/*")}
GIVES_UP = {("sqs:SendMessage", QUEUE)}
STREAM = {(f"dynamodb:{action}", TABLE + "/stream/*") for action in
          ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")}
# Each function and what it does, but for reading the table and writing its own log.
DOES = {
    "RequestElevatedAccess": CHANGES | FORGETS | STARTS | {("states:StartSyncExecution", MACHINE + "-Express")},
    "Changes": CHANGES, "Status": CHANGES,
    "Start": CHANGES | TELLS, "Cancel": CHANGES | TELLS, "End": CHANGES | TELLS,
    "Credentials": CHANGES | TELLS | {("lambda:InvokeFunction", FUNCTION + "AssumeJITRole")},
    "Events": CHANGES | FORGETS,
    "Approve": CHANGES | TELLS, "Deny": CHANGES | TELLS, "Revoke": CHANGES | TELLS,
    "AssumeJITRole": CHANGES | TELLS | {(f"sts:{action}", ELEVATED) for action in
                                        ("AssumeRole", "TagSession", "SetSourceIdentity")},
    "UpdateAccessStatus": CHANGES | TELLS,
    "Notify": SEALS | GIVES_UP | TELLS | STARTS | READS_SECRETS | STREAM,
    "Sweep": SEALS | GIVES_UP | TELLS | STARTS | READS_SECRETS,
}


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
    for name, stage in of_type(template, "AWS::ApiGateway::Stage").items():
        if {"ApiId": stage["Properties"]["RestApiId"], "Stage": {"Ref": name}} not in [
                s for plan in plans for s in plan.get("ApiStages", [])]:
            yield f"{name}: no usage plan"
        if not all("ThrottlingRateLimit" in s for s in stage["Properties"].get("MethodSettings", [{}])):
            yield f"{name}: no throttling"
    for plan in plans:
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


def roles(template):
    """Each function may exactly what it does, with a role that is no other function's."""
    resolve, taken = Resolver(template), []
    for handler, properties in functions(template).items():
        role = properties["Role"]["Fn::GetAtt"][0]
        taken.append(role)
        may = set()
        for inline in template["Resources"][role]["Properties"]["Policies"]:
            for s in resolve(inline["PolicyDocument"])["Statement"]:
                may |= {(a, r) for a in listed(s["Action"]) for r in listed(s["Resource"])}
                if {"dynamodb:UpdateItem", "dynamodb:PutItem"} & set(listed(s["Action"])) and (
                        handler not in ("Notify", "Sweep") and cfn.allows(
                            {"Statement": [s]}, "dynamodb:UpdateItem", TABLE, {"dynamodb:LeadingKeys": ["chain:1"]})):
                    yield f"{handler}: may write to the audit chain"
        log = resolve({"Fn::GetAtt": [handler + "Log", "Arn"]})
        does = READS | DOES.get(handler, set()) | {("logs:CreateLogStream", log), ("logs:PutLogEvents", log)}
        for action, resource in sorted(may - does):
            yield f"{handler}: may {action} on {resource}, and does not do it"
        for action, resource in sorted(does - may):
            yield f"{handler}: may not {action} on {resource}"
        if len(template["Resources"][role]["Properties"]["Policies"]) != 1:
            yield f"{handler}: more than one policy"
    for role in taken:
        if taken.count(role) > 1:
            yield f"{role}: of several functions"
    for name in ("WorkflowRole", "ExpressWorkflowRole"):
        may = {(a, r) for inline in template["Resources"][name]["Properties"]["Policies"]
               for s in resolve(inline["PolicyDocument"])["Statement"] if s["Sid"] != "LogDelivery"
               for a in listed(s["Action"]) for r in listed(s["Resource"])}
        if may != {("lambda:InvokeFunction", FUNCTION + f) for f in ("UpdateAccessStatus", "AssumeJITRole")}:
            yield f"{name}: invokes other functions than its definition's"


def trust(template):
    """One principal each: a service, or for what is granted the function that issues."""
    users = {"GatewayAccountRole": "apigateway.amazonaws.com", "WorkflowRole": "states.amazonaws.com",
             "ExpressWorkflowRole": "states.amazonaws.com"}
    issuer = {"Fn::GetAtt": ["AssumeJITRoleRole", "Arn"]} if "Table" in template["Resources"] else {
        "Ref": "IssuingRoleArn"}
    for name, role in of_type(template, "AWS::IAM::Role").items():
        document = role["Properties"]["AssumeRolePolicyDocument"]
        want = {"AWS": issuer} if name == "ElevatedRoleItself" else {
            "Service": users.get(name, "lambda.amazonaws.com")}
        for statement in document["Statement"]:
            if statement["Principal"] != want:
                yield f"{name}: trusts {statement['Principal']}"
        if name in ("WorkflowRole", "ExpressWorkflowRole") and "Condition" not in document["Statement"][0]:
            yield f"{name}: for any state machine"
        if cfn.size(Resolver(template)(document)) > 2048:
            yield f"{name}: IAM takes 2048 characters of trust"
        if name == "ElevatedRoleItself":
            yield from elevated_trust(Resolver(template)(document))
            if role["Properties"].get("MaxSessionDuration") != 3600:
                yield f"{name}: sessions of other than an hour"


def elevated_trust(document):
    tags = {"aws:RequestTag/jit:requestId": "0b6cbd46-1a8b-4dd3-9a48-7f8f8a1c2d3e", "aws:RequestTag/jit:host": "web-1",
            "aws:RequestTag/jit:approver": "appr1",
            "aws:TagKeys": ["jit:requestId", "jit:host", "jit:approver", "jit:ticket"]}
    ours = tags | {"sts:SourceIdentity": "op1", "sts:RoleSessionName": "op1-R7KD-2M9Q"}
    for action in ("AssumeRole", "TagSession", "SetSourceIdentity"):
        if not cfn.allows(document, f"sts:{action}", "", ours):
            yield f"what the broker sends is refused: {action}"
    for key, value in (("sts:SourceIdentity", None), ("sts:RoleSessionName", "JITSession"),
                       ("aws:RequestTag/jit:requestId", None), ("aws:RequestTag/jit:host", None),
                       ("aws:RequestTag/jit:approver", None), ("aws:TagKeys", ["jit:requestId", "department"])):
        if cfn.allows(document, "sts:AssumeRole", "", ours | {key: value}):
            yield f"assumed with {key} {value}"
    if cfn.allows(document, "sts:SetSourceIdentity", "", {}) or cfn.allows(document, "sts:TagSession", "", {}):
        yield "tags or a source identity that say nothing"
    if cfn.allows(document, "sts:AssumeRoleWithSAML", "", ours):
        yield "more than what the broker does"


OTHER_BOUNDARY = {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/mine"}
OURS = {"iam:PermissionsBoundary": BOUNDARY}
# What nobody may who was granted the role: (action, on what, in which circumstances).
NEVER = [
    ("iam:CreateRole", ROLES + "mine", {}), ("iam:CreateRole", ROLES + "mine", OTHER_BOUNDARY),
    ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/mine", {}),
    ("iam:AttachRolePolicy", ROLES + "other", {}), ("iam:PutRolePolicy", ROLES + "other", OTHER_BOUNDARY),
    ("iam:DeleteRolePermissionsBoundary", ROLES + "jit-elevated/mine", OURS),
    ("iam:PutRolePermissionsBoundary", ROLES + "jit-elevated/mine", OTHER_BOUNDARY),
    ("iam:CreatePolicyVersion", BOUNDARY, {}), ("iam:SetDefaultPolicyVersion", BOUNDARY, {}),
    ("iam:DeletePolicy", BOUNDARY, {}), ("iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/others", {}),
    ("iam:UpdateAssumeRolePolicy", ELEVATED, {}), ("iam:UpdateRole", ELEVATED, {}), ("iam:DeleteRole", ELEVATED, {}),
    ("iam:UpdateAssumeRolePolicy", ROLES + "OtherAdmin", {}), ("iam:PassRole", ROLES + "OtherAdmin", {}),
    ("sts:AssumeRole", ROLES + "OtherAdmin", {}), ("sts:AssumeRoot", f"arn:aws:iam::{ACCOUNT}:root", {}),
    ("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/boss", {}),
    ("iam:UpdateLoginProfile", f"arn:aws:iam::{ACCOUNT}:user/boss", {}),
    ("iam:AddUserToGroup", f"arn:aws:iam::{ACCOUNT}:group/admins", {}),
    ("iam:CreateSAMLProvider", f"arn:aws:iam::{ACCOUNT}:saml-provider/mine", {}),
    ("iam:UpdateOpenIDConnectProviderThumbprint", f"arn:aws:iam::{ACCOUNT}:oidc-provider/ci", {}),
    ("sso:CreateAccountAssignment", "*", {}), ("organizations:LeaveOrganization", "*", {}),
    ("cloudtrail:StopLogging", f"arn:aws:cloudtrail:eu-west-1:{ACCOUNT}:trail/all", {}),
    ("cloudtrail:DeleteTrail", "*", {}), ("cloudtrail:PutEventSelectors", "*", {}), ("cloudtrail:UpdateTrail", "*", {}),
    ("s3:DeleteBucket", "arn:aws:s3:::any", {
        "aws:ResourceTag/aws:cloudformation:stack-id": cfn.PSEUDO["AWS::StackId"]}),
    ("cloudformation:DeleteStack", cfn.PSEUDO["AWS::StackId"], {}),
]
# The same, where the broker lies in the same account.
NEVER_HERE = [
    ("dynamodb:PutItem", TABLE, {}), ("dynamodb:Query", TABLE + "/index/list", {}),
    ("dynamodb:DeleteTable", TABLE, {}), ("lambda:UpdateFunctionCode", FUNCTION + "Approve", {}),
    ("lambda:InvokeFunction", FUNCTION + "AssumeJITRole", {}), ("lambda:AddPermission", FUNCTION + "Status", {}),
    ("lambda:DeleteEventSourceMapping", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:event-source-mapping:0b6c", {
        "lambda:FunctionArn": FUNCTION + "Notify"}),
    ("states:SendTaskSuccess", MACHINE, {}), ("states:StartExecution", MACHINE + "-Express", {}),
    ("sts:AssumeRole", ROLES + "jit-broker-AssumeJITRole", {}), ("iam:PassRole", ROLES + "jit-broker-Sweep", {}),
    ("iam:PutRolePolicy", ROLES + "jit-broker-Approve", OURS),
    ("apigateway:GET", "arn:aws:apigateway:eu-west-1::/apikeys/abc", {}),
    ("apigateway:GET", "arn:aws:apigateway:eu-west-1::/apikeys", {}),
    ("apigateway:PATCH", "arn:aws:apigateway:eu-west-1::/account", {}),
    ("events:DisableRule", f"arn:aws:events:eu-west-1:{ACCOUNT}:rule/jit-broker-sweep", {}),
    ("cloudwatch:DisableAlarmActions", f"arn:aws:cloudwatch:eu-west-1:{ACCOUNT}:alarm:jit-broker-5xx", {}),
    ("logs:DeleteLogGroup", f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/lambda/jit-broker-Approve", {}),
    ("logs:DeleteLogGroup", f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/vendedlogs/states/jit-broker", {}),
    ("sns:Unsubscribe", f"arn:aws:sns:eu-west-1:{ACCOUNT}:jit-broker-alarms", {}),
    ("s3:PutObject", "arn:aws:s3:::<ArtifactBucket>/bundle.zip", {}),
]
# What it is for, and what an administrator needs of IAM.
ALWAYS = [
    ("ec2:TerminateInstances", f"arn:aws:ec2:eu-west-1:{ACCOUNT}:instance/i-1", {}),
    ("s3:GetObject", "arn:aws:s3:::x/y", {}),
    ("iam:CreateRole", ROLES + "jit-elevated/mine", OURS), ("iam:AttachRolePolicy", ROLES + "jit-elevated/mine", OURS),
    ("iam:PassRole", ROLES + "jit-elevated/mine", {}), ("iam:GetRole", ROLES + "other", {}),
    ("dynamodb:PutItem", f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/other", {}),
]


def boundary(template):
    role = template["Resources"].get("ElevatedRoleItself", {}).get("Properties", {})
    if role.get("PermissionsBoundary") != {"Ref": "ElevatedBoundary"}:
        yield "JIT-ElevatedAdminRole: no boundary"
    here = "Table" in template["Resources"]
    policy = Resolver(template)(template["Resources"]["ElevatedBoundary"]["Properties"]["PolicyDocument"])
    if cfn.size(policy) > 6144:
        yield f"the boundary has {cfn.size(policy)} characters, and IAM takes 6144"
    for action, resource, context in NEVER + (NEVER_HERE if here else []):
        if cfn.allows(policy, action, resource, context):
            yield f"within the boundary: {action} on {resource} {context or ''}"
    for action, resource, context in ALWAYS:
        if not cfn.allows(policy, action, resource, context):
            yield f"beyond the boundary: {action} on {resource}"


def handlers(template):
    code, have = set(handlers_of_the_code()), functions(template)
    for name in sorted(set(have) - code):
        yield f"{name}: no such handler"
    for name in sorted(code - set(have)):
        yield f"{name}: a handler without a function"
    settings, known = set(), settings_of_the_code()
    for handler, properties in have.items():
        settings |= set(properties["Environment"]["Variables"])
        if properties["Runtime"] != "provided.al2023" or properties["Layers"] != [{"Ref": "Policy"}]:
            yield f"{handler}: another runtime, or not the policy that all have"
        if properties["Environment"]["Variables"].get("JIT_BROKER_CONF") != "/opt/jit-broker.conf":
            yield f"{handler}: does not read the policy"
    for name in sorted(settings ^ known):
        yield f"{name}: set and read by nobody, or read and not set"
    notify = {handler for handler, properties in have.items() if "JIT_NOTIFY_PATH" in properties["Environment"]["Variables"]}
    if notify != {handler for handler, does in DOES.items() if READS_SECRETS <= does}:
        yield f"JIT_NOTIFY_PATH is set for {sorted(notify)}"


def _route(template, resource):
    path = ""
    while "Ref" in resource:
        properties = template["Resources"][resource["Ref"]]["Properties"]
        path, resource = f"/{properties['PathPart']}{path}", properties["ParentId"]
    return path


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
    for permission in of_type(template, "AWS::Lambda::Permission").values():
        properties = permission["Properties"]
        if properties["Principal"] == "apigateway.amazonaws.com":
            found = re.search(r"\$\{(Api|SignedApi)\}/prod/([A-Z]+)(/.+)$", properties["SourceArn"]["Fn::Sub"])
            path = found[3].replace("*", "{id}") if found else ""
            allowed.add((found and found[1], found and found[2], path,
                         properties["FunctionName"]["Ref"].removesuffix("Function")))
    for call in sorted(by_rest ^ code):
        yield f"REST API: {call}"
    for call in sorted(by_http ^ (code - persons)):  # their header of Authorization is the token's there
        yield f"HTTP API: {call}"
    for call in sorted(map(str, allowed ^ ({("Api", *c) for c in by_rest} | {("SignedApi", *c) for c in by_http}))):
        yield f"permission: {call}"


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
               ("ExecutionsFailed", "Workflow"), ("ApproximateNumberOfMessagesVisible",
                                                  "{'Fn::GetAtt': ['DeadLetters', 'QueueName']}")}
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


CHECKS = (stars, keys, usage_plans, logs, roles, trust, boundary, handlers, calls, table, deployment, alarms, secrets,
          workflows)
