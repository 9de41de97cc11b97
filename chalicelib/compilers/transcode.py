"""Job type `transcode`: split a video, convert the segments in parallel, join them again.

The whole file: `split` cuts the video stream at its own keyframes (no frame is decoded, so none is lost), `convert`
encodes every piece, `join` puts them together. With ranges: `convert` cuts exactly, decoding from before the start.
Sound is encoded in one piece beside it (`audio`), since encoders pad each piece they make; `join` adds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from ..core.errors import BadInput
from ..core.model import BlobId, Requirement
from ..core.plans import Expansion, Results, StepPlan, TaskPlan
from .fields import Settings, blob_id

TASK_TYPE = "transcode"
MOST_RANGES = 1_000
EXACT_TIMES = ("libx264", "libx265", "h264", "hevc")
"""Encoders whose pieces can travel as mov, which keeps times exactly; Matroska takes every codec but rounds to 1 ms.
The format asked for is made when the pieces are joined."""
_BLOB = re.compile(r"[1-9][0-9]{0,15}")
_ABSOLUTE = re.compile(r"/.+|[A-Za-z]:[\\/].+|\\\\.+")
_RANGE = re.compile(r"(\d{1,7}(?:\.\d{1,3})?)-(\d{1,7}(?:\.\d{1,3})?)")

Range = tuple[float, float]


class TranscodeSettings(Settings):
    input: str
    """A blob id, or an absolute path on storage that every worker sees."""
    format: Literal["mp4", "mkv", "mov", "webm", "m4v", "ts", "avi"] = "mp4"
    segments: str | None = None
    """`from-to:from-to…` in seconds, joined in this order; None: the whole file."""
    segment_seconds: float = Field(default=30.0, gt=0.1, le=3600, allow_inf_nan=False, strict=False)
    """How long one converted piece is, at most (for the whole file: up to the next keyframe)."""
    video_codec: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """ffmpeg's name of the encoder; None: the format's usual one."""
    audio_codec: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    extra_args: list[str] = Field(default=[], max_length=100)
    """For the encoder of each piece."""

    @field_validator("input")
    @classmethod
    def blob_or_path(cls, text: str) -> str:
        if not (_BLOB.fullmatch(text) or _ABSOLUTE.fullmatch(text)) or "\0" in text:
            raise ValueError("must be a blob id or an absolute path on shared storage")
        return text

    @field_validator("segments")
    @classmethod
    def ranges_are_ranges(cls, text: str | None) -> str | None:
        if text is not None:
            parse_ranges(text)
        return text


def parse_ranges(text: str) -> list[Range]:
    """`1-5:2-10` -> [(1.0, 5.0), (2.0, 10.0)]. Raises ValueError that names the bad piece."""
    pieces = text.split(":")
    if len(pieces) > MOST_RANGES:
        raise ValueError(f"at most {MOST_RANGES} ranges, not {len(pieces)}")
    ranges: list[Range] = []
    for piece in pieces:
        match = _RANGE.fullmatch(piece)
        if match is None or float(match[1]) >= float(match[2]):
            raise ValueError(f"{piece!r} is not `from-to` in seconds with from before to")
        ranges.append((float(match[1]), float(match[2])))
    return ranges


def pieces_of(ranges: Sequence[Range], seconds: float) -> list[Range]:
    """Every range in pieces of at most this length, in order."""
    pieces: list[Range] = []
    for start, end in ranges:
        while end - start > seconds * 1.001:  # no sliver at the end for a rounding error
            pieces.append((round(start, 3), round(start + seconds, 3)))
            start += seconds
        pieces.append((round(start, 3), round(end, 3)))
    return pieces


class Transcode:
    name = "transcode"
    settings: type[BaseModel] = TranscodeSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, TranscodeSettings)
        audio = StepPlan("audio", lambda results: _single(_audio_task(settings)))
        join = StepPlan("join", lambda results: _single(_join_task(settings, results)), publishes=True)
        if settings.segments is not None:
            convert = StepPlan("convert", lambda results: _convert_ranges(settings))
            return [convert, audio, _after(join, "convert", "audio")]
        split = StepPlan("split", lambda results: _single(_split_task(settings)))
        convert = StepPlan("convert", lambda results: _convert_pieces(settings, results), after=("split",))
        return [split, audio, convert, _after(join, "split", "convert", "audio")]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        assert isinstance(settings, TranscodeSettings)
        return {"settings.input": blob_id(settings.input)} if _BLOB.fullmatch(settings.input) else {}


def _after(step: StepPlan, *names: str) -> StepPlan:
    return StepPlan(step.name, step.expand, after=names, publishes=step.publishes)


def _single(task: TaskPlan) -> Expansion:
    return Expansion(1, lambda index: task)


def _task(
    name: str,
    command: str,
    settings: Mapping[str, Any],
    inputs: Sequence[tuple[str, BlobId]],
    outputs: Sequence[str] = (),
) -> TaskPlan:
    commands = ({"name": command, "settings": dict(settings)},)
    return TaskPlan(name, Requirement(TASK_TYPE), commands, tuple(inputs), tuple(outputs))


def _source(settings: TranscodeSettings) -> tuple[str, list[tuple[str, BlobId]]]:
    """What a command calls its input, and which blob stands behind that name."""
    if _BLOB.fullmatch(settings.input):
        return "source", [("source", blob_id(settings.input))]
    return settings.input, []


def _split_task(settings: TranscodeSettings) -> TaskPlan:
    source, inputs = _source(settings)
    return _task("split", "split_video", {"input": source, "segment_seconds": settings.segment_seconds}, inputs)


def _audio_task(settings: TranscodeSettings) -> TaskPlan:
    source, inputs = _source(settings)
    ranges = None if settings.segments is None else [list(r) for r in parse_ranges(settings.segments)]
    codec = settings.audio_codec or ("libopus" if settings.format == "webm" else "aac")
    # AAC in Matroska plays late by its priming; everything else is at home there.
    output = "audio.m4a" if codec == "aac" else "audio.mka"
    said = {"input": source, "ranges": ranges, "audio_codec": codec, "output": output}
    return _task("audio", "encode_track", said, inputs)


def _convert_pieces(settings: TranscodeSettings, results: Results) -> Expansion:
    pieces = sorted(results["split"][0].outputs, key=lambda output: output.name)
    if not pieces:
        raise BadInput("the input has no video to convert")

    def task(index: int) -> TaskPlan:
        piece = pieces[index]
        name = f"convert {index + 1} of {len(pieces)}"
        return _convert_task(settings, name, piece.name, [(piece.name, piece.blob)], {})

    return Expansion(len(pieces), task)


def _convert_ranges(settings: TranscodeSettings) -> Expansion:
    source, inputs = _source(settings)
    pieces = pieces_of(parse_ranges(settings.segments or ""), settings.segment_seconds)

    def task(index: int) -> TaskPlan:
        start, end = pieces[index]
        cut = {"start_seconds": start, "end_seconds": end}
        return _convert_task(settings, f"convert {start:g}-{end:g} s", source, inputs, cut)

    return Expansion(len(pieces), task)


def _convert_task(
    settings: TranscodeSettings,
    name: str,
    source: str,
    inputs: Sequence[tuple[str, BlobId]],
    cut: Mapping[str, float],
) -> TaskPlan:
    piece = f"converted{_piece_suffix(settings)}"
    said = {
        "input": source,
        **cut,
        "video_codec": _video_codec(settings),
        "extra_args": settings.extra_args,
        "output": piece,
    }
    return _task(name, "convert_segment", said, inputs, [piece])


def _join_task(settings: TranscodeSettings, results: Results) -> TaskPlan:
    suffix = _piece_suffix(settings)
    parts = [(f"part_{index:05d}{suffix}", r.outputs[0].blob) for index, r in enumerate(results["convert"])]
    sound = [(output.name, output.blob) for output in results["audio"][0].outputs]
    split = results["split"][0].result if "split" in results else None
    frames = split["frames"] if split is not None and not _changes_frames(settings) else None
    output = f"output.{settings.format}"
    said = {
        "inputs": [name for name, _ in parts],
        "audio": sound[0][0] if sound else None,
        "format": settings.format,
        "output": output,
        "expected_frames": frames,
    }
    return _task("join", "join_segments", said, [*parts, *sound], [output])


def _video_codec(settings: TranscodeSettings) -> str:
    return settings.video_codec or ("libvpx-vp9" if settings.format == "webm" else "libx264")


def _piece_suffix(settings: TranscodeSettings) -> str:
    return ".mov" if _video_codec(settings).startswith(EXACT_TIMES) else ".mkv"


def _changes_frames(settings: TranscodeSettings) -> bool:
    """The encoder may be told to drop or repeat frames; then their number is what it makes it."""
    return any(argument in ("-r", "-vf", "-filter:v", "-fps_mode", "-vsync") for argument in settings.extra_args)
