"""Rounds of calls to workers that are pushed to: each room that has such workers adds its round to `PUSH_ROUNDS`.

A round looks at what is true now and calls whom it must; it may be repeated, and one that fails is logged and comes
again. The embedded farm runs the rounds in its elected process, each second and as soon as somebody rings `TOPIC`. On
AWS, where the operator has allowed networks, the minute's schedule runs them each second of most of the minute.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..core.errors import Unavailable
from ..core.farm import Farm
from ..edge.push import Pusher

TOPIC = "push"
"""Ring it (`farm.bell.ring(TOPIC)`) when there may be something to push: a new job, a worker that has become idle."""
EVERY_SECONDS = 1.0

Round = Callable[[Farm, Pusher], object]

PUSH_ROUNDS: list[Round] = []

log = logging.getLogger(__name__)


def push(farm: Farm, pusher: Pusher) -> None:
    """All rounds once; one that fails does not keep the others from their turn."""
    for push_round in PUSH_ROUNDS:
        try:
            push_round(farm, pusher)
        except Exception:
            log.exception("A round of pushes failed", extra={"action": "push_failed", "round": push_round.__module__})


def push_when_told(farm: Farm, pusher: Pusher) -> None:
    """All rounds once, then wait for the bell or a second: what the embedded farm's timer calls without a pause."""
    with farm.bell.waiter([TOPIC]) as waiter:
        push(farm, pusher)
        try:
            if waiter.wait(EVERY_SECONDS):
                waiter.used()
        except Unavailable:
            return  # the farm is stopping


def push_for(farm: Farm, pusher: Pusher, seconds: float) -> None:
    """Rounds for so long: for a process that nobody keeps running, but that is woken now and then (Lambda)."""
    ends_at = farm.clock.now() + int(seconds * 1000)
    while farm.clock.now() < ends_at:
        push_when_told(farm, pusher)
