"""What of the SQLite engine's commits survives a power cut, and what a sync is spent on.

The disk is played by a copy of both files as each sync begins: what was written after that is what a power cut takes.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.core.ports import Key, Put, TableUnavailable
from chalicelib.store import durability
from chalicelib.store.sqlite import SqliteTable
from tests.store.engines import INDEXES


class Disk:
    """The table's files as the last sync left them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.kept, self.syncs, self.broken = folder, folder / "disk", 0, False
        self.kept.mkdir()
        self._lock, self._kept_of = threading.Lock(), 0
        monkeypatch.setattr(durability, "_sync_data", self._sync)

    def _sync(self, descriptor: int) -> None:
        if self.broken:
            raise OSError(5, "Input/output error")
        with self._lock:
            self.syncs = number = self.syncs + 1
        # A sync promises what was written when it began, and no more: the copy comes first.
        aside = self.folder / f"aside-{number}"
        aside.mkdir()
        for name in ("farm.db", "farm.db-wal"):
            shutil.copyfile(self.folder / name, aside / name)
        os.fsync(descriptor)
        with self._lock:
            if number > self._kept_of:
                shutil.rmtree(self.kept)
                aside.rename(self.kept)
                self._kept_of = number

    def after_a_power_cut(self) -> set[str]:
        copy = self.folder / "after"
        shutil.rmtree(copy, ignore_errors=True)
        with self._lock:
            shutil.copytree(self.kept, copy)
        table = SqliteTable(copy / "farm.db", INDEXES)
        found = {str(item["sk"]) for item in table.query("A", limit=1000).items}
        table.close()
        return found


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


@pytest.fixture
def table(tmp_path: Path, disk: Disk) -> Iterator[SqliteTable]:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    yield table
    table.close()


def item(name: str) -> Put:
    return Put({"pk": "A", "sk": name})


def test_what_a_call_has_written_survives_a_power_cut(table: SqliteTable, disk: Disk) -> None:
    for name in ("a", "b", "c"):
        table.write(item(name))
        assert name in disk.after_a_power_cut()


def test_writes_made_together_share_one_sync_at_the_end(table: SqliteTable, disk: Disk) -> None:
    with table.together():
        for name in ("a", "b", "c", "d"):
            table.write(item(name))
        assert disk.syncs == 0
    assert disk.syncs == 1
    assert disk.after_a_power_cut() == {"a", "b", "c", "d"}


def test_nobody_is_told_what_a_power_cut_could_undo(table: SqliteTable, disk: Disk) -> None:
    written, told = threading.Event(), threading.Event()

    def write_and_linger() -> None:
        with table.together():
            table.write(item("a"))
            written.set()
            assert told.wait(10)

    writer = threading.Thread(target=write_and_linger)
    writer.start()
    try:
        assert written.wait(10)
        assert table.get(Key("A", "a")) is not None  # somebody else reads it before its writer has answered
        assert disk.after_a_power_cut() == {"a"}
    finally:
        told.set()
        writer.join()


def test_a_second_process_learns_what_the_first_has_not_synced(table: SqliteTable, disk: Disk, tmp_path: Path) -> None:
    other = SqliteTable(tmp_path / "farm.db", INDEXES)
    with table.together():
        table.write(item("a"))
        assert [found["sk"] for found in other.query("A").items] == ["a"]
        assert disk.after_a_power_cut() == {"a"}
    other.close()


def test_reading_what_is_durable_costs_no_sync(table: SqliteTable, disk: Disk) -> None:
    table.write(item("a"))
    for _ in range(3):
        table.get(Key("A", "a"))
        with table.together():
            table.query("A")
    assert disk.syncs == 1


def test_a_commit_whose_process_died_between_counting_and_saying_so_holds_nobody_up(
    table: SqliteTable, disk: Disk, tmp_path: Path
) -> None:
    other = SqliteTable(tmp_path / "farm.db", INDEXES)
    other._durability.begin_commit()  # and then it was killed
    assert table.get(Key("A", "a")) is None
    other.close()


def test_under_many_threads_all_that_was_acknowledged_is_on_the_disk(table: SqliteTable, disk: Disk) -> None:
    acknowledged: set[str] = set()
    missing: set[str] = set()

    def work(worker: int) -> None:
        for turn in range(5):
            names = [f"{worker}-{turn}-{part}" for part in range(3)]
            with table.together():
                for name in names:
                    table.write(item(name))
            acknowledged.update(names)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        before = set(acknowledged)
        missing |= before - disk.after_a_power_cut()
    for thread in threads:
        thread.join()
    assert not missing
    assert acknowledged == disk.after_a_power_cut()
    assert disk.syncs <= 40


def test_a_disk_that_does_not_keep_what_was_written_is_trusted_no_more(table: SqliteTable, disk: Disk) -> None:
    table.write(item("a"))
    disk.broken = True
    with pytest.raises(TableUnavailable, match="failed to keep"):
        table.write(item("b"))
    disk.broken = False  # a second fsync would succeed, although the pages of the first are gone
    with pytest.raises(TableUnavailable, match="failed to keep"), table.together():
        table.write(item("c"))
    assert disk.after_a_power_cut() == {"a"}


def test_a_failure_that_one_process_was_told_of_counts_for_all(table: SqliteTable, disk: Disk, tmp_path: Path) -> None:
    other = SqliteTable(tmp_path / "farm.db", INDEXES)
    other.write(item("a"))
    disk.broken = True
    with pytest.raises(TableUnavailable, match="failed to keep"):
        table.write(item("b"))
    disk.broken = False  # the kernel has told it once: whoever opens the file now hears of nothing
    with pytest.raises(TableUnavailable, match="failed to keep"):
        other.write(item("c"))
    third = SqliteTable(tmp_path / "farm.db", INDEXES)  # a process that was killed and started again
    with pytest.raises(TableUnavailable, match="failed to keep"):
        third.write(item("d"))
    assert disk.after_a_power_cut() == {"a"}
    third.close()
    other.close()


def test_a_failure_during_somebody_elses_sync_spoils_that_too(
    table: SqliteTable, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SqliteTable(tmp_path / "farm.db", INDEXES)
    other.write(item("a"))

    def fails_elsewhere_meanwhile(descriptor: int) -> None:
        monkeypatch.setattr(durability, "_sync_data", disk._sync)
        disk.broken = True
        with pytest.raises(TableUnavailable, match="failed to keep"):
            table.write(item("c"))

    monkeypatch.setattr(durability, "_sync_data", fails_elsewhere_meanwhile)
    with pytest.raises(TableUnavailable, match="failed to keep"):
        other.write(item("b"))
    other.close()


def test_a_failure_that_sqlite_kept_to_itself_is_heard_of(
    table: SqliteTable, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It syncs the file too. As on Linux: a failure is told once to whoever had the file open, not to who opens it
    when somebody has heard of it."""
    opened, owed = set[int](), set[int]()
    true_open = os.open

    def noted(path: object, *arguments: object, **more: object) -> int:
        descriptor: int = true_open(path, *arguments, **more)  # type: ignore[call-overload]
        owed.discard(descriptor)
        if str(path).endswith("-wal"):
            opened.add(descriptor)
        return descriptor

    def sync(descriptor: int) -> None:
        if descriptor in owed:
            owed.remove(descriptor)
            raise OSError(5, "Input/output error")
        disk._sync(descriptor)

    monkeypatch.setattr(os, "open", noted)
    monkeypatch.setattr(durability, "_sync_data", sync)
    table.write(item("a"))
    owed |= opened
    with pytest.raises(TableUnavailable, match="failed to keep"):
        table.write(item("b"))


def test_a_file_that_sqlite_made_anew_is_the_one_that_is_synced(
    table: SqliteTable, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(durability, "_sync_data", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    wal = disk.folder / "farm.db-wal"
    table.write(item("a"))
    made = [wal.stat().st_ino]
    table._connections.close_idle()
    table._commits._connection.close()  # type: ignore[union-attr]  (the last one: SQLite removes the file with it)
    table._commits._connection = None
    assert not wal.exists()
    table.write(item("b"))
    assert synced == [*made, wal.stat().st_ino] and synced[0] != synced[1]


def test_who_starts_when_nobody_else_is_there_begins_anew(table: SqliteTable, disk: Disk, tmp_path: Path) -> None:
    disk.broken = True
    with pytest.raises(TableUnavailable, match="failed to keep"):
        table.write(item("a"))
    table.close()
    disk.broken = False
    again = SqliteTable(tmp_path / "farm.db", INDEXES)
    again.write(item("b"))
    assert "b" in disk.after_a_power_cut()
    again.close()


def test_the_numbers_of_an_earlier_version_are_taken_over(tmp_path: Path, disk: Disk) -> None:
    with open(tmp_path / "farm.db.synced", "wb") as file:
        file.write(b"".join(number.to_bytes(8, sys.byteorder) for number in (7, 7, 7)))
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    table.write(item("a"))
    assert table._durability._numbers.tolist() == [8, 8, 8, 0]
    table.close()


def test_a_sync_that_could_not_even_begin_is_tried_again(table: SqliteTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with too many open files: nothing of what was written can be lost by that."""
    true_open = os.open

    def no_more(path: object, *arguments: object, **more: object) -> int:
        if str(path).endswith("-wal"):
            raise OSError(24, "Too many open files")
        return true_open(path, *arguments, **more)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "open", no_more)
    with pytest.raises(TableUnavailable, match="Too many open files"):
        table.write(Put({"pk": "a", "sk": "-"}))
    monkeypatch.undo()
    table.write(Put({"pk": "b", "sk": "-"}))
    assert table.get(Key("a", "-")) is not None
