"""The file itself: opened again, with more indexes, on a full disk, or not a database at all."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from chalicelib.core.ports import Key, Put, Table, TableUnavailable
from chalicelib.store.sqlite import SqliteTable
from tests.store.engines import INDEXES, put_task, walk


def test_everything_is_there_when_the_file_is_opened_again(sqlite: SqliteTable, tmp_path: Path) -> None:
    sqlite.write(put_task("a", done=frozenset({1})))
    sqlite.close()
    again = SqliteTable(tmp_path / "farm.db", INDEXES)
    item = again.get(Key("TASK#a", "-"))
    assert item is not None and item["done"] == frozenset({1})
    again.close()


def test_an_index_that_is_new_finds_the_old_items(tmp_path: Path) -> None:
    old = SqliteTable(tmp_path / "farm.db", {"ready": ()})
    old.write(put_task("a", owner_pk="ann", owner_sk="1"), put_task("b"))
    old.close()
    new: Table = SqliteTable(tmp_path / "farm.db", {"ready": (), "owner": ()})
    assert [item["pk"] for item in walk(new, "ann", index="owner")] == ["TASK#a"]
    assert len(walk(new, "A", index="ready")) == 2
    new.close()  # type: ignore[attr-defined]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(TableUnavailable, match=r"farm\.db.*not a database"):
        SqliteTable(path, INDEXES)
    assert path.read_bytes() == b"something else entirely" * 100


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TableUnavailable, match=tmp_path.name):
        SqliteTable(tmp_path, INDEXES)


def test_memory_is_no_file() -> None:
    with pytest.raises(ValueError, match="file"):
        SqliteTable(":memory:", INDEXES)


@pytest.mark.parametrize("name", ["", "1st", "by state", "a_b", 'x" --'])
def test_an_index_name_is_letters_and_digits(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="index name"):
        SqliteTable(tmp_path / "farm.db", {name: ()})


def fill_the_disk(table: SqliteTable) -> sqlite3.Connection:
    """SQLite refuses further pages as it does when the disk is full (SQLITE_FULL)."""
    writer = table._commits._connection
    assert writer is not None
    [pages] = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    return writer


def test_a_full_disk_says_unavailable_and_loses_nothing(sqlite: SqliteTable) -> None:
    sqlite.write(put_task("a"))
    writer = fill_the_disk(sqlite)
    with pytest.raises(TableUnavailable, match="full"):
        sqlite.write(Put({"pk": "BIG", "sk": "-", "status": "x", "text": "x" * 100_000}))
    assert sqlite.get(Key("BIG", "-")) is None
    assert len(sqlite.changes_after(0, 100)) == 1
    writer.execute("PRAGMA max_page_count = 1000000")
    sqlite.write(put_task("b"))
    assert len(walk(sqlite, "A", index="ready")) == 2


def test_a_full_disk_fails_every_caller_of_the_commit(sqlite: SqliteTable) -> None:
    sqlite.write(put_task("a"))
    fill_the_disk(sqlite)
    start, failures = threading.Barrier(8), []

    def write(number: int) -> None:
        start.wait()
        try:
            sqlite.write(Put({"pk": f"BIG#{number}", "sk": "-", "text": "x" * 100_000}))
        except TableUnavailable as failure:
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 8


def test_a_file_that_another_program_keeps_locked_is_unavailable(
    sqlite: SqliteTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.store.connections.BUSY_SECONDS", 0.05)
    other = sqlite3.connect(tmp_path / "farm.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TableUnavailable, match="locked"):
        sqlite.write(put_task("a"))
    other.execute("ROLLBACK")
    other.close()
    sqlite.write(put_task("a"))
    assert len(walk(sqlite, "A", index="ready")) == 1


def test_a_closed_table_says_so(sqlite: SqliteTable) -> None:
    sqlite.write(put_task("a"))
    sqlite.close()
    sqlite.close()
    with pytest.raises(TableUnavailable, match="closed"):
        sqlite.get(Key("TASK#a", "-"))
    with pytest.raises(TableUnavailable, match="closed"):
        sqlite.write(put_task("b"))
