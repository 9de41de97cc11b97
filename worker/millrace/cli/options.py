"""The options that every command takes, before or after its name: `--farm`, `--json`.

A command asks for its `Invocation`, which holds them and makes the `Farm`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from millrace.cli.plain_text import plain_json
from millrace.sdk.urls import is_farm_url

if TYPE_CHECKING:
    from millrace.farm import Farm
    from millrace.sdk.values import Value

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass
class Invocation:
    """What was said on the command line about where to go and how to answer."""

    url: str = DEFAULT_URL
    as_json: bool = False

    @property
    def token(self) -> str | None:
        """From the environment only: a command line is seen by every user of the machine."""
        return os.environ.get("MILLRACE_TOKEN") or None

    def farm(self, *, patience_seconds: float = 3.0) -> Farm:
        from millrace.farm import Farm

        return Farm(self.url, self.token, patience_seconds=patience_seconds)

    def answer(self, value: Value, text: str) -> None:
        """The command's result on stdout: JSON if asked for, else the text."""
        from millrace.sdk.values import as_json

        click.echo(json_text(as_json(value)) if self.as_json else text)

    def answer_list(self, values: Iterable[Value]) -> None:
        from millrace.sdk.values import as_json

        click.echo(json_text([as_json(value) for value in values]))


def json_text(data: Any) -> str:
    return plain_json(json.dumps(data, indent=2, ensure_ascii=False))


class FarmCommand(click.Command):
    """A command with the options of all commands."""

    def __init__(self, *args: Any, **parts: Any) -> None:
        super().__init__(*args, **parts)
        # No variable here: it would win over a --farm that stands before the command's name.
        self.params += [_farm_option(None), _json_option(), _ca_option(None)]


class FarmGroup(click.Group):
    """The group with the options of all commands."""

    command_class = FarmCommand

    def __init__(self, *args: Any, **parts: Any) -> None:
        super().__init__(*args, **parts)
        self.params += [_farm_option("MILLRACE_URL"), _json_option(), _ca_option("MILLRACE_CA_FILE")]


class FarmSubgroup(click.Group):
    """A command that is a group itself: `millrace submit frames`. The options may stand before and after."""

    command_class = FarmCommand

    def __init__(self, *args: Any, **parts: Any) -> None:
        super().__init__(*args, **parts)
        self.params += [_farm_option(None), _json_option(), _ca_option(None)]


def command(name: str) -> Callable[[Callable[..., Any]], FarmCommand]:
    return click.command(name, cls=FarmCommand)


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


def _farm_option(variable: str | None) -> click.Option:
    text = f"The farm's URL. [MILLRACE_URL; default {DEFAULT_URL}]"
    return click.Option(["--farm"], metavar="URL", envvar=variable, help=text, expose_value=False, callback=_keep_url)


def _ca_option(variable: str | None) -> click.Option:
    text = "Believe the authorities in this file too, such as your own that vouches for the farm. [MILLRACE_CA_FILE]"
    kind = click.Path(exists=True, dir_okay=False, resolve_path=True)
    return click.Option(
        ["--ca-file"], metavar="FILE", type=kind, envvar=variable, help=text, expose_value=False, callback=_keep_ca
    )


def _json_option() -> click.Option:
    return click.Option(
        ["--json"], is_flag=True, help="Answer with JSON on stdout.", expose_value=False, callback=_keep_json
    )


def _keep_url(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value and not is_farm_url(value):
        raise click.BadParameter(f"{value!r} is not a farm's URL, such as {DEFAULT_URL}")
    if value:
        context.ensure_object(Invocation).url = value


def _keep_ca(context: click.Context, _: click.Parameter, value: str | None) -> None:
    """For the whole process: whoever calls anybody looks there."""
    if value:
        from millrace.authorities import ADDED, BadAuthorities, check

        try:
            check(value)
        except BadAuthorities as error:
            raise click.BadParameter(str(error)) from None
        os.environ[ADDED] = value


def _keep_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Invocation).as_json = True
