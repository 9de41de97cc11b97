"""Job type `frames`: any program with a command line, once for each frame or chunk of frames.

A command with `{frame}` runs for each frame of its chunk, one with `{start}` and `{end}` once for the chunk. It runs in
the folder of its input files (`{input}`), unless a folder on shared storage is named. What it puts into `{output}` and
fits the patterns comes back under its name there; a chunk that leaves nothing of the kind has failed.

With `then` further commands follow frame by frame: a chunk of a later step begins when the chunks of the step before
that have a frame in common with it are done, and finds their files in `{input}`. Frames that are added to such a job
are a chain of steps of their own, beside those that there were: no task of those waits for them, or gets other files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, model_validator

from ..core.model import BlobId, Requirement
from ..core.plans import StepPlan, TaskPlan, Trail
from .command import MOST_BYTES, TASK_TYPE, Word
from .fields import BlobRef, FileName, FramesText, Limited, Name, Pattern, StoragePath, blob_id, manifest_of
from .frame_ranges import Chunks, FrameRange, parse_frames
from .frame_template import EACH_FRAME, WHOLE_CHUNK, placeholders_in
from .frame_trails import MOST_UNCOVERED, is_covered, trail
from .framed import MOST_ADDITIONS, FramedSettings, FramedType, frame_step

MOST_CHUNK = 100_000
MOST_CHUNK_WITH_FILES = 1_000
"""Frames of a task that gets the files of others: they are named in its item."""
MOST_STEPS = 10
LARGEST_SHIFT = 1_000_000
FIRST = "frames"
"""The first step's name."""
INPUT, OUTPUT = "input", "output"
"""The folders of a task, in its work folder."""


def _template(words: list[str]) -> list[str]:
    placeholders_in(words)
    return words


class FrameCommand(Limited):
    """A command for frames: the first step of a job, or a later one."""

    frames: FramesText | None = None
    """Such as `1-250, 300, 310-320x2`. None: those of the job."""
    chunk: int = Field(default=1, ge=1, le=MOST_CHUNK)
    """Frames in one task, at most."""
    command: Annotated[list[Word], Field(min_length=1, max_length=1_000), AfterValidator(_template)]
    """The program and its arguments, with placeholders: no shell, no splitting."""
    inputs: dict[FileName, BlobRef] = Field(default={}, max_length=1_000)
    """Files laid into `{input}` before the command runs."""
    manifest: BlobRef | None = None
    """A manifest whose files are laid into `{input}` too."""
    outputs: list[Pattern] | None = Field(default=None, max_length=20)
    """Which files of `{output}` come back, such as `*.png`; `**` is any number of folders. None: all, if the command
    names `{output}`; else none."""
    folder: StoragePath | None = None
    """Where the command runs, on storage that every worker sees. None: in `{input}`."""

    @model_validator(mode="after")
    def fits_together(self) -> FrameCommand:
        size = sum(len(word.encode("utf-8", "surrogatepass")) for word in self.command)
        if size > MOST_BYTES:
            raise ValueError(f"the words of the command have {size:,} bytes together, at most {MOST_BYTES:,} fit")
        names = placeholders_in(self.command)
        _check_numbers(names, self)
        if self.outputs and OUTPUT not in names:
            raise ValueError("outputs are wanted, but the command does not say {output}, where they must be put")
        return self

    @property
    def stepped(self) -> FrameRange | None:
        """A range that leaves frames out."""
        return parse_frames(self.frames).stepped if self.frames is not None else None

    def chunks(self, usual: str) -> Chunks:
        """`usual`: the job's frames."""
        return Chunks(parse_frames(self.frames or usual), self.chunk)

    @property
    def patterns(self) -> Sequence[str]:
        """Which files come back."""
        if self.outputs is not None:
            return self.outputs
        return ["**"] if OUTPUT in placeholders_in(self.command) else []


class LaterStep(FrameCommand):
    """A command that follows the step before it frame by frame."""

    name: Name | None = None
    """What people see of it. None: `then 1` and so on."""
    shift: int = Field(default=0, ge=-LARGEST_SHIFT, le=LARGEST_SHIFT)
    """Frame 10 needs frame 10 + `shift` of the step before. Frames that it does not have need nothing."""
    keep: bool = False
    """Its files are the job's files too, though it is not the last step."""


class FramesSettings(FrameCommand, FramedSettings):
    frames: FramesText
    """Such as `1-250, 300, 310-320x2`."""
    then: list[LaterStep] = Field(default=[], max_length=MOST_STEPS - 1)
    """Further steps, each of which follows the one before it frame by frame and gets its files in `{input}`."""
    keep: bool = False
    """The files of the first step are the job's files too, though others follow."""

    @property
    def stepped(self) -> FrameRange | None:
        return self.all_frames.stepped

    @model_validator(mode="after")
    def steps_fit_together(self) -> FramesSettings:
        names = [name for first in self.steps(FIRST) for name in self.names_of(first)]
        if len(set(names)) < len(names):
            raise ValueError(f"steps need different names, and the first is called {FIRST!r}; these are {names}")
        if len(self.added) > (most := MOST_ADDITIONS // (1 + len(self.then))):  # each of its ends reads all its steps
            raise ValueError(
                f"frames are added {most} times at most to a job with {len(self.then)} steps behind `then`"
            )
        for name, step in zip(names[1:], self.then, strict=False):
            if self.added and (step.frames is not None or step.shift):
                what = "has frames of its own" if step.frames is not None else "is shifted against the one before"
                raise ValueError(
                    f"frames cannot be added where a later step ({name!r}) {what}; submit a new job for them"
                )
        for frames in (self.frames, *self.added):
            before: FrameCommand = self.model_copy(update={"frames": frames})
            for name, step in zip(names[1:], self.then, strict=False):
                _check_step(name, step, before, frames)
                before = step
        return self

    def names_of(self, first: str) -> Sequence[str]:
        """Of a chain of steps, by the name of its first: `frames`, or `frames-2` for what was added first."""
        part = first.removeprefix(FIRST)
        return [first, *(f"{step.name or f'then {number}'}{part}" for number, step in enumerate(self.then, start=1))]


def _check_step(name: str, step: LaterStep, before: FrameCommand, usual: str) -> None:
    if step.frames is None:
        _check_numbers(placeholders_in(step.command), step.model_copy(update={"frames": usual}))
    if before.patterns and step.chunk > MOST_CHUNK_WITH_FILES:
        raise ValueError(
            f"step {name!r} gets the files of the step before it, so its chunk may be {MOST_CHUNK_WITH_FILES:,} frames "
            f"at most, not {step.chunk:,}"
        )
    frames = parse_frames(step.frames or usual)
    many = len(Chunks(frames, step.chunk)) > MOST_UNCOVERED
    if many and not is_covered(frames, parse_frames(before.frames or usual), step.shift):
        raise ValueError(
            f"step {name!r} has frames that the step before it has not; a step of more than {MOST_UNCOVERED:,} tasks "
            "must follow one that has them all"
        )


def _check_numbers(names: frozenset[str], settings: FrameCommand) -> None:
    if names & EACH_FRAME and names & WHOLE_CHUNK:
        raise ValueError(
            "the command says both {frame} (run for each) and {start} or {end} (run once for all); choose one"
        )
    if names & EACH_FRAME:
        return
    if not {"start", "end"} <= names:
        raise ValueError("the command names no frame: write {frame}, or {start} and {end}, where its number belongs")
    stepped = settings.stepped
    if stepped is not None and settings.chunk > 1 and "step" not in names:
        raise ValueError(
            f"{stepped} leaves frames out, which {{start}} and {{end}} do not tell; say {{step}} too, or {{frame}}"
        )


class Frames(FramedType):
    name = framed_step = "frames"
    settings: type[BaseModel] = FramesSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, FramesSettings)
        firsts = zip(settings.steps(FIRST), (settings.frames, *settings.added), strict=True)
        return [step for first, frames in firsts for step in _chain(settings, settings.names_of(first), frames)]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        assert isinstance(settings, FramesSettings)
        found = {f"settings.inputs.{name}": blob_id(blob) for name, blob in settings.inputs.items()}
        found |= manifest_of(settings.manifest)
        for number, step in enumerate(settings.then):
            where = f"settings.then.{number}"
            found |= {f"{where}.inputs.{name}": blob_id(blob) for name, blob in step.inputs.items()}
            found |= {f"{where}.manifest": blob for blob in manifest_of(step.manifest).values()}
        return found


def _chain(settings: FramesSettings, names: Sequence[str], frames: str) -> Sequence[StepPlan]:
    """The first step for these frames, and those that follow it."""
    last = len(settings.then)
    before: FrameCommand = settings.model_copy(update={"frames": frames})
    steps = [_step(names[0], settings, before.chunks(frames), None, publishes=settings.keep or not last)]
    for number, step in enumerate(settings.then, start=1):
        follows = _trail(names[number - 1], before, step, frames)
        publishes = step.keep or number == last
        steps.append(_step(names[number], step, step.chunks(frames), follows, publishes=publishes))
        before = step
    return steps


def _trail(name: str, before: FrameCommand, step: LaterStep, usual: str) -> Trail:
    return trail(
        name,
        parse_frames(step.frames or usual),
        step.chunk,
        parse_frames(before.frames or usual),
        before.chunk,
        shift=step.shift,
        files_into=INPUT if before.patterns else None,
    )


def _step(name: str, settings: FrameCommand, chunks: Chunks, follows: Trail | None, *, publishes: bool) -> StepPlan:
    inputs = tuple((f"{INPUT}/{name}", blob_id(blob)) for name, blob in settings.inputs.items())
    if settings.manifest is not None:
        inputs = ((f"{INPUT}/", blob_id(settings.manifest)), *inputs)
    outputs = tuple(f"{OUTPUT}/./{pattern}" for pattern in settings.patterns)

    def task(chunk: FrameRange) -> TaskPlan:
        run = {"argv": settings.command, "first": chunk.first, "last": chunk.last, "step": chunk.step}
        where = {} if settings.folder is None else {"folder": settings.folder}
        return TaskPlan(
            name=chunk_name(chunk),
            requirement=Requirement(TASK_TYPE),
            commands=({"name": "run_frames", "settings": {**run, **where}},),
            inputs=inputs,
            outputs=outputs,
            max_seconds=settings.max_seconds,
            idle_seconds=settings.idle_seconds,
        )

    return replace(frame_step(name, chunks, task), publishes=publishes, trail=follows)


def chunk_name(chunk: FrameRange) -> str:
    """What a person sees: `frame 7`, `frames 1-5`."""
    return f"frame{'' if chunk.count == 1 else 's'} {chunk}"
