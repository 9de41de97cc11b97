"""Jobs: submit, look, steer, delete."""

from __future__ import annotations

from collections.abc import Callable

from ..core import extending, jobs, retrying
from ..core.access import Scope
from ..core.errors import BadInput, ObjectMissing
from ..core.farm import Farm
from ..core.ids import parse_id
from ..core.jobs import Submission
from ..core.lifecycle import JobStatus
from ..core.model import Job, JobId, Json
from ..edge import auth
from ..edge.http import Reply, Request
from ..edge.refusals import API
from . import models, translate
from .answering import answer
from .operations import CURSOR, LIMIT, Operation, Parameter, status_parameter
from .reading import LONGEST_TEXT, bad_cursor, idempotency_key, page_wanted, read_body, status_wanted, text_wanted
from .wanted import FramesWanted, JobChange, JobWanted, Nothing, RetryWanted


def submit(farm: Farm, request: Request) -> Reply:
    """Submit a job.

    With an `Idempotency-Key` a repetition gives the job of the first call; the same key with other content is refused
    (409). The job's settings are checked at once: what is wrong is named, and nothing is kept.
    """
    submission = _submission(read_body(request, JobWanted))
    owner = auth.authenticate(farm, request).owner
    job = jobs.submit(farm, submission, owner=owner, once=idempotency_key(request))
    return _details(farm, job, 201, {"Location": f"{API}/jobs/{job.id}"})


def check(farm: Farm, request: Request) -> Reply:
    """Ask whether a submission would be refused, before its files are uploaded.

    Any number stands for the blob of a file that is yet to come: blobs are not looked up, and nothing is kept. All else
    is checked as when the job is submitted.
    """
    jobs.check(farm, _submission(read_body(request, JobWanted)))
    return Reply(204)


def _submission(wanted: JobWanted) -> Submission:
    return Submission(
        name=wanted.name,
        type=wanted.type,
        settings=wanted.settings,
        priority=wanted.priority,
        tags=tuple(wanted.tags),
        max_retries=wanted.max_retries if "max_retries" in wanted.model_fields_set else None,
        on_failure=wanted.on_failure,
        retry=None if wanted.retry is None else wanted.retry.model_dump(exclude_unset=True),
        after=tuple(map(int, wanted.after)),
        max_workers=wanted.max_workers,
    )


def listing(farm: Farm, request: Request) -> Reply:
    """Jobs, newest first.

    With `owner` and `status` a page may hold fewer than there are, and even none, before the last: follow `next`.
    """
    wanted, status, owner = page_wanted(request), status_wanted(request, JobStatus), text_wanted(request, "owner")
    try:
        found, cursor = farm.jobs.page(status.value if status else None, wanted.limit, wanted.cursor, owner=owner)
    except ValueError:
        raise bad_cursor() from None
    return answer(models.JobPage(items=[translate.listed_job(job) for job in found], next=cursor))


def show(farm: Farm, request: Request, job_id: str) -> Reply:
    """One job."""
    return _details(farm, jobs.get(farm, _id(job_id)))


def change(farm: Farm, request: Request, job_id: str) -> Reply:
    """Rename a job, give it another priority, or limit how many of its tasks run at once."""
    number, wanted = _id(job_id), read_body(request, JobChange)
    given = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    return _details(farm, jobs.change(farm, number, **given))


def delete(farm: Farm, request: Request, job_id: str) -> Reply:
    """Forget a job that has ended, with its tasks.

    A job that lives is to be canceled first (409).
    """
    jobs.delete(farm, _id(job_id))
    return Reply(204)


def cancel(farm: Farm, request: Request, job_id: str) -> Reply:
    """Stop a job.

    Nothing of it is given to workers from here on; what runs is told to stop.
    """
    return _decide(farm, request, job_id, jobs.cancel)


def pause(farm: Farm, request: Request, job_id: str) -> Reply:
    """Hold a job. What runs may finish."""
    return _decide(farm, request, job_id, jobs.pause)


def resume(farm: Farm, request: Request, job_id: str) -> Reply:
    """Let a paused job go on."""
    return _decide(farm, request, job_id, jobs.resume)


def retry(farm: Farm, request: Request, job_id: str) -> Reply:
    """Run part of a job again; what completed stays, unless it is named.

    What failed or was canceled; with `only`, what failed and what that took along, or what was canceled; or the tasks
    or frames that are named. In a job that lives the rest goes on meanwhile; one that has ended lives again.
    """
    number, wanted = _id(job_id), read_body(request, RetryWanted, may_be_empty=True)
    if len(wanted.model_fields_set) > 1:
        raise BadInput("say one of only, tasks and frames, not several", field="only")
    if wanted.frames is not None:
        return _details(farm, retrying.retry_frames(farm, number, wanted.frames))
    if wanted.tasks is not None:
        named = [int(task) for task in wanted.tasks]
        return _details(farm, retrying.retry_tasks(farm, number, named))
    only_failed, only_canceled = wanted.only == "failed", wanted.only == "canceled"
    return _details(farm, retrying.retry(farm, number, only_failed=only_failed, only_canceled=only_canceled))


def add_frames(farm: Farm, request: Request, job_id: str) -> Reply:
    """Give a job that lives more frames.

    A job of a type that has frames. Those that it has already are not added again, so the call can be repeated. Steps
    that follow on the frames, such as a preview, wait for the added ones too; if one is at work already, or the job has
    ended, the call is refused (409).
    """
    number, wanted = _id(job_id), read_body(request, FramesWanted)
    done = extending.add_frames(farm, number, wanted.frames)
    details = translate.job_details(done.job, _settings(farm, done.job), jobs.progress(farm, done.job))
    return answer(models.FramesAdded(added=done.added, present=done.present, job=details))


def _decide(farm: Farm, request: Request, job_id: str, decide: Callable[[Farm, JobId], Job]) -> Reply:
    number = _id(job_id)
    read_body(request, Nothing, may_be_empty=True)
    return _details(farm, decide(farm, number))


def _id(text: str) -> JobId:
    return parse_id(text, "job")


def _details(farm: Farm, job: Job, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    details = translate.job_details(job, _settings(farm, job), jobs.progress(farm, job))
    return answer(details, status, headers)


def _settings(farm: Farm, job: Job) -> Json:
    """A job stays visible when the object that held its settings is gone."""
    try:
        return farm.plans.settings(job)
    except ObjectMissing:
        return None


_KEY = Parameter(
    "Idempotency-Key",
    "Chosen by the caller; makes the call repeatable.",
    {"type": "string", "minLength": 1, "maxLength": 200},
    where="header",
)

_OWNER = Parameter(
    "owner",
    "Only jobs submitted with a token of this name.",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
)

OPERATIONS = (
    Operation(
        "POST",
        "/jobs",
        submit,
        Scope.SUBMIT,
        201,
        models.JobDetails,
        body=JobWanted,
        parameters=(_KEY,),
        headers={"Location": "The job's path."},
        problems=(409,),
    ),
    Operation("POST", "/jobs/check", check, Scope.SUBMIT, 204, body=JobWanted),
    Operation(
        "GET",
        "/jobs",
        listing,
        Scope.SUBMIT,
        answer=models.JobPage,
        parameters=(status_parameter(JobStatus), _OWNER, LIMIT, CURSOR),
    ),
    Operation("GET", "/jobs/{id}", show, Scope.SUBMIT, answer=models.JobDetails),
    Operation(
        "PATCH",
        "/jobs/{id}",
        change,
        Scope.OPERATE,
        answer=models.JobDetails,
        body=JobChange,
        problems=(409,),
    ),
    Operation("DELETE", "/jobs/{id}", delete, Scope.OPERATE, 204, problems=(409,)),
    *(
        Operation(
            "POST",
            f"/jobs/{{id}}/{view.__name__}",
            view,
            Scope.OPERATE,
            answer=models.JobDetails,
            body=Nothing,
            problems=(409,),
        )
        for view in (cancel, pause, resume)
    ),
    Operation(
        "POST",
        "/jobs/{id}/frames",
        add_frames,
        Scope.OPERATE,
        answer=models.FramesAdded,
        body=FramesWanted,
        problems=(409,),
    ),
    Operation(
        "POST",
        "/jobs/{id}/retry",
        retry,
        Scope.OPERATE,
        answer=models.JobDetails,
        body=RetryWanted,
        problems=(409,),
    ),
)
