"""`join_segments` {inputs, audio?, format, output, expected_frames?}: join converted pieces, add the sound, check the
result.

Nothing is re-encoded. A result whose frame count is off by more than one fails the task. Result: `{"frames",
"duration_ms"}`.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed, InvalidSettings
from millrace.agent.workfolder import inside
from millrace.runtimes.ffmpeg import Timeline, concat_list, container, convert, probe, timeline
from millrace.runtimes.produced import Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_NEAR_SECONDS = Fraction(1, 4)


def join_segments(context: Context, settings: Settings) -> Produced:
    pieces, sound, name = _files(context, settings), settings.optional_text("audio"), settings.text("output")
    expected = settings.optional_count("expected_frames")
    parts = [timeline(context, piece) for piece in pieces]
    lengths = [_length(context, piece, part) for piece, part in zip(pieces, parts, strict=True)]
    listed = concat_list(context.work, pieces, lengths)
    target = inside(context.work, name, "output")
    args = ["-f", "concat", "-safe", "0", "-i", str(listed)]
    args += ["-i", str(context.path(sound)), "-map", "0:v:0", "-map", "1:a:0"] if sound else ["-map", "0:v:0"]
    args += ["-c", "copy", *container(settings.text("format")), str(target)]
    convert(context, "join_segments", args, float(sum(lengths)), "joining")
    made = timeline(context, target)
    _check(made.frames, expected if expected is not None else sum(part.frames for part in parts))
    return Produced({"frames": made.frames, "duration_ms": made.duration_ms}, outputs=(name,))


def _files(context: Context, settings: Settings) -> list[Path]:
    names = settings.texts("inputs")
    if not names:
        raise InvalidSettings(settings.command, "'inputs' is empty (expected the names of the pieces, in order)")
    files = [context.path(name) for name in names]
    missing = [name for name, file in zip(names, files, strict=True) if not file.is_file()]
    if missing:
        raise CommandFailed(f"join_segments: missing pieces: {', '.join(missing[:10])}")
    return files


def _length(context: Context, piece: Path, part: Timeline) -> Fraction:
    """How long the piece lasts: as noted in it, unless the conversion changed its speed and the note means nothing."""
    noted = probe(context, piece).lasts_noted
    return noted if noted is not None and abs(noted - part.seconds) < _NEAR_SECONDS else part.seconds


def _check(frames: int, expected: int) -> None:
    if abs(frames - expected) > 1:
        raise CommandFailed(f"join_segments: the result has {frames} frames, expected {expected}")
