"""`millrace retry` and `millrace add-frames`: more work within a job that there is."""

from __future__ import annotations

import click

from millrace.cli.options import Invocation, command, pass_invocation
from millrace.cli.steering import jobs_argument, tell
from millrace.farm import Farm
from millrace.sdk.values import Job

AT_ONCE = 1_000
"""Tasks that one call may name."""


@command("retry")
@jobs_argument
@click.option("--failed", is_flag=True, help="Only what failed, and what was canceled because of that.")
@click.option("--only", type=click.Choice(["failed", "canceled"]), help="The same, or only what was canceled.")
@click.option("--missing", is_flag=True, help="What failed or was canceled, and completed tasks whose files are gone.")
@click.option("--frames", metavar="FRAMES", help="Only these, such as 12,40-45, whatever became of them.")
@click.option("--task", "tasks", multiple=True, metavar="TASK", help="Only this one. May be repeated.")
@pass_invocation
def retry(
    invocation: Invocation,
    /,
    jobs: tuple[str, ...],
    failed: bool,
    only: str | None,
    missing: bool,
    frames: str | None,
    tasks: tuple[str, ...],
) -> None:
    """Run part of a job again, within the job: what failed or was canceled, unless something else is said.

    In a job that lives the rest goes on meanwhile; one that has ended lives again. Steps that follow on what runs
    again, such as a preview, start over.
    """
    if sum((failed, only is not None, missing, frames is not None, bool(tasks))) > 1:
        raise click.UsageError("say one of --failed, --only, --missing, --frames and --task, not several")
    farm = invocation.farm()
    only_those = {"only_failed": failed or only == "failed", "only_canceled": only == "canceled"}
    for job in jobs:
        if missing:
            tell(invocation, _retry_missing(farm, job))
        else:
            tell(invocation, farm.retry(job, **only_those, frames=frames, tasks=tasks or None))


def _retry_missing(farm: Farm, job: str) -> Job:
    lost = farm.lost_tasks(job)
    click.echo(f"{len(lost)} completed task{'' if len(lost) == 1 else 's'} with files that are gone", err=True)
    for start in range(0, len(lost), AT_ONCE):
        farm.retry(job, tasks=lost[start : start + AT_ONCE])
    now = farm.job(job)
    return farm.retry(job) if now.counts.get("failed", 0) + now.counts.get("canceled", 0) else now


@command("add-frames")
@click.argument("job")
@click.argument("frames")
@pass_invocation
def add_frames(invocation: Invocation, /, job: str, frames: str) -> None:
    """Give a job that lives more FRAMES, such as 251-300,310-320x2.

    Those that it has already are not added again. What follows on the frames, such as a preview, waits for the added
    ones too. A job that has ended takes none: `millrace rerun JOB --frames FRAMES` makes a new one of it.
    """
    done = invocation.farm().add_frames(job, frames)
    there = f"; {done.present} were there already" if done.present else ""
    added = f"frames {done.added} added" if done.added else "no frames added"
    invocation.answer(done, f"{done.job.id} {added}{there}")
