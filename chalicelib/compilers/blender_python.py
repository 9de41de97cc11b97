"""The Python that Blender runs before it renders: what a job overrides in the file.

It is handed over as `python_expr`, so that a worker of Flamenco 2 can run it as well as ours. What a person wrote goes
into it as a Python literal, never as code. What cannot be done ends Blender with a line that says what would be right.
"""

from __future__ import annotations

from typing import Any

_SCRIPT = """\
import bpy
wanted = {wanted}
def chosen(name, there, what):
    if name not in there:
        raise RuntimeError("this file has no %s %r; it has: %s" % (what, name, ", ".join(sorted(there)) or "none"))
    return there[name]
if "scene" in wanted:
    bpy.context.window.scene = chosen(wanted["scene"], dict(bpy.data.scenes.items()), "scene")
scene = bpy.context.scene
render = scene.render
if "engine" in wanted:
    try:
        render.engine = wanted["engine"]
    except TypeError as error:
        there = str(error).rpartition("not found in ")[2].strip("()")
        raise RuntimeError("this Blender has no engine %r; it has: %s" % (wanted["engine"], there)) from None
if "camera" in wanted:
    cameras = dict((o.name, o) for o in scene.objects if o.type == "CAMERA")
    scene.camera = chosen(wanted["camera"], cameras, "camera")
if "resolution" in wanted:
    render.resolution_x, render.resolution_y = wanted["resolution"]
    render.resolution_percentage = 100
if "percentage" in wanted:
    render.resolution_percentage = wanted["percentage"]
if "samples" in wanted:
    if render.engine == "CYCLES":
        scene.cycles.samples = wanted["samples"]
    elif hasattr(scene, "eevee"):
        scene.eevee.taa_render_samples = wanted["samples"]
if "denoise" in wanted and hasattr(scene, "cycles"):
    scene.cycles.use_denoising = wanted["denoise"]
if "threads" in wanted:
    render.threads_mode = "FIXED"
    render.threads = wanted["threads"]
if "format" not in wanted and render.is_movie_format:
    raise RuntimeError("the file's output format %s is a video; name a format for its frames, such as PNG"
                       % render.image_settings.file_format)
if wanted.get("lossless"):
    render.image_settings.file_format = wanted["format"]
    render.image_settings.color_depth = "32" if wanted["format"] == "OPEN_EXR" else "16"
render.use_file_extension = render.use_overwrite = True
render.use_placeholder = False
if "tile" in wanted:
    column, row, columns, rows = wanted["tile"]
    width = render.resolution_x * render.resolution_percentage // 100
    height = render.resolution_y * render.resolution_percentage // 100
    if columns > width or rows > height:
        raise RuntimeError("%d x %d tiles do not fit into %d x %d pixels" % (columns, rows, width, height))
    def edge(pixels, number, of):
        return min(1.0, (pixels * number // of + 0.25) / pixels)
    render.use_border = render.use_crop_to_border = True
    render.border_min_x, render.border_max_x = edge(width, column, columns), edge(width, column + 1, columns)
    render.border_min_y, render.border_max_y = edge(height, rows - 1 - row, rows), edge(height, rows - row, rows)
"""


def overrides(**wanted: Any) -> str:
    """The script for these wishes; those that are None are none.

    scene, camera, engine: names; resolution: (width, height); percentage, samples, threads: numbers; denoise: bool;
    format: Blender's name, if one is given; lossless: write it with all its depth;
    tile: (column, row, columns, rows), row 0 on top.
    """
    given = {name: value for name, value in wanted.items() if value is not None}
    return _SCRIPT.replace("{wanted}", repr(given))
