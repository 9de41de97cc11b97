"""`store/dynamo` and boto3 as they are, on a service that does to their requests what DynamoDB may."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.core.ports import (
    Absent,
    Check,
    ConditionFailed,
    Equals,
    Exists,
    Key,
    Put,
    Set,
    TableUnavailable,
    Update,
)
from chalicelib.store.dynamo import DynamoTable
from chalicelib.store.dynamo_retry import ATTEMPTS, Patience
from tests.engines.dynamo_door import TABLE, Door
from tests.engines.dynamo_service import DynamoService, ServiceFaults
from tests.engines.simulated import Faults, SimulatedTable
from tests.store.engines import INDEXES, put_task, walk

KEY = Key("TASK#1", "-")
Troubled = Callable[..., tuple[DynamoService, DynamoTable]]


@pytest.fixture
def troubled(service: tuple[Door, Any]) -> Troubled:
    """A service with these faults, and the table on it; its waits are none, those of boto3 are real."""
    door, client = service

    def make(seed: int = 1, short_page: float = 0.0, **faults: Any) -> tuple[DynamoService, DynamoTable]:
        below = SimulatedTable(INDEXES, seed, lag_ms=(0, 0), faults=Faults(short_page=short_page))
        door.service = DynamoService(below, TABLE, seed, ServiceFaults(**faults))
        return door.service, DynamoTable(client, TABLE, INDEXES, patience=Patience(sleep=lambda _: None))

    return make


def test_of_a_batch_that_is_done_in_part_the_rest_is_asked_for(troubled: Troubled) -> None:
    service, table = troubled(in_part=0.7)
    keys = [Key("MANY", f"{number:03}") for number in range(120)]
    table.write_many([[Put({"pk": key.pk, "sk": key.sk})] for key in keys[::2]])
    found = table.get_many(keys)
    assert [item is not None for item in found] == [number % 2 == 0 for number in range(120)]
    assert service.struck["batches in part"] > 0 and table.requests["batch_get_item"] > 2


def test_short_and_empty_pages_make_a_whole(troubled: Troubled) -> None:
    service, table = troubled(short_page=0.7)
    names = [f"{number:02}" for number in range(40)]
    table.write_many([[put_task(name)] for name in names])
    for how in ({"index": "ready"}, {"index": "ready", "descending": True}, {"index": "ready", "first": "10"}):
        found = [item["ready_sk"] for item in walk(table, "A", limit=7, **how)]
        wanted = [name for name in names if name >= str(how.get("first", ""))]
        assert found == (wanted[::-1] if how.get("descending") else wanted)
    assert service.table.struck["short pages"] > 0
    seen, cursor = [], None
    while True:
        page = table.scan(limit=7, cursor=cursor)
        seen += [item["pk"] for item in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == [f"TASK#{name}" for name in names]


def test_a_page_ends_at_a_megabyte(troubled: Troubled) -> None:
    _, table = troubled()
    for number in range(15):
        table.write(Put({"pk": "LARGE", "sk": f"{number:02}", "text": "x" * 100_000}))
    page = table.query("LARGE", limit=100)
    assert len(page.items) == 11 and page.cursor is not None
    assert len(walk(table, "LARGE")) == 15


@pytest.mark.parametrize("fault", ["failed", "lost"])
def test_of_a_write_that_met_itself_it_can_be_seen_that_it_took_effect(troubled: Troubled, fault: str) -> None:
    """Whatever was answered, the item tells: so the callers look at it."""
    own = 0
    service, table = troubled(**{fault: 0.5})
    for number in range(40):
        item = {"pk": f"JOB#{number}", "sk": "-"}
        try:
            table.write(Put(item, (Absent(),)))
        except ConditionFailed as failed:
            assert failed.item == item
            own += 1
        except TableUnavailable:
            continue
        assert service.table.get(Key(f"JOB#{number}", "-")) == item
    assert own > 0 and service.struck[f"{fault} after"] > 0


def test_a_transaction_that_met_itself_has_taken_effect_once(troubled: Troubled) -> None:
    service, table = troubled(failed=0.5)
    for number in range(30):
        item = {"pk": f"JOB#{number}", "sk": "-"}
        table.write(Put(item, (Absent(),)), Put({"pk": f"STEP#{number}", "sk": "-"}, (Absent(),)))
    assert service.struck["transactions repeated by their token"] > 0


def test_conflicts_are_no_failed_conditions(troubled: Troubled) -> None:
    service, table = troubled(conflict=0.5)
    table.write(Put({"pk": KEY.pk, "sk": KEY.sk, "gen": 0}))
    for gen in range(20):
        change = Update(KEY, (Set("gen", gen + 1),), (Equals("gen", gen),))
        table.write(change) if gen % 2 else table.write(change, Check(Key("JOB#1", "-"), (Absent(),)))
    assert table.get(KEY) == {"pk": KEY.pk, "sk": KEY.sk, "gen": 20}
    assert service.struck["conflicts"] > 0
    with pytest.raises(ConditionFailed) as failed:
        table.write(Put({"pk": "JOB#2", "sk": "-"}), Check(Key("JOB#1", "-"), (Exists(),)))
    assert (failed.value.position, failed.value.item) == (1, None)


def test_a_table_that_throttles_is_given_up_soon(troubled: Troubled) -> None:
    """Nobody repeats without end: neither we, nor boto3 within each of our attempts."""
    service, table = troubled(throttled=1.0)
    with pytest.raises(TableUnavailable):
        table.get(KEY)
    assert table.requests["get_item"] == ATTEMPTS
    assert ATTEMPTS < service.struck["throttled"] <= 3 * ATTEMPTS


def test_of_many_who_want_one_thing_one_has_it(troubled: Troubled) -> None:
    service, table = troubled(throttled=0.05, failed=0.05, lost=0.05, conflict=0.1)
    table.write(Put({"pk": KEY.pk, "sk": KEY.sk, "gen": 0}))

    def claims(name: int) -> bool:
        try:
            table.update(Update(KEY, (Set("gen", 1), Set("by", name)), (Equals("gen", 0),)))
        except ConditionFailed as failed:
            return failed.item is not None and failed.item.get("by") == name
        return True

    with ThreadPoolExecutor(16) as pool:
        won = [name for name, has in enumerate(pool.map(claims, range(64))) if has]
    assert won == [service.table.get(KEY)["by"]]  # type: ignore[index]


NAMED = {"ExpressionAttributeNames": {"#a": "a"}, "ExpressionAttributeValues": {":1": {"N": "1"}}}


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("UpdateItem", {"UpdateExpression": "SET #a = :1, #a = :1", **NAMED}),
        ("UpdateItem", {"UpdateExpression": "SET #a = :1 SET #a = :1", **NAMED}),
        ("UpdateItem", {"UpdateExpression": "SET #a = :1", "ExpressionAttributeNames": {"#a": "a"}}),
        ("UpdateItem", {"UpdateExpression": "REMOVE #a"}),
        ("DeleteItem", {"ConditionExpression": "size(#a) = :1"}),
        ("DeleteItem", {"ExpressionAttributeNames": {"#a": "a"}}),
    ],
)
def test_what_dynamodb_refuses_is_refused(service: tuple[Door, Any], action: str, more: dict[str, Any]) -> None:
    door, client = service
    door.service = DynamoService(SimulatedTable(INDEXES, 1), TABLE, 1)
    call = client.update_item if action == "UpdateItem" else client.delete_item
    with pytest.raises(client.exceptions.ClientError, match="ValidationException"):
        call(TableName=TABLE, Key={"pk": {"S": "A"}, "sk": {"S": "-"}}, **more)
