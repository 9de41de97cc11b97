"""Looks into pictures and videos with ffmpeg, which decodes what the farm's workers encoded."""

from __future__ import annotations

import subprocess
from pathlib import Path


def pixels(picture: Path, width: int = 48, height: int = 32) -> list[int]:
    """Grey values, row by row; fails if the picture has another size."""
    command = ["ffmpeg", "-v", "error", "-i", str(picture), "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    assert len(raw) == width * height, f"{picture.name} has {len(raw)} pixels"
    return list(raw)


def difference(one: Path, other: Path, width: int = 48, height: int = 32) -> float:
    """The mean difference of two pictures, in grey values of 255."""
    pairs = zip(pixels(one, width, height), pixels(other, width, height), strict=True)
    return sum(abs(a - b) for a, b in pairs) / (width * height)


def frames_of(video: Path) -> int:
    command = ["ffmpeg", "-v", "error", "-i", str(video), "-map", "0:v:0", "-f", "framecrc", "-"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return sum(not line.startswith("#") for line in listed.splitlines())
