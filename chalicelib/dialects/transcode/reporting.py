"""What becomes of a task when a worker of this protocol says something of it: in a call of its own, or when asked.

The protocol carries no generation: a word counts for the attempt that is current when it is read, and only from the
worker that has it. Saying the same once more changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...compilers.transcode_settings import TranscodeSettings
from ...core import leases, tasks
from ...core.errors import LeaseLost, NotFound
from ...core.farm import Farm
from ...core.leases import Report
from ...core.lifecycle import Outcome, TaskStatus
from ...core.model import Job, Task, WorkerId
from . import documents, registrations, translate
from .registrations import Registration
from .wire import TaskResult


@dataclass(frozen=True)
class Known:
    """A task that this protocol can name, with what it takes to speak of it."""

    job: Job
    settings: TranscodeSettings
    task: Task

    @property
    def text(self) -> str:
        return translate.task_text(self.job.id, self.settings, self.task.index)


def settings_of(farm: Farm, job: Job) -> TranscodeSettings:
    return TranscodeSettings.model_validate(farm.plans.settings(job))


def known(farm: Farm, task: Task) -> Known | None:
    """None for a task that is not this protocol's: another job's, or one for our own commands."""
    job = farm.jobs.get(task.job)
    if job is None or job.type != translate.JOB_TYPE or task.step != 0:
        return None
    settings = settings_of(farm, job)
    return Known(job, settings, task) if translate.can_be_pushed(settings) else None


def find(farm: Farm, text: str) -> Known:
    """The task with this id. Raises NotFound."""
    job_id, segment, number = translate.task_parts(text)
    job = farm.jobs.get(job_id)
    if job is None or job.type != translate.JOB_TYPE:
        raise NotFound(f"no such task: {text}")
    settings = settings_of(farm, job)
    index = translate.task_index(settings, segment, number)
    first = next((step for step in farm.jobs.steps(job_id) if step.number == 0), None)
    task = tasks.find(farm, first.base + index) if first is not None and first.count else None
    if task is None or not translate.can_be_pushed(settings):
        raise NotFound(f"no such task: {text}")
    return Known(job, settings, task)


def holder(task: Task) -> WorkerId | None:
    """Who has the task, or had it last."""
    if task.lease is not None:
        return task.lease.worker
    return task.attempts[-1].worker if task.attempts else None


def may_be_anothers(farm: Farm, task: Task, entry: Registration, peer: str) -> bool:
    """Whether a report from this address may be about an earlier attempt: several workers of one machine look alike,
    and another of them had the task before. It may repeat what it said then, or come back after a silence."""
    before = {attempt.worker for attempt in task.attempts} - {entry.worker}
    earlier = (registrations.of_worker(farm, worker) for worker in before) if task.lease is not None else ()
    return any(other is not None and other.is_from(peer) for other in earlier)


def note(farm: Farm, it: Known, worker_id: WorkerId, said: TaskResult) -> None:
    """Raises LeaseLost when the task is not this worker's (any more)."""
    outcome, task = translate.outcome_of(said.task_state, said.task_result), it.task
    if outcome is None:
        progress = None if said.progress is None else round(said.progress)
        leases.renew(farm, worker_id, task.id, task.generation, progress, "converting")
    elif outcome is Outcome.RELEASED:
        _released(farm, task, worker_id)
    else:
        leases.report(farm, worker_id, task.id, task.generation, _report(it, outcome))


def _released(farm: Farm, task: Task, worker_id: WorkerId) -> None:
    if task.status is not TaskStatus.ACTIVE or holder(task) != worker_id:
        raise LeaseLost(f"task {task.id} is {task.status.value}")
    leases.give_back(farm, task.id, task.generation, Outcome.RELEASED, "its worker gave it back")


def _report(it: Known, outcome: Outcome) -> Report:
    if outcome is Outcome.COMPLETED:
        return Report(outcome, outputs=(), result=documents.result_for(it.job, it.settings, it.task))
    return Report(outcome, error="its worker says that it failed")
