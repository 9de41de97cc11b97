"""Job type `blender-render`: frames of a .blend file, in chunks, and a preview video of them.

`render` has a task per chunk; `preview` follows when all frames are there. More frames than one task can take are made
into parts first. Where the file lies on shared storage and the frames go there too, the commands are Flamenco's alone,
and its workers may take them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from pydantic import BaseModel

from ..core.errors import BadInput
from ..core.model import BlobId, Output, Requirement
from ..core.plans import Expansion, Results, StepPlan, TaskPlan
from .blender_settings import EXTENSIONS, BlenderRenderSettings
from .frame_ranges import FrameRange
from .framed import FramedType, frame_step
from .frames import chunk_name

RENDER, VIDEO = "blender-render", "video-encoding"
"""Task types."""
BLENDER = "{blender}"
"""A variable of the farm; our worker finds its Blender where it has no value."""
PART = 500
"""Frames in one part of a preview."""


class BlenderRender(FramedType):
    name = "blender-render"
    framed_step = "render"
    settings: type[BaseModel] = BlenderRenderSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, BlenderRenderSettings)
        chunks = settings.steps(self.framed_step)
        first, *added = (frame_step(name, some, partial(_render_task, settings)) for name, some in chunks.items())
        if not settings.preview:
            return [first, *added]
        all_frames = tuple(chunks)
        if settings.output_path is not None:
            shared = StepPlan("preview", lambda results: _single(_shared_preview(settings)), all_frames)
            return [first, shared, *added]
        if settings.all_frames.count <= PART:
            preview = StepPlan("preview", lambda results: _preview(settings, results), all_frames, publishes=True)
            return [first, preview, *added]
        parts = StepPlan("preview-parts", lambda results: _parts(settings, results), all_frames)
        join = StepPlan("preview", lambda results: _joined(results), ("preview-parts",), publishes=True)
        return _in_order(first, parts, join, added, settings)

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        assert isinstance(settings, BlenderRenderSettings)
        return settings.blobs


def _in_order(
    first: StepPlan, parts: StepPlan, join: StepPlan, added: Sequence[StepPlan], settings: BlenderRenderSettings
) -> list[StepPlan]:
    """A plan grows only at its end: the parts stand where more frames than one can take were reached."""
    reached = list(accumulate(frames.count for frames in settings.pieces))
    if reached[0] > PART:
        return [first, parts, join, *added]
    at = next(number for number, count in enumerate(reached) if count > PART)
    return [first, join, *added[:at], parts, *added[at:]]


def command(name: str, **settings: Any) -> Mapping[str, Any]:
    return {"name": name, "settings": {key: value for key, value in settings.items() if value is not None}}


def _render_task(settings: BlenderRenderSettings, chunk: FrameRange) -> TaskPlan:
    numbers = range(chunk.first, chunk.last + 1, chunk.step)
    frames = f"{chunk.first}-{chunk.last}" if chunk.step == 1 and chunk.count > 1 else ",".join(map(str, numbers))
    render = command(
        "blender_render",
        blender_cmd=BLENDER,
        filepath=settings.filepath,
        render_output=f"{_folder(settings)}/{settings.prefix}####",
        format=settings.format,
        frames=frames,
        python_expr=settings.python(format=settings.format),
    )
    return TaskPlan(
        name=chunk_name(chunk),
        requirement=Requirement(RENDER),
        commands=(render,),
        inputs=tuple(settings.files),
        outputs=() if settings.output_path else (f"output/./{escaped(settings.prefix)}*",),
        max_seconds=settings.max_seconds,
        idle_seconds=settings.idle_seconds,
    )


def _folder(settings: BlenderRenderSettings) -> str:
    return "output" if settings.output_path is None else settings.output_path.rstrip("/")


def escaped(prefix: str) -> str:
    """For a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", prefix)


def _single(task: TaskPlan) -> Expansion:
    return Expansion(1, lambda index: task)


def _shared_preview(settings: BlenderRenderSettings) -> TaskPlan:
    frames = f"{_folder(settings)}/{escaped(settings.prefix)}*.{EXTENSIONS[settings.format or 'PNG']}"
    target = f"{_folder(settings)}/{settings.prefix}preview.mp4"
    video = command("create_video", input_files=frames, output_file=target, fps=settings.fps)
    return TaskPlan("preview", Requirement(VIDEO), (video,))


def _preview(settings: BlenderRenderSettings, results: Results) -> Expansion:
    return _single(_video_task("preview", settings, _frames_of(results)))


def _parts(settings: BlenderRenderSettings, results: Results) -> Expansion:
    frames = _frames_of(results)
    count = -(-len(frames) // PART)

    def task(index: int) -> TaskPlan:
        name = f"preview part {index + 1} of {count}"
        return _video_task(name, settings, frames[index * PART : (index + 1) * PART])

    return Expansion(count, task, alike=True)


def _joined(results: Results) -> Expansion:
    inputs = tuple((f"parts/{n:05d}.mp4", one.outputs[0].blob) for n, one in enumerate(results["preview-parts"]))
    join = command("concatenate_videos", input_files="parts/*.mp4", output_file="preview.mp4")
    return _single(TaskPlan("preview", Requirement(VIDEO), (join,), inputs, ("preview.mp4",)))


def _frames_of(results: Results) -> list[Output]:
    """In the order of their numbers, whatever order they were rendered in."""
    made = [output for step in results.values() for result in step for output in result.outputs]
    numbered = {int(found[1]): one for one in made if (found := re.search(r"(\d+)\.[a-z]+$", one.name))}
    if not numbered:
        raise BadInput("preview: no frames came back to make it of")
    return [numbered[number] for number in sorted(numbered)]


def _video_task(name: str, settings: BlenderRenderSettings, frames: Sequence[Output]) -> TaskPlan:
    """The frames are laid in under running numbers, so that their names order them."""
    suffix = frames[0].name.rpartition(".")[2]
    inputs = tuple((f"frames/{number:06d}.{suffix}", frame.blob) for number, frame in enumerate(frames))
    video = command("create_video", input_files=f"frames/*.{suffix}", output_file="preview.mp4", fps=settings.fps)
    return TaskPlan(name, Requirement(VIDEO), (video,), inputs, ("preview.mp4",))
