"""Completions that one call reports together: read together, written together, and one mark for each window.

Ten of one large step cost one batch read, ten writes and one or two marks; on one machine all of it is one commit.
Only what is plainly so is done here: a task that this worker holds and that has run to its end. Everything else
(repeated and late reports, failures) goes to `leases.report`, one by one, and is told why. A process that dies between
the writes and the marks leaves the marks to the event feed and the sweep, as there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import dependents, gates, leases, queue_mode, settle, statistics, trace
from .farm import Farm
from .leases import Report
from .lifecycle import Outcome, TaskStatus
from .model import Attempt, JobId, Task, TaskId, WorkerId
from .records import task_writes
from .windows import window_of


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
    done, may_have_ended = farm.table.at_once(lambda: _end(farm, worker_id, wanted))
    for task, attempt in done:
        trace.attempt("ended", task.job, task.id, attempt.generation, attempt.worker, outcome=attempt.outcome.value)
        statistics.ended(farm, attempt)
        if task.children:
            dependents.resolve(farm, task)
    for job in may_have_ended:
        settle.settle(farm, job)
    return frozenset(task.id for task, _ in done)


Ended = Sequence[tuple[Task, Attempt]]


def _end(farm: Farm, worker_id: WorkerId, wanted: Sequence[Completion]) -> tuple[Ended, frozenset[JobId]]:
    """What ended, and the jobs that may have ended with it: their windows are marked."""
    found = farm.tasks.get_many([one.task for one in wanted])
    held = [
        (one, task, leases.attempt_of(farm, task, one.said))
        for one, task in zip(wanted, found, strict=True)
        if task is not None and _is_held(task, worker_id, one.generation)
    ]
    if not held:
        return (), frozenset()
    updates = [task_writes.ended(task, "complete", run, one.said.outputs, one.said.result) for one, task, run in held]
    ended = farm.tasks.update_each(updates)
    done = [(_completed(task, run), run) for (_, task, run), wrote in zip(held, ended, strict=True) if wrote]
    for task in (task for (_, task, _), wrote in zip(held, ended, strict=True) if wrote):
        gates.ended(farm, task)
        queue_mode.ended(farm, task)
    return done, _mark(farm, [task for task, _ in done])


def _is_held(task: Task, worker_id: WorkerId, generation: int) -> bool:
    lease = task.lease
    return (
        task.status is TaskStatus.ACTIVE
        and task.generation == generation
        and lease is not None
        and lease.worker == worker_id
    )


def _completed(task: Task, attempt: Attempt) -> Task:
    """As the write has left it, as far as its marks and its children ask."""
    return replace(task, status=TaskStatus.COMPLETED, attempts=(*task.attempts, attempt), lease=None)


def _mark(farm: Farm, ended: Sequence[Task]) -> frozenset[JobId]:
    windows: dict[tuple[JobId, int, int], list[Task]] = defaultdict(list)
    for task in ended:
        windows[task.job, task.step, window_of(task.index)].append(task)
    return frozenset(of[0] for of, tasks in windows.items() if settle.marked(farm, *of, tasks))
