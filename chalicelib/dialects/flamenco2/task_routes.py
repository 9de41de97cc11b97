"""The calls of a worker about tasks: get one, say how it goes, ask whether to go on, give it back. And its log."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace

from ...core import claiming, declining, giving_up, leases, leaving, tasks, variables
from ...core.access import Scope
from ...core.errors import LeaseLost, NotFound
from ...core.farm import Farm
from ...core.lifecycle import Outcome, TaskStatus, WorkerStatus
from ...core.model import Task, Worker
from ...edge import current, hexids
from ...edge.http import Reply, Request, json_reply
from . import access, task_log, translate, updating, wire
from .bodies import read_update
from .replies import TEXT, nothing, text

STOPPING_SECONDS = 30
"""How long a worker that was told to stop has for its last words."""
THROUGH_LAMBDA_BYTES = 4 * 1000 * 1000
WHOLE_LOG_AGENTS = ("Wget/", "curl/")

log = logging.getLogger(__name__)


def fetch(farm: Farm, request: Request) -> Reply:
    """The task that the worker holds, or the best one it may take. Never waits."""
    worker = access.seen(farm, request, awake=True)
    if worker.status_requested is not None:
        return json_reply({"status_requested": translate.request_word(worker)}, 423)
    if not worker.abilities:
        return text(406, "You do not support any task types.")
    task = _still_held(farm, worker) or _claimed(farm, worker)
    if task is None:
        return nothing()
    document = _document(farm, worker, task)
    return json_reply(document) if _note_assigned(farm, worker, task) else nothing()


def _still_held(farm: Farm, worker: Worker) -> Task | None:
    """A worker that has started anew gets its task back. By asking it says that it has stopped what it was to stop."""
    for task in leaving.held_tasks(farm, worker):
        if task.cancel_reason is None:
            return task
        leases.give_back(farm, task.id, task.generation, Outcome.RELEASED, "the worker went on to something else")
    return None


def _claimed(farm: Farm, worker: Worker) -> Task | None:
    asking = replace(worker, task_types=translate.fitting_types(worker.task_types), runtimes=())
    claimed = claiming.claim(farm, asking, secrets.token_hex(16), takes_excluded=False)
    for assignment in claimed.assignments:
        if translate.can_run(assignment.task):
            return assignment.task
        _decline(farm, assignment.task)
    return None


def _decline(farm: Farm, task: Task) -> None:
    why = "it needs files of the farm, which a Flamenco worker cannot fetch"
    log.warning("A task cannot go to a Flamenco worker", extra={"action": "declined", "task": str(task.id)})
    declining.decline(farm, task, why)


def _note_assigned(farm: Farm, worker: Worker, task: Task) -> bool:
    """False: the lease ended while we were about it."""
    who = translate.identifier(worker.address, worker.name)
    said = f"Manager assigned task {hexids.hex_of(task.id)} to worker {who}"
    try:
        updating.ping(farm, worker, task, activity=said)
    except LeaseLost:
        return False
    task_log.note_assigned(farm, task, said)
    return True


def _document(farm: Farm, worker: Worker, task: Task) -> dict[str, object]:
    job = farm.jobs.get(task.job)
    texts = variables.for_worker(variables.read(farm.table), worker.platform)
    commands = variables.replaced(task.work.commands, texts)
    failed_on = [farm.workers.get(number) for number in sorted(giving_up.failed_on(task))]
    failed_by = [(w.id, translate.identifier(w.address, w.name)) for w in failed_on if w is not None]
    return translate.task_document(task, job.type if job is not None else "unknown", commands, failed_by)


def update(farm: Farm, request: Request, task_id: str) -> Reply:
    """204, and 404 or 409 for what is not the worker's: with anything else it would send this again for ever."""
    worker = access.seen(farm, request, awake=False)
    if not hexids.is_hex_id(task_id):
        return _malformed(task_id)
    task = _task(farm, task_id)
    if task is None:
        return _unknown(task_id)
    if translate.holder_of(task) not in (None, worker.id):
        return _of_another(task_id)
    try:
        updating.apply(farm, worker, task, wire.update(read_update(request)))
    except LeaseLost:
        task = _task(farm, task_id)
        if task is not None and translate.holder_of(task) not in (None, worker.id):
            return _of_another(task_id)
    return nothing()


def give_back(farm: Farm, request: Request, task_id: str) -> Reply:
    """Back to the farm unharmed; what was to be stopped is canceled thereby."""
    worker = access.seen(farm, request, awake=False)
    if not hexids.is_hex_id(task_id):
        return _malformed(task_id)
    task = _task(farm, task_id)
    if task is None:
        return _unknown(task_id)
    if task.lease is not None and task.lease.worker == worker.id:
        task_log.note_requeued(farm, task, worker, "returned by worker")
        leases.give_back(farm, task.id, task.generation, Outcome.RELEASED, "returned by the worker")
    return nothing()


def may_i_run(farm: Farm, request: Request, task_id: str) -> Reply:
    """Exactly these keys, whatever is wrong: the worker's polling ends for good with any other answer."""
    worker = access.seen(farm, request, awake=True)
    task = _task(farm, task_id)
    reason = _refusal(worker, task, task_id)
    if task is not None and reason is None:
        try:
            updating.ping(farm, worker, task)
        except LeaseLost:
            reason = _refusal(worker, _task(farm, task_id), task_id)
    if task is not None and reason is not None:
        leases.shorten(farm, task, STOPPING_SECONDS)
    answer: dict[str, object] = {"may_keep_running": reason is None}
    if reason is not None:
        answer["reason"] = reason
    if worker.status_requested is not None:
        answer["status_requested"] = translate.request_word(worker)
    return json_reply(answer)


def _refusal(worker: Worker, task: Task | None, task_id: str) -> str | None:
    """Why the worker is to stop; the first reason that holds."""
    if task is None:
        return f"unable to find task {task_id[:100]}"
    if translate.holder_of(task) not in (None, worker.id):
        return f"task {task_id} reassigned to another worker"
    status = translate.status_of(task)
    if status != translate.TASK_STATUSES[TaskStatus.ACTIVE]:
        return f"task {task_id} in non-runnable status {status}"
    if worker.status_requested in (WorkerStatus.ASLEEP, WorkerStatus.OFFLINE) and not worker.lazy:
        return f"worker status change to {translate.request_word(worker)} requested"
    return None


def logfile(farm: Farm, request: Request, job_id: str, task_id: str) -> Reply:
    """The current attempt's log, or the last one's; of a large one beginning and end, but wget and curl get it all."""
    access.person(farm, request, Scope.SUBMIT)
    task = _task(farm, task_id)
    if task is None or hexids.hex_of(task.job) != job_id.lower():
        raise NotFound("there is no such task in that job")
    agent = request.headers.get("user-agent", "")
    data = task_log.read(farm, task, whole=agent.startswith(WHOLE_LOG_AGENTS))
    if data is None:
        raise NotFound("this task has no log yet")
    if len(data) > THROUGH_LAMBDA_BYTES and current.settings().delivery == "redirect":
        data = task_log.read(farm, task, whole=False) or b""
    return Reply(200, data, TEXT, {"X-Content-Type-Options": "nosniff"})


def _task(farm: Farm, task_id: str) -> Task | None:
    try:
        return tasks.find(farm, hexids.id_of(task_id, "task"))
    except NotFound:
        return None


def _malformed(task_id: str) -> Reply:
    return text(404, f"Invalid ObjectID used for task-id: {task_id[:100]}")


def _unknown(task_id: str) -> Reply:
    return text(404, f"Task {task_id} is unknown.")


def _of_another(task_id: str) -> Reply:
    return text(409, f"Task {task_id} is assigned to another worker.")
