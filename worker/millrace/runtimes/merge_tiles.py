"""`merge_tiles` {inputs, columns, rows, output}: put the tiles of a picture together, row by row from the top.

How large they are, they say themselves: neighbours may differ by a pixel. The kind of picture is what `output` ends in.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed, InvalidSettings
from millrace.agent.workfolder import inside
from millrace.runtimes.ffmpeg import find_ffmpeg
from millrace.runtimes.produced import Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_ENCODING = {
    ".jpg": ["-q:v", "2", "-pix_fmt", "yuvj444p"],
    ".exr": ["-c:v", "exr", "-compression", "zip16"],
}


def merge_tiles(context: Context, settings: Settings) -> Produced:
    names, columns, rows = settings.texts("inputs"), settings.whole("columns"), settings.whole("rows")
    output = settings.text("output")
    target = inside(context.work, output, "output")
    if not names or columns < 1 or rows < 1 or len(names) != columns * rows:
        raise InvalidSettings(settings.command, f"{len(names)} tiles do not make {columns} x {rows}")
    files = [context.path(name) for name in names]
    missing = [name for name, file in zip(names, files, strict=True) if not file.is_file()]
    if missing:
        raise CommandFailed(f"merge_tiles: missing tiles: {', '.join(missing[:10])}")
    target.parent.mkdir(parents=True, exist_ok=True)
    if len(files) == 1 and files[0].suffix == target.suffix:
        shutil.copyfile(files[0], target)
        return Produced(outputs=(output,))
    inputs = [word for file in files for word in ("-i", str(file))]
    stack = ["-filter_complex", _stack(columns, rows)] if len(files) > 1 else []
    argv = [find_ffmpeg(), "-hide_banner", "-nostdin", "-v", "warning", "-y", *inputs, *stack, "-frames:v", "1"]
    context.run_or_fail("merge_tiles", [*argv, *_ENCODING.get(target.suffix, []), str(target)])
    return Produced(outputs=(output,))


def _stack(columns: int, rows: int) -> str:
    """Each tile begins where those of the first row before it, and of the first column above it, end."""
    across = ["+".join(f"w{c}" for c in range(column)) or "0" for column in range(columns)]
    down = ["+".join(f"h{r * columns}" for r in range(row)) or "0" for row in range(rows)]
    layout = "|".join(f"{across[column]}_{down[row]}" for row in range(rows) for column in range(columns))
    return f"xstack=inputs={columns * rows}:layout={layout}"
