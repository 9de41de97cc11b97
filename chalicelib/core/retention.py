"""How long jobs are kept after they have ended, and content that nobody needs. Nothing goes unless an operator says so.

The sweep deletes what is too old, the oldest first, as a person would (`jobs.delete`): the job, its tasks, steps and
webhooks, what its tasks wrote, and its pictures. Blobs stay, as they do then: other jobs and people may hold their ids
(`pruning` removes what nobody needs; each day by itself, `collecting.begin_daily`, where content days are set). Each
sweep stops after some seconds; the next goes on. It costs one read a sweep while nothing is set, else one query for
each status and one read for every job that was made longer ago and has ended since.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from . import jobs
from .errors import BadInput, FarmError
from .farm import Farm
from .ids import first_of
from .lifecycle import ENDED_JOBS
from .model import Job
from .ports import Remove, Set, Update
from .records import keys
from .turns import Turn

LONGEST_DAYS = 3650
MOST_AT_ONCE = 100
DAY_MS = 86_400_000

log = logging.getLogger(__name__)


class Kept(NamedTuple):
    """Days; None: for ever."""

    ended_jobs_days: int | None = None
    content_days: int | None = None
    """Of content that nobody needs: since it was stored, or last relied on."""


def read(farm: Farm) -> Kept:
    item = farm.table.get(keys.retention()) or {}
    return Kept(*(None if item.get(field) is None else int(item[field]) for field in Kept._fields))


def write(farm: Farm, **wanted: int | None) -> None:
    """Fields of `Kept`; one that is not named stays as it is. Raises BadInput."""
    for field, days in wanted.items():
        if days is not None:
            _check(days, field)
    changes = [Remove(field) if days is None else Set(field, days) for field, days in wanted.items()]
    farm.table.write(Update(keys.retention(), tuple(changes)))


def aged(farm: Farm, days: int) -> Iterator[Job]:
    """Jobs that ended longer ago, oldest first within a status."""
    _check(days)
    before = farm.clock.now() - days * DAY_MS
    for status in sorted(ENDED_JOBS):
        # A job has ended after it was made, and its id says when that was.
        for job in farm.jobs.oldest(status.value, last=first_of(before)):
            if job.settled and job.finished_at is not None and job.finished_at <= before:
                yield job


def prune(farm: Farm, days: int | None) -> int:
    """Delete what ended longer ago, for a few seconds; how many that were."""
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


def _check(days: int, field: str = "ended_jobs_days") -> None:
    if not 1 <= days <= LONGEST_DAYS:
        raise BadInput(f"{field} must be 1 to {LONGEST_DAYS}, not {days}", field=field)
