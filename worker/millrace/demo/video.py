"""The demo's video: made by ffmpeg, and measured by decoding every frame. Independent of the worker's own ffmpeg code,
which is what it checks."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from millrace.demo.failure import DemoFailed

SAMPLE_SECONDS = 48
SAMPLE_RATE = 30


@dataclass(frozen=True)
class Measured:
    """A video's picture track: how many frames decode, and when the last one ends."""

    frames: int
    seconds: float

    @property
    def frame_seconds(self) -> float:
        return self.seconds / self.frames

    def __str__(self) -> str:
        return f"{self.frames} frames, {self.seconds:.3f} s"


def find_ffmpeg() -> str:
    """The machine's own ffmpeg, else the one of the imageio-ffmpeg package."""
    path = shutil.which("ffmpeg")
    if path:
        return path
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise DemoFailed("there is no ffmpeg: install one (apt-get install ffmpeg, brew install ffmpeg)") from error


def make_sample(ffmpeg: str, path: Path) -> None:
    """A moving test picture with a tone. Its B-frames are what careless cutting into segments gets wrong; it can be
    cut at each second."""
    picture = f"testsrc2=size=1280x720:rate={SAMPLE_RATE}:duration={SAMPLE_SECONDS}"
    tone = f"sine=frequency=440:duration={SAMPLE_SECONDS}"
    options = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "30", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    run_ffmpeg(
        ffmpeg, ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone, *options, str(path)], "make the sample"
    )


def check_is_video(ffmpeg: str, path: Path) -> None:
    """Raises DemoFailed, quickly, unless the first frame decodes."""
    if not path.is_file():
        raise DemoFailed(f"there is no file {path}")
    arguments = ["-i", str(path), "-map", "0:v:0", "-frames:v", "1", "-f", "null", "-"]
    run_ffmpeg(ffmpeg, arguments, f"read {path} as a video")


def measure(ffmpeg: str, path: Path) -> Measured:
    """Decodes the whole file."""
    arguments = ["-nostats", "-progress", "pipe:1", "-i", str(path), "-map", "0:v:0", "-f", "null", "-"]
    text = run_ffmpeg(ffmpeg, arguments, f"decode {path}")
    frames = re.findall(r"^frame=\s*(\d+)$", text, re.MULTILINE)
    ends = re.findall(r"^out_time_us=(\d+)$", text, re.MULTILINE)
    if not frames or not ends or int(frames[-1]) == 0:
        raise DemoFailed(f"ffmpeg found no frames in {path}")
    return Measured(int(frames[-1]), int(ends[-1]) / 1_000_000)


def check_same(source: Measured, result: Measured) -> None:
    """Raises DemoFailed unless both agree within one frame, in number and in time."""
    if abs(source.frames - result.frames) > 1:
        raise DemoFailed(f"the result has {result.frames} frames, the source {source.frames}")
    if abs(source.seconds - result.seconds) > source.frame_seconds * 1.001:
        raise DemoFailed(f"the result lasts {result.seconds:.3f} s, the source {source.seconds:.3f} s")


def run_ffmpeg(ffmpeg: str, arguments: list[str], purpose: str) -> str:
    """What it wrote to stdout."""
    command = [ffmpeg, "-hide_banner", "-nostdin", "-y", "-loglevel", "error", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    except OSError as error:
        raise DemoFailed(f"{ffmpeg} does not start: {error.strerror}") from error
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise DemoFailed(f"ffmpeg could not {purpose}: {reason}")
    return done.stdout
