"""Between the farm's words and those of Flamenco 2: pure functions, no table, no clock.

The maps are total: a status that the core gains must get a word here before the tests pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...core.lifecycle import Outcome, TaskStatus, WorkerStatus
from ...core.model import FUNCTION_TYPE, Block, Json, SleepSchedule, Task, Worker, WorkerId
from ...edge import hexids
from .wire import DAYS

MANAGER_ID, PROJECT_ID, USER_ID = (hexids.constant(number) for number in (1, 2, 3))
"""The farm knows nothing of the kind; documents must have them."""

TASK_STATUSES: Mapping[TaskStatus, str] = {
    TaskStatus.WAITING: "queued",
    TaskStatus.QUEUED: "queued",
    TaskStatus.ACTIVE: "active",
    TaskStatus.PAUSED: "paused",
    TaskStatus.COMPLETED: "completed",
    TaskStatus.FAILED: "failed",
    TaskStatus.CANCELED: "canceled",
}
WORKER_STATUSES: Mapping[WorkerStatus, str] = {
    WorkerStatus.OFFLINE: "offline",
    WorkerStatus.STARTING: "starting",
    WorkerStatus.AWAKE: "awake",
    WorkerStatus.ASLEEP: "asleep",
    WorkerStatus.ERROR: "error",
    WorkerStatus.LOST: "timeout",
}
NEW = ""
"""The status of a worker that has registered and not called since."""
REQUESTS: Mapping[WorkerStatus, str] = {
    WorkerStatus.AWAKE: "awake",
    WorkerStatus.ASLEEP: "asleep",
    WorkerStatus.OFFLINE: "shutdown",
}
"""What may be asked of a worker."""
BECOMES: Mapping[str, str] = {"awake": "awake", "testing": "awake", "asleep": "asleep", "error": "error"}
"""What a worker says that it is now -> the same for `workers.has_become`. Any other word only answers the request."""
OUTCOMES: Mapping[str, Outcome | None] = {
    "active": None,
    "completed": Outcome.COMPLETED,
    "failed": Outcome.FAILED,
    "canceled": Outcome.CANCELED,
}
"""How an update's status ends the attempt; None: it goes on."""

FOREIGN_TYPES = frozenset({"transcode"})
"""Task types that need files of the farm, which a worker of this protocol neither fetches nor returns."""


def fitting_types(task_types: Iterable[str]) -> frozenset[str]:
    """What a worker of this protocol may be given, of what it declares."""
    return frozenset(t for t in task_types if t not in FOREIGN_TYPES and not t.startswith(FUNCTION_TYPE))


def can_run(task: Task) -> bool:
    """Whether all of the task is in its commands."""
    return not task.work.inputs and not task.work.outputs and all(c["name"] != "function" for c in task.work.commands)


def status_of(task: Task) -> str:
    """What is queued again says why; what is to stop says so."""
    if task.status is TaskStatus.ACTIVE and task.cancel_reason is not None:
        return "cancel-requested"
    if task.status is TaskStatus.QUEUED and task.attempts:
        return "soft-failed" if task.attempts[-1].outcome is Outcome.FAILED else "claimed-by-manager"
    return TASK_STATUSES[task.status]


def holder_of(task: Task) -> WorkerId | None:
    """Who has the task, or had it last: what the protocol calls its worker."""
    if task.lease is not None:
        return task.lease.worker
    return task.attempts[-1].worker if task.attempts else None


def generation_of(task: Task) -> int | None:
    """Of the attempt that `holder_of` speaks of."""
    if task.lease is not None:
        return task.lease.generation
    return task.attempts[-1].generation if task.attempts else None


def identifier(address: str, name: str) -> str:
    return f"{address} ({name})"


def status_word(worker: Worker, status: WorkerStatus) -> str:
    """`status`: as a person should see it. A worker that has not been heard of since it registered has none."""
    is_new = status is WorkerStatus.STARTING and worker.last_contact_at == worker.created_at
    return NEW if is_new else WORKER_STATUSES[status]


def request_word(worker: Worker) -> str:
    return REQUESTS[worker.status_requested] if worker.status_requested is not None else ""


# ---- documents -----------------------------------------------------------------------------------------------------


def task_document(
    task: Task, job_type: str, commands: Sequence[Mapping[str, Json]], failed_by: Sequence[tuple[WorkerId, str]]
) -> dict[str, Any]:
    """The task as its worker gets it. `failed_by`: workers it failed on, with their identifiers."""
    document: dict[str, Any] = {
        "_id": hexids.hex_of(task.id),
        "job": hexids.hex_of(task.job),
        "manager": MANAGER_ID,
        "project": PROJECT_ID,
        "user": USER_ID,
        "name": task.name,
        "status": status_of(task),
        "priority": task.own_priority,
        "job_priority": task.priority,
        "job_type": job_type,
        "task_type": task.requirement.task_type,
        "commands": [{"name": c["name"], "settings": c.get("settings") or {}} for c in commands],
    }
    first = task.id - task.index
    optional = {
        "parents": [hexids.hex_of(first + index) for index in task.parents],
        "failed_by_workers": [{"id": hexids.hex_of(number), "identifier": who} for number, who in failed_by],
    }
    return document | {name: value for name, value in optional.items() if value}


def worker_document(worker: Worker, status: str, task_types: Sequence[str]) -> dict[str, Any]:
    """Without what only the dashboard sees."""
    return {
        "_id": hexids.hex_of(worker.id),
        "nickname": worker.name,
        "address": worker.address,
        "status": status,
        "platform": worker.platform,
        "time_cost": 0,
        "supported_task_types": list(task_types),
        "software": worker.software,
        "status_requested": request_word(worker),
        "lazy_status_request": worker.lazy,
        "sleep_schedule": schedule_document(worker.sleep_schedule),
    }


def schedule_document(schedule: SleepSchedule | None) -> dict[str, Any]:
    if schedule is None:
        return {"schedule_active": False}
    times = {"time_start": schedule.start_minute, "time_end": schedule.end_minute}
    shown = {name: f"{m // 60:02d}:{m % 60:02d}" for name, m in times.items() if m is not None}
    days = {"days_of_week": " ".join(DAYS[day] for day in schedule.days)} if schedule.days else {}
    return {"schedule_active": schedule.active, **days, **shown}


def blacklist_line(worker: Worker, block: Block) -> dict[str, str]:
    return {
        "_created": time_text(block.created_at),
        "worker_id": hexids.hex_of(worker.id),
        "job_id": hexids.hex_of(block.job),
        "task_type": block.task_type,
    }


def time_text(at_ms: int) -> str:
    """RFC 3339 in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def log_line(at_ms: int, text: str) -> str:
    """A line of the manager in a task's log, in its local time."""
    return f"{datetime.fromtimestamp(at_ms / 1000).astimezone():%Y-%m-%dT%H:%M:%S%z}: {text}\n"
