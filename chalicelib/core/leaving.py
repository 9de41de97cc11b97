"""A worker goes: what it holds goes back to the farm before its name does. Each part may be repeated."""

from __future__ import annotations

from . import leases, workers
from .farm import Farm
from .lifecycle import Outcome
from .model import Task, Worker, WorkerId


def held_tasks(farm: Farm, worker: Worker) -> list[Task]:
    """What this worker holds, by id. The index may lag, so the tasks themselves are asked."""
    tasks = farm.tasks.get_many([held.task for held in farm.tasks.held_by(worker.id)])
    mine = (task for task in tasks if task is not None and task.lease is not None and task.lease.worker == worker.id)
    return sorted(mine, key=lambda task: task.id)


def give_back_all(farm: Farm, worker: Worker, outcome: Outcome, why: str) -> None:
    for task in held_tasks(farm, worker):
        leases.give_back(farm, task.id, task.generation, outcome, why)


def forget(farm: Farm, worker_id: WorkerId) -> None:
    """Remove a worker. Its secret opens nothing from here on."""
    worker = workers.get(farm, worker_id)
    give_back_all(farm, worker, Outcome.INTERRUPTED, "its worker was removed")
    farm.workers.remove(worker_id)
    farm.bell.ring(f"worker/{worker_id}", times=None)
