"""The files of what is submitted, of which only those are sent that the farm lacks: `--input-folder DIR`, or any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from millrace.cli.rendering import UploadProgress, size
from millrace.farm import Farm

F = TypeVar("F", bound=Callable[..., Any])


def input_folder_option(function: F) -> F:
    return click.option(
        "--input-folder",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A folder of any size; what the farm has of it already is not sent again.",
    )(function)


def upload_file(farm: Farm, word: str, name: str, file: Path) -> str:
    """Its blob; says on stderr what is sent."""
    click.echo(f"{word} {name} ({size(file.stat().st_size)})", err=True)
    return farm.upload(file)


def upload_folder(farm: Farm, folder: Path, paths: Sequence[str] | None = None) -> str:
    """The blob of its manifest; how far it is, on stderr."""
    with UploadProgress(folder.name or str(folder)) as progress:
        return farm.upload_folder(folder, paths=paths, on_bytes=progress.update)


def upload_files(farm: Farm, files: Mapping[str, Path]) -> str:
    """The same for files from anywhere: path in the job -> file here."""
    with UploadProgress(f"{len(files):,} file{'' if len(files) == 1 else 's'}") as progress:
        return farm.upload_files(files, on_bytes=progress.update)
