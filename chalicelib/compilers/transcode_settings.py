"""What a job of type `transcode` may ask for, and what its ranges mean."""

from __future__ import annotations

import math
import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from .fields import BLOB_OR_PATH, Settings, SharedPath, is_blob, is_path

MOST_RANGES = 1_000
_RANGE = re.compile(r"(\d{1,7}(?:\.\d{1,3})?)-(\d{1,7}(?:\.\d{1,3})?)")

Range = tuple[float, float]


class TranscodeSettings(Settings):
    input: str = BLOB_OR_PATH
    """A blob id, or an absolute path on storage that every worker sees."""
    format: Literal["mp4", "mkv", "mov", "webm", "m4v", "ts", "avi", "flv"] = "mp4"
    segments: str | None = None
    """`from-to:from-to…` in seconds, joined in this order; None: the whole file."""
    segment_seconds: float = Field(default=30.0, gt=0.1, le=3600, allow_inf_nan=False, strict=False)
    """How long one converted piece is, at most (for the whole file: up to the next keyframe)."""
    segment_parts: int = Field(default=1, ge=1, le=1000)
    """Each of `segments` is converted in so many pieces, or as many as there are whole seconds in it: one for each of
    the workers that are to share it."""
    video_codec: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """ffmpeg's name of the encoder; None: the format's usual one."""
    audio_codec: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    extra_args: list[str] = Field(default=[], max_length=100)
    """For the encoder of each piece."""
    output_path: SharedPath | None = None
    """Where on shared storage the result is put as well; a file that is there is replaced in one step."""
    whole_file: bool = False
    """Convert the whole file in one task, from path to path: workers of the transcode protocol can then take it."""
    pieces_path: SharedPath | None = None
    """A folder of this job alone on shared storage, made and removed by it: through it workers of the transcode
    protocol hand over the pieces they convert. Without one they get none."""
    map_path: SharedPath | None = None
    """A projection map. Only workers of the transcode protocol know what to do with one."""

    @field_validator("input")
    @classmethod
    def blob_or_path(cls, text: str) -> str:
        if not (is_blob(text) or is_path(text)):
            raise ValueError("must be a blob id or an absolute path on shared storage")
        return text

    @field_validator("segments")
    @classmethod
    def ranges_are_ranges(cls, text: str | None) -> str | None:
        if text is not None:
            parse_ranges(text)
        return text

    def pieces(self) -> list[list[Range]]:
        """What is converted in one go, for each of `segments` in order; each piece of a segment is at most
        `segment_seconds` long, and at most its `segment_parts`th part."""
        found: list[list[Range]] = []
        for start, end in parse_ranges(self.segments) if self.segments is not None else ():
            share = math.ceil(round((end - start) / self.segment_parts, 3))
            found.append(pieces_of((start, end), min(self.segment_seconds, share)))
        return found

    @model_validator(mode="after")
    def fits_together(self) -> TranscodeSettings:
        between_paths = is_path(self.input) and self.output_path is not None
        if self.whole_file and (not between_paths or self.segments is not None):
            raise ValueError("whole_file needs a path as input, an output_path, and no segments")
        if self.pieces_path is not None and not (between_paths and self.segments is not None):
            raise ValueError("pieces_path needs a path as input, an output_path, and segments")
        if self.map_path is not None and not (self.whole_file or self.pieces_path is not None):
            raise ValueError("map_path needs whole_file, or segments and a pieces_path")
        return self


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


def pieces_of(cut: Range, seconds: float) -> list[Range]:
    """A range in pieces of at most this length, in order."""
    pieces: list[Range] = []
    start, end = cut
    while end - start > seconds * 1.001:  # no sliver at the end for a rounding error
        pieces.append((round(start, 3), round(start + seconds, 3)))
        start += seconds
    return [*pieces, (round(start, 3), round(end, 3))]
