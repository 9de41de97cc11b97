"""`blender_render` and `blender_render_progressive`: frames of a .blend file (Flamenco's commands).

    blender_cmd     the program; absent, `blender` or `{blender}`: the Blender of this machine
    filepath        the .blend file: absolute, or in the work folder; `<file>-overrides.py` beside it is run first
    render_output   where frames go; `####` is the frame's number
    format          Blender's name: PNG, JPEG, OPEN_EXR, …; absent: as set in the file
    frames          `1-10`, `1,5,9`; absent: only the scripts run
    python_expr     run before rendering

A progressive render takes a part of the samples, which `merge_progressive_renders` puts together: of so many equal
parts (`cycles_num_chunks`) those from `cycles_chunk_start` to `cycles_chunk_end`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed, InvalidSettings
from millrace.runtimes.blender import background, blender_of, run_blender
from millrace.runtimes.produced import Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_FILE_WAIT_SECONDS = 5.0
"""Shared storage may show a new file late."""
_VIDEOS = ("FFMPEG", "AVI_JPEG", "AVI_RAW")
_PART = """\
import bpy
scene = bpy.context.scene
number, first, last = {number}, {first}, {last}
samples = scene.cycles.samples
part = [samples * n // number for n in range(number + 1)]
if part[last] == part[first - 1]:
    raise RuntimeError("%d samples do not make %d parts" % (samples, number))
scene.render.engine = "CYCLES"
if hasattr(scene.cycles, "sample_offset"):
    scene.cycles.sample_offset = part[first - 1]
else:
    scene.cycles.seed += first - 1
scene.cycles.samples = part[last] - part[first - 1]
scene.cycles.use_adaptive_sampling = scene.cycles.use_denoising = False
"""


def blender_render(context: Context, settings: Settings) -> Produced:
    return _render(context, settings, None)


def blender_render_progressive(context: Context, settings: Settings) -> Produced:
    if settings.has("cycles_chunk"):
        raise InvalidSettings(settings.command, "'cycles_chunk' is not used; say cycles_chunk_start and _end")
    number, first, last = (settings.whole(f"cycles_{name}") for name in ("num_chunks", "chunk_start", "chunk_end"))
    if not 1 <= first <= last <= number:
        raise InvalidSettings(settings.command, f"cycles chunks {first} to {last} of {number}")
    return _render(context, settings, _PART.format(number=number, first=first, last=last))


def _render(context: Context, settings: Settings, script: str | None) -> Produced:
    program, file = blender_of(settings), context.path(settings.text("filepath"))
    frames, output = settings.optional_text("frames"), settings.optional_text("render_output")
    wanted = _frames(settings, frames) if frames else []
    _wait_for(context, settings, file)
    argv = background(program, file)
    overrides = file.with_name(f"{file.stem}-overrides.py")
    argv += ["--python", str(overrides)] if overrides.is_file() else []
    for expression in (settings.optional_text("python_expr"), script):
        argv += ["--python-expr", expression] if expression else []
    if output:
        target = context.path(output)
        target.parent.mkdir(parents=True, exist_ok=True)
        argv += ["--render-output", str(target)]
    format = settings.optional_text("format")
    argv += ["--render-format", format] if format else []
    argv += ["--render-frame", ",".join(wanted)] if wanted else []
    count = 0 if format in _VIDEOS else sum(map(_length, wanted))
    saved = run_blender(context, settings.command, argv, count)
    return Produced({"frames": len(saved)})


def _wait_for(context: Context, settings: Settings, file: Path) -> None:
    if not file.is_file():
        context.wait(_FILE_WAIT_SECONDS if Path(settings.text("filepath")).is_absolute() else 0)
    if not file.is_file():
        raise CommandFailed(f"{settings.command}: there is no file {str(file)!r}; can this worker see the storage?")


def _frames(settings: Settings, text: str) -> list[str]:
    """As Blender has them: `1..10`, `15`."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        match = re.fullmatch(r"(\d+)(?:(?:-|\.\.)(\d+))?", part)
        if match is None or int(match[1]) > int(match[2] or match[1]):
            raise InvalidSettings(settings.command, f"'frames' is {text!r} (expected frames such as 1-10,15)")
    return [part.replace("-", "..") for part in parts]


def _length(part: str) -> int:
    first, _, last = part.partition("..")
    return int(last or first) - int(first) + 1
