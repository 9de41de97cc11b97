"""`/lambda` and `/job`: what requesters do, and how workers say that they are done.

Creating a job is not repeatable in this protocol: a lost answer leaves a job that nobody asks about. Waiting reads the
job at least once a second, so a lost ring costs a second, never the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...core import jobs
from ...core.access import Scope
from ...core.errors import BadInput, NotFound
from ...core.farm import Farm
from ...core.ids import parse_id
from ...core.jobs import Submission
from ...core.model import Function, Job, Task
from ...edge import auth
from ...edge.fields import parsed
from ...edge.http import Reply, Request
from . import documents, translate, updating
from .access import speaker
from .envelope import json_object, ok
from .wire import NewJob, NewLambda, UpdateJob, seconds

MAX_RETRIES = 1
"""Silent once: enqueued again. Silent twice: Error."""
LOOK_EVERY_SECONDS = 1.0


def create_lambda(farm: Farm, request: Request) -> Reply:
    auth.require(farm, request, Scope.SUBMIT)
    wanted = parsed(NewLambda, json_object(request))
    if not wanted.runtime.isprintable():
        raise BadInput("runtime must be 1 to 200 printable characters", field="runtime")
    function = Function(farm.ids.one(), int(wanted.codex), wanted.runtime, tuple(wanted.tags), farm.clock.now())
    farm.functions.add(function)
    return ok(id=str(function.id))


def lambda_info(farm: Farm, request: Request, function_id: str) -> Reply:
    auth.require(farm, request, Scope.SUBMIT, Scope.WORKER)
    return ok(**documents.lambda_document(_function(farm, function_id)))


def _function(farm: Farm, text: str) -> Function:
    function = farm.functions.get(parse_id(text, "lambda"))
    if function is None:
        raise NotFound(f"no such lambda: {text}")
    return function


def create_job(farm: Farm, request: Request) -> Reply:
    owner = auth.require(farm, request, Scope.SUBMIT).owner
    body = json_object(request)
    wanted = parsed(NewJob, body)
    function = _function(farm, wanted.lambda_id)
    job = jobs.submit(farm, _submission(function, wanted), owner=owner, check_blobs=False)
    old_names = {"jid": str(job.id)} if NewJob.uses_old_names(body) else {}
    return ok(id=str(job.id), **old_names)


def _submission(function: Function, wanted: NewJob) -> Submission:
    """Neither code nor input need exist: the worker that asks for them gets the 404, as with the original server."""
    tags = [*function.tags, *(tag for tag in wanted.tags if tag not in function.tags)]
    code, input_id = translate.blob_reference(str(function.code)), translate.blob_reference(wanted.input)
    return Submission(
        name=function.runtime,
        type=translate.JOB_TYPE,
        settings={"code": code, "runtime": function.runtime, "input": input_id},
        tags=translate.job_tags(tags),
        max_retries=MAX_RETRIES,
        annotations=documents.annotations_for(function, wanted.input, tags),
    )


@dataclass(frozen=True)
class _Seen:
    """A job and its only task, as just read."""

    job: Job
    task: Task | None

    @property
    def state(self) -> translate.State:
        return translate.state_of(self.job, self.task)


def _look(farm: Farm, text: str) -> _Seen:
    job = farm.jobs.get(parse_id(text, "job"))
    if job is None or job.type != translate.JOB_TYPE:
        raise NotFound(f"no such job: {text}")
    return _Seen(job, farm.tasks.get(job.first_task))


def job_info(farm: Farm, request: Request, job_id: str) -> Reply:
    """At once, or with `except=STATE` as soon as it has that state or another final one, or the time is over."""
    auth.require(farm, request, Scope.SUBMIT, Scope.WORKER)
    wanted = request.query.get("except", "").strip().lower()
    patience = _patience(request)
    if not wanted:
        seen = _look(farm, job_id)
    else:
        seen = _wait(farm, job_id, patience, lambda s: s.state.lower() == wanted or s.state in translate.FINAL_STATES)
    return ok(**documents.job_document(seen.job, farm.plans.settings(seen.job), seen.task))


def _patience(request: Request) -> int:
    try:
        return translate.wait_seconds(seconds(request.query.get("timeout")))
    except ValueError as error:
        raise BadInput(f"timeout: {error}", field="timeout") from None


def _wait(farm: Farm, job_id: str, patience: int, is_over: Callable[[_Seen], bool]) -> _Seen:
    """Registers before each look, so that no ring between look and wait is lost."""
    end_at = farm.clock.now() + int(min(patience, farm.limits.wait_seconds) * 1000)
    with farm.bell.waiter([f"job/{parse_id(job_id, 'job')}"]) as waiter:
        while True:
            seen = _look(farm, job_id)
            left = (end_at - farm.clock.now()) / 1000
            if left <= 0 or is_over(seen):
                return seen
            if waiter.wait(min(left, LOOK_EVERY_SECONDS)):
                waiter.used()


def update_job(farm: Farm, request: Request, job_id: str) -> Reply:
    auth.require_or_worker(farm, request, Scope.WORKER, Scope.OPERATE)
    seen = _look(farm, job_id)
    updating.update(farm, seen.job, seen.task, parsed(UpdateJob, json_object(request)), speaker(farm, request))
    return ok(message="Job found")


def trace(farm: Farm, request: Request, job_id: str) -> Reply:
    auth.require(farm, request, Scope.SUBMIT, Scope.WORKER)
    seen = _look(farm, job_id)
    return ok(**documents.trace_document(seen.job, seen.task))
