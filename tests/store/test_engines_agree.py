"""The same random operations to SQLite, DynamoDB (moto), the simulated table and `store/dynamo` on the simulated
service: the same answers from all four."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chalicelib.core.ports import (
    Absent,
    Add,
    AtMost,
    Change,
    Check,
    Condition,
    ConditionFailed,
    Delete,
    Differs,
    Equals,
    Exists,
    Include,
    Item,
    Key,
    Missing,
    OneOf,
    Operation,
    Put,
    Remove,
    Set,
    Table,
    Update,
)
from chalicelib.store.dynamo import DynamoTable
from chalicelib.store.sqlite import SqliteTable
from tests.engines.dynamo_door import TABLE, Door
from tests.engines.dynamo_service import DynamoService
from tests.engines.simulated import SimulatedClock, SimulatedTable
from tests.store.engines import INDEXES, dynamo_table

EXAMPLES = 60
"""More than the quick profile's, still some ten seconds; moto is the slow one."""

# Few keys and few values, so that operations meet each other's effects. Each field keeps to one kind of value,
# because moto (not DynamoDB) takes 1 for True and a missing field for None.
keys = st.builds(Key, st.sampled_from(["P", "Q"]), st.sampled_from(["1", "10", "é"]))
numbers = st.sampled_from([0, 1, -7, 2**53 + 1])
texts = st.sampled_from(["", "a", "b", "ä🎬"])
members = st.frozensets(st.integers(0, 5), min_size=1, max_size=3)
nested = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
    max_leaves=4,
)
lanes = st.sampled_from(["A", "B"])


def fields() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"number": numbers, "text": texts},
        optional={"set": members | st.just(frozenset()), "tree": nested, "gen": st.integers(0, 9)},
    )


@st.composite
def items(draw: st.DrawFn) -> Item:
    key = draw(keys)
    # An index key of its own for each item: DynamoDB does not say in which order equals come.
    waiting = {} if draw(st.integers(0, 3)) == 0 else {"ready_pk": draw(lanes), "ready_sk": f"{key.sk}{key.pk}"}
    return {"pk": key.pk, "sk": key.sk, **draw(fields()), **waiting}


conditions: st.SearchStrategy[Condition] = st.one_of(
    st.just(Exists()),
    st.just(Absent()),
    st.builds(Equals, st.just("number"), numbers),
    st.builds(Equals, st.just("text"), texts),
    st.builds(Equals, st.just("set"), members),
    st.builds(OneOf, st.just("text"), st.lists(texts, min_size=1, max_size=3).map(tuple)),
    st.builds(AtMost, st.just("number"), numbers),
    st.builds(AtMost, st.just("text"), texts.filter(bool)),
    st.builds(Differs, st.just("number"), numbers),
    st.builds(Differs, st.just("text"), texts),
    st.builds(Missing, st.sampled_from(["number", "text", "set", "tree", "ready_pk"])),
)
when = st.just(()) | st.lists(conditions, max_size=2).map(tuple)

number_changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(Set, st.just("number"), numbers),
    st.builds(Add, st.just("number"), st.integers(-3, 3)),
    st.just(Remove("number")),
)
set_changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(Set, st.just("set"), members | st.just(frozenset())),
    st.builds(Include, st.just("set"), members),
    st.just(Remove("set")),
)
tree_changes: st.SearchStrategy[Change] = st.one_of(st.builds(Set, st.just("tree"), nested), st.just(Remove("tree")))
leave_lane = (Remove("ready_pk"), Remove("ready_sk"))


@st.composite
def updates(draw: st.DrawFn) -> Update:
    key = draw(keys)
    kinds = draw(st.lists(st.sampled_from([number_changes, set_changes, tree_changes]), min_size=1, unique_by=id))
    changes = [draw(kind) for kind in kinds]
    if draw(st.booleans()):
        enter = (Set("ready_pk", draw(lanes)), Set("ready_sk", f"{key.sk}{key.pk}"))
        changes += draw(st.sampled_from([leave_lane, enter]))
    return Update(key, tuple(changes), draw(when))


# A ValueError, if there is a text; else it would put a number there, and moto (not DynamoDB) finds numbers below texts.
# Alone in its update: moto (not DynamoDB) makes the changes before the wrong one.
is_text = OneOf("text", ("", "a", "b", "ä🎬"))
misfits = st.builds(Update, keys, st.just((Add("text", 1),)), when.map(lambda conditions: (*conditions, is_text)))
operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Put, items(), when), updates(), st.builds(Delete, keys, when), st.builds(Check, keys, when)
)
writes = st.lists(operations, min_size=1, max_size=3, unique_by=lambda operation: operation.key)
transactions = st.lists(writes, min_size=1, max_size=3)
ranges = st.fixed_dictionaries(
    {"limit": st.integers(1, 4), "descending": st.booleans()},
    optional={"first": st.sampled_from(["0", "1", "10", "2"]), "last": st.sampled_from(["1", "2P", "z"])},
)
beginnings = st.lists(items(), min_size=3, max_size=6, unique_by=lambda item: (item["pk"], item["sk"]))
calls = st.one_of(
    st.tuples(st.just("write"), writes),
    st.tuples(st.just("update"), updates() | misfits),
    st.tuples(st.just("write_many"), transactions),
    st.tuples(st.just("get_many"), st.lists(keys, max_size=5)),
    st.tuples(st.just("base"), st.sampled_from(["P", "Q"]), ranges),
    st.tuples(st.just("index"), lanes, ranges),
    st.tuples(st.just("take"), lanes, texts),
)


def pick(text: str) -> Any:
    """Prefers, as a scheduler might, what an index shows it; whatever the item's other fields are."""

    def choose(candidates: Any) -> Iterator[Update]:
        for item in candidates:
            if item["pk"] == "P" or text:
                change = (*leave_lane, Set("text", text))
                yield Update(Key(item["pk"], item["sk"]), change, when=(Equals("ready_pk", item["ready_pk"]),))

    return choose


def answer(table: Table, call: Any) -> Any:
    """What the engine says to the call, errors included, in a form that can be compared."""
    try:
        match call:
            case "write", batch:
                return table.write(*batch)
            case "update", update:
                return table.update(update)
            case "write_many", batches:
                return [failed and (failed.position, failed.item) for failed in table.write_many(batches)]
            case "get_many", wanted:
                return table.get_many(wanted)
            case "base", pk, how:
                return pages(table, pk, how, index=None)
            case "index", pk, how:
                return pages(table, pk, how, index="ready")
            case "take", pk, text:
                return table.take("ready", [pk], pick(text))
    except ConditionFailed as failed:
        return "refused", failed.position, failed.item
    except ValueError:
        return "wrong"


def pages(table: Table, pk: str, how: dict[str, Any], index: str | None) -> list[Any]:
    """The pages of a query without an empty last one, which engines may or may not give."""
    shown: list[Any] = []
    cursor: str | None = None
    while True:
        page = table.query(pk, index=index, cursor=cursor, **how)
        shown.append([projected(item, index) for item in page.items])
        cursor = page.cursor
        if cursor is None:
            return [items for items in shown if items]


def projected(item: Item, index: str | None) -> Item:
    """An index may show more than it must."""
    fields = item if index is None else ("pk", "sk", f"{index}_pk", f"{index}_sk", *INDEXES[index])
    return {field: item[field] for field in fields if field in item}


# Without shrinking, which would take minutes here: a story is short enough to read.
@settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(beginning=beginnings, story=st.lists(calls, min_size=6, max_size=16))
def test_the_engines_give_the_same_answers(
    dynamo_client: Any, service: tuple[Door, Any], beginning: list[Item], story: list[Any]
) -> None:
    first = ("write_many", [[Put(item)] for item in beginning])
    with tempfile.TemporaryDirectory() as folder:
        sqlite = SqliteTable(Path(folder) / "farm.db", INDEXES)
        clock = SimulatedClock()
        dynamo = dynamo_table(dynamo_client, now=lambda: clock.now() / 1000)
        simulated = SimulatedTable(INDEXES, seed=0, lag_ms=(0, 0), clock=clock)
        door, client = service
        door.service = DynamoService(SimulatedTable(INDEXES, seed=0, lag_ms=(0, 0), clock=clock), TABLE, seed=0)
        served = DynamoTable(client, TABLE, INDEXES, now=lambda: clock.now() / 1000)
        try:
            for call in [first, *story, ("base", "P", {"limit": 100}), ("base", "Q", {"limit": 100})]:
                clock.advance(60_000)  # longer than `take` remembers what it had taken
                expected = answer(sqlite, call)
                assert answer(dynamo, call) == expected, call
                assert answer(simulated, call) == expected, call
                assert answer(served, call) == expected, call
        finally:
            sqlite.close()
