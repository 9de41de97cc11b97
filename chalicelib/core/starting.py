"""The starts of a worker, counted by the worker: so that a sign-on that the network doubles, or brings late, takes
nothing away from the process that is at work by then.

A number rises with each start of the agent. The first sign-on with a number begins that start and takes back whatever
the process before had; the same number again only repeats that; a smaller one is of a process that is gone.
"""

from __future__ import annotations

from .errors import Conflict
from .farm import Farm
from .model import Worker

TRIES = 5


def begin(farm: Farm, worker: Worker, start: int | None) -> int:
    """Until when leases were given to earlier processes. Raises Conflict for an earlier start.

    `start` None: the worker does not count, and each sign-on is a new start.
    """
    now = farm.clock.now()
    if start is None:
        return now
    for _ in range(TRIES):
        if is_of_an_earlier_one(worker, start):
            raise Conflict("a later start of this worker has signed on")
        if worker.start == start and worker.started_at is not None:
            return worker.started_at - 1
        if farm.workers.begin(worker, start, now):
            return now
        worker = farm.workers.get(worker.id) or worker
    raise Conflict("this worker keeps starting; try again")


def is_of_an_earlier_one(worker: Worker, start: int | None) -> bool:
    return start is not None and worker.start is not None and start < worker.start
