"""`millrace submit`: settings from options or a file, files uploaded on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

import click

from millrace.cli.options import Invocation, command, pass_invocation
from millrace.cli.watching import result_of, wait_and_show
from millrace.farm import Farm


@command("submit")
@click.argument("type")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="One setting; see above. May be repeated.")
@click.option(
    "--file", "file", type=click.File("r"), help="A JSON file with all settings (- is stdin); --set adds to it."
)
@click.option("--name", help="What people will see. [default: the type]")
@click.option("--priority", type=click.IntRange(0, 100), default=50, show_default=True, help="Higher goes first.")
@click.option("--tag", "tags", multiple=True, help="Only workers with this tag. May be repeated.")
@click.option("--max-retries", type=click.IntRange(min=0), help="How often a failed task is tried again.")
@click.option("--on-failure", type=click.Choice(["continue", "stop"]), help="What a failed task means for the others.")
@click.option("--idempotency-key", help="Two submissions with the same key are one job.")
@click.option("--wait", "wait", is_flag=True, help="Wait for the end; the exit code tells how it went.")
@pass_invocation
def submit(
    invocation: Invocation, /, type: str, pairs: tuple[str, ...], file: TextIO | None, wait: bool, **parts: Any
) -> int:
    """Submit a job of a TYPE (transcode, commands, function, command) and print its id.

    A VALUE is JSON where it reads as JSON (12, true, [1, 2], {"a": 1}), else text. @FILE uploads the file and stands
    for its blob; a text that begins with @ is written as JSON: --set 'handle="@me"'.
    """
    farm = invocation.farm()
    settings = (settings_of(file) if file else {}) | dict(pair_of(pair, farm) for pair in pairs)
    job = farm.submit(type, settings, **parts)
    if not (wait and invocation.as_json):
        invocation.answer(job, job.id)
    return result_of(wait_and_show(invocation, job.id)) if wait else 0


def settings_of(file: TextIO) -> dict[str, Any]:
    try:
        data = json.load(file)
    except ValueError as error:
        raise click.BadParameter(f"{file.name} is not JSON: {error}", param_hint="--file") from error
    if not isinstance(data, dict):
        raise click.BadParameter(f'{file.name} must hold a JSON object, such as {{"seconds": 5}}', param_hint="--file")
    return data


def pair_of(pair: str, farm: Farm) -> tuple[str, Any]:
    key, equals, text = pair.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--set")
    if text.startswith("@"):
        return key, blob_of(Path(text[1:]).expanduser(), farm)
    return key, value_of(text)


def blob_of(path: Path, farm: Farm) -> str:
    if not path.is_file():
        raise click.BadParameter(f"there is no file {path} to upload", param_hint="--set")
    return farm.upload(path)


def value_of(text: str) -> Any:
    try:
        # NaN and Infinity are Python's, not JSON's: text.
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text


def _refuse(word: str) -> None:
    raise ValueError(word)
