"""Access patterns of workers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..model import Block, JobId, Task, TaskId, Worker, WorkerId
from ..ports import (
    Absent,
    Change,
    Clock,
    ConditionFailed,
    Delete,
    Equals,
    Exists,
    Include,
    Key,
    Missing,
    Operation,
    Put,
    Set,
    Table,
    Update,
)
from . import changes as changed
from . import keys, worker_items
from .fresh import put_fresh
from .paging import pages


class WorkerRecords:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, worker_id: WorkerId) -> Worker | None:
        """With its blocklist; one read."""
        first, last = keys.WORKER_RANGE
        worker: Worker | None = None
        blocked: list[tuple[JobId, str]] = []
        for item in pages(self._table, keys.worker(worker_id).pk, first=first, last=last):
            if item["sk"] == keys.ALONE:
                worker = worker_items.worker_from(item)
            else:
                blocked.append((item["job"], item["task_type"]))
        return None if worker is None else replace(worker, blocked=frozenset(blocked))

    def get_many(self, worker_ids: Sequence[WorkerId]) -> list[Worker]:
        """Those that there are, without their blocklists; one batch of reads."""
        found = self._table.get_many([keys.worker(worker_id) for worker_id in dict.fromkeys(worker_ids)])
        return [worker_items.worker_from(item) for item in found if item is not None]

    def note_failure(self, worker_id: WorkerId, task: Task) -> int:
        """Remember that the task failed on this worker; on how many tasks of this job and type it has failed now."""
        key = keys.failures(worker_id, task.job, task.requirement.task_type)
        noted = self._table.update(Update(key, (Include("tasks", frozenset({task.id})),)))
        return len(noted["tasks"])

    def failed_tasks(self, worker_id: WorkerId, job_id: JobId, task_type: str) -> frozenset[TaskId]:
        """The tasks of a job and type that have failed on this worker."""
        noted = self._table.get(keys.failures(worker_id, job_id, task_type))
        return frozenset(noted["tasks"]) if noted is not None else frozenset()

    def remove(self, worker_id: WorkerId) -> None:
        """The worker, its blocklist and what is noted of its failures."""
        found = list(pages(self._table, keys.worker(worker_id).pk))
        itself, left = keys.worker(worker_id), changed.gone(worker_id, self._clock.now())
        transactions: list[list[Operation]] = [[Delete(Key(item["pk"], item["sk"]))] for item in found]
        self._table.write_many([[*each, left] if each[0].key == itself else each for each in transactions])

    def block(self, worker_id: WorkerId, job_id: JobId, task_type: str, at: int) -> None:
        key = keys.block(worker_id, job_id, task_type)
        fields = {"worker": worker_id, "job": job_id, "task_type": task_type, "created_at": at}
        self._table.write(Put({"pk": key.pk, "sk": key.sk} | fields))
        self._news(worker_id)

    def blocklist(self, worker_id: WorkerId) -> list[Block]:
        """Sorted by job and task type."""
        first, last = keys.BLOCK_RANGE
        found = pages(self._table, keys.worker(worker_id).pk, first=first, last=last)
        blocks = (Block(item["job"], item["task_type"], item["created_at"]) for item in found)
        return sorted(blocks, key=lambda block: (block.job, block.task_type))

    def unblock(self, worker_id: WorkerId, job_id: JobId, task_type: str) -> None:
        """A clean slate: the failures that led to it are forgotten too."""
        self._table.write(Delete(keys.failures(worker_id, job_id, task_type)))
        self._table.write(Delete(keys.block(worker_id, job_id, task_type)))
        self._news(worker_id)

    def _news(self, worker_id: WorkerId) -> None:
        """The blocklist is the worker's, but not in its item."""
        moved = (Set(name, value) for name, value in changed.place(worker_id, self._clock.now()).items())
        with contextlib.suppress(ConditionFailed):  # it was removed meanwhile
            self._table.write(Update(keys.worker(worker_id), tuple(moved), (Exists(),)))

    def add(self, worker: Worker) -> None:
        item = worker_items.worker_item(worker) | changed.place(worker.id, self._clock.now())
        put_fresh(self._table, Put(item, (Absent(),)))

    def change(self, worker_id: WorkerId, *changes: Change) -> Worker | None:
        """The worker as it is then, without its blocklist, or None if there is none."""
        moves = changed.moves(worker_id, changes, changed.WORKER_SHOWS, self._clock)
        update = Update(keys.worker(worker_id), (*changes, *moves), (Exists(),))
        try:
            return worker_items.worker_from(self._table.update(update))
        except ConditionFailed:
            return None

    def note_lost(self, worker: Worker) -> bool:
        """The worker has been silent for too long, and still is."""
        now = self._clock.now()
        fields = {"lost_at": now} | changed.place(worker.id, now)
        update = Update(
            keys.worker(worker.id),
            tuple(Set(name, value) for name, value in fields.items()),
            (Equals("last_contact_at", worker.last_contact_at),),
        )
        try:
            self._table.write(update)
        except ConditionFailed:
            return False
        return True

    def begin(self, worker: Worker, start: int, now: int) -> bool:
        """Note a new start. False when the worker's newest start is no longer the one that was read."""
        before = Missing("start") if worker.start is None else Equals("start", worker.start)
        changes = (Set("start", start), Set("started_at", now))
        try:
            self._table.write(Update(keys.worker(worker.id), changes, (Exists(), before)))
        except ConditionFailed:
            return False
        return True

    def page(self, limit: int, cursor: str | None) -> tuple[list[Worker], str | None]:
        """Newest first. A bad cursor raises ValueError."""
        pk = keys.listing_pk("workers")
        page = self._table.query(pk, index="listing", descending=True, limit=limit, cursor=cursor)
        found = self._table.get_many([Key(entry["pk"], entry["sk"]) for entry in page.items])
        return [worker_items.worker_from(item) for item in found if item is not None], page.cursor

    def all(self) -> Iterator[Worker]:
        entries = [Key(i["pk"], i["sk"]) for i in pages(self._table, keys.listing_pk("workers"), index="listing")]
        for item in self._table.get_many(entries):
            if item is not None:
                yield worker_items.worker_from(item)
