"""Between the farm's words and those of Pleiades: pure functions, no table, no clock.

`STATES` and `JOB_STATES` are total: a status that the core gains must get a word here before the tests pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ...core.errors import BadInput
from ...core.ids import LARGEST
from ...core.lifecycle import JobStatus, Outcome, TaskStatus
from ...core.model import Attempt, Function, Job, Json, Task, Worker

JOB_TYPE = "function"
ROOM = "pleiades"
"""Under this key a job's annotations hold what only this protocol wants to know of it."""
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
OUTCOMES: Mapping[Outcome, State] = {
    Outcome.COMPLETED: State.FINISHED,
    Outcome.FAILED: State.ERROR,
    Outcome.CANCELED: State.CANCELLED,
    Outcome.RELEASED: State.ENQUEUED,
    Outcome.INTERRUPTED: State.ENQUEUED,
    Outcome.LOST: State.ERROR,
}
"""How an attempt ended, for the trace; a failed or lost one may be followed by another."""

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


def contract_seconds(timeout: float | None) -> int:
    if timeout is None or timeout < 0:
        return DEFAULT_WAIT_SECONDS
    return wait_seconds(timeout)


def wait_seconds(timeout: float | None) -> int:
    """Rounded down and clamped, as the protocol says."""
    if timeout is None:
        return DEFAULT_WAIT_SECONDS
    return math.floor(min(max(timeout, 0), MAX_WAIT_SECONDS))


# ---- documents -----------------------------------------------------------------------------------------------------


def worker_document(worker: Worker) -> dict[str, Any]:
    return {"id": str(worker.id), "runtime": list(worker.runtimes)}


def lambda_document(function: Function) -> dict[str, Any]:
    return {"id": str(function.id), "codex": str(function.code), "runtime": function.runtime}


def annotations_for(function: Function, input_id: str, tags: Sequence[str]) -> dict[str, Json]:
    """What a job's document needs and the farm's job does not have."""
    return {ROOM: {"lambda": str(function.id), "codex": str(function.code), "input": input_id, "tags": list(tags)}}


def with_input(job: Job, input_id: str) -> dict[str, Json]:
    return {**job.annotations, ROOM: {**job.annotations.get(ROOM, {}), "input": input_id}}


def job_document(job: Job, settings: Mapping[str, Json], task: Task | None) -> dict[str, Any]:
    """The reply of GET /job/{id}, without its envelope. `settings`: the job's own, of type `function`.

    A job that was submitted elsewhere has no lambda; its code and input are in its settings.
    """
    noted = job.annotations.get(ROOM, {})
    function = {
        "id": noted.get("lambda", NO_BLOB),
        "codex": noted.get("codex") or settings.get("code") or NO_BLOB,
        "runtime": settings["runtime"],
    }
    state, input_id = state_of(job, task), noted.get("input") or settings.get("input") or NO_BLOB
    output = output_of(task) if state is State.FINISHED else None
    document: dict[str, Any] = {
        "id": str(job.id),
        "state": state.value,
        "lambda": function,
        "input": {"id": input_id},
        "tags": noted.get("tags", list(job.tags)),
    }
    if output is not None:
        document["output"] = {"id": output}
    return {**document, **_old_names(job, state, function, input_id, output or NO_BLOB)}


def _old_names(job: Job, state: State, function: Mapping[str, str], input_id: str, output: str) -> dict[str, str]:
    """What the client of April 2024 reads. It downloads the blob named by `lambda_id`, so that is the code."""
    return {
        "jid": str(job.id),
        "job_status": state.value,
        "job_input_id": input_id,
        "job_output_id": output,
        "functio": function["id"],
        "lambda_id": function["codex"],
        "runtime": function["runtime"],
    }


def output_of(task: Task | None) -> str:
    """A finished job always has an output, if only "no blob": clients read it unasked."""
    outputs = task.outputs if task is not None else ()
    named = [output for output in outputs if output.name == OUTPUT]
    return str((named or outputs)[0].blob) if outputs else NO_BLOB


def trace_document(job: Job, task: Task | None) -> dict[str, Any]:
    """What has happened to the job, as far as the farm remembers it, oldest first."""
    entries = [_entry(State.ENQUEUED, job.created_at)]
    for attempt in task.attempts if task is not None else ():
        entries += [_entry(State.RUNNING, attempt.started_at, worker=str(attempt.worker)), _ended(attempt)]
    if task is not None and task.lease is not None:
        entries.append(_entry(State.RUNNING, task.lease.granted_at, worker=str(task.lease.worker)))
    return {"id": str(job.id), "state": state_of(job, task).value, "trace": entries}


def _ended(attempt: Attempt) -> dict[str, str]:
    reason = {"message": attempt.error} if attempt.error else {}
    return _entry(OUTCOMES[attempt.outcome], attempt.ended_at, outcome=attempt.outcome.value, **reason)


def _entry(state: State, at_ms: int, **extra: str) -> dict[str, str]:
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"state": state.value, "at": at, **extra}
