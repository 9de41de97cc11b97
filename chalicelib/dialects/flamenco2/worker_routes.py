"""The calls of a worker about itself: register, sign on and off, what it should become, what it has made."""

from __future__ import annotations

import logging

from ...core import latest_image, leases, leaving, workers
from ...core.farm import Farm
from ...core.lifecycle import Outcome, WorkerStatus
from ...core.model import Worker
from ...edge.http import Reply, Request, json_reply
from . import access, task_log, translate, wire
from .bodies import read_body
from .replies import nothing, text

log = logging.getLogger(__name__)


def register(farm: Farm, request: Request) -> Reply:
    """A new worker with each call. One that shows no secret gets one that nobody knows, so it can do nothing."""
    access.may_register(farm, request)
    said = wire.description(read_body(request))
    described = workers.Description(said.nickname, task_types=said.task_types, platform=said.platform)
    secret = said.secret or None
    worker, _ = workers.register(farm, described, with_secret=True, secret=secret, address=request.peer)
    return json_reply(translate.worker_document(worker, translate.NEW, said.task_types))


def sign_on(farm: Farm, request: Request) -> Reply:
    """It has started. What it does not say stays as it was; so does what it holds: it will be given that again."""
    worker = access.worker_of(farm, request)
    said = wire.description(read_body(request))
    described = workers.Description(
        name=said.nickname or worker.name,
        task_types=said.task_types or tuple(worker.task_types),
        runtimes=worker.runtimes,
        tags=tuple(worker.tags),
        slots=worker.slots,
        platform=said.platform or worker.platform,
        software=worker.software,
    )
    workers.sign_on(farm, worker, described)
    return nothing()


def sign_off(farm: Farm, request: Request) -> Reply:
    """What it holds goes back. One that was asleep will be asked to sleep again when it starts."""
    worker = access.worker_of(farm, request)
    for task in leaving.held_tasks(farm, worker):
        task_log.note_requeued(farm, task, worker, "worker signed off")
        leases.give_back(farm, task.id, task.generation, Outcome.RELEASED, "the worker signed off")
    slept = worker.status is WorkerStatus.ASLEEP and worker.status_requested in (None, WorkerStatus.OFFLINE)
    worker = workers.withdraw_request(farm, workers.sign_off(farm, worker))
    if slept:
        workers.request_status(farm, worker.id, WorkerStatus.ASLEEP, lazy=False)
    return nothing()


def status_change(farm: Farm, request: Request) -> Reply:
    worker = access.seen(farm, request, awake=False)
    if worker.status_requested is None:
        return nothing()
    return json_reply({"status_requested": translate.request_word(worker)})


def acknowledge(farm: Farm, request: Request, word: str) -> Reply:
    """The worker has become that; any word is taken. It answers whatever was asked, but for `shutdown`, which a
    worker answers by signing off."""
    worker = access.seen(farm, request, awake=False)
    if word == "shutdown":
        return nothing()
    if word != translate.request_word(worker):
        log.warning(
            "A worker became what nobody asked for",
            extra={"action": "unasked_status", "worker": str(worker.id), "status": word[:40]},
        )
    if word in translate.BECOMES:
        worker = _become(farm, worker, translate.BECOMES[word])
    workers.withdraw_request(farm, worker)
    return nothing()


def _become(farm: Farm, worker: Worker, status: str) -> Worker:
    if worker.status is WorkerStatus.OFFLINE:  # it is plainly here; nothing else leads on from offline
        worker = workers.has_become(farm, worker, "awake")
    return workers.has_become(farm, worker, status)


def output_produced(farm: Farm, request: Request) -> Reply:
    """No bytes come this way; the farm remembers where the last image is."""
    worker = access.seen(farm, request, awake=False)
    paths = wire.paths(read_body(request))
    if not paths:
        return text(422, "List of paths may not be empty.")
    latest_image.note(farm, worker.id, paths[-1])
    return nothing()
