"""How long a worker that has nothing to do waits until it asks again.

Where each call is paid for, a quiet farm's workers ask together: the more of them idle, the less often each does, so
that somebody asks every second or so whatever the farm's size, and takes the first task that comes. While the farm has
had work within the last twenty minutes, each asks at its own interval, and all have tasks soon.

Whether it is quiet stands in the lane registry, which a claim reads anyway; how many idle is asked once a minute by
each process, and only on a quiet farm. Where no sweep has noted it, workers ask as on a busy one.
"""

from __future__ import annotations

from .farm import Farm, Limits
from .registry import TOUCH_EVERY_MS

QUIET_MS = 2 * TOUCH_EVERY_MS
"""Work may have come `TOUCH_EVERY_MS` later than a lane's row says, and a while is to pass then."""


def idle_seconds(farm: Farm) -> float:
    """What a worker is told that holds nothing and got nothing."""
    if not farm.limits.poll_apart_seconds or not _is_quiet(farm):
        return farm.limits.poll_idle_seconds
    return quiet_seconds(farm.limits, farm.idle_count.read())


def quiet_seconds(limits: Limits, idle: int) -> float:
    """How often each of so many asks on a quiet farm: three times at least before it is taken for lost."""
    return max(limits.poll_idle_seconds, min(idle * limits.poll_apart_seconds, limits.lost_after_seconds / 3))


def _is_quiet(farm: Farm) -> bool:
    now = farm.clock.now()
    return all(now - lane.touched_at >= QUIET_MS for lane in farm.registry.read().lanes)
