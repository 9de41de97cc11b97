"""`millrace serve`: become the embedded farm of a checkout. The manager is not part of this distribution."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from millrace.cli.options import command


@command("serve")
@click.option("--host", help="The address to listen on. [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one. [default: 8000]")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The folder of all that the farm keeps.")
@click.option("--auth", type=click.Choice(["open", "token"]), help="[default: open on loopback, else token]")
@click.option(
    "--processes", type=click.IntRange(1, 64), help="How many share the work, at most one for each core. [default: 1]"
)
@click.option(
    "--i-know", is_flag=True, help="Be open on an address that others can reach: anybody may run programs here."
)
def serve(
    host: str | None, port: int | None, data: Path | None, auth: str | None, processes: int | None, i_know: bool
) -> None:
    """Run a farm on this machine; prints "ready URL". SIGTERM and Ctrl-C end it, nothing is lost."""
    arguments: list[str] = []
    given = {
        "--host": host,
        "--port": port,
        "--data": data and data.resolve(),
        "--auth": auth,
        "--processes": processes,
    }
    for option, value in given.items():
        arguments += [option, str(value)] if value is not None else []
    become(arguments + (["--i-know"] if i_know else []))


def become(arguments: list[str]) -> NoReturn:
    command = server_command(arguments)
    os.chdir(home())
    os.execv(command[0], command)


def server_command(arguments: list[str]) -> list[str]:
    """To be run in `home()`."""
    return [sys.executable, "-m", "chalicelib.embedded", *arguments]


def home() -> Path:
    """The checkout with the manager: MILLRACE_HOME, else the one this module lies in."""
    named = os.environ.get("MILLRACE_HOME")
    folder = Path(named) if named else Path(__file__).resolve().parents[3]
    if not (folder / "chalicelib" / "embedded").is_dir():
        raise click.ClickException(
            f"there is no farm to serve in {folder}: the manager comes with a checkout of Millrace, not with the "
            "worker. Run `./millrace serve` there, or set MILLRACE_HOME to it."
        )
    return folder
