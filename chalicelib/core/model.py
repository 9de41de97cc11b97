"""The farm's nouns as frozen values. Times are milliseconds since 1970, ids 53-bit integers (`ids.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .lifecycle import JobStatus, Outcome, StepStatus, TaskStatus, WorkerStatus
from .retry_policy import RetryPolicy

JobId = int
TaskId = int
Spans = tuple[tuple[TaskId, TaskId], ...]
"""Ids of a job's tasks: the first of a step, and the one behind its last."""
WorkerId = int
BlobId = int
FunctionId = int
Json = Any


class ManifestId(int):
    """A blob's id where the blob must be a manifest (`manifests.py`), and all files that it lists must be there."""


FUNCTION_TYPE = "function:"
"""Prefix of the task types that stand for runtimes: `function:python3` runs on whoever declares runtime python3."""


@dataclass(frozen=True)
class Requirement:
    """What a task asks of a worker. Equal requirements share a lane."""

    task_type: str
    require: frozenset[str] = frozenset()
    """Tags the worker must carry."""
    forbid: frozenset[str] = frozenset()
    """Tags the worker must not carry."""
    worker: WorkerId | None = None
    """Pinned to this one."""


@dataclass(frozen=True)
class SleepSchedule:
    """When a worker is to sleep: from `start` to `end` on these days, in the manager's local time."""

    active: bool
    days: tuple[int, ...] = ()
    """0 is Monday; none means all."""
    start_minute: int | None = None
    """Since midnight; None means from midnight on."""
    end_minute: int | None = None
    """The first minute awake again; None means until midnight. Before `start_minute`: on the next day."""


@dataclass(frozen=True)
class Load:
    """How busy a machine is, in percent, as its worker last said when a contact was noted."""

    cpu_percent: int
    memory_percent: int


@dataclass(frozen=True)
class Worker:
    """A machine known to the farm, with an identity."""

    id: WorkerId
    name: str
    status: WorkerStatus
    task_types: frozenset[str]
    runtimes: tuple[str, ...]
    """As registered; runtime R is task type `function:R` as well."""
    tags: frozenset[str]
    slots: int
    secret_hash: str | None
    """As `worker_secrets.kept` made it; None for a worker whose protocol knows no secret."""
    status_requested: WorkerStatus | None
    lazy: bool
    """The requested status may wait until running tasks have ended."""
    platform: str
    software: str
    created_at: int
    last_contact_at: int
    blocked: frozenset[tuple[JobId, str]] = frozenset()
    """The blocklist: (job, task type) that this worker must not meet again, while anybody else can run them."""

    address: str = ""
    """Where its last noted call came from; empty where nobody asked."""
    sleep_schedule: SleepSchedule | None = None
    start: int | None = None
    """The number of its newest start, where its protocol counts them (`starting.py`)."""
    started_at: int | None = None
    """When that start first signed on."""
    lost_at: int | None = None
    """When the sweep found it silent for too long; its next contact takes that back. `workers.liveness` decides what is
    shown, this only makes it news."""
    broke_at: int | None = None
    """When it last said that it is in error."""
    load: Load | None = None
    """None where its protocol, or its machine, does not tell."""

    @property
    def abilities(self) -> frozenset[str]:
        """Every task type it may be given."""
        return self.task_types | {FUNCTION_TYPE + runtime for runtime in self.runtimes}


@dataclass(frozen=True)
class Block:
    """An entry of a worker's blocklist."""

    job: JobId
    task_type: str
    created_at: int


@dataclass(frozen=True)
class Output:
    name: str
    blob: BlobId
    size: int
    sha256: str


@dataclass(frozen=True)
class Job:
    """One submission: settings, and what has become of them."""

    id: JobId
    name: str
    type: str
    status: JobStatus
    priority: int
    """0-100, higher first."""
    tags: tuple[str, ...]
    """Labels as given: plain and `+x` are required of the worker, `-x` forbidden, `~x` wished for."""
    max_retries: int
    on_failure: str
    """`continue`: the rest runs on; `stop`: the first task that fails for good ends the job."""
    settings: Json
    """None while they are kept as an object (`settings_key`)."""
    settings_key: str | None
    epoch: int
    """Rises with every decision of a person (pause, cancel, priority): guards writes made for an earlier one."""
    aligned_epoch: int
    """Up to which epoch the tasks are known to be in line with the job."""
    restart_epoch: int | None
    """Set by a retry (to its epoch) until every task that it means is queued again."""
    counts: Mapping[str, int]
    """Tasks by status, as last rolled up; may lag."""
    outputs: tuple[Output, ...]
    """The first hundred, once it has ended (`outputs.py`)."""
    error: str | None
    created_at: int
    started_at: int | None
    finished_at: int | None
    after: tuple[JobId, ...] = ()
    """Jobs that must complete before any of its steps is opened (`following.py`)."""
    is_followed: bool = False
    """Some job comes after this one."""
    settled: bool = False
    """Ended, and so has its last task: nothing is left to do for it."""
    annotations: Mapping[str, Json] = field(default_factory=dict)
    """What a dialect wants remembered; the core never looks."""
    owner: str | None = None
    """Name of the token it was submitted with; None on an open farm."""
    retry: RetryPolicy = RetryPolicy()
    """What it says itself of its tasks' failures."""
    max_seconds: int | None = None
    """How long an attempt of a task that says nothing itself may take, as was said of its type; so `idle_seconds`."""
    idle_seconds: int | None = None
    max_workers: int | None = None
    """How many of its tasks may run at once (`gates.py`)."""
    gated: bool = False
    """It has, or once had, such a limit."""
    restart_of: Json = None
    """Which tasks that retry means (`restarting.Chosen`); None: all that failed or were canceled."""
    revision: int = 0
    """Rises when its settings, and so its plan, get longer (`extending.py`)."""

    @property
    def first_task(self) -> TaskId:
        """The id of the only task of a first step with one task: reserved together with the job's."""
        return self.id + 1


@dataclass(frozen=True)
class Step:
    """A part of a job: a count, and a function (of the job's type) from index to task."""

    job: JobId
    number: int
    name: str
    status: StepStatus
    parents: tuple[int, ...]
    count: int
    """0 until it is open."""
    base: TaskId
    """Task `index` has the id `base + index`."""
    shards: int
    """How many cursors give its tasks away; 0 for a step that is written task by task."""
    written: bool
    """Every window and task is in the table, or every cursor."""
    epoch: int
    """Rises when a closed window is opened again."""
    completed: int
    failed: int
    canceled: int
    """Sums over closed windows."""
    trails: int | None = None
    """Which of `parents` it follows task by task, not as a whole (`trailing.py`)."""
    left: int | None = None
    """Of a step that trails another: how many were never begun, once they are counted as canceled."""
    look_from: int | None = None
    """Of a step that trails another: the window at which a look for tasks to release is; None: none is under way."""
    look_is_last: bool = False
    """That look ends the step: what cannot be released any more is canceled."""

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.canceled


@dataclass(frozen=True)
class Attempt:
    """One run of a task that has ended, numbered from 1."""

    number: int
    generation: int
    worker: WorkerId
    outcome: Outcome
    exit_code: int | None
    error: str | None
    started_at: int
    ended_at: int


@dataclass(frozen=True)
class Lease:
    """The time-limited right to a task."""

    worker: WorkerId
    generation: int
    request_id: str
    granted_at: int
    seconds: float
    due_at: int
    """When the manager gives up on it: later than the worker's own end, see `Limits.grace_seconds`."""
    ticket: int | None = None
    """Of its job's gate (`gates.py`)."""


@dataclass(frozen=True)
class TaskInput:
    name: str
    blob: BlobId
    size: int | None
    sha256: str | None


@dataclass(frozen=True)
class Work:
    """What to do: the part of a task that never changes."""

    commands: tuple[Mapping[str, Json], ...]
    inputs: tuple[TaskInput, ...] = ()
    outputs: tuple[str, ...] = ()
    max_seconds: int | None = None
    idle_seconds: int | None = None
    once: bool = False
    """Begun once and never again, however the attempt ended, unless a person asks for it."""


@dataclass(frozen=True)
class Task:
    """The smallest unit given to one worker. Its item is the truth about it."""

    id: TaskId
    job: JobId
    job_name: str
    step: int
    index: int
    name: str
    status: TaskStatus
    requirement: Requirement
    wishes: frozenset[str]
    priority: int
    """The job's when last written."""
    own_priority: int
    """Among the tasks of one job, higher first."""
    work: Work
    parents: tuple[int, ...]
    """Indices in the same step."""
    children: tuple[int, ...]
    generation: int
    lease: Lease | None
    requeued_epoch: int
    """The job's epoch when a person's retry last queued it; 0 before."""
    failures: int
    max_retries: int
    excluded: frozenset[WorkerId]
    """Workers it failed on; they get it only when nobody else can."""
    attempts: tuple[Attempt, ...]
    cancel_reason: str | None
    """Set while active: the worker is to stop."""
    progress: int
    activity: str
    outputs: tuple[Output, ...]
    result: Json
    error: str | None
    created_at: int
    finished_at: int | None
    deferred_until: int | None = None
    """Waiting: not to be tried again before."""
    trails: int | None = None
    """The step some of whose tasks it waits for."""
    trailed_by: tuple[int, ...] = ()
    """The steps some of whose tasks wait for this one."""
    gated: bool = False
    """Its job had a limit from the beginning: nobody takes it without a ticket."""
    counted_by: int | None = None
    """The cursor (its shard) that gave it away and counts what runs of it (`queue_mode.py`)."""


@dataclass(frozen=True)
class Blob:
    """Immutable bytes. Its content lives under `object_key`, once for all blobs with the same digest."""

    id: BlobId
    size: int
    sha256: str
    created_at: int

    @property
    def object_key(self) -> str:
        return f"blobs/{self.sha256}"


@dataclass(frozen=True)
class Function:
    """Code and the runtime it wants: what Pleiades calls a lambda."""

    id: FunctionId
    code: BlobId
    """0: none."""
    runtime: str
    tags: tuple[str, ...]
    created_at: int


@dataclass(frozen=True)
class Assignment:
    """What a claim gives to a worker."""

    task: Task
    lease: Lease
    seconds: float
    """What is left of the lease, from the manager's receipt of the request."""
