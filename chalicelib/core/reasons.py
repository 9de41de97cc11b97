"""What a person is told who asks "why is this waiting?" or "why is this idle?"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from . import sleep_schedules
from .farm import Farm
from .model import Worker


class Code(StrEnum):
    """Stable names of reasons, for programs. The order is that in which a worker is nearer to a queued task."""

    NEXT_CALL = "next-call"
    """Nothing is in the way: it happens with the worker's next call."""
    OTHERS_FIRST = "others-first"
    """Tasks of higher priority, or older ones, stand before it."""
    JOB_FULL = "job-full"
    """As many of the job's tasks run as may at once."""
    BUSY = "busy"
    """All slots are taken."""
    FAILED_HERE = "failed-here"
    """The task failed on the worker, which gets it again only when nobody else can take it."""
    BLOCKED = "blocked"
    """The worker is on the blocklist for the job and task type."""
    ASLEEP = "asleep"
    """By schedule or on request; or it was asked to sleep or to go."""
    BROKEN = "broken"
    """The worker says that it is in error."""
    GONE = "gone"
    """The worker signed off, or is silent for too long."""
    LACKS_TAG = "lacks-tag"
    HAS_FORBIDDEN_TAG = "has-forbidden-tag"
    OTHER_WORKER = "other-worker"
    """The task is pinned to another worker."""
    OTHER_TYPE = "other-type"
    """The worker does not run tasks of this type."""
    WAITS_FOR_TASKS = "waits-for-tasks"
    WAITS_FOR_STEP = "waits-for-step"
    WAITS_FOR_JOB = "waits-for-job"
    JOB_PAUSED = "job-paused"
    JOB_ENDING = "job-ending"
    """The job has ended, and its last tasks are being told."""
    NOTHING_QUEUED = "nothing-queued"
    NOT_WAITING = "not-waiting"
    """It runs, or has ended."""


@dataclass(frozen=True)
class Reason:
    code: Code
    text: str
    """A sentence without a full stop."""


def several(names: Sequence[str], most: int = 3) -> str:
    """`a`, `a, b and c`, `a, b, c and 5 more`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def asleep(farm: Farm, worker: Worker) -> str:
    """`asleep until 18:00`, as far as its schedule tells."""
    now = datetime.fromtimestamp(farm.clock.now() / 1000).astimezone()
    wakes_at = sleep_schedules.wakes_at(worker.sleep_schedule, now) if worker.sleep_schedule else None
    if wakes_at is None:
        return "asleep until somebody wakes it"
    return f"asleep until {wakes_at:%H:%M}" if wakes_at.date() == now.date() else f"asleep until {wakes_at:%a %H:%M}"
