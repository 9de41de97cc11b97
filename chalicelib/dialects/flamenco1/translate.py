"""Between the farm's words and those of Flamenco 1: pure functions, no table, no clock.

The maps over the farm's statuses are total: a status that the core gains must get a word here before the tests pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from ...core.errors import BadInput
from ...core.lifecycle import Outcome, TaskStatus, WorkerStatus


class TaskWord(StrEnum):
    """A task's status, in the words of the protocol's own document."""

    READY = "ready"
    RENDERING = "rendering"
    FINISHED = "finished"
    FAILED = "failed"
    ABORTED = "aborted"


TASK_WORDS: Mapping[TaskStatus, TaskWord] = {
    TaskStatus.WAITING: TaskWord.READY,
    TaskStatus.QUEUED: TaskWord.READY,
    TaskStatus.ACTIVE: TaskWord.RENDERING,
    TaskStatus.PAUSED: TaskWord.READY,
    TaskStatus.COMPLETED: TaskWord.FINISHED,
    TaskStatus.FAILED: TaskWord.FAILED,
    TaskStatus.CANCELED: TaskWord.ABORTED,
}

RUNNING = None
"""A report that ends nothing."""
REPORTS: Mapping[str, Outcome | None] = {
    # Both generations' words, whoever says them.
    "active": RUNNING,
    "running": RUNNING,
    "rendering": RUNNING,
    "finished": Outcome.COMPLETED,
    "completed": Outcome.COMPLETED,
    "failed": Outcome.FAILED,
    "aborted": Outcome.CANCELED,
    "canceled": Outcome.CANCELED,
    "cancelled": Outcome.CANCELED,
}


class WorkerWord(StrEnum):
    ENABLED = "enabled"
    RENDERING = "rendering"
    BUSY = "busy"
    DISABLED = "disabled"


class Shown(NamedTuple):
    """How a worker that has no task looks."""

    status: WorkerWord
    online: bool


WORKERS: Mapping[WorkerStatus, Shown] = {
    WorkerStatus.OFFLINE: Shown(WorkerWord.ENABLED, online=False),
    WorkerStatus.STARTING: Shown(WorkerWord.ENABLED, online=True),
    WorkerStatus.AWAKE: Shown(WorkerWord.ENABLED, online=True),
    WorkerStatus.ASLEEP: Shown(WorkerWord.DISABLED, online=True),
    WorkerStatus.ERROR: Shown(WorkerWord.DISABLED, online=True),
    WorkerStatus.LOST: Shown(WorkerWord.ENABLED, online=False),
}
_WORKER_WORDS = {word.value: word for word in WorkerWord} | {"available": WorkerWord.ENABLED}


def report_named(word: str) -> Outcome | None:
    """What a worker reports of a task; None: it runs. Raises BadInput."""
    known = word.strip().lower()
    if known not in REPORTS:
        raise BadInput(f"status: must be one of {', '.join(REPORTS)}, not {word[:40]!r}", field="status")
    return REPORTS[known]


def worker_word(word: str) -> WorkerWord:
    """What a worker is, or is to be. Raises BadInput: the protocol never had numbers for it."""
    found = _WORKER_WORDS.get(word.strip().lower())
    if found is None:
        raise BadInput(f"status: must be one of {', '.join(_WORKER_WORDS)}, not {word[:40]!r}", field="status")
    return found


# ---- priorities ----------------------------------------------------------------------------------------------------

USUAL_PRIORITY = 50


def core_priority(priority: int) -> int:
    """Here the lower number goes first, in the farm the higher. What lies outside 0 to 100 is as urgent as can be."""
    return 100 - min(max(priority, 0), 100)


# ---- systems -------------------------------------------------------------------------------------------------------


class System(StrEnum):
    """The endings of settings that differ by system."""

    LINUX = "linux"
    OSX = "osx"
    WIN = "win"


JOB_TYPE_NAMES: Mapping[System, str] = {System.LINUX: "Linux", System.OSX: "Darwin", System.WIN: "Windows"}


def system_of(text: str) -> System:
    """From what a worker says it runs on (`Darwin 14.1.0`); Linux if it says nothing that we know."""
    return next((system for system, name in JOB_TYPE_NAMES.items() if name in text), System.LINUX)


def system_tag(system: System) -> str:
    """What a worker of this room carries, so that tasks can keep away from systems they have no paths for."""
    return f"flamenco1-{system.value}"
