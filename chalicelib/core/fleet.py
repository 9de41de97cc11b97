"""How many machines a fleet should have, and which of them go: a pure decision, made anew each minute.

    queued work, machines, what was spent ──decide──▶ desired number, who goes, why in words

Promises: never more machines than `most`, nor more than the hourly cap pays for; a machine that runs a task is never
sent away; growth is at once, shrinking only when fewer would have done for the whole cool-down since the last growth; a
fleet without work comes down to nothing.

A machine goes in two steps, so that no task is lost between "it is idle" and "it is gone": its worker is asked to sign
off once it has nothing to do (from then on no claim gives it a task), and only a machine whose worker has signed off
is terminated. The group itself may choose none: all its machines are protected from scale-in for good.

Money is counted in integers: machine-milliseconds of this clock hour, times the price. A machine counts from the look
that first sees it to the look that misses it, a minute off at either end, which evens out.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

HOUR_MS = 3600_000


class State(enum.Enum):
    """What a machine of the fleet is doing, as farm and group know together."""

    STARTING = "starting"
    """In the group, and its worker has not called yet."""
    IDLE = "idle"
    BUSY = "busy"
    """Its worker holds tasks."""
    GOING = "going"
    """Its worker was asked to sign off."""
    GONE = "gone"
    """Its worker has signed off, or is broken: it may be terminated."""
    SILENT = "silent"
    """Its worker has not called for too long, or never did: as gone."""
    ENDING = "ending"
    """The group is terminating it. It is still paid for."""


@dataclass(frozen=True)
class Rules:
    """What the operator allows. Money in millionths of a dollar."""

    most: int
    price: int
    """Of one machine for one hour: the dearest that the group may start."""
    hourly_cap: int
    cool_down_ms: int
    tasks_each: int = 1
    """A machine more is started for each so many tasks."""


@dataclass(frozen=True)
class Seen:
    """What is true now."""

    now: int
    queued: int
    """Tasks that wait and that the fleet could run; counting may stop at `enough`."""
    held: int
    """Tasks that the fleet's machines run; not those that go, or are ended, which are no capacity either."""
    desired: int
    """What the group has been told."""
    machines: Mapping[str, State]


@dataclass(frozen=True)
class Memory:
    """What is kept from one look to the next."""

    looked_at: int = 0
    paid: int = 0
    """Machines at the last look."""
    spent_ms: int = 0
    """Machine-milliseconds of the clock hour of `looked_at`."""
    grown_at: int | None = None
    surplus_since: int | None = None
    """Since when fewer machines would do."""
    peak: int = 0
    """The most that were needed since then."""
    first_seen: Mapping[str, int] = field(default_factory=dict)
    """Of the machines there are, and of those that are gone while the farm still knows their workers."""


@dataclass(frozen=True)
class Decision:
    desired: int
    terminate: tuple[str, ...]
    """Machines that have no worker any more; each counts in `desired` no longer."""
    ask_to_go: tuple[str, ...]
    reason: str
    memory: Memory


def enough(rules: Rules) -> int:
    """More queued tasks than this change nothing; people may want to know whether it is three or a hundred."""
    return max(100, rules.most * rules.tasks_each)


def spent(memory: Memory, now: int) -> int:
    """Machine-milliseconds of this clock hour so far."""
    hour = now - now % HOUR_MS
    since = max(memory.looked_at, hour)
    before = memory.spent_ms if memory.looked_at >= hour else 0
    return before + memory.paid * max(0, now - since)


def affordable(rules: Rules, spent_ms: int, now: int) -> int:
    """Machines that may run from now on: at no time more than the cap pays for in a whole hour, so that the next hour
    begins within it, and no more than what is left of this one pays for."""
    left_ms = HOUR_MS - now % HOUR_MS
    left = (rules.hourly_cap * HOUR_MS - spent_ms * rules.price) // (rules.price * left_ms)
    return max(0, min(rules.hourly_cap // rules.price, left))


def decide(rules: Rules, seen: Seen, memory: Memory) -> Decision:
    return _Look(rules, seen, memory).decision()


class _Look:
    """The numbers of one look, each named once."""

    def __init__(self, rules: Rules, seen: Seen, memory: Memory) -> None:
        self.rules, self.seen, self.memory = rules, seen, memory
        self.states = Counter(seen.machines.values())
        self.spent_ms = spent(memory, seen.now)
        self.terminate = (*self._in(State.GONE), *self._in(State.SILENT))
        there = len(seen.machines) - self.states[State.ENDING]
        after = max(seen.desired, there) - len(self.terminate)
        self.going = self.states[State.GOING]
        self.capacity = after - self.going
        """Machines that work or are about to, those that the group has yet to start included."""
        self.unfilled = after - (there - len(self.terminate))
        self.busy = self.states[State.BUSY]
        self.needed = max(self.busy, math.ceil((seen.queued + seen.held) / rules.tasks_each))
        self.affordable = affordable(rules, self.spent_ms, seen.now)
        # What ends is paid for until it has ended.
        ending = self.states[State.ENDING] + len(self.terminate)
        self.room = max(0, min(rules.most, self.affordable) - ending - self.going)
        self.target = min(self.needed, self.room)

    def decision(self) -> Decision:
        memory = self._remembered()
        if self.target > self.capacity:
            grown = replace(memory, grown_at=self.seen.now, surplus_since=None, peak=0)
            return self._become(self.target, (), self._why("grows"), grown)
        if self.target == self.capacity:
            return self._become(self.capacity, (), self._why("stays"), replace(memory, surplus_since=None, peak=0))
        return self._shrunk(memory)

    def _shrunk(self, memory: Memory) -> Decision:
        """Fewer would do. What money forbids goes at once, the rest when it was not needed for a cool-down."""
        now = self.seen.now
        since = memory.surplus_since if memory.surplus_since is not None else now
        peak = max(memory.peak if memory.surplus_since is not None else 0, self.target)
        calm = now - max(since, memory.grown_at or 0) >= self.rules.cool_down_ms
        floor = max(self.busy, min(peak, self.room) if calm else self.room)
        drop = max(0, self.capacity - floor)
        unfilled = min(drop, self.unfilled)
        leaving = self._in(State.IDLE)[: drop - unfilled]
        if calm and unfilled + len(leaving) == drop:
            since, peak = now, self.target
        memory = replace(memory, surplus_since=since, peak=peak)
        why = self._why("shrinks") if drop else self._why("waits", since)
        return self._become(self.capacity - unfilled, leaving, why, memory)

    def _become(self, capacity: int, leaving: tuple[str, ...], reason: str, memory: Memory) -> Decision:
        """`leaving` ones are in the group until their workers have signed off."""
        return Decision(min(self.rules.most, capacity + self.going), self.terminate, leaving, reason, memory)

    def _in(self, state: State) -> tuple[str, ...]:
        return tuple(sorted(name for name, its in self.seen.machines.items() if its is state))

    def _remembered(self) -> Memory:
        first_seen = {name: self.memory.first_seen.get(name, self.seen.now) for name in self.seen.machines}
        return replace(
            self.memory,
            looked_at=self.seen.now,
            paid=len(self.seen.machines),
            spent_ms=self.spent_ms,
            first_seen=first_seen,
        )

    def _why(self, what: str, since: int | None = None) -> str:
        """`what`: grows, stays, shrinks, waits."""
        more = " or more" if self.seen.queued >= enough(self.rules) else ""
        text = f"{self.seen.queued}{more} queued, {self.seen.held} running: {_machines(self.needed)} would do"
        if self.target < self.needed:
            text += f", {self._limit()}"
        if self.states[State.SILENT]:
            text += f"; {_machines(self.states[State.SILENT])} without contact"
        if what == "shrinks":
            text += "; what is idle goes"
        if since is not None:
            left_ms = self.rules.cool_down_ms - (self.seen.now - max(since, self.memory.grown_at or 0))
            idle = f"; idle ones may go in {left_ms // 1000} s" if left_ms > 0 else "; all work, or have just started"
            text += idle
        return text

    def _limit(self) -> str:
        if self.affordable < self.rules.most:
            spent_dollars = self.spent_ms * self.rules.price / HOUR_MS / 1e6
            return (
                f"but the cap of ${self.rules.hourly_cap / 1e6:g} an hour pays for {self.affordable} "
                f"(${spent_dollars:.2f} of this hour is spent)"
            )
        return f"but {self.rules.most} is the most"


def _machines(count: int) -> str:
    return "1 machine" if count == 1 else f"{count} machines"
