"""Jobs that render with Blender, from the command line to the pictures: a real farm, two workers, the real Blender."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.together.ensemble import Ensemble
from tests.together.test_command_line import DONE, FAILED, Shell
from tests.worker.pictures import difference, frames_of, pixels
from tests.worker.scenes import make_scene

pytestmark = [pytest.mark.needs("blender", "ffmpeg"), pytest.mark.timeout(400)]


@pytest.fixture
def millrace(quiet: Ensemble) -> Shell:
    return Shell(quiet.server.url)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    make_scene(tmp_path / "shot.blend")
    return tmp_path


def test_a_blend_file_becomes_frames_and_a_video(millrace: Shell, project: Path) -> None:
    line = ["submit", "blender-render", "shot.blend", "--frames", "1-5", "--chunk", "2", "--preview", "--to", "frames"]
    done = millrace.run(*line, folder=project)
    assert done.returncode == DONE, done.stderr
    frames = [f"shot_{number:04d}.png" for number in range(1, 6)]
    assert sorted(path.name for path in (project / "frames").iterdir()) == ["preview.mp4", *frames]
    assert difference(project / "frames" / frames[0], project / "frames" / frames[4]) > 3
    assert frames_of(project / "frames" / "preview.mp4") == 5
    assert millrace.run("download", done.stdout.strip(), "--zip", "all.zip", folder=project).returncode == DONE
    with zipfile.ZipFile(project / "all.zip") as archive:
        assert archive.namelist() == [*frames, "preview.mp4"] and archive.testzip() is None


def test_a_still_in_tiles_is_the_still(millrace: Shell, project: Path) -> None:
    tiles = ["submit", "blender-render-tiles", "shot.blend", "--frame", "3", "--columns", "3", "--to", "tiled"]
    whole = ["submit", "blender-render", "shot.blend", "--frames", "3", "--to", "whole"]
    for line in (tiles, whole):
        done = millrace.run(*line, folder=project)
        assert done.returncode == DONE, done.stderr
    assert difference(project / "tiled" / "shot_0003.png", project / "whole" / "shot_0003.png") < 0.6


def test_frames_go_to_shared_storage(millrace: Shell, project: Path) -> None:
    out = project / "storage" / "out"
    line = ["submit", "blender-render", str(project / "shot.blend"), "--shared", "--output-path", str(out)]
    done = millrace.run(*line, "--frames", "2", "--resolution", "24x16", "--wait", folder=project)
    assert done.returncode == DONE, done.stderr
    assert len(pixels(out / "shot_0002.png", 24, 16)) == 24 * 16


def test_a_mistaken_name_is_told_with_those_there_are(millrace: Shell, project: Path) -> None:
    line = ["submit", "blender-render", "shot.blend", "--frames", "1", "--camera", "Nope", "--max-retries", "0"]
    done = millrace.run(*line, "--wait", folder=project)
    assert done.returncode == FAILED
    shown = millrace.run("show", done.stdout.strip()).stdout
    assert "this file has no camera 'Nope'; it has: Above, Camera" in shown
