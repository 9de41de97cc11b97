"""Steps become tasks: a step whose parents are done is opened (its count and its block of ids are fixed), and then its
windows and tasks are written, put-if-absent, window by window, each under a check that nobody decided anything about
the job meanwhile. A process that dies anywhere leaves what the next `settle` takes up where it stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import making, queue_mode, trailing
from .aligning import audit_window
from .compiling import Opened
from .cursors import Cursor, cut, shards_for
from .errors import BadInput
from .farm import Farm
from .ids import PER_SECOND
from .lifecycle import ENDED_JOBS, STEP, CursorStatus, StepStatus, TaskStatus, next_status
from .model import Job, Step, Task, TaskId
from .plans import StepPlan
from .ports import Set
from .queue_mode import QueueMode
from .turns import Turn
from .windows import first_of, window, window_of, window_sizes


def plan_steps(job: Job, plans: Sequence[StepPlan]) -> list[Step]:
    """The steps of a new job, all waiting."""
    numbers = {plan.name: number for number, plan in enumerate(plans)}
    return [
        Step(
            job=job.id,
            number=number,
            name=plan.name,
            status=StepStatus.WAITING,
            parents=_parents(plan, numbers),
            count=0,
            base=0,
            shards=0,
            written=False,
            epoch=0,
            completed=0,
            failed=0,
            canceled=0,
            trails=numbers[plan.trail.step] if plan.trail else None,
        )
        for number, plan in enumerate(plans)
    ]


def _parents(plan: StepPlan, numbers: Mapping[str, int]) -> tuple[int, ...]:
    trailed = (plan.trail.step,) if plan.trail else ()
    return tuple(sorted(numbers[name] for name in {*plan.after, *trailed}))


def open_step(farm: Farm, job: Job, step: Step) -> None:
    """Fix how many tasks there are and which ids they have; a large step gets its cursors."""
    of = making.opened(farm, job, step)
    count = of.expansion.count
    if count > PER_SECOND:
        raise BadInput(f"step {step.name!r} has {count} tasks; at most {PER_SECOND} are possible")
    single_first = step.number == 0 and count == 1
    base = job.first_task if single_first else farm.ids.block(count)
    if step.trails is not None:
        trailing.open_step(farm, of, base)
    elif of.expansion.alike and (count > farm.limits.small_step_tasks or of.job.gated):
        _open_large_step(farm, of, base, counting=queue_mode.read(farm) is QueueMode.BALANCED)
    elif of.expansion.alike and queue_mode.read(farm) is QueueMode.BALANCED:
        _open_large_step(farm, of, base, counting=True)
    else:
        farm.jobs.open_step(job, step, Set("count", count), Set("base", base))


def _open_large_step(farm: Farm, of: Opened, base: TaskId, *, counting: bool) -> None:
    """`counting`: its cursors count what they gave away, for a balanced queue."""
    cursors = [replace(cursor, running=0 if counting else None) for cursor in _new_cursors(farm, of, base)]
    farm.registry.will_queue(cursors[0].requirement, of.job.priority)
    changes: dict[str, Any] = {"count": of.expansion.count, "base": base, "shards": len(cursors), "written": True}
    changes["status"] = next_status(STEP, of.step.status, "open").value
    still = farm.jobs.still(of.job)
    changed = [Set(name, value) for name, value in changes.items()]
    farm.cursors.open_step(of.step, base, of.expansion.count, cursors, still, changed)
    # Lists show counts as last rolled up, and of tasks that are in no table nobody hears before the first claim.
    counts = Counter({status.value: 0 for status in TaskStatus} | dict(of.job.counts))
    counts[TaskStatus.QUEUED.value] += of.expansion.count
    farm.jobs.change(of.job, Set("counts", dict(counts)))


def _new_cursors(farm: Farm, of: Opened, base: TaskId) -> list[Cursor]:
    count, limits = of.expansion.count, farm.limits
    # Where the index is exact all claims meet in one writer, and one cursor keeps their order.
    shards = 1 if farm.table.exact else shards_for(count, limits.shard_tasks, limits.most_shards)
    plan = of.expansion.task(0)
    requirement, wishes = making.required(plan.requirement, of.job.tags)
    return [
        Cursor(
            job=of.job.id,
            step=of.step.number,
            shard=shard,
            shards=shards,
            base=base,
            count=count,
            first=first,
            end=end,
            next=first,
            windows=window_of(first),
            solid=first,
            noted=first,
            noted_at=farm.clock.now(),
            status=CursorStatus.OPEN,
            epoch=of.job.epoch,
            left=None,
            requirement=requirement,
            wishes=wishes,
            priority=of.job.priority,
            own_priority=plan.own_priority,
            stands=True,
            gated=of.job.gated,
        )
        for shard, (first, end) in enumerate(cut(count, shards))
    ]


def write_tasks(farm: Farm, job: Job, step: Step, turn: Turn) -> None:
    """Write what is missing of an open step. Stops early when somebody decides about the job, or the turn is over;
    settle comes back.

    Windows are written in order, each before its tasks and only after all tasks of the one before. So whoever comes
    back begins with the last window there is.
    """
    of = making.opened(farm, job, step)
    children = making.children_of(of.expansion) if step.count > 1 else {}
    first = farm.windows.last(step) if window_of(step.count - 1) > 0 else 0
    for number, size in window_sizes(step.count):
        if number < first:
            continue
        if number > first and turn.is_over:
            return
        indices = range(first_of(number), first_of(number) + size)
        tasks = making.tasks(farm, of, indices, children=children)
        if not _write_window(farm, job, step, number, tasks):
            return
    farm.jobs.change_step(step, None, Set("written", True))


def _write_window(farm: Farm, job: Job, step: Step, number: int, tasks: Sequence[Task]) -> bool:
    waits = frozenset(slot for slot, task in enumerate(tasks) if task.parents)
    written = replace(window(job.id, step.number, step.count, number), waits=waits)
    for requirement in {task.requirement for task in tasks}:
        farm.registry.will_queue(requirement, job.priority)

    def write() -> bool:
        farm.windows.add([written])
        return farm.tasks.add(tasks, farm.jobs.still(job))

    if not farm.table.at_once(write):
        return False
    if job.status in ENDED_JOBS:
        # Most of them will never report. But some may have been written, and begun, before the job ended.
        audit_window(farm, job, step, written)
    return True
