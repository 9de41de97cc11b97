"""How long one call goes on with the work of one job. On Lambda a call that takes too long is cut off, so it stops by
itself between two windows of tasks and leaves the rest to an errand; on one machine a turn never ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from .farm import Farm


@dataclass(frozen=True)
class Turn:
    farm: Farm
    ends_at: int | None
    """Milliseconds since 1970."""

    @property
    def is_over(self) -> bool:
        return self.ends_at is not None and self.farm.clock.now() >= self.ends_at


def begin_turn(farm: Farm) -> Turn:
    if farm.errands is None:
        return Turn(farm, None)
    return Turn(farm, farm.clock.now() + int(farm.limits.settle_seconds * 1000))
