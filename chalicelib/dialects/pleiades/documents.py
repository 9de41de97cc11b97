"""The documents of Pleiades: workers, lambdas, jobs and their traces, made from the farm's values. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...core.lifecycle import ENDED_TASKS
from ...core.model import Attempt, Function, Job, Json, Task, Worker
from .translate import NO_BLOB, OUTPUT, STATES, State, state_of

ROOM = "pleiades"
"""Under this key a job's annotations hold what only this protocol wants to know of it."""


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
    if task is not None:
        entries += [entry for attempt in task.attempts for entry in _run(task, attempt)]
    if task is not None and task.lease is not None:
        entries.append(_entry(State.RUNNING, task.lease.granted_at, worker=str(task.lease.worker)))
    return {"id": str(job.id), "state": state_of(job, task).value, "trace": entries}


def _run(task: Task, attempt: Attempt) -> list[dict[str, str]]:
    """An attempt's begin and end. Only the last one of an ended task led to its state; others led back to the lane."""
    led_to = STATES[task.status] if task.status in ENDED_TASKS and attempt is task.attempts[-1] else State.ENQUEUED
    reason = {"message": attempt.error} if attempt.error else {}
    return [
        _entry(State.RUNNING, attempt.started_at, worker=str(attempt.worker)),
        _entry(led_to, attempt.ended_at, outcome=attempt.outcome.value, **reason),
    ]


def _entry(state: State, at_ms: int, **extra: str) -> dict[str, str]:
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"state": state.value, "at": at, **extra}
