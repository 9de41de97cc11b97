"""The second half of a claim that met a cursor: what `next` was moved over becomes tasks under the claim's lease.

Costs one write for all of them; each window that is entered costs two more. The order makes every crash visible: a
task is put only when its window has its item, so an index that was given away and has no task is a hole in an open
window, and `filling.py` finds it.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from . import making, settle
from .cursors import Cursor
from .errors import Refusal
from .farm import Farm
from .filling import write_windows
from .model import Lease, Task

log = logging.getLogger(__name__)


def begin(farm: Farm, cursor: Cursor, moved: int, lease: Lease) -> list[Task]:
    """The tasks that `next` was moved over by this claim, active. Fewer where somebody was faster to fill a hole: a
    claim that took a minute for this has lost them.

    `cursor` is as the claim's update left it.
    """
    try:
        of = making.opened_before(farm, cursor.job, cursor.step, cursor.base)
    except Refusal as error:  # after a moment's fault what was given away are holes until somebody fills them
        _give_up(farm, cursor, error)
        return []
    if of is None:
        return []
    write_windows(farm, cursor)
    indices = range(cursor.next - moved, min(cursor.next, cursor.end))
    priced = replace(of, job=replace(of.job, priority=cursor.priority))
    made = making.tasks(farm, priced, indices, lease=lease)
    if cursor.running is not None:
        made = [replace(task, counted_by=cursor.shard) for task in made]
    begun = farm.tasks.begin(made)
    if cursor.spent:
        farm.cursors.leave(cursor)
    return begun


def _give_up(farm: Farm, cursor: Cursor, error: Refusal) -> None:
    """This version of the farm can make no tasks of it: the job fails, instead of its workers' calls."""
    log.warning("A job has no plan any more", extra={"action": "job_unplanned", "job": str(cursor.job)})
    job = farm.jobs.get(cursor.job)
    if job is not None and settle.end_early(farm, job, "fail", error.message) is not None:
        settle.settle(farm, cursor.job)
