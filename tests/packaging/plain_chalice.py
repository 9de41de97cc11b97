"""`chalice deploy` of a stage, twice, in an account that is not there; prints as JSON what it made.

    python plain_chalice.py STAGE        (in a copy of the project)

moto stands for Lambda, EventBridge and what `./millrace deploy --only-infra` has made before. For API Gateway there is
only somebody who notes what it was told: moto's wants a description, which AWS does not and chalice does not give.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any
from unittest import mock

import boto3
from botocore import handlers
from moto import mock_aws

from deploy.chalice_config import CONFIG, FUNCTIONS, VARIABLES, stage_config

REGION = "eu-west-1"
TRUST = '{"Version": "2012-10-17", "Statement": []}'
ANSWERS: dict[str, Any] = {
    "ImportRestApi": {"id": "api1"},
    "GetRestApi": {"id": "api1", "endpointConfiguration": {"types": ["REGIONAL"]}},
}

told: list[tuple[str, dict[str, Any]]] = []


def note(model: Any, params: dict[str, Any], **_: Any) -> tuple[Any, Any]:
    """What botocore takes for the answer, instead of asking anybody."""
    body = params["body"]
    told.append((model.name, json.loads(body) if body else {}))
    answer = ANSWERS.get(model.name, {})
    return mock.Mock(status_code=200), {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}


def only_infra(session: Any, stage: str) -> None:
    """What chalice finds in the account and in its config."""
    iam, sqs = session.client("iam"), session.client("sqs")
    queue = sqs.create_queue(QueueName="errands")["QueueUrl"]
    table = session.client("dynamodb").create_table(
        TableName=f"millrace-{stage}",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    outputs = {
        "Stage": stage,
        "TableName": f"millrace-{stage}",
        "BucketName": f"millrace-{stage}-bucket",
        "QueueUrl": queue,
        "QueueArn": sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"],
        "StreamArn": table["LatestStreamArn"],
    }
    for name, _ in FUNCTIONS.values():
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        outputs[f"{name}RoleArn"] = role
    config = json.loads(CONFIG.read_text())
    config["stages"][stage] = stage_config(
        outputs, {**dict.fromkeys(VARIABLES.values(), ""), "WaitSeconds": "7"}, "arm64"
    )
    CONFIG.write_text(json.dumps(config))


def deploy(stage: str) -> None:
    from chalice.cli import main

    said = io.StringIO()
    with mock.patch.object(sys, "argv", ["chalice", "deploy", "--stage", stage]), contextlib.redirect_stdout(said):
        try:
            code = main()
        except SystemExit as exit:
            code = exit.code
    if code or "Could not install dependencies" in said.getvalue():
        sys.exit(f"chalice failed ({code}): {said.getvalue()}")


def made(session: Any) -> dict[str, Any]:
    functions, events = session.client("lambda"), session.client("events")
    rules = events.list_rules()["Rules"]
    return {
        "functions": functions.list_functions()["Functions"],
        "mappings": functions.list_event_source_mappings()["EventSourceMappings"],
        "rules": [{**one, "Targets": events.list_targets_by_rule(Rule=one["Name"])["Targets"]} for one in rules],
        "told": told,
    }


if __name__ == "__main__":
    handlers.BUILTIN_HANDLERS.append(("before-call.api-gateway", note))
    with mock_aws(config={"lambda": {"use_docker": False}}):
        session = boto3.session.Session(region_name=REGION)
        only_infra(session, sys.argv[1])
        for _ in range(2):  # the second brings code up
            deploy(sys.argv[1])
        print(json.dumps(made(session), default=str))
