"""`merge_progressive_renders` and `merge_progressive_render_sequence`: parts of the samples of a picture become the
picture, or a better part (Flamenco's commands).

    blender_cmd                 as in `blender_render`
    input1, input2, output      EXR files; for a sequence with `##`, which stands for the frame's number
    weight1, weight2            samples in each
    frame_start, frame_end      of a sequence, both included

Blender's compositor mixes them, in light and with 32 bits. Of an EXR with layers it takes the combined picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed, InvalidSettings
from millrace.runtimes.blender import background, blender_of, run_blender
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

Merge = tuple[Path, Path, Path]
"""Two inputs, and the output."""

_SCRIPT = """\
import bpy
merges, share = {merges}, {share}
scene = bpy.context.scene
scene.use_nodes = True
tree = scene.node_tree
render = scene.render
render.image_settings.file_format = "OPEN_EXR"
render.image_settings.color_depth, render.image_settings.color_mode = "32", "RGBA"
render.use_overwrite = render.use_compositing = True
render.resolution_percentage = 100
for *inputs, output in merges:
    tree.nodes.clear()
    images = [bpy.data.images.load(path) for path in inputs]
    if tuple(images[0].size) != tuple(images[1].size):
        raise RuntimeError("%s and %s have different sizes" % tuple(inputs))
    mix = tree.nodes.new("CompositorNodeMixRGB")
    mix.inputs[0].default_value = share
    for socket, image in zip((mix.inputs[1], mix.inputs[2]), images):
        node = tree.nodes.new("CompositorNodeImage")
        node.image = image
        tree.links.new(node.outputs[0], socket)
    tree.links.new(mix.outputs[0], tree.nodes.new("CompositorNodeComposite").inputs[0])
    render.resolution_x, render.resolution_y = images[0].size
    render.filepath = output
    bpy.ops.render.render(write_still=True)
    for image in images:
        bpy.data.images.remove(image)
"""


def merge_progressive_renders(context: Context, settings: Settings) -> Produced:
    return _merge(context, settings, [_paths(context, settings)])


def merge_progressive_render_sequence(context: Context, settings: Settings) -> Produced:
    paths = _paths(context, settings)
    if "##" not in paths[2].name:
        raise InvalidSettings(settings.command, f"'output' is {str(paths[2])!r} (expected ## where the number belongs)")
    start, end = settings.whole("frame_start"), settings.whole("frame_end")
    if start > end:
        raise InvalidSettings(settings.command, f"frames {start} to {end}")
    return _merge(context, settings, [_of_frame(paths, frame) for frame in range(start, end + 1)])


def _paths(context: Context, settings: Settings) -> Merge:
    input1, input2, output = (context.path(settings.text(name)) for name in ("input1", "input2", "output"))
    return input1, input2, output


def _of_frame(paths: Merge, frame: int) -> Merge:
    def numbered(path: Path) -> Path:
        return path.with_name(re.sub("##+", lambda signs: f"{frame:0{len(signs[0])}d}", path.name))

    return numbered(paths[0]), numbered(paths[1]), numbered(paths[2])


def _merge(context: Context, settings: Settings, merges: Sequence[Merge]) -> Produced:
    weights = settings.number("weight1", above=0), settings.number("weight2", above=0)
    program = blender_of(settings)
    missing = [path for *inputs, _ in merges for path in inputs if not path.is_file()]
    if missing:
        raise CommandFailed(f"{settings.command}: {str(missing[0])!r} is not a file")
    for *_, output in merges:
        output.parent.mkdir(parents=True, exist_ok=True)
    script = _SCRIPT.format(merges=[tuple(map(str, merge)) for merge in merges], share=weights[1] / sum(weights))
    run_blender(context, settings.command, [*background(program, None), "--python-expr", script], len(merges))
    return NOTHING
