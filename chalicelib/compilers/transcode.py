"""Job type `transcode`: split a video, convert the segments in parallel, join them again.

The whole file: `split` cuts the video stream at its own keyframes (no frame is decoded, so none is lost), `convert`
encodes every piece, `join` puts them together. With ranges: `convert` cuts exactly, decoding from before the start.
Sound is encoded in one piece beside it (`audio`), since encoders pad each piece they make; `join` adds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from ..core.errors import BadInput
from ..core.model import BlobId, Requirement
from ..core.plans import Expansion, Results, StepPlan, TaskPlan, TaskResult
from .fields import blob_id, is_blob
from .transcode_settings import TranscodeSettings, parse_ranges

TASK_TYPE = "transcode"
EXACT_TIMES = ("libx264", "libx265", "h264", "hevc")
"""Encoders whose pieces can travel as mov, which keeps times exactly; Matroska takes every codec but rounds to 1 ms.
The format asked for is made when the pieces are joined."""
PROTOCOL = "transcode-protocol"
"""Tag of workers that speak the transcode protocol: they convert from path to path and know no command of ours."""
WHOLE_FILES = "transcode-whole-files"
"""Tag of those among them that cannot convert a part of a file."""


class Transcode:
    name = "transcode"
    settings: type[BaseModel] = TranscodeSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, TranscodeSettings)
        if settings.whole_file:
            return [StepPlan("convert", lambda results: _single(_whole_task(settings)))]
        audio = StepPlan("audio", lambda results: _single(_audio_task(settings)))
        join = StepPlan("join", lambda results: _single(_join_task(settings, results)), publishes=True)
        if settings.segments is not None:
            convert = StepPlan("convert", lambda results: _convert_ranges(settings))
            tidy = StepPlan("tidy", lambda results: _single(_tidy_task(settings)), after=("join",))
            steps = [convert, audio, _after(join, "convert", "audio")]
            return steps if settings.pieces_path is None else [*steps, tidy]
        split = StepPlan("split", lambda results: _single(_split_task(settings)))
        convert = StepPlan("convert", lambda results: _convert_pieces(settings, results), after=("split",))
        return [split, audio, convert, _after(join, "split", "convert", "audio")]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        assert isinstance(settings, TranscodeSettings)
        return {"settings.input": blob_id(settings.input)} if is_blob(settings.input) else {}


def _after(step: StepPlan, *names: str) -> StepPlan:
    return StepPlan(step.name, step.expand, after=names, publishes=step.publishes)


def _single(task: TaskPlan) -> Expansion:
    return Expansion(1, lambda index: task)


Command = Mapping[str, Any]


def _command(name: str, **settings: Any) -> Command:
    return {"name": name, "settings": settings}


OURS = Requirement(TASK_TYPE, forbid=frozenset({PROTOCOL}))
"""For commands and blobs, which only workers of ours know."""


def _task(
    name: str,
    commands: Sequence[Command],
    inputs: Sequence[tuple[str, BlobId]],
    outputs: Sequence[str] = (),
    requirement: Requirement = OURS,
) -> TaskPlan:
    return TaskPlan(name, requirement, tuple(commands), tuple(inputs), tuple(outputs))


def _path_to_path(settings: TranscodeSettings) -> Requirement:
    """Of a task that a worker of the transcode protocol may take; with a map nobody else may."""
    require = frozenset({PROTOCOL} if settings.map_path else ())
    return Requirement(TASK_TYPE, require, frozenset() if settings.whole_file else frozenset({WHOLE_FILES}))


def _whole_task(settings: TranscodeSettings) -> TaskPlan:
    """The file is made beside the task, and put to its place when it is complete."""
    output = f"output.{settings.format}"
    made = _command(
        "transcode_file",
        input=settings.input,
        format=settings.format,
        video_codec=_video_codec(settings),
        audio_codec=_audio_codec(settings),
        extra_args=settings.extra_args,
        output=output,
    )
    return _task("convert", [made, _publish(settings, output)], (), requirement=_path_to_path(settings))


def _publish(settings: TranscodeSettings, output: str) -> Command:
    return _command("copy_file", src=output, dest=settings.output_path)


def _source(settings: TranscodeSettings) -> tuple[str, list[tuple[str, BlobId]]]:
    """What a command calls its input, and which blob stands behind that name."""
    if is_blob(settings.input):
        return "source", [("source", blob_id(settings.input))]
    return settings.input, []


def _split_task(settings: TranscodeSettings) -> TaskPlan:
    source, inputs = _source(settings)
    return _task("split", [_command("split_video", input=source, segment_seconds=settings.segment_seconds)], inputs)


def _audio_task(settings: TranscodeSettings) -> TaskPlan:
    source, inputs = _source(settings)
    ranges = None if settings.segments is None else [list(r) for r in parse_ranges(settings.segments)]
    codec = _audio_codec(settings)
    # AAC in Matroska plays late by its priming; everything else is at home there.
    output = "audio.m4a" if codec == "aac" else "audio.mka"
    return _task(
        "audio", [_command("encode_track", input=source, ranges=ranges, audio_codec=codec, output=output)], inputs
    )


def _convert_pieces(settings: TranscodeSettings, results: Results) -> Expansion:
    pieces = sorted(results["split"][0].outputs, key=lambda output: output.name)
    if not pieces:
        raise BadInput("the input has no video to convert")

    def task(index: int) -> TaskPlan:
        piece = pieces[index]
        made = _convert(settings, piece.name, f"converted{_piece_suffix(settings)}")
        return _convert_task(f"convert {index + 1} of {len(pieces)}", made, [(piece.name, piece.blob)])

    return Expansion(len(pieces), task, alike=True)


def _convert_ranges(settings: TranscodeSettings) -> Expansion:
    source, inputs = _source(settings)
    pieces = [piece for of_segment in settings.pieces() for piece in of_segment]
    requirement = OURS if settings.pieces_path is None else _path_to_path(settings)

    def task(index: int) -> TaskPlan:
        start, end = pieces[index]
        output = f"converted{_piece_suffix(settings)}"
        made = _convert(settings, source, output, start_seconds=start, end_seconds=end)
        return _convert_task(f"convert {start:g}-{end:g} s", made, inputs, requirement)

    return Expansion(len(pieces), task, alike=True)


def _convert(settings: TranscodeSettings, source: str, output: str, **cut: float) -> Command:
    encoder = {"video_codec": _video_codec(settings), "extra_args": settings.extra_args}
    return _command("convert_segment", input=source, **cut, **encoder, output=output)


def _convert_task(
    name: str, made: Command, inputs: Sequence[tuple[str, BlobId]], requirement: Requirement = OURS
) -> TaskPlan:
    return _task(name, [made], inputs, [made["settings"]["output"]], requirement)


def _join_task(settings: TranscodeSettings, results: Results) -> TaskPlan:
    names = [f"part_{index:05d}{_piece_suffix(settings)}" for index in range(len(results["convert"]))]
    made = list(zip(names, results["convert"], strict=True))
    parts = [(name, result.outputs[0].blob) for name, result in made if result.outputs]
    sound = [(output.name, output.blob) for output in results["audio"][0].outputs]
    split = results["split"][0].result if "split" in results else None
    frames = split["frames"] if split is not None and not _changes_frames(settings) else None
    output = f"output.{settings.format}"
    join = _command(
        "join_segments",
        inputs=names,
        audio=sound[0][0] if sound else None,
        format=settings.format,
        output=output,
        expected_frames=frames,
    )
    published = [_publish(settings, output)] if settings.output_path else []
    commands = [*_foreign_pieces(settings, made), join, *published]
    return _task("join", commands, [*parts, *sound], [output])


def _tidy_task(settings: TranscodeSettings) -> TaskPlan:
    """A step of its own: until the join is accepted it may have to be done again."""
    return _task("tidy", [_command("remove_tree", path=settings.pieces_path)], [])


def _foreign_pieces(settings: TranscodeSettings, made: Sequence[tuple[str, TaskResult]]) -> list[Command]:
    """What workers of the transcode protocol made. With which encoder nobody knows, so it is encoded once more: pieces
    of different encoders play only up to the first seam. Nor do they all cut to the frame."""
    cuts = [] if _changes_frames(settings) else [cut for of_segment in settings.pieces() for cut in of_segment]
    limits = [{"most_seconds": round(end - start, 3)} for start, end in cuts] or [{}] * len(made)
    return [
        _convert(settings, _path_of(result), name, **limits[index])
        for index, (name, result) in enumerate(made)
        if not result.outputs
    ]


def _path_of(result: TaskResult) -> str:
    """Where a worker of the transcode protocol left its piece."""
    try:
        return str(result.result["path"])
    except (KeyError, TypeError):
        raise BadInput("a converted piece is nowhere to be found") from None


def _audio_codec(settings: TranscodeSettings) -> str:
    return settings.audio_codec or ("libopus" if settings.format == "webm" else "aac")


def _video_codec(settings: TranscodeSettings) -> str:
    return settings.video_codec or ("libvpx-vp9" if settings.format == "webm" else "libx264")


def _piece_suffix(settings: TranscodeSettings) -> str:
    return ".mov" if _video_codec(settings).startswith(EXACT_TIMES) else ".mkv"


def _changes_frames(settings: TranscodeSettings) -> bool:
    """The encoder may be told to drop or repeat frames; then their number is what it makes it."""
    return any(argument in ("-r", "-vf", "-filter:v", "-fps_mode", "-vsync") for argument in settings.extra_args)
