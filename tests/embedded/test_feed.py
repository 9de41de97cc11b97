"""The change log's reader, on the real SQLite engine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chalicelib.core.ports import Key, Put, Set, Update
from chalicelib.embedded import feed as feed_module
from chalicelib.embedded.feed import ChangeFeed
from chalicelib.store.change_log import ChangeRecord
from chalicelib.store.sqlite import SqliteTable


@pytest.fixture
def table(tmp_path: Path) -> Iterator[SqliteTable]:
    table = SqliteTable(tmp_path / "farm.db", {})
    yield table
    table.close()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "FIRST_RETRY_SECONDS", 0.001)


class Handler:
    """Keeps what it was given, fails where it is told to, and tells when something new was handled."""

    def __init__(self, *, poison: str | None = None, failures: int = 10**6) -> None:
        self.seen: list[str] = []
        self.poison = poison
        self.failures = failures
        self._changed = threading.Condition()

    def __call__(self, records: Sequence[ChangeRecord]) -> None:
        if self.failures > 0 and any(record.pk == self.poison for record in records):
            self.failures -= 1
            raise RuntimeError("this record cannot be handled")
        with self._changed:
            self.seen += [f"{record.pk}={record.status}" for record in records]
            self._changed.notify_all()

    def wait_for(self, last: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: last in self.seen, timeout=10), self.seen


def put(table: SqliteTable, *names: str) -> None:
    for name in names:
        table.write(Put({"pk": name, "sk": "task", "status": "queued"}))


def test_changes_arrive_in_the_order_of_their_commits(table: SqliteTable) -> None:
    handler = Handler()
    put(table, "a", "b")
    feed = ChangeFeed(table, handler)
    feed.start()
    handler.wait_for("b=queued")
    table.write(Update(Key("a", "task"), (Set("status", "active"),)))
    handler.wait_for("a=active")
    feed.stop()
    assert handler.seen == ["a=queued", "b=queued", "a=active"]


def test_a_commit_wakes_the_feed_before_its_poll(table: SqliteTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "POLL_SECONDS", 60.0)
    handler = Handler()
    feed = ChangeFeed(table, handler)
    feed.start()
    for number in range(50):
        put(table, str(number))
        handler.wait_for(f"{number}=queued")
    feed.stop()
    assert handler.seen == [f"{number}=queued" for number in range(50)]


def test_what_another_process_commits_is_found_by_looking(
    table: SqliteTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "POLL_SECONDS", 0.01)
    handler = Handler()
    feed = ChangeFeed(table, handler)
    feed.start()
    other = SqliteTable(tmp_path / "farm.db", {})
    put(other, "a")
    handler.wait_for("a=queued")
    feed.stop()
    other.close()
    assert handler.seen == ["a=queued"]


def test_after_a_new_start_nothing_handled_comes_again_and_nothing_is_missing(table: SqliteTable) -> None:
    first = Handler()
    put(table, "a")
    feed = ChangeFeed(table, first)
    feed.start()
    first.wait_for("a=queued")
    feed.stop()
    put(table, "b")
    second = Handler()
    feed = ChangeFeed(table, second)
    feed.start()
    second.wait_for("b=queued")
    feed.stop()
    assert second.seen == ["b=queued"]


def test_a_record_that_always_fails_is_passed_over_with_a_word(
    table: SqliteTable, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Handler(poison="bad")
    put(table, "a", "bad", "b")
    feed = ChangeFeed(table, handler)
    with caplog.at_level(logging.WARNING):
        feed.start()
        handler.wait_for("b=queued")
        feed.stop()
    assert handler.seen == ["a=queued", "b=queued"]
    passed_over = [record for record in caplog.records if getattr(record, "action", "") == "change_passed_over"]
    assert [record.pk for record in passed_over] == ["bad"]  # type: ignore[attr-defined]
    assert table.acknowledged("events") == table.changes_after(0, 10)[-1].seq


def test_a_record_that_fails_for_a_while_is_handled_in_the_end(table: SqliteTable) -> None:
    handler = Handler(poison="slow", failures=4)
    put(table, "a", "slow", "b")
    feed = ChangeFeed(table, handler)
    feed.start()
    handler.wait_for("b=queued")
    feed.stop()
    assert handler.seen == ["a=queued", "slow=queued", "b=queued"]


def test_stopping_in_the_middle_acknowledges_only_what_was_handled(table: SqliteTable) -> None:
    failing = threading.Event()

    def handle(records: Sequence[ChangeRecord]) -> None:
        if any(record.pk == "bad" for record in records):
            if len(records) == 1:
                failing.set()
            raise RuntimeError("not now")

    put(table, "a", "bad", "b")
    feed = ChangeFeed(table, handle)
    feed_module.FIRST_RETRY_SECONDS = 30.0  # the fixture puts it back
    feed.start()
    assert failing.wait(10)
    feed.stop()
    assert table.acknowledged("events") == table.changes_after(0, 10)[0].seq


def test_handled_records_are_pruned(table: SqliteTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "PRUNE_EVERY_RECORDS", 3)
    handler = Handler()
    put(table, "a", "b", "c")
    feed = ChangeFeed(table, handler)
    feed.start()
    handler.wait_for("c=queued")
    feed.stop()
    assert len(table.changes_after(0, 10)) <= 1


def test_a_log_that_cannot_be_read_now_is_read_later(table: SqliteTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "POLL_SECONDS", 0.01)
    failures = iter([OSError("disk"), OSError("disk")])
    real = table.changes_after

    def changes_after(seq: int, limit: int) -> list[ChangeRecord]:
        for error in failures:
            raise error
        return real(seq, limit)

    monkeypatch.setattr(table, "changes_after", changes_after)
    handler = Handler()
    put(table, "a")
    feed = ChangeFeed(table, handler)
    feed.start()
    handler.wait_for("a=queued")
    feed.stop()
    assert handler.seen == ["a=queued"] and next(failures, None) is None


def test_a_feed_that_never_started_can_be_stopped_and_has_taken_nothing(table: SqliteTable) -> None:
    put(table, "a")
    never, later = Handler(), Handler()
    ChangeFeed(table, never).stop()
    feed = ChangeFeed(table, later)
    feed.start()
    later.wait_for("a=queued")
    feed.stop()
    assert never.seen == []
