"""One function per transition of a task: it builds the only valid set of fields for that move, and its condition.

Every condition asks for the statuses from which the lifecycle allows the event, and for the generation the writer
believes in: a late writer fails, it never overwrites.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..lifecycle import TASK, Outcome, TaskStatus, next_status, sources_of
from ..model import Attempt, Lease, Output, Task, TaskId, Work, WorkerId
from ..ports import Change, Condition, Equals, Exists, Include, Missing, OneOf, Remove, Set, Update
from . import keys, task_items
from .fields import outputs_json, to_json


def _when(event: str, generation: int) -> tuple[Condition, ...]:
    sources = tuple(status.value for status in sources_of(TASK, event))
    return (OneOf("status", sources), Equals("generation", generation))


def _set(fields: dict[str, Any]) -> list[Change]:
    return [Set(name, value) for name, value in fields.items()]


def _remove(names: tuple[str, ...]) -> list[Change]:
    return [Remove(name) for name in names]


def claimed(task_id: TaskId, generation: int, lease: Lease) -> Update:
    """queued -> active under a new lease. `generation` is the one before. Signed: the lease says which claim it was."""
    fields = task_items.lease_fields(task_id, lease) | {
        "status": TaskStatus.ACTIVE.value,
        "generation": lease.generation,
        "progress": 0,
        "activity": "",
    }
    changes = _set(fields) + _remove(task_items.READY_FIELDS)
    when = (*_when("claim", generation), *ticket_asked(lease.ticket))
    return Update(keys.task(task_id), tuple(changes), when, signed=True)


def ticket_asked(ticket: int | None) -> tuple[Condition, ...]:
    """Who has no ticket must not take what asks for one: it has not heard of the gate yet."""
    return () if ticket is not None else (Missing("gated"),)


def renewed(task: Task, lease: Lease, progress: int | None, activity: str | None) -> Update:
    """The same lease, later; with what the worker says about its progress."""
    fields: dict[str, Any] = {
        "lease_ms": round(lease.seconds * 1000),
        "lease_due_at": lease.due_at,
        "due_sk": keys.due_sk(lease.due_at, task.id),
    }
    return Update(keys.task(task.id), tuple(_set(fields | _said(progress, activity))), _held(task.generation))


def reported(task: Task, progress: int | None, activity: str | None) -> Update:
    """Only what the worker says about its progress."""
    return Update(keys.task(task.id), tuple(_set(_said(progress, activity))), _held(task.generation))


def _said(progress: int | None, activity: str | None) -> dict[str, Any]:
    said = {"progress": progress, "activity": activity}
    return {name: value for name, value in said.items() if value is not None}


def _held(generation: int) -> tuple[Condition, ...]:
    return (Equals("status", TaskStatus.ACTIVE.value), Equals("generation", generation))


def ended(task: Task, event: str, attempt: Attempt, outputs: tuple[Output, ...] = (), result: Any = None) -> Update:
    """active -> completed, failed or canceled: the attempt is the last one."""
    fields: dict[str, Any] = {
        "status": next_status(TASK, TaskStatus.ACTIVE, event).value,
        "attempts": _with(task, attempt),
        "finished_at": attempt.ended_at,
        "failures": task.failures + _spends(attempt.outcome),
    }
    if event == "complete":
        fields |= {"outputs": outputs_json(outputs), "result": to_json(result), "progress": 100}
    if attempt.error is not None:
        fields["error"] = attempt.error
    changes = _set(fields) + _remove(task_items.LEASE_FIELDS)
    return Update(keys.task(task.id), tuple(changes), _held(task.generation))


def returned(task: Task, attempt: Attempt, *, paused: bool, counted: bool = True) -> Update:
    """active -> queued (or paused): the attempt ended, the task did not. It stands at its old place again.

    A worker on which it failed is remembered, and gets it only when nobody else can. A failure that is not `counted`
    spends no retry, and is not held against the worker.
    """
    fields = _given_back(task, "return_paused" if paused else "return", attempt, counted)
    changes = _set(fields if paused else fields | task_items.ready_fields(task)) + _remove(task_items.LEASE_FIELDS)
    return Update(keys.task(task.id), (*changes, *_exclusion(attempt, counted)), _held(task.generation))


def deferred(task: Task, attempt: Attempt, until: int, *, counted: bool) -> Update:
    """active -> waiting: it failed, and is not to be tried again before `until`."""
    later = task_items.deferral_fields(task.id, until)
    gone = tuple(name for name in task_items.LEASE_FIELDS if name not in later)
    changes = _set(_given_back(task, "defer", attempt, counted) | later) + _remove(gone)
    return Update(keys.task(task.id), (*changes, *_exclusion(attempt, counted)), _held(task.generation))


def _given_back(task: Task, event: str, attempt: Attempt, counted: bool) -> dict[str, Any]:
    return {
        "status": next_status(TASK, TaskStatus.ACTIVE, event).value,
        "attempts": _with(task, attempt),
        "failures": task.failures + (_spends(attempt.outcome) if counted else 0),
        "progress": 0,
        "activity": "",
    }


def _exclusion(attempt: Attempt, counted: bool) -> tuple[Change, ...]:
    is_held_against = counted and attempt.outcome is Outcome.FAILED
    return (Include("excluded", frozenset({attempt.worker})),) if is_held_against else ()


def asked_to_stop(task: Task, reason: str) -> Update:
    """The worker hears of it with its next call."""
    return Update(keys.task(task.id), (Set("cancel_reason", reason),), _held(task.generation))


def rewritten(task: Task, work: Work) -> Update:
    """Another content, for the next attempt. The status stays as it is."""
    return Update(keys.task(task.id), (Set("work", to_json(task_items.work_json(work))),), (Exists(),))


def kept_from(task: Task, worker: WorkerId) -> Update:
    """Still queued; this worker gets it only when nobody else can."""
    when = (Equals("status", TaskStatus.QUEUED.value), Equals("generation", task.generation))
    return Update(keys.task(task.id), (Include("excluded", frozenset({worker})),), when)


def released(task: Task, *, paused: bool) -> Update:
    """waiting -> queued (or paused): its parents are completed."""
    if paused:
        return _moved(task, "pause", {}, task_items.DEFERRAL_FIELDS)
    return _moved(task, "release", task_items.ready_fields(task), task_items.DEFERRAL_FIELDS)


def released_with(task: Task, work: Work, *, paused: bool) -> Update:
    """waiting -> queued (or paused): what it needed of another step is complete, and is among its inputs."""
    release = released(task, paused=paused)
    return replace(release, changes=(*release.changes, Set("work", to_json(task_items.work_json(work)))))


def paused(task: Task) -> Update:
    """queued -> paused."""
    return _moved(task, "pause", {}, task_items.READY_FIELDS)


def resumed(task: Task) -> Update:
    """paused -> queued."""
    return _moved(task, "resume", task_items.ready_fields(task) | {"priority": task.priority})


def reprioritised(task: Task) -> Update:
    """The same status; its job has another priority now. What is queued moves to the place that gives it."""
    fields: dict[str, Any] = {"priority": task.priority}
    if task.status is TaskStatus.QUEUED:
        fields |= task_items.ready_fields(task)
    when = (Equals("status", task.status.value), Equals("generation", task.generation))
    return Update(keys.task(task.id), tuple(_set(fields)), when)


def canceled(task: Task, reason: str, at: int) -> Update:
    """waiting, queued or paused -> canceled. (An active task is asked to stop instead.)"""
    sources = tuple(s.value for s in sources_of(TASK, "cancel") if s is not TaskStatus.ACTIVE)
    changes = _set({"status": TaskStatus.CANCELED.value, "error": reason, "finished_at": at})
    when = (OneOf("status", sources), Equals("generation", task.generation))
    gone = task_items.READY_FIELDS + task_items.DEFERRAL_FIELDS
    return Update(keys.task(task.id), tuple(changes + _remove(gone)), when)


def given_up(task: Task, reason: str, at: int) -> Update:
    """queued -> failed: it failed before, and nobody is left who may try it."""
    return _moved(task, "give_up", {"error": reason, "finished_at": at}, task_items.READY_FIELDS)


def requeued(task: Task, epoch: int, *, waiting: bool) -> Update:
    """What has ended -> queued (or waiting) once more, on a new generation, with all retries again. What it made before
    stays until it has made it anew."""
    event = "await" if waiting else "requeue"
    fields: dict[str, Any] = {
        "status": next_status(TASK, task.status, event).value,
        "generation": task.generation + 1,
        "requeued_epoch": epoch,
        "priority": task.priority,
        "failures": 0,
        "progress": 0,
        "activity": "",
    }
    changes = _set(fields if waiting else fields | task_items.ready_fields(task))
    changes += _remove(("finished_at", "error", "excluded"))
    return Update(keys.task(task.id), tuple(changes), _when(event, task.generation))


def _moved(task: Task, event: str, fields: dict[str, Any], gone: tuple[str, ...] = ()) -> Update:
    fields = fields | {"status": next_status(TASK, task.status, event).value}
    when = (Equals("status", task.status.value), Equals("generation", task.generation))
    return Update(keys.task(task.id), tuple(_set(fields) + _remove(gone)), when)


def _with(task: Task, attempt: Attempt) -> list[dict[str, Any]]:
    """The attempts so far and this one; the oldest go when there are many, the numbers stay."""
    return [task_items.attempt_json(a) for a in (*task.attempts, attempt)][-KEPT_ATTEMPTS:]


KEPT_ATTEMPTS = 50


def _spends(outcome: Outcome) -> int:
    return 1 if outcome in (Outcome.FAILED, Outcome.LOST) else 0


def unrenewed(lease: Lease) -> Condition:
    """The lease is still the one that was read."""
    return Equals("lease_due_at", lease.due_at)
