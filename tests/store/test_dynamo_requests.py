"""What is sent to AWS: readable expressions, few requests, and the right thing after each refusal.

Moto neither conflicts nor throttles, so those answers come from botocore's own stub.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber

from chalicelib.core.ports import (
    Absent,
    AtMost,
    Check,
    ConditionFailed,
    Differs,
    Equals,
    Exists,
    Include,
    Key,
    Missing,
    OneOf,
    Put,
    Remove,
    Set,
    TableUnavailable,
    Update,
)
from chalicelib.store.dynamo import DynamoTable
from chalicelib.store.dynamo_expressions import Expressions, from_wire, item_to_wire
from chalicelib.store.dynamo_retry import ATTEMPTS, Patience
from tests.store.engines import INDEXES, claim_first, dynamo_table, put_task, walk

KEY = Key("TASK#1", "-")
RENEW = Update(KEY, (Set("until", 5),), when=(Equals("gen", 1),))
OLD_ITEM = {"pk": {"S": "TASK#1"}, "sk": {"S": "-"}, "gen": {"N": "2"}}


class Answers:
    """A table whose requests get prepared answers, and the waits between its attempts."""

    def __init__(self) -> None:
        client = boto3.client("dynamodb", region_name="eu-west-1")
        self.stub = Stubber(client)
        self.waits: list[float] = []
        self.table = DynamoTable(client, "farm", INDEXES, patience=Patience(sleep=self.waits.append))

    def refuse(self, method: str, code: str, **more: Any) -> None:
        self.stub.add_client_error(method, code, modeled_fields=more or None)


@pytest.fixture
def answers() -> Iterator[Answers]:
    prepared = Answers()
    with prepared.stub:
        yield prepared
        prepared.stub.assert_no_pending_responses()


def test_each_half_of_a_condition_can_be_read() -> None:
    expressions = Expressions()
    when = (Exists(), Equals("status", "active"), OneOf("gen", (1, 2)), AtMost("until", 9), Missing("cancel"), Absent())
    when = (*when, Differs("by", 7))
    assert expressions.condition(when) == (
        "attribute_exists(#pk) AND #status = :1 AND #gen IN (:2, :3) AND #until <= :4 "
        "AND attribute_not_exists(#cancel) AND attribute_not_exists(#pk) AND (attribute_not_exists(#by) OR #by <> :5)"
    )
    changes = (
        Set("status", "failed"),
        Remove("ready_pk"),
        Set("gen", 3),
        Remove("a.b"),
        Include("done", frozenset({1})),
    )
    assert expressions.changes(changes) == "SET #status = :6, #gen = :7 REMOVE #ready_pk, #7_ ADD #done :8"
    assert expressions.arguments()["ExpressionAttributeNames"]["#7_"] == "a.b"


def test_an_alias_stands_for_one_field_only() -> None:
    expressions = Expressions()
    fields = ["0_", "a.b", "1_", "status", "a.b", "status", "x" * 300, "#"]
    aliases = [expressions.name(field) for field in fields]
    names = expressions.arguments()["ExpressionAttributeNames"]
    assert [names[alias] for alias in aliases] == fields
    assert all(re.fullmatch(r"#[A-Za-z0-9_]+", alias) for alias in aliases)


def test_a_value_the_farm_never_writes_is_named() -> None:
    with pytest.raises(ValueError, match="kind B"):
        from_wire({"B": b"x"})


@pytest.mark.parametrize(
    "code",
    [
        "TransactionConflictException",
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "InternalServerError",
        "RequestLimitExceeded",
    ],
)
def test_a_renewal_that_meets_a_passing_trouble_is_sent_again(answers: Answers, code: str) -> None:
    answers.refuse("update_item", code)
    answers.refuse("update_item", code)
    answers.stub.add_response("update_item", {"Attributes": OLD_ITEM})
    assert answers.table.update(RENEW) == {"pk": "TASK#1", "sk": "-", "gen": 2}
    assert answers.table.requests == {"update_item": 3}
    assert len(answers.waits) == 2 and all(0 <= wait <= 0.1 for wait in answers.waits)


def test_patience_ends(answers: Answers) -> None:
    for _ in range(ATTEMPTS):
        answers.refuse("update_item", "ThrottlingException")
    with pytest.raises(TableUnavailable, match="ThrottlingException"):
        answers.table.update(RENEW)
    assert sum(answers.waits) < 5


def test_a_refused_condition_is_not_sent_again(answers: Answers) -> None:
    answers.refuse("update_item", "ConditionalCheckFailedException", Item=OLD_ITEM)
    with pytest.raises(ConditionFailed) as failed:
        answers.table.update(RENEW)
    assert failed.value.item == {"pk": "TASK#1", "sk": "-", "gen": 2}


def test_a_transaction_in_conflict_is_sent_again_with_the_same_token(answers: Answers) -> None:
    for code in ("TransactionConflict", "ThrottlingError"):
        reasons = [{"Code": "None"}, {"Code": code}]
        answers.refuse("transact_write_items", "TransactionCanceledException", CancellationReasons=reasons)
    answers.stub.add_response("transact_write_items", {}, {"TransactItems": ANY, "ClientRequestToken": ANY})
    tokens: list[str] = []
    answers.table._client.meta.events.register(
        "provide-client-params.dynamodb.TransactWriteItems",
        lambda params, **_: tokens.append(params["ClientRequestToken"]),
    )
    answers.table.write(Put({"pk": "JOB#1", "sk": "-"}), Check(KEY, when=(Exists(),)))
    assert len(tokens) == 3 and len(set(tokens)) == 1


def test_a_failed_condition_counts_more_than_a_conflict_beside_it(answers: Answers) -> None:
    reasons = [{"Code": "TransactionConflict"}, {"Code": "ConditionalCheckFailed", "Item": OLD_ITEM}]
    answers.refuse("transact_write_items", "TransactionCanceledException", CancellationReasons=reasons)
    with pytest.raises(ConditionFailed) as failed:
        answers.table.write(Put({"pk": "JOB#1", "sk": "-"}), Check(KEY, when=(Exists(),)))
    assert (failed.value.position, failed.value.item) == (1, {"pk": "TASK#1", "sk": "-", "gen": 2})


def test_an_answer_nobody_understands_is_not_sent_again(answers: Answers) -> None:
    answers.refuse("update_item", "AccessDeniedException")
    with pytest.raises(TableUnavailable, match="AccessDeniedException"):
        answers.table.update(RENEW)
    answers.refuse("transact_write_items", "TransactionCanceledException", CancellationReasons=[{"Code": "Strange"}])
    with pytest.raises(TableUnavailable):
        answers.table.write(Check(KEY, when=(Exists(),)))


def test_an_unreachable_table_is_unavailable(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://dynamodb.eu-west-1.amazonaws.com")

    monkeypatch.setattr(answers.table._client, "get_item", unreachable)
    with pytest.raises(TableUnavailable, match="eu-west-1"):
        answers.table.get(KEY)


def test_keys_left_unread_are_asked_for_again(answers: Answers) -> None:
    keys = [{"pk": {"S": "TASK#1"}, "sk": {"S": "-"}}, {"pk": {"S": "TASK#2"}, "sk": {"S": "-"}}]
    first = {"RequestItems": {"farm": {"Keys": keys, "ConsistentRead": True}}}
    rest = {"farm": {"Keys": keys[:1], "ConsistentRead": True}}
    answers.stub.add_response("batch_get_item", {"Responses": {"farm": [keys[1]]}, "UnprocessedKeys": rest}, first)
    answers.stub.add_response("batch_get_item", {"Responses": {"farm": [OLD_ITEM]}}, {"RequestItems": rest})
    found = answers.table.get_many([KEY, Key("TASK#2", "-"), KEY])
    assert [item and item.get("gen", 0) for item in found] == [2, 0, 2]
    assert len(answers.waits) == 1


@pytest.mark.parametrize("queued", [10, 2000])
def test_a_take_is_one_query_and_one_update_however_long_the_queue(dynamo_client: Any, queued: int) -> None:
    table = dynamo_table(dynamo_client)
    for start in range(0, queued, 25):
        # Past the table: moto needs a minute for as many transactions.
        tasks = [put_task(f"{number:04}").item for number in range(start, min(start + 25, queued))]
        puts = [{"PutRequest": {"Item": item_to_wire(task)}} for task in tasks]
        dynamo_client.batch_write_item(RequestItems={table._name: puts})
    taken = table.take("ready", ["A"], claim_first)
    assert taken.item is not None and taken.item["pk"] == "TASK#0000"
    assert table.requests == {"query": 1, "update_item": 1}


def test_independent_transactions_may_run_side_by_side(dynamo_client: Any) -> None:
    table = dynamo_table(dynamo_client)
    beside = DynamoTable(dynamo_client, table._name, INDEXES, parallel=4)
    # One transaction at a time writes here, because moto loses concurrent writes: the others are refused or read.
    refused = [Put({"pk": "JOB#1", "sk": str(number)}, when=(Exists(),)) for number in range(9)]
    results = beside.write_many([[operation] for operation in refused])
    assert [failed and failed.item for failed in results] == [None] * 9
    assert all(isinstance(failed, ConditionFailed) for failed in results)
    assert walk(table, "JOB#1") == []
