"""What is to be said of JIT-ElevatedAdminRole in the templates of packaging/aws: who may take it on, and what its
boundary keeps whoever holds it off. Checks as in cfn_rules.py."""

import cfn
from cfn import ACCOUNT, ELEVATED, FUNCTION, MACHINE, ROLES, TABLE, Resolver, of_type

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/JIT-ElevatedAdminBoundary"
USERS = f"arn:aws:iam::{ACCOUNT}:user/"
PARAMETER = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter"


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
    ("iam:CreateUser", USERS + "mine", {}),
    ("iam:AttachRolePolicy", ROLES + "other", {}), ("iam:PutRolePolicy", ROLES + "other", OTHER_BOUNDARY),
    ("iam:DetachRolePolicy", ROLES + "other", {}), ("iam:DetachRolePolicy", ROLES + "other", OTHER_BOUNDARY),
    ("iam:DeleteRolePolicy", ROLES + "other", {}), ("iam:DeleteRolePolicy", ROLES + "other", OTHER_BOUNDARY),
    ("iam:DetachUserPolicy", USERS + "boss", {}), ("iam:DeleteUserPolicy", USERS + "boss", {}),
    ("iam:DeleteRolePermissionsBoundary", ROLES + "jit-elevated/mine", OURS),
    ("iam:PutRolePermissionsBoundary", ROLES + "jit-elevated/mine", OTHER_BOUNDARY),
    ("iam:CreatePolicyVersion", BOUNDARY, {}), ("iam:SetDefaultPolicyVersion", BOUNDARY, {}),
    ("iam:DeletePolicy", BOUNDARY, {}), ("iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/others", {}),
    ("iam:UpdateAssumeRolePolicy", ELEVATED, {}), ("iam:UpdateRole", ELEVATED, {}), ("iam:DeleteRole", ELEVATED, {}),
    ("iam:UpdateAssumeRolePolicy", ROLES + "OtherAdmin", {}), ("iam:PassRole", ROLES + "OtherAdmin", {}),
    ("sts:AssumeRole", ROLES + "OtherAdmin", {}), ("sts:AssumeRoot", f"arn:aws:iam::{ACCOUNT}:root", {}),
    ("iam:CreateAccessKey", USERS + "boss", {}),
    ("iam:UpdateLoginProfile", USERS + "boss", {}),
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
    ("iam:DeletePolicy", f"arn:aws:iam::{ACCOUNT}:policy/jit-broker-process", {}),
    ("iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/jit-broker-process", {}),
    ("ssm:GetParameter", PARAMETER + "/notify/chat", {}), ("ssm:PutParameter", PARAMETER + "/notify/chat", {}),
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
    ("iam:DetachRolePolicy", ROLES + "jit-elevated/mine", OURS),
    ("ssm:GetParameter", PARAMETER + "/theirs/x", {}), ("ssm:PutParameter", PARAMETER + "/x", {}),
    ("iam:PassRole", ROLES + "jit-elevated/mine", {}), ("iam:GetRole", ROLES + "other", {}),
    ("dynamodb:PutItem", f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/other", {}),
]


def boundary(template):
    role = template["Resources"].get("ElevatedRoleItself", {}).get("Properties", {})
    if role.get("PermissionsBoundary") != {"Ref": "ElevatedBoundary"}:
        yield "JIT-ElevatedAdminRole: no boundary"
    here = "Table" in template["Resources"]
    document = template["Resources"]["ElevatedBoundary"]["Properties"]["PolicyDocument"]
    policy = Resolver(template, NotifyPath="/notify")(document)
    if cfn.size(policy) > 6144:
        yield f"the boundary has {cfn.size(policy)} characters, and IAM takes 6144"
    for action, resource, context in NEVER + (NEVER_HERE if here else []):
        if cfn.allows(policy, action, resource, context):
            yield f"within the boundary: {action} on {resource} {context or ''}"
    for action, resource, context in ALWAYS:
        for unmet in ((), ("NotifySecrets", "Signed")):
            policy = Resolver(template, unmet, NotifyPath="" if unmet else "/notify")(document)
            if not cfn.allows(policy, action, resource, context):
                yield f"beyond the boundary{' without ' if unmet else ''}{' and '.join(unmet)}: {action} on {resource}"
