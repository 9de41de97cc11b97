"""What becomes of a task by what its worker says in an update.

The log is kept first, whatever else is said and whatever the task's status is. A status counts only while the task is
active and not to be stopped. A failure is final at once when nobody is left who may try the task.
"""

from __future__ import annotations

import logging

from ...core import giving_up, leases
from ...core.farm import Farm
from ...core.lifecycle import Outcome, TaskStatus
from ...core.model import Task, Worker
from . import task_log, translate, wire

log = logging.getLogger(__name__)


def apply(farm: Farm, worker: Worker, task: Task, said: wire.Update) -> None:
    """Raises LeaseLost when the task stopped being the worker's in the meantime."""
    task_log.append(farm, task, said.log)
    if task.status is not TaskStatus.ACTIVE or task.cancel_reason is not None:
        return
    ping(farm, worker, task, said.percent, said.activity)
    status = said.task_status
    if status is None:
        return
    if status not in translate.OUTCOMES:
        log.warning(
            "An update has a status that there is not",
            extra={"action": "unknown_task_status", "task": str(task.id), "status": status[:40]},
        )
        return
    outcome = translate.OUTCOMES[status]
    if outcome is Outcome.FAILED:
        _fail(farm, worker, task, said.activity or "the worker gave no reason")
    elif outcome is not None:
        _end(farm, worker, task, outcome, said)


def ping(farm: Farm, worker: Worker, task: Task, percent: int | None = None, activity: str | None = None) -> None:
    """The worker is at it. Raises LeaseLost."""
    leases.renew(farm, worker.id, task.id, task.generation, percent, activity)


def _end(farm: Farm, worker: Worker, task: Task, outcome: Outcome, said: wire.Update) -> None:
    result = {"timing": dict(said.timing)} if said.timing else None
    leases.report(farm, worker.id, task.id, task.generation, leases.Report(outcome, result=result))


def _fail(farm: Farm, worker: Worker, task: Task, error: str) -> None:
    final = giving_up.would_be_final(farm, worker, task)
    said = leases.Report(Outcome.FAILED, error=f"{error} ({final})" if final else error, final=final is not None)
    leases.report(farm, worker.id, task.id, task.generation, said)
    now = farm.workers.get(worker.id)
    if now is not None and (task.job, task.requirement.task_type) in now.blocked:
        giving_up.after_a_block(farm, now, task)
