"""DynamoDB under sixteen threads, on a stand-in that keeps its promises (moto loses writes): one winner per condition,
no increment lost, no task taken twice, transactions whole."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.ports import Absent, Add, ConditionFailed, Equals, Key, Put, Set, TableUnavailable, Update
from chalicelib.store.dynamo import DynamoTable
from tests.store.engines import claim_first, dynamo_table, put_task
from tests.store.test_sqlite_threads import COUNTER, THREADS, at_once

pytestmark = pytest.mark.full


@pytest.fixture
def table(ministack_client: Any) -> DynamoTable:
    return dynamo_table(ministack_client)


def test_sixteen_workers_take_each_task_once(table: DynamoTable) -> None:
    table.write_many([[put_task(f"{number:03}")] for number in range(100)])

    def take_all(_: int) -> list[str]:
        mine = []
        while (taken := table.take("ready", ["A"], claim_first)).item is not None or taken.contended:
            if taken.item is not None:
                mine.append(taken.item["pk"])
        return mine

    taken = [pk for mine in at_once(take_all) for pk in mine]
    assert sorted(taken) == [f"TASK#{number:03}" for number in range(100)]


def test_no_increment_is_lost(table: DynamoTable) -> None:
    table.write(Put({"pk": "COUNTER", "sk": "-", "n": 0}))
    at_once(lambda _: [table.update(Update(COUNTER, (Add("n", 1),))) for _ in range(20)])
    assert table.get(COUNTER) == {"pk": "COUNTER", "sk": "-", "n": THREADS * 20}


def test_of_sixteen_that_put_the_same_item_one_succeeds(table: DynamoTable) -> None:
    for item in range(20):

        def put(number: int, item: int = item) -> bool:
            try:
                table.write(Put({"pk": f"ALIAS#{item}", "sk": "-", "by": number}, when=(Absent(),)))
            except ConditionFailed as failed:
                assert failed.item is not None
                return False
            return True

        assert at_once(put).count(True) == 1


def test_transactions_on_two_items_keep_them_equal(table: DynamoTable) -> None:
    keys = [Key("PAIR", "a"), Key("PAIR", "b")]
    table.write(*(Put({"pk": key.pk, "sk": key.sk, "n": 0}) for key in keys))

    def add(_: int) -> int:
        done = 0
        for _ in range(10):
            seen = [item["n"] for item in table.get_many(keys) if item is not None]
            try:
                table.write(
                    *(Update(k, (Set("n", n + 1),), (Equals("n", n),)) for k, n in zip(keys, seen, strict=True))
                )
                done += 1
            except (ConditionFailed, TableUnavailable):
                pass  # somebody else was faster
        return done

    succeeded = sum(at_once(add))
    assert succeeded > 0
    assert [item and item["n"] for item in table.get_many(keys)] == [succeeded, succeeded]
