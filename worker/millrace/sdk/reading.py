"""From the JSON of the farm's API to values.

NotAFarm says that a field is missing or misshapen: it is no farm of our version that is speaking.
"""

from __future__ import annotations

from datetime import datetime

from millrace.sdk.errors import NotAFarm
from millrace.sdk.values import (
    Attempt,
    Delivery,
    ErrorLine,
    FarmInfo,
    Job,
    JobOutput,
    Json,
    Output,
    Picture,
    Pruned,
    Reason,
    Task,
    Token,
    Webhook,
    WorkerInfo,
)


def farm_info(data: Json) -> FarmInfo:
    with _Reading("farm"):
        return FarmInfo(str(data["name"]), str(data["version"]), str(data["auth"]), dict(data["counts"]))


def output(data: Json) -> Output:
    return Output(str(data["name"]), str(data["blob"]), int(data["size"]), str(data["sha256"]))


def job_output(data: Json) -> JobOutput:
    with _Reading("job's output"):
        made = output(data)
        return JobOutput(made.name, made.blob, made.size, made.sha256, str(data["task"]), str(data["task_name"]))


def job(data: Json) -> Job:
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
            outputs=tuple(output(one) for one in data.get("outputs") or ()),
            error=data.get("error"),
            created_at=datetime.fromisoformat(data["created_at"]),
            started_at=_time(data.get("started_at")),
            finished_at=_time(data.get("finished_at")),
            max_workers=data.get("max_workers"),
            retry=data.get("retry"),
            max_retries=data.get("max_retries"),
            on_failure=data.get("on_failure"),
        )


def attempt(data: Json) -> Attempt:
    return Attempt(
        number=int(data["number"]),
        worker=data.get("worker"),
        outcome=data.get("outcome"),
        exit_code=data.get("exit_code"),
        error=data.get("error"),
        started_at=_time(data.get("started_at")),
        ended_at=_time(data.get("ended_at")),
    )


def task(data: Json) -> Task:
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
            attempts=tuple(attempt(one) for one in data.get("attempts") or ()),
        )


def worker(data: Json) -> WorkerInfo:
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


def reasons(data: Json) -> list[Reason]:
    with _Reading("list of reasons"):
        return [Reason(str(one["code"]), str(one["text"])) for one in data["reasons"]]


def error_line(data: Json) -> ErrorLine | None:
    with _Reading("line of a log"):
        line = data["line"]
        if line is None:
            return None
        around = tuple(line["before"]), tuple(line["after"])
        return ErrorLine(str(line["text"]), int(line["number"]), *around, int(data["attempt"]))


def picture(data: Json) -> Picture:
    with _Reading("picture"):
        widths = tuple(int(size["width"]) for size in data["sizes"])
        return Picture(data["job"], data["task"], data["task_name"], data["name"], widths)


def token(data: Json) -> Token:
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


def webhook(data: Json) -> Webhook:
    with _Reading("webhook"):
        events = tuple(str(event) for event in data["events"])
        told_once = data.get("secret"), data.get("warning")
        return Webhook(str(data["id"]), str(data["url"]), events, str(data["format"]), data["job"], *told_once)


def delivery(data: Json) -> Delivery:
    with _Reading("delivery"):
        return Delivery(
            str(data["id"]),
            str(data["event"]),
            datetime.fromisoformat(data["at"]),
            str(data["status"]),
            int(data["attempts"]),
            data["error"],
        )


def pruned(data: Json) -> Pruned:
    with _Reading("report of what was removed"):
        return Pruned(data["removed"], data["removed_bytes"], data["kept"], data["complete"])


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
