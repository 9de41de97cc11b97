"""Job type `frames`: any program with a command line, once for each frame or chunk of frames.

A command with `{frame}` runs for each frame of its chunk, one with `{start}` and `{end}` once for the chunk. It runs in
the folder of its input files (`{input}`), unless a folder on shared storage is named. What it puts into `{output}` and
fits the patterns comes back under its name there; a chunk that leaves nothing of the kind has failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, model_validator

from ..core.model import BlobId, Requirement
from ..core.plans import StepPlan, TaskPlan
from .command import MOST_BYTES, TASK_TYPE, Word
from .fields import BlobRef, FileName, Pattern, StoragePath, blob_id, manifest_of
from .frame_ranges import FrameRange
from .frame_template import EACH_FRAME, WHOLE_CHUNK, placeholders_in
from .framed import FramedSettings, FramedType, frame_step

MOST_CHUNK = 100_000
INPUT, OUTPUT = "input", "output"
"""The folders of a task, in its work folder."""


def _template(words: list[str]) -> list[str]:
    placeholders_in(words)
    return words


class FramesSettings(FramedSettings):
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
    def fits_together(self) -> FramesSettings:
        size = sum(len(word.encode("utf-8", "surrogatepass")) for word in self.command)
        if size > MOST_BYTES:
            raise ValueError(f"the words of the command have {size:,} bytes together, at most {MOST_BYTES:,} fit")
        names = placeholders_in(self.command)
        _check_numbers(names, self)
        if self.outputs and OUTPUT not in names:
            raise ValueError("outputs are wanted, but the command does not say {output}, where they must be put")
        return self


def _check_numbers(names: frozenset[str], settings: FramesSettings) -> None:
    if names & EACH_FRAME and names & WHOLE_CHUNK:
        raise ValueError(
            "the command says both {frame} (run for each) and {start} or {end} (run once for all); choose one"
        )
    if names & EACH_FRAME:
        return
    if not {"start", "end"} <= names:
        raise ValueError("the command names no frame: write {frame}, or {start} and {end}, where its number belongs")
    stepped = settings.all_frames.stepped
    if stepped is not None and settings.chunk > 1 and "step" not in names:
        raise ValueError(
            f"{stepped} leaves frames out, which {{start}} and {{end}} do not tell; say {{step}} too, or {{frame}}"
        )


class Frames(FramedType):
    name = framed_step = "frames"
    settings: type[BaseModel] = FramesSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, FramesSettings)
        inputs = tuple((f"{INPUT}/{name}", blob_id(blob)) for name, blob in settings.inputs.items())
        if settings.manifest is not None:
            inputs = ((f"{INPUT}/", blob_id(settings.manifest)), *inputs)
        outputs = tuple(f"{OUTPUT}/./{pattern}" for pattern in _patterns(settings))

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

        return [frame_step(name, chunks, task) for name, chunks in settings.steps(self.framed_step).items()]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        assert isinstance(settings, FramesSettings)
        named = {f"settings.inputs.{name}": blob_id(blob) for name, blob in settings.inputs.items()}
        return named | manifest_of(settings.manifest)


def _patterns(settings: FramesSettings) -> Sequence[str]:
    if settings.outputs is not None:
        return settings.outputs
    return ["**"] if OUTPUT in placeholders_in(settings.command) else []


def chunk_name(chunk: FrameRange) -> str:
    """What a person sees: `frame 7`, `frames 1-5`."""
    return f"frame{'' if chunk.count == 1 else 's'} {chunk}"
