"""Workers: look at them, ask them to wake, sleep or go, and forget them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..core import leaving, workers
from ..core.access import Scope
from ..core.errors import BadInput, Conflict
from ..core.farm import Farm
from ..core.ids import parse_id
from ..core.lifecycle import WorkerStatus
from ..core.model import TaskId, Worker, WorkerId
from ..edge.http import Reply, Request
from . import models, translate
from .answering import answer
from .operations import CURSOR, LIMIT, Operation, Parameter, status_parameter
from .reading import bad_cursor, page_wanted, read_body, status_wanted
from .wanted import StatusWanted

MOST_NAMED = 100
_ID = re.compile(r"[0-9]{1,16}")
_IDS = Parameter(
    "ids",
    "Only these: up to 100 ids with commas between them.",
    {"type": "string", "pattern": "^[0-9]{1,16}(,[0-9]{1,16})*$"},
)
MOST_READS = 20
"""Of the table for one page, so that a filter that nothing passes ends in time; the cursor goes on from there."""


def listing(farm: Farm, request: Request) -> Reply:
    """Workers, newest first.

    With `status` a page may hold fewer than there are, and even none, before the last: follow `next`. With `ids` only
    these, as far as there are such, on one page: for who looks at a few of them again.
    """
    wanted, status = page_wanted(request), status_wanted(request, WorkerStatus)
    if (named := request.query.get("ids")) is not None:
        found = [worker for worker in _named(farm, named) if status in (None, workers.liveness(farm, worker))]
        return answer(models.WorkerPage(items=_shown(farm, found), next=None))
    try:
        found, cursor = _page(farm, status, wanted.limit, wanted.cursor)
    except ValueError:
        raise bad_cursor() from None
    return answer(models.WorkerPage(items=_shown(farm, found), next=cursor))


def _named(farm: Farm, text: str) -> list[Worker]:
    ids = text.split(",")
    if len(ids) > MOST_NAMED or not all(_ID.fullmatch(one) for one in ids):
        raise BadInput(f"ids must be 1 to {MOST_NAMED} ids with commas between them", field="ids")
    return farm.workers.get_many([int(one) for one in ids])


def _page(farm: Farm, status: WorkerStatus | None, limit: int, cursor: str | None) -> tuple[list[Worker], str | None]:
    found: list[Worker] = []
    for _ in range(MOST_READS):
        page, cursor = farm.workers.page(limit - len(found), cursor)
        found += [worker for worker in page if status in (None, workers.liveness(farm, worker))]
        if cursor is None or len(found) == limit:
            break
    return found, cursor


def show(farm: Farm, request: Request, worker_id: str) -> Reply:
    """One worker."""
    return _one(farm, workers.get(farm, parse_id(worker_id, "worker")))


def ask(farm: Farm, request: Request, worker_id: str) -> Reply:
    """Ask a worker to become awake, asleep or offline.

    It hears of it with its next call; `status_requested` says what is still to come.
    """
    number, wanted = parse_id(worker_id, "worker"), read_body(request, StatusWanted)
    return _one(farm, workers.request_status(farm, number, wanted.status, lazy=wanted.lazy))


def delete(farm: Farm, request: Request, worker_id: str) -> Reply:
    """Forget a worker that is offline or lost.

    One that calls is to be asked to go offline first (409). A machine whose token was not revoked may come back, as a
    new worker.
    """
    worker = workers.get(farm, parse_id(worker_id, "worker"))
    status = workers.liveness(farm, worker)
    if status not in (WorkerStatus.OFFLINE, WorkerStatus.LOST):
        raise Conflict(f"the worker is {status.value}; ask it to go offline first")
    leaving.forget(farm, worker.id)
    return Reply(204)


def _one(farm: Farm, worker: Worker) -> Reply:
    return answer(_shown(farm, [worker])[0])


def _shown(farm: Farm, found: Sequence[Worker]) -> list[models.Worker]:
    held = _held(farm, found)
    return [translate.worker(worker, workers.liveness(farm, worker), held[worker.id]) for worker in found]


def _held(farm: Farm, found: Sequence[Worker]) -> Mapping[WorkerId, list[TaskId]]:
    """What each of them holds. The index may lag, so the tasks themselves are asked, all at once."""
    entries = [(worker.id, held.task) for worker in found for held in farm.tasks.held_by(worker.id)]
    tasks = farm.tasks.get_many([task_id for _, task_id in entries])
    holders = {task.id: task.lease.worker for task in tasks if task is not None and task.lease is not None}
    mine: dict[WorkerId, list[TaskId]] = {worker.id: [] for worker in found}
    for worker_id, task_id in entries:
        if holders.get(task_id) == worker_id:
            mine[worker_id].append(task_id)
    return mine


OPERATIONS = (
    Operation(
        "GET",
        "/workers",
        listing,
        Scope.SUBMIT,
        answer=models.WorkerPage,
        parameters=(status_parameter(WorkerStatus), _IDS, LIMIT, CURSOR),
    ),
    Operation("GET", "/workers/{id}", show, Scope.SUBMIT, answer=models.Worker),
    Operation("DELETE", "/workers/{id}", delete, Scope.OPERATE, status=204, problems=(409,)),
    Operation(
        "POST",
        "/workers/{id}/status",
        ask,
        Scope.OPERATE,
        answer=models.Worker,
        body=StatusWanted,
        problems=(409,),
    ),
)
