"""`encode_track` {input, ranges?, audio_codec?, output}: encode the sound of a video, whole or of ranges, as one
stream.

The sound is cut where the *frames* are cut: a range begins when its first frame is shown and ends when the next frame
after it would be, and silence fills what is missing. Otherwise each of many ranges would shift sound against picture
by up to a frame. Result: `{"has_audio": true, "duration_ms"}`, or `{"has_audio": false}` and no output.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.workfolder import inside
from millrace.runtimes.ffmpeg import Timeline, convert, probe, timeline
from millrace.runtimes.produced import Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_DEFAULT_CODEC = "aac"
_Cuts = Sequence[tuple[Fraction, Fraction]]


def encode_track(context: Context, settings: Settings) -> Produced:
    source, name = context.path(settings.text("input")), settings.text("output")
    ranges, codec = settings.ranges("ranges"), settings.optional_text("audio_codec") or _DEFAULT_CODEC
    media = probe(context, source)
    if not media.has_audio:
        return Produced({"has_audio": False}, not_produced=(name,))
    frames = timeline(context, source) if media.video_codec else None
    target = inside(context.work, name, "output")
    if ranges is None:
        args, total = _whole(source, frames), float(frames.seconds if frames else 0)
    else:
        cuts = [cut for start, end in ranges if (cut := _cut(frames, start, end))[0] < cut[1]]
        args, total = _pieces(source, cuts), float(sum(end - start for start, end in cuts))
    convert(context, "encode_track", [*args, "-c:a", codec, "-vn", str(target)], total, "encoding sound")
    made = timeline(context, target, "a:0")
    return Produced({"has_audio": True, "duration_ms": made.duration_ms}, outputs=(name,))


def _whole(source: Path, frames: Timeline | None) -> list[str]:
    """All of the sound, beginning when the first frame is shown: earlier sound is cut, a later start filled with
    silence.
    """
    skip = float(frames.starts_at) if frames else 0.0
    seek = ["-ss", f"{skip:.6f}"] if skip > 0 else []
    return [*seek, "-i", str(source), "-map", "0:a:0", "-af", "aresample=async=1:first_pts=0"]


def _cut(frames: Timeline | None, start: float, end: float) -> tuple[Fraction, Fraction]:
    if frames is None:
        return Fraction(start), Fraction(end)
    return frames.cut_at(start), frames.cut_at(end)


def _pieces(source: Path, cuts: _Cuts) -> list[str]:
    """One input per range, each read from its own place: one input split many ways would gather the rest in memory."""
    inputs: list[str] = []
    filters: list[str] = []
    for index, (start, end) in enumerate(cuts):
        inputs += ["-ss", f"{float(start):.6f}", "-to", f"{float(end):.6f}", "-i", str(source)]
        exactly = f"{float(end - start):.6f}"
        filters.append(
            f"[{index}:a:0]aresample=async=1:first_pts=0,apad=whole_dur={exactly},atrim=duration={exactly}[p{index}]"
        )
    joined = "".join(f"[p{index}]" for index in range(len(cuts)))
    filters.append(f"{joined}concat=n={len(cuts)}:v=0:a=1[track]")
    return [*inputs, "-filter_complex", ";".join(filters), "-map", "[track]"]
