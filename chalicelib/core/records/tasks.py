"""Access patterns of tasks. What is written is built in `task_writes.py`, one function per transition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..cursors import Cursor
from ..model import Attempt, Requirement, Task, TaskId, WorkerId
from ..ports import (
    Absent,
    Check,
    ConditionFailed,
    Delete,
    Enough,
    Item,
    Key,
    Onward,
    Operation,
    Pick,
    Put,
    Table,
    Update,
)
from . import cursor_items, keys, task_items
from .paging import head, pages

CHUNK = 99
"""Tasks per transaction: a hundred operations, one of which checks the job."""


@dataclass(frozen=True)
class Held:
    """An entry of the `held` index: may lag."""

    task: TaskId
    generation: int
    request_id: str
    granted_at: int


@dataclass(frozen=True)
class Due:
    """An entry of the `due` index: may lag."""

    task: TaskId
    generation: int
    due_at: int


class TaskRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, task_id: TaskId) -> Task | None:
        item = self._table.get(keys.task(task_id))
        return None if item is None else task_items.task_from(item)

    def get_many(self, task_ids: Sequence[TaskId]) -> list[Task | None]:
        found = self._table.get_many([keys.task(task_id) for task_id in task_ids])
        return [None if item is None else task_items.task_from(item) for item in found]

    def range(self, first: TaskId, last: TaskId) -> Iterator[Task]:
        """Tasks with ids in [first, last], in order, by partition."""
        for bucket in range(first // keys.BUCKET, last // keys.BUCKET + 1):
            pk = keys.task(bucket * keys.BUCKET).pk
            for item in pages(self._table, pk, first=keys.digits(first), last=keys.digits(last)):
                yield task_items.task_from(item)

    def add(self, tasks: Sequence[Task], guard: Check) -> bool:
        """Put-if-absent each, while the guard holds; False when it does not (some may have been written).

        Never a batch write: it has no conditions, and would put a fresh task over one that runs.
        """
        for start in range(0, len(tasks), CHUNK):
            puts = [Put(task_items.task_item(task), (Absent(),)) for task in tasks[start : start + CHUNK]]
            if not self._write_guarded(guard, puts):
                return False
        return True

    def begin(self, tasks: Sequence[Task]) -> list[Task]:
        """Put-if-absent each, under its lease; gives those that are so now. A put that is repeated finds itself."""
        puts = [Put(task_items.task_item(task), (Absent(),)) for task in tasks]
        failures = self._table.write_many([[put] for put in puts])
        return [
            task
            for task, failed in zip(tasks, failures, strict=True)
            if failed is None or (failed.item is not None and task_items.task_from(failed.item).lease == task.lease)
        ]

    def move(self, updates: Sequence[Update], guard: Check) -> bool:
        """Apply what still fits, while the guard holds; False when it does not (some may have been applied)."""
        return all(self._write_guarded(guard, updates[i : i + CHUNK]) for i in range(0, len(updates), CHUNK))

    def _write_guarded(self, guard: Check, operations: Sequence[Operation]) -> bool:
        try:
            self._table.write(guard, *operations)
            return True
        except ConditionFailed as failed:
            if failed.position == 0:
                return False
        results = self._table.write_many([[guard, operation] for operation in operations])
        return not any(failed is not None and failed.position == 0 for failed in results)

    def write(self, *operations: Operation) -> None:
        self._table.write(*operations)

    def update(self, update: Update) -> Task:
        return task_items.task_from(self._table.update(update))

    def end(self, update: Update, attempt: Attempt) -> Task:
        """The task after an update that ends this attempt. Raises ConditionFailed, but not when it only met itself."""
        try:
            return self.update(update)
        except ConditionFailed as failed:
            if failed.item is None or not _shows(failed, attempt):
                raise
            return task_items.task_from(failed.item)

    def end_each(self, ends: Sequence[tuple[Update, Attempt]]) -> list[bool]:
        """The same for several, independently of each other; says of each whether it was so."""
        failures = self._table.write_many([[update] for update, _ in ends])
        return [failed is None or _shows(failed, run) for (_, run), failed in zip(ends, failures, strict=True)]

    def take(
        self, lanes: Sequence[str], pick: Pick, enough: Enough, onward: Onward
    ) -> tuple[list[Task | Cursor], bool]:
        """Claim the best entries of these lanes (partitions of the ready index), one by one until it is enough; the
        flag says that others were faster, so ask again."""
        items, contended = self._table.take("ready", lanes, pick, enough=enough, onward=onward)
        return [_taken(item) for item in items], contended

    def head(self, lane: Requirement, limit: int) -> Sequence[Item]:
        """The best entries of a lane, as far as the index has heard."""
        return head(self._table, keys.ready_pk(lane), limit, index="ready")

    def num_ahead(self, task: Task, most: int) -> int:
        """How many stand before this queued task in its lane, the unbegun ones of its own step apart; up to `most`."""
        last = keys.ready_sk(task.priority, task.own_priority, task.id)
        found = head(self._table, keys.ready_pk(task.requirement), most + 1, index="ready", last=last)
        return min(most, self.weigh([entry for entry in found if entry["id"] != task.id]))

    def weigh(self, entries: Sequence[Item]) -> int:
        """How many tasks these entries of a lane stand for."""
        cursors = [Key(entry["pk"], entry["sk"]) for entry in entries if cursor_items.is_cursor(entry)]
        found = [cursor_items.cursor_from(item) for item in self._table.get_many(cursors) if item is not None]
        return len(entries) - len(cursors) + sum(cursor.end - cursor.given for cursor in found)

    def held_by(self, worker_id: WorkerId) -> list[Held]:
        found = pages(self._table, keys.held_pk(worker_id), index="held")
        return [Held(i["id"], i["generation"], i["request_id"], i["lease_granted_at"]) for i in found]

    def due(self, now: int) -> Iterator[Due]:
        """Leases that ran out by `now`, and failures to be tried again by then, as far as the index has heard."""
        for shard in range(keys.DUE_SHARDS):
            for item in pages(self._table, keys.due_pk(shard), index="due", last=keys.digits(now) + "|~"):
                yield Due(item["id"], item["generation"], item["lease_due_at"])

    def holders(self) -> set[WorkerId]:
        """Workers that hold a task now, as far as the index has heard: one read for a page of leases."""
        shards = (pages(self._table, keys.due_pk(shard), index="due", limit=1000) for shard in range(keys.DUE_SHARDS))
        # What is to be tried again later stands in this index too, and nobody holds it.
        return {item["worker"] for shard in shards for item in shard if "worker" in item}

    def remove(self, first: TaskId, last: TaskId) -> None:
        """A window's worth, so that it fits into memory."""
        self._table.write_many([[Delete(keys.task(task.id))] for task in self.range(first, last)])


def _shows(failed: ConditionFailed, attempt: Attempt) -> bool:
    """That it has ended, to the millisecond as this was to say: the engine has sent the write again, since its answer
    was lost."""
    return failed.item is not None and task_items.task_from(failed.item).attempts[-1:] == (attempt,)


def _taken(item: Item) -> Task | Cursor:
    return cursor_items.cursor_from(item) if cursor_items.is_cursor(item) else task_items.task_from(item)
