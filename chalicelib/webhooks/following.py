"""Finds events and puts them into the outbox. Level-triggered: it looks at what changed since it last looked, as a page
does (`core/changes.py`), and at what that is now; what came and went between two looks is no event.

The outbox first, then the cursor: who dies in between finds the same again, and an event is put only if it is absent.
Nothing is read but the list of hooks while there are none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..core import changes
from ..core.errors import BadInput
from ..core.farm import Farm
from ..core.hooks import Event
from ..core.lifecycle import JobStatus, WorkerStatus
from ..core.model import Job, JobId, Worker
from ..core.records import keys
from ..core.records.hooks import KEPT_SECONDS, PENDING, Delivery, Hook
from . import messages

MOST_LOOKS = 20
"""In one round; the next goes on from there."""
NEWS_SECONDS = KEPT_SECONDS / 2
"""An older event may have been delivered and forgotten: a job that is renamed a week later has not ended again."""

JOB_EVENTS = {
    JobStatus.COMPLETED: Event.JOB_COMPLETED,
    JobStatus.FAILED: Event.JOB_FAILED,
    JobStatus.CANCELED: Event.JOB_CANCELED,
}


def follow(farm: Farm, hooks: Sequence[Hook]) -> None:
    for _ in range(MOST_LOOKS):
        known = farm.hooks.cursor()
        told = changes.since(farm, _from(known, farm, hooks))
        if told.restart:
            told = changes.since(farm, _first(farm, hooks))
        events = [*_of_jobs(told.jobs), *_of_workers(told.workers)]
        wanted = [delivery for event in events for delivery in _deliveries(farm, hooks, *event)]
        if wanted:
            farm.hooks.add(wanted)
        if str(told.next) != known:  # each write is a sync of the disk, each second for ever
            farm.hooks.set_cursor(str(told.next))
        if told.poll_seconds > 0:
            return


def _from(text: str | None, farm: Farm, hooks: Sequence[Hook]) -> changes.Cursor:
    try:
        return _first(farm, hooks) if text is None else changes.cursor_from(text)
    except BadInput:  # of another version
        return _first(farm, hooks)


def _first(farm: Farm, hooks: Sequence[Hook]) -> changes.Cursor:
    """Everything since there have been hooks, of the last day."""
    return changes.begin(farm, min(hook.created_at for hook in hooks))


Found = tuple[Event, int, int, JobId | None, dict[str, Any]]
"""(event, its time, whose it is, its job, what is told of it)."""


def _of_jobs(jobs: Sequence[Job]) -> Iterator[Found]:
    for job in jobs:
        if job.status in JOB_EVENTS and job.finished_at is not None:
            yield JOB_EVENTS[job.status], job.finished_at, job.id, job.id, messages.about_job(job)


def _of_workers(workers: Sequence[Worker]) -> Iterator[Found]:
    for worker in workers:
        if worker.lost_at is not None:
            yield Event.WORKER_LOST, worker.lost_at, worker.id, None, messages.about_worker(worker)
        elif worker.status is WorkerStatus.ERROR and worker.broke_at is not None:
            yield Event.WORKER_ERROR, worker.broke_at, worker.id, None, messages.about_worker(worker)


def _deliveries(
    farm: Farm, hooks: Sequence[Hook], event: Event, at: int, subject: int, job: JobId | None, about: dict[str, Any]
) -> Iterator[Delivery]:
    now = farm.clock.now()
    for hook in hooks:
        concerns = event in hook.events and hook.job in (None, job)
        if concerns and at >= max(hook.created_at, now - NEWS_SECONDS * 1000):
            name = f"{keys.digits(at)}-{event}-{subject}"
            yield Delivery(hook.id, name, event, at, json.dumps(about, ensure_ascii=False), PENDING, 0, now, None)
