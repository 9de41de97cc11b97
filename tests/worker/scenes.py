"""Small scenes that the tests make with the Blender they render them with."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

_SCENE = """
import bpy
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.device = "CPU"
scene.cycles.samples = 4
scene.cycles.use_denoising = False
scene.render.resolution_x, scene.render.resolution_y = 48, 32
scene.render.resolution_percentage = 100
scene.render.image_settings.file_format = "PNG"
scene.render.threads_mode, scene.render.threads = "FIXED", 1
cube = bpy.data.objects["Cube"]
for frame, x in ((1, -2.0), (5, 2.0)):
    cube.location.x = x
    cube.keyframe_insert("location", frame=frame)
bpy.ops.object.camera_add(location=(0, 0, 9))
bpy.context.object.name = "Above"
{more}
bpy.ops.wm.save_as_mainfile(filepath={path!r})
"""


def make_scene(path: Path, more: str = "") -> Path:
    """A cube that moves from left to right in frames 1 to 5, 48 x 32 pixels, Cycles with 4 samples; a camera `Camera`,
    which is used, and one `Above`. `more` is Python that changes it."""
    path.write_bytes(_made(more))
    return path


@cache
def _made(more: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "scene.blend")
        script = _SCENE.format(more=more, path=str(target))
        command = ["blender", "--background", "--factory-startup", "--python-exit-code", "1", "--python-expr", script]
        subprocess.run(command, check=True, capture_output=True, timeout=100)
        return target.read_bytes()
