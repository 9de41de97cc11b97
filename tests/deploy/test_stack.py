"""The stack's states that a rehearsal does not reach, with CloudFormation's answers written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from deploy.changing import carry_out
from deploy.errors import DeployFailed
from deploy.stack import Stack

NAME = "millrace-prod"
Told = list[str]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def cloud() -> Iterator[Stubber]:
    with Stubber(boto3.client("cloudformation", region_name="eu-central-1")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def stack(cloud: Stubber, told: Told) -> Stack:
    return Stack(cloud.client, NAME, told.append, poll_seconds=0.01)


def described(status: str, reason: str = "") -> dict[str, Any]:
    one = {"StackName": NAME, "StackId": "arn:1", "CreationTime": datetime.now(UTC), "StackStatus": status}
    return {"Stacks": [{**one, "StackStatusReason": reason}]}


def event(number: int, name: str, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "StackId": "arn:1",
        "StackName": NAME,
        "EventId": str(number),
        "Timestamp": datetime.now(UTC),
        "LogicalResourceId": name,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def change(action: str, name: str, replacement: str = "False") -> dict[str, Any]:
    kind = f"AWS::Something::{name}"
    about = {"Action": action, "LogicalResourceId": name, "ResourceType": kind, "Replacement": replacement}
    return {"Type": "Resource", "ResourceChange": about}


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"])
def test_a_busy_stack_is_left_alone(cloud: Stubber, stack: Stack, status: str) -> None:
    cloud.add_response("describe_stacks", described(status))
    with pytest.raises(DeployFailed, match=f"{NAME} is {status}; wait until that has ended"):
        stack.made_ready()


def test_one_that_could_not_be_rolled_back_needs_a_person(cloud: Stubber, stack: Stack) -> None:
    cloud.add_response("describe_stacks", described("UPDATE_ROLLBACK_FAILED", "the role is gone"))
    with pytest.raises(DeployFailed, match=r"the role is gone(.|\n)*continue-update-rollback --stack-name"):
        stack.made_ready()


def test_a_stack_that_was_only_planned_is_created(cloud: Stubber, stack: Stack) -> None:
    cloud.add_response("describe_stacks", described("REVIEW_IN_PROGRESS"))
    assert stack.made_ready() is None


def test_an_update_that_fails_tells_why_and_what_became_of_it(cloud: Stubber, stack: Stack, told: Told) -> None:
    cloud.add_response("describe_stack_events", {"StackEvents": [event(1, "Table", "CREATE_COMPLETE")]})
    cloud.add_response("execute_change_set", {})
    events = [event(2, "APIHandler", "UPDATE_FAILED", "the code is too large"), event(1, "Table", "CREATE_COMPLETE")]
    cloud.add_response("describe_stack_events", {"StackEvents": events})
    cloud.add_response("describe_stacks", described("UPDATE_ROLLBACK_IN_PROGRESS"))
    more = [event(3, NAME, "UPDATE_ROLLBACK_COMPLETE"), *events]
    cloud.add_response("describe_stack_events", {"StackEvents": more})
    cloud.add_response("describe_stacks", described("UPDATE_ROLLBACK_COMPLETE"))
    with pytest.raises(DeployFailed, match=r"is UPDATE_ROLLBACK_COMPLETE:\n  APIHandler: the code is too large"):
        stack.execute("change")
    assert [line.split() for line in told] == [["UPDATE_FAILED", "APIHandler"], ["UPDATE_ROLLBACK_COMPLETE", NAME]]


@pytest.mark.parametrize("lost", [change("Modify", "Table", "True"), change("Remove", "Bucket")])
def test_what_would_lose_the_data_is_not_carried_out(
    cloud: Stubber, stack: Stack, told: Told, lost: dict[str, Any]
) -> None:
    cloud.add_response("describe_change_set", {"Changes": [change("Modify", "APIHandler"), lost]})
    cloud.add_response("delete_change_set", {})
    with pytest.raises(DeployFailed, match="nothing was changed"):
        carry_out(stack, "change", told.append, nullcontext())


def test_the_plan_is_told_in_numbers(cloud: Stubber, stack: Stack, told: Told) -> None:
    changes = [change("Add", "A"), change("Modify", "B"), change("Modify", "Table"), change("Remove", "C")]
    cloud.add_response("describe_change_set", {"Changes": changes})
    cloud.add_response("describe_stack_events", {"StackEvents": []})
    cloud.add_response("execute_change_set", {})
    cloud.add_response("describe_stack_events", {"StackEvents": []})
    cloud.add_response("describe_stacks", described("UPDATE_COMPLETE"))
    carry_out(stack, "change", told.append, nullcontext())
    assert told == [f"Changing {NAME}: 1 to add, 2 to modify, 1 to remove"]
