"""The three calls of the protocol.

`/start` is not repeatable: a lost answer leaves a job whose id nobody knows, as with the original. `/stop` and `/query`
may be repeated. A job that was accepted is in the table before anybody waits for its start.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...compilers.command import MOST_BYTES, TASK_TYPE
from ...core import jobs
from ...core.access import Scope
from ...core.errors import Conflict, FarmError, NotFound, Unavailable
from ...core.farm import Farm
from ...core.lifecycle import ENDED_JOBS, WorkerStatus
from ...core.model import Job, Task, Worker
from ...core.workers import liveness
from ...edge import auth
from ...edge.http import Reply, Request
from ...edge.uuids import id_of, uuid_of
from . import translate, wire
from .translate import Began, State

START_SECONDS = 1.0
"""How long the worker's word on the start is waited for; the original gives its worker the same time."""
LOOK_EVERY_SECONDS = 0.25
"""Another process of this farm may have heard it, and cannot ring here."""
GONE = (WorkerStatus.OFFLINE, WorkerStatus.LOST, WorkerStatus.ERROR)


class Failed(FarmError):
    """The call fails with a text of the protocol."""


def start(farm: Farm, request: Request) -> Reply:
    """201 as soon as the worker says that the program runs, or when it has said nothing for a second."""
    owner = auth.require(farm, request, Scope.SUBMIT).owner
    wanted = wire.Start.of(request)
    worker = _worker(farm, wanted.worker_id)
    if worker is None or not _runs_programs(worker):
        raise Failed(translate.WORKER_NOT_FOUND)
    _check(wanted)
    status = liveness(farm, worker)
    if status in GONE:
        raise Failed(translate.unreachable(wanted.worker_id, status.value))
    job = jobs.submit(farm, translate.submission(worker.id, wanted.command, wanted.path), owner=owner)
    task = _wait_for_start(farm, job)
    if task is not None and (why := translate.start_failure(task)) is not None:
        raise Failed(translate.rpc_error(why))
    return wire.reply(201, job_id=uuid_of(job.id))


def _check(wanted: wire.Start) -> None:
    """What no system could start is refused as it would be there."""
    if not wanted.command:
        raise Failed(translate.NO_COMMAND)
    if "\0" in wanted.command + wanted.path:
        raise Failed(translate.rpc_error(f"fork/exec {wanted.command}: invalid argument"))
    if len(wanted.command.encode()) + len(wanted.path.encode()) > MOST_BYTES:
        raise Failed(translate.rpc_error(f"fork/exec {wanted.command[:100]}: argument list too long"))


def _wait_for_start(farm: Farm, job: Job) -> Task | None:
    """Registers before each look, so that no ring between look and wait is lost."""
    end_at = farm.clock.now() + int(START_SECONDS * 1000)
    with farm.bell.waiter([f"task/{job.first_task}", f"job/{job.id}"]) as waiter:
        while True:
            task = farm.tasks.get(job.first_task)
            left = (end_at - farm.clock.now()) / 1000
            if left <= 0 or translate.began(task) is not Began.UNKNOWN:
                return task
            try:
                if waiter.wait(min(left, LOOK_EVERY_SECONDS)):
                    waiter.used()
            except Unavailable:  # this server is stopping; the job is accepted all the same
                return task


def stop(farm: Farm, request: Request) -> Reply:
    """200 at once; the program is killed when its worker hears of it, which is within two seconds for our own."""
    auth.require(farm, request, Scope.OPERATE)
    wanted = wire.Stop.of(request)
    seen = _seen(farm, wanted.worker_id, wanted.job_id)
    if seen.state is State.RUNNING and seen.job.status not in ENDED_JOBS:
        _cancel(farm, seen.job)
    return wire.reply(200, success=True)


def _cancel(farm: Farm, job: Job) -> None:
    try:
        jobs.cancel(farm, job.id)
    except Conflict:
        if jobs.get(farm, job.id).status not in ENDED_JOBS:  # else it ended in this very moment
            raise


def query(farm: Farm, request: Request) -> Reply:
    auth.require(farm, request, Scope.SUBMIT)
    wanted = wire.Query.of(request)
    seen = _seen(farm, wanted.worker_id, wanted.job_id)
    status = translate.status_of(seen.job, seen.task)
    return wire.reply(200, done=status.done, error=bool(status.error_text), error_text=status.error_text)


# ---- finding -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """A job and its only task, as just read."""

    job: Job
    task: Task | None

    @property
    def state(self) -> State:
        return translate.state_of(self.job, self.task)


def _seen(farm: Farm, worker_id: str, job_id: str) -> _Seen:
    """The job, if it is that worker's. A worker that can run programs no more still has the jobs it had."""
    worker, job = _worker(farm, worker_id), _job(farm, job_id)
    if worker is not None and job is not None and farm.plans.settings(job)["worker"] == str(worker.id):
        return _Seen(job, farm.tasks.get(job.first_task))
    known = worker is not None and _runs_programs(worker)
    raise Failed(translate.JOB_NOT_FOUND if known else translate.WORKER_NOT_FOUND)


def _worker(farm: Farm, text: str) -> Worker | None:
    try:
        return farm.workers.get(id_of(text, "worker"))
    except NotFound:
        return None


def _runs_programs(worker: Worker) -> bool:
    return TASK_TYPE in worker.abilities


def _job(farm: Farm, text: str) -> Job | None:
    try:
        job = farm.jobs.get(id_of(text, "job"))
    except NotFound:
        return None
    return job if job is not None and job.type == translate.JOB_TYPE else None
