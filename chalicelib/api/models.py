"""The shapes of answers. The OpenAPI document is generated from these; their docstrings are its text.

Ids are decimal strings, times RFC 3339 in UTC.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ..core.lifecycle import JobStatus, Outcome, StepStatus, TaskStatus, WorkerStatus
from ..core.reasons import Code
from .wanted import LEFT_OUT, Retry, Sha256

Id = Annotated[str, Field(pattern="^[0-9]{1,16}$", examples=["58236182171648"])]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-02T03:04:05.678Z"])]


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Output(Answer):
    """A file that a job made."""

    name: str
    blob: Id
    size: int
    sha256: Sha256


class JobOutput(Output):
    """A file that a job made, and which of its tasks it was."""

    task: Id
    task_name: str


class Counts(Answer):
    """Tasks by status."""

    waiting: int
    queued: int
    active: int
    paused: int
    completed: int
    failed: int
    canceled: int


class Job(Answer):
    """A job as it stands in a list. `counts` and `progress` may be a moment old."""

    id: Id
    name: str
    type: str
    owner: Annotated[str | None, Field(description="Name of the token it was submitted with; null on an open farm.")]
    status: JobStatus
    priority: int
    tags: list[str]
    settings: Annotated[
        dict[str, Any] | None,
        Field(description="As submitted; in a list null when they are larger than 4,000 bytes."),
    ]
    counts: Counts
    progress: Annotated[int, Field(ge=0, le=100)]
    outputs: Annotated[
        list[Output], Field(description="Once it has ended, the first hundred; all: `/jobs/{id}/outputs`.")
    ]
    error: str | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None


class Step(Answer):
    """A part of a job. `count` is 0 until the step is open; the other numbers grow a hundred tasks at a time."""

    name: str
    status: StepStatus
    parents: Annotated[list[int], Field(description="Which of the job's steps, from 0, must be done before.")]
    trails: Annotated[
        int | None, Field(description="Which of `parents` it follows frame by frame, instead of waiting for all of it.")
    ]
    count: int
    completed: int
    failed: int
    canceled: int


class JobDetails(Job):
    """A job with counts of this moment, and its steps."""

    steps: list[Step]
    retry: Annotated[Retry, Field(description="What its tasks' failures mean.")]
    after: Annotated[list[Id], Field(description="Jobs that must complete before it starts.")]
    max_workers: Annotated[int | None, Field(description="How many of its tasks may run at once; null: no limit.")]
    max_retries: Annotated[int, Field(description="How often a failed task is tried again.")]
    on_failure: Annotated[str, Field(description="`continue`, or `stop`: the first task that fails for good ends it.")]


class FramesAdded(Answer):
    """What became of frames that a job was to get; those that it had are not added again."""

    added: Annotated[str | None, Field(description="null: it had them all.")]
    present: Annotated[str | None, Field(description="Those that it had already.")]
    job: JobDetails


class Attempt(Answer):
    """One run of a task. While it runs, `outcome` and `ended_at` are null."""

    number: int
    worker: Id
    outcome: Outcome | None
    exit_code: int | None
    error: str | None
    started_at: Time
    ended_at: Time | None


class Task(Answer):
    """The smallest unit given to one worker. `worker` is who holds it now."""

    id: Id
    job: Id
    name: str
    task_type: str
    status: TaskStatus
    priority: Annotated[int, Field(description="Among the tasks of its job, higher first.")]
    worker: Id | None
    progress: Annotated[int, Field(ge=0, le=100)]
    activity: str | None
    attempts: Annotated[list[Attempt], Field(description="The running one included, oldest first.")]


class Load(Answer):
    """How busy a machine is, in percent, as it said at its last noted contact."""

    cpu_percent: int
    memory_percent: int


class ErrorLine(Answer):
    """The line of a log that likely says why, and what stands around it."""

    text: str
    number: Annotated[int, Field(description="From 1.")]
    offset: Annotated[int, Field(description="In bytes, for the log.")]
    before: list[str]
    after: list[str]


class ErrorFound(Answer):
    """What a search for the reason in a log came to."""

    attempt: Annotated[int | None, Field(description="Whose log it is; null: nothing has run.")]
    line: Annotated[ErrorLine | None, Field(description="null: no line says anything of the kind.")]
    searched_bytes: int
    complete: Annotated[bool, Field(description="false: the log is too long to be searched to its end in one call.")]


class ListedWorker(Answer):
    """A machine known to the farm. `uuid` is its id in the form that protocols with UUIDs use."""

    id: Id
    uuid: Annotated[str, Field(json_schema_extra={"format": "uuid"})]
    name: str
    status: Annotated[WorkerStatus, Field(description="`lost`: silent for too long, whatever it last said.")]
    status_requested: WorkerStatus | None
    task_types: list[str]
    tags: list[str]
    slots: int
    platform: Annotated[str, Field(description="linux, windows or darwin, as the worker calls it; may be empty.")]
    software: Annotated[str, Field(description="What it runs, with its release; may be empty.")]
    load: Annotated[Load | None, Field(description="null where the worker's protocol does not tell.")]
    last_contact_at: Time


class Worker(ListedWorker):
    """A machine known to the farm, and what it does."""

    tasks: Annotated[list[Id], Field(description="What it holds now.")]


class Reason(Answer):
    """`code` is for programs and does not change; `text` is for people."""

    code: Code
    text: str


class Why(Answer):
    """What stands in the way, the nearest first; never empty."""

    reasons: list[Reason]


class Upload(Answer):
    """The request that stores the content: send these headers, verbatim, and nothing else that identifies you."""

    method: str
    url: str
    headers: dict[str, str]


class BlobAnnounced(Answer):
    id: Id
    upload: Annotated[Upload | None, Field(description="null: the content is known already, nothing is to be sent.")]


class ContentMissing(Answer):
    size: int
    sha256: Sha256
    upload: Upload


class ContentsMissing(Answer):
    missing: Annotated[list[ContentMissing], Field(description="Each once, by digest; the others are stored.")]


class Blob(Answer):
    """Immutable bytes with an id. `stored`: the content is there."""

    id: Id
    size: int
    sha256: Sha256
    stored: bool
    created_at: Time


class FarmCounts(Answer):
    """Each is counted up to 1,000, which stands for that many or more."""

    open_jobs: Annotated[int, Field(description="Jobs that have not ended, or of which tasks are still ending.")]
    workers: int
    live_workers: Annotated[int, Field(description="Those neither offline nor lost.")]


class Farm(Answer):
    name: str
    version: str
    auth: Annotated[str, Field(json_schema_extra={"enum": ["open", "token"]})]
    counts: Annotated[
        FarmCounts | dict[str, int],
        Field(description="Empty for who may not see them: with a token of scope `submit` they are there."),
    ]


class Pruned(Answer):
    """What is counted are contents, each once however many blobs name it."""

    removed: int
    removed_bytes: int
    kept: int
    complete: Annotated[bool, Field(description="false: the time of the call was over; call again.")]


class Swept(Answer):
    """What one pass did: leases ended, jobs settled, jobs that could not be settled (the farm's log says why)."""

    expired: int
    settled: int
    failed: int


class FieldProblem(Answer):
    field: str
    detail: str


class Problem(Answer):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    field: Annotated[str, Field(description="The first field that is wrong, dotted; only if one is."), LEFT_OUT] = ""
    errors: Annotated[
        list[FieldProblem], Field(description="All fields that are wrong; only if several are."), LEFT_OUT
    ] = []
    at_work: Annotated[
        bool, Field(description="The farm is doing just this already: ask again until it is done."), LEFT_OUT
    ] = False


Item = TypeVar("Item", bound=Answer)


class Page(Answer, Generic[Item]):
    """Part of a list. `next` is the cursor of what follows, null at the end; a page before that may be empty."""

    items: list[Item]
    next: str | None


class JobPage(Page[Job]):
    """Part of a list of jobs. `next` is the cursor of what follows, null at the end."""


class JobOutputPage(Page[JobOutput]):
    """Part of a list of outputs. `next` is the cursor of what follows, null at the end; before that it may be empty."""


class TaskInput(Answer):
    """A file that is there before the first command; with a name that ends with `/`, a folder of files."""

    name: str
    blob: Id
    size: int | None


class TaskDetails(Task):
    """A task with what it does: the part that does not change, and what it left."""

    job_name: str
    step: int
    commands: Annotated[
        list[dict[str, Any]],
        Field(description="Before variables and paths become the worker's own; what looks like a secret is left out."),
    ]
    inputs: list[TaskInput]
    outputs: Annotated[list[str], Field(description="Files that it is to leave, by name or pattern.")]
    max_seconds: int | None
    idle_seconds: int | None
    tags: Annotated[list[str], Field(description="What it asks of a worker: `gpu` must be there, `-gpu` must not.")]
    files: Annotated[list[Output], Field(description="What it left, once it has completed.")]


class TaskPage(Page[Task]):
    """Part of a list of tasks. `next` is the cursor of what follows, null at the end; before that it may be empty."""


class WorkerPage(Page[Worker]):
    """Part of a list of workers. `next` is the cursor of what follows, null at the end; before that it may be empty."""
