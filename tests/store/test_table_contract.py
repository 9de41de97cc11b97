"""What every engine of the `Table` port does alike. The farm's logic relies on each line of this."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any

import pytest

from chalicelib.core.ports import (
    Absent,
    Add,
    AtMost,
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
    Put,
    Remove,
    Set,
    Table,
    Taken,
    Update,
)
from chalicelib.store.counting import CountingTable
from tests.store.engines import claim, claim_first, claim_only, put_task, walk

KEY = Key("JOB#1", "-")
JOB = {
    "pk": "JOB#1",
    "sk": "-",
    "name": "Größe 🎬 \u0000 \U0010ffff",
    "status": "queued",
    "gen": 3,
    "big": 2**53 + 1,
    "flag": True,
    "nothing": None,
    "list": [1, "two", None, [False]],
    "map": {"deep": {"er": [{}]}, "empty": ""},
    "done": frozenset({-1, 0, 2**62}),
}


def update(*changes: Any, when: tuple[Condition, ...] = ()) -> Update:
    return Update(KEY, changes, when)


# ---- reading and writing one item ----------------------------------------------------------------------------------


def test_an_item_comes_back_as_it_was_written(table: Table) -> None:
    table.write(Put(JOB))
    assert table.get(KEY) == JOB
    assert table.get(Key("JOB#1", "other")) is None


def test_types_survive(table: Table) -> None:
    table.write(Put({**JOB, "one": 1, "true": True}))
    item = table.get(KEY)
    assert item is not None
    assert (type(item["one"]), type(item["true"]), type(item["done"])) == (int, bool, frozenset)


def test_a_put_replaces_the_whole_item(table: Table) -> None:
    table.write(Put(JOB))
    table.write(Put({"pk": "JOB#1", "sk": "-", "status": "active"}))
    assert table.get(KEY) == {"pk": "JOB#1", "sk": "-", "status": "active"}


def test_100_kilobytes_fit(table: Table) -> None:
    text = "ä" * 50_000
    table.write(Put({**JOB, "settings": text}))
    item = table.get(KEY)
    assert item is not None and item["settings"] == text


def test_deleting_twice_is_deleting_once(table: Table) -> None:
    table.write(Put(JOB))
    table.write(Delete(KEY))
    table.write(Delete(KEY))
    assert table.get(KEY) is None


def test_writing_nothing_changes_nothing(table: Table) -> None:
    table.write()
    assert table.write_many([]) == []
    assert table.write_many([[]]) == [None]


def test_get_many_keeps_the_order_asked_for_also_past_a_hundred(table: Table) -> None:
    keys = [Key("MANY", f"{number:03}") for number in range(120)]
    for key in keys[::2]:
        table.write(Put({"pk": key.pk, "sk": key.sk}))
    asked = [*reversed(keys), keys[0]]
    expected = [{"pk": key.pk, "sk": key.sk} if int(key.sk) % 2 == 0 else None for key in asked]
    assert table.get_many(asked) == expected
    assert table.get_many([]) == []


def test_what_a_caller_does_to_its_copy_is_not_written(table: Table) -> None:
    mine: dict[str, Any] = {"pk": "JOB#1", "sk": "-", "list": [1]}
    table.write(Put(mine))
    mine["list"].append(2)
    read = table.get(KEY)
    assert read is not None and read["list"] == [1]
    read["list"].append(3)
    again = table.get(KEY)
    assert again is not None and again["list"] == [1]


# ---- conditions ----------------------------------------------------------------------------------------------------

HOLD: list[tuple[Condition, ...]] = [
    (Exists(),),
    (Equals("status", "queued"),),
    (Equals("gen", 3),),
    (Equals("flag", True),),
    (Equals("nothing", None),),
    (Equals("list", [1, "two", None, [False]]),),
    (Equals("map", {"empty": "", "deep": {"er": [{}]}}),),
    (Equals("done", frozenset({2**62, -1, 0})),),
    (OneOf("status", ("active", "queued")),),
    (OneOf("gen", tuple(range(100))),),
    (AtMost("gen", 3),),
    (AtMost("gen", 4),),
    (AtMost("status", "queued"),),
    (AtMost("status", "r"),),
    (Missing("other"),),
    (Differs("gen", 4),),
    (Differs("status", "active"),),
    (Differs("other", 5),),
    (Equals("status", "queued"), AtMost("gen", 3), Missing("other"), Exists()),
]

FAIL: list[tuple[Condition, ...]] = [
    (Absent(),),
    (Equals("status", "active"),),
    (Equals("gen", "3"),),
    (Equals("gen", True),),
    (Equals("other", "queued"),),
    (OneOf("status", ("active", "paused")),),
    (OneOf("other", ("queued",)),),
    (AtMost("gen", 2),),
    (AtMost("status", "queue"),),
    (AtMost("other", 5),),
    (Missing("nothing"),),
    (Differs("gen", 3),),
    (Differs("status", "queued"), Exists()),
    (Equals("status", "queued"), Equals("gen", 4)),
]

FAIL_BY_KIND: list[tuple[Condition, ...]] = [
    (Equals("flag", 1),),
    (Equals("list", [1, "two", None, [0]]),),
    (Equals("other", None),),
    (OneOf("flag", (1, "true")),),
    (AtMost("gen", "z"),),
    (AtMost("flag", 5),),
]
"""DynamoDB compares the kind first. Moto compares Python values, to which 1 is True and a missing field is None."""


@pytest.mark.parametrize("when", HOLD, ids=str)
def test_a_condition_that_holds_lets_the_write_through(table: Table, when: tuple[Condition, ...]) -> None:
    table.write(Put(JOB))
    assert table.update(update(Set("seen", True), when=when)) == {**JOB, "seen": True}


@pytest.mark.parametrize("when", FAIL, ids=str)
def test_a_condition_that_fails_tells_what_stands_there(table: Table, when: tuple[Condition, ...]) -> None:
    table.write(Put(JOB))
    with pytest.raises(ConditionFailed) as failed:
        table.update(update(Set("seen", True), when=when))
    assert (failed.value.position, failed.value.item) == (0, JOB)
    assert table.get(KEY) == JOB


@pytest.mark.parametrize("when", FAIL_BY_KIND, ids=str)
def test_a_value_of_another_kind_is_another_value(
    table: Table, when: tuple[Condition, ...], request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["table"] in ("dynamo", "ministack"):
        pytest.skip("moto does not tell kinds apart, DynamoDB does")
    table.write(Put(JOB))
    with pytest.raises(ConditionFailed):
        table.update(update(Set("seen", True), when=when))


@pytest.mark.parametrize("when", [Exists(), Equals("gen", 3), OneOf("gen", (3,)), AtMost("gen", 3)], ids=str)
def test_of_an_absent_item_nothing_is_true(table: Table, when: Condition) -> None:
    for operation in (update(Set("gen", 4), when=(when,)), Delete(KEY, (when,)), Put(JOB, (when,))):
        with pytest.raises(ConditionFailed) as failed:
            table.write(operation)
        assert failed.value.item is None
    assert table.get(KEY) is None


def test_of_an_absent_item_absence_is_true(table: Table) -> None:
    assert table.update(update(Set("gen", 1), when=(Absent(), Missing("gen")))) == {"pk": "JOB#1", "sk": "-", "gen": 1}


def test_put_if_absent_writes_once(table: Table) -> None:
    table.write(Put(JOB, when=(Absent(),)))
    with pytest.raises(ConditionFailed) as failed:
        table.write(Put({**JOB, "gen": 9}, when=(Absent(),)))
    assert failed.value.item == JOB
    assert table.get(KEY) == JOB


def test_a_conditional_delete_may_be_refused(table: Table) -> None:
    table.write(Put(JOB))
    with pytest.raises(ConditionFailed):
        table.write(Delete(KEY, (Equals("gen", 4),)))
    table.write(Delete(KEY, (Equals("gen", 3),)))
    assert table.get(KEY) is None


# ---- changes -------------------------------------------------------------------------------------------------------


def test_changes_of_every_kind_in_one_update(table: Table) -> None:
    table.write(Put(JOB))
    after = table.update(
        update(
            Set("status", None),
            Set("name", {"a": [1]}),
            Remove("flag"),
            Remove("other"),
            Add("gen", -5),
            Add("fresh", 7),
            Include("done", frozenset({0, 5})),
            Include("new", frozenset({1})),
        )
    )
    expected = {**JOB, "status": None, "name": {"a": [1]}, "gen": -2, "fresh": 7, "new": frozenset({1})}
    del expected["flag"]
    expected["done"] = frozenset({-1, 0, 5, 2**62})
    assert after == expected
    assert table.get(KEY) == expected


def test_an_update_without_a_condition_creates_the_item(table: Table) -> None:
    assert table.update(update(Set("gen", 1))) == {"pk": "JOB#1", "sk": "-", "gen": 1}
    assert table.get(KEY) == {"pk": "JOB#1", "sk": "-", "gen": 1}


def test_including_twice_is_including_once(table: Table) -> None:
    for _ in range(2):
        after = table.update(update(Include("done", frozenset({7, 8}))))
    assert after["done"] == frozenset({7, 8})


def test_an_empty_number_set_is_no_field(table: Table) -> None:
    table.write(Put({**JOB, "done": frozenset()}))
    item = table.get(KEY)
    assert item is not None and "done" not in item
    table.update(update(Include("done", frozenset({1}))))
    assert "done" not in table.update(update(Set("done", frozenset())))


def test_fields_may_have_any_name(table: Table) -> None:
    odd = {"status": 1, "size": 2, "a.b": 3, "#x": 4, ":y": 5, "tag s": 6, "ü": 7, "0": 8}
    table.write(Put({"pk": "JOB#1", "sk": "-", **odd}))
    changes = [Add(name, 1) for name in odd]
    after = table.update(update(*changes, when=tuple(Equals(name, value) for name, value in odd.items())))
    assert after == {"pk": "JOB#1", "sk": "-", **{name: value + 1 for name, value in odd.items()}}


# ---- what is refused -----------------------------------------------------------------------------------------------

WRONG_FIELDS: list[dict[str, Any]] = [
    {"time": 1.5},
    {"list": [{"time": 0.0}]},
    {"data": b"bytes"},
    {"set": frozenset({"text"})},
    {"set": frozenset({True})},
    {"list": [frozenset({1})]},
    {"number": 2**63},
    {"half": "\ud800"},
    {"": 1},
    {"map": {1: 2}},
    {"ready_pk": "A"},
    {"ready_sk": "1"},
    {"ready_pk": "", "ready_sk": "1"},
    {"ready_pk": "A", "ready_sk": ""},
    {"lease_pk": 1, "lease_sk": "1"},
    {"lease_pk": None, "lease_sk": None},
    {"ready_pk": "A", "ready_sk": "x" * 1025},
    {"huge": "x" * 410_000},
    {"pk": ""},
    {"sk": ""},
    {"sk": 5},
    {"pk": "x" * 2049},
]


@pytest.mark.parametrize("fields", WRONG_FIELDS, ids=lambda fields: str(fields)[:40])
def test_what_no_table_could_hold_is_refused(table: Table, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        table.write(Put({**JOB, **fields}))
    assert table.get(KEY) is None


WRONG_UPDATES = [
    update(),
    update(Set("gen", 1), Add("gen", 1)),
    update(Set("pk", "other")),
    update(Remove("sk")),
    update(Set("time", 0.5)),
    update(Set("ready_pk", "")),
    update(Add("gen", True)),
    update(Include("done", frozenset())),
    update(Set("gen", 1), when=(OneOf("gen", ()),)),
    update(Set("gen", 1), when=(OneOf("gen", tuple(range(101))),)),
    update(Set("gen", 1), when=(Equals("gen", 0.5),)),
    update(Set("gen", 1), when=(AtMost("gen", None),)),  # type: ignore[arg-type]
    update(Add("status", 1)),
    update(Include("gen", frozenset({1}))),
    update(Set("huge", "x" * 410_000)),
    Update(Key("JOB#1", ""), (Set("gen", 1),)),
]


@pytest.mark.parametrize("wrong", WRONG_UPDATES, ids=lambda wrong: str(wrong)[:70])
def test_an_update_that_makes_no_sense_is_refused(table: Table, wrong: Update) -> None:
    table.write(Put(JOB))
    with pytest.raises(ValueError):
        table.update(wrong)
    assert table.get(KEY) == JOB


def test_enum_members_and_tuples_are_stored_as_what_they_are_made_of(table: Table) -> None:
    status = StrEnum("status", {"QUEUED": "queued"})
    level = IntEnum("level", {"LOW": 1})
    table.write(Put({"pk": "JOB#1", "sk": "-", "status": status["QUEUED"], "levels": (level["LOW"],)}))
    after = table.update(update(Set("gen", 1), when=(Equals("status", status["QUEUED"]), Equals("levels", (1,)))))
    assert after == {"pk": "JOB#1", "sk": "-", "status": "queued", "levels": [1], "gen": 1}


# ---- transactions --------------------------------------------------------------------------------------------------


def test_a_transaction_writes_everything(table: Table) -> None:
    table.write(Put(JOB), Put({"pk": "JOB#2", "sk": "-"}), Put({"pk": "JOB#3", "sk": "-", "n": 1}))
    table.write(
        Update(Key("JOB#3", "-"), (Add("n", 1),), when=(Equals("n", 1),)),
        Delete(Key("JOB#2", "-"), when=(Exists(),)),
        Put({"pk": "JOB#4", "sk": "-"}, when=(Absent(),)),
        Check(KEY, when=(Equals("gen", 3),)),
    )
    keys = [KEY, Key("JOB#2", "-"), Key("JOB#3", "-"), Key("JOB#4", "-")]
    expected = [JOB, None, {"pk": "JOB#3", "sk": "-", "n": 2}, {"pk": "JOB#4", "sk": "-"}]
    assert table.get_many(keys) == expected


def test_one_failing_condition_undoes_the_whole_transaction(table: Table) -> None:
    table.write(Put(JOB))
    with pytest.raises(ConditionFailed) as failed:
        table.write(
            Put({"pk": "JOB#2", "sk": "-"}, when=(Absent(),)),
            Check(KEY, when=(Equals("gen", 4),)),
            Delete(Key("JOB#3", "-"), when=(Exists(),)),
        )
    assert (failed.value.position, failed.value.item) == (1, JOB)
    assert table.get(Key("JOB#2", "-")) is None


def test_a_transaction_says_when_the_failing_item_is_not_there(table: Table) -> None:
    with pytest.raises(ConditionFailed) as failed:
        table.write(Put(JOB), Update(Key("JOB#2", "-"), (Set("a", 1),), when=(Exists(),)))
    assert (failed.value.position, failed.value.item) == (1, None)
    assert table.get(KEY) is None


def test_a_check_alone_writes_nothing(table: Table) -> None:
    table.write(Put(JOB))
    table.write(Check(KEY, when=(Exists(),)))
    with pytest.raises(ConditionFailed) as failed:
        table.write(Check(KEY, when=(Absent(),)))
    assert failed.value.item == JOB


def test_an_item_may_stand_only_once_in_a_transaction(table: Table) -> None:
    with pytest.raises(ValueError):
        table.write(Put(JOB), Check(KEY, when=(Exists(),)))
    assert table.get(KEY) is None


def test_a_transaction_holds_a_hundred_operations_and_no_more(table: Table) -> None:
    puts = [Put({"pk": "MANY", "sk": f"{number:03}"}) for number in range(101)]
    with pytest.raises(ValueError):
        table.write(*puts)
    assert walk(table, "MANY") == []
    table.write(*puts[:100])
    assert len(walk(table, "MANY")) == 100


def test_a_wrong_operation_refuses_the_transaction(table: Table) -> None:
    with pytest.raises(ValueError):
        table.write(Put(JOB), Put({"pk": "JOB#2", "sk": "-", "time": 0.5}))
    with pytest.raises(ValueError):
        table.write(Put(JOB), Check(Key("JOB#2", "-"), when=()))
    assert table.get(KEY) is None


def test_a_field_of_another_kind_refuses_the_transaction(table: Table) -> None:
    table.write(Put(JOB))
    with pytest.raises(ValueError):
        table.write(Put({"pk": "JOB#2", "sk": "-"}), update(Add("status", 1)))
    assert table.get(Key("JOB#2", "-")) is None


def test_independent_transactions_fail_by_themselves(table: Table) -> None:
    table.write(Put(JOB))
    first, second, third = table.write_many(
        [
            [Put({"pk": "JOB#2", "sk": "-"}), Put({"pk": "JOB#3", "sk": "-"})],
            [Put({"pk": "JOB#4", "sk": "-"}), update(Set("gen", 9), when=(Equals("gen", 2),))],
            [update(Add("gen", 1), when=(Equals("gen", 3),))],
        ]
    )
    assert first is None and third is None
    assert second is not None and (second.position, second.item) == (1, JOB)
    assert table.get(Key("JOB#3", "-")) is not None and table.get(Key("JOB#4", "-")) is None
    assert table.get(KEY) == {**JOB, "gen": 4}


def test_of_independent_transactions_the_later_sees_the_earlier(table: Table) -> None:
    assert table.write_many([[Put(JOB)], [update(Set("gen", 4), when=(Equals("gen", 3),))]]) == [None, None]


def test_one_malformed_transaction_refuses_all_before_any_is_written(table: Table) -> None:
    with pytest.raises(ValueError):
        table.write_many([[Put(JOB)], [Put({"pk": "JOB#2", "sk": "-", "time": 0.5})]])
    assert table.get(KEY) is None


# ---- queries -------------------------------------------------------------------------------------------------------


def fill(table: Table, names: str) -> list[Item]:
    items = [{"pk": "P", "sk": name, "lease_pk": "L", "lease_sk": f"at-{name}"} for name in names]
    table.write_many([[Put(item)] for item in items])
    return items


def names(items: list[Item]) -> str:
    return "".join(item["sk"] for item in items)


@pytest.mark.parametrize("how", [{"pk": "P"}, {"pk": "L", "index": "lease"}], ids=["base", "index"])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_query_walks_a_partition_page_by_page(table: Table, how: dict[str, Any], limit: int) -> None:
    fill(table, "cadbe")
    table.write(Put({"pk": "P2", "sk": "x", "lease_pk": "L2", "lease_sk": "x"}))
    assert names(walk(table, **how, limit=limit)) == "abcde"
    assert names(walk(table, **how, limit=limit, descending=True)) == "edcba"


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"first": "b", "last": "d"}, "bcd"),
        ({"first": "b"}, "bcde"),
        ({"last": "b"}, "ab"),
        ({"first": "bb", "last": "d"}, "cd"),
        ({"first": "d", "last": "b"}, ""),
        ({"first": "c", "last": "c"}, "c"),
        ({"first": "", "last": "b"}, "ab"),
        ({"last": ""}, ""),
        ({"first": "z"}, ""),
    ],
    ids=str,
)
def test_a_range_includes_both_ends(table: Table, bounds: dict[str, str], expected: str) -> None:
    fill(table, "abcde")
    assert names(walk(table, "P", **bounds)) == expected
    assert names(walk(table, "P", **bounds, limit=2)) == expected
    assert names(walk(table, "P", **bounds, limit=2, descending=True)) == expected[::-1]
    in_index = {end: f"at-{bound}" for end, bound in bounds.items() if bound}
    if "" not in bounds.values():
        assert names(walk(table, "L", index="lease", **in_index, limit=2)) == expected


def test_text_sorts_by_its_bytes(table: Table) -> None:
    scrambled = ["a", "B", "Z", "é", "\U0001f3ac", "\uffff", "0", "10", "2", "a|", "a#"]
    table.write(*(Put({"pk": "P", "sk": text}) for text in scrambled))
    assert [item["sk"] for item in walk(table, "P", limit=3)] == sorted(scrambled, key=str.encode)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("how", [{"pk": "P"}, {"pk": "L", "index": "lease"}], ids=["base", "index"])
def test_a_cursor_outlives_its_item(table: Table, how: dict[str, Any], descending: bool) -> None:
    fill(table, "abcde")
    page = table.query(**how, limit=3, descending=descending)
    table.write(Delete(Key("P", page.items[-1]["sk"])))
    rest = table.query(**how, limit=3, descending=descending, cursor=page.cursor)
    assert names(rest.items) == ("ba" if descending else "de")


def test_a_cursor_for_something_else_is_refused(table: Table) -> None:
    fill(table, "abcde")
    cursor = table.query("P", limit=2).cursor
    in_index = table.query("L", index="lease", limit=2).cursor
    assert cursor and in_index
    for other in ("", "x", "ü", cursor[:-3], cursor + "AAAA", "bnVsbA", "W10", "e30", in_index):
        with pytest.raises(ValueError):
            table.query("P", cursor=other)
    for pk, index in (("P2", None), ("P", "lease"), ("P", "ready")):
        with pytest.raises(ValueError):
            table.query(pk, index=index, cursor=cursor)


def test_a_query_without_sense_is_refused(table: Table) -> None:
    for wrong in ({"index": "nowhere"}, {"limit": 0}, {"limit": -1}, {"limit": True}):
        with pytest.raises(ValueError):
            table.query("P", **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        table.query("")


def test_an_item_stands_in_an_index_while_it_has_its_keys(table: Table) -> None:
    table.write(put_task("a"))
    key = Key("TASK#a", "-")
    assert len(walk(table, "A", index="ready")) == 1 and walk(table, "L", index="lease") == []
    table.update(Update(key, (Remove("ready_pk"), Remove("ready_sk"), Set("lease_pk", "L"), Set("lease_sk", "9"))))
    assert walk(table, "A", index="ready") == [] and len(walk(table, "L", index="lease")) == 1
    table.update(Update(key, (Set("lease_sk", "5"),)))
    assert walk(table, "L", index="lease", first="6") == [] and len(walk(table, "L", index="lease", last="5")) == 1
    table.write(Delete(key))
    assert walk(table, "L", index="lease") == []


def test_index_items_hold_their_keys_and_the_projected_fields(table: Table) -> None:
    table.write(put_task("a", settings="long"))
    [item] = walk(table, "A", index="ready")
    projected = {"pk": "TASK#a", "sk": "-", "ready_pk": "A", "ready_sk": "a", "gen": 0}
    assert item.items() >= projected.items()


# ---- take ----------------------------------------------------------------------------------------------------------


def test_take_moves_the_first_item_of_an_index(table: Table) -> None:
    table.write(*(put_task(name) for name in "bca"))
    taken = table.take("ready", ["A"], claim_first)
    assert taken == Taken(({"pk": "TASK#a", "sk": "-", "status": "active", "gen": 1},), False)
    assert table.get(Key("TASK#a", "-")) == taken.item
    assert [item["pk"] for item in walk(table, "A", index="ready")] == ["TASK#b", "TASK#c"]


def test_take_empties_an_index_in_order(table: Table) -> None:
    table.write(*(put_task(name) for name in "dbca"))
    taken = [table.take("ready", ["A"], claim_first).item for _ in range(5)]
    assert [item and item["pk"][-1] for item in taken] == ["a", "b", "c", "d", None]


def test_take_skips_what_pick_refuses(table: Table) -> None:
    table.write(*(put_task(name) for name in "abc"))
    taken = table.take("ready", ["A"], claim_only(lambda task: task["pk"] != "TASK#a"))
    assert taken.item is not None and taken.item["pk"] == "TASK#b"


def test_pick_may_prefer_a_later_candidate(table: Table) -> None:
    table.write(*(put_task(name) for name in "abc"))
    taken = table.take("ready", ["A"], lambda tasks: [claim(tasks[-1])])
    assert taken.item is not None and taken.item["pk"] == "TASK#c"


def test_take_looks_at_further_pages_when_none_of_the_first_fits(table: Table) -> None:
    table.write(*(put_task(name) for name in "abcde"))
    sizes: list[int] = []

    def only_e(tasks: Any) -> Any:
        sizes.append(len(tasks))
        return [claim(task) for task in tasks if task["pk"] == "TASK#e"]

    taken = table.take("ready", ["A"], only_e, page=2)
    assert taken.item is not None and taken.item["pk"] == "TASK#e"
    assert max(sizes) <= 2


def test_take_goes_on_where_the_caller_says(table: Table) -> None:
    """More than it would ever look at, of which the caller knows where it ends."""
    useless = [f"b{number:04d}" for number in range(500)]
    table.write_many([[put_task(name, ready_pk="AB"[number % 2])] for number, name in enumerate(["a", *useless, "c"])])
    seen: list[str] = []

    def only_c(tasks: Any) -> Any:
        seen.extend(task["pk"] for task in tasks)
        return [claim(task) for task in tasks if task["pk"] == "TASK#c"]

    def behind_b(last: Item) -> str | None:
        return "c" if last["ready_sk"].startswith("b") else None

    taken = table.take("ready", ["A", "B"], only_c, onward=behind_b, page=10)
    assert taken.item is not None and taken.item["pk"] == "TASK#c"
    assert "TASK#a" in seen and len(seen) <= 30


def test_who_goes_on_elsewhere_in_one_partition_misses_nothing_of_another(table: Table) -> None:
    table.write_many([[put_task(f"b{number:03d}", ready_pk="AB"[number % 2])] for number in range(200)])
    seen: list[str] = []

    def none_of_them(tasks: Any) -> Any:
        seen.extend(task["ready_sk"] for task in tasks)
        return []

    def in_a_behind_all(last: Item) -> str | None:
        return "b190" if last["ready_pk"] == "A" and last["ready_sk"] < "b190" else None

    table.take("ready", ["A", "B"], none_of_them, onward=in_a_behind_all, page=9)
    assert [name for name in sorted(seen) if int(name[1:]) % 2] == [f"b{number:03d}" for number in range(1, 200, 2)]
    assert len([name for name in seen if not int(name[1:]) % 2]) <= 15 + 5


def test_take_looks_no_further_when_it_is_told_so(table: Table) -> None:
    names = [f"{number:03d}" for number in range(50)]
    table.write_many([[put_task(name, ready_pk=lane)] for lane, name in zip("AB" * 25, names, strict=True)])
    seen: list[str] = []

    def stops_at_the_third(tasks: Any) -> Any:
        for task in tasks:
            seen.append(task["ready_pk"])
            if len(seen) == 3:
                yield None

    assert table.take("ready", ["A", "B"], stops_at_the_third, page=10) == Taken((), False)
    assert len(seen) == 3


def test_take_of_nothing_is_empty_handed_without_contention(table: Table) -> None:
    table.write(put_task("a"))
    assert table.take("ready", ["B"], claim_first) == Taken((), False)
    assert table.take("ready", [], claim_first) == Taken((), False)
    assert table.take("ready", ["A"], claim_only(lambda task: False)) == Taken((), False)


def test_take_says_contended_when_all_that_was_tried_failed(table: Table) -> None:
    table.write(put_task("a"))

    def too_late(tasks: Any) -> Any:
        return [Update(Key(task["pk"], task["sk"]), (Set("gen", 9),), when=(Equals("gen", 7),)) for task in tasks]

    assert table.take("ready", ["A"], too_late) == Taken((), True)
    item = table.get(Key("TASK#a", "-"))
    assert item is not None and item["gen"] == 0


def test_take_tries_the_next_best_when_the_best_is_gone(table: Table) -> None:
    table.write(*(put_task(name) for name in "ab"))

    def late_for_a(tasks: Any) -> Any:
        for task in tasks:
            if task["pk"] == "TASK#a":
                yield Update(Key("TASK#a", "-"), (Set("gen", 9),), when=(Equals("gen", 7),))
            yield from [claim(task)] if task["pk"] == "TASK#b" else []

    taken = table.take("ready", ["A"], late_for_a)
    assert taken.item is not None and taken.item["pk"] == "TASK#b"


def test_take_looks_at_several_partitions(table: Table) -> None:
    table.write(put_task("2", ready_pk="A"), put_task("1", ready_pk="B"), put_task("3", ready_pk="B"))
    order = [table.take("ready", ["A", "B", "A"], claim_first).item for _ in range(4)]
    exact = ["1", "2", "3", None]
    partition_after_partition = ["2", "1", "3", None]
    assert [item and item["pk"][-1] for item in order] == (exact if table.exact else partition_after_partition)


def test_a_pick_that_breaks_takes_nothing(table: Table) -> None:
    table.write(put_task("a"))

    def broken(tasks: Any) -> Any:
        raise LookupError("no such tag")

    with pytest.raises(LookupError):
        table.take("ready", ["A"], broken)
    assert table.take("ready", ["A"], claim_first).item is not None


def test_take_in_an_unknown_index_is_refused(table: Table) -> None:
    with pytest.raises(ValueError):
        table.take("nowhere", ["A"], claim_first)
    with pytest.raises(ValueError):
        table.take("ready", ["A"], claim_first, page=0)


def test_a_counting_table_is_a_table_that_counts(table: Table) -> None:
    counting = CountingTable(table)
    counted: Table = counting
    counted.write(put_task("a"), put_task("b"))
    assert counted.get(Key("TASK#a", "-")) == counted.get_many([Key("TASK#a", "-")])[0]
    counted.update(Update(Key("TASK#b", "-"), (Set("gen", 1),)))
    assert counted.write_many([[put_task("c")]]) == [None]
    assert len(counted.query("A", index="ready", limit=5).items) == 3
    assert counted.take("ready", ["A"], claim_first, page=5).item is not None
    assert counting.requests == {
        "write": 2, "get": 1, "get_many": 1, "update": 1, "write_many": 1, "query": 2, "take": 1
    }  # fmt: skip


# ---- the whole table -----------------------------------------------------------------------------------------------


def test_a_scan_gives_every_item_once_also_page_by_page(table: Table) -> None:
    there = [Key(f"JOB#{number % 3}", f"{number:02d}") for number in range(23)]
    for key in there:
        table.write(Put({"pk": key.pk, "sk": key.sk}))
    found, cursor = [], None
    for _ in range(30):
        page = table.scan(limit=5, cursor=cursor)
        assert len(page.items) <= 5
        found += [Key(item["pk"], item["sk"]) for item in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(found) == sorted(there)
    with pytest.raises(ValueError, match="cursor"):
        table.scan(cursor="nonsense")
