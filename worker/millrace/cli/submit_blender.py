"""`millrace submit blender-render FILE` and `blender-render-tiles FILE`: frames, or one still, of a .blend file."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePath
from typing import Any, TypeVar

import click

from millrace.cli.folders import input_folder_option, upload_file, upload_folder
from millrace.cli.frames_option import frames_option
from millrace.cli.options import FarmCommand, Invocation, pass_invocation
from millrace.cli.submitting import JOB_NAMES, job_options, limit_options, pair_of, submit_and_follow
from millrace.farm import Farm
from millrace.sdk.unsent import Unsent

F = TypeVar("F", bound=Callable[..., Any])


def width_and_height(context: click.Context, parameter: click.Parameter, text: str | None) -> list[int] | None:
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise click.BadParameter(f"{text!r} is no size such as 1920x1080")
    return [int(width), int(height)]


_SCENE_OPTIONS = (
    click.option("--scene", help="A scene of the file. [default: the one it was saved with]"),
    click.option("--camera", help="A camera of the scene. [default: the scene's]"),
    click.option("--engine", help="CYCLES, BLENDER_EEVEE, ... [default: as in the file]"),
    click.option("--samples", type=int, help="Samples per pixel."),
    click.option(
        "--resolution", metavar="WIDTHxHEIGHT", callback=width_and_height, help="In pixels, rendered at 100 %."
    ),
    click.option("--percentage", type=int, help="Of the resolution."),
    click.option("--denoise/--no-denoise", default=None, help="Turn Cycles' denoiser on or off."),
    click.option("--threads", type=int, help="Of each worker's machine. [default: all]"),
    click.option("--prefix", help="What the names of the pictures begin with. [default: the file's name]"),
    click.option("--output-path", metavar="DIR", help="Put them into this folder on shared storage instead."),
    click.option("--shared", is_flag=True, help="FILE is a path on storage that every worker sees; upload nothing."),
    click.option(
        "--input",
        "given",
        multiple=True,
        type=click.Path(exists=True, path_type=Path),
        help="A file or folder beside the .blend file that it needs, such as textures. May be repeated.",
    ),
    input_folder_option,
    click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Any other setting of the job type."),
)


def scene_options(function: F) -> F:
    for option in reversed(_SCENE_OPTIONS):
        function = option(function)
    return function


@click.command("blender-render", cls=FarmCommand)
@click.argument("file")
@frames_option
@click.option("--chunk", type=click.IntRange(min=1), default=1, show_default=True, help="Frames in one task.")
@click.option("--format", help="PNG, JPEG, OPEN_EXR, ... [default: as in the file]")
@click.option("--preview", is_flag=True, help="Also make a video of the frames, at the end.")
@click.option("--fps", type=float, help="Of the preview. [default: 24]")
@scene_options
@limit_options
@job_options
@pass_invocation
def submit_blender_render(invocation: Invocation, /, file: str, frames: str, **options: Any) -> int:
    """Render frames of a .blend FILE on all workers that have Blender.

    millrace submit blender-render shot.blend --frames 1-250 --chunk 5 --preview --to frames
    """
    title = f"{Path(file).stem} {frames}"
    return _submit(invocation, "blender-render", file, title, {"frames": frames}, options)


@click.command("blender-render-tiles", cls=FarmCommand)
@click.argument("file")
@click.option("--frame", type=int, default=1, show_default=True)
@click.option("--columns", type=int, default=2, show_default=True, help="Tiles side by side.")
@click.option("--rows", type=int, default=2, show_default=True, help="Tiles one below the other.")
@click.option("--format", help="PNG, JPEG, OPEN_EXR or TIFF. [default: PNG]")
@scene_options
@limit_options
@job_options
@pass_invocation
def submit_blender_tiles(invocation: Invocation, /, file: str, frame: int, **options: Any) -> int:
    """Render one still of a .blend FILE in tiles, on all workers that have Blender, and merge them."""
    title = f"{Path(file).stem} {frame}"
    return _submit(invocation, "blender-render-tiles", file, title, {"frame": frame}, options)


def _submit(
    invocation: Invocation, type: str, file: str, title: str, settings: dict[str, Any], options: dict[str, Any]
) -> int:
    farm = invocation.farm()
    job = {name: options.pop(name) for name in JOB_NAMES}
    shared, given, folder, pairs = (options.pop(name) for name in ("shared", "given", "input_folder", "pairs"))
    settings |= {name: value for name, value in options.items() if value not in (None, False) or name == "denoise"}
    settings = {name: value for name, value in settings.items() if value is not None}
    settings.setdefault("prefix", f"{Path(file).stem}_")
    settings |= dict(map(pair_of, pairs))
    settings |= _shared_file(file, given, folder) if shared else _uploaded(farm, Path(file), given, folder)
    job["name"] = job["name"] or title[:200]
    return submit_and_follow(invocation, farm, type, settings, **job)


def _shared_file(file: str, given: tuple[Path, ...], folder: Path | None) -> dict[str, Any]:
    if given or folder:
        text = "--input and --input-folder upload files, and --shared says that all is on shared storage; choose one"
        raise click.UsageError(text)
    # A path of another platform is as good: the workers know what it means.
    absolute = PurePath(file).is_absolute() or file[1:3] in (":\\", ":/") or file.startswith("\\\\")
    return {"blend": file if absolute else os.path.abspath(file)}


def _uploaded(farm: Farm, file: Path, given: tuple[Path, ...], folder: Path | None) -> dict[str, Any]:
    if not file.is_file():
        raise click.BadParameter(f"there is no file {file}", param_hint="FILE")
    root = file.resolve().parent
    beside = {name: one for path in given for name, one in _files_below(root, path)}
    uploaded: dict[str, Any] = {"blend": Unsent(partial(upload_file, farm, "uploading", file.name, file))}
    inputs = {name: Unsent(partial(upload_file, farm, "uploading", name, one)) for name, one in beside.items()}
    uploaded |= {"manifest": _beside(farm, root, file, folder)} if folder else {}
    return uploaded | ({"inputs": inputs} if inputs else {})


def _beside(farm: Farm, root: Path, file: Path, folder: Path) -> Unsent:
    """The manifest of the files below `folder`, by the paths that lead to them from the .blend file."""
    named = [name for name, one in _files_below(root, folder) if one.resolve() != file.resolve()]
    return Unsent(partial(upload_folder, farm, root, named))


def _files_below(root: Path, path: Path) -> list[tuple[str, Path]]:
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    if not path.resolve().is_relative_to(root):
        raise click.BadParameter(
            f"{path} does not lie below {root}, the folder of the .blend file, so it cannot be found from there; "
            "copy it there, or pack it into the file (File, External Data, Pack Resources)",
            param_hint="--input or --input-folder",
        )
    return [(one.resolve().relative_to(root).as_posix(), one) for one in files]
