"""The change log: each new status once, in commit order, told after the commit and kept until acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from chalicelib.core.ports import Check, ConditionFailed, Delete, Equals, Exists, Key, Put, Remove, Set, Update
from chalicelib.store.change_log import ChangeRecord
from chalicelib.store.sqlite import SqliteTable
from tests.store.engines import INDEXES, claim_first, put_task

KEY = Key("TASK#a", "-")


def statuses(table: SqliteTable, after: int = 0) -> list[tuple[str, str | None, str | None]]:
    return [(change.pk, change.status, change.ready_pk) for change in table.changes_after(after, 100)]


def test_each_new_status_is_noted_with_the_lane_it_waits_in(sqlite: SqliteTable) -> None:
    sqlite.write(put_task("a"))
    sqlite.take("ready", ["A"], claim_first)
    sqlite.update(Update(KEY, (Set("status", "completed"),)))
    sqlite.write(Delete(KEY))
    expected = [("queued", "A"), ("active", None), ("completed", None), (None, None)]
    assert statuses(sqlite) == [("TASK#a", *rest) for rest in expected]


def test_what_leaves_the_status_alone_is_no_news(sqlite: SqliteTable) -> None:
    sqlite.write(put_task("a"))
    sqlite.update(Update(KEY, (Set("progress", 50),)))
    sqlite.write(put_task("a", progress=60))
    sqlite.write(Check(KEY, when=(Exists(),)), Put({"pk": "NOTE", "sk": "-"}))
    sqlite.write(Delete(Key("NOTE", "-")))
    sqlite.write(Delete(Key("NEVER", "-")))
    assert statuses(sqlite) == [("TASK#a", "queued", "A")]


def test_a_status_that_goes_away_is_news(sqlite: SqliteTable) -> None:
    sqlite.write(put_task("a"))
    sqlite.update(Update(KEY, (Remove("status"),)))
    assert statuses(sqlite)[-1] == ("TASK#a", None, "A")


def test_a_refused_write_leaves_no_trace(sqlite: SqliteTable) -> None:
    sqlite.write(put_task("a"))
    refused = Update(KEY, (Set("status", "active"),), when=(Equals("gen", 9),))
    with pytest.raises(ConditionFailed):
        sqlite.write(put_task("b"), refused)
    assert [failed is None for failed in sqlite.write_many([[refused], [put_task("c")]])] == [False, True]
    assert [pk for pk, _, _ in statuses(sqlite)] == ["TASK#a", "TASK#c"]


def test_changes_are_read_in_pieces(sqlite: SqliteTable) -> None:
    sqlite.write_many([[put_task(name)] for name in "abcde"])
    first = sqlite.changes_after(0, 2)
    rest = sqlite.changes_after(first[-1].seq, 100)
    assert [change.pk[-1] for change in first + rest] == ["a", "b", "c", "d", "e"]
    assert sqlite.changes_after(rest[-1].seq, 100) == []


def test_acknowledgements_last_and_never_go_back(sqlite: SqliteTable, tmp_path: Path) -> None:
    assert sqlite.acknowledged("stream") == 0
    sqlite.acknowledge("stream", 7)
    sqlite.acknowledge("stream", 5)
    sqlite.acknowledge("other", 1)
    sqlite.close()
    reopened = SqliteTable(tmp_path / "farm.db", INDEXES)
    assert (reopened.acknowledged("stream"), reopened.acknowledged("other")) == (7, 1)
    reopened.close()


def test_numbers_are_not_used_again_after_pruning(sqlite: SqliteTable) -> None:
    sqlite.write_many([[put_task(name)] for name in "abc"])
    last = sqlite.changes_after(0, 100)[-1].seq
    assert sqlite.prune_changes(last) == 2
    assert [change.seq for change in sqlite.changes_after(0, 100)] == [last]
    assert sqlite.prune_changes(last + 1) == 1
    sqlite.write(put_task("d"))
    assert [change.seq for change in sqlite.changes_after(0, 100)] == [last + 1]


def test_a_listener_hears_after_the_commit_and_may_read_and_write(sqlite: SqliteTable) -> None:
    heard: list[ChangeRecord] = []

    def listen(changes: Sequence[ChangeRecord]) -> None:
        heard.extend(changes)
        for change in changes:
            item = sqlite.get(Key(change.pk, change.sk))
            if item is not None and item["status"] == "queued":
                sqlite.update(Update(Key(change.pk, change.sk), (Set("status", "active"),)))

    sqlite.subscribe(listen)
    sqlite.write(put_task("a"))
    assert [change.status for change in heard] == ["queued", "active"]
    assert heard == sqlite.changes_after(0, 100)


def test_a_listener_that_breaks_harms_neither_the_writer_nor_the_next(
    sqlite: SqliteTable, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[ChangeRecord] = []

    def broken(changes: Sequence[ChangeRecord]) -> None:
        raise RuntimeError("listener broke")

    sqlite.subscribe(broken)
    sqlite.subscribe(heard.extend)
    with caplog.at_level(logging.ERROR):
        sqlite.write(put_task("a"))
    assert [change.pk for change in heard] == ["TASK#a"]
    assert "listener broke" in caplog.text


def test_a_table_nobody_listens_to_keeps_no_log(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "quiet.db", INDEXES, change_log=False)
    table.write(put_task("a"))
    assert table.changes_after(0, 100) == []
    table.close()
