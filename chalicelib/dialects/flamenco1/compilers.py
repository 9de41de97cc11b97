"""From a task's type and settings to one command line: pure functions, after section 7 of the protocol's sheet.

Those who are pushed to get paths of their own system (the settings name one per system), those who pull get
`==command==`, `==jobpath==` and `==outputpath==`, which they fill in themselves. A type that both generations know is
told apart by its settings. Blender's own paths are the farm's settings of this room: `blender_path_linux`, and
`blender_path_linux_NAME` for tasks that name another program in `command_name`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.errors import BadInput, FarmError
from . import scripts
from .translate import System

PATTERN = "#####"
JOB, OUTPUT, COMMAND = "==jobpath==", "==outputpath==", "==command=="
USUAL_COMMAND = "default"
_FRAMES = re.compile(r"[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*")
_WHOLE = re.compile(r"-?[0-9]{1,9}")
_SYSTEM_PATHS = tuple(f"file_path_{system.value}" for system in System)


class UnknownType(FarmError):
    """No compiler has this name."""


@dataclass(frozen=True)
class Settings:
    """A task's settings, and the farm's where they say where Blender is."""

    task: Mapping[str, Any]
    farm: Mapping[str, str]
    system: System

    def text(self, key: str) -> str:
        value = self.task.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value:
            raise BadInput(f"settings.{key}: required", field=f"settings.{key}")
        if "\0" in value:
            raise BadInput(f"settings.{key}: must not contain NUL", field=f"settings.{key}")
        return value

    def number(self, key: str) -> str:
        text = self.text(key)
        if not _WHOLE.fullmatch(text):
            raise BadInput(f"settings.{key}: must be a whole number, not {text[:40]!r}", field=f"settings.{key}")
        return text

    def path(self, stem: str) -> str:
        return self.text(f"{stem}_{self.system.value}")

    def blender(self) -> str:
        """Where the task's `command_name` is. Raises BadInput where the farm's settings do not say."""
        name = self.text("command_name") if "command_name" in self.task else USUAL_COMMAND
        path = command_path(self.farm, name, self.system)
        if path is None:
            setting = _path_setting(name, self.system)
            raise BadInput(f"settings.command_name: no {name[:40]!r} here; the setting {setting[:80]} would say where")
        return path

    @property
    def render_settings(self) -> str:
        folder, name = self.farm.get(f"render_settings_path_{self.system.value}", ""), self.text("render_settings")
        return self.joined(folder, name) if folder else name

    def joined(self, folder: str, name: str) -> str:
        mark = "\\" if self.system is System.WIN else "/"
        return folder + name if folder.endswith(("/", "\\")) else folder + mark + name


def command_path(farm: Mapping[str, str], name: str, system: System) -> str | None:
    """Where this room's settings have that program. The usual one need not be set."""
    return farm.get(_path_setting(name, system)) or ("blender" if name == USUAL_COMMAND else None)


def command_names(farm: Mapping[str, str]) -> list[str]:
    """The usual one, and those that some system has a path for."""
    stems = tuple(f"{_path_setting(USUAL_COMMAND, system)}_" for system in System)
    found = {setting.removeprefix(stem) for setting in farm for stem in stems if setting.startswith(stem)}
    return [USUAL_COMMAND, *sorted(found - {USUAL_COMMAND, ""})]


def _path_setting(name: str, system: System) -> str:
    return f"blender_path_{system.value}" + ("" if name == USUAL_COMMAND else f"_{name}")


Compiler = Callable[[Settings], list[str]]


def compiled(kind: str, task: Mapping[str, Any], farm: Mapping[str, str], system: System) -> list[str]:
    """The argument list. Raises UnknownType, or BadInput that names the setting that is missing or wrong."""
    if kind not in COMPILERS:
        raise UnknownType(f"unknown type {kind[:60]!r}; this manager compiles {', '.join(sorted(COMPILERS))}")
    settings = Settings(task, farm, system)
    settings.blender()  # a worker that pulls looks it up for every task, also one that prints, or dies
    return COMPILERS[kind](settings)


def is_for_pulling(kind: str, argv: list[str]) -> bool:
    """Whether only a worker that pulls can run it: it fills in the placeholders."""
    return kind != "print_string" and any(mark in word for word in argv for mark in (JOB, OUTPUT, COMMAND))


def _by_generation(pushed: Compiler, pulled: Compiler) -> Compiler:
    def choose(settings: Settings) -> list[str]:
        return pushed(settings) if any(key in settings.task for key in _SYSTEM_PATHS) else pulled(settings)

    return choose


# ---- of the push generation ----------------------------------------------------------------------------------------


def print_string(settings: Settings) -> list[str]:
    return ["echo", settings.text("text")]


def _blender(settings: Settings, output: str) -> list[str]:
    return [settings.blender(), "--background", settings.path("file_path"), "--render-output", output]


def _script(*words: str) -> list[str]:
    """One of ours: without it the pictures are wrong, and Blender by itself takes an error in a script lightly."""
    return ["--python-exit-code", "1", *words]


def _frames(settings: Settings) -> list[str]:
    return ["--frame-start", settings.number("frame_start"), "--frame-end", settings.number("frame_end")]


def simple_blender_render(settings: Settings) -> list[str]:
    output = settings.joined(settings.path("output_path"), PATTERN)
    script = ["--python", settings.render_settings]
    format_and_go = ["--render-format", settings.text("format"), "--render-anim", "--enable-autoexec"]
    return [*_blender(settings, output), *script, *_frames(settings), *format_and_go]


def tiled_blender_render(settings: Settings) -> list[str]:
    tile, tiles = settings.number("tile"), settings.number("tiles")
    output = settings.joined(settings.path("output_path"), f"tiled_{tile}_{PATTERN}")
    command = [*_blender(settings, output), *_frames(settings), *_script("--python-expr", scripts.TILE)]
    return [*command, "--enable-autoexec", "--render-anim", "--", tile, tiles]


def tiled_blender_render_simple_mix(settings: Settings) -> list[str]:
    folder = settings.path("output_path")
    output = settings.joined(folder, PATTERN)
    command = [*_blender(settings, output), *_frames(settings), *_script("--python-expr", scripts.MIX)]
    return [*command, "--enable-autoexec", "--render-anim", "--", folder, settings.number("tiles")]


# ---- of the pull generation ----------------------------------------------------------------------------------------


def _pulled(settings: Settings, output: str = f"{OUTPUT}/{PATTERN}") -> list[str]:
    file = f"{JOB}/{settings.text('filepath')}"
    return [COMMAND, "--enable-autoexec", "-noaudio", "--background", file, "--render-output", output]


def _prepared(settings: Settings) -> list[str]:
    return [*_pulled(settings), "--python", f"{JOB}/pre_render.py", "--render-format", settings.text("format")]


def pulled_simple_render(settings: Settings) -> list[str]:
    return [*_prepared(settings), *_frames(settings), "--render-anim"]


def blender_simple_render(settings: Settings) -> list[str]:
    """Frames as `1,3-5`: single ones and ranges."""
    frames = settings.text("frames").replace(" ", "")
    if not _FRAMES.fullmatch(frames):
        raise BadInput(f"settings.frames: such as 1,3-5, not {frames[:40]!r}", field="settings.frames")
    words: list[str] = []
    for part in frames.split(","):
        first, dash, last = part.partition("-")
        words += ["--frame-start", first, "--frame-end", last, "--render-anim"] if dash else ["-f", first]
    return [*_prepared(settings), *words]


def blender_opengl_render(settings: Settings) -> list[str]:
    """Not in the background: OpenGL needs a screen."""
    start = [COMMAND, "--enable-autoexec", "-noaudio", f"{JOB}/{settings.text('filepath')}"]
    frames = [settings.number("frame_start"), settings.number("frame_end")]
    end = ["--", *frames, f"{OUTPUT}/{PATTERN}", settings.text("format")]
    return [*start, *_script("--python", f"{JOB}/opengl_render.py"), *end]


def blender_bake_anim_cache(settings: Settings) -> list[str]:
    start = [COMMAND, "--enable-autoexec", "-noaudio", "--background", f"{JOB}/{settings.text('filepath')}"]
    return [*start, *_script("--python", f"{JOB}/bake_anim_cache.py")]


def pulled_tile(settings: Settings) -> list[str]:
    tile, tiles = settings.number("tile"), settings.number("tiles")
    command = [*_pulled(settings, f"{OUTPUT}/tiled_{tile}_{PATTERN}"), *_frames(settings)]
    return [*command, *_script("--python", f"{JOB}/tile.py"), "--render-anim", "--", tile, tiles]


def pulled_mix(settings: Settings) -> list[str]:
    command = [*_pulled(settings), *_frames(settings), *_script("--python", f"{JOB}/tile_mix.py")]
    return [*command, "--render-anim", "--", JOB, settings.number("tiles")]


COMPILERS: Mapping[str, Compiler] = {
    "print_string": print_string,
    "simple_blender_render": _by_generation(simple_blender_render, pulled_simple_render),
    "tiled_blender_render": _by_generation(tiled_blender_render, pulled_tile),
    "tiled_blender_render_simple_mix": _by_generation(tiled_blender_render_simple_mix, pulled_mix),
    "blender_simple_render": blender_simple_render,
    "blender_simple_render_turbo": blender_simple_render,
    "blender_opengl_render": blender_opengl_render,
    "blender_bake_anim_cache": blender_bake_anim_cache,
}
