"""The simulated table does the harm it promises, and only that: tests of the farm rely on it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.core.ports import (
    Absent,
    Add,
    ConditionFailed,
    Delete,
    Equals,
    Key,
    Put,
    Remove,
    Set,
    TableUnavailable,
    Update,
)
from tests.engines.simulated import Crash, Faults, SimulatedClock, SimulatedTable
from tests.store.engines import INDEXES, claim_first, put_task, walk

KEY = Key("TASK#a", "-")
LEAVE = Update(KEY, (Remove("ready_pk"), Remove("ready_sk")))


def waiting(table: SimulatedTable) -> list[str]:
    return [item["pk"] for item in walk(table, "A", index="ready")]


def test_an_index_shows_a_write_after_its_lag_and_the_base_table_at_once() -> None:
    clock = SimulatedClock()
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(500, 500), clock=clock)
    table.write(put_task("a"))
    assert table.get(KEY) is not None and waiting(table) == []
    clock.advance(499)
    assert waiting(table) == []
    clock.advance(1)
    assert waiting(table) == ["TASK#a"]
    table.write(Delete(KEY))
    assert table.get(KEY) is None and waiting(table) == ["TASK#a"]


@pytest.mark.parametrize("seed", range(20))
def test_the_writes_to_one_item_reach_the_index_in_their_order(seed: int) -> None:
    clock = SimulatedClock()
    table = SimulatedTable(INDEXES, seed=seed, lag_ms=(0, 2000), clock=clock)
    for gen in range(5):
        table.write(put_task("a", gen=gen))
    shown = []
    for _ in range(41):
        shown += [item["gen"] for item in walk(table, "A", index="ready")]
        clock.advance(50)
    assert shown == sorted(shown) and shown[-1] == 4


def test_an_index_item_holds_nothing_that_is_not_projected() -> None:
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0))
    table.write(put_task("a", settings="long"))
    assert walk(table, "A", index="ready") == [{"pk": "TASK#a", "sk": "-", "ready_pk": "A", "ready_sk": "a", "gen": 0}]


def test_a_lost_answer_has_taken_effect() -> None:
    table = SimulatedTable(INDEXES, seed=1, faults=Faults(lost_answer=1))
    with pytest.raises(TableUnavailable):
        table.write(put_task("a"))
    assert table.get(KEY) is not None


def test_a_refused_write_has_not() -> None:
    for faults in (Faults(refused=1), Faults(conflict=1)):
        table = SimulatedTable(INDEXES, seed=1, faults=faults)
        with pytest.raises(TableUnavailable):
            table.write(put_task("a"))
        assert table.get(KEY) is None


def test_a_repeated_write_meets_its_own_effect() -> None:
    table = SimulatedTable(INDEXES, seed=1, faults=Faults(repeated=1))
    with pytest.raises(ConditionFailed) as failed:
        table.write(Put({"pk": "TASK#a", "sk": "-", "n": 0}, when=(Absent(),)))
    assert failed.value.item == {"pk": "TASK#a", "sk": "-", "n": 0}
    assert table.update(Update(KEY, (Add("n", 1),)))["n"] == 2


def test_a_repeated_transaction_does_not() -> None:
    table = SimulatedTable(INDEXES, seed=1, faults=Faults(repeated=1))
    table.write(Put({"pk": "TASK#a", "sk": "-"}, when=(Absent(),)), Put({"pk": "TASK#b", "sk": "-"}, when=(Absent(),)))
    assert len(table.items()) == 2


def test_a_read_may_fail() -> None:
    table = SimulatedTable(INDEXES, seed=1, faults=Faults(unreadable=1))
    with pytest.raises(TableUnavailable):
        table.get(KEY)
    with pytest.raises(TableUnavailable):
        table.query("A", index="ready")


def test_a_hot_partition_is_throttled_for_the_rest_of_the_second() -> None:
    clock = SimulatedClock(0)
    table = SimulatedTable(INDEXES, seed=1, faults=Faults(partition_writes_per_second=2), clock=clock)
    for name in "12":
        table.write(Put({"pk": "HOT", "sk": name}))
    with pytest.raises(TableUnavailable, match="HOT"):
        table.write(Put({"pk": "HOT", "sk": "3"}))
    table.write(Put({"pk": "COLD", "sk": "3"}))
    clock.advance(1000)
    table.write(Put({"pk": "HOT", "sk": "3"}))


def test_the_same_seed_does_the_same_harm() -> None:
    def story(seed: int) -> list[str]:
        table = SimulatedTable(INDEXES, seed, faults=Faults(lost_answer=0.2, refused=0.2, crash=0.05, repeated=0.1))
        heard = []
        for number in range(50):
            try:
                table.write(put_task(f"{number}"))
                heard.append("done")
            except (TableUnavailable, Crash) as fault:
                heard.append(str(fault))
        return heard

    assert story(7) == story(7) != story(8)


def move(table: SimulatedTable) -> None:
    """A story of five calls: two transactions, a query and an update (in `take`), a read."""
    table.write_many([[put_task("a")], [Put({"pk": "NOTE", "sk": "-"})]])
    table.take("ready", ["A"], claim_first)
    table.get(KEY)


def survivors(point: int, story: Callable[[SimulatedTable], None]) -> list[str]:
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), crash_at=point)
    with pytest.raises(Crash):
        story(table)
    table.calm()
    return [f"{item['pk']} {item.get('status')}" for item in table.items()]


def test_a_crash_can_be_tried_at_each_point_of_a_story() -> None:
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0))
    move(table)
    assert table.points == 10
    left = [survivors(point, move) for point in range(table.points)]
    nothing: list[str] = []
    first, both = ["TASK#a queued"], ["NOTE None", "TASK#a queued"]
    taken = ["NOTE None", "TASK#a active"]
    assert left == [nothing, first, first, both, both, both, both, taken, taken, taken]


def test_a_crash_is_nothing_that_code_recovers_from() -> None:
    table = SimulatedTable(INDEXES, seed=1, crash_at=0)
    with pytest.raises(Crash):
        try:
            table.get(KEY)
        except Exception:
            pytest.fail("a crash was caught")


def test_after_a_crash_the_table_goes_on() -> None:
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), crash_at=1)
    with pytest.raises(Crash):
        table.write(put_task("a"))
    table.calm()
    table.update(Update(KEY, (Set("gen", 1),), when=(Equals("gen", 0),)))
    table.update(LEAVE)
    assert waiting(table) == []
