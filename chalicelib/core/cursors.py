"""Cursors: how much of a large step has been given away, one number for each shard of its indices.

A cursor stands in the ready index for all tasks of its shard that nobody has begun; a claim adds to `next`, and what
was added is the claim's. Everything below `next` is given away: its task item exists, or is a hole that somebody
fills (docs/architecture.md, Large steps).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .lifecycle import CursorStatus
from .model import JobId, Requirement, TaskId
from .windows import first_of, rounded_up, window_of


@dataclass(frozen=True)
class Cursor:
    """The state of one shard, [first, end) of its step's indices. `first` lies on a window's boundary."""

    job: JobId
    step: int
    shard: int
    shards: int
    base: TaskId
    """The step's: task `index` has the id `base + index`."""
    count: int
    """The step's."""
    first: int
    end: int
    next: int
    """The first index that no claim has been given; may lie beyond `end` once that is reached."""
    windows: int
    """Every window of the shard with a lower number has its item."""
    solid: int
    """Every index of the shard below has its task item."""
    noted: int
    """What `next` was at `noted_at`: what is still a hole below it is no claim under way."""
    noted_at: int
    status: CursorStatus
    epoch: int
    """The job's, for which status and priority were written."""
    left: int | None
    """How many were never given away, once they are counted as canceled in the step's sum."""
    requirement: Requirement
    wishes: frozenset[str]
    priority: int
    own_priority: int
    stands: bool
    """Is in the ready index."""
    gated: bool = False
    """Its job had a limit from the beginning (`gates.py`)."""
    running: int | None = None
    """How many were given away and have not come back, about; None: nobody counts (`queue_mode.py`)."""
    served_at: int = 0
    """When it last gave something away, where that is noted."""

    @property
    def given(self) -> int:
        """Every index below is given away, or to be written as canceled: a closed one leaves no window half begun."""
        reached = rounded_up(self.next) if self.status is CursorStatus.CLOSED else self.next
        return min(reached, self.end)

    @property
    def spent(self) -> bool:
        return self.given >= self.end

    @property
    def over(self) -> bool:
        """Nothing of it will be given away any more, and the step's sum knows."""
        return self.spent or self.left is not None

    @property
    def begun_windows(self) -> range:
        """The windows that what is given away belongs to."""
        return range(window_of(self.first), window_of(rounded_up(self.given)))

    @property
    def unbegun_from(self) -> int:
        """The first window that nothing was given away of."""
        return max(self.windows, self.begun_windows.stop)

    @property
    def unbegun(self) -> int:
        """How many tasks belong to no window yet."""
        return self.end - min(self.end, first_of(self.unbegun_from))


def shards_for(count: int, per_shard: int, most: int) -> int:
    """How many cursors a step of so many tasks gets: at least one window for each."""
    return max(1, min(most, count // per_shard, window_of(rounded_up(count))))


def cut(count: int, shards: int) -> Iterator[tuple[int, int]]:
    """[first, end) of each shard: equal shares in whole windows."""
    windows = window_of(rounded_up(count))
    for shard in range(shards):
        first, end = (first_of(windows * part // shards) for part in (shard, shard + 1))
        yield first, min(end, count)
