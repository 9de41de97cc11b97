"""`millrace backup`, `restore`: the data of a farm on this machine, into a folder and out of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from millrace.cli.options import command
from millrace.cli.serving import home

FOLDER = click.Path(file_okay=False, path_type=Path)


@command("backup")
@click.argument("folder", type=FOLDER)
@click.option("--data", type=FOLDER, help="The farm's folder. [default: as for serve]")
@click.option("--copy", is_flag=True, help="Copy blobs and logs, also where hard links could be made.")
def backup(folder: Path, data: Path | None, copy: bool) -> None:
    """Take a consistent backup of a farm on this machine, also while it runs."""
    become("backup", folder, data, copy)


@command("restore")
@click.argument("folder", type=FOLDER)
@click.option("--data", type=FOLDER, help="Where the farm shall be: empty or not there. [default: as for serve]")
@click.option("--copy", is_flag=True, help="Copy blobs and logs, also where hard links could be made.")
def restore(folder: Path, data: Path | None, copy: bool) -> None:
    """Make a farm of a backup; then `millrace serve` on it goes on where the backup was taken."""
    become("restore", folder, data, copy)


def become(action: str, folder: Path, data: Path | None, copy: bool) -> NoReturn:
    arguments = [action, str(folder.absolute())]
    arguments += ["--data", str(data.absolute())] if data is not None else []
    arguments += ["--copy"] if copy else []
    os.chdir(home())
    os.execv(sys.executable, [sys.executable, "-m", "chalicelib.embedded.backups", *arguments])
