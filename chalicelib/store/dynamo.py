"""The `Table` in AWS: one DynamoDB table, spoken to through boto3's low-level client.

Used on Lambda, by many processes at once that know nothing of each other; there is no state here but counters and
recent losses of `take`. Index reads lag behind the base table by milliseconds, at times by seconds.

Dies half way: each request happened or did not. `write_many` is many requests, and any number of them may have.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from botocore.config import Config

from chalicelib.core.ports import Check, ConditionFailed, Item, Key, Operation, T, Update, failure_of, table
from chalicelib.store import cursors
from chalicelib.store.checks import Indexes, check_key, check_query, check_transaction, check_update
from chalicelib.store.dynamo_expressions import Expressions, item_from_wire, key_to_wire
from chalicelib.store.dynamo_requests import single_write, transaction
from chalicelib.store.dynamo_retry import ATTEMPTS, Patience
from chalicelib.store.racing_take import RacingTake

KEYS_PER_READ = 100


def client_config() -> Config:
    """Repeating is the business of `Patience`. By default botocore repeats each attempt up to nine times, and waits a
    minute for an answer: a read of a table that throttles was given up after 36 s, longer than API Gateway holds a
    call; with this after 2 s. Two repetitions are left to botocore, for connections that broke."""
    return Config(retries={"mode": "legacy", "total_max_attempts": 3}, connect_timeout=2, read_timeout=5)


class DynamoTable:
    """`Table` on DynamoDB. `client` is `boto3.client("dynamodb", config=client_config())`.

    `parallel` is how many transactions `write_many` has under way at once; `patience` and `now` (seconds, for the
    memory of `take`) are for tests.
    `requests` counts the calls made to AWS by the client's method name, repetitions included.
    """

    exact = False

    def __init__(
        self,
        client: Any,
        table_name: str,
        indexes: Indexes,
        *,
        parallel: int = 1,
        patience: Patience | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._name = table_name
        self._indexes = dict(indexes)
        self._parallel = parallel
        self._patience = patience or Patience()
        self._racing = RacingTake(self.query, self.update, now=now)
        self.requests: Counter[str] = Counter()

    # ---- reading -------------------------------------------------------------------------------------------------

    def get(self, key: Key) -> Item | None:
        wire_key = key_to_wire(check_key(key))
        answer = self._call("get_item", {"TableName": self._name, "Key": wire_key, "ConsistentRead": True})
        return item_from_wire(answer["Item"]) if answer.get("Item") else None

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        checked = [check_key(key) for key in keys]
        distinct = list(dict.fromkeys(checked))
        found: dict[Key, Item] = {}
        for start in range(0, len(distinct), KEYS_PER_READ):
            for item in self._read_batch(distinct[start : start + KEYS_PER_READ]):
                found[Key(item["pk"], item["sk"])] = item
        return [found.get(key) for key in checked]

    def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        first: str | None = None,
        last: str | None = None,
        descending: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> table.Page:
        check_query(pk, index, limit, self._indexes)
        place = None if cursor is None else cursors.decode(cursor, index, pk)
        if last == "" or (first and last and first > last):
            return table.Page([], None)  # DynamoDB refuses a range that can hold nothing
        arguments = self._range(pk, index, first, last)
        arguments |= {"ScanIndexForward": not descending, "Limit": limit}
        if place is not None:
            arguments["ExclusiveStartKey"] = {field: {"S": text} for field, text in place.items()}
        answer = self._call("query", arguments)
        behind = answer.get("LastEvaluatedKey")
        items = [item_from_wire(item) for item in answer["Items"]]
        return table.Page(items, cursors.encode(item_from_wire(behind), index) if behind else None)

    def scan(self, *, limit: int = 100, cursor: str | None = None) -> table.Page:
        arguments: dict[str, Any] = {"Limit": limit, "ConsistentRead": True, "TableName": self._name}
        if cursor is not None:
            place = cursors.decode(cursor, None, None)
            arguments["ExclusiveStartKey"] = {field: {"S": text} for field, text in place.items()}
        answer = self._call("scan", arguments)
        behind = answer.get("LastEvaluatedKey")
        items = [item_from_wire(item) for item in answer["Items"]]
        return table.Page(items, cursors.encode(item_from_wire(behind), None) if behind else None)

    # ---- writing -------------------------------------------------------------------------------------------------

    def write(self, *operations: Operation) -> None:
        self._send(check_transaction(operations, self._indexes))

    def update(self, update: Update) -> Item:
        method, arguments = single_write(check_update(update, self._indexes), self._name)
        return item_from_wire(self._call(method, arguments)["Attributes"])

    def write_many(self, transactions: Sequence[Sequence[Operation]]) -> list[ConditionFailed | None]:
        checked = [check_transaction(operations, self._indexes) for operations in transactions]
        sends = [partial(self._send, operations) for operations in checked]
        if self._parallel <= 1 or len(sends) <= 1:
            return [failure_of(send) for send in sends]
        with ThreadPoolExecutor(min(self._parallel, len(sends))) as pool:
            return list(pool.map(failure_of, sends))

    def at_once(self, work: Callable[[], T]) -> T:
        return work()

    def take(
        self,
        index: str,
        pks: Sequence[str],
        pick: table.Pick,
        *,
        enough: table.Enough = table.first_is_enough,
        onward: table.Onward = table.with_the_next,
        page: int = 40,
    ) -> table.Taken:
        for pk in pks:
            check_query(pk, index, page, self._indexes)
        return self._racing.take(index, pks, pick, page, onward)

    # ---- requests ------------------------------------------------------------------------------------------------

    def _send(self, operations: list[Operation]) -> None:
        match operations:
            case []:
                return
            case [operation] if not isinstance(operation, Check):
                self._call(*single_write(operation, self._name))
            case _:
                self._call("transact_write_items", transaction(operations, self._name, str(uuid.uuid4())))

    def _call(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        function = getattr(self._client, method)

        def once() -> Mapping[str, Any]:
            self.requests[method] += 1
            answer: Mapping[str, Any] = function(**arguments)
            return answer

        return self._patience.call(once)

    def _range(self, pk: str, index: str | None, first: str | None, last: str | None) -> dict[str, Any]:
        expressions = Expressions()
        pk_field, sk_field, *_ = cursors.key_fields(index)
        condition = f"{expressions.name(pk_field)} = {expressions.value(pk)}"
        if first and last:
            low, high = expressions.value(first), expressions.value(last)
            condition += f" AND {expressions.name(sk_field)} BETWEEN {low} AND {high}"
        elif first:
            condition += f" AND {expressions.name(sk_field)} >= {expressions.value(first)}"
        elif last:
            condition += f" AND {expressions.name(sk_field)} <= {expressions.value(last)}"
        where = {"IndexName": index} if index is not None else {"ConsistentRead": True}
        return {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            **where,
            **expressions.arguments(),
        }

    def _read_batch(self, keys: Sequence[Key]) -> Iterator[Item]:
        """DynamoDB may leave keys out of a batch (16 MB, throttling) and says which: ask for those again."""
        wanted: Mapping[str, Any] = {self._name: {"Keys": [key_to_wire(key) for key in keys], "ConsistentRead": True}}
        for attempt in range(ATTEMPTS):
            if attempt:
                self._patience.pause(attempt)
            answer = self._call("batch_get_item", {"RequestItems": wanted})
            yield from map(item_from_wire, answer["Responses"].get(self._name, []))
            wanted = answer.get("UnprocessedKeys") or {}
            if not wanted:
                return
        raise table.TableUnavailable(f"DynamoDB left keys unread {ATTEMPTS} times")


def create_table(client: Any, table_name: str, indexes: Indexes) -> None:
    """Make the table and wait for it: for tests and local stand-ins. In AWS `infra/` makes it.

    Billed per request. An index holds the keys and the fields `indexes` gives, no more: its size is the price of
    each look at the head of a queue.
    """
    fields = ["pk", "sk", *(f"{name}_{half}" for name in indexes for half in ("pk", "sk"))]
    client.create_table(
        TableName=table_name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": field, "AttributeType": "S"} for field in fields],
        KeySchema=_key_schema("pk", "sk"),
        **_secondary_indexes(indexes),
    )
    client.get_waiter("table_exists").wait(TableName=table_name)


def _secondary_indexes(indexes: Indexes) -> dict[str, Any]:
    described = [
        {
            "IndexName": name,
            "KeySchema": _key_schema(f"{name}_pk", f"{name}_sk"),
            "Projection": (
                {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(fields)}
                if fields
                else {"ProjectionType": "KEYS_ONLY"}
            ),
        }
        for name, fields in indexes.items()
    ]
    return {"GlobalSecondaryIndexes": described} if described else {}


def _key_schema(partition: str, sort: str) -> Any:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
