"""Job types `blender-render` and `blender-render-tiles`: what becomes of their settings."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.compilers import JOB_TYPES
from chalicelib.core.compiling import checked
from chalicelib.core.errors import BadInput
from chalicelib.core.model import Output
from chalicelib.core.plans import Results, StepPlan, TaskPlan, TaskResult


def steps(type: str = "blender-render", **settings: Any) -> dict[str, StepPlan]:
    given = {"blend": "7", "frames": "1-10"} if type == "blender-render" else {"blend": "7"}
    return {step.name: step for step in checked(JOB_TYPES[type], {**given, **settings})[1]}


def tasks(step: StepPlan, results: Results | None = None) -> list[TaskPlan]:
    expansion = step.expand(results or {})
    return [expansion.task(index) for index in range(expansion.count)]


def made(*names: str) -> list[TaskResult]:
    """One task's result per name."""
    return [TaskResult((Output(name, 100 + n, 1, "00"),), None) for n, name in enumerate(names)]


def command_of(task: TaskPlan, number: int = 0) -> dict[str, Any]:
    return dict(task.commands[number]["settings"])


def wanted_in(task: TaskPlan) -> dict[str, Any]:
    """What the script in a task's command is told, which must be Python."""
    script = command_of(task)["python_expr"]
    ast.parse(script)
    line = next(line for line in script.splitlines() if line.startswith("wanted = "))
    return dict(ast.literal_eval(line.removeprefix("wanted = ")))


def test_a_chunk_is_a_task_that_renders_into_its_output_folder() -> None:
    chunks = tasks(steps(frames="1-10,20-30x5", chunk=5, prefix="shot_")["render"])
    assert [task.name for task in chunks] == ["frames 1-5", "frames 6-10", "frames 20-30x5"]
    assert [command_of(task)["frames"] for task in chunks] == ["1-5", "6-10", "20,25,30"]
    task = chunks[0]
    assert task.requirement.task_type == "blender-render" and task.commands[0]["name"] == "blender_render"
    assert (task.inputs, task.outputs) == ((("input/scene.blend", 7),), ("output/./shot_*",))
    assert command_of(task)["render_output"] == "output/shot_####"
    assert command_of(task)["filepath"] == "input/scene.blend"


def test_textures_are_laid_beside_the_file() -> None:
    [task] = tasks(steps(frames="1", inputs={"textures/wood.png": "8"})["render"])
    assert task.inputs == (("input/scene.blend", 7), ("input/textures/wood.png", 8))
    settings, _ = checked(JOB_TYPES["blender-render"], {"blend": "7", "frames": "1", "inputs": {"a.png": "8"}})
    assert JOB_TYPES["blender-render"].blobs(settings) == {"settings.blend": 7, "settings.inputs.a.png": 8}


def test_only_what_is_asked_for_is_overridden() -> None:
    assert wanted_in(tasks(steps()["render"])[0]) == {}
    settings = {"camera": "Top", "samples": 8, "resolution": [640, 360], "denoise": False, "format": "JPEG"}
    assert wanted_in(tasks(steps(**settings)["render"])[0]) == settings | {"resolution": (640, 360)}


@pytest.mark.parametrize("name", ["it's", 'a "b"', "{blender}", "\\", "'; import os; '", "ö🎬"])
def test_a_name_stays_a_name_in_the_script(name: str) -> None:
    assert wanted_in(tasks(steps(camera=name)["render"])[0]) == {"camera": name}


def test_what_lies_on_shared_storage_alone_is_flamencos_and_its_workers_may_take_it() -> None:
    [task] = tasks(steps(blend="/srv/shot.blend", output_path="/srv/out/", frames="1")["render"])
    assert (task.inputs, task.outputs) == ((), ())
    assert command_of(task)["blender_cmd"] == "{blender}"
    assert command_of(task)["filepath"] == "/srv/shot.blend"
    assert command_of(task)["render_output"] == "/srv/out/frame_####"


def test_the_preview_takes_the_frames_in_the_order_of_their_numbers() -> None:
    preview = steps(frames="30,9-10", preview=True, fps=12)["preview"]
    assert preview.after == ("render",) and preview.publishes
    [task] = tasks(preview, {"render": made("f_0030.png", "f_0009.png", "f_0010.png")})
    assert task.inputs == (("frames/000000.png", 101), ("frames/000001.png", 102), ("frames/000002.png", 100))
    assert command_of(task) == {"input_files": "frames/*.png", "output_file": "preview.mp4", "fps": 12}


def test_a_long_preview_is_made_in_parts() -> None:
    planned = steps(frames="1-1201", preview=True)
    frames = made(*(f"f_{n:04d}.png" for n in range(1, 1202)))
    parts = tasks(planned["preview-parts"], {"render": frames})
    assert [len(part.inputs) for part in parts] == [500, 500, 201]
    [join] = tasks(planned["preview"], {"preview-parts": made(*["preview.mp4"] * 3)})
    assert join.commands[0]["name"] == "concatenate_videos"
    assert [name for name, _ in join.inputs] == ["parts/00000.mp4", "parts/00001.mp4", "parts/00002.mp4"]
    assert not planned["preview-parts"].publishes and planned["preview"].publishes


def test_a_preview_of_frames_on_shared_storage_is_made_there() -> None:
    planned = steps(blend="/srv/a.blend", output_path="/srv/out", format="PNG", preview=True)
    [task] = tasks(planned["preview"])
    assert command_of(task)["input_files"] == "/srv/out/frame_*.png"
    assert command_of(task)["output_file"] == "/srv/out/frame_preview.mp4"


def test_without_a_frame_there_is_no_preview() -> None:
    with pytest.raises(BadInput, match="no frames came back"):
        tasks(steps(preview=True)["preview"], {"render": [TaskResult((), None)]})


# -- tiles


def test_tiles_are_counted_as_one_reads() -> None:
    tiles = tasks(steps("blender-render-tiles", columns=3, rows=2, frame=12)["tiles"])
    assert [wanted_in(task)["tile"] for task in tiles] == [
        (0, 0, 3, 2), (1, 0, 3, 2), (2, 0, 3, 2), (0, 1, 3, 2), (1, 1, 3, 2), (2, 1, 3, 2),
    ]  # fmt: skip
    assert tiles[4].name == "tile 2, 2 of 3 x 2" and tiles[4].outputs == ("output/./tile_0004_*",)
    assert command_of(tiles[4])["frames"] == "12"


@pytest.mark.parametrize(
    ("format", "tile", "still"),
    [("PNG", "PNG", "png"), ("JPEG", "PNG", "jpg"), ("TIFF", "PNG", "tif"), ("OPEN_EXR", "OPEN_EXR", "exr")],
)
def test_tiles_travel_without_loss_and_only_the_still_comes_back(format: str, tile: str, still: str) -> None:
    planned = steps("blender-render-tiles", format=format, frame=3, prefix="still_")
    task = tasks(planned["tiles"])[0]
    assert command_of(task)["format"] == tile and wanted_in(task)["lossless"] is True
    names: Sequence[str] = [f"tile_{n:04d}_0003.{tile.lower()[-3:]}" for n in range(4)]
    [merge] = tasks(planned["merge"], {"tiles": made(*names)})
    assert merge.outputs == (f"still_0003.{still}",)
    assert not planned["tiles"].publishes and planned["merge"].publishes


@pytest.mark.parametrize(
    ("type", "settings", "says"),
    [
        ("blender-render", {"frames": "5-3"}, "settings.frames: '5-3' goes backwards; write 3-5"),
        ("blender-render", {"frames": "-5-3"}, "Blender renders frames 0 to 1,048,574, not -5-3"),
        ("blender-render", {"blend": "shot.blend"}, "settings.blend: must be a blob id or an absolute path"),
        ("blender-render", {"blend": "/a.blend", "inputs": {"a": "7"}}, "inputs go with an uploaded .blend file"),
        ("blender-render", {"inputs": {"scene.blend": "7"}}, "which is the .blend file itself"),
        ("blender-render", {"inputs": {"../a": "7"}}, "'../a' must not contain '.', '..' or empty parts"),
        ("blender-render", {"format": "FFMPEG"}, "settings.format: "),
        ("blender-render", {"format": "OPEN_EXR_MULTILAYER", "preview": True}, "no video can be made of"),
        ("blender-render", {"engine": "Cycles; rm"}, "settings.engine: "),
        ("blender-render", {"resolution": [1, 100000]}, "1 x 100000 is no size"),
        ("blender-render", {"prefix": "a/b"}, "'a/b' cannot begin a file's name"),
        ("blender-render", {"prefix": "a#"}, "'a#' cannot begin a file's name"),
        ("blender-render", {"frames": "1-20000", "chunk": 2, "preview": True}, "20,000 frames are too many"),
        ("blender-render", {"output_path": "/o", "preview": True}, "preview: name the format"),
        ("blender-render-tiles", {"columns": 20, "rows": 20}, "20 x 20 tiles are too many; at most 256"),
        ("blender-render-tiles", {"frame": -1}, "settings.frame: "),
        ("blender-render-tiles", {"format": "BMP"}, "settings.format: "),
    ],
)
def test_what_is_wrong_is_named(type: str, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput) as refused:
        steps(type, **settings)
    assert says in refused.value.message
