"""The group of all commands, and the one place where errors become a line on stderr and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from millrace import __version__
from millrace.cli.access import revoke, token, tokens
from millrace.cli.backing_up import backup, restore
from millrace.cli.completion import completion
from millrace.cli.doctor import doctor
from millrace.cli.fleet import worker, workers
from millrace.cli.hooks import unhook, webhook, webhooks
from millrace.cli.options import FarmGroup
from millrace.cli.plain_text import plain_lines
from millrace.cli.pruning import prune
from millrace.cli.reading import download, logs
from millrace.cli.serving import serve
from millrace.cli.steering import cancel, delete, pause, resume, retry
from millrace.cli.submit_again import rerun
from millrace.cli.submit_blender import submit_blender_render, submit_blender_tiles
from millrace.cli.submit_frames import submit_frames
from millrace.cli.submit_openjd import submit_bundle, submit_openjd
from millrace.cli.submitting import submit
from millrace.cli.watching import jobs, show, wait, why
from millrace.demo.command import demo
from millrace.sdk.errors import BadRequest, FarmError, NotAllowed, NotEnded, Unreachable

DONE, FAILED, USAGE, UNREACHABLE, NOT_ENDED, INTERRUPTED = 0, 1, 2, 3, 4, 130


IN_A_CHECKOUT = (
    "In a checkout of Millrace, `./millrace test` runs the test suite, `./millrace chaos` rounds of faults, "
    "`./millrace bench` measurements; "
    "`./millrace deploy`, `destroy`, `status` and `migrate` bring a farm to AWS, or take it away."
)


@click.group(
    cls=FarmGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=IN_A_CHECKOUT,
)
@click.version_option(__version__, package_name="millrace")
def millrace() -> None:
    """A compute farm: submit jobs, watch them, run workers, serve a farm on this machine."""


for _type in (submit_frames, submit_blender_render, submit_blender_tiles, submit_openjd, submit_bundle):
    submit.add_command(_type)
for _command in (demo, serve, backup, restore, worker, submit, rerun, jobs, show, why, wait, logs, download):
    millrace.add_command(_command)
for _command in (cancel, pause, resume, retry, delete, prune, workers, token, tokens, revoke, doctor, completion):
    millrace.add_command(_command)
for _command in (webhook, webhooks, unhook):
    millrace.add_command(_command)


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
        click.echo("  Set MILLRACE_TOKEN to a token of this farm.", err=True)
    return exit_code(error)


def exit_code(error: FarmError) -> int:
    if isinstance(error, Unreachable):
        return UNREACHABLE
    if isinstance(error, NotEnded):
        return NOT_ENDED
    return USAGE if isinstance(error, BadRequest) else FAILED
