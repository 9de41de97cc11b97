"""`millrace submit frames ... -- COMMAND`: any program with a command line, once per frame or chunk of frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from millrace.cli.folders import input_folder_option, upload_file, upload_folder
from millrace.cli.frames_option import frames_option
from millrace.cli.options import FarmCommand, Invocation, pass_invocation
from millrace.cli.submit_then import THEN, later_step, split
from millrace.cli.submitting import job_options, limit_options, submit_and_follow
from millrace.farm import Farm
from millrace.sdk.unsent import Unsent


@click.command("frames", cls=FarmCommand, context_settings={"allow_interspersed_args": False})
@frames_option
@click.option("--chunk", type=click.IntRange(min=1), default=1, show_default=True, help="Frames in one task.")
@click.option(
    "--input",
    "given",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A file or folder that the command needs. May be repeated.",
)
@input_folder_option
@click.option("--output", "outputs", multiple=True, metavar="PATTERN", help="Which files come back. [default: all]")
@click.option("--folder", metavar="DIR", help="Run there, on storage that every worker sees; upload nothing unasked.")
@click.option("--keep", is_flag=True, help="Its files are results too, though --then follows.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@limit_options
@job_options
@pass_invocation
def submit_frames(
    invocation: Invocation,
    /,
    frames: str,
    chunk: int,
    given: tuple[Path, ...],
    input_folder: Path | None,
    outputs: tuple[str, ...],
    folder: str | None,
    keep: bool,
    command: tuple[str, ...],
    max_seconds: int | None,
    idle_seconds: int | None,
    **job: Any,
) -> int:
    """Run COMMAND for frames, on all workers at once.

    In the command, {frame} is the frame's number ({frame:04d}: with leading zeros): it runs once per frame. With
    {start} and {end} it runs once per chunk. Files that it leaves in the folder {output} come back as results.

    It runs in the folder {input}. Files here that the command names by a relative path are uploaded and are there under
    the same name, as are those given with --input, and all that is below --input-folder, by its path there.

      millrace submit frames --frames 1-100 --chunk 5 -- povray +K{frame} scene.pov +O{output}/f{frame}.png

    Behind --then another command follows frame by frame: it begins with a chunk as soon as the frames of that chunk are
    there, and finds their files in {input}. It has options of its own: --chunk, --frames, --shift, --name, --keep,
    --input, --input-folder, --output, --folder.

      millrace submit frames --frames 1-100 --chunk 5 -- render {frame} {output}/f{frame}.exr
        --then --chunk 10 -- denoise {input}/f{frame}.exr {output}/f{frame}.png
    """
    farm = invocation.farm()
    first, *later = split(command)
    if not first:
        raise click.UsageError(f"a command is needed before {THEN}")
    settings = {"frames": frames} | command_settings(farm, first, chunk, given, input_folder, outputs, folder)
    settings |= {"keep": True} if keep else {}
    settings |= {"then": [later_step(words, partial(command_settings, farm)) for words in later]} if later else {}
    limits = {"max_seconds": max_seconds, "idle_seconds": idle_seconds}
    settings |= {name: seconds for name, seconds in limits.items() if seconds is not None}
    job["name"] = job["name"] or f"{Path(command[0]).name} {frames}"[:200]
    return submit_and_follow(invocation, farm, "frames", settings, **job)


def command_settings(
    farm: Farm,
    command: Sequence[str],
    chunk: int,
    given: Sequence[Path],
    input_folder: Path | None,
    outputs: Sequence[str],
    folder: str | None,
) -> dict[str, Any]:
    """A command as the farm wants it, with the files that it needs, unsent."""
    named = [] if folder else [Path(word) for word in command if names_a_file(word)]
    inputs = inputs_of(farm, [*named, *given])
    settings: dict[str, Any] = {"chunk": chunk, "command": list(command), "inputs": inputs}
    settings |= {"manifest": Unsent(partial(upload_folder, farm, input_folder))} if input_folder else {}
    settings |= {"outputs": list(outputs)} if outputs else {}
    settings |= {"folder": folder} if folder else {}
    return settings


def names_a_file(word: str) -> bool:
    """A file below this folder, by a path that leads to the same place in the folder of the inputs."""
    path = Path(word)
    # Not path.is_file(), which fails for a word that is too long for a name, such as a script.
    return not path.is_absolute() and ".." not in path.parts and os.path.isfile(path)


def inputs_of(farm: Farm, paths: Iterable[Path]) -> dict[str, Unsent]:
    """By their names in the task's folder."""
    found = {name: file for path in paths for name, file in files_of(path)}
    return {name: Unsent(partial(upload_file, farm, "input", name, file)) for name, file in found.items()}


def files_of(path: Path) -> Iterator[tuple[str, Path]]:
    """(name, file) of a file, or of all files of a folder: as they are named from here; what lies elsewhere, from its
    own folder."""
    here = not path.is_absolute() and ".." not in path.parts
    root = Path() if here else path.parent
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    for file in files:
        yield file.relative_to(root).as_posix(), file
