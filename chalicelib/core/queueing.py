"""How long work has been waiting: for alarms, never for decisions."""

from __future__ import annotations

from .farm import Farm
from .ids import made_at

MOST_LANES = 100
"""Each costs a read."""


def oldest_seconds(farm: Farm) -> int:
    """The age of the oldest task that is next in its lane; 0 if nothing is queued.

    It falls when tasks are taken and grows when nobody takes them. Counted from when the task was made, so a task that
    had to wait for others, or runs again, counts as old from the start.
    """
    heads = [
        entry for lane in farm.registry.read().lanes[:MOST_LANES] for entry in farm.tasks.head(lane.requirement, 1)
    ]
    return max([0, *((farm.clock.now() - made_at(entry["id"])) // 1000 for entry in heads)])
