"""`--then`: commands that follow frame by frame, each with options of its own, in one line with the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from millrace.cli.folders import input_folder_option

THEN = "--then"


@click.command("then", context_settings={"allow_interspersed_args": False, "help_option_names": []})
@click.option("--name", help="What the step is called.")
@click.option("--frames", metavar="FRAMES", help="If not those of the job.")
@click.option("--chunk", type=click.IntRange(min=1), default=1)
@click.option("--shift", type=int, help="Frame 10 needs frame 10 + SHIFT of the step before.")
@click.option("--keep", is_flag=True, help="Its files are the job's too, though it is not the last step.")
@click.option("--input", "given", multiple=True, type=click.Path(exists=True, path_type=Path))
@input_folder_option
@click.option("--output", "outputs", multiple=True, metavar="PATTERN")
@click.option("--folder", metavar="DIR")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def _then(**options: Any) -> None:
    """Never invoked: it only reads its part of the line."""


def split(words: Sequence[str]) -> list[list[str]]:
    """The first command, and what stands behind each `--then`."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == THEN:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def options_of(words: list[str]) -> dict[str, Any]:
    """What stands behind a `--then`, read. A mistake is a usage error that says so."""
    try:
        return dict(_then.make_context(THEN, list(words), parent=click.get_current_context()).params)
    except click.UsageError as error:
        raise click.UsageError(f"{THEN} {' '.join(words)[:80]}: {error.format_message()}") from None


def later_step(words: list[str], settings_of: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A step as the farm wants it. `settings_of` adds the files that a command needs."""
    options = options_of(words)
    own = {name: options.pop(name) for name in ("name", "frames", "shift", "keep")}
    return {name: value for name, value in own.items() if value} | settings_of(**options)
