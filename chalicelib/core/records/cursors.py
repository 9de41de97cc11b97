"""Access patterns of cursors, and of the rows by which a task's id finds its large step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..cursors import Cursor
from ..lifecycle import CURSOR, CursorStatus, next_status
from ..model import Job, JobId, Step, TaskId
from ..ports import (
    Absent,
    Add,
    AtMost,
    Change,
    Check,
    ConditionFailed,
    Delete,
    Differs,
    Equals,
    Exists,
    Item,
    Key,
    Missing,
    Put,
    Remove,
    Set,
    Table,
    Update,
)
from . import cursor_items, keys
from .paging import head
from .task_writes import ticket_asked


@dataclass(frozen=True)
class Span:
    """The block of ids of one large step."""

    base: TaskId
    count: int
    job: JobId
    step: int


def advanced(candidate: Item, tasks: int, *, claim: int, ticket: int | None, at: int) -> Update:
    """A claim of the next so many tasks of an entry of the ready index; near its end it may get fewer.

    No condition on `next` itself, so claimers do not lose races to each other. `claim` signs it, a number that no other
    claim has: an engine that repeats this update meets itself, unless somebody else has moved the cursor in between.
    Then it skips tasks: they are holes, as after a claim that died, and are found as such.
    """
    when = (Equals("status", CursorStatus.OPEN.value), AtMost("next", candidate["end"] - 1), *ticket_asked(ticket))
    when = (*when, Differs("moved_by", claim))
    changes: tuple[Change, ...] = (Add("next", tasks), Set("moved_by", claim))
    if "generation" in candidate:  # it counts, and goes to the end of those of its priority
        place = candidate["ready_sk"].partition("|")[0]
        changes = (*changes, Add("generation", tasks), Set("served_at", at), Set("ready_sk", keys.served_sk(place, at)))
        when = (*when, Equals("priority", keys.priority_of(place)))
    return Update(Key(candidate["pk"], candidate["sk"]), changes, when, signed=True)


class CursorRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    def of(self, step: Step) -> list[Cursor]:
        """In the order of their shards: one read."""
        found = self._table.get_many([keys.cursor(step.job, step.number, shard) for shard in range(step.shards)])
        return [cursor_items.cursor_from(item) for item in found if item is not None]

    def span_of(self, task_id: TaskId) -> Span | None:
        """The large step that this id would belong to."""
        for item in head(self._table, keys.SPANS, 1, last=keys.digits(task_id), descending=True):
            if task_id < item["base"] + item["count"]:
                return Span(item["base"], item["count"], item["job"], item["step"])
        return None

    def open_step(
        self,
        step: Step,
        base: TaskId,
        count: int,
        cursors: Sequence[Cursor],
        still: Check,
        changes: Sequence[Change],
    ) -> bool:
        """Open a step whose tasks are not written: all of it or nothing. False when the step, or its job, is no longer
        as it was read. `cursors`: none for a step that trails another."""
        key = keys.span(base)
        span = {"pk": key.pk, "sk": key.sk, "base": base, "count": count}
        when = (Equals("status", step.status.value), Equals("epoch", step.epoch))
        try:
            self._table.write(
                still,
                Update(keys.step(step.job, step.number), tuple(changes), when),
                Put(span | {"job": step.job, "step": step.number}, (Absent(),)),
                *(Put(cursor_items.cursor_item(cursor), (Absent(),)) for cursor in cursors),
            )
        except ConditionFailed:
            return False
        return True

    # ---- decisions: each one update, fenced by the epoch that the cursor carries

    def decide(self, decisions: Sequence[tuple[Cursor, str | None]], job: Job) -> None:
        """Move each by its event (None: only tell it), with the job's priority; older decisions come too late then."""
        self._table.write_many([[_decided(cursor, event, job)] for cursor, event in decisions])

    def count_rest(self, cursor: Cursor) -> None:
        """A closed cursor: what was never given away is canceled, and joins the step's sum. Once."""
        left = cursor.end - cursor.given
        self._write(
            Update(_key(cursor), (Set("left", left),), (*_closed(cursor), Missing("left"))),
            Update(keys.step(cursor.job, cursor.step), (Add("canceled", left),), (Exists(),)),
        )

    def reopen(self, cursor: Cursor, still: Check, at: int) -> None:
        """The way back, for a retry: held until its job's epoch is carried out."""
        status = next_status(CURSOR, cursor.status, "reopen")
        fields = {"status": status.value, "next": cursor.given, "solid": cursor.given, "noted": cursor.given}
        changes = [Set(name, value) for name, value in (fields | {"noted_at": at}).items()]
        step = (Add("canceled", -(cursor.left or 0)), Add("epoch", 1), Set("status", "open"))
        left = Missing("left") if cursor.left is None else Equals("left", cursor.left)
        self._write(
            still,
            Update(_key(cursor), (*changes, Remove("left")), (*_closed(cursor), left)),
            Update(keys.step(cursor.job, cursor.step), step, (Exists(),)),
        )

    # ---- what claims and looks leave behind

    def leave(self, cursor: Cursor) -> None:
        """It is spent: it gives nothing any more, and is in nobody's way."""
        removed = tuple(Remove(name) for name in cursor_items.READY_FIELDS)
        self._write(Update(_key(cursor), removed, (Exists(),)))

    def has_windows(self, cursor: Cursor, below: int) -> None:
        """Every window of its shard with a lower number has its item now."""
        self._write(Update(_key(cursor), (Set("windows", below),), (AtMost("windows", below - 1),)))

    def came_back(self, job_id: JobId, step: int, shard: int) -> None:
        """An attempt of a task that it gave away has ended. Only a hint: a repetition counts twice."""
        self._write(Update(keys.cursor(job_id, step, shard), (Add("generation", -1),), (Exists(),)))

    def set_running(self, cursor: Cursor, running: int) -> None:
        """Set the count right, if nobody has counted meanwhile."""
        if running != cursor.running:
            when = (Equals("generation", cursor.running), Equals("next", cursor.next))
            self._write(Update(_key(cursor), (Set("generation", running),), when))

    def note(self, cursor: Cursor, at: int) -> None:
        """A look for holes was made: below what was noted last time there are none."""
        fields = {"solid": max(cursor.solid, cursor.noted), "noted": cursor.given, "noted_at": at}
        changes = tuple(Set(name, value) for name, value in fields.items())
        when = (Equals("noted_at", cursor.noted_at), Equals("status", cursor.status.value))
        self._write(Update(_key(cursor), changes, when))

    def remove(self, step: Step, guard: Check | None = None) -> None:
        gone = [keys.cursor(step.job, step.number, shard) for shard in range(step.shards)]
        guards = [] if guard is None else [guard]
        self._table.write_many([[*guards, Delete(key)] for key in [keys.span(step.base), *gone]])

    def _write(self, *operations: Check | Update) -> None:
        """A condition that does not hold: somebody else has done it, or decided otherwise."""
        try:
            self._table.write(*operations)
        except ConditionFailed:
            return


def _decided(cursor: Cursor, event: str | None, job: Job) -> Update:
    status = next_status(CURSOR, cursor.status, event) if event else cursor.status
    fields = {"status": status.value, "priority": job.priority, "epoch": job.epoch}
    changes: list[Change] = [Set(name, value) for name, value in fields.items()]
    if status is CursorStatus.OPEN and not cursor.spent:
        priced = replace(cursor, priority=job.priority)
        changes += [Set(name, value) for name, value in cursor_items.ready_fields(priced).items()]
    else:
        changes += [Remove(name) for name in cursor_items.READY_FIELDS]
    when = (Equals("status", cursor.status.value), AtMost("epoch", job.epoch))
    return Update(_key(cursor), tuple(changes), when)


def _key(cursor: Cursor) -> Key:
    return keys.cursor(cursor.job, cursor.step, cursor.shard)


def _closed(cursor: Cursor) -> tuple[Equals, Equals]:
    return Equals("status", CursorStatus.CLOSED.value), Equals("epoch", cursor.epoch)
