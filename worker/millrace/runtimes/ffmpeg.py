"""Finds ffmpeg, asks it about files, and runs it with progress. Used by the transcode runtimes.

The `imageio-ffmpeg` wheel brings no ffprobe, so everything is asked of ffmpeg itself: streams from what it prints
about its input, frames and exact times from the packet list of its `framecrc` output (which copies, and decodes
nothing).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_NOTE = "millrace piece of microseconds="
_NO_TIME = str(-(2**63))
_MUXERS = {"mkv": "matroska", "ts": "mpegts", "m4v": "mp4", "mka": "matroska", "wmv": "asf"}
_FAST_START = {"mp4", "mov", "m4v"}
_KNOWN_RATES = {"23.98": "24000/1001", "29.97": "30000/1001", "47.95": "48000/1001", "59.94": "60000/1001"}


@cache
def find_ffmpeg() -> str:
    """The ffmpeg program: $MILLRACE_FFMPEG, else on PATH, else the one in the imageio-ffmpeg wheel."""
    named = os.environ.get("MILLRACE_FFMPEG") or shutil.which("ffmpeg")
    if named:
        return named
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise CommandFailed(
            "no ffmpeg: install it, name one in MILLRACE_FFMPEG, or pip install imageio-ffmpeg"
        ) from error


def ffmpeg_of(settings: Settings) -> list[str]:
    """The program and its first arguments: what `ffmpeg_cmd` says, or the ffmpeg of this machine."""
    named = settings.optional_text("ffmpeg_cmd")
    # The plain name and a variable without a value are what Flamenco's compilers write for "whichever there is".
    return [find_ffmpeg()] if named in (None, "", "ffmpeg", "{ffmpeg}") else shlex.split(str(named))


@dataclass(frozen=True)
class Media:
    """What ffmpeg says of a file: its first video stream and whether there is sound."""

    video_codec: str | None
    frame_rate: str
    """Frames per second as a fraction (`30000/1001`); the average of a variable rate; `0/1` without video."""
    has_audio: bool
    lasts_noted: Fraction | None = None
    """How long a piece lasts by the note in it (`note_length`), in seconds."""


@dataclass(frozen=True)
class Timeline:
    """The packets of one stream. Times are seconds from the start of the file (not of the stream)."""

    shown_at: tuple[Fraction, ...]
    """When each frame is shown, rising."""
    ends_at: Fraction
    leaks: bool = False
    """True when frames are shown before the key frame that they come after in the file: cutting there loses them."""

    @property
    def frames(self) -> int:
        return len(self.shown_at)

    @property
    def starts_at(self) -> Fraction:
        return self.shown_at[0] if self.shown_at else Fraction(0)

    @property
    def seconds(self) -> Fraction:
        return self.ends_at - self.starts_at

    @property
    def duration_ms(self) -> int:
        return round(self.seconds * 1000)

    def cut_at(self, seconds: float) -> Fraction:
        """When the first frame at or after `seconds` is shown; the end, if there is none."""
        return next((shown for shown in self.shown_at if shown >= seconds), self.ends_at)


def probe(context: Context, path: Path) -> Media:
    """What streams `path` has. `CommandFailed` if ffmpeg cannot read it at all."""
    if not path.is_file():
        raise CommandFailed(f"{path.name!r} is not a file")
    lines: list[str] = []
    # Without an output ffmpeg always exits 1; what it printed before is the answer.
    context.run([find_ffmpeg(), "-hide_banner", "-nostdin", "-i", str(path)], on_line=lines.append, quiet_stderr=True)
    if not any(line.startswith("Input #0") for line in lines):
        raise CommandFailed(f"ffmpeg cannot read {path.name!r}: {lines[-1] if lines else 'no reason given'}")
    return media_from(lines)


def media_from(lines: Sequence[str]) -> Media:
    """Reads `Stream #0:0(und): Video: h264 (High) (avc1 …), yuv420p, 320x240, 29.97 fps, 29.97 tbr, 30k tbn`."""
    pictures = [line for line in lines if re.match(r"\s*Stream #0:\d.*: Video: ", line)]
    # A cover picture is a stream too, and no video.
    video = next((line for line in pictures if "(attached pic)" not in line), None)
    has_audio = any(re.match(r"\s*Stream #0:\d.*: Audio: ", line) for line in lines)
    if video is None:
        return Media(None, "0/1", has_audio)
    noted = next((found for line in lines if (found := re.search(rf": {_NOTE}(\d+)$", line))), None)
    codec = re.search(r": Video: (\w+)", video)
    rate = re.search(r", ([\d.]+)(k?) (?:fps|tbr)", video)
    return Media(
        video_codec=codec.group(1) if codec else None,
        frame_rate=_rate(rate.group(1), rate.group(2)) if rate else "0/1",
        has_audio=has_audio,
        lasts_noted=Fraction(int(noted.group(1)), 1_000_000) if noted else None,
    )


def _rate(printed: str, thousands: str) -> str:
    if printed in _KNOWN_RATES:
        return _KNOWN_RATES[printed]
    rate = Fraction(printed) * (1000 if thousands else 1)
    return f"{rate.numerator}/{rate.denominator}"


def timeline(context: Context, path: Path, stream: str = "V:0") -> Timeline:
    """The packets of a stream of `path`, exact to its time base. Reads the file once and decodes nothing."""
    time_base = Fraction(1)
    packets: list[tuple[Fraction, Fraction]] = []
    key_at, leaks = Fraction(0), False

    def note(line: str) -> None:
        nonlocal time_base, key_at, leaks
        if line.startswith("#tb"):
            time_base = Fraction(line.partition(":")[2].strip())
        elif not line.startswith("#"):
            fields = line.split(",")
            # AVI holds only the order of decoding, which is when its frames are shown but for B-frames.
            shown = int(fields[1] if fields[2].strip() == _NO_TIME else fields[2]) * time_base
            packets.append((shown, int(fields[3]) * time_base))
            flags = re.search(r", F=0x([0-9A-Fa-f]+)", line)
            # Flags are left out when they say "key frame" and nothing else.
            if flags is None or int(flags.group(1), 16) & 1:
                key_at = shown
            leaks = leaks or shown < key_at

    argv = [find_ffmpeg(), "-v", "error", "-nostdin", "-i", str(path), "-map", f"0:{stream}", "-c", "copy"]
    exit_code = context.run([*argv, "-f", "framecrc", "-"], on_line=note)
    if exit_code != 0:
        raise CommandFailed(f"ffmpeg cannot list the frames of {path.name!r}", exit_code)
    shown_at = tuple(sorted(shown for shown, _ in packets))
    return Timeline(shown_at, max((shown + lasts for shown, lasts in packets), default=Fraction(0)), leaks)


def convert(context: Context, command: str, args: Sequence[str], total_seconds: float, activity: str) -> None:
    """Run ffmpeg with `args`, its messages in the log and its progress in the task's. Fails with ffmpeg's exit code."""
    argv = [find_ffmpeg(), "-hide_banner", "-nostdin", "-nostats", "-v", "warning", "-y", "-progress", "pipe:1", *args]
    context.run_or_fail(command, argv, on_line=_progress_into(context, total_seconds, activity))


def _progress_into(context: Context, total_seconds: float, activity: str) -> Callable[[str], None]:
    def note(line: str) -> None:
        key, _, value = line.partition("=")
        if key == "out_time_us" and value.lstrip("-").isdigit() and total_seconds > 0:
            context.progress(int(value) / 1e4 / total_seconds, activity)

    return note


def keep_every_frame() -> list[str]:
    """Options that make ffmpeg encode each frame once with its own time; the names changed in 5.1 and 6.1."""
    version = _version(find_ffmpeg())
    mode = "-vsync" if version < (5, 1) else "-fps_mode"
    return [mode, "passthrough", "-enc_time_base", "-1" if version < (6, 1) else "demux"]


@cache
def _version(program: str) -> tuple[int, int]:
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"ffmpeg version n?(\d+)\.(\d+)", said)
    # Builds from the repository have no number and are newer than any release meant here.
    return (int(found.group(1)), int(found.group(2))) if found else (99, 0)


def note_length(seconds: Fraction) -> list[str]:
    """Options that write into a piece how long it lasts.

    The last frame of a piece lasts until the first of the next; containers only know the order of decoding, in which
    that is a guess. With a variable rate every seam would be off by up to a frame, and sound would drift from
    picture.
    """
    return ["-metadata", f"comment={_NOTE}{round(seconds * 1_000_000)}"]


def concat_list(work: Path, files: Sequence[Path], seconds: Sequence[Fraction] = ()) -> Path:
    """A list file for ffmpeg's concat demuxer. With `seconds`, each file lasts exactly so long: containers round to 1
    ms.
    """
    lines = ["ffconcat version 1.0"]
    for index, file in enumerate(files):
        quoted = str(file).replace("'", "'\\''")
        lines.append(f"file '{quoted}'")
        if seconds:
            lines.append(f"duration {float(seconds[index]):.6f}")
    path = work / ".millrace-concat.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def container(format: str) -> list[str]:
    """Options that make ffmpeg write this format, named as its files end."""
    # An index at the front lets a browser play while it loads.
    return ["-f", _MUXERS.get(format, format), *(["-movflags", "+faststart"] if format in _FAST_START else [])]
