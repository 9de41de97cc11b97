"""`millrace prune`: old content that no job needs goes."""

from __future__ import annotations

import click

from millrace.cli.options import Invocation, command, pass_invocation
from millrace.cli.rendering import size


@command("prune")
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(1, 3650),
    default=30,
    show_default=True,
    metavar="DAYS",
    help="Keep what was stored, or relied on, since then.",
)
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would be removed.")
@pass_invocation
def prune(invocation: Invocation, days: int, dry_run: bool) -> None:
    """Remove files that no job needs any more: neither as input nor as output.

    A job needs its files until it is deleted.
    """
    done = invocation.farm().prune(older_than_days=days, dry_run=dry_run)
    would = "would be removed" if dry_run else "removed"
    more = "" if done.complete else "; there is more, run it again"
    invocation.answer(done, f"{done.removed} files ({size(done.removed_bytes)}) {would}, {done.kept} kept{more}")
