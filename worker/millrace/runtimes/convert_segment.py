"""`convert_segment` {input, start_seconds?, end_seconds?, most_seconds?, video_codec?, extra_args?, output}: encode the
video of a piece.

Every frame shown at or after `start_seconds` and before `end_seconds` is encoded once, with its own time; so
neighbouring ranges never share or miss a frame. `most_seconds`, instead of a range: what is shown so long after the
first frame is left out, for a piece that somebody else made may be a frame too long, and picture would fall behind
sound with every such piece. Result: `{"frames", "duration_ms"}`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed, InvalidSettings
from millrace.agent.workfolder import inside
from millrace.runtimes.ffmpeg import convert, keep_every_frame, note_length, probe, timeline
from millrace.runtimes.produced import Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_DEFAULT_CODEC = "libx264"
_TIMESCALE = ["-video_track_timescale", "360000"]
"""Ticks per second of every piece in mov. Pieces are joined by copying, which takes the times of all for ticks of the
first one's. A frame has a whole number of these at all usual rates, those over 1001 among them."""
_ROUNDED_SECONDS = 0.002
"""By so much may times be off in containers that know milliseconds only."""


def convert_segment(context: Context, settings: Settings) -> Produced:
    source = context.path(settings.text("input"))
    name = settings.text("output")
    start, end = _range(settings)
    media = probe(context, source)
    if media.video_codec is None:
        raise CommandFailed(f"convert_segment: {source.name!r} has no video stream")
    total = timeline(context, source)
    until = float(total.ends_at) if end is None else min(end, float(total.ends_at))
    ranged = start > 0 or end is not None
    lasts = total.cut_at(until) - total.cut_at(start) if ranged else media.lasts_noted or total.seconds
    args = [*_input(source, start, end), *_encoding(settings, ranged)]
    most = settings.optional_number("most_seconds")
    if most is not None:
        over_at = total.cut_at(float(total.starts_at) + most - _ROUNDED_SECONDS)
        lasts = over_at - total.starts_at
        args += ["-frames:v", str(sum(shown < over_at for shown in total.shown_at))]
    args += note_length(lasts)
    target = inside(context.work, name, "output")
    args += _TIMESCALE if target.suffix == ".mov" else []
    convert(context, "convert_segment", [*args, str(target)], until - start, "converting")
    made = timeline(context, target)
    return Produced({"frames": made.frames, "duration_ms": made.duration_ms}, outputs=(name,))


def _range(settings: Settings) -> tuple[float, float | None]:
    start, end = settings.optional_number("start_seconds") or 0.0, settings.optional_number("end_seconds")
    if start < 0 or (end is not None and end <= start):
        raise InvalidSettings(settings.command, f"range {start:g} to {end} (expected 0 <= start_seconds < end_seconds)")
    return start, end


def _input(source: Path, start: float, end: float | None) -> list[str]:
    seek = ["-ss", f"{start:.6f}"] if start > 0 else []
    stop = ["-to", f"{end:.6f}"] if end is not None else []
    return [*seek, *stop, "-i", str(source), "-map", "0:V:0", "-an", "-sn", "-dn"]


def _encoding(settings: Settings, ranged: bool) -> list[str]:
    codec, extra = settings.optional_text("video_codec") or _DEFAULT_CODEC, settings.texts("extra_args")
    options = ["-c:v", codec]
    if codec == "copy":
        return [*options, *extra]
    if codec == "libx264" and "-pix_fmt" not in extra:
        # What every player shows; 4:4:4 or 10 bit from a camera would come out unplayable in most.
        options += ["-pix_fmt", "yuv420p"]
    if ranged:
        options += ["-vf", "setpts=PTS-STARTPTS"]
    # Who asks for another rate wants frames dropped or doubled; ffmpeg refuses both together.
    return [*options, *([] if "-r" in extra else keep_every_frame()), *extra]
