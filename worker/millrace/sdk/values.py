"""What the farm's API answers, as frozen values. Unknown fields are ignored: a newer farm may say more.

Ids are decimal strings; times are aware datetimes in UTC; statuses are the farm's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from millrace.sdk.errors import NotAFarm

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


# ---- from JSON: a missing or misshapen field means that no farm of our version is speaking --------------------------


def read_info(data: Json) -> FarmInfo:
    with _Reading("farm"):
        return FarmInfo(str(data["name"]), str(data["version"]), str(data["auth"]), dict(data["counts"]))


def read_output(data: Json) -> Output:
    return Output(str(data["name"]), str(data["blob"]), int(data["size"]), str(data["sha256"]))


def read_job_output(data: Json) -> JobOutput:
    with _Reading("job's output"):
        output = read_output(data)
        return JobOutput(
            output.name, output.blob, output.size, output.sha256, str(data["task"]), str(data["task_name"])
        )


def read_job(data: Json) -> Job:
    with _Reading("job"):
        return Job(
            id=str(data["id"]),
            name=str(data["name"]),
            type=str(data["type"]),
            status=str(data["status"]),
            priority=int(data["priority"]),
            tags=tuple(data.get("tags") or ()),
            settings=dict(data.get("settings") or {}),
            counts={status: int(number) for status, number in data["counts"].items()},
            progress=float(data["progress"] or 0),
            outputs=tuple(read_output(output) for output in data.get("outputs") or ()),
            error=data.get("error"),
            created_at=datetime.fromisoformat(data["created_at"]),
            started_at=_time(data.get("started_at")),
            finished_at=_time(data.get("finished_at")),
            max_workers=data.get("max_workers"),
            retry=data.get("retry"),
            max_retries=data.get("max_retries"),
            on_failure=data.get("on_failure"),
        )


def read_attempt(data: Json) -> Attempt:
    return Attempt(
        number=int(data["number"]),
        worker=data.get("worker"),
        outcome=data.get("outcome"),
        exit_code=data.get("exit_code"),
        error=data.get("error"),
        started_at=_time(data.get("started_at")),
        ended_at=_time(data.get("ended_at")),
    )


def read_task(data: Json) -> Task:
    with _Reading("task"):
        return Task(
            id=str(data["id"]),
            job=str(data["job"]),
            name=str(data["name"]),
            task_type=str(data["task_type"]),
            status=str(data["status"]),
            priority=int(data["priority"]),
            worker=data.get("worker"),
            progress=float(data.get("progress") or 0),
            activity=data.get("activity"),
            attempts=tuple(read_attempt(attempt) for attempt in data.get("attempts") or ()),
        )


def read_token(data: Json) -> Token:
    with _Reading("token"):
        scopes = tuple(str(scope) for scope in data["scopes"])
        made, ends, worker = data["created_at"], data.get("ends_at"), data.get("worker")
        return Token(
            str(data["id"]),
            str(data["name"]),
            scopes,
            datetime.fromisoformat(made),
            data.get("token"),
            None if ends is None else datetime.fromisoformat(ends),
            None if worker is None else str(worker),
        )


def read_webhook(data: Json) -> Webhook:
    with _Reading("webhook"):
        events = tuple(str(event) for event in data["events"])
        told_once = data.get("secret"), data.get("warning")
        return Webhook(str(data["id"]), str(data["url"]), events, str(data["format"]), data["job"], *told_once)


def read_delivery(data: Json) -> Delivery:
    with _Reading("delivery"):
        return Delivery(
            str(data["id"]),
            str(data["event"]),
            datetime.fromisoformat(data["at"]),
            str(data["status"]),
            int(data["attempts"]),
            data["error"],
        )


def read_worker(data: Json) -> WorkerInfo:
    with _Reading("worker"):
        return WorkerInfo(
            id=str(data["id"]),
            uuid=str(data["uuid"]),
            name=str(data["name"]),
            status=str(data["status"]),
            status_requested=data.get("status_requested"),
            task_types=tuple(data.get("task_types") or ()),
            tags=tuple(data.get("tags") or ()),
            slots=int(data["slots"]),
            tasks=tuple(map(str, data.get("tasks") or ())),
            last_contact_at=_time(data.get("last_contact_at")),
            platform=str(data.get("platform") or ""),
            software=str(data.get("software") or ""),
        )


def read_reasons(data: Json) -> list[Reason]:
    with _Reading("list of reasons"):
        return [Reason(str(one["code"]), str(one["text"])) for one in data["reasons"]]


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


class _Reading:
    """Turns what goes wrong inside into NotAFarm, with the noun that could not be read."""

    def __init__(self, noun: str) -> None:
        self.noun = noun

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (KeyError, TypeError, ValueError, AttributeError)):
            raise NotAFarm(f"the farm's answer is not a {self.noun} as this version knows it ({error!r})") from error


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


def read_error_line(data: Json) -> ErrorLine | None:
    with _Reading("line of a log"):
        line = data["line"]
        if line is None:
            return None
        around = tuple(line["before"]), tuple(line["after"])
        return ErrorLine(str(line["text"]), int(line["number"]), *around, int(data["attempt"]))


def read_picture(data: Json) -> Picture:
    with _Reading("picture"):
        widths = tuple(int(size["width"]) for size in data["sizes"])
        return Picture(data["job"], data["task"], data["task_name"], data["name"], widths)


def read_pruned(data: Json) -> Pruned:
    return Pruned(data["removed"], data["removed_bytes"], data["kept"], data["complete"])
