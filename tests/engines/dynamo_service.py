"""DynamoDB itself, as a service: requests and answers as they are on the wire, with everything that it may do to them.

Underneath is a `SimulatedTable` without faults but lag; the faults are those of the service, in its own words, so that
boto3 and `store/dynamo` are what has to bear them:

    throttled     ProvisionedThroughputExceeded or Throttling, and nothing was done; in spells, or by partition
    failed        InternalServerError, before or after the write took effect: nobody can tell
    lost          no answer at all, before or after the effect; boto3 sends the request again by itself
    conflict      TransactionConflict, as an error of a plain write or a reason of a canceled transaction
    in part       BatchGetItem answers some keys and gives the others back as UnprocessedKeys
    short page    Query and Scan stop early, perhaps with nothing, and say where to go on

Always: pages of 1 MB, batches of 16 MB and 100 keys, transactions of 100 items that are harmless to repeat with their
token. BatchWriteItem is not here: the farm never uses it.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.ports import ConditionFailed, Item, Operation, TableUnavailable, Update
from chalicelib.store import cursors
from chalicelib.store.checks import item_bytes
from chalicelib.store.dynamo_expressions import item_to_wire, key_to_wire
from chalicelib.store.evaluate import all_hold
from tests.engines.dynamo_wire import Refused, Request, key, key_range, operation
from tests.engines.simulated import SimulatedTable

BATCH_BYTES = 16 * 1024 * 1024
BATCH_KEYS = 100
TRANSACTION_ITEMS = 100
SINGLE_WRITES = {"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete"}
Answer = dict[str, Any]


@dataclass(frozen=True)
class ServiceFaults:
    """How likely each is at each request (0 to 1)."""

    throttled: float = 0.0
    failed: float = 0.0
    lost: float = 0.0
    conflict: float = 0.0
    in_part: float = 0.0
    spells: bool = False
    """Now and then everything is throttled for some seconds: longer than the client's patience, at times."""


class Failed(Exception):
    """An answer that is an error, as boto3 reads it."""

    def __init__(self, code: str, message: str, *, status: int = 400, **more: Any) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more}


class NoAnswer(Exception):
    """The connection breaks instead."""


class DynamoService:
    """`struck` counts what was done to the callers. Any number of threads may call."""

    def __init__(self, table: SimulatedTable, name: str, seed: int, faults: ServiceFaults = ServiceFaults()) -> None:  # noqa: B008  (frozen)
        self.table, self.name, self.faults = table, name, faults
        self.struck: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._lock = threading.RLock()
        self._tokens: dict[str, Request] = {}
        self._spell = (0, 0)

    def answer(self, action: str, request: Request) -> Answer:
        """Raises Failed or NoAnswer."""
        writes = action in SINGLE_WRITES or action == "TransactWriteItems"
        self._refuse_perhaps(action)
        late = self._afterwards(writes)
        try:
            answer = self._act(action, request)
        except TableUnavailable as error:
            self.struck["throttled partitions"] += 1
            raise self._throttled(action, request, str(error)) from error
        except (Refused, ValueError, KeyError) as error:
            raise Failed("ValidationException", f"{action}: {error}") from error
        if late is not None:
            raise late
        return answer

    def _act(self, action: str, request: Request) -> Answer:
        match action:
            case "GetItem":
                self._of_this_table(request)
                found = self.table.get(key(request["Key"]))
                return {} if found is None else {"Item": item_to_wire(found)}
            case "BatchGetItem":
                return self._batch(request)
            case "Query" | "Scan":
                self._of_this_table(request)
                return self._page(action, request)
            case "TransactWriteItems":
                return self._transact(request)
            case _ if action in SINGLE_WRITES:
                self._of_this_table(request)
                return self._write(operation(SINGLE_WRITES[action], request), request)
        raise Failed("UnknownOperationException", f"{action} is not here")

    def _of_this_table(self, request: Request) -> None:
        if request.get("TableName") != self.name:
            raise Failed("ResourceNotFoundException", f"Requested resource not found: {request.get('TableName')}")

    # ---- reading -------------------------------------------------------------------------------------------------

    def _batch(self, request: Request) -> Answer:
        [(name, wanted)] = request["RequestItems"].items()
        self._of_this_table({"TableName": name})
        keys = [key(each) for each in wanted["Keys"]]
        if not 1 <= len(keys) <= BATCH_KEYS or len(set(keys)) < len(keys):
            raise Refused(f"a batch has 1 to {BATCH_KEYS} different keys")
        read, size = len(keys), 0
        found = self.table.get_many(keys)
        for number, item in enumerate(found):
            size += 0 if item is None else item_bytes(item)
            if size > BATCH_BYTES:
                read = number
                break
        if len(keys) > 1 and self._happens(self.faults.in_part):
            read = min(read, self._chance.randrange(1, len(keys)))
        self.struck["batches in part"] += read < len(keys)
        answered = [item_to_wire(item) for item in found[:read] if item is not None]
        self._shuffle(answered)  # in any order, says DynamoDB
        rest = {name: {**wanted, "Keys": [key_to_wire(each) for each in keys[read:]]}} if read < len(keys) else {}
        return {"Responses": {name: answered}, "UnprocessedKeys": rest}

    def _page(self, action: str, request: Request) -> Answer:
        index, start = request.get("IndexName"), request.get("ExclusiveStartKey")
        if index is not None and request.get("ConsistentRead"):
            raise Refused("Consistent reads are not supported on global secondary indexes")
        place = None if start is None else cursors.encode({field: text["S"] for field, text in start.items()}, index)
        limit = request.get("Limit", 1_000_000)
        if action == "Scan":
            page = self.table.scan(limit=limit, cursor=place)
        else:
            asked = key_range(request)
            pk_field, sk_field, *_ = cursors.key_fields(index)
            if asked.pk_field != pk_field or asked.sk_field not in (None, sk_field):
                raise Refused("Query condition missed key schema element")
            page = self.table.query(
                asked.pk,
                index=index,
                first=asked.first,
                last=asked.last,
                descending=not request.get("ScanIndexForward", True),
                limit=limit,
                cursor=place,
            )
            behind = page.cursor and cursors.decode(page.cursor, index, asked.pk)
        if action == "Scan":
            behind = page.cursor and cursors.decode(page.cursor, None, None)
        items = [item_to_wire(item) for item in page.items]
        more = {"LastEvaluatedKey": item_to_wire(dict(behind))} if behind else {}
        return {"Items": items, "Count": len(items), "ScannedCount": len(items), **more}

    # ---- writing -------------------------------------------------------------------------------------------------

    def _write(self, one: Operation, request: Request) -> Answer:
        if self._happens(self.faults.conflict):
            self.struck["conflicts"] += 1
            raise Failed("TransactionConflictException", "Transaction is ongoing for the item")
        try:
            if isinstance(one, Update):
                after = self.table.update(one)
                return {"Attributes": item_to_wire(after)} if request.get("ReturnValues") == "ALL_NEW" else {}
            self.table.write(one)
        except ConditionFailed as failure:
            old = _old_item(request, failure.item)
            raise Failed("ConditionalCheckFailedException", "The conditional request failed", **old) from failure
        return {}

    def _transact(self, request: Request) -> Answer:
        members = [pair for member in request["TransactItems"] for pair in member.items()]
        if not 1 <= len(members) <= TRANSACTION_ITEMS:
            raise Refused(f"a transaction has 1 to {TRANSACTION_ITEMS} items")
        for _, inner in members:
            self._of_this_table(inner)
        operations = [operation(kind, inner) for kind, inner in members]
        if len({one.key for one in operations}) < len(operations):
            raise Refused("Transaction request cannot include multiple operations on one item")
        if self._happens(self.faults.conflict):
            self.struck["conflicts"] += 1
            raise self._canceled(members, {self._chance.randrange(len(members)): {"Code": "TransactionConflict"}})
        token = request.get("ClientRequestToken")
        with self._lock:
            if token in self._tokens:
                if self._tokens[token] != request:
                    raise Failed("IdempotentParameterMismatchException", "the token was another request's")
                self.struck["transactions repeated by their token"] += 1
                return {}
            try:
                self.table.write(*operations)
            except ConditionFailed as failure:
                raise self._canceled(members, self._unmet(failure, operations, members)) from failure
            if token is not None:
                self._tokens[token] = request
        return {}

    def _unmet(
        self, failure: ConditionFailed, operations: list[Operation], members: list[tuple[str, Request]]
    ) -> dict[int, Answer]:
        """DynamoDB tells of all that did not hold, not of the first alone."""
        found = dict(enumerate(self.table.get_many([one.key for one in operations])))
        found[failure.position] = failure.item  # as it was then
        return {
            number: {"Code": "ConditionalCheckFailed", **_old_item(inner, found[number])}
            for number, (one, (_, inner)) in enumerate(zip(operations, members, strict=True))
            if not all_hold(one.when, found[number])
        }

    def _canceled(self, members: list[tuple[str, Request]], reasons: Mapping[int, Answer]) -> Failed:
        told = [reasons.get(number, {"Code": "None"}) for number in range(len(members))]
        return Failed("TransactionCanceledException", "Transaction cancelled", CancellationReasons=told)

    # ---- faults --------------------------------------------------------------------------------------------------

    def _refuse_perhaps(self, action: str) -> None:
        if self._in_a_spell() or self._happens(self.faults.throttled):
            self.struck["throttled"] += 1
            codes = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"]
            raise Failed(self._one_of(codes), "Rate of requests exceeds the allowed throughput")
        if self._happens(self.faults.failed / 2):
            self.struck["failed before"] += 1
            raise Failed("InternalServerError", "Internal server error", status=500)
        if self._happens(self.faults.lost / 2):
            self.struck["lost before"] += 1
            raise NoAnswer

    def _afterwards(self, writes: bool) -> Exception | None:
        if self._happens(self.faults.failed / 2):
            self.struck["failed after"] += writes
            return Failed("InternalServerError", "Internal server error", status=500)
        if self._happens(self.faults.lost / 2):
            self.struck["lost after"] += writes
            return NoAnswer()
        return None

    def _throttled(self, action: str, request: Request, message: str) -> Failed:
        if action != "TransactWriteItems":
            return Failed("ProvisionedThroughputExceededException", message)
        return self._canceled(
            [pair for member in request["TransactItems"] for pair in member.items()], {0: {"Code": "ThrottlingError"}}
        )

    def _in_a_spell(self) -> bool:
        """Every 5 to 20 s, for up to 5 s."""
        if not self.faults.spells:
            return False
        now = self.table.clock.now()
        with self._lock:
            begins, ends = self._spell
            if now >= ends:
                begins = now + self._chance.randrange(5_000, 20_000)
                self._spell = (begins, begins + self._chance.randrange(200, 5_000))
            return begins <= now < ends

    def _happens(self, likelihood: float) -> bool:
        with self._lock:
            return likelihood > 0 and self._chance.random() < likelihood

    def _one_of(self, choices: list[str]) -> str:
        with self._lock:
            return self._chance.choice(choices)

    def _shuffle(self, answered: list[Any]) -> None:
        with self._lock:
            self._chance.shuffle(answered)


def _old_item(request: Request, item: Item | None) -> Answer:
    wanted = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and item is not None
    return {"Item": item_to_wire(item)} if wanted and item is not None else {}
