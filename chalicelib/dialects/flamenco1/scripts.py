"""The Python that Blender runs for tiled renders, baking and OpenGL: given by name to those who pull (in the support
zip), and as text on the command line to those who are pushed to. What differs by task stands after `--`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

_ARGUMENTS = "import sys; a = sys.argv[sys.argv.index('--') + 1:] if '--' in sys.argv else []; "

PREPARE = "import bpy; r = bpy.context.scene.render; r.use_overwrite = True; r.use_placeholder = False"
"""Frames of an earlier attempt are written again."""
TILE = (
    _ARGUMENTS + "import bpy; t, n = int(a[0]), int(a[1]); r = bpy.context.scene.render; "
    "r.use_border = True; r.use_crop_to_border = False; r.border_min_x, r.border_max_x = 0.0, 1.0; "
    "r.border_min_y, r.border_max_y = t / n, (t + 1) / n; r.image_settings.file_format = 'OPEN_EXR'; "
    "r.image_settings.color_mode = 'RGBA'"
)
"""Tile t of n: a band of the picture, the rest stays transparent. Arguments: t n."""
MIX = (
    _ARGUMENTS + "import bpy; d, n = a[0], int(a[1]); s = bpy.context.scene; s.use_nodes = True; "
    "t = s.node_tree; t.nodes.clear(); f, l = s.frame_start, s.frame_end; "
    "p = [t.nodes.new('CompositorNodeImage') for i in range(n)]; "
    "[setattr(p[i], 'image', bpy.data.images.load('%s/tiled_%d_%05d.exr' % (d, i, f))) for i in range(n)]; "
    "[setattr(x.image, 'source', 'SEQUENCE') for x in p]; w = (('frame_start', f), ('frame_offset', f - 1)); "
    "[setattr(x, k, v) for x in p for k, v in (*w, ('frame_duration', l - f + 1))]; "
    "m = [t.nodes.new('CompositorNodeAlphaOver') for i in range(n - 1)]; "
    "[t.links.new((p[0] if i == 0 else m[i - 1]).outputs[0], m[i].inputs[1]) for i in range(n - 1)]; "
    "[t.links.new(p[i + 1].outputs[0], m[i].inputs[2]) for i in range(n - 1)]; "
    "o = t.nodes.new('CompositorNodeComposite'); t.links.new((m or p)[-1].outputs[0], o.inputs[0])"
)
"""Lays the n tiles of each frame over each other. Arguments: their folder, n. Blender takes its own arguments in their
order, so those that set the frames must stand before this script."""
BAKE = "import bpy; [bpy.ops.ptcache.bake_all(bake=True) for s in bpy.data.scenes[:1]]; bpy.ops.wm.save_mainfile()"
OPENGL = (
    _ARGUMENTS + "import bpy; s = bpy.context.scene; s.frame_start, s.frame_end = int(a[0]), int(a[1]); "
    "s.render.filepath = a[2]; s.render.image_settings.file_format = a[3]; "
    "bpy.ops.render.opengl(animation=True, view_context=False); bpy.ops.wm.quit_blender()"
)
"""Arguments: first frame, last frame, output pattern, format."""

FILES: Mapping[str, str] = {
    "pre_render.py": PREPARE,
    "tile.py": TILE,
    "tile_mix.py": MIX,
    "bake_anim_cache.py": BAKE,
    "opengl_render.py": OPENGL,
}


def support_zip() -> bytes:
    """The scripts as a zip, the same bytes each time. A worker that cannot unpack it drops its task without a word."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(zipfile.ZipInfo(name), text + "\n")
    return buffer.getvalue()
