"""Item <-> model, both ways, one pair per noun. Nothing else knows how a field is stored.

What only travels (work, settings, results, annotations) is kept as JSON text: it may hold floats, and nobody asks the
table about its inside. A field that is None is absent from the item.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..lifecycle import JobStatus, Outcome, StepStatus, TaskStatus, WorkerStatus
from ..model import Attempt, Blob, Function, Job, Lease, Output, Requirement, Step, Task, TaskInput, Work, Worker
from ..ports import Item, Key
from ..windows import Window
from . import keys


def to_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def from_json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _item(key: Key, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"pk": key.pk, "sk": key.sk} | {name: value for name, value in fields.items() if value is not None}


# ---- jobs ----------------------------------------------------------------------------------------------------------


def job_status_fields(job_id: int, status: JobStatus) -> dict[str, Any]:
    """The status and the index that follows it: always written together."""
    return {"status": status.value, "status_pk": keys.status_pk(status.value), "status_sk": keys.digits(job_id)}


def job_item(job: Job) -> dict[str, Any]:
    fields = {
        "id": job.id,
        "name": job.name,
        "type": job.type,
        "priority": job.priority,
        "tags": list(job.tags),
        "max_retries": job.max_retries,
        "on_failure": job.on_failure,
        "settings": None if job.settings is None else to_json(job.settings),
        "settings_key": job.settings_key,
        "epoch": job.epoch,
        "aligned_epoch": job.aligned_epoch,
        "lease_rule_ms": _milliseconds(job.lease_seconds),
        "created_at": job.created_at,
        "annotations": to_json(dict(job.annotations)) if job.annotations else None,
        "listing_pk": keys.listing_pk("jobs"),
        "listing_sk": keys.digits(job.id),
        "unsettled_pk": keys.UNSETTLED,
        "unsettled_sk": keys.digits(job.id),
    }
    return _item(keys.job(job.id), fields | job_status_fields(job.id, job.status))


def job_from(item: Item) -> Job:
    return Job(
        id=item["id"],
        name=item["name"],
        type=item["type"],
        status=JobStatus(item["status"]),
        priority=item["priority"],
        tags=tuple(item["tags"]),
        max_retries=item["max_retries"],
        on_failure=item["on_failure"],
        settings=from_json(item.get("settings")),
        settings_key=item.get("settings_key"),
        epoch=item["epoch"],
        aligned_epoch=item["aligned_epoch"],
        restart_epoch=item.get("restart_epoch"),
        lease_seconds=_seconds(item.get("lease_rule_ms")),
        counts=item.get("counts") or {},
        outputs=outputs_from(item.get("outputs")),
        error=item.get("error"),
        created_at=item["created_at"],
        started_at=item.get("started_at"),
        finished_at=item.get("finished_at"),
        settled="unsettled_pk" not in item,
        annotations=from_json(item.get("annotations")) or {},
    )


def step_item(step: Step) -> dict[str, Any]:
    return _item(
        keys.step(step.job, step.number),
        {
            "job": step.job,
            "number": step.number,
            "name": step.name,
            "status": step.status.value,
            "parents": list(step.parents),
            "count": step.count,
            "base": step.base,
            "written": step.written,
            "epoch": step.epoch,
            "completed": step.completed,
            "failed": step.failed,
            "canceled": step.canceled,
        },
    )


def step_from(item: Item) -> Step:
    return Step(
        job=item["job"],
        number=item["number"],
        name=item["name"],
        status=StepStatus(item["status"]),
        parents=tuple(item["parents"]),
        count=item["count"],
        base=item["base"],
        written=item["written"],
        epoch=item["epoch"],
        completed=item["completed"],
        failed=item["failed"],
        canceled=item["canceled"],
    )


def window_item(window: Window) -> dict[str, Any]:
    key = (keys.shut_window if window.shut else keys.open_window)(window.job, window.step, window.number)
    return _item(
        key,
        {
            "job": window.job,
            "step": window.step,
            "number": window.number,
            "size": window.size,
            "version": window.version,
            "waits": window.waits or None,
            "marks": window.marks or None,
        },
    )


def window_from(item: Item) -> Window:
    return Window(
        job=item["job"],
        step=item["step"],
        number=item["number"],
        size=item["size"],
        version=item["version"],
        waits=frozenset(item.get("waits") or ()),
        marks=frozenset(item.get("marks") or ()),
        shut=item["sk"].startswith("SHUT#"),
    )


SUMMED = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELED)
"""The statuses that a step keeps sums of, under the status's own word."""


def turned(window: Window, *, shut: bool) -> Window:
    """The same window on the other side; its version rises, so that nobody's older look at it counts."""
    return replace(window, shut=shut, version=window.version + 1)


# ---- tasks ---------------------------------------------------------------------------------------------------------


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
        "lease_ms": _milliseconds(lease.seconds),
        "lease_due_at": lease.due_at,
        "due_pk": keys.due_pk(keys.due_shard(task_id)),
        "due_sk": keys.due_sk(lease.due_at, task_id),
        "held_pk": keys.held_pk(lease.worker),
        "held_sk": keys.digits(task_id),
    }


READY_FIELDS = ("ready_pk", "ready_sk")
LEASE_FIELDS = (
    *("worker", "request_id", "lease_granted_at", "lease_ms", "lease_due_at", "cancel_reason"),
    *("due_pk", "due_sk", "held_pk", "held_sk"),
)


def task_item(task: Task) -> dict[str, Any]:
    """A task as it is first written: never leased, waiting or queued."""
    fields = {
        "id": task.id,
        "job": task.job,
        "job_name": task.job_name,
        "step": task.step,
        "index": task.index,
        "name": task.name,
        "status": task.status.value,
        "task_type": task.requirement.task_type,
        "require": sorted(task.requirement.require) or None,
        "forbid": sorted(task.requirement.forbid) or None,
        "pinned": task.requirement.worker,
        "wishes": sorted(task.wishes) or None,
        "priority": task.priority,
        "own_priority": task.own_priority,
        "work": to_json(work_json(task.work)),
        "parents": list(task.parents) or None,
        "children": list(task.children) or None,
        "generation": task.generation,
        "lease_rule_ms": _milliseconds(task.lease_rule_seconds),
        "failures": task.failures,
        "max_retries": task.max_retries,
        "created_at": task.created_at,
    }
    if task.status is TaskStatus.QUEUED:
        fields |= ready_fields(task)
    return _item(keys.task(task.id), fields)


def task_from(item: Item) -> Task:
    return Task(
        id=item["id"],
        job=item["job"],
        job_name=item["job_name"],
        step=item["step"],
        index=item["index"],
        name=item["name"],
        status=TaskStatus(item["status"]),
        requirement=_requirement_from(item),
        wishes=frozenset(item.get("wishes") or ()),
        priority=item["priority"],
        own_priority=item["own_priority"],
        work=_work_from(from_json(item["work"])),
        parents=tuple(item.get("parents") or ()),
        children=tuple(item.get("children") or ()),
        generation=item["generation"],
        lease=_lease_from(item),
        lease_rule_seconds=_seconds(item.get("lease_rule_ms")),
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
    )


def _requirement_from(item: Item) -> Requirement:
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


def outputs_json(outputs: tuple[Output, ...]) -> list[dict[str, Any]]:
    return [{"name": o.name, "blob": o.blob, "size": o.size, "sha256": o.sha256} for o in outputs]


def outputs_from(fields: list[Mapping[str, Any]] | None) -> tuple[Output, ...]:
    return tuple(Output(o["name"], o["blob"], o["size"], o["sha256"]) for o in fields or ())


def work_json(work: Work) -> dict[str, Any]:
    return {
        "commands": [dict(command) for command in work.commands],
        "inputs": [[i.name, i.blob, i.size, i.sha256] for i in work.inputs],
        "outputs": list(work.outputs),
        "max_seconds": work.max_seconds,
    }


def _work_from(fields: Mapping[str, Any]) -> Work:
    return Work(
        commands=tuple(fields["commands"]),
        inputs=tuple(TaskInput(*values) for values in fields["inputs"]),
        outputs=tuple(fields["outputs"]),
        max_seconds=fields["max_seconds"],
    )


# ---- workers, blobs, functions -------------------------------------------------------------------------------------


def worker_item(worker: Worker) -> dict[str, Any]:
    fields = {
        "id": worker.id,
        "name": worker.name,
        "status": worker.status.value,
        "task_types": sorted(worker.task_types),
        "runtimes": list(worker.runtimes),
        "tags": sorted(worker.tags),
        "slots": worker.slots,
        "secret_hash": worker.secret_hash,
        "status_requested": worker.status_requested.value if worker.status_requested else None,
        "lazy": worker.lazy,
        "platform": worker.platform,
        "software": worker.software,
        "created_at": worker.created_at,
        "last_contact_at": worker.last_contact_at,
        "listing_pk": keys.listing_pk("workers"),
        "listing_sk": keys.digits(worker.id),
    }
    return _item(keys.worker(worker.id), fields)


def worker_from(item: Item) -> Worker:
    requested = item.get("status_requested")
    return Worker(
        id=item["id"],
        name=item["name"],
        status=WorkerStatus(item["status"]),
        task_types=frozenset(item["task_types"]),
        runtimes=tuple(item["runtimes"]),
        tags=frozenset(item["tags"]),
        slots=item["slots"],
        secret_hash=item.get("secret_hash"),
        status_requested=WorkerStatus(requested) if requested else None,
        lazy=item["lazy"],
        platform=item["platform"],
        software=item["software"],
        created_at=item["created_at"],
        last_contact_at=item["last_contact_at"],
    )


def blob_item(blob: Blob) -> dict[str, Any]:
    fields = {"id": blob.id, "size": blob.size, "sha256": blob.sha256, "created_at": blob.created_at}
    return _item(keys.blob(blob.id), fields)


def blob_from(item: Item) -> Blob:
    return Blob(item["id"], item["size"], item["sha256"], item["created_at"])


def function_item(function: Function) -> dict[str, Any]:
    fields = {
        "id": function.id,
        "code": function.code,
        "runtime": function.runtime,
        "tags": list(function.tags),
        "created_at": function.created_at,
    }
    return _item(keys.function(function.id), fields)


def function_from(item: Item) -> Function:
    return Function(item["id"], item["code"], item["runtime"], tuple(item["tags"]), item["created_at"])


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
