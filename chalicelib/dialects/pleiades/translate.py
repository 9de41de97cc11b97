"""Between the farm's words and those of Pleiades: pure functions, no table, no clock.

`STATES` and `JOB_STATES` are total: a status that the core gains must get a word here before the tests pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

from ...core.errors import BadInput
from ...core.ids import LARGEST
from ...core.lifecycle import JobStatus, TaskStatus
from ...core.model import Job, Task

JOB_TYPE = "function"
NO_BLOB = "0"
DEFAULT_RUNTIMES = ("default",)
"""What a worker gets that names none. No job should ask for it."""
OUTPUT = "output"


class State(StrEnum):
    """A job's state, spelled as every client compares it."""

    ENQUEUED = "Enqueued"
    RUNNING = "Running"
    FINISHED = "Finished"
    CANCELLED = "Cancelled"
    ERROR = "Error"


FINAL_STATES = frozenset({State.FINISHED, State.CANCELLED, State.ERROR})

STATES: Mapping[TaskStatus, State] = {
    TaskStatus.WAITING: State.ENQUEUED,
    TaskStatus.QUEUED: State.ENQUEUED,
    TaskStatus.ACTIVE: State.RUNNING,
    TaskStatus.PAUSED: State.ENQUEUED,
    TaskStatus.COMPLETED: State.FINISHED,
    TaskStatus.FAILED: State.ERROR,
    TaskStatus.CANCELED: State.CANCELLED,
}
JOB_STATES: Mapping[JobStatus, State] = {
    # Only for a job whose task is not there (yet).
    JobStatus.COMPILING: State.ENQUEUED,
    JobStatus.QUEUED: State.ENQUEUED,
    JobStatus.ACTIVE: State.ENQUEUED,
    JobStatus.PAUSED: State.ENQUEUED,
    JobStatus.COMPLETED: State.FINISHED,
    JobStatus.FAILED: State.ERROR,
    JobStatus.CANCELED: State.CANCELLED,
}
WORDS: Mapping[str, State] = {
    "finished": State.FINISHED,
    "cancelled": State.CANCELLED,
    "canceled": State.CANCELLED,
    "error": State.ERROR,
    "failed": State.ERROR,
    "running": State.RUNNING,
    "enqueued": State.ENQUEUED,
}


def state_of(job: Job, task: Task | None) -> State:
    """A canceled job is Cancelled at once, although its worker may still be at work: nothing can change it back."""
    if job.status is JobStatus.CANCELED and (task is None or STATES[task.status] not in FINAL_STATES):
        return State.CANCELLED
    return JOB_STATES[job.status] if task is None else STATES[task.status]


def state_named(word: str) -> State:
    """What an update asks for. Raises BadInput."""
    state = WORDS.get(word.strip().lower())
    if state is None:
        raise BadInput(f"status must be one of {', '.join(WORDS)}, not {word[:40]!r}", field="status")
    return state


# ---- tags and blobs ------------------------------------------------------------------------------------------------


def job_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """`+x` and `-x` mean the same in the farm; a plain tag, which must not exclude anybody, is a wish there."""
    return tuple(tag if tag[:1] in ("+", "-") else f"~{tag}" for tag in tags)


def contract_tags(tags: Sequence[str]) -> frozenset[str]:
    """`+x` offered by a worker serves a job that requires `x`."""
    return frozenset(tags) | {tag[1:] for tag in tags if tag.startswith("+")}


def blob_reference(text: str) -> str | None:
    """An id as the settings of a job hold it. One that this farm could never give becomes one that it never gave."""
    if text == NO_BLOB:
        return None
    return str(min(int(text), LARGEST))


# ---- timeouts ------------------------------------------------------------------------------------------------------

DEFAULT_WAIT_SECONDS = 20
MAX_WAIT_SECONDS = 25
"""Below the 30 s after which a client gives up on an answer."""


BEFORE_SECONDS = 0.5
"""A contract is answered so much before the worker's time is over: it may hang up then."""


def contract_seconds(timeout: float | None) -> float:
    seconds = DEFAULT_WAIT_SECONDS if timeout is None or timeout < 0 else wait_seconds(timeout)
    return max(seconds - BEFORE_SECONDS, 0.9 * seconds)


def wait_seconds(timeout: float | None) -> int:
    """Rounded down and clamped, as the protocol says."""
    if timeout is None:
        return DEFAULT_WAIT_SECONDS
    return math.floor(min(max(timeout, 0), MAX_WAIT_SECONDS))
