"""Which tasks of a step have completed, by the marks in its windows: what a step that trails it asks all the time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from .lifecycle import TaskStatus
from .model import Step
from .records.windows import WindowRecords
from .windows import Window, first_of, window_of

AT_ONCE = 33
"""Windows in one read."""
KEPT = 2_048


class Completed:
    """One look: each window is read once at most, when it is asked for. What had completed before the look was made is
    seen; what completes later may be."""

    def __init__(self, windows: WindowRecords, step: Step, known: Window | None = None) -> None:
        self._windows = windows
        self._step = step
        self._slots: OrderedDict[int, int] = OrderedDict()
        """Window number -> its completed slots, as bits."""
        self._first = [] if known is None else [known.number]
        if known is not None:
            self._keep(known.number, known)

    def has(self, ranges: Sequence[range]) -> bool:
        """All of these have completed. Windows that are known already are asked first, then the last ones: tasks are
        given away in order, so those lack something the longest."""
        if self._step.count == 0:
            return not ranges
        wanted = _slots_of(ranges)
        if any(slots & ~self._slots[number] for number, slots in wanted.items() if number in self._slots):
            return False
        unknown = sorted((number for number in wanted if number not in self._slots), reverse=True)
        for some in _portions(unknown):
            self._read(some)
            if any(wanted[number] & ~self._slots[number] for number in some):
                return False
        return True

    def _read(self, numbers: Sequence[int]) -> None:
        found = dict(zip(numbers, self._windows.numbered(self._step, numbers), strict=True))
        missed = [number for number, window in found.items() if window is None]
        if missed:  # one that is just being shut may have been on neither side; it does not move twice
            found |= zip(missed, self._windows.numbered(self._step, missed), strict=True)
        for number, window in found.items():
            self._keep(number, window)

    def _keep(self, number: int, window: Window | None) -> None:
        states = window.states() if window is not None else ()
        self._slots[number] = sum(1 << slot for slot, state in enumerate(states) if state is TaskStatus.COMPLETED)
        while len(self._slots) > KEPT:
            self._slots.popitem(last=False)


def _slots_of(ranges: Iterable[range]) -> dict[int, int]:
    """Window number -> which of its slots are meant, as bits."""
    found: dict[int, int] = {}
    for indices in ranges:
        at = indices.start
        while at < indices.stop:
            number = window_of(at)
            stop = min(indices.stop, first_of(number + 1))
            bits = ((1 << (stop - at)) - 1) << (at - first_of(number))
            found[number] = found.get(number, 0) | bits
            at = stop
    return found


def _portions(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """The first by itself: mostly it answers the question."""
    yield from (numbers[:1],) if numbers else ()
    for start in range(1, len(numbers), AT_ONCE):
        yield numbers[start : start + AT_ONCE]
