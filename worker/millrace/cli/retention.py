"""`millrace retention`: how long jobs are kept after they have ended, and content that nothing needs."""

from __future__ import annotations

import click

from millrace.cli.options import Invocation, command, json_text, pass_invocation
from millrace.cli.plain_text import plain
from millrace.cli.rendering import when
from millrace.farm import Farm

LONGEST_DAYS = 3650


@command("retention")
@click.option("--days", type=click.IntRange(1, LONGEST_DAYS), help="Keep jobs for so long after their end.")
@click.option("--keep", is_flag=True, help="Keep them for ever.")
@click.option("--content-days", type=click.IntRange(1, LONGEST_DAYS), help="Keep files that no job needs for so long.")
@click.option("--keep-content", is_flag=True, help="Keep them until somebody prunes.")
@click.option("--preview", is_flag=True, help="With --days: change nothing, say which jobs would be deleted.")
@pass_invocation
def retention(
    invocation: Invocation,
    days: int | None,
    keep: bool,
    content_days: int | None,
    keep_content: bool,
    preview: bool,
) -> None:
    """Show how long jobs are kept after they have ended, with their logs; or say so (scope admin).

    Older ones are deleted, a part at a time, and there is no undo: look at --preview first. Files that no job needs any
    more go with `millrace prune`; with --content-days the farm removes them itself, once a day. `millrace prune
    --dry-run` says what would go.
    """
    if keep and (days is not None or preview):
        raise click.UsageError("--keep excludes --days and --preview")
    if keep_content and content_days is not None:
        raise click.UsageError("--keep-content excludes --content-days")
    if preview and (content_days is not None or keep_content):
        raise click.UsageError("--preview is of jobs; `millrace prune --dry-run` says which content would go")
    if preview and days is None:
        raise click.UsageError("--preview needs --days")
    farm = invocation.farm()
    if preview and days is not None:
        return _preview(invocation, farm, days)
    if keep or days is not None:
        farm.set_retention(days)
    if keep_content or content_days is not None:
        farm.set_content_retention(content_days)
    kept, content = farm.retention(), farm.content_retention()
    if invocation.as_json:
        click.echo(json_text({"ended_jobs_days": kept, "content_days": content}))
        return
    click.echo("ended jobs are kept for ever" if kept is None else f"ended jobs are kept for {kept} days")
    until = "until somebody prunes" if content is None else f"for {content} days"
    click.echo(f"files that no job needs are kept {until}")


def _preview(invocation: Invocation, farm: Farm, days: int) -> None:
    count, jobs = farm.retention_preview(days)
    if invocation.as_json:
        click.echo(json_text({"count": count, "jobs": [job.id for job in jobs]}))
        return
    click.echo(f"{count} job{'' if count == 1 else 's'} would be deleted{':' if jobs else ''}")
    for job in jobs:
        click.echo(f"{job.id} {job.status} {when(job.finished_at)} {plain(job.name)}")
    if count > len(jobs):
        click.echo("...")
