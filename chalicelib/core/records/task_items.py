"""Tasks, leases and attempts as items, both ways. Nothing else knows how their fields are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..lifecycle import Outcome, TaskStatus
from ..model import Attempt, Lease, Requirement, Task, TaskInput, Work
from ..ports import Item
from . import keys
from .fields import from_json, item, outputs_from, to_json


def ready_fields(task: Task) -> dict[str, Any]:
    """Where a queued task stands in its lane."""
    return {
        "ready_pk": keys.ready_pk(task.requirement),
        "ready_sk": keys.ready_sk(task.priority, task.own_priority, task.id),
    }


def lease_fields(task_id: int, lease: Lease) -> dict[str, Any]:
    """A lease and the two indexes that follow it."""
    return {
        "worker": lease.worker,
        "request_id": lease.request_id,
        "lease_granted_at": lease.granted_at,
        "lease_ms": round(lease.seconds * 1000),
        "lease_due_at": lease.due_at,
        "due_pk": keys.due_pk(keys.due_shard(task_id)),
        "due_sk": keys.due_sk(lease.due_at, task_id),
        "held_pk": keys.held_pk(lease.worker),
        "held_sk": keys.digits(task_id),
        **({} if lease.ticket is None else {"ticket": lease.ticket}),
    }


def deferral_fields(task_id: int, until: int) -> dict[str, Any]:
    """Not before then: in the same index as leases that run out, for the sweep to find."""
    return {
        "lease_due_at": until,
        "due_pk": keys.due_pk(keys.due_shard(task_id)),
        "due_sk": keys.due_sk(until, task_id),
    }


DEFERRAL_FIELDS = ("lease_due_at", "due_pk", "due_sk")
READY_FIELDS = ("ready_pk", "ready_sk")
LEASE_FIELDS = (
    *("worker", "request_id", "lease_granted_at", "lease_ms", "lease_due_at", "cancel_reason", "ticket"),
    *("due_pk", "due_sk", "held_pk", "held_sk"),
)


def task_item(task: Task) -> dict[str, Any]:
    """A task as it is first written: nothing has been reported of it."""
    fields = {
        "id": task.id,
        "job": task.job,
        "job_name": task.job_name,
        "step": task.step,
        "index": task.index,
        "name": task.name,
        "status": task.status.value,
        "wishes": sorted(task.wishes) or None,
        "priority": task.priority,
        "own_priority": task.own_priority,
        "work": to_json(work_json(task.work)),
        "parents": list(task.parents) or None,
        "children": list(task.children) or None,
        "trails": task.trails,
        "trailed_by": list(task.trailed_by) or None,
        "gated": task.gated or None,
        "counted_by": task.counted_by,
        "generation": task.generation,
        "failures": task.failures,
        "max_retries": task.max_retries,
        "created_at": task.created_at,
        "error": task.error,
        "finished_at": task.finished_at,
    }
    if task.status is TaskStatus.QUEUED:
        fields |= ready_fields(task)
    if task.lease is not None:
        fields |= lease_fields(task.id, task.lease)
    return item(keys.task(task.id), fields | requirement_fields(task.requirement))


def requirement_fields(requirement: Requirement) -> dict[str, Any]:
    return {
        "task_type": requirement.task_type,
        "require": sorted(requirement.require) or None,
        "forbid": sorted(requirement.forbid) or None,
        "pinned": requirement.worker,
    }


def task_from(item: Item) -> Task:
    return Task(
        id=item["id"],
        job=item["job"],
        job_name=item["job_name"],
        step=item["step"],
        index=item["index"],
        name=item["name"],
        status=TaskStatus(item["status"]),
        requirement=requirement_from(item),
        wishes=frozenset(item.get("wishes") or ()),
        priority=item["priority"],
        own_priority=item["own_priority"],
        work=_work_from(from_json(item["work"])),
        parents=tuple(item.get("parents") or ()),
        children=tuple(item.get("children") or ()),
        generation=item["generation"],
        lease=_lease_from(item),
        requeued_epoch=item.get("requeued_epoch", 0),
        failures=item["failures"],
        max_retries=item["max_retries"],
        excluded=frozenset(item.get("excluded") or ()),
        attempts=tuple(_attempt_from(attempt) for attempt in item.get("attempts") or ()),
        cancel_reason=item.get("cancel_reason"),
        progress=item.get("progress", 0),
        activity=item.get("activity", ""),
        outputs=outputs_from(item.get("outputs")),
        result=from_json(item.get("result")),
        error=item.get("error"),
        created_at=item["created_at"],
        finished_at=item.get("finished_at"),
        deferred_until=item.get("lease_due_at") if item["status"] == TaskStatus.WAITING else None,
        trails=item.get("trails"),
        trailed_by=tuple(item.get("trailed_by") or ()),
        gated=item.get("gated", False),
        counted_by=item.get("counted_by"),
    )


def requirement_from(item: Item) -> Requirement:
    return Requirement(
        task_type=item["task_type"],
        require=frozenset(item.get("require") or ()),
        forbid=frozenset(item.get("forbid") or ()),
        worker=item.get("pinned"),
    )


def _lease_from(item: Item) -> Lease | None:
    if item["status"] != TaskStatus.ACTIVE:
        return None
    return Lease(
        worker=item["worker"],
        generation=item["generation"],
        request_id=item["request_id"],
        granted_at=item["lease_granted_at"],
        seconds=item["lease_ms"] / 1000,
        due_at=item["lease_due_at"],
        ticket=item.get("ticket"),
    )


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    fields = {
        "number": attempt.number,
        "generation": attempt.generation,
        "worker": attempt.worker,
        "outcome": attempt.outcome.value,
        "exit_code": attempt.exit_code,
        "error": attempt.error,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _attempt_from(fields: Mapping[str, Any]) -> Attempt:
    return Attempt(
        number=fields["number"],
        generation=fields["generation"],
        worker=fields["worker"],
        outcome=Outcome(fields["outcome"]),
        exit_code=fields.get("exit_code"),
        error=fields.get("error"),
        started_at=fields["started_at"],
        ended_at=fields["ended_at"],
    )


def work_json(work: Work) -> dict[str, Any]:
    return {
        "commands": [dict(command) for command in work.commands],
        "inputs": [[i.name, i.blob, i.size, i.sha256] for i in work.inputs],
        "outputs": list(work.outputs),
        "max_seconds": work.max_seconds,
        **({"idle_seconds": work.idle_seconds} if work.idle_seconds is not None else {}),
        **({"once": True} if work.once else {}),
    }


def _work_from(fields: Mapping[str, Any]) -> Work:
    return Work(
        commands=tuple(fields["commands"]),
        inputs=tuple(TaskInput(*values) for values in fields["inputs"]),
        outputs=tuple(fields["outputs"]),
        max_seconds=fields["max_seconds"],
        idle_seconds=fields.get("idle_seconds"),
        once=fields.get("once", False),
    )
