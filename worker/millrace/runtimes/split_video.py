"""`split_video` {input, segment_seconds}: cut a video into pieces at key frames, without re-encoding; sound is left
out.

Result: `{"segments", "frames", "duration_ms", "has_audio", "frame_rate"}`; the outputs are the pieces,
`segment_00000.mov` on.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed
from millrace.runtimes.ffmpeg import Media, Timeline, convert, keep_every_frame, note_length, probe, timeline
from millrace.runtimes.produced import Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_KEPT_IN_MOV = {"h264", "hevc", "mpeg4", "mpeg2video", "mjpeg", "prores", "dnxhd"}
"""QuickTime keeps a source's time base and frame durations exactly; Matroska rounds to 1 ms but takes every codec."""

_EXACT_SECONDS = Fraction(1, 2000)


def split_video(context: Context, settings: Settings) -> Produced:
    source = context.path(settings.text("input"))
    segment_seconds = settings.number("segment_seconds", above=0)
    media = probe(context, source)
    if media.video_codec is None:
        raise CommandFailed(f"split_video: {source.name!r} has no video stream")
    frames = timeline(context, source)
    pieces = _cut(context, source, media, frames, segment_seconds)
    _note_lengths(context, pieces, frames)
    return Produced(_result(pieces, media, frames), outputs=tuple(piece.name for piece in pieces))


def _cut(context: Context, source: Path, media: Media, frames: Timeline, segment_seconds: float) -> list[Path]:
    if frames.leaks:
        # Frames before a key frame lean on frames before the cut (open groups, usual in broadcasts): as copies they
        # would be lost. So the pieces are encoded here, close to lossless and fast.
        context.say("split_video: frames lean across key frames; the pieces are encoded instead of copied")
        every = f"expr:gte(t,n_forced*{segment_seconds:g})"
        encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "6", "-bf", "0", "-force_key_frames", every]
        return _split(context, source, [*encoded, *keep_every_frame()], "mov", float(frames.seconds), segment_seconds)
    suffix = "mov" if media.video_codec in _KEPT_IN_MOV else "mkv"
    return _split(context, source, ["-c", "copy"], suffix, float(frames.seconds), segment_seconds)


def _split(
    context: Context, source: Path, how: list[str], suffix: str, total_seconds: float, segment_seconds: float
) -> list[Path]:
    args = ["-i", str(source), "-map", "0:V:0", *how, "-an", "-sn", "-dn"]
    args += ["-f", "segment", "-segment_time", f"{segment_seconds:g}", "-reset_timestamps", "1"]
    args += [str(context.work / f"segment_%05d.{suffix}")]
    convert(context, "split_video", args, total_seconds, "splitting")
    pieces = sorted(context.work.glob(f"segment_*.{suffix}"))
    if not pieces:
        raise CommandFailed(f"split_video: {source.name!r} gave no pieces")
    return pieces


def _note_lengths(context: Context, pieces: list[Path], frames: Timeline) -> None:
    """Where a piece's own idea of its length is off, write the true one into it: from its first frame to the next's."""
    first = 0
    for piece in pieces:
        part = timeline(context, piece)
        after = first + part.frames
        until = frames.shown_at[after] if after < frames.frames else frames.ends_at
        true_seconds = until - frames.shown_at[min(first, frames.frames - 1)]
        if abs(true_seconds - part.seconds) > _EXACT_SECONDS:
            _remake(context, piece, true_seconds)
        first = after


def _remake(context: Context, piece: Path, seconds: Fraction) -> None:
    noted = piece.with_name(f"noted-{piece.name}")
    args = ["-i", str(piece), "-map", "0", "-c", "copy", *note_length(seconds), str(noted)]
    convert(context, "split_video", args, 0, "splitting")
    noted.replace(piece)


def _result(pieces: list[Path], media: Media, frames: Timeline) -> dict[str, object]:
    return {
        "segments": len(pieces),
        "frames": frames.frames,
        "duration_ms": frames.duration_ms,
        "has_audio": media.has_audio,
        "frame_rate": media.frame_rate,
    }
