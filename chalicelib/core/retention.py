"""How long jobs are kept after they have ended. Nothing is deleted unless an operator says so.

The sweep deletes what is too old, the oldest first, as a person would (`jobs.delete`): the job, its tasks, steps and
webhooks, what its tasks wrote, and its pictures. Blobs stay, as they do then: other jobs and people may hold their ids
(`pruning` removes what nobody needs). Each sweep stops after some seconds; the next goes on. It costs one read a sweep
while nothing is set, else one query for each status and one read for every job that was made longer ago and has ended
since.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice

from . import jobs
from .errors import BadInput, FarmError
from .farm import Farm
from .ids import first_of
from .lifecycle import ENDED_JOBS
from .model import Job
from .ports import Put
from .records import keys
from .turns import Turn

LONGEST_DAYS = 3650
MOST_AT_ONCE = 100
DAY_MS = 86_400_000

log = logging.getLogger(__name__)


def read(farm: Farm) -> int | None:
    """Days for which ended jobs are kept; None: for ever."""
    item = farm.table.get(keys.retention())
    days = item.get("ended_jobs_days") if item is not None else None
    return None if days is None else int(days)


def write(farm: Farm, days: int | None) -> None:
    if days is not None:
        _check(days)
    key = keys.retention()
    farm.table.write(Put({"pk": key.pk, "sk": key.sk, "ended_jobs_days": days}))


def aged(farm: Farm, days: int) -> Iterator[Job]:
    """Jobs that ended longer ago, oldest first within a status."""
    _check(days)
    before = farm.clock.now() - days * DAY_MS
    for status in sorted(ENDED_JOBS):
        # A job has ended after it was made, and its id says when that was.
        for job in farm.jobs.oldest(status.value, last=first_of(before)):
            if job.settled and job.finished_at is not None and job.finished_at <= before:
                yield job


def prune(farm: Farm) -> int:
    """Delete what is too old, for a few seconds; how many that were."""
    days = read(farm)
    if days is None:
        return 0
    deleted = 0
    turn = Turn(farm, farm.clock.now() + int(farm.limits.settle_seconds * 1000))
    for job in list(islice(aged(farm, days), MOST_AT_ONCE)):
        if turn.is_over:
            break
        try:
            jobs.delete(farm, job.id)
            deleted += 1
        except FarmError as error:  # somebody retries it, or deletes it too
            log.info("job %s stays: %s", job.id, error, extra={"action": "prune_failed", "job": str(job.id)})
    return deleted


def _check(days: int) -> None:
    if not 1 <= days <= LONGEST_DAYS:
        raise BadInput(f"ended_jobs_days must be 1 to {LONGEST_DAYS}, not {days}", field="ended_jobs_days")
