"""`transcode_file` {input, start_seconds?, end_seconds?, format, video_codec?, audio_codec?, extra_args?, output}:
convert a file, or a range of it, picture and sound together, in one go; without codecs into those that are usual in the
format.

For files that one worker converts alone; what many convert together is `split_video` and its companions, which keep
seams exact. Result: `{"frames", "duration_ms"}`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed, InvalidSettings
from millrace.runtimes.ffmpeg import container, convert, keep_every_frame, probe, timeline
from millrace.runtimes.produced import Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context


def transcode_file(context: Context, settings: Settings) -> Produced:
    source, target = context.path(settings.text("input")), context.path(settings.text("output"))
    start, end = settings.optional_number("start_seconds") or 0.0, settings.optional_number("end_seconds")
    if start < 0 or (end is not None and end <= start):
        raise InvalidSettings(settings.command, f"range {start:g} to {end} (expected 0 <= start_seconds < end_seconds)")
    if probe(context, source).video_codec is None:
        raise CommandFailed(f"transcode_file: {source.name!r} has no video stream")
    ends_at = float(timeline(context, source).ends_at)
    until = ends_at if end is None else min(end, ends_at)
    if until <= start:
        raise CommandFailed(f"transcode_file: {source.name!r} ends after {ends_at:g} s, before the range begins")
    args = [*_input(source, start, end), *_encoding(settings), *container(settings.text("format")), str(target)]
    convert(context, "transcode_file", args, until - start, "converting")
    made = timeline(context, target)
    return Produced({"frames": made.frames, "duration_ms": made.duration_ms})


def _input(source: Path, start: float, end: float | None) -> list[str]:
    seek = ["-ss", f"{start:.6f}"] if start > 0 else []
    stop = ["-to", f"{end:.6f}"] if end is not None else []
    return [*seek, *stop, "-i", str(source), "-map", "0:V:0", "-map", "0:a:0?", "-sn", "-dn"]


def _encoding(settings: Settings) -> list[str]:
    usual = ("libvpx-vp9", "libopus") if settings.text("format") == "webm" else ("libx264", "aac")
    codec, extra = settings.optional_text("video_codec") or usual[0], settings.texts("extra_args")
    # What every player shows; 4:4:4 or 10 bit from a camera would come out unplayable in most.
    plain = ["-pix_fmt", "yuv420p"] if codec == "libx264" and "-pix_fmt" not in extra else []
    # Else ffmpeg doubles the first frame where sound begins before picture. AVI has one rate for all frames.
    every = [] if "-r" in extra or settings.text("format") == "avi" else keep_every_frame()
    return ["-c:v", codec, *plain, *every, *extra, "-c:a", settings.optional_text("audio_codec") or usual[1]]
