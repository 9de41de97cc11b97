"""A task that its holder turns out not to be able to run: back into the lane, and kept from this worker.

No retry is spent. A process that dies between the two writes leaves a task that the same worker may be given once more.
A task that is pinned to this worker fails at once: nobody else may ever take it.
"""

from __future__ import annotations

from contextlib import suppress

from . import leases
from .errors import LeaseLost
from .farm import Farm
from .leases import Report
from .lifecycle import Outcome, TaskStatus
from .model import Task
from .ports import ConditionFailed
from .records import task_writes


def decline(farm: Farm, task: Task, why: str) -> None:
    """Give it back unharmed; this worker gets it again only when nobody else can take it. Or fail it."""
    assert task.lease is not None
    if task.requirement.worker is not None:
        with suppress(LeaseLost):
            failed = Report(Outcome.FAILED, error=why, final=True)
            leases.report(farm, task.lease.worker, task.id, task.generation, failed)
        return
    leases.give_back(farm, task.id, task.generation, Outcome.RELEASED, why)
    now = farm.tasks.get(task.id)
    if now is not None and now.status is TaskStatus.QUEUED and now.generation == task.generation:
        with suppress(ConditionFailed):  # somebody else has taken it, which is as good
            farm.tasks.update(task_writes.kept_from(now, task.lease.worker))
