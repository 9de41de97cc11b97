"""`split_video` {input, segment_seconds}: cut a video into pieces at key frames, without re-encoding; sound is left
out.

Result: `{"segments", "frames", "duration_ms", "has_audio", "frame_rate"}`; the outputs are the pieces,
`segment_00000.mov` on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed
from millrace.runtimes.ffmpeg import Media, Timeline, convert, probe, timeline
from millrace.runtimes.produced import Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_KEPT_IN_MOV = {"h264", "hevc", "mpeg4", "mpeg2video", "mjpeg", "prores", "dnxhd"}
"""QuickTime keeps a source's time base and frame durations exactly; Matroska rounds to 1 ms but takes every codec."""


def split_video(context: Context, settings: Settings) -> Produced:
    source = context.path(settings.text("input"))
    segment_seconds = settings.number("segment_seconds", above=0)
    media = probe(context, source)
    if media.video_codec is None:
        raise CommandFailed(f"split_video: {source.name!r} has no video stream")
    frames = timeline(context, source)
    pieces = _split(context, source, media, frames, segment_seconds)
    return Produced(_result(pieces, media, frames), outputs=tuple(piece.name for piece in pieces))


def _split(context: Context, source: Path, media: Media, frames: Timeline, segment_seconds: float) -> list[Path]:
    suffix = "mov" if media.video_codec in _KEPT_IN_MOV else "mkv"
    args = ["-i", str(source), "-map", "0:v:0", "-c", "copy", "-an", "-sn", "-dn"]
    args += ["-f", "segment", "-segment_time", f"{segment_seconds:g}", "-reset_timestamps", "1"]
    args += [str(context.work / f"segment_%05d.{suffix}")]
    convert(context, "split_video", args, float(frames.seconds), "splitting")
    pieces = sorted(context.work.glob(f"segment_*.{suffix}"))
    if not pieces:
        raise CommandFailed(f"split_video: {source.name!r} gave no pieces")
    return pieces


def _result(pieces: list[Path], media: Media, frames: Timeline) -> dict[str, object]:
    return {
        "segments": len(pieces),
        "frames": frames.frames,
        "duration_ms": frames.duration_ms,
        "has_audio": media.has_audio,
        "frame_rate": media.frame_rate,
    }
