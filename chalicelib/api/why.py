"""Answers to "why is this waiting?" and "why is this idle?"."""

from __future__ import annotations

from collections.abc import Iterable

from ..core import jobs, tasks, why_idle, why_waiting, workers
from ..core.access import Scope
from ..core.farm import Farm
from ..core.ids import parse_id
from ..core.reasons import Reason
from ..edge.http import Reply, Request
from . import models
from .answering import answer
from .operations import Operation


def of_job(farm: Farm, request: Request, job_id: str) -> Reply:
    """Why this job is not further.

    The reasons of its first queued task, and of the steps that have not begun; the nearest first.
    """
    return _shown(why_waiting.of_job(farm, jobs.get(farm, parse_id(job_id, "job"))))


def of_task(farm: Farm, request: Request, task_id: str) -> Reply:
    """Why this task is not running; the nearest reason first."""
    return _shown(why_waiting.of_task(farm, tasks.get(farm, parse_id(task_id, "task"))))


def of_worker(farm: Farm, request: Request, worker_id: str) -> Reply:
    """Why this worker is idle; the nearest reason first."""
    return _shown(why_idle.of_worker(farm, workers.get(farm, parse_id(worker_id, "worker"))))


def _shown(reasons: Iterable[Reason]) -> Reply:
    return answer(models.Why(reasons=[models.Reason(code=reason.code, text=reason.text) for reason in reasons]))


OPERATIONS = (
    Operation("GET", "/jobs/{id}/why", of_job, Scope.SUBMIT, answer=models.Why),
    Operation("GET", "/tasks/{id}/why", of_task, Scope.SUBMIT, answer=models.Why),
    Operation("GET", "/workers/{id}/why", of_worker, Scope.SUBMIT, answer=models.Why),
)
