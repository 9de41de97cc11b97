"""One DynamoDB request until it has an answer: what to repeat, what to give up on, and in whose words.

    ConditionFailed    the request's own conditions did not hold
    ValueError         DynamoDB finds the request itself wrong (a field of another type, an item too large)
    TableUnavailable   throttled, in conflict or unreachable for longer than our patience

A request is repeated only where DynamoDB says that it had no effect, or where repeating it does no harm. botocore
itself repeats a request whose answer was lost: a conditional write may then meet its own effect and be told that its
condition fails. Callers own this: whoever gets ConditionFailed looks at its `item` before believing it lost.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.core.ports import ConditionFailed, Item, TableUnavailable
from chalicelib.store.dynamo_expressions import item_from_wire

ATTEMPTS = 8
FIRST_WAIT_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 1.0

PASSING = frozenset(
    {
        "TransactionConflictException",  # a plain write met a transaction: not a failed condition, so try again
        "TransactionConflict",
        "TransactionInProgressException",
        "ProvisionedThroughputExceededException",
        "ProvisionedThroughputExceeded",
        "ThrottlingException",
        "ThrottlingError",
        "RequestLimitExceeded",
        "InternalServerError",
        "InternalFailure",
        "ServiceUnavailable",
    }
)
"""Error codes and cancellation codes after which the same request may succeed."""

Call = Callable[[], Mapping[str, Any]]


class Patience:
    """Repeats requests with growing, jittered waits. `sleep` and `chance` are for tests."""

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep, chance: random.Random | None = None) -> None:
        self._sleep = sleep
        self._chance = chance or random.Random()

    def call(self, call: Call) -> Mapping[str, Any]:
        """The answer, or one of the three errors above."""
        for attempt in range(ATTEMPTS):
            if attempt:
                self.pause(attempt)
            try:
                return call()
            except ClientError as error:
                reason = _judge(error)
            except BotoCoreError as error:
                # botocore has repeated it already, for longer than a worker should wait.
                raise TableUnavailable(f"DynamoDB did not answer: {error}") from error
        raise TableUnavailable(f"DynamoDB still answers {reason} after {ATTEMPTS} attempts")

    def pause(self, attempt: int) -> None:
        """Full jitter: those who collided once do not collide again in step."""
        longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)
        self._sleep(self._chance.uniform(0, longest))


def _judge(error: ClientError) -> str:
    """The passing reason to try again for; raises if there is none."""
    response: Mapping[str, Any] = error.response
    code = response.get("Error", {}).get("Code", "")
    if code == "ConditionalCheckFailedException":
        raise ConditionFailed(0, _old_item(response)) from error
    if code == "TransactionCanceledException":
        return _judge_reasons(error)
    if code == "ValidationException":
        raise ValueError(_message(response)) from error
    if code in PASSING:
        return str(code)
    raise TableUnavailable(f"DynamoDB refused: {code} {_message(response)}") from error


def _judge_reasons(error: ClientError) -> str:
    response: Mapping[str, Any] = error.response
    reasons = response.get("CancellationReasons", [])
    for position, reason in enumerate(reasons):
        if reason.get("Code") == "ConditionalCheckFailed":
            raise ConditionFailed(position, _old_item(reason)) from error
    for reason in reasons:
        if reason.get("Code") in ("ValidationError", "ItemCollectionSizeLimitExceeded"):
            raise ValueError(str(reason.get("Message"))) from error
    for reason in reasons:
        if reason.get("Code") in PASSING:
            return str(reason["Code"])
    raise TableUnavailable(f"DynamoDB canceled the transaction: {_message(response)}") from error


def _old_item(answer: Mapping[str, Any]) -> Item | None:
    item = answer.get("Item")
    return item_from_wire(item) if item else None


def _message(response: Mapping[str, Any]) -> str:
    return str(response.get("Error", {}).get("Message", ""))
