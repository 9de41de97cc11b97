"""The maps between the farm's words and the protocol's are total, and command lines are what they should be."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.errors import BadInput
from chalicelib.core.lifecycle import TaskStatus, WorkerStatus
from chalicelib.dialects.flamenco1 import compilers, documents, scripts, translate
from chalicelib.dialects.flamenco1.commands import Inexpressible, argv_of
from chalicelib.dialects.flamenco1.compilers import COMPILERS, UnknownType, compiled
from chalicelib.dialects.flamenco1.translate import System

LINUX = {"file_path_linux": "/p/a.blend", "output_path_linux": "/r/6", "render_settings": "s.py"}
OSX = {"file_path_osx": "/V/a.blend", "output_path_osx": "/V/6/", "render_settings": "s.py"}
WIN = {"file_path_win": "P:\\a.blend", "output_path_win": "R:\\6", "render_settings": "s.py"}
FRAMES = {"frame_start": 5, "frame_end": "10", "format": "PNG"}
FARM = {"blender_path_osx": "/Applications/blender", "render_settings_path_win": "C:\\s"}
PULLED = ["==command==", "--enable-autoexec", "-noaudio", "--background", "==jobpath==/a.blend"]
OUT = ["--render-output", "==outputpath==/#####"]


def words(text: str) -> list[str]:
    return text.split()


GOLDEN: list[tuple[str, dict[str, Any], System, list[str]]] = [
    ("print_string", {"text": "hi there"}, System.LINUX, ["echo", "hi there"]),
    (
        "simple_blender_render",
        LINUX | FRAMES,
        System.LINUX,
        words(
            "blender --background /p/a.blend --render-output /r/6/##### --python s.py --frame-start 5 --frame-end 10 "
            "--render-format PNG --render-anim --enable-autoexec"
        ),
    ),
    (
        "simple_blender_render",
        OSX | FRAMES,
        System.OSX,
        words(
            "/Applications/blender --background /V/a.blend --render-output /V/6/##### --python s.py --frame-start 5 "
            "--frame-end 10 --render-format PNG --render-anim --enable-autoexec"
        ),
    ),
    (
        "simple_blender_render",
        WIN | FRAMES,
        System.WIN,
        words(
            "blender --background P:\\a.blend --render-output R:\\6\\##### --python C:\\s\\s.py --frame-start 5 "
            "--frame-end 10 --render-format PNG --render-anim --enable-autoexec"
        ),
    ),
    (
        "tiled_blender_render",
        LINUX | FRAMES | {"tile": 2, "tiles": 4},
        System.LINUX,
        [
            *words("blender --background /p/a.blend --render-output /r/6/tiled_2_##### --frame-start 5 --frame-end 10"),
            *words("--python-exit-code 1 --python-expr"),
            scripts.TILE,
            *words("--enable-autoexec --render-anim -- 2 4"),
        ],
    ),
    (
        "tiled_blender_render_simple_mix",
        LINUX | FRAMES | {"tiles": 4},
        System.LINUX,
        [
            *words("blender --background /p/a.blend --render-output /r/6/##### --frame-start 5 --frame-end 10"),
            *words("--python-exit-code 1 --python-expr"),
            scripts.MIX,
            *words("--enable-autoexec --render-anim -- /r/6 4"),
        ],
    ),
    (
        "simple_blender_render",
        {"filepath": "a.blend"} | FRAMES,
        System.LINUX,
        [
            *PULLED,
            *OUT,
            *words("--python ==jobpath==/pre_render.py --render-format PNG"),
            *words("--frame-start 5 --frame-end 10 --render-anim"),
        ],
    ),
    (
        "simple_blender_render",
        LINUX | FRAMES | {"frame_start": -5},
        System.LINUX,
        words(
            "blender --background /p/a.blend --render-output /r/6/##### --python s.py --frame-start -5 --frame-end 10 "
            "--render-format PNG --render-anim --enable-autoexec"
        ),
    ),
    (
        "blender_simple_render",
        {"filepath": "a.blend", "format": "PNG", "frames": "1,3-5", "command_name": "default"},
        System.LINUX,
        [
            *PULLED,
            *OUT,
            *words("--python ==jobpath==/pre_render.py --render-format PNG"),
            *words("-f 1 --frame-start 3 --frame-end 5 --render-anim"),
        ],
    ),
    (
        "tiled_blender_render",
        {"filepath": "a.blend", "tile": 2, "tiles": 4} | FRAMES,
        System.LINUX,
        [
            *PULLED,
            *words("--render-output ==outputpath==/tiled_2_##### --frame-start 5 --frame-end 10"),
            *words("--python-exit-code 1 --python ==jobpath==/tile.py --render-anim -- 2 4"),
        ],
    ),
    (
        "tiled_blender_render_simple_mix",
        {"filepath": "a.blend", "tiles": 4} | FRAMES,
        System.LINUX,
        [
            *PULLED,
            *OUT,
            *words("--frame-start 5 --frame-end 10 --python-exit-code 1 --python ==jobpath==/tile_mix.py"),
            *words("--render-anim -- ==jobpath== 4"),
        ],
    ),
    (
        "blender_simple_render_turbo",
        {"filepath": "a.blend", "format": "EXR", "frames": "1, 3-5"},
        System.WIN,
        [
            *PULLED,
            *OUT,
            *words("--python ==jobpath==/pre_render.py --render-format EXR"),
            *words("-f 1 --frame-start 3 --frame-end 5 --render-anim"),
        ],
    ),
    (
        "blender_opengl_render",
        {"filepath": "a.blend"} | FRAMES,
        System.LINUX,
        words(
            "==command== --enable-autoexec -noaudio ==jobpath==/a.blend --python-exit-code 1 "
            "--python ==jobpath==/opengl_render.py -- 5 10 ==outputpath==/##### PNG"
        ),
    ),
    (
        "blender_bake_anim_cache",
        {"filepath": "a.blend"},
        System.LINUX,
        [*PULLED, *words("--python-exit-code 1 --python ==jobpath==/bake_anim_cache.py")],
    ),
]


@pytest.mark.parametrize(("kind", "settings", "system", "argv"), GOLDEN, ids=lambda value: str(value)[:24])
def test_a_task_compiles_to_one_command_line(kind: str, settings: Any, system: System, argv: list[str]) -> None:
    assert compiled(kind, settings, FARM, system) == argv


def test_every_compiler_has_a_command_line_here() -> None:
    assert {kind for kind, *_ in GOLDEN} == set(COMPILERS)


@pytest.mark.parametrize("number", ["--5", "5-", "+5", "5.0", "1" * 10, "٣", "5\n"])
def test_frames_at_the_ends_are_whole_numbers(number: str) -> None:
    with pytest.raises(BadInput, match="settings.frame_start: must be a whole number"):
        compiled("simple_blender_render", LINUX | FRAMES | {"frame_start": number}, {}, System.LINUX)


@pytest.mark.parametrize("kind", ["print_string", "blender_bake_anim_cache"])
def test_a_program_that_no_setting_names_is_refused(kind: str) -> None:
    settings = {"text": "hi", "filepath": "a.blend", "command_name": "multiview"}
    with pytest.raises(BadInput, match=r"command_name: no 'multiview' here.* blender_path_linux_multiview"):
        compiled(kind, settings, {"blender_path_osx_multiview": "/m"}, System.LINUX)
    assert compiled(kind, settings, {"blender_path_linux_multiview": "/m"}, System.LINUX)


def test_the_job_types_name_every_program_that_is_set() -> None:
    farm = {"blender_path_osx": "/b", "blender_path_linux_multiview": "/m", "blender_path_win_": "x", "other": "y"}
    assert documents.job_type_document(farm)["commands"] == {
        "default": {"Linux": "blender", "Darwin": "/b", "Windows": "blender"},
        "multiview": {"Linux": "/m"},
    }


def test_every_compiler_says_which_setting_is_missing() -> None:
    for kind in COMPILERS:
        with pytest.raises(BadInput, match=r"^settings\.\w+: required"):
            compiled(kind, {}, {}, System.LINUX)


@pytest.mark.parametrize("frames", ["", "a", "1-", "-1", "1,,2", "1;2", "1-2-3", "--python x"])
def test_frames_are_numbers_and_ranges(frames: str) -> None:
    with pytest.raises(BadInput, match="settings.frames"):
        compiled("blender_simple_render", {"filepath": "a", "format": "PNG", "frames": frames}, {}, System.LINUX)


def test_an_unknown_type_is_no_bad_input() -> None:
    with pytest.raises(UnknownType, match="print_string"):
        compiled("nothing", {}, {}, System.LINUX)


def test_text_that_looks_like_a_placeholder_is_just_printed() -> None:
    assert not compilers.is_for_pulling("print_string", ["echo", "==command=="])


def test_the_scripts_that_blender_runs_are_python() -> None:
    for name, text in scripts.FILES.items():
        compile(text, name, "exec")
    assert scripts.support_zip() == scripts.support_zip()


def test_every_status_has_a_word() -> None:
    assert set(translate.TASK_WORDS) == set(TaskStatus)
    assert set(translate.WORKERS) == set(WorkerStatus)


@pytest.mark.parametrize(("given", "core"), [(0, 100), (50, 50), (10, 90), (100, 0), (-5, 100), (1000, 0)])
def test_lower_numbers_are_higher_priorities(given: int, core: int) -> None:
    assert translate.core_priority(given) == core


@pytest.mark.parametrize(
    "commands",
    [
        [],
        [{"name": "copy_file", "settings": {}}],
        [{"name": "echo", "settings": {}}] * 2,
        [{"name": "exec", "settings": {}}],
        [{"name": "exec", "settings": {"cmd": "'"}}],
        [{"name": "exec", "settings": {"argv": ["ls"], "folder": "/"}}],
        [{"name": "exec", "settings": {"argv": [1]}}],
        [{"name": "sleep", "settings": {"time_in_seconds": "x"}}],
    ],
)
def test_what_is_no_single_command_line_is_said_to_be_none(commands: Any) -> None:
    with pytest.raises(Inexpressible):
        argv_of(commands, System.LINUX)


def test_a_program_may_want_to_run_where_its_worker_was_started() -> None:
    assert argv_of([{"name": "exec", "settings": {"argv": ["ls"], "folder": "."}}], System.WIN) == ["ls"]


def test_windows_has_no_sleep_to_run() -> None:
    with pytest.raises(Inexpressible):
        argv_of([{"name": "sleep", "settings": {"time_in_seconds": 1}}], System.WIN)
