"""`at_once`: calls that belong together. Right on every engine; on one machine one commit, which nobody sees half."""

from __future__ import annotations

import sqlite3
import threading
from contextvars import ContextVar
from pathlib import Path

import pytest

from chalicelib.core.ports import Absent, Add, ConditionFailed, Key, Put, Table, TableUnavailable, Update
from chalicelib.store.sqlite import SqliteTable
from tests.store.engines import INDEXES

A, B = Key("at once", "a"), Key("at once", "b")


def put(key: Key, n: int = 0) -> Put:
    return Put({"pk": key.pk, "sk": key.sk, "n": n})


def test_what_is_written_inside_is_seen_inside_and_is_there_afterwards(table: Table) -> None:
    def work() -> int:
        table.write(put(A, 1))
        seen = table.get(A)
        assert seen is not None
        return int(table.update(Update(A, (Add("n", int(seen["n"])),)))["n"])

    assert table.at_once(work) == 2
    after = table.get(A)
    assert after is not None and after["n"] == 2


def test_a_condition_that_does_not_hold_undoes_only_its_own_write(table: Table) -> None:
    def work() -> list[bool]:
        table.write(put(A))
        failures = table.write_many([[Put({"pk": A.pk, "sk": A.sk}, (Absent(),))], [put(B)]])
        with pytest.raises(ConditionFailed):
            table.write(Put({"pk": A.pk, "sk": A.sk}, (Absent(),)))
        return [failed is None for failed in failures]

    assert table.at_once(work) == [False, True]
    assert table.get_many([A, B]) == [dict(put(A).item), dict(put(B).item)]


def test_what_the_work_raises_reaches_the_caller_and_undoes_nothing(table: Table) -> None:
    def work() -> None:
        table.write(put(A))
        raise KeyError("somebody's mistake")

    with pytest.raises(KeyError, match="mistake"):
        table.at_once(work)
    assert table.get(A) is not None


def test_one_inside_another_is_part_of_it(table: Table) -> None:
    def work() -> None:
        table.write(put(A))
        table.at_once(lambda: table.write(put(B)))

    table.at_once(work)
    assert None not in table.get_many([A, B])


def test_nobody_sees_half_of_it(sqlite: SqliteTable) -> None:
    half, seen = threading.Event(), threading.Event()

    def work() -> None:
        sqlite.write(put(A))
        half.set()
        assert seen.wait(10)
        sqlite.write(put(B))

    writer = threading.Thread(target=sqlite.at_once, args=(work,))
    writer.start()
    assert half.wait(10)
    assert sqlite.get_many([A, B]) == [None, None]
    seen.set()
    writer.join()
    assert None not in sqlite.get_many([A, B])


def test_each_caller_s_context_goes_with_its_work_to_whatever_thread_commits_it(sqlite: SqliteTable) -> None:
    whose: ContextVar[int] = ContextVar("whose")
    found: list[tuple[int, int]] = []

    def call(number: int) -> None:
        whose.set(number)
        sqlite.at_once(lambda: (sqlite.write(put(A, number)), found.append((number, whose.get()))))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(number, number) for number in range(20)]


def test_when_sqlite_fails_inside_nothing_of_it_is_kept_whatever_the_work_makes_of_that(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)

    def work() -> None:
        table.write(put(A))
        try:
            table._in_writer(lambda connection: connection.execute("SELECT * FROM nowhere"))
        except sqlite3.Error:
            table.write(put(B))

    with pytest.raises(TableUnavailable, match="nowhere"):
        table.at_once(work)
    assert table.get_many([A, B]) == [None, None]
    table.close()
