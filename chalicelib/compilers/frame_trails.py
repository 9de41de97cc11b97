"""Frame after frame between two steps: a chunk of the later one needs those chunks of the earlier one that have a frame
in common with it, or with it shifted by some frames. Frames that the earlier step does not have need nothing."""

from __future__ import annotations

from ..core.plans import Trail
from .frame_ranges import Chunks, Frames, split

MOST_UNCOVERED = 100_000
"""Tasks of a step of which some need nothing: those are looked for one by one when it is opened."""


def is_covered(frames: Frames, source: Frames, shift: int) -> bool:
    """The earlier step has every frame that these need."""
    if shift == 0 and frames == source:
        return True
    lacking, _ = split(Frames(tuple(one.shifted(shift) for one in frames.ranges)), source)
    return not lacking.ranges


def trail(
    step: str, frames: Frames, chunk: int, source: Frames, source_chunk: int, *, shift: int, files_into: str | None
) -> Trail:
    """Frame `f` of the later step needs frame `f + shift` of the earlier one, which is called `step`."""
    own, earlier = Chunks(frames, chunk), Chunks(source, source_chunk)
    return Trail(
        step,
        sources=lambda index: earlier.sharing(own[index].shifted(shift)),
        targets=lambda index: own.sharing(earlier[index].shifted(-shift)),
        covered=is_covered(frames, source, shift),
        files_into=files_into,
    )
