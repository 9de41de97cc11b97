"""What was rendered last is seen: from a real program's EXR and PNG files and from a film, by real processes."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from millrace import Farm
from millrace.runtimes.ffmpeg import find_ffmpeg
from millrace.sdk.values import Picture
from tests.together.ensemble import Ensemble

RENDER = ["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=800x400:rate=5"]


@pytest.fixture
def shown(quiet: Ensemble) -> Farm:
    return quiet.farm


def seen(farm: Farm, job: str, seconds: float = 90) -> Picture:
    """Workers send pictures with a pause in between."""
    until = time.monotonic() + seconds
    while (picture := farm.last_rendered(job)) is None:
        assert time.monotonic() < until, "no picture came"
        time.sleep(0.3)
    return picture


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("f{frame}.exr", ["-frames:v", "1", "-pix_fmt", "gbrpf32le"]),
        ("f{frame}.png", ["-frames:v", "1"]),
        ("f{frame}.mp4", ["-t", "1", "-pix_fmt", "yuv420p"]),
    ],
)
def test_what_a_job_rendered_last_is_seen_in_its_sizes(
    shown: Farm, tmp_path: Path, name: str, options: list[str]
) -> None:
    command = [find_ffmpeg(), *RENDER, *options, f"{{output}}/{name}"]
    job = shown.wait(shown.submit("frames", {"frames": "1-2", "command": command}), timeout=60)
    assert job.status == "completed", job.error
    picture = seen(shown, job.id)
    assert picture.widths == (200, 600, 800) and picture.name.endswith(name[-3:])
    assert shown.last_rendered() is not None
    for width, height in ((200, 100), (600, 300), (1920, 400)):
        (tmp_path / "a.jpg").write_bytes(shown.picture(picture, width))
        probe = subprocess.run([find_ffmpeg(), "-i", str(tmp_path / "a.jpg")], capture_output=True, text=True)
        assert f"{min(width, 800)}x{height}" in probe.stderr
