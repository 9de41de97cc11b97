"""`millrace cancel`, `pause`, `resume`, `delete`: what happens to jobs. Each takes one or several ids."""

from __future__ import annotations

import click

from millrace.cli.options import Invocation, command, json_text, pass_invocation
from millrace.sdk.values import Job

jobs_argument = click.argument("jobs", nargs=-1, required=True, metavar="JOB...")


@command("cancel")
@jobs_argument
@pass_invocation
def cancel(invocation: Invocation, jobs: tuple[str, ...]) -> None:
    """Stop jobs, with what runs of them."""
    farm = invocation.farm()
    for job in jobs:
        tell(invocation, farm.cancel(job))


@command("pause")
@jobs_argument
@pass_invocation
def pause(invocation: Invocation, jobs: tuple[str, ...]) -> None:
    """Hold jobs; what runs may finish."""
    farm = invocation.farm()
    for job in jobs:
        tell(invocation, farm.pause(job))


@command("resume")
@jobs_argument
@pass_invocation
def resume(invocation: Invocation, jobs: tuple[str, ...]) -> None:
    """Let paused jobs go on."""
    farm = invocation.farm()
    for job in jobs:
        tell(invocation, farm.resume(job))


@command("set")
@jobs_argument
@click.option("--name", help="What people see.")
@click.option("--priority", type=click.IntRange(0, 100), help="Higher goes first; reaches queued tasks at once.")
@click.option("--max-workers", metavar="N", help="How many of its tasks may run at once; none: no limit.")
@pass_invocation
def set_(
    invocation: Invocation, jobs: tuple[str, ...], name: str | None, priority: int | None, max_workers: str | None
) -> None:
    """Change jobs that are there: their name, their priority, how many of their tasks run at once."""
    if name is None and priority is None and max_workers is None:
        raise click.UsageError("say what is to be different: --name, --priority or --max-workers")
    farm = invocation.farm()
    for job in jobs:
        tell(invocation, farm.update(job, name=name, priority=priority, max_workers=_limit(max_workers)))


def _limit(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "none":
        return 0
    if not (text.isdecimal() and 1 <= int(text) <= 1000):
        raise click.BadParameter(f"{text!r} must be 1 to 1000, or none", param_hint="--max-workers")
    return int(text)


@command("queue")
@click.argument("mode", required=False, type=click.Choice(["first-in", "balanced"]))
@pass_invocation
def queue(invocation: Invocation, mode: str | None) -> None:
    """How jobs of equal priority are served, or from now on with MODE.

    first-in: the oldest first. balanced: they share the workers about evenly.
    """
    said = invocation.farm().queue_mode(mode)
    click.echo(json_text({"mode": said}) if invocation.as_json else said)


@command("delete")
@jobs_argument
@pass_invocation
def delete(invocation: Invocation, jobs: tuple[str, ...]) -> None:
    """Forget jobs, with their tasks and logs."""
    farm = invocation.farm()
    for job in jobs:
        farm.delete(job)
        click.echo(json_text({"id": job, "deleted": True}) if invocation.as_json else f"{job} deleted")


def tell(invocation: Invocation, job: Job) -> None:
    invocation.answer(job, f"{job.id} {job.status}")
