"""`./millrace status`: what there is of a stage, and whether somebody should look after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import requests
from botocore.exceptions import ClientError

from chalicelib.core import fleet_memory

from . import deployed, fleet
from .account import Account
from .deployed import CALL_SECONDS
from .errors import DeployFailed
from .stack import Described, Stack, Tell
from .stage import Stage

QUEUES = {"QueueUrl": "errands waiting", "DeadErrandsUrl": "errands given up", "DeadEventsUrl": "events given up"}


def status(account: Account, stage: Stage, url: str | None, tell: Tell) -> None:
    """Raises DeployFailed if there is no such stage."""
    there = Stack(account.client("cloudformation"), stage.stack, tell).describe()
    if there is None:
        raise DeployFailed(f"there is no stack {stage.stack} in {account.region}")
    tell(f"{'stack':<18} {stage.stack} in {account.region}: {there.status} {there.reason}".rstrip())
    url = url or there.outputs.get("Url")
    if url is not None:
        tell(f"{'farm':<18} {url}: {_answer(url)}")
    for output, words in QUEUES.items():
        tell(f"{words:<18} {_depth(account, there, output)}")
    for line in _fleet(account, stage, there):
        tell(f"{'fleet':<18} {line}")
    for name, state in _alarms(account, stage):
        tell(f"{'alarm':<18} {name}: {state}")


def _answer(url: str) -> str:
    try:
        answer = requests.get(f"{url}/api/v1/farm", timeout=CALL_SECONDS)
        return f"version {answer.json()['version']}" if answer.ok else f"answers {answer.status_code}"
    except (requests.RequestException, ValueError, KeyError) as error:
        return f"does not answer as a farm does ({type(error).__name__})"


def _depth(account: Account, there: Described, output: str) -> Any:
    attribute = "ApproximateNumberOfMessages"
    url = there.outputs.get(output)
    if url is None:
        return "-"
    asked = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])
    return asked["Attributes"][attribute]


def _fleet(account: Account, stage: Stage, there: Described) -> Iterator[str]:
    """How many machines there are and should be, and why; nothing for a farm without a fleet."""
    if "FleetGroup" not in there.outputs:
        return
    group = fleet.group(account, stage)
    if group is None:
        yield f"its group {fleet.group_name(stage)} is not there; deploy again"
        return
    states = Counter(one["LifecycleState"] for one in group["Instances"])
    machines = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
    yield f"{group['DesiredCapacity']} of at most {group['MaxSize']} wanted; there: {machines}"
    noted = fleet_memory.read(deployed.farm_of(account, there))
    at = datetime.fromtimestamp(noted.memory.looked_at / 1000, UTC).isoformat(" ", "minutes") if noted.version else "-"
    yield f"why, as of {at}: {noted.reason}"


def _alarms(account: Account, stage: Stage) -> list[tuple[str, str]]:
    try:
        pages = (
            account.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{stage.stack}-")
        )
        found = [alarm for page in pages for alarm in page["MetricAlarms"]]
    except ClientError as error:
        return [("-", error.response["Error"]["Message"])]
    return [(alarm["AlarmName"], alarm["StateValue"]) for alarm in found]
