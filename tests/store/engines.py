"""What the tests of the engines share: indexes, small items, and how to walk a query."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
from moto import mock_aws

from chalicelib.core.ports import Equals, Item, Key, Put, Remove, Set, Table, Update
from chalicelib.store.dynamo import DynamoTable, create_table

INDEXES = {"ready": ("gen",), "lease": ()}


_table_numbers = itertools.count()


@contextmanager
def moto_client() -> Iterator[Any]:
    """A DynamoDB client that moto answers inside this process. Moto loses concurrent writes: one thread only."""
    with mock_aws():
        yield boto3.client("dynamodb", region_name="eu-west-1")


def dynamo_table(client: Any, now: Callable[[], float] = time.monotonic) -> DynamoTable:
    """A new, empty table; making one is much quicker than making a client."""
    return dynamo_table_with(client, INDEXES, now)


def dynamo_table_with(
    client: Any, indexes: Mapping[str, tuple[str, ...]], now: Callable[[], float] = time.monotonic
) -> DynamoTable:
    name = f"farm-{next(_table_numbers)}"
    create_table(client, name, indexes)
    return DynamoTable(client, name, indexes, now=now)


def put_task(name: str, **fields: Any) -> Put:
    """A task waiting in lane `A` of the ready index, in the order of its name."""
    waiting = {"status": "queued", "gen": 0, "ready_pk": "A", "ready_sk": name}
    return Put({"pk": f"TASK#{name}", "sk": "-", **waiting, **fields})


def claim(task: Item) -> Update:
    """The update that a claim makes, conditional on the task being as the index showed it."""
    return Update(
        Key(task["pk"], task["sk"]),
        (Set("status", "active"), Set("gen", task["gen"] + 1), Remove("ready_pk"), Remove("ready_sk")),
        when=(Equals("status", "queued"), Equals("gen", task["gen"])),
    )


def claim_first(candidates: Sequence[Item]) -> Iterator[Update]:
    yield from map(claim, candidates)


def claim_only(fits: Callable[[Item], bool]) -> Callable[[Sequence[Item]], Iterator[Update]]:
    return lambda candidates: (claim(task) for task in candidates if fits(task))


def walk(table: Table, pk: str, **how: Any) -> list[Item]:
    """All items of a query, page after page."""
    items: list[Item] = []
    cursor: str | None = None
    while True:
        page = table.query(pk, cursor=cursor, **how)
        items += page.items
        cursor = page.cursor
        if cursor is None:
            return items
