"""Candidates from many partitions: in one order, whoever's they are, and whatever stands between them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.core.ports import Add, Item, Key, Put, Remove, Update
from chalicelib.store import merging
from chalicelib.store.sqlite import SqliteTable

LANES = [f"READY#{number}" for number in range(12)]
entries = st.lists(st.tuples(st.sampled_from(LANES), st.integers(0, 30)), max_size=60)


def fill(table: SqliteTable, placed: Sequence[tuple[str, int]]) -> list[Item]:
    """One item for each; gives them in the order in which they are to be found."""
    items = [
        {"pk": f"T{number:03d}", "sk": "-", "n": 0, "ready_pk": lane, "ready_sk": f"{order:03d}"}
        for number, (lane, order) in enumerate(placed)
    ]
    table.write_many([[Put(item)] for item in items])
    return sorted(items, key=lambda item: (item["ready_sk"], item["pk"]))


def seen_by(table: SqliteTable, lanes: Sequence[str], page: int) -> list[Item]:
    seen: list[Item] = []
    table.take("ready", lanes, lambda found: seen.extend(found) or (), page=page)  # type: ignore[func-returns-value]
    return seen


@given(placed=entries, lanes=st.sets(st.sampled_from(LANES), min_size=1), most=st.integers(0, 20))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_all_candidates_come_in_order_however_they_are_found(
    sqlite: SqliteTable, monkeypatch: pytest.MonkeyPatch, placed: list[tuple[str, int]], lanes: set[str], most: int
) -> None:
    monkeypatch.setattr(merging, "MOST_PASSED_OVER", most)
    items = fill(sqlite, placed)
    try:
        assert seen_by(sqlite, sorted(lanes), page=10) == [item for item in items if item["ready_pk"] in lanes]
    finally:
        sqlite.write_many([[Put({"pk": item["pk"], "sk": "-"})] for item in items])


def test_several_are_taken_at_once_until_it_is_enough(sqlite: SqliteTable) -> None:
    items = fill(sqlite, [(lane, number) for number, lane in enumerate(LANES)])

    def all_of_them(found: Sequence[Item]) -> list[Update]:
        return [Update(Key(i["pk"], i["sk"]), (Add("n", 1), Remove("ready_pk"), Remove("ready_sk"))) for i in found]

    counted: list[str] = []

    def third_is_enough(item: Item) -> bool:
        counted.append(item["pk"])
        return len(counted) == 3

    taken = sqlite.take("ready", LANES, all_of_them, enough=third_is_enough)
    assert [item["pk"] for item in taken.items] == [item["pk"] for item in items[:3]] == counted
    assert seen_by(sqlite, LANES, page=40) == items[3:]
    rest = sqlite.take("ready", LANES, all_of_them, enough=lambda _: False)
    assert len(rest.items) == len(items) - 3 and not rest.contended
