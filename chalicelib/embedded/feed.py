"""The change log's reader: what DynamoDB Streams does in AWS, for the embedded farm.

One thread in the elected process reads the records after the last acknowledged one and hands them, in batches and in
the order of the commits, to the same handler that the stream calls. Acknowledged is what was handled: after a crash
records come again. A record that keeps failing is logged and passed over, so that it cannot hold up everything behind
it; the sweep is there for what it stood for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from chalicelib.core.ports import TableUnavailable
from chalicelib.store.change_log import ChangeRecord

logger = logging.getLogger(__name__)

BATCH_RECORDS = 500
PAUSE_SECONDS = 0.1
"""After a batch: the request path has done already what matters at once, and the counts of a job cost as much to add up
for one task as for a hundred."""
POLL_SECONDS = 1.0
ATTEMPTS = 5
FIRST_RETRY_SECONDS = 0.1
PRUNE_EVERY_RECORDS = 10_000

Handle = Callable[[Sequence[ChangeRecord]], None]


class ChangeSource(Protocol):
    """The part of the SQLite engine that the feed needs."""

    def changes_after(self, seq: int, limit: int) -> list[ChangeRecord]: ...

    def acknowledge(self, consumer: str, seq: int) -> None: ...

    def acknowledged(self, consumer: str) -> int: ...

    def prune_changes(self, before_seq: int) -> int: ...

    def together(self) -> AbstractContextManager[None]: ...

    def subscribe(self, listener: Callable[[Sequence[ChangeRecord]], None]) -> None: ...


class ChangeFeed:
    """Hands changes to `handle`, which must bear the same record twice. `start` once, `stop` from another thread."""

    def __init__(self, source: ChangeSource, handle: Handle, *, consumer: str = "events") -> None:
        self._source = source
        self._handle = handle
        self._consumer = consumer
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._unpruned = 0
        self._thread = threading.Thread(target=self._run, name="change feed", daemon=True)

    def start(self) -> None:
        self._source.subscribe(lambda records: self._news.set())
        self._thread.start()

    def stop(self) -> None:
        """Returns when the record in hand has been handled; the rest is for the next start."""
        self._stopping.set()
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()  # before reading: a commit after this read sets it again
            try:
                with self._source.together():  # nobody is told anything before the whole batch is handled
                    more = self._handle_next()
                if more:
                    self._stopping.wait(PAUSE_SECONDS)
                    continue
            except Exception as error:
                self._complain("The change log could not be read", "change_feed_failed", error)
                self._stopping.wait(POLL_SECONDS)
            # Another process that shares the file commits without telling this one: hence the limit.
            self._news.wait(POLL_SECONDS)

    def _handle_next(self) -> bool:
        """One batch. False when there was none."""
        records = self._source.changes_after(self._source.acknowledged(self._consumer), BATCH_RECORDS)
        if not records:
            return False
        done = self._handle_batch(records)
        if done:
            self._source.acknowledge(self._consumer, done[-1].seq)
            self._prune(len(done), done[-1].seq)
        return True

    def _handle_batch(self, records: Sequence[ChangeRecord]) -> Sequence[ChangeRecord]:
        """The records that are done with: all, or those before the stop."""
        try:
            self._handle(records)
            return records
        except Exception as error:
            self._complain("A batch of changes failed and is tried one by one", "change_batch_failed", error)
        for position, record in enumerate(records):
            if not self._handle_alone(record):
                return records[:position]
        return records

    def _handle_alone(self, record: ChangeRecord) -> bool:
        """True when the record is done with, well or badly; False when the server stops before."""
        pause = FIRST_RETRY_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            if self._stopping.is_set():
                return False
            try:
                self._handle([record])
                return True
            except Exception as error:
                if attempt == ATTEMPTS:
                    self._complain("A change is passed over", "change_passed_over", error, record)
                    return True
            self._stopping.wait(pause)
            pause *= 2
        return False

    def _prune(self, count: int, seq: int) -> None:
        self._unpruned += count
        if self._unpruned >= PRUNE_EVERY_RECORDS:
            self._source.prune_changes(seq)
            self._unpruned = 0

    def _complain(self, sentence: str, action: str, error: Exception, record: ChangeRecord | None = None) -> None:
        extra: dict[str, Any] = {"action": action, "consumer": self._consumer}
        if record is not None:
            extra |= {"seq": record.seq, "pk": record.pk, "sk": record.sk}
        is_expected = isinstance(error, TableUnavailable)
        logger.warning(sentence, extra=extra, exc_info=None if is_expected else error)
