"""Jobs, steps and windows as items, both ways. Nothing else knows how their fields are stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..lifecycle import JobStatus, StepStatus, TaskStatus
from ..model import Job, Step
from ..ports import Item, Key
from ..retry_policy import RetryPolicy, policy_from, policy_json
from ..windows import Window
from . import keys
from .fields import from_json, item, outputs_from, to_json

HIDDEN = "deleted"
"""The field that a job gets when it goes."""


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
        "created_at": job.created_at,
        "owner": job.owner,
        "max_workers": job.max_workers,
        "gated": job.gated or None,
        "after": list(job.after) or None,
        "annotations": to_json(dict(job.annotations)) if job.annotations else None,
        "retry": to_json(policy_json(job.retry)) if job.retry != RetryPolicy() else None,
        "max_seconds": job.max_seconds,
        "idle_seconds": job.idle_seconds,
        "listing_pk": keys.listing_pk("jobs"),
        "listing_sk": keys.digits(job.id),
        "unsettled_pk": keys.UNSETTLED,
        "unsettled_sk": keys.digits(job.id),
    }
    if job.owner is not None:
        fields |= {"owned_pk": keys.owner_pk(job.owner), "owned_sk": keys.digits(job.id)}
    return item(keys.job(job.id), fields | job_status_fields(job.id, job.status))


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
        counts=item.get("counts") or {},
        outputs=outputs_from(item.get("outputs")),
        error=item.get("error"),
        created_at=item["created_at"],
        started_at=item.get("started_at"),
        finished_at=item.get("finished_at"),
        settled="unsettled_pk" not in item,
        owner=item.get("owner"),
        after=tuple(item.get("after") or ()),
        is_followed=item.get("is_followed", False),
        annotations=from_json(item.get("annotations")) or {},
        retry=policy_from(from_json(item.get("retry"))),
        max_seconds=item.get("max_seconds"),
        idle_seconds=item.get("idle_seconds"),
        max_workers=item.get("max_workers"),
        gated=item.get("gated", False),
        restart_of=from_json(item.get("restart_of")),
        revision=item.get("revision", 0),
    )


def step_item(step: Step) -> dict[str, Any]:
    return item(
        keys.step(step.job, step.number),
        {
            "job": step.job,
            "number": step.number,
            "name": step.name,
            "status": step.status.value,
            "parents": list(step.parents),
            "count": step.count,
            "base": step.base,
            "shards": step.shards,
            "written": step.written,
            "epoch": step.epoch,
            "completed": step.completed,
            "failed": step.failed,
            "canceled": step.canceled,
            "trails": step.trails,
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
        shards=item.get("shards", 0),
        written=item["written"],
        epoch=item["epoch"],
        completed=item["completed"],
        failed=item["failed"],
        canceled=item["canceled"],
        trails=item.get("trails"),
        left=item.get("left"),
        look_from=item.get("look_from"),
        look_is_last=item.get("look_is_last", False),
    )


def window_item(window: Window) -> dict[str, Any]:
    return item(
        window_key(window),
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


def window_key(window: Window) -> Key:
    """By which side it is on."""
    if not window.shut:
        return keys.open_window(window.job, window.step, window.number)
    shut = keys.done_window if window.all_completed else keys.shut_window
    return shut(window.job, window.step, window.number)


def window_from(item: Item) -> Window:
    return Window(
        job=item["job"],
        step=item["step"],
        number=item["number"],
        size=item["size"],
        version=item["version"],
        waits=frozenset(item.get("waits") or ()),
        marks=frozenset(item.get("marks") or ()),
        shut=not item["sk"].startswith("OPEN#"),
    )


SUMMED = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELED)
"""The statuses that a step keeps sums of, under the status's own word."""


def turned(window: Window, *, shut: bool) -> Window:
    """The same window on the other side; its version rises, so that nobody's older look at it counts."""
    return replace(window, shut=shut, version=window.version + 1)
