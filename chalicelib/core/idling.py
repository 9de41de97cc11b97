"""How long a worker that has nothing to do waits until it asks again.

Where each call is paid for, a quiet farm's workers ask together: the more of them idle, the less often each does, so
that somebody asks every second or so whatever the farm's size, and takes the first task that comes. While the farm has
had work within the last twenty minutes, each asks at its own interval, and all have tasks soon.

Somebody is no help where only a few could take the task, so a worker counts those who could do all that it can. A task
asks for one type, and for tags, or that they be absent: the work for which there are fewest workers is that of a
worker's rarest type, for which its very tags are needed. So with it count those who carry the same tags and have that
type, and any work is found as soon as if only those idled who can take it (a test holds this for every requirement).
Workers that sleep count by themselves.

Whether it is quiet stands in the lane registry, which a claim reads anyway. The sweep counts, once a minute, from the
workers that it has read; each process reads what it noted once a minute, and only on a quiet farm. Noted is only what
makes somebody wait longer: of workers whose kind is not there few idle, or nobody knows, and they ask as on a busy
farm.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence

from . import workers
from .farm import Farm, Limits
from .lifecycle import WorkerStatus
from .model import Worker, WorkerId
from .records.fields import to_json
from .registry import TOUCH_EVERY_MS

QUIET_MS = 2 * TOUCH_EVERY_MS
"""Work may have come `TOUCH_EVERY_MS` later than a lane's row says, and a while is to pass then."""
MOST_KINDS = 5_000
"""Noted, the most frequent; an item of DynamoDB ends at 400 KB, some 15,000 of them."""


def idle_seconds(farm: Farm, worker: Worker) -> float:
    """What a worker is told that holds nothing and got nothing."""
    if not farm.limits.poll_apart_seconds or not _is_quiet(farm) or _has_own_work(farm, worker):
        return farm.limits.poll_idle_seconds
    return quiet_seconds(farm.limits, farm.idle_count.of(kind_of(worker)))


def quiet_seconds(limits: Limits, idle: int) -> float:
    """How often each of so many asks on a quiet farm: three times at least before it is taken for lost."""
    return max(limits.poll_idle_seconds, min(idle * limits.poll_apart_seconds, limits.lost_after_seconds / 3))


def _is_quiet(farm: Farm) -> bool:
    now = farm.clock.now()
    return all(now - lane.touched_at >= QUIET_MS for lane in farm.registry.read().lanes)


def _has_own_work(farm: Farm, worker: Worker) -> bool:
    """Within a day or so there was work that nobody else may take."""
    return any(lane.requirement.worker == worker.id for lane in farm.registry.read().lanes)


def note(farm: Farm, fleet: Sequence[Worker], busy: Collection[WorkerId]) -> None:
    """The sweep's part. `fleet`: all workers; `busy`: those that hold tasks. One write, where calls are paid for."""
    if not farm.limits.poll_apart_seconds or not fleet:
        return
    away = (WorkerStatus.OFFLINE, WorkerStatus.LOST)
    idle = [one for one in fleet if one.id not in busy and workers.liveness(farm, one) not in away]
    counts = Counter({kind: count for kind, count in _counted(idle).items() if _is_told(farm.limits, count)})
    farm.idle_counts.note(farm.clock.now(), dict(counts.most_common(MOST_KINDS)))


def kind_of(worker: Worker) -> str:
    """The same for workers that can take the same, and differ in that they take something at all."""
    said = to_json([_takes(worker), sorted(worker.tags), sorted(worker.abilities)])
    return hashlib.blake2b(said.encode(), digest_size=6).hexdigest()


def _counted(idle: Sequence[Worker]) -> dict[str, int]:
    """By kind: how many could take what the fewest of them can."""
    able = Counter((_takes(one), one.tags, ability) for one in idle for ability in one.abilities)
    kinds = {kind_of(one): one for one in idle}
    return {
        kind: min((able[_takes(one), one.tags, ability] for ability in one.abilities), default=len(idle))
        for kind, one in kinds.items()
    }


def _takes(worker: Worker) -> bool:
    asked_to_rest = worker.status_requested in (WorkerStatus.ASLEEP, WorkerStatus.OFFLINE)
    return worker.status in (WorkerStatus.STARTING, WorkerStatus.AWAKE) and not asked_to_rest


def _is_told(limits: Limits, idle: int) -> bool:
    return quiet_seconds(limits, idle) > limits.poll_idle_seconds
