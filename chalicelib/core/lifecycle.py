"""The legal moves of every noun, as one table per noun: {status: {event: status}}.

Everything that depends on them is derived: `next_status` for code, `sources_of` for the conditions of writes, and the
diagrams of `docs/lifecycle.md` (`python -m chalicelib.core.lifecycle` prints them; a test holds the page to it).
What is not in a table is illegal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from .errors import Conflict

S = TypeVar("S", bound=StrEnum)


class IllegalTransition(Conflict):
    """That move is not legal from this status."""


class JobStatus(StrEnum):
    COMPILING = "compiling"
    """Accepted; its steps are being written. `settle` moves it on."""
    QUEUED = "queued"
    """Waits for the first worker (or waits again, after resume or retry)."""
    ACTIVE = "active"
    """A worker has begun a task of it."""
    PAUSED = "paused"
    """No new claims; running tasks may finish. A person resumes it."""
    COMPLETED = "completed"
    """Every task completed. Final unless a person has some of them run again."""
    FAILED = "failed"
    """A task failed for good. Final unless a person retries it."""
    CANCELED = "canceled"
    """Stopped by request, or a task of it was and none failed. Final unless a person retries it; its last tasks may
    still be ending."""


class StepStatus(StrEnum):
    WAITING = "waiting"
    """Not expanded yet: its parents are not done."""
    OPEN = "open"
    """Its tasks exist, or are being written."""
    DONE = "done"
    """Every task has ended. A person may have some of them run again; what followed on them then starts over."""
    SKIPPED = "skipped"
    """Never expanded, and will not be: a parent did not complete, or the job ended. A retry may revive it."""


class CursorStatus(StrEnum):
    """Whether a large step's tasks are given away by its cursor: what their job wants, as far as the cursor heard."""

    OPEN = "open"
    """A claim may take the next ones."""
    HELD = "held"
    """Its job is paused."""
    CLOSED = "closed"
    """Its job has ended: what was not given away counts as canceled."""


class TaskStatus(StrEnum):
    WAITING = "waiting"
    """Parents are not completed yet, or a failure is to be tried again only later."""
    QUEUED = "queued"
    """Stands in its lane; the next fitting worker takes it."""
    ACTIVE = "active"
    """Leased to one worker. The worker's report or the lease's end moves it on."""
    PAUSED = "paused"
    """Would be queued, but its job is paused."""
    COMPLETED = "completed"
    FAILED = "failed"
    """Failed for good: no retries are left."""
    CANCELED = "canceled"
    """Stopped by request, or never run because something before it failed."""


class WorkerStatus(StrEnum):
    OFFLINE = "offline"
    """Signed off."""
    STARTING = "starting"
    """Signed on, has not asked for work yet."""
    AWAKE = "awake"
    """Takes tasks."""
    ASLEEP = "asleep"
    """Asked to take none; still in contact."""
    ERROR = "error"
    """Said so itself."""
    LOST = "lost"
    """Silent past its limit. Computed when read, never stored, so that no sweep is needed to tell the truth."""


class Outcome(StrEnum):
    """How an attempt ended. Only `failed` and `lost` spend a retry."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    RELEASED = "released"
    """Given back unharmed, as on sign-off."""
    INTERRUPTED = "interrupted"
    """The machine went away under it, with notice."""
    LOST = "lost"
    """The lease ran out without a word."""


JOB: Mapping[JobStatus, Mapping[str, JobStatus]] = {
    JobStatus.COMPILING: {"compile": JobStatus.QUEUED, "fail": JobStatus.FAILED, "cancel": JobStatus.CANCELED},
    JobStatus.QUEUED: {
        "start": JobStatus.ACTIVE,
        "pause": JobStatus.PAUSED,
        "complete": JobStatus.COMPLETED,
        "fail": JobStatus.FAILED,
        "cancel": JobStatus.CANCELED,
    },
    JobStatus.ACTIVE: {
        "pause": JobStatus.PAUSED,
        "complete": JobStatus.COMPLETED,
        "fail": JobStatus.FAILED,
        "cancel": JobStatus.CANCELED,
    },
    JobStatus.PAUSED: {
        "resume": JobStatus.QUEUED,
        "complete": JobStatus.COMPLETED,
        "fail": JobStatus.FAILED,
        "cancel": JobStatus.CANCELED,
    },
    JobStatus.COMPLETED: {"retry": JobStatus.QUEUED},
    JobStatus.FAILED: {"retry": JobStatus.QUEUED},
    JobStatus.CANCELED: {"retry": JobStatus.QUEUED},
}

STEP: Mapping[StepStatus, Mapping[str, StepStatus]] = {
    StepStatus.WAITING: {"open": StepStatus.OPEN, "skip": StepStatus.SKIPPED},
    StepStatus.OPEN: {"finish": StepStatus.DONE},
    StepStatus.DONE: {"reopen": StepStatus.OPEN, "reset": StepStatus.WAITING},
    StepStatus.SKIPPED: {"revive": StepStatus.WAITING},
}

CURSOR: Mapping[CursorStatus, Mapping[str, CursorStatus]] = {
    CursorStatus.OPEN: {"hold": CursorStatus.HELD, "close": CursorStatus.CLOSED},
    CursorStatus.HELD: {"open": CursorStatus.OPEN, "close": CursorStatus.CLOSED},
    CursorStatus.CLOSED: {"reopen": CursorStatus.HELD},
}

TASK: Mapping[TaskStatus, Mapping[str, TaskStatus]] = {
    TaskStatus.WAITING: {"release": TaskStatus.QUEUED, "pause": TaskStatus.PAUSED, "cancel": TaskStatus.CANCELED},
    TaskStatus.QUEUED: {
        "claim": TaskStatus.ACTIVE,
        "give_up": TaskStatus.FAILED,
        "pause": TaskStatus.PAUSED,
        "cancel": TaskStatus.CANCELED,
    },
    TaskStatus.ACTIVE: {
        "complete": TaskStatus.COMPLETED,
        "fail": TaskStatus.FAILED,
        "return": TaskStatus.QUEUED,
        "defer": TaskStatus.WAITING,
        "return_paused": TaskStatus.PAUSED,
        "cancel": TaskStatus.CANCELED,
    },
    TaskStatus.PAUSED: {"resume": TaskStatus.QUEUED, "cancel": TaskStatus.CANCELED},
    TaskStatus.COMPLETED: {"requeue": TaskStatus.QUEUED, "await": TaskStatus.WAITING},
    TaskStatus.FAILED: {"requeue": TaskStatus.QUEUED, "await": TaskStatus.WAITING},
    TaskStatus.CANCELED: {"requeue": TaskStatus.QUEUED, "await": TaskStatus.WAITING},
}

WORKER: Mapping[WorkerStatus, Mapping[str, WorkerStatus]] = {
    WorkerStatus.OFFLINE: {
        "sign_on": WorkerStatus.STARTING,
        "sign_off": WorkerStatus.OFFLINE,
        "wake": WorkerStatus.AWAKE,
    },
    WorkerStatus.STARTING: {
        "sign_on": WorkerStatus.STARTING,
        "wake": WorkerStatus.AWAKE,
        "sleep": WorkerStatus.ASLEEP,
        "break": WorkerStatus.ERROR,
        "sign_off": WorkerStatus.OFFLINE,
    },
    WorkerStatus.AWAKE: {
        "sign_on": WorkerStatus.STARTING,
        "wake": WorkerStatus.AWAKE,
        "sleep": WorkerStatus.ASLEEP,
        "break": WorkerStatus.ERROR,
        "sign_off": WorkerStatus.OFFLINE,
    },
    WorkerStatus.ASLEEP: {
        "sign_on": WorkerStatus.STARTING,
        "wake": WorkerStatus.AWAKE,
        "sleep": WorkerStatus.ASLEEP,
        "break": WorkerStatus.ERROR,
        "sign_off": WorkerStatus.OFFLINE,
    },
    WorkerStatus.ERROR: {
        "sign_on": WorkerStatus.STARTING,
        "wake": WorkerStatus.AWAKE,
        "sleep": WorkerStatus.ASLEEP,
        "break": WorkerStatus.ERROR,
        "sign_off": WorkerStatus.OFFLINE,
    },
    WorkerStatus.LOST: {},
}

ENDED_JOBS = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED})
ENDED_TASKS = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELED})
RUNNABLE_JOBS = (JobStatus.QUEUED, JobStatus.ACTIVE)
"""A job in one of these gives tasks away."""


def next_status(table: Mapping[S, Mapping[str, S]], status: S, event: str) -> S:
    """Where the event leads from this status. Raises IllegalTransition, which says what would be legal."""
    moves = table[status]
    if event not in moves:
        legal = ", ".join(sorted(moves)) or "nothing"
        raise IllegalTransition(f"cannot {event} what is {status.value} (possible now: {legal})")
    return moves[event]


def sources_of(table: Mapping[S, Mapping[str, S]], event: str) -> tuple[S, ...]:
    """The statuses from which the event is legal: what a write's condition asks for."""
    return tuple(status for status, moves in table.items() if event in moves)


def diagram(table: Mapping[S, Mapping[str, S]]) -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for status, moves in table.items():
        lines += [f"    {status.value} --> {target.value}: {event}" for event, target in moves.items()]
    return "\n".join(lines)


def diagrams() -> str:
    """The page `docs/lifecycle.md`."""
    drawn = {"Job": diagram(JOB), "Step": diagram(STEP), "Cursor of a large step": diagram(CURSOR)}
    drawn |= {"Task": diagram(TASK), "Worker": diagram(WORKER)}
    head = "# Lifecycles\n\nDrawn from `chalicelib/core/lifecycle.py` by `python -m chalicelib.core.lifecycle`.\n"
    return head + "".join(f"\n## {noun}\n\n```mermaid\n{text}\n```\n" for noun, text in drawn.items())


if __name__ == "__main__":
    print(diagrams(), end="")
