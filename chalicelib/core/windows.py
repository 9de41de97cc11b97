"""What is done: windows of a hundred task indices, each with one grow-only set of marks.

A mark is (generation, kind, slot) in one number. A slot's state is its *greatest* mark, by generation and then by
kind. Marks are only ever added, and adding one twice, late or out of order changes nothing: so the request path, the
event feed and the sweep may all add the marks of what they see (`marks_of`), and crash anywhere, without counting
anything twice or losing it. Variants that remove members close windows too early; see docs/architecture.md.

A requeue adds `VOID` at the task's generation before the task itself moves on to the next generation. `version` rises
with each void, and closing a window is conditional on it: a window never closes over a slot that is to run again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from .lifecycle import ENDED_TASKS, TaskStatus
from .model import JobId, Task
from .records.keys import WINDOW


class Mark(IntEnum):
    """Kinds, in the order in which one generation can see them."""

    RELEASED = 0
    """Its parents are done; it stands in its lane."""
    STARTED = 1
    RETURNED = 2
    """The attempt ended without ending the task."""
    COMPLETED = 3
    FAILED = 4
    CANCELED = 5
    VOID = 6
    """Whatever ended at this generation does not count: the task is to run again."""


_END_MARK = {
    TaskStatus.COMPLETED: Mark.COMPLETED,
    TaskStatus.FAILED: Mark.FAILED,
    TaskStatus.CANCELED: Mark.CANCELED,
}
_STATE_OF = {
    Mark.RELEASED: TaskStatus.QUEUED,
    Mark.STARTED: TaskStatus.ACTIVE,
    Mark.RETURNED: TaskStatus.QUEUED,
    Mark.COMPLETED: TaskStatus.COMPLETED,
    Mark.FAILED: TaskStatus.FAILED,
    Mark.CANCELED: TaskStatus.CANCELED,
}


_ENDS = frozenset({Mark.COMPLETED, Mark.FAILED, Mark.CANCELED})


def member(generation: int, mark: Mark, slot: int) -> int:
    return (generation * 8 + mark) * 128 + slot


def window_of(index: int) -> int:
    """The number of the window that an index belongs to."""
    return index // WINDOW


def first_of(number: int) -> int:
    """The first index of a window."""
    return number * WINDOW


def rounded_up(index: int) -> int:
    """The next window boundary: the index itself if it is one."""
    return -(-index // WINDOW) * WINDOW


def marks_of(task: Task) -> frozenset[int]:
    """The marks that are true of this task as it stands."""
    slot = task.index % WINDOW
    if task.status in ENDED_TASKS:
        kinds = [_END_MARK[task.status]]
    elif task.status is TaskStatus.ACTIVE:
        kinds = [Mark.STARTED]
    elif task.status is TaskStatus.WAITING:
        kinds = [Mark.RETURNED] if task.deferred_until is not None else []
    else:
        kinds = [Mark.RELEASED] + ([Mark.RETURNED] if task.attempts else [])
    return frozenset(member(task.generation, kind, slot) for kind in kinds)


def void_mark(task: Task) -> int:
    return member(task.generation, Mark.VOID, task.index % WINDOW)


@dataclass(frozen=True)
class Window:
    """A hundred indices (or what is left of the count) of one step."""

    job: JobId
    step: int
    number: int
    size: int
    version: int
    waits: frozenset[int]
    """Slots whose task starts as waiting for parents."""
    marks: frozenset[int]
    shut: bool

    def states(self) -> list[TaskStatus]:
        """Each slot's status, as far as the marks tell. Paused shows as queued: that is the job's to say."""
        return [self._state(slot, rank) for slot, rank in enumerate(self._ranks())]

    def _ranks(self) -> list[int]:
        """Each slot's greatest mark, without the slot."""
        greatest = [-1] * self.size
        for mark in self.marks:
            slot = mark % 128
            greatest[slot] = max(greatest[slot], mark // 128)
        return greatest

    def _state(self, slot: int, rank: int) -> TaskStatus:
        if rank < 0 or rank % 8 == Mark.VOID:
            return TaskStatus.WAITING if slot in self.waits else TaskStatus.QUEUED
        return _STATE_OF[Mark(rank % 8)]

    def counts(self) -> Counter[TaskStatus]:
        return Counter(self.states())

    @property
    def full(self) -> bool:
        """Every task of it has ended."""
        if len(self.marks) < self.size:  # there is none for some slot
            return False
        return all(rank >= 0 and rank % 8 in _ENDS for rank in self._ranks())

    @property
    def has_unfit(self) -> bool:
        """The last that was heard of some task is that it failed or was canceled, or that it is to run again."""
        return any(rank >= 0 and rank % 8 in (Mark.FAILED, Mark.CANCELED, Mark.VOID) for rank in self._ranks())

    @property
    def indices(self) -> range:
        return range(first_of(self.number), first_of(self.number) + self.size)

    @property
    def all_completed(self) -> bool:
        return all(state is TaskStatus.COMPLETED for state in self.states())

    def unmarked(self) -> Iterable[int]:
        """Indices of which no mark has come yet."""
        marked = {mark % 128 for mark in self.marks}
        return (index for slot, index in enumerate(self.indices) if slot not in marked)


def window(job: JobId, step: int, count: int, number: int) -> Window:
    """A new window of a step of `count` tasks: nothing has happened in it."""
    size = min(WINDOW, count - first_of(number))
    return Window(job, step, number, size, version=0, waits=frozenset(), marks=frozenset(), shut=False)


def window_sizes(count: int) -> Iterable[tuple[int, int]]:
    """(window number, size) for a step of this many tasks."""
    for number in range(window_of(rounded_up(count))):
        yield number, min(WINDOW, count - first_of(number))
