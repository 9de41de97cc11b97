"""The group of all commands, and the one place where errors become a line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from millrace import __version__
from millrace.cli.commands import COMMANDS, LazyGroup
from millrace.cli.plain_text import plain_lines
from millrace.sdk.errors import BadRequest, FarmError, NotAllowed, NotEnded, Unreachable

DONE, FAILED, USAGE, UNREACHABLE, NOT_ENDED, INTERRUPTED = 0, 1, 2, 3, 4, 130


SET_TOKEN = "Set MILLRACE_TOKEN to a token of this farm; who runs it makes one with `millrace token NAME`."

IN_A_CHECKOUT = (
    "In a checkout of Millrace, `./millrace test` runs the test suite, `./millrace chaos` rounds of faults, "
    "`./millrace load` a thousand workers, `./millrace bench` measurements, `./millrace audit` looks up known "
    "weaknesses of packages; `./millrace deploy`, `destroy`, `status`, `admin-token` and `migrate` bring a farm to "
    "AWS, look after it or take it away, and `./millrace cost` says what it costs there."
)


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=IN_A_CHECKOUT,
)
@click.version_option(__version__, package_name="millrace")
def millrace() -> None:
    """A compute farm: submit jobs, watch them, run workers, serve a farm on this machine."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (that of the process by default); the exit code."""
    try:
        code = millrace.main(args=arguments, prog_name="millrace", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except FarmError as error:
        return complain(error)
    except OSError as error:
        click.echo(f"millrace: {error.filename or 'this machine'}: {error.strerror or error}", err=True)
        return FAILED


def complain(error: FarmError) -> int:
    click.echo(f"millrace: {plain_lines(error.message)}", err=True)
    if isinstance(error, NotAllowed) and error.status == 401:
        hint = "MILLRACE_TOKEN is no token of this farm: mistyped, revoked, or another farm's."
        click.echo(f"  {hint if os.environ.get('MILLRACE_TOKEN') else SET_TOKEN}", err=True)
    return exit_code(error)


def exit_code(error: FarmError) -> int:
    if isinstance(error, Unreachable):
        return UNREACHABLE
    if isinstance(error, NotEnded):
        return NOT_ENDED
    return USAGE if isinstance(error, BadRequest) else FAILED
