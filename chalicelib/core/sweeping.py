"""The periodic pass: ends leases that ran out, and settles whatever was left half done. The last resort for all that
the request path and the event feed dropped; safe at any time, by several processes at once."""

from __future__ import annotations

import logging
from typing import NamedTuple

from . import changes, collecting, dependents, gates, idling, queue_mode, retention, statistics, upgrading, workers
from .errors import FarmError
from .farm import Farm
from .leases import expire
from .model import Job, JobId, Requirement
from .ports import TableUnavailable
from .records import keys
from .records.tasks import Due
from .settle import settle

EVERY_EPOCH = 2**53

log = logging.getLogger(__name__)


class Swept(NamedTuple):
    expired: int
    settled: int
    failed: int
    """Jobs that could not be settled; the log says why, the next sweep tries again."""


def sweep(farm: Farm, *, thorough: bool = False, ends_leases: bool = True) -> Swept:
    """One pass. `thorough` looks into every task of every open window: now and then, or after a crash.

    `ends_leases` False: right after an outage of the manager, when workers could not renew and have yet to report.
    """
    due = farm.tasks.due(farm.clock.now()) if ends_leases else ()
    expired = sum(_come_due(farm, entry) for entry in due)
    settled = failed = 0
    open_jobs = statistics.OpenJobs()
    may_count_before = queue_mode.may_count_before(farm)
    for job_id in farm.jobs.unsettled():
        done, job = _settle(farm, job_id, thorough)
        settled, failed = settled + done, failed + (not done)
        if job is not None and not job.settled:
            open_jobs.add(job)
            gates.mend(farm, job)
            queue_mode.mend(farm, job, may_count_before)
    fleet = list(farm.workers.all())
    if ends_leases:
        workers.note_lost(farm, fleet)
    statistics.write_tally(farm)
    if statistics.is_due(farm):
        busy = farm.tasks.holders()
        idling.note(farm, fleet, busy)
        statistics.note(farm, open_jobs, fleet, busy)
    changes.forget(farm)
    kept = retention.read(farm)
    retention.prune(farm, kept.ended_jobs_days)
    farm.registry.prune(lambda requirement: _head(farm, requirement))
    _lift_halts(farm)
    gates.forget(farm)
    upgrading.advance(farm)
    collecting.begin_daily(farm, kept.content_days)
    collecting.look_after(farm)
    return Swept(expired, settled, failed)


def _head(farm: Farm, requirement: Requirement) -> int | None:
    """The highest priority in a lane."""
    return next((keys.priority_of(entry["ready_sk"]) for entry in farm.tasks.head(requirement, 1)), None)


def _come_due(farm: Farm, entry: Due) -> bool:
    """A lease that ran out, or a failure that may be tried again now."""
    if expire(farm, entry.task, entry.generation):
        return True
    task = farm.tasks.get(entry.task)
    if task is not None and task.deferred_until is not None:
        dependents.release_if_ready(farm, task)
    return False


def _lift_halts(farm: Farm) -> None:
    """A halt can come after its job is in line already, when two processes carry out one decision."""
    for job_id in farm.registry.refresh().halted:
        job = farm.jobs.get(job_id)
        if job is None or job.aligned_epoch == job.epoch:
            farm.registry.unhalt(job_id, job.epoch if job else EVERY_EPOCH)


def _settle(farm: Farm, job_id: JobId, thorough: bool) -> tuple[bool, Job | None]:
    """Whether that went well, and the job as it is then. One that cannot be settled must not keep others from it."""
    try:
        return True, settle(farm, job_id, thorough=thorough)
    except (FarmError, TableUnavailable):
        log.exception("job %s could not be settled", job_id, extra={"action": "settle_failed", "job": str(job_id)})
        return False, None
