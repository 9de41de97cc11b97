"""`/workers`: registration, the list, and what a worker is or is to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...core.access import Scope
from ...core.errors import Forbidden, NotFound
from ...core.farm import Farm
from ...core.leaving import held_tasks
from ...core.model import Task, Worker
from ...edge import current
from ...edge.auth import require
from ...edge.fields import parsed
from ...edge.http import Reply, Request, json_reply
from . import calling, documents, fleet, forms, pushing, registering, standing, submitting
from .envelope import path_number
from .fleet import Member
from .translate import WorkerWord, worker_word
from .wire import Registration, WorkerChange, WorkerStatusWanted


def register(farm: Farm, request: Request) -> Reply:
    """Empty, as the original answered; the worker's id is in the header."""
    require(farm, request, Scope.WORKER)
    member = registering.register(farm, request.peer, parsed(Registration, forms.fields(request)))
    return Reply(204, headers={"Location": f"/workers/{member.id}"})


def listing(farm: Farm, request: Request) -> Reply:
    """Every worker of the farm, whatever it speaks."""
    require(farm, request, Scope.SUBMIT, Scope.WORKER)
    shown = (_document(farm, worker, fleet.member_of(farm, worker)) for worker in farm.workers.all())
    return json_reply(documents.by_name(shown))


def _document(farm: Farm, worker: Worker, member: Member | None) -> Mapping[str, Any]:
    held = held_tasks(farm, worker)
    shown = standing.shown(farm, worker, member, held)
    return documents.worker_document(worker, member, shown, _current_task(farm, held))


def _current_task(farm: Farm, held: Sequence[Task]) -> int | None:
    for task in held:
        job = farm.jobs.get(task.job)
        if job is not None:
            return submitting.number_of(job, task)
    return None


def info(farm: Farm, request: Request, worker_id: str) -> Reply:
    """What the worker itself says, if it can be asked; else what is known of it."""
    require(farm, request, Scope.SUBMIT, Scope.WORKER)
    worker = _worker(farm, worker_id)
    member = fleet.member_of(farm, worker)
    if member is not None and not member.pulls:
        return json_reply(calling.run_info(current.pusher(), member) or {"connection": "offline"})
    return json_reply(documents.run_info(_document(farm, worker, member)))


def _worker(farm: Farm, worker_id: str) -> Worker:
    worker = farm.workers.get(path_number(worker_id))
    if worker is None:
        raise NotFound(f"no such worker: {worker_id}")
    return worker


def _itself(farm: Farm, request: Request, worker_id: str) -> Worker:
    """The worker of the path, for who operates the farm; else for itself: one of this room, from its own address."""
    who = require(farm, request, Scope.WORKER, Scope.OPERATE)
    worker = _worker(farm, worker_id)
    if Scope.OPERATE not in who.scopes:
        member = fleet.member_of(farm, worker)
        if member is None or member.address != request.peer:
            raise Forbidden("with scope 'worker' only the worker at the caller's address; others need 'operate'")
    return worker


def change(farm: Farm, request: Request, worker_id: str) -> Reply:
    """What a worker says of itself. Whoever is disabled stays so; what is not sent stays as it was."""
    worker = _itself(farm, request, worker_id)
    said = parsed(WorkerChange, forms.fields(request))
    word = None if said.status is None else worker_word(said.status)
    if not standing.is_disabled(worker):
        _take(farm, worker, said, word)
    return _answer(farm, worker_id)


def _take(farm: Farm, worker: Worker, said: WorkerChange, word: WorkerWord | None) -> None:
    member = fleet.member_of(farm, worker)
    if member is not None:
        given = {"activity": said.activity, "log": said.log, "time_cost": said.time_cost}
        fleet.note(farm, member, **{name: value for name, value in given.items() if value is not None})
    if word is not None:
        _become(farm, worker, word)


def change_status(farm: Farm, request: Request, worker_id: str) -> Reply:
    """What a person wants a worker to be: also out of `disabled`."""
    worker = _itself(farm, request, worker_id)
    word = worker_word(parsed(WorkerStatusWanted, forms.fields(request)).status)
    _become(farm, worker, word)
    return _answer(farm, worker_id)


def _become(farm: Farm, worker: Worker, word: WorkerWord) -> None:
    member = fleet.member_of(farm, worker)
    if member is not None:
        standing.enable(farm, member, word)
    elif word in (WorkerWord.ENABLED, WorkerWord.DISABLED):
        standing.set_asleep(farm, worker, asleep=word is WorkerWord.DISABLED)


def _answer(farm: Farm, worker_id: str) -> Reply:
    worker = _worker(farm, worker_id)
    document = _document(farm, worker, fleet.member_of(farm, worker))
    return json_reply({"task_id": document["current_task"], "status": document["status"]})


def loop(farm: Farm, request: Request) -> Reply:
    """The original manager called this on itself; here it is one round of calls to the workers."""
    require(farm, request, Scope.OPERATE, Scope.SUBMIT)
    pushing.push_round(farm, current.pusher())
    return Reply(204)
