"""Completions that one call reports together: read together, written together, and one mark for each window.

Ten of one large step cost one batch read, ten writes and one or two marks; on one machine all of it is one commit.
Only what is plainly so is done here: a task that this worker holds and that has run to its end. Everything else
(repeated and late reports, failures) goes to `leases.report`, one by one, and is told why. A process that dies between
the writes and the marks leaves the marks to the event feed and the sweep, as there; so what trails them, which is
released after all that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import dependents, gates, leases, queue_mode, settle, statistics, trace, trailing
from .farm import Farm
from .leases import Report
from .lifecycle import Outcome, TaskStatus
from .model import Attempt, JobId, Task, TaskId, WorkerId
from .records import task_writes
from .windows import Window, window_of


@dataclass(frozen=True)
class Completion:
    """What a worker says of an attempt that ended well."""

    task: TaskId
    generation: int
    said: Report


def complete(farm: Farm, worker_id: WorkerId, completions: Sequence[Completion]) -> frozenset[TaskId]:
    """End these attempts, each of another task, as completed where that is plain; gives the tasks of which it was."""
    wanted = [one for one in completions if one.said.outcome is Outcome.COMPLETED]
    if not wanted:
        return frozenset()
    done, marked = farm.table.at_once(lambda: _end(farm, worker_id, wanted))
    for task, attempt in done:
        gates.tell(farm, task)
        trace.attempt("ended", task.job, task.id, attempt.generation, attempt.worker, outcome=attempt.outcome.value)
        statistics.ended(farm, attempt)
        if task.children:
            dependents.resolve(farm, task)
    for job in {one.job for one in marked if trailing.go_on(farm, one.tasks, one.window) or one.may_have_ended}:
        settle.settle(farm, job)
    return frozenset(task.id for task, _ in done)


Ended = Sequence[tuple[Task, Attempt]]
"""The tasks as they were under their leases."""


@dataclass(frozen=True)
class Marked:
    """Tasks of one window that ended, and what `settle.marked` said of it."""

    job: JobId
    tasks: Sequence[Task]
    window: Window | None
    may_have_ended: bool


def _end(farm: Farm, worker_id: WorkerId, wanted: Sequence[Completion]) -> tuple[Ended, Sequence[Marked]]:
    """What ended, and the windows that are marked with it."""
    found = farm.tasks.get_many([one.task for one in wanted])
    held = [
        (one, task, leases.attempt_of(farm, task, one.said))
        for one, task in zip(wanted, found, strict=True)
        if task is not None and _is_held(task, worker_id, one.generation)
    ]
    if not held:
        return (), ()
    ends = [(task_writes.ended(t, "complete", run, one.said.outputs, one.said.result), run) for one, t, run in held]
    ended = farm.tasks.end_each(ends)
    done = [(task, run) for (_, task, run), wrote in zip(held, ended, strict=True) if wrote]
    for task, _ in done:
        gates.leave(farm, task)
        queue_mode.ended(farm, task)
    return done, _mark(farm, [_completed(task, run) for task, run in done])


def _is_held(task: Task, worker_id: WorkerId, generation: int) -> bool:
    lease = task.lease
    return (
        task.status is TaskStatus.ACTIVE
        and task.generation == generation
        and lease is not None
        and lease.worker == worker_id
    )


def _completed(task: Task, attempt: Attempt) -> Task:
    """As the write has left it, as far as its marks and what trails it ask."""
    return replace(task, status=TaskStatus.COMPLETED, attempts=(*task.attempts, attempt), lease=None)


def _mark(farm: Farm, ended: Sequence[Task]) -> Sequence[Marked]:
    windows: dict[tuple[JobId, int, int], list[Task]] = defaultdict(list)
    for task in ended:
        windows[task.job, task.step, window_of(task.index)].append(task)
    return [Marked(of[0], tasks, *settle.marked(farm, *of, tasks)) for of, tasks in windows.items()]
