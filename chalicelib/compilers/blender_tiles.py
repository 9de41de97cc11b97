"""Job type `blender-render-tiles`: one still of a .blend file in tiles, merged when all are there.

Tiles travel without loss (16 bit, or floats for EXR) whatever is asked for in the end. Cycles gives every pixel the
noise it has in the whole picture, so there are no seams; a denoiser looks at each tile alone and may leave some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from ..core.model import BlobId, Requirement
from ..core.plans import Expansion, Results, StepPlan, TaskPlan
from .blender_render import BLENDER, RENDER, VIDEO, command, escaped
from .blender_settings import EXTENSIONS, BlenderTilesSettings


class BlenderTiles:
    name = "blender-render-tiles"
    settings: type[BaseModel] = BlenderTilesSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, BlenderTilesSettings)

        def tiles(results: Results) -> Expansion:
            count = settings.columns * settings.rows
            return Expansion(count, lambda index: _tile_task(settings, index), alike=True)

        def merge(results: Results) -> Expansion:
            task = _merge_task(settings, results)
            return Expansion(1, lambda index: task)

        return [StepPlan("tiles", tiles), StepPlan("merge", merge, after=("tiles",), publishes=True)]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        assert isinstance(settings, BlenderTilesSettings)
        return settings.blobs


def _tile_task(settings: BlenderTilesSettings, index: int) -> TaskPlan:
    """Tiles are counted as one reads: from the left, and from the top."""
    row, column = divmod(index, settings.columns)
    format = "OPEN_EXR" if settings.format == "OPEN_EXR" else "PNG"
    tile = (column, row, settings.columns, settings.rows)
    render = command(
        "blender_render",
        blender_cmd=BLENDER,
        filepath=settings.filepath,
        render_output=f"output/tile_{index:04d}_####",
        format=format,
        frames=str(settings.frame),
        python_expr=settings.python(format=format, lossless=True, tile=tile),
    )
    return TaskPlan(
        name=f"tile {column + 1}, {row + 1} of {settings.columns} x {settings.rows}",
        requirement=Requirement(RENDER),
        commands=(render,),
        inputs=tuple(settings.files),
        outputs=(f"output/./{escaped(f'tile_{index:04d}_')}*",),
        max_seconds=settings.max_seconds,
        idle_seconds=settings.idle_seconds,
    )


def _merge_task(settings: BlenderTilesSettings, results: Results) -> TaskPlan:
    tiles = [result.outputs[0] for result in results["tiles"]]
    suffix = tiles[0].name.rpartition(".")[2]
    names = [f"tiles/{index:04d}.{suffix}" for index in range(len(tiles))]
    output = f"{settings.prefix}{settings.frame:04d}.{EXTENSIONS[settings.format]}"
    merge = command("merge_tiles", inputs=names, columns=settings.columns, rows=settings.rows, output=output)
    commands = [merge]
    if settings.output_path is not None:
        target = f"{settings.output_path.rstrip('/')}/{output}"
        commands.append(command("copy_file", src=output, dest=target))
    inputs = tuple((name, tile.blob) for name, tile in zip(names, tiles, strict=True))
    return TaskPlan("merge", Requirement(VIDEO), tuple(commands), inputs, (escaped(output),))
