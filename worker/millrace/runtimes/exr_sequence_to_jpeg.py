"""`exr_sequence_to_jpeg` {filepath, exr_glob or exr_directory, output_pattern?, blender_cmd?}: a JPEG beside each EXR
file, as the .blend file `filepath` says light is to look (Flamenco's command).

`output_pattern` (`preview-######.jpg`) is a name in the folder of the EXR files; `#` are the number in their names.
"""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed, InvalidSettings
from millrace.runtimes.blender import background, blender_of, run_blender
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_USUAL_PATTERN = "preview-######.jpg"
_SCRIPT = """\
import bpy
scene = bpy.context.scene
scene.render.image_settings.file_format = "JPEG"
scene.render.image_settings.quality = 90
for source, target in {pairs}:
    image = bpy.data.images.load(source)
    image.save_render(target, scene=scene)
    bpy.data.images.remove(image)
    print("Saved: '%s'" % target)
"""


def exr_sequence_to_jpeg(context: Context, settings: Settings) -> Produced:
    file = context.path(settings.text("filepath"))
    pattern = settings.optional_text("output_pattern") or _USUAL_PATTERN
    if settings.has("exr_glob"):
        wanted = str(context.path(settings.text("exr_glob")))
    else:
        wanted = str(context.path(settings.text("exr_directory")) / "*.exr")
    if "#" not in pattern or "/" in pattern or "\\" in pattern:
        raise InvalidSettings(settings.command, f"'output_pattern' is {pattern!r} (expected a name such as p-####.jpg)")
    program = blender_of(settings)
    if not file.is_file():
        raise CommandFailed(f"exr_sequence_to_jpeg: {str(file)!r} is not a file")
    sources = sorted(Path(name) for name in glob.glob(wanted))
    if not sources:
        raise CommandFailed(f"exr_sequence_to_jpeg: no file matches {wanted!r}")
    pairs = [(str(source), str(_target(source, pattern))) for source in sources]
    argv = [*background(program, file), "--python-expr", _SCRIPT.format(pairs=pairs)]
    run_blender(context, settings.command, argv, len(pairs))
    return NOTHING


def _target(source: Path, pattern: str) -> Path:
    number = re.search(r"(\d+)\D*$", source.stem)
    if number is None:
        raise CommandFailed(f"exr_sequence_to_jpeg: {source.name!r} has no number in its name")
    return source.with_name(re.sub("#+", lambda signs: number[1][-99:].zfill(len(signs[0])), pattern, count=1))
