"""The blocklist of a worker: jobs and task types it is kept from, while anybody else can run them.

Failures on several tasks make entries (`leases.py`); people may add and remove them. Each entry is written by itself: a
process that dies half way has done some of them, and the same call does the rest.
"""

from __future__ import annotations

from collections.abc import Collection

from . import workers
from .errors import BadInput
from .farm import Farm
from .model import JobId, WorkerId


def replace(farm: Farm, worker_id: WorkerId, wanted: Collection[tuple[JobId, str]]) -> None:
    """From here on exactly these. What goes has a clean slate: the failures that led to it are forgotten.

    Raises NotFound for the worker, BadInput for a job that there is not; then nothing has changed.
    """
    blocked = workers.get(farm, worker_id).blocked
    new = sorted(set(wanted) - blocked)
    for job_id, _ in new:
        if farm.jobs.get(job_id) is None:
            raise BadInput(f"no such job: {job_id}", field="entries")
    for job_id, task_type in sorted(blocked - set(wanted)):
        farm.workers.unblock(worker_id, job_id, task_type)
    for job_id, task_type in new:
        farm.workers.block(worker_id, job_id, task_type, farm.clock.now())
