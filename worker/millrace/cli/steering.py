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
