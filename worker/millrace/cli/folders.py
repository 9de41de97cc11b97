"""`--input-folder DIR` of what is submitted: all files below it, of which only those are sent that the farm lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from millrace.cli.rendering import UploadProgress
from millrace.farm import Farm

F = TypeVar("F", bound=Callable[..., Any])


def input_folder_option(function: F) -> F:
    return click.option(
        "--input-folder",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A folder of any size; what the farm has of it already is not sent again.",
    )(function)


def upload_folder(farm: Farm, folder: Path, paths: Sequence[str] | None = None) -> str:
    """The blob of its manifest; how far it is, on stderr."""
    with UploadProgress(folder.name or str(folder)) as progress:
        return farm.upload_folder(folder, paths=paths, on_bytes=progress.update)
