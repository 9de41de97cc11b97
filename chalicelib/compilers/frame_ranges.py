"""Frame ranges as people write them: `1-250, 300, 310-320x2`, without ever making a list of the frames.

- `5` is a frame, `1-250` a range with both ends, `310-320x2` every second frame of it (310, 312, … 320). Frames may be
  negative: `-10--5`. White space and line ends are free.
- Frames are rendered in the order written: `300, 1-250` does 300 first.
- A range that goes backwards is refused, and so is a frame that is named twice: it would be rendered twice, and one
  result would replace the other.
- Ranges that continue each other are one range: `1,2,3,4-10` is `1-10`.

Counting, and finding a frame or a chunk by its index, costs a bisection over the ranges, not over the frames.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import gcd, lcm

MOST_RANGES = 1_000
MOST_FRAMES = 1_000_000
LARGEST_FRAME = 9_999_999
_PART = re.compile(r"(-?\d+)(?:\s*-\s*(-?\d+)(?:\s*x\s*(\d+))?)?")


@dataclass(frozen=True)
class FrameRange:
    """`first`, `first + step`, … `last`; `last` is one of them."""

    first: int
    last: int
    step: int = 1

    @property
    def count(self) -> int:
        return (self.last - self.first) // self.step + 1

    def part(self, begin: int, end: int) -> FrameRange:
        """Its frames number `begin` up to, not including, `end`."""
        first, last = self.first + begin * self.step, self.first + (end - 1) * self.step
        return FrameRange(first, last, self.step if first < last else 1)

    def shared_with(self, other: FrameRange) -> int | None:
        """The first frame that both have. Two progressions meet where the Chinese remainder theorem says, or never."""
        low, high = max(self.first, other.first), min(self.last, other.last)
        if low > high:
            return None
        common = gcd(self.step, other.step)
        if (other.first - self.first) % common:
            return None
        every = other.step // common
        turns = (other.first - self.first) // common * pow(self.step // common, -1, every) % every if every > 1 else 0
        meets, repeats = self.first + turns * self.step, self.step * every
        meets += max(0, -(-(low - meets) // repeats)) * repeats
        return meets if meets <= high else None

    def shared(self, other: FrameRange) -> FrameRange | None:
        """The frames that both have."""
        first = self.shared_with(other)
        if first is None:
            return None
        return _stepped(first, min(self.last, other.last), lcm(self.step, other.step))

    def shifted(self, frames: int) -> FrameRange:
        return FrameRange(self.first + frames, self.last + frames, self.step)

    def __str__(self) -> str:
        if self.first == self.last:
            return str(self.first)
        return f"{self.first}-{self.last}" + (f"x{self.step}" if self.step > 1 else "")


@dataclass(frozen=True)
class Frames:
    """The frames of a job, in the order in which they are wanted."""

    ranges: tuple[FrameRange, ...]

    @cached_property
    def count(self) -> int:
        return sum(one.count for one in self.ranges)

    @property
    def first(self) -> int:
        """The lowest."""
        return min(one.first for one in self.ranges)

    @property
    def last(self) -> int:
        """The highest."""
        return max(one.last for one in self.ranges)

    @property
    def stepped(self) -> FrameRange | None:
        """A range that leaves frames out, if there is one."""
        return next((one for one in self.ranges if one.step > 1), None)

    def __str__(self) -> str:
        return ",".join(map(str, self.ranges))


class Chunks:
    """Frames in pieces of at most `size`. A piece never reaches over the end of a range, so that it has one first
    frame, one last, and one step."""

    def __init__(self, frames: Frames, size: int) -> None:
        self._ranges, self._size = frames.ranges, size
        self._ends = list(accumulate(-(-one.count // size) for one in frames.ranges))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> FrameRange:
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = bisect_right(self._ends, index)
        whole = self._ranges[number]
        begin = (index - (self._ends[number - 1] if number else 0)) * self._size
        return whole.part(begin, min(begin + self._size, whole.count))

    def sharing(self, wanted: FrameRange) -> list[range]:
        """The indices, rising, of the pieces that have a frame of these."""
        found: list[range] = []
        for number, whole in enumerate(self._ranges):
            shared = whole.shared(wanted)
            if shared is None:
                continue
            before = self._ends[number - 1] if number else 0
            first, last = ((frame - whole.first) // whole.step for frame in (shared.first, shared.last))
            every = shared.step // whole.step if shared.count > 1 else 1
            if every <= self._size:  # no piece between them is stepped over
                found.append(range(before + first // self._size, before + last // self._size + 1))
            else:
                pieces = (before + position // self._size for position in range(first, last + 1, every))
                found += [range(piece, piece + 1) for piece in pieces]
        return found

    def indices_of(self, frames: Frames) -> list[range]:
        """The pieces that these frames belong to, in order; frames that are in none are passed over."""
        found: list[range] = []
        begins = [0, *self._ends]
        for wanted in frames.ranges:
            for begin, whole in zip(begins, self._ranges, strict=False):
                if wanted.first <= whole.last and whole.first <= wanted.last:
                    found += [range(begin + one.start, begin + one.stop) for one in self._pieces(whole, wanted)]
        return _united(found)

    def _pieces(self, whole: FrameRange, wanted: FrameRange) -> list[range]:
        low, high = max(whole.first, wanted.first), min(whole.last, wanted.last)
        if wanted.step == 1:
            first, last = -(-(low - whole.first) // whole.step), (high - whole.first) // whole.step
            return [range(first // self._size, last // self._size + 1)] if first <= last else []
        low += -(low - wanted.first) % wanted.step
        offsets = (frame - whole.first for frame in range(low, high + 1, wanted.step))
        numbers = sorted({offset // whole.step // self._size for offset in offsets if offset % whole.step == 0})
        return [range(number, number + 1) for number in numbers]


def _united(ranges: list[range]) -> list[range]:
    """Sorted; what touches is one."""
    united: list[range] = []
    for one in sorted(ranges, key=lambda each: each.start):
        if united and one.start <= united[-1].stop:
            united[-1] = range(united[-1].start, max(united[-1].stop, one.stop))
        else:
            united.append(one)
    return united


def split(wanted: Frames, there: Frames) -> tuple[Frames, Frames]:
    """What of the wanted frames is not there, and what is; each in the order wanted.

    A byte for each frame from the first wanted to the last, however many ranges there are.
    """
    low, high = wanted.first, wanted.last
    known = bytearray(high - low + 1)
    for one in there.ranges:
        first = one.first + max(0, -(-(low - one.first) // one.step)) * one.step
        last = min(one.last, high)
        if first <= last:
            known[first - low : last - low + 1 : one.step] = b"\1" * ((last - first) // one.step + 1)
    parts: dict[int, list[FrameRange]] = {0: [], 1: []}
    for one in wanted.ranges:
        marks = bytes(known[one.first - low : one.last - low + 1 : one.step])
        for run in re.finditer(b"\x00+|\x01+", marks):
            parts[marks[run.start()]].append(one.part(*run.span()))
    return Frames(tuple(_joined(parts[0]))), Frames(tuple(_joined(parts[1])))


def parse_frames(text: str) -> Frames:
    """Raises ValueError that names the bad part and says what would be right."""
    parts = [part.strip() for part in text.split(",")]
    if parts == [""]:
        raise ValueError("no frames are named; write for example 1-250, 300, 310-320x2")
    frames = Frames(tuple(_joined([_parsed(part) for part in parts])))
    if len(frames.ranges) > MOST_RANGES:
        raise ValueError(f"at most {MOST_RANGES:,} ranges, not {len(frames.ranges):,}")
    _refuse_repetitions(frames.ranges)
    if frames.count > MOST_FRAMES:
        raise ValueError(f"{frames.count:,} frames are more than the {MOST_FRAMES:,} that a job may have")
    return frames


def _parsed(part: str) -> FrameRange:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(f"{part!r} is no frame range; write 5, or 1-250, or 1-250x2 for every second frame")
    first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
    if first > last:
        raise ValueError(f"{part!r} goes backwards; write {last}-{first}" + (f"x{step}" if step > 1 else ""))
    if step < 1:
        raise ValueError(f"{part!r} has the step 0; write {first}-{last}, or x2 for every second frame")
    if max(abs(first), abs(last)) > LARGEST_FRAME:
        raise ValueError(f"{part!r} goes beyond frame {LARGEST_FRAME:,}")
    return _stepped(first, last, step)


def _stepped(first: int, last: int, step: int) -> FrameRange:
    """`1-10x4` ends at 9."""
    last -= (last - first) % step
    return FrameRange(first, last, step if first < last else 1)


def _joined(ranges: Sequence[FrameRange]) -> list[FrameRange]:
    joined: list[FrameRange] = []
    for one in ranges:
        before = joined[-1] if joined else None
        if before is not None and before.step == one.step == 1 and before.last + 1 == one.first:
            joined[-1] = FrameRange(before.first, one.last)
        else:
            joined.append(one)
    return joined


def _refuse_repetitions(ranges: Sequence[FrameRange]) -> None:
    """Only ranges that reach into each other are compared."""
    open_ranges: list[FrameRange] = []
    for one in sorted(ranges, key=lambda each: each.first):
        open_ranges = [other for other in open_ranges if other.last >= one.first]
        for other in open_ranges:
            if (frame := other.shared_with(one)) is not None:
                raise ValueError(f"frame {frame} is named twice, in {str(other)!r} and in {str(one)!r}; name it once")
        open_ranges.append(one)


def ranges_of(frames: Sequence[int]) -> Frames:
    """A list of frames, written as short as it can be read: [1, 2, 3, 7, 9, 11] is `1-3,7-11x2`."""
    found: list[FrameRange] = []
    at = 0
    while at < len(frames):
        end = _run(frames, at)
        # Two frames with a gap between them are no pattern.
        end = end if end - at > 2 or (end - at == 2 and frames[at + 1] == frames[at] + 1) else at + 1
        found.append(_stepped(frames[at], frames[end - 1], frames[at + 1] - frames[at] if end > at + 1 else 1))
        at = end
    return Frames(tuple(_joined(found)))


def _run(frames: Sequence[int], at: int) -> int:
    """Up to where the frames from `at` on rise by one step."""
    end = at + 1
    while end < len(frames) and frames[end] - frames[end - 1] == frames[at + 1] - frames[at] > 0:
        end += 1
    return end
