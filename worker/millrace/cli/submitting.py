"""`millrace submit TYPE`: the types with a command line of their own, and every other type by its settings.

What all of them share, from the name of the job to fetching its results, is here; a type with a command line of its
own is a module, and a command that `submit_group` adds to `submit`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from millrace.cli.options import FarmCommand, FarmSubgroup, Invocation, pass_invocation
from millrace.cli.watching import result_of, wait_and_show
from millrace.farm import Farm

SMALLEST_ID = 10**13
"""Ids of farms grow with the time since 2020, and passed this after a month."""

F = TypeVar("F", bound=Callable[..., Any])

_JOB_OPTIONS = (
    click.option("--name", help="What people will see. [default: the type]"),
    click.option("--priority", type=click.IntRange(0, 100), default=50, show_default=True, help="Higher goes first."),
    click.option("--max-workers", type=click.IntRange(1, 1000), help="How many of its tasks may run at once."),
    click.option("--tag", "tags", multiple=True, help="Only workers with this tag. May be repeated."),
    click.option("--max-retries", type=click.IntRange(min=0), help="How often a failed task is tried again."),
    click.option("--retry-delay", type=click.IntRange(0, 86_400), help="Seconds before a failed task is tried again."),
    click.option(
        "--on-exit",
        "rules",
        multiple=True,
        metavar="CODE=RULE",
        help="What an exit code means: fail, retry:SECONDS, or wait:SECONDS (spends no retry). May be repeated.",
    ),
    click.option("--on-failure", type=click.Choice(["continue", "stop"]), help="What a failed task means for others."),
    click.option("--after", multiple=True, metavar="JOB", help="Start when this job has completed. May be repeated."),
    click.option("--idempotency-key", help="Two submissions with the same key are one job."),
    click.option("--wait", "wait", is_flag=True, help="Wait for the end; the exit code tells how it went."),
    click.option(
        "--to",
        type=click.Path(file_okay=False, path_type=Path),
        help="Wait for the end, and write the results into this folder.",
    ),
)


_LIMIT_OPTIONS = (
    click.option("--max-seconds", type=click.IntRange(min=1), help="A task that takes longer has failed."),
    click.option("--idle-seconds", type=click.IntRange(min=10), help="So has one that gives no sign of life so long."),
)
"""Settings of the job types that have a command line of their own."""


def limit_options(function: F) -> F:
    for option in reversed(_LIMIT_OPTIONS):
        function = option(function)
    return function


def job_options(function: F) -> F:
    """The options that every type of job takes; `submit_and_follow` gets them by their names."""
    for option in reversed(_JOB_OPTIONS):
        function = option(function)
    return function


JOB_NAMES = frozenset(option.name for option in vars(job_options(lambda: None))["__click_params__"])
"""What `submit_and_follow` takes, of all that a command with further options is called with."""


class BySettings(FarmCommand):
    """A type that this command line does not know. If an option is wrong, its name may be wrong."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(context, args)
        except click.UsageError as error:
            near = get_close_matches(self.name or "", submit.commands, n=1, cutoff=0.75)
            if near and near[0] != self.name:
                raise click.UsageError(
                    f"{error.format_message()} Is {near[0]} the type that is meant?", context
                ) from None
            raise


class SubmitGroup(FarmSubgroup):
    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return super().get_command(context, name) or by_settings(name)


@click.group("submit", cls=SubmitGroup, subcommand_metavar="TYPE [OPTIONS]...")
def submit() -> None:
    """Submit a job and print its id.

    The types below have a command line of their own (`millrace submit frames --help`). All other types that the farm
    knows, such as transcode, commands, function and command, take their settings with --set and --file
    (`millrace submit transcode --help`).
    """


def by_settings(type: str) -> click.Command:
    @click.command(type, cls=BySettings)
    @click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="One setting; see above. May be repeated.")
    @click.option(
        "--file", "file", type=click.File("r"), help="A JSON file with all settings (- is stdin); --set adds to it."
    )
    @job_options
    @pass_invocation
    def submit_settings(invocation: Invocation, /, pairs: tuple[str, ...], file: TextIO | None, **job: Any) -> int:
        """Submit a job by its settings.

        A VALUE is JSON where it reads as JSON (12, true, [1, 2], {"a": 1}), else text, as is an id. @FILE stands for
        its blob, uploaded once all else is right; a text that begins with @ is written as JSON: --set 'handle="@me"'.
        """
        farm = invocation.farm()
        settings = (settings_of(file) if file else {}) | dict(map(pair_of, pairs))
        return submit_and_follow(invocation, farm, type, settings, **job)

    return submit_settings


def submit_and_follow(
    invocation: Invocation,
    farm: Farm,
    type: str,
    settings: Mapping[str, Any],
    *,
    wait: bool,
    to: Path | None,
    retry_delay: int | None,
    rules: tuple[str, ...],
    retry: Mapping[str, Any] | None = None,
    **parts: Any,
) -> int:
    """Submit, print the id, and go on as far as was asked. The exit code. `retry` is what the options do not say."""
    said = {name: value for name, value in (retry or {}).items() if value} | (retry_policy(retry_delay, rules) or {})
    job = farm.submit(type, settings, retry=said or None, **parts)
    wait = wait or to is not None
    if not (wait and invocation.as_json):
        invocation.answer(job, job.id)
    if not wait:
        return 0
    ended = wait_and_show(invocation, job.id)
    if to is not None:
        paths = farm.download(ended, to)
        click.echo(f"{len(paths)} file{'' if len(paths) == 1 else 's'} in {to}", err=True)
    return result_of(ended)


_RULE = re.compile(r"(-?\d+)=(?:(fail)|(retry|wait):(\d+))")


def retry_policy(delay_seconds: int | None, rules: tuple[str, ...]) -> dict[str, Any] | None:
    """As the farm wants it; None if nothing was said."""
    codes = {}
    for rule in rules:
        match = _RULE.fullmatch(rule)
        if match is None:
            text = f"{rule!r} is no rule; write 3=fail, 9=retry:60, or 211=wait:300"
            raise click.BadParameter(text, param_hint="--on-exit")
        later = {"delay_seconds": int(match[4]), "counted": match[3] == "retry"} if match[4] else {}
        codes[match[1]] = {"action": match[2] or "retry", **later}
    said = ({"delay_seconds": delay_seconds} if delay_seconds is not None else {}) | (
        {"exit_codes": codes} if codes else {}
    )
    return said or None


def settings_of(file: TextIO) -> dict[str, Any]:
    try:
        data = json.load(file)
    except ValueError as error:
        raise click.BadParameter(f"{file.name} is not JSON: {error}", param_hint="--file") from error
    if not isinstance(data, dict):
        raise click.BadParameter(f'{file.name} must hold a JSON object, such as {{"seconds": 5}}', param_hint="--file")
    return data


def pair_of(pair: str) -> tuple[str, Any]:
    """A file as its path, which `Farm.submit` uploads."""
    key, equals, text = pair.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--set")
    if text.startswith("@"):
        return key, file_at(Path(text[1:]).expanduser())
    return key, value_of(text)


def file_at(path: Path) -> Path:
    if not path.is_file():
        raise click.BadParameter(f"there is no file {path} to upload", param_hint="--set")
    return path


def value_of(text: str) -> Any:
    try:
        # NaN and Infinity are Python's, not JSON's: text.
        value = json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text
    # An id, which settings take as text. No setting counts as far.
    return text if type(value) is int and value >= SMALLEST_ID else value


def _refuse(word: str) -> None:
    raise ValueError(word)
