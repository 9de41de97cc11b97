"""The compiled command lines of tiled renders, run by Blender itself where the machine has one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chalicelib.dialects.flamenco1.compilers import compiled
from chalicelib.dialects.flamenco1.translate import System
from millrace.runtimes.ffmpeg import find_ffmpeg

pytestmark = pytest.mark.skipif(shutil.which("blender") is None, reason="this machine has no Blender")

SCENE = """
import bpy, sys
s = bpy.context.scene
s.render.engine, s.cycles.samples, s.cycles.use_denoising = "CYCLES", 1, False
s.render.resolution_x = s.render.resolution_y = 32
s.view_settings.view_transform = "Standard"
bpy.data.objects.remove(bpy.data.objects["Cube"])
colour = s.world.node_tree.nodes["Background"].inputs[0]
for frame, value in enumerate(((1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1)), start=1):
    colour.default_value = value
    colour.keyframe_insert("default_value", frame=frame)
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
"""
"""Red, green and blue skies in frames 1, 2 and 3."""


def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=100)


def is_all(path: Path, colour: tuple[int, int, int]) -> bool:
    """Whether each of a picture's four bands, from top to bottom, is of that colour."""
    argv = [
        find_ffmpeg(),
        "-v",
        "error",
        "-i",
        str(path),
        "-vf",
        "scale=1:4",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    pixels = subprocess.run(argv, capture_output=True, check=True).stdout
    return len(pixels) == 12 and all(abs(one - other) < 9 for one, other in zip(pixels, colour * 4, strict=True))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "a.blend"
    made = run(["blender", "--background", "--python-expr", SCENE, "--", str(path)])
    assert path.exists(), made.stdout + made.stderr
    return path


@pytest.fixture
def settings(tmp_path: Path, scene: Path) -> dict[str, Any]:
    paths = {"file_path_linux": str(scene), "output_path_linux": str(tmp_path / "out")}
    return {**paths, "frame_start": 2, "frame_end": 3, "tiles": 2, "tile": 0}


def test_tiles_are_mixed_to_the_whole_picture_of_their_frame(settings: dict[str, Any], tmp_path: Path) -> None:
    for tile in (0, 1):
        tiled = run(compiled("tiled_blender_render", {**settings, "tile": tile}, {}, System.LINUX))
        assert tiled.returncode == 0, tiled.stdout + tiled.stderr
    mixed = run(compiled("tiled_blender_render_simple_mix", settings, {}, System.LINUX))
    assert mixed.returncode == 0, mixed.stdout + mixed.stderr
    assert is_all(tmp_path / "out" / "00002.png", (0, 255, 0))
    assert is_all(tmp_path / "out" / "00003.png", (0, 0, 255))


def test_a_tile_that_is_missing_fails_the_mix(settings: dict[str, Any]) -> None:
    assert run(compiled("tiled_blender_render_simple_mix", settings, {}, System.LINUX)).returncode == 1
