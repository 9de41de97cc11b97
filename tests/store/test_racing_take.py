"""`take` where the index lags: dead heads are read past, the number of tries is bounded, and nothing starves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.ports import Add, Item, Key, Remove, Set, Taken, Update
from chalicelib.store.counting import CountingTable
from chalicelib.store.racing_take import RacingTake
from tests.engines.simulated import SimulatedClock, SimulatedTable
from tests.store.engines import INDEXES, claim, claim_first, put_task

LAG_MS = 1000


class Race:
    """One lagging table and two processes that take from it; `mine` counts its requests."""

    def __init__(self, tasks: int) -> None:
        self.clock = SimulatedClock()
        self.table = SimulatedTable(INDEXES, seed=3, lag_ms=(LAG_MS, LAG_MS), clock=self.clock)
        names = [f"{number:03}" for number in range(tasks)]
        self.table.write_many([[put_task(name, ready_sk=f"50|{name}")] for name in names])
        self.clock.advance(LAG_MS)
        self.counting = CountingTable(self.table)
        self.mine = self.process()

    def process(self) -> RacingTake:
        return RacingTake(self.counting.query, self.counting.update, now=lambda: self.clock.now() / 1000)

    def others_claim(self, *numbers: int) -> None:
        """Their claims have happened, but the index does not show it yet."""
        for number in numbers:
            self.table.update(claim({"pk": f"TASK#{number:03}", "sk": "-", "gen": 0}))

    def take(self, page: int = 4) -> Taken:
        return self.mine.take("ready", ["A"], claim_first, page)


def number(taken: Taken) -> int | None:
    return None if taken.item is None else int(taken.item["pk"][-3:])


def test_after_a_loss_it_reads_on_behind_the_page() -> None:
    race = Race(20)
    race.others_claim(0, 1, 2, 3)
    taken = race.take()
    assert number(taken) in (4, 5, 6, 7) and not taken.contended
    assert race.counting.requests == {"query": 2, "update": 2}


def test_on_the_last_page_it_tries_the_next_best() -> None:
    race = Race(3)
    race.others_claim(0, 1)
    assert number(race.take()) == 2


def test_three_lost_races_end_the_call() -> None:
    race = Race(40)
    race.others_claim(*range(30))
    assert race.take() == Taken((), True)
    assert race.counting.requests == {"query": 3, "update": 3}


def test_three_lost_races_are_three_over_all_partitions() -> None:
    race = Race(2)
    race.table.write_many([[put_task(f"9{number}", ready_pk="B")] for number in range(4)])
    race.clock.advance(LAG_MS)
    race.others_claim(0, 1)
    race.table.update(claim({"pk": "TASK#90", "sk": "-", "gen": 0}))
    taken = race.mine.take("ready", ["A", "B"], claim_first, 4)
    assert taken == Taken((), True)
    assert race.counting.requests == {"query": 2, "update": 3}


def test_what_it_lost_is_passed_over_while_the_index_shows_it_unchanged() -> None:
    race = Race(3)
    race.others_claim(0)
    assert number(race.take()) == 1
    race.counting.requests.clear()
    assert number(race.take()) == 2
    assert race.counting.requests == {"query": 1, "update": 1}


def test_what_it_took_itself_is_not_tried_again() -> None:
    race = Race(5)
    taken = [number(race.take(page=10)) for _ in range(5)]
    assert taken == [0, 1, 2, 3, 4]
    assert race.counting.requests["update"] == 5
    assert race.take() == Taken((), False)
    assert race.counting.requests["update"] == 5


def test_an_entry_that_still_stands_after_its_move_can_be_taken_again_at_once() -> None:
    """As a cursor does, which gives one task after another."""
    race = Race(1)

    def advance(items: Sequence[Item]) -> list[Update]:
        return [Update(Key(item["pk"], item["sk"]), (Add("next", 1),)) for item in items]

    taken = [race.mine.take("ready", ["A"], advance, 4).item for _ in range(3)]
    assert [item["next"] for item in taken if item is not None] == [1, 2, 3]


def test_a_task_that_is_released_can_be_taken_again_at_once() -> None:
    race = Race(1)
    first = race.take()
    assert first.item is not None
    back = (Set("status", "queued"), Set("ready_pk", "A"), Set("ready_sk", "50|000"))
    race.table.update(Update(Key("TASK#000", "-"), back))
    race.clock.advance(LAG_MS)
    again = race.take()
    assert again.item is not None and again.item["gen"] == 2


def test_what_was_lost_is_tried_again_after_three_seconds() -> None:
    race = Race(1)
    race.others_claim(0)
    assert race.take() == Taken((), True)
    race.table.write(put_task("000", ready_sk="50|000"))  # as it was, to the letter
    race.clock.advance(LAG_MS)
    assert race.take() == Taken((), False)
    race.clock.advance(3001)
    assert number(race.take()) == 0


def test_it_starts_with_the_head_until_it_loses_and_then_shuffles_equals_only() -> None:
    race = Race(0)
    names = [f"{priority}|{number}" for priority in (10, 20) for number in range(10)]
    race.table.write_many([[put_task(name, ready_sk=name)] for name in names])
    race.clock.advance(LAG_MS)
    shown: list[list[str]] = []

    def look(candidates: Sequence[Item]) -> list[Update]:
        shown.append([item["ready_sk"] for item in candidates])
        return []

    race.mine.take("ready", ["A"], look, 40)
    assert shown.pop() == names
    race.table.update(claim({"pk": "TASK#10|0", "sk": "-", "gen": 0}))
    race.mine.take("ready", ["A"], lambda items: [claim(items[0])], 40)

    race.mine.take("ready", ["A"], look, 40)
    after_loss = shown.pop()
    assert after_loss != names[1:] and sorted(after_loss) == names[1:]
    assert {name[:2] for name in after_loss[:9]} == {"10"}

    race.clock.advance(3001)
    race.mine.take("ready", ["A"], look, 40)
    assert shown.pop() == names[1:]


def test_thirty_pages_beyond_the_head_are_enough_when_nothing_fits() -> None:
    race = Race(200)
    assert race.mine.take("ready", ["A"], lambda _: [], 4) == Taken((), False)
    assert race.counting.requests == {"query": 31}


def test_two_are_where_all_is_known_to_be_gone() -> None:
    race = Race(40)
    for _ in range(20):
        race.take()
    race.counting.requests.clear()
    assert race.take() == Taken((), False)
    assert race.counting.requests == {"query": 3}


@pytest.mark.parametrize("processes", [2, 8])
def test_every_task_is_taken_once_by_processes_that_know_nothing_of_each_other(processes: int) -> None:
    race = Race(60)
    workers = [race.process() for _ in range(processes)]
    taken: list[int | None] = []
    for _ in range(2000):
        for worker in workers:
            found = worker.take("ready", ["A"], claim_first, 10)
            taken += [number(found)] if found.item is not None else []
        race.clock.advance(100)
        if len(taken) == 60:
            break
    assert sorted(taken) == list(range(60))  # type: ignore[type-var]


def test_pick_sees_only_what_the_index_projects() -> None:
    race = Race(1)
    seen: list[Any] = []
    race.mine.take("ready", ["A"], lambda items: seen.extend(items) or [], 4)  # type: ignore[func-returns-value]
    assert seen == [{"pk": "TASK#000", "sk": "-", "ready_pk": "A", "ready_sk": "50|000", "gen": 0}]


def test_an_update_of_something_else_may_be_tried_too() -> None:
    race = Race(1)
    note = Update(Key("NOTE", "-"), (Remove("text"), Set("seen", True)))
    assert race.mine.take("ready", ["A"], lambda _: [note], 4).item == {"pk": "NOTE", "sk": "-", "seen": True}


class Deaf:
    """The answer to each update is lost once, and the client repeats it: it meets its own effect."""

    def __init__(self, race: Race) -> None:
        self._table = race.table
        self.mine = RacingTake(race.counting.query, self.update, now=lambda: race.clock.now() / 1000)

    def update(self, update: Update) -> Item:
        self._table.update(update)
        return self._table.update(update)

    def take(self, name: str) -> Taken:
        def signed(candidates: Sequence[Item]) -> list[Update]:
            plain = [claim(item) for item in candidates]
            return [replace(one, changes=(*one.changes, Set("by", name)), signed=True) for one in plain]

        return self.mine.take("ready", ["A"], signed, 4)


def test_a_move_that_meets_itself_is_no_lost_race() -> None:
    race = Race(3)
    deaf = Deaf(race)
    assert [number(deaf.take(name)) for name in ("x", "y")] == [0, 1]
    assert [item.get("by") for item in race.table.items()] == ["x", "y", None]


def test_that_of_another_is_one() -> None:
    race = Race(1)
    race.table.update(replace(claim({"pk": "TASK#000", "sk": "-", "gen": 0}), signed=True))
    assert Deaf(race).take("x") == Taken((), True)


def test_nor_is_one_that_does_not_say_whose_it_is_taken_for_ones_own() -> None:
    race = Race(1)
    race.others_claim(0)
    assert race.take() == Taken((), True)
