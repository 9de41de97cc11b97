"""What people and their dashboards ask of this protocol. They see all workers of the farm, whatever those speak."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from ...config import VERSION
from ...core import leaving, workers
from ...core.access import Scope
from ...core.errors import BadInput, FarmError
from ...core.farm import Farm
from ...core.lifecycle import Outcome, WorkerStatus
from ...core.model import Worker
from ...edge import hexids
from ...edge.http import Reply, Request, json_reply
from . import access, translate, wire
from .bodies import read_body
from .replies import nothing, text

MOST_WORKERS = 1000
MOST_JOBS = 200
NAME = "Millrace"


def as_json(farm: Farm, request: Request) -> Reply:
    """The state of the farm. Tasks are counted of at most 200 jobs that have not ended."""
    access.person(farm, request, Scope.SUBMIT)
    found = list(islice(farm.workers.all(), MOST_WORKERS))
    shown = [_worker(farm, worker) for worker in found]
    shown.sort(key=lambda document: (document["nickname"], document["status"]))
    state = {
        "nr_of_workers": len(shown),
        "nr_of_tasks": _num_tasks(farm),
        "upstream_queue_size": 0,
        "version": VERSION,
        "workers": shown,
        "manager_name": NAME,
        "manager_mode": "standard",
        "server": {"name": NAME, "url": request.base_url + "/"},
    }
    return json_reply(state)


def _num_tasks(farm: Farm) -> int:
    open_jobs = islice(farm.jobs.unsettled(), MOST_JOBS)
    return sum(step.count for job_id in open_jobs for step in farm.jobs.steps(job_id))


def _worker(farm: Farm, worker: Worker) -> dict[str, Any]:
    worker = farm.workers.get(worker.id) or worker  # with its blocklist
    status = translate.status_word(worker, workers.liveness(farm, worker))
    document = translate.worker_document(worker, status, sorted(worker.abilities))
    document["last_activity"] = translate.time_text(worker.last_contact_at)
    held = leaving.held_tasks(farm, worker)
    if held:
        document["current_task"] = hexids.hex_of(held[0].id)
        document["current_task_status"] = translate.status_of(held[0])
        document["current_job"] = hexids.hex_of(held[0].job)
    if worker.blocked:
        document["blacklist"] = [translate.blacklist_line(worker, block) for block in farm.workers.blocklist(worker.id)]
    return document


def worker_action(farm: Farm, request: Request, worker_id: str) -> Reply:
    """Do what the form's `action` says. A bad id is 400, an unknown one 404, whatever else is wrong 400."""
    access.person(farm, request, Scope.OPERATE)
    if not hexids.is_hex_id(worker_id):
        return text(400, "Invalid ObjectID used for worker-id")
    worker = workers.get(farm, hexids.id_of(worker_id, "worker"))
    form = dict(parse_qsl(read_body(request).decode("utf-8", "replace"), keep_blank_values=True))
    action = _ACTIONS.get(form.get("action", ""))
    if action is None:
        return text(400, f"action must be one of {', '.join(_ACTIONS)}")
    try:
        action(farm, worker, form)
    except FarmError as error:
        return text(400, str(error))
    return nothing()


def _set_status(farm: Farm, worker: Worker, form: Mapping[str, str]) -> None:
    words = {word: status for status, word in translate.REQUESTS.items()}
    wanted = words.get(form.get("status", ""))
    if wanted is None:
        raise BadInput(f"status must be one of {', '.join(words)}")
    workers.request_status(farm, worker.id, wanted.value, lazy=form.get("lazy") == "true")


def _shut_down(farm: Farm, worker: Worker, form: Mapping[str, str]) -> None:
    workers.request_status(farm, worker.id, WorkerStatus.OFFLINE.value, lazy=form.get("lazy") == "true")


def _acknowledge_timeout(farm: Farm, worker: Worker, form: Mapping[str, str]) -> None:
    """A worker that fell silent is gone: what it held is free at once."""
    if workers.liveness(farm, worker) is not WorkerStatus.LOST:
        raise BadInput("the worker is not in timeout")
    leaving.give_back_all(farm, worker, Outcome.INTERRUPTED, "the worker fell silent")
    workers.sign_off(farm, worker)


def _forget(farm: Farm, worker: Worker, form: Mapping[str, str]) -> None:
    leaving.forget(farm, worker.id)


def _unblock(farm: Farm, worker: Worker, form: Mapping[str, str]) -> None:
    job_id = hexids.id_of(form.get("job_id", ""), "job")
    farm.workers.unblock(worker.id, job_id, form.get("task_type", ""))


_ACTIONS: Mapping[str, Callable[[Farm, Worker, Mapping[str, str]], None]] = {
    "set-status": _set_status,
    "shutdown": _shut_down,
    "ack-timeout": _acknowledge_timeout,
    "forget-worker": _forget,
    "forget-blacklist-line": _unblock,
}


def set_sleep_schedule(farm: Farm, request: Request, worker_id: str) -> Reply:
    access.person(farm, request, Scope.OPERATE)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return text(406, "a sleep schedule is sent as application/json")
    if not hexids.is_hex_id(worker_id):
        return text(400, "Invalid ObjectID used for worker-id")
    number = hexids.id_of(worker_id, "worker")
    workers.set_sleep_schedule(farm, number, wire.sleep_schedule(read_body(request)))
    return nothing()
