"""Job types whose tasks are frames: those that were submitted, and those that were added since.

Each addition is a step of its own, after all that there were: no task changes its place, and a million frames are added
as fast as ten. Steps that follow wait for the added ones too, since they come after all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import Field, model_validator

from ..core.compiling import checked
from ..core.errors import BadInput
from ..core.plans import Addition, Expansion, StepPlan, TaskPlan
from .fields import FramesText, Limited
from .frame_ranges import Chunks, FrameRange, Frames, parse_frames, split

MOST_ADDITIONS = 100


class FramedSettings(Limited):
    frames: FramesText
    """Such as `1-250, 300, 310-320x2`."""
    chunk: int = Field(default=1, ge=1)
    """Frames in one task, at most."""
    added: list[FramesText] = Field(default=[], max_length=MOST_ADDITIONS, json_schema_extra={"readOnly": True})
    """What was added since the job was submitted, in that order."""

    @model_validator(mode="after")
    def every_frame_is_named_once(self) -> FramedSettings:
        assert self.all_frames
        return self

    @cached_property
    def all_frames(self) -> Frames:
        return parse_frames(",".join([self.frames, *self.added]))

    @cached_property
    def pieces(self) -> Sequence[Frames]:
        """The frames of each step."""
        return [parse_frames(text) for text in (self.frames, *self.added)]

    def steps(self, name: str) -> Mapping[str, Chunks]:
        """Step name -> what it renders."""
        names = [name, *(f"{name}-{number + 2}" for number in range(len(self.added)))]
        return {each: Chunks(frames, self.chunk) for each, frames in zip(names, self.pieces, strict=True)}


def frame_step(name: str, chunks: Chunks, task: Callable[[FrameRange], TaskPlan]) -> StepPlan:
    expansion = Expansion(len(chunks), lambda index: task(chunks[index]), alike=True)
    return StepPlan(name, lambda results: expansion, publishes=True)


class FramedType:
    """What `frames` and `blender-render` have in common: `core.plans.Framed`."""

    framed_step: str
    """The name of the step of those frames that were submitted."""

    def add_frames(self, settings: Any, text: str) -> Addition:
        wanted = _parsed(text)
        new, there = split(wanted, self._model(settings).all_frames)
        if not new.ranges:
            return Addition(settings, None, str(there))
        added = settings.get("added", [])
        if len(added) == MOST_ADDITIONS:
            raise BadInput(f"frames were added {MOST_ADDITIONS} times; submit a new job for more", field="frames")
        longer = settings | {"added": [*added, str(new)]}
        try:
            self._model(longer)
        except BadInput as refused:
            raise BadInput(refused.message.removeprefix("settings: "), field="frames") from None
        return Addition(longer, str(new), str(there) or None)

    def tasks_of_frames(self, settings: Any, text: str) -> Mapping[str, Sequence[range]]:
        wanted, model = _parsed(text), self._model(settings)
        unknown, _ = split(wanted, model.all_frames)
        if unknown.ranges:
            raise BadInput(
                f"the job has no frames {str(unknown)[:200]}; it has {str(model.all_frames)[:200]}", field="frames"
            )
        found = {name: chunks.indices_of(wanted) for name, chunks in model.steps(self.framed_step).items()}
        return {name: indices for name, indices in found.items() if indices}

    def _model(self, settings: Any) -> FramedSettings:
        model, _ = checked(self, settings)  # type: ignore[arg-type]  # the job types are JobType too
        assert isinstance(model, FramedSettings)
        return model


def _parsed(text: str) -> Frames:
    try:
        return parse_frames(text)
    except ValueError as wrong:
        raise BadInput(f"frames: {wrong}", field="frames") from None
