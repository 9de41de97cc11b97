"""The commands that run Blender, with the real one, Cycles on the CPU, and a scene that the test makes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from chalicelib.compilers.blender_python import overrides
from millrace.agent.errors import CommandFailed
from tests.worker.pictures import difference, frames_of, pixels
from tests.worker.scenes import make_scene
from tests.worker.workbench import Workbench

pytestmark = [pytest.mark.needs("blender", "ffmpeg"), pytest.mark.timeout(300)]


@pytest.fixture
def scene(bench: Workbench) -> Path:
    return make_scene(bench.work / "scene.blend")


def render(bench: Workbench, frames: str = "1", output: str = "out/f_####", **settings: Any) -> list[str]:
    """The names of the files that are there afterwards."""
    bench.run("blender_render", filepath="scene.blend", render_output=output, frames=frames, **settings)
    return sorted(path.name for path in (bench.work / "out").iterdir())


def test_frames_are_rendered_named_and_numbered(bench: Workbench, scene: Path) -> None:
    assert render(bench, "1-2,5") == ["f_0001.png", "f_0002.png", "f_0005.png"]
    first, last = bench.work / "out" / "f_0001.png", bench.work / "out" / "f_0005.png"
    assert len(set(pixels(first))) > 20, "a picture of one colour"
    assert difference(first, last) > 3, "the cube has not moved"
    assert bench.attempt.progress.percent == 100.0
    assert "Saved: " in bench.log() and bench.log().count("Fra:") < 10


@pytest.mark.parametrize("blender_cmd", [None, "blender", "{blender}", "blender -noaudio"])
def test_the_program_is_the_one_named_or_that_of_this_machine(
    bench: Workbench, scene: Path, blender_cmd: str | None
) -> None:
    assert render(bench, blender_cmd=blender_cmd) == ["f_0001.png"]


def test_a_program_that_is_not_here_is_named(bench: Workbench, scene: Path) -> None:
    with pytest.raises(CommandFailed, match="there is no program '/opt/none/blender' on this machine"):
        render(bench, blender_cmd="/opt/none/blender")


def test_a_job_overrides_what_the_file_says(bench: Workbench, scene: Path) -> None:
    render(bench)
    script = overrides(camera="Above", engine="CYCLES", samples=1, resolution=(64, 20), denoise=False, threads=1)
    render(bench, output="out/above_", python_expr=script, format="JPEG")
    assert len(pixels(bench.work / "out" / "above_0001.jpg", 64, 20)) == 64 * 20


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"camera": "Nope"}, "this file has no camera 'Nope'; it has: Above, Camera"),
        ({"scene": "Nope"}, "this file has no scene 'Nope'; it has: Scene"),
        ({"engine": "NOPE"}, "this Blender has no engine 'NOPE'; it has: 'BLENDER_EEVEE'"),
        ({"tile": (0, 0, 99, 1)}, "99 x 1 tiles do not fit into 48 x 32 pixels"),
    ],
)
def test_what_the_file_does_not_have_is_named(bench: Workbench, scene: Path, wanted: dict[str, Any], says: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        render(bench, python_expr=overrides(**wanted))
    assert str(failed.value).startswith(f"blender_render: {says}")


def test_a_name_is_never_code(bench: Workbench, scene: Path) -> None:
    name = "'}\nopen('/tmp/x', 'w')\n#{\""
    with pytest.raises(CommandFailed, match="this file has no camera"):
        render(bench, python_expr=overrides(camera=name))


def test_a_frame_that_blender_leaves_out_without_a_word_fails_the_task(bench: Workbench) -> None:
    """Blender ends with 0 when its denoiser is not built in, or when it cannot write. This one is none."""
    (bench.work / "scene.blend").touch()
    program = bench.work / "blender"
    program.write_text("#!/bin/sh\necho \"Saved: '/out/f_0001.png'\"\necho Error: Build without OpenImageDenoiser\n")
    program.chmod(0o755)
    with pytest.raises(CommandFailed) as failed:
        render(bench, "1-2", blender_cmd=str(program))
    assert "1 of 2 frames were rendered: Build without OpenImageDenoiser" in str(failed.value)
    assert "turn denoising off (denoise: false)" in str(failed.value)


def test_a_scene_without_a_camera_is_told(bench: Workbench) -> None:
    make_scene(bench.work / "scene.blend", "scene.camera = None")
    with pytest.raises(CommandFailed, match="Cannot render, no camera .give the scene one, or name one of the file"):
        render(bench, "1-2")
    assert render(bench, python_expr=overrides(camera="Above")) == ["f_0001.png"]


def test_a_file_that_is_no_blend_file_fails_the_task(bench: Workbench) -> None:
    (bench.work / "scene.blend").write_text("no scene at all")
    with pytest.raises(CommandFailed, match="blender_render: .*(damaged|not)"):
        render(bench)


def test_a_file_that_is_not_there_is_named(bench: Workbench) -> None:
    with pytest.raises(CommandFailed, match="there is no file '.*scene.blend'; can this worker see the storage"):
        render(bench)


def test_a_video_format_in_the_file_is_refused_for_frames(bench: Workbench) -> None:
    make_scene(bench.work / "scene.blend", "scene.render.image_settings.file_format = 'FFMPEG'")
    with pytest.raises(CommandFailed, match="output format FFMPEG is a video; name a format"):
        render(bench, python_expr=overrides())
    assert render(bench, python_expr=overrides(format="PNG"), format="PNG") == ["f_0001.png"]


@pytest.mark.parametrize("frames", ["5-3", "a", "1-5x2", "-3", "1,,2"])
def test_wrong_frames_fail_the_task(bench: Workbench, scene: Path, frames: str) -> None:
    with pytest.raises(CommandFailed, match="invalid settings: 'frames' is"):
        render(bench, frames)


def test_a_file_of_overrides_beside_the_scene_is_run(bench: Workbench, scene: Path) -> None:
    (bench.work / "scene-overrides.py").write_text("import bpy; bpy.context.scene.render.resolution_x = 24")
    render(bench)
    assert len(pixels(bench.work / "out" / "f_0001.png", 24)) == 24 * 32


def test_textures_beside_the_file_are_found(bench: Workbench) -> None:
    """What Cycles draws in magenta was not found."""
    paint = (
        "bpy.data.images.new('white', 4, 4).generated_color = (1, 1, 1, 1)\n"
        "image = bpy.data.images['white']\n"
        "image.source, image.filepath = 'FILE', '//textures/white.png'\n"
        "world = scene.world; world.use_nodes = True; nodes = world.node_tree.nodes\n"
        "node = nodes.new('ShaderNodeTexEnvironment'); node.image = image\n"
        "world.node_tree.links.new(node.outputs[0], nodes['Background'].inputs[0])"
    )
    make_scene(bench.work / "scene.blend", paint)
    render(bench, output="out/missing_")
    (bench.work / "textures").mkdir()
    shutil.copyfile(bench.work / "out" / "missing_0001.png", bench.work / "textures" / "white.png")
    render(bench, output="out/there_")
    assert difference(bench.work / "out" / "missing_0001.png", bench.work / "out" / "there_0001.png") > 3


# -- tiles


def tile(bench: Workbench, column: int, row: int, columns: int, rows: int, format: str = "PNG") -> str:
    name = f"tile_{row * columns + column:04d}_"
    script = overrides(format=format, lossless=True, tile=(column, row, columns, rows))
    render(bench, output=f"out/{name}", format=format, python_expr=script)
    return f"out/{name}0001.{'exr' if format == 'OPEN_EXR' else 'png'}"


@pytest.mark.parametrize(("columns", "rows"), [(2, 2), (5, 3)])
def test_tiles_make_the_whole_picture(bench: Workbench, scene: Path, columns: int, rows: int) -> None:
    """Also where they do not divide it evenly, and with the noise of the whole picture."""
    render(bench, output="out/whole_")
    names = [tile(bench, column, row, columns, rows) for row in range(rows) for column in range(columns)]
    produced = bench.run("merge_tiles", inputs=names, columns=columns, rows=rows, output="merged.png")
    assert produced.outputs == ("merged.png",)
    assert difference(bench.work / "merged.png", bench.work / "out" / "whole_0001.png") < 0.6


def test_tiles_of_light_stay_light(bench: Workbench, scene: Path) -> None:
    render(bench, output="out/whole_", format="OPEN_EXR")
    names = [tile(bench, column, 0, 2, 1, "OPEN_EXR") for column in range(2)]
    bench.run("merge_tiles", inputs=names, columns=2, rows=1, output="merged.exr")
    assert difference(bench.work / "merged.exr", bench.work / "out" / "whole_0001.exr") < 0.6


def test_tiles_become_the_format_asked_for(bench: Workbench, scene: Path) -> None:
    names = [tile(bench, 0, row, 1, 2) for row in range(2)]
    bench.run("merge_tiles", inputs=names, columns=1, rows=2, output="merged.jpg")
    assert len(pixels(bench.work / "merged.jpg")) == 48 * 32
    with pytest.raises(CommandFailed, match="2 tiles do not make 2 x 2"):
        bench.run("merge_tiles", inputs=names, columns=2, rows=2, output="merged.jpg")


# -- videos


@pytest.mark.parametrize("format", ["PNG", "OPEN_EXR"])
def test_a_video_has_every_frame(bench: Workbench, scene: Path, format: str) -> None:
    render(bench, "1-3", format=format)
    bench.run("create_video", input_files="out/f_*", output_file="out/video.mp4", fps=24)
    assert frames_of(bench.work / "out" / "video.mp4") == 3


def test_a_video_of_nothing_is_refused(bench: Workbench) -> None:
    with pytest.raises(CommandFailed, match=r"create_video: no file matches '.*none/\*.png'"):
        bench.run("create_video", input_files="none/*.png", output_file="video.mp4", fps=24)
