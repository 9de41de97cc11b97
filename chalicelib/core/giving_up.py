"""What may nobody run any more: found when a worker fails a task, and told at once instead of waiting for ever.

Some protocols want it so (a native worker gets what is kept from it, when nobody else can take it). A process that
dies half way leaves tasks queued; the next failure, or a person who retries or cancels, moves them on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import settle
from .claiming import other_workers
from .farm import Farm
from .lifecycle import Outcome, TaskStatus
from .model import Task, TaskId, Worker, WorkerId
from .ports import ConditionFailed
from .records import task_writes
from .scheduling import fits, kept_from

FAILED_ON_ENOUGH = 3
"""Workers. What fails on so many will fail on all."""


def failed_on(task: Task) -> frozenset[WorkerId]:
    """The workers that it failed on since a person last queued it. Who only declined it is kept from it as well."""
    return task.excluded & {attempt.worker for attempt in task.attempts if attempt.outcome is Outcome.FAILED}


def would_be_final(farm: Farm, worker: Worker, task: Task) -> str | None:
    """Why a failure on this worker would be the task's last; None while another registered worker, in contact or not,
    may try it."""
    if len(failed_on(task) | {worker.id}) >= FAILED_ON_ENOUGH:
        return f"it failed on {FAILED_ON_ENOUGH} workers"
    return None if _any_may_try(other_workers(farm, worker), task) else "no other worker may try it"


def after_a_block(farm: Farm, worker: Worker, task: Task) -> None:
    """The worker was just blocked for the task's job and type. If everybody is, what failed before has failed."""
    kind = (task.job, task.requirement.task_type)
    others = [other for other in other_workers(farm, worker) if kind[1] in other.abilities]
    if any(kind not in other.blocked for other in others):
        return
    for task_id in sorted(_failures_of(farm, [worker, *others], task)):
        earlier = farm.tasks.get(task_id)
        if earlier is not None and earlier.status is TaskStatus.QUEUED and failed_on(earlier):
            _give_up(farm, earlier, "every worker that could run it is blocked for its job")


def _failures_of(farm: Farm, blocked: Iterable[Worker], task: Task) -> frozenset[TaskId]:
    each = (farm.workers.failed_tasks(worker.id, task.job, task.requirement.task_type) for worker in blocked)
    return frozenset[TaskId]().union(*each)


def _give_up(farm: Farm, task: Task, reason: str) -> None:
    try:
        failed = farm.tasks.update(task_writes.given_up(task, reason, farm.clock.now()))
    except ConditionFailed:
        return  # somebody took it, or its job ended
    settle.task_ended(farm, failed)


def _any_may_try(others: Sequence[Worker], task: Task) -> bool:
    shown = {"job": task.job, "task_type": task.requirement.task_type, "excluded": task.excluded}
    return any(fits(task.requirement, other) and not kept_from(other, shown) for other in others)
