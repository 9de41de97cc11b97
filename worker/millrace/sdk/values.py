"""What the farm's API answers, as frozen values. Unknown fields are ignored: a newer farm may say more.

Ids are decimal strings; times are aware datetimes in UTC; statuses are the farm's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

Json = Mapping[str, Any]

ENDED = frozenset({"completed", "failed", "canceled"})


@dataclass(frozen=True)
class FarmInfo:
    """`counts` says how many of what the farm knows, such as jobs, tasks, workers. `auth` is `open` or `token`."""

    name: str
    version: str
    auth: str
    counts: Mapping[str, Any]


@dataclass(frozen=True)
class Output:
    """A file that a job made. `size` in bytes, `sha256` as 64 hex digits."""

    name: str
    blob: str
    size: int
    sha256: str


@dataclass(frozen=True)
class JobOutput(Output):
    """The same, with the task that made it."""

    task: str
    task_name: str


@dataclass(frozen=True)
class Job:
    """One submission. `counts` has a number of tasks for each task status, `progress` goes from 0 to 100; `outputs`
    holds the first hundred files, once it has ended (`Farm.outputs` gives all, at any time)."""

    id: str
    name: str
    type: str
    status: str
    priority: int
    tags: tuple[str, ...]
    settings: Json
    counts: Mapping[str, int]
    progress: float
    outputs: tuple[Output, ...]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    max_workers: int | None = None
    """This and the rest is told of one job, not in lists. None: no limit."""
    retry: Json | None = None
    max_retries: int | None = None
    on_failure: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def tasks(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Attempt:
    """One run of a task. `outcome` is None while it runs."""

    number: int
    worker: str | None
    outcome: str | None
    exit_code: int | None
    error: str | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class Task:
    """What one worker does at a time. `worker` is who holds it now; `activity` is what that says it is doing."""

    id: str
    job: str
    name: str
    task_type: str
    status: str
    priority: int
    worker: str | None
    progress: float
    activity: str | None
    attempts: tuple[Attempt, ...]

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True)
class WorkerInfo:
    """A machine, or a slot of one. `tasks` are the ids of what it holds."""

    id: str
    uuid: str
    name: str
    status: str
    status_requested: str | None
    task_types: tuple[str, ...]
    tags: tuple[str, ...]
    slots: int
    tasks: tuple[str, ...]
    last_contact_at: datetime | None
    platform: str = ""
    software: str = ""
    """What it runs, with its release."""


@dataclass(frozen=True)
class Reason:
    """Why something waits or is idle. `code` is the farm's stable name for it, `text` is for people."""

    code: str
    text: str


@dataclass(frozen=True)
class LogPiece:
    """A part of an attempt's log; the next one starts at `next_offset` (bytes)."""

    text: str
    next_offset: int


@dataclass(frozen=True)
class Token:
    """What opens a closed farm. `text` is told only when it is made."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    text: str | None = None
    ends_at: datetime | None = None
    """Only of join tokens, whose one scope is `join`."""
    worker: str | None = None
    """The worker that it is for, or has let in."""


@dataclass(frozen=True)
class Webhook:
    """A URL that is told of events. Told only when it is made: `secret`, and `warning`, why calls would fail."""

    id: str
    url: str
    events: tuple[str, ...]
    format: str
    job: str | None
    secret: str | None = None
    warning: str | None = None


@dataclass(frozen=True)
class Delivery:
    """One event for one webhook: `pending`, `delivered` or `given up`."""

    id: str
    event: str
    at: datetime
    status: str
    attempts: int
    error: str | None


@dataclass(frozen=True)
class ErrorLine:
    """A line of a log that likely says why, its number (from 1), and the lines around it."""

    text: str
    number: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    attempt: int


@dataclass(frozen=True)
class Picture:
    """What was rendered last; `widths` are the sizes that there are, `name` is the file that it shows."""

    job: str
    task: str
    task_name: str
    name: str
    widths: tuple[int, ...]


@dataclass(frozen=True)
class FramesAdded:
    """What became of frames that a job was to get: `added` is None if it had them all, `present` is what it had."""

    added: str | None
    present: str | None
    job: Job


@dataclass(frozen=True)
class Pruned:
    """What `Farm.prune` removed, or would have. `complete`: it came to the end; else call it again."""

    removed: int
    removed_bytes: int
    kept: int
    complete: bool


Value = (
    ErrorLine
    | FarmInfo
    | FramesAdded
    | Job
    | Task
    | WorkerInfo
    | Output
    | Attempt
    | Token
    | Reason
    | Webhook
    | Delivery
    | Pruned
)


# ---- to JSON: the same shapes as the API's --------------------------------------------------------------------------


def as_json(value: Value) -> dict[str, Any]:
    return {name: _plain(field) for name, field in asdict(value).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: _plain(field) for name, field in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(field) for field in value]
    return value
