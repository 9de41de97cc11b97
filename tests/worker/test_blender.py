"""The commands that run Blender, with the real one, Cycles on the CPU, and a scene that the test makes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from chalicelib.compilers.blender_python import overrides
from millrace.agent.errors import CommandFailed
from millrace.runtimes.blender import Listener
from millrace.runtimes.ffmpeg import probe
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
    assert "turn denoising off (--no-denoise)" in str(failed.value)


@pytest.mark.parametrize(
    ("line", "percent", "activity"),
    [
        ("Fra:3 Mem:9M (Peak 9M) | Time:00:01.00 | Mem:0M | Scene, ViewLayer | Sample 5/10", 25.0, "frame 3, 5 of 10"),
        ("Fra:3 Mem:42.38M (Peak 43.49M) | Time:00:47.99 | Rendering 26 / 52 samples", 25.0, "frame 3, 26 of 52"),
        ("Fra:3 Mem:9M (Peak 9M) | Time:00:00.00 | Scene, ViewLayer | Initializing", 0.0, "frame 3"),
        ("Saved: '/out/f_0003.png'", 50.0, "saved f_0003.png"),
    ],
)  # fmt: skip
def test_what_blender_says_becomes_progress(bench: Workbench, line: str, percent: float, activity: str) -> None:
    Listener(bench.context, frames=2)(line)
    assert (bench.attempt.progress.percent, bench.attempt.progress.activity) == (percent, activity)


def test_an_engine_that_needs_a_display_is_told_with_one_that_does_not(bench: Workbench) -> None:
    (bench.work / "scene.blend").touch()
    program = bench.work / "blender"
    program.write_text("#!/bin/sh\necho Unable to open a display >&2\nexit 134\n")
    program.chmod(0o755)
    with pytest.raises(CommandFailed, match="Unable to open a display .*CYCLES does not"):
        render(bench, blender_cmd=str(program))


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


# -- progressive renders


def progressive(bench: Workbench, first: int, last: int, frames: str = "1") -> None:
    chunks = {"cycles_num_chunks": 4, "cycles_chunk_start": first, "cycles_chunk_end": last}
    output = f"out/part{first}_##"
    bench.run(
        "blender_render_progressive",
        filepath="scene.blend", render_output=output, format="OPEN_EXR", frames=frames, **chunks,
    )  # fmt: skip


def test_the_parts_of_the_samples_make_the_whole_picture(bench: Workbench, scene: Path) -> None:
    """4 samples are 1 and 3 samples: exactly, where Blender can begin at a later sample."""
    render(bench, "1-2", output="out/whole_##", format="OPEN_EXR")
    progressive(bench, 1, 1, "1-2")
    progressive(bench, 2, 4, "1-2")
    parts = {"input1": "out/part1_##.exr", "input2": "out/part2_##.exr", "weight1": 1, "weight2": 3}
    bench.run("merge_progressive_render_sequence", **parts, output="out/all_##.exr", frame_start=1, frame_end=2)
    for frame in ("01", "02"):
        whole, merged = (bench.work / "out" / f"{name}_{frame}.exr" for name in ("whole", "all"))
        part = bench.work / "out" / f"part1_{frame}.exr"
        assert difference(merged, whole) * 10 < difference(part, whole)


def test_two_parts_of_one_picture_are_merged_by_weight(bench: Workbench, scene: Path) -> None:
    progressive(bench, 1, 1)
    progressive(bench, 2, 4)
    one, other = "out/part1_01.exr", "out/part2_01.exr"
    bench.run("merge_progressive_renders", input1=one, input2=other, output="m.exr", weight1=1, weight2=1_000_000)
    merged = bench.work / "m.exr"
    assert difference(merged, bench.work / other) * 10 < difference(merged, bench.work / one)


def test_a_part_that_is_not_there_is_named(bench: Workbench) -> None:
    with pytest.raises(CommandFailed, match="merge_progressive_renders: '.*/a.exr' is not a file"):
        bench.run("merge_progressive_renders", input1="a.exr", input2="b.exr", output="c.exr", weight1=1, weight2=1)
    with pytest.raises(CommandFailed, match="expected ## where the number belongs"):
        bench.run("merge_progressive_render_sequence", input1="a", input2="b", output="c", weight1=1, weight2=1)


@pytest.mark.parametrize(("first", "last"), [(0, 1), (3, 2), (1, 5)])
def test_samples_that_there_are_not_cannot_be_rendered(bench: Workbench, scene: Path, first: int, last: int) -> None:
    with pytest.raises(CommandFailed, match=f"cycles chunks {first} to {last} of 4"):
        progressive(bench, first, last)


def test_light_becomes_jpeg_beside_it(bench: Workbench, scene: Path) -> None:
    render(bench, "1-2", format="OPEN_EXR")
    bench.run("exr_sequence_to_jpeg", filepath="scene.blend", exr_glob="out/f_*.exr")
    render(bench, "2", output="out/direct_####", format="JPEG")
    assert {"preview-000001.jpg", "preview-000002.jpg"} <= {path.name for path in (bench.work / "out").iterdir()}
    assert difference(bench.work / "out" / "preview-000002.jpg", bench.work / "out" / "direct_0002.jpg") < 2
    with pytest.raises(CommandFailed, match=r"no file matches '.*none/\*.exr'"):
        bench.run("exr_sequence_to_jpeg", filepath="scene.blend", exr_directory="none")


def test_the_sound_of_a_file_is_mixed(bench: Workbench) -> None:
    bench.run("exec", cmd="ffmpeg -v error -f lavfi -i sine=duration=2 sound.wav")
    sound = f"scene.sequence_editor_create().sequences.new_sound('s', {str(bench.work / 'sound.wav')!r}, 1, 1)"
    make_scene(bench.work / "scene.blend", sound)
    bench.run("blender_render_audio", filepath="scene.blend", render_output="s.flac", frame_start=1, frame_end=24)
    assert probe(bench.context, bench.work / "s.flac").has_audio


# -- videos


@pytest.mark.parametrize("format", ["PNG", "OPEN_EXR"])
def test_a_video_has_every_frame(bench: Workbench, scene: Path, format: str) -> None:
    render(bench, "1-3", format=format)
    bench.run("create_video", input_files="out/f_*", output_file="out/video.mp4", fps=24)
    assert frames_of(bench.work / "out" / "video.mp4") == 3


def test_a_video_of_nothing_is_refused(bench: Workbench) -> None:
    with pytest.raises(CommandFailed, match=r"create_video: no file matches '.*none/\*.png'"):
        bench.run("create_video", input_files="none/*.png", output_file="video.mp4", fps=24)
