"""Many callers in one process: each task taken once, each refusal told to the one it concerns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.ports import Absent, Add, ConditionFailed, Equals, Key, Put, Set, Update
from chalicelib.store.sqlite import SqliteTable
from tests.store.engines import INDEXES, claim_first, put_task

THREADS = 16
COUNTER = Key("COUNTER", "-")


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """The work in sixteen threads that start together; their results."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> Any:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_sixteen_workers_take_each_task_once(sqlite: SqliteTable) -> None:
    sqlite.write_many([[put_task(f"{number:03}")] for number in range(500)])

    def take_all(_: int) -> list[str]:
        mine = []
        while (taken := sqlite.take("ready", ["A"], claim_first)).item is not None:
            mine.append(taken.item["pk"])
        assert not taken.contended
        return mine

    taken = [pk for mine in at_once(take_all) for pk in mine]
    assert sorted(taken) == [f"TASK#{number:03}" for number in range(500)]
    assert sqlite.query("A", index="ready").items == []


def test_no_increment_is_lost(sqlite: SqliteTable) -> None:
    sqlite.write(Put({"pk": "COUNTER", "sk": "-", "n": 0}))
    at_once(lambda _: [sqlite.update(Update(COUNTER, (Add("n", 1),))) for _ in range(50)])
    assert sqlite.get(COUNTER) == {"pk": "COUNTER", "sk": "-", "n": 800}


def test_of_sixteen_that_put_the_same_item_one_succeeds(sqlite: SqliteTable) -> None:
    def put(number: int) -> bool:
        try:
            sqlite.write(Put({"pk": "ALIAS", "sk": "-", "by": number}, when=(Absent(),)))
        except ConditionFailed as failed:
            assert failed.item is not None
            return False
        return True

    assert at_once(put).count(True) == 1


def test_a_pick_that_breaks_fails_its_own_caller_only(sqlite: SqliteTable) -> None:
    sqlite.write_many([[put_task(f"{number:03}")] for number in range(100)])

    def broken(_: Any) -> Any:
        raise LookupError("no such tag")

    def take(number: int) -> Any:
        outcomes = []
        for _ in range(10):
            try:
                outcomes.append(sqlite.take("ready", ["A"], broken if number % 2 else claim_first).item)
            except LookupError:
                outcomes.append("broken")
        return outcomes

    outcomes = at_once(take)
    assert all(mine == ["broken"] * 10 for mine in outcomes[1::2])
    assert len({item["pk"] for mine in outcomes[::2] for item in mine}) == 80


def test_readers_see_whole_transactions(sqlite: SqliteTable) -> None:
    keys = [Key("PAIR", "a"), Key("PAIR", "b")]
    sqlite.write(*(Put({"pk": key.pk, "sk": key.sk, "n": 0}) for key in keys))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            sqlite.write(*(Update(key, (Add("n", 1),)) for key in keys))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            one, other = sqlite.query("PAIR").items
            assert one["n"] == other["n"]
    finally:
        stop.set()
        writer.join()


def test_two_tables_on_one_file_in_one_process_take_turns(sqlite: SqliteTable, tmp_path: Path) -> None:
    other = SqliteTable(tmp_path / "farm.db", INDEXES)
    sqlite.write(Put({"pk": "COUNTER", "sk": "-", "n": 0}))

    def add(number: int) -> None:
        table = other if number % 2 else sqlite
        for _ in range(20):
            table.update(Update(COUNTER, (Add("n", 1),)))

    at_once(add)
    assert other.get(COUNTER) == {"pk": "COUNTER", "sk": "-", "n": 320}
    other.close()


def test_a_caller_is_told_its_own_result(sqlite: SqliteTable) -> None:
    def write(number: int) -> None:
        for turn in range(20):
            key = Key(f"OWN#{number}", str(turn))
            assert sqlite.update(Update(key, (Set("n", number),)))["n"] == number
            with pytest.raises(ConditionFailed) as failed:
                sqlite.update(Update(key, (Set("n", 0),), when=(Equals("n", -1),)))
            assert failed.value.item == {"pk": key.pk, "sk": key.sk, "n": number}

    at_once(write)
