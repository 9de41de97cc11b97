"""How a worker stands: whether it is in contact, disabled, has a task; and what a person or itself makes of that.

Disabled is `asleep` in the farm. A worker of this protocol cannot be told so: it is asleep when it is next heard of.
"""

from __future__ import annotations

from dataclasses import replace

from ...core import leases, workers
from ...core.farm import Farm
from ...core.leaving import held_tasks
from ...core.lifecycle import Outcome, WorkerStatus
from ...core.model import Task, Worker
from .fleet import SOFTWARE, Member, note
from .translate import WORKERS, Shown, WorkerWord

OFFLINE_AFTER_SECONDS = 300


def in_contact(farm: Farm, worker: Worker, address: str | None) -> Worker:
    """It is alive. It cannot be told to sleep or wake: it does so when it is next heard of."""
    worker = workers.contact(farm, worker, wants_work=True, address=address)
    if worker.status_requested in (WorkerStatus.ASLEEP, WorkerStatus.AWAKE):
        return workers.has_become(farm, worker, worker.status_requested.value)
    return worker


def heard_of(farm: Farm, member: Member) -> Member:
    return replace(member, worker=in_contact(farm, member.worker, None))


def forgotten(farm: Farm, member: Member) -> None:
    """It starts anew, so what it held has no holder. What it never began goes back unharmed."""
    for task in held_tasks(farm, member.worker):
        outcome = Outcome.LOST if task.activity else Outcome.RELEASED
        leases.give_back(farm, task.id, task.generation, outcome, "its worker registered anew, without a report")


def enable(farm: Farm, member: Member, word: WorkerWord) -> Member:
    """What a person, or the worker, wants it to be."""
    disable = word is WorkerWord.DISABLED
    worker = set_asleep(farm, member.worker, asleep=disable)
    said = member.said if disable else word.value
    return replace(note(farm, member, said=said), worker=worker)


def set_asleep(farm: Farm, worker: Worker, *, asleep: bool) -> Worker:
    """Also for workers of other protocols, which then hear of it in their own way."""
    wanted = WorkerStatus.ASLEEP if asleep else WorkerStatus.AWAKE
    if is_disabled(worker) == asleep:
        return worker
    worker = workers.request_status(farm, worker.id, wanted.value, lazy=True)
    if worker.software == SOFTWARE and worker.status_requested is wanted:
        return workers.has_become(farm, worker, wanted.value)
    return worker


def is_disabled(worker: Worker) -> bool:
    if worker.status_requested is not None:
        return worker.status_requested in (WorkerStatus.ASLEEP, WorkerStatus.OFFLINE)
    return WORKERS[worker.status].status is WorkerWord.DISABLED


def shown(farm: Farm, worker: Worker, member: Member | None, held: list[Task]) -> Shown:
    """Its status and whether it is online, as this protocol tells it."""
    status, online = WORKERS[worker.status if member is not None else workers.liveness(farm, worker)]
    if member is not None:
        silent_ms = farm.clock.now() - worker.last_contact_at
        online = online and (member.pulls or member.reachable) and silent_ms < OFFLINE_AFTER_SECONDS * 1000
    if is_disabled(worker):
        return Shown(WorkerWord.DISABLED, online)
    if status is WorkerWord.ENABLED and held:
        return Shown(WorkerWord.RENDERING, online)
    if status is WorkerWord.ENABLED and member is not None:
        return Shown(WorkerWord(member.said), online)
    return Shown(status, online)
