"""In which order jobs of equal priority are served. A farm has one mode for all; what stands keeps the way it has.

- `first-in`: the oldest job first, with all workers that fit.
- `balanced`: they share the workers about evenly. Steps whose tasks are alike are given away by cursors, however few
  tasks they have, so each is one entry of its lane. A cursor counts what it has given away and not got back, moves to
  the end of its priority with each claim, and of the forty entries that a claim looks at the one goes first whose job
  runs the fewest. So a claim costs what it costs anyway, the end of an attempt one write more, and nothing depends on
  how many jobs there are.

What is counted is a hint: a process that dies between a claim and its tasks, or an end and its count, leaves it wrong,
and the sweep sets it right from the job's counts once the cursor has been left alone for a minute. Tasks that stand by
themselves (of job type `commands`, those that follow frame by frame, and those that run again) are neither counted nor
moved; they have their turn by age.
"""

from __future__ import annotations

from enum import StrEnum

from .farm import Farm
from .lifecycle import ENDED_JOBS, StepStatus
from .model import Job, Task
from .ports import Put
from .records import keys


class QueueMode(StrEnum):
    FIRST_IN = "first-in"
    """The oldest job of the highest priority first."""
    BALANCED = "balanced"
    """Jobs of equal priority share the workers."""


EVER = 2**53
LEFT_ALONE_MS = 60_000
"""A cursor that nobody has moved for so long has a count that events have caught up with."""


def read(farm: Farm) -> QueueMode:
    item = farm.table.get(keys.queue_mode())
    return QueueMode(item["mode"]) if item is not None else QueueMode.FIRST_IN


def write(farm: Farm, mode: QueueMode) -> None:
    """For steps that begin from now on."""
    key = keys.queue_mode()
    farm.table.write(Put({"pk": key.pk, "sk": key.sk, "mode": mode.value, "written_at": farm.clock.now()}))


def may_count_before(farm: Farm) -> int:
    """Jobs that were made before this time may have steps that are counted: none where the farm was always first-in.
    One read."""
    item = farm.table.get(keys.queue_mode())
    if item is None:
        return 0
    if item["mode"] != QueueMode.FIRST_IN.value:
        return EVER
    return int(item.get("written_at", EVER)) + LEFT_ALONE_MS  # other processes' clocks may be a little behind


def ended(farm: Farm, task: Task) -> None:
    """The first attempt of a task that a counting cursor gave away has ended (the task as it was under its lease)."""
    if task.counted_by is not None and task.generation == 1:
        farm.cursors.came_back(task.job, task.step, task.counted_by)


def mend(farm: Farm, job: Job, before: int) -> None:
    """For the sweep: counts that crashes have left wrong, of jobs that were made before (`may_count_before`); of others
    nothing is read. One read for the steps of such a job and one for each that is open. Only their sum counts, so the
    first cursor gets all of it."""
    if job.status in ENDED_JOBS or job.created_at >= before:
        return
    steps = [step for step in farm.jobs.steps(job.id) if step.status is StepStatus.OPEN and step.shards]
    cursors = [cursor for step in steps for cursor in farm.cursors.of(step) if cursor.running is not None]
    if any(farm.clock.now() - cursor.served_at <= LEFT_ALONE_MS for cursor in cursors):
        return
    active = job.counts.get("active", 0)
    if sum(cursor.running or 0 for cursor in cursors) != active:
        for number, cursor in enumerate(cursors):
            farm.cursors.set_running(cursor, 0 if number else active)
