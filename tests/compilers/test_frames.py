"""Job type `frames`: chunks as tasks, the command as a template."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.compilers.frames import Frames
from chalicelib.core.compiling import checked
from chalicelib.core.errors import BadInput
from chalicelib.core.plans import TaskPlan

POVRAY = ["povray", "+K{frame}", "scene.pov", "+O{output}/f{frame:04d}.png"]


def planned(**settings: Any) -> list[TaskPlan]:
    _, [step] = checked(Frames(), {"frames": "1-10", "command": POVRAY, **settings})
    assert step.publishes
    expansion = step.expand({})
    return [expansion.task(index) for index in range(expansion.count)]


def test_each_chunk_is_a_task_that_any_worker_with_programs_may_take() -> None:
    tasks = planned(frames="1-10, 20-30x5", chunk=4)
    assert [task.name for task in tasks] == ["frames 1-4", "frames 5-8", "frames 9-10", "frames 20-30x5"]
    assert {task.requirement.task_type for task in tasks} == {"exec"}
    [command] = tasks[3].commands
    assert command == {"name": "run_frames", "settings": {"argv": POVRAY, "first": 20, "last": 30, "step": 5}}


def test_a_million_frames_are_a_count_and_a_function() -> None:
    _, [step] = checked(Frames(), {"frames": "1-1000000", "command": POVRAY})
    expansion = step.expand({})
    assert (expansion.count, expansion.alike) == (1_000_000, True)
    assert expansion.task(999_999).name == "frame 1000000"


def test_how_long_a_task_may_take_is_up_to_the_job() -> None:
    [task] = planned(frames="1", max_seconds=3600, idle_seconds=600)
    assert (task.max_seconds, task.idle_seconds) == (3600, 600)


def test_inputs_are_laid_into_one_folder_and_all_of_the_other_comes_back() -> None:
    [task] = planned(frames="1", inputs={"scene.pov": "7", "maps/sky.png": "8"})
    assert task.inputs == (("input/scene.pov", 7), ("input/maps/sky.png", 8))
    assert task.outputs == ("output/./**",)


def test_only_what_fits_the_patterns_comes_back() -> None:
    assert planned(outputs=["*.png", "depth/**/*.exr"])[0].outputs == ("output/./*.png", "output/./depth/**/*.exr")
    assert planned(outputs=[])[0].outputs == ()


def test_a_command_that_writes_elsewhere_returns_nothing() -> None:
    [task] = planned(frames="3", command=["render", "-f", "{frame}", "/srv/shot"], folder="/srv")
    assert task.outputs == () and task.commands[0]["settings"]["folder"] == "/srv"


def test_the_blobs_that_must_be_there_are_named_as_the_settings_name_them() -> None:
    settings, _ = checked(Frames(), {"frames": "1", "command": POVRAY, "inputs": {"scene.pov": "7"}})
    assert Frames().blobs(settings) == {"settings.inputs.scene.pov": 7}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"frames": "5-3"}, "settings.frames: '5-3' goes backwards; write 3-5"),
        ({"frames": ""}, "settings.frames: no frames are named"),
        ({"chunk": 0}, "settings.chunk: "),
        ({"command": []}, "settings.command: "),
        ({"command": ["a", "{fram}"]}, "settings.command: word 2, '{fram}': unknown placeholder {fram}; there are"),
        ({"command": ["{frame.real}"]}, "unknown placeholder {frame.real}"),
        ({"command": ["{}"]}, "unknown placeholder {}"),
        ({"command": ["a", "}"]}, "a brace itself is written twice"),
        ({"command": ["{frame:x}"]}, "only a width is possible, as in {frame:04d}"),
        ({"command": ["{frame:9999999d}"]}, "only a width is possible"),
        ({"command": ["{frame!r}"]}, "only a width is possible"),
        ({"command": ["{frame}", "{output:9}"]}, "{output} cannot be written like that; it takes no format"),
        ({"command": ["render"]}, "the command names no frame: write {frame}, or {start} and {end}"),
        ({"command": ["render", "{start}"]}, "the command names no frame"),
        ({"command": ["{frame}", "{start}"]}, "choose one"),
        ({"command": ["{{frame}}"]}, "the command names no frame"),
        ({"frames": "1-9x2", "chunk": 3, "command": ["{start}", "{end}"]}, "1-9x2 leaves frames out"),
        ({"command": ["{frame}"], "outputs": ["*.png"]}, "the command does not say {output}"),
        ({"outputs": ["../*"]}, "'../*' must not contain '.', '..' or empty parts"),
        ({"inputs": {"/etc/passwd": "7"}}, "'/etc/passwd' must be relative"),
        ({"inputs": {"a*": "7"}}, "'a*' must name one file"),
        ({"inputs": {"a": "x"}}, "settings.inputs.a: "),
        ({"folder": "here"}, "settings.folder: must be an absolute path on shared storage"),
        ({"frames": "1-1000001"}, "1,000,001 frames are more than the 1,000,000 that a job may have"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput) as refused:
        planned(**settings)
    assert says in refused.value.message


def test_braces_that_are_meant_are_written_twice() -> None:
    assert planned(command=["sh", "-c", "x${{HOME}} {frame}"])
