"""Visits every state that a model can reach, breadth first, so that what is found is found in the fewest steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
Moves = Callable[[S], Iterable[tuple[str, S]]]
"""The named steps from a state. Raises Broken for a step that breaks a promise."""


class Broken(Exception):
    """A promise is broken in this state or by this step."""


@dataclass(frozen=True)
class Explored(Generic[S]):
    states: int
    steps: int
    stuck: int
    """States from which no end can be reached."""


def explore(start: S, moves: Moves[S], check: Callable[[S], None], is_end: Callable[[S], bool]) -> Explored[S]:
    """Visit all. Raises Broken with the shortest story that leads to it."""
    came_from: dict[S, tuple[S, str] | None] = {start: None}
    sources: dict[S, list[S]] = {}
    waiting, steps = deque([start]), 0
    while waiting:
        state = waiting.popleft()
        try:
            check(state)
            for name, after in moves(state):
                steps += 1
                if after not in came_from:
                    came_from[after] = (state, name)
                    waiting.append(after)
                sources.setdefault(after, []).append(state)
        except Broken as broken:
            raise Broken(f"{broken}, after: {', '.join(_story(state, came_from))}") from None
    return Explored(len(came_from), steps, len(came_from) - _can_end(came_from, sources, is_end))


def _story(state: S, came_from: dict[S, tuple[S, str] | None]) -> list[str]:
    names = []
    while (before := came_from[state]) is not None:
        state, name = before
        names.append(name)
    return names[::-1]


def _can_end(states: Iterable[S], sources: dict[S, list[S]], is_end: Callable[[S], bool]) -> int:
    """How many states have a way to an end."""
    reached = {state for state in states if is_end(state)}
    waiting = list(reached)
    while waiting:
        for source in sources.get(waiting.pop(), ()):
            if source not in reached:
                reached.add(source)
                waiting.append(source)
    return len(reached)
