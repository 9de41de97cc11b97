"""What calls to AWS a piece of the farm makes, and what IAM has to say about them.

Recorded from botocore itself, so that no call is forgotten; presigned requests count as made, since whoever signs must
be allowed to do it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

CHALICELIB = Path(__file__).resolve().parents[2] / "chalicelib"


class Need(NamedTuple):
    action: str
    resource: str
    """By the logical name in infra/: `Table`, `Table/index/ready`, `Bucket`, `Bucket/blobs/...`, `Errands`."""


TRANSACTED = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
OBJECTS = {
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "PutObject": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "AbortMultipartUpload": "AbortMultipartUpload",
    "DeleteObject": "DeleteObject",
}
FLEET = "millrace-test-fleet"
"""The one group that the role names. A call that names only an instance is held to the group of that instance."""
LOOKS = ("GetObject", "HeadObject")
"""Without s3:ListBucket these answer 403, and not 404, for what is missing."""


class Recorder:
    """Listens to a boto3 session; `needs` and `operations` grow."""

    def __init__(self) -> None:
        self.needs: set[Need] = set()
        self.operations: set[str] = set()

    def listen_to(self, session: Any) -> None:
        session.events.register("provide-client-params", self._note)

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.operations.add(model.name)
        self.needs.update(needs(model.service_model.service_name, model.name, params))


def needs(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[Need]:
    match service, operation:
        case "dynamodb", "TransactWriteItems":
            for item in params["TransactItems"]:
                [kind] = item
                yield Need(f"dynamodb:{TRANSACTED[kind]}", "Table")
        case "dynamodb", "Query" if "IndexName" in params:
            yield Need("dynamodb:Query", f"Table/index/{params['IndexName']}")
        case "dynamodb", _:
            yield Need(f"dynamodb:{operation}", "Table")
        case "s3", "ListObjectsV2":
            yield Need("s3:ListBucket", "Bucket")
        case "s3", _:
            yield Need(f"s3:{OBJECTS[operation]}", f"Bucket/{params['Key']}")
            if operation == "CopyObject":
                yield Need("s3:GetObject", f"Bucket/{params['CopySource']['Key']}")
            if operation in LOOKS:
                yield Need("s3:ListBucket", "Bucket")
        case "autoscaling", "DescribeAutoScalingGroups":
            yield Need("autoscaling:DescribeAutoScalingGroups", "*")
        case "autoscaling", _:
            group = params.get("AutoScalingGroupName", FLEET)
            yield Need(f"autoscaling:{operation}", f"autoScalingGroupName/{group}")
        case "sesv2", "SendEmail":
            yield Need("ses:SendEmail", f"identity/{params['FromEmailAddress']}")
        case "sqs", "SendMessage":
            yield Need("sqs:SendMessage", "Errands")
        case _:
            raise AssertionError(f"{service}:{operation} is new here: which permission does it need?")


class Permission(NamedTuple):
    action: str
    pattern: str

    def allows(self, need: Need) -> bool:
        return self.action == need.action and fnmatchcase(need.resource, self.pattern)


def permissions(role: Mapping[str, Any]) -> Iterator[Permission]:
    """What a role of infra/roles.yaml allows."""
    for policy in role["Properties"]["Policies"]:
        yield from statements(policy)


def statements(policy: Mapping[str, Any]) -> Iterator[Permission]:
    """What a policy of infra/ allows. Everything is only for what AWS knows nothing narrower for."""
    for statement in policy["PolicyDocument"]["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                assert resource != "*" or action == "autoscaling:DescribeAutoScalingGroups"
                yield Permission(action, _pattern(resource))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _pattern(resource: Mapping[str, Any] | str) -> str:
    match resource:
        case "*":
            return "*"
        case {"Fn::Sub": str(text)} if ":autoscaling:" in text:
            return text.rpartition(":")[2].replace("${Stage}", "test")
        case {"Fn::Sub": str(text)} if ":ses:" in text:
            return text.rpartition(":")[2]
        case {"Fn::GetAtt": [name, "Arn"]}:
            return str(name)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{name}.{attribute}"
        case {"Fn::Sub": str(text)}:
            return text.replace(".Arn}", "").replace("${", "")
    raise AssertionError(f"a role reaches {resource!r}, which is no resource of the stack")


def calls_in_the_code() -> set[str]:
    """Operations that chalicelib names by boto3's methods: `self._client.put_object()`, `self._call("query", ...)`."""
    found: set[str] = set()
    for path in CHALICELIB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                found.update(_named(node, node.func))
    return found


def _named(node: ast.Call, function: ast.Attribute) -> Iterator[str]:
    on = ast.unparse(function.value)
    if on in ("self._client", "self._sqs()") and not function.attr.startswith("generate_"):
        yield function.attr
    if function.attr in ("_call", "_presigned") and node.args and isinstance(node.args[0], ast.Constant):
        yield str(node.args[0].value)
