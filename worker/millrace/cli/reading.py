"""`millrace logs`, `download`: what tasks wrote."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from millrace.cli.options import Invocation, command, json_text, pass_invocation
from millrace.cli.plain_text import plain, plain_log
from millrace.cli.watching import WAIT_PATIENCE_SECONDS, job_or_task
from millrace.farm import Farm
from millrace.sdk.logs import LogEnd
from millrace.sdk.values import ErrorLine, Job, Task, as_json


@command("logs")
@click.argument("id")
@click.option("-f", "--follow", is_flag=True, help="Go on until the task or job has ended.")
@click.option("--attempt", type=click.IntRange(min=1), help="Of a task: which run. [default: the newest]")
@click.option("--error", is_flag=True, help="Only the line that likely says why, and those around it.")
@pass_invocation
def logs(invocation: Invocation, id: str, follow: bool, attempt: int | None, error: bool) -> int:
    """Print the log of a task, or of all tasks of a job (each line after its task's name).

    With --error of a job: of the first ten tasks that failed.
    """
    farm = invocation.farm(patience_seconds=WAIT_PATIENCE_SECONDS if follow else 3.0)
    thing = job_or_task(farm, id)
    if isinstance(thing, Job) and attempt is not None:
        raise click.UsageError("--attempt goes with a task; each task of a job has its own attempts")
    if error and follow:
        raise click.UsageError("--error looks at what is there; it does not go with --follow")
    if error:
        return print_errors(invocation, farm, thing, attempt)
    if invocation.as_json and follow:
        raise click.UsageError("--json gives the whole log at once; it does not go with --follow")
    if invocation.as_json:
        print_as_json(farm, thing, attempt)
    elif isinstance(thing, Job):
        print_job(farm, thing, follow)
    elif follow:
        for text in farm.follow_log(thing, attempt):
            click.echo(shown(text), nl=False)
    else:
        for text in log_so_far(farm, thing, attempt):
            click.echo(shown(text), nl=False)
    return 0


FAILED_TASKS = 10


def print_errors(invocation: Invocation, farm: Farm, thing: Job | Task, attempt: int | None) -> int:
    """1 if no line says anything."""
    tasks = list(islice(farm.tasks(thing, "failed"), FAILED_TASKS)) if isinstance(thing, Job) else [thing]
    found = [(task, farm.error_line(task, attempt)) for task in tasks]
    if invocation.as_json:
        lines = [{"task": task.id, "name": task.name, "line": line and as_json(line)} for task, line in found]
        click.echo(json_text(lines))
    else:
        for task, line in found:
            _print_error(task, line)
    if not found:
        click.echo("millrace: no task of the job has failed", err=True)
    return 0 if any(line is not None for _, line in found) else 1


def _print_error(task: Task, line: ErrorLine | None) -> None:
    if line is None:
        click.echo(f"{plain(task.name)} ({task.id}): no line of its log says why")
        return
    click.echo(f"{plain(task.name)} ({task.id}), attempt {line.attempt}, line {line.number}:")
    for text in line.before:
        click.echo(f"    {shown(text)}")
    click.secho(f"  > {shown(line.text)}", fg="red", bold=True)
    for text in line.after:
        click.echo(f"    {shown(text)}")


def shown(text: str) -> str:
    """A program's words as they are, but on a terminal nothing that it would obey."""
    return plain_log(text) if sys.stdout.isatty() else text


def log_so_far(farm: Farm, task: Task, attempt: int | None) -> Iterator[str]:
    """The pieces there are now; none if nothing has run."""
    number, offset = attempt or len(task.attempts), 0
    while number:
        piece = farm.log(task, number, offset)
        if not piece.text:
            return
        yield piece.text
        offset = piece.next_offset


def print_as_json(farm: Farm, thing: Job | Task, attempt: int | None) -> None:
    tasks = farm.tasks(thing) if isinstance(thing, Job) else [thing]
    click.echo(
        json_text(
            [{"task": task.id, "name": task.name, "log": "".join(log_so_far(farm, task, attempt))} for task in tasks]
        )
    )


def print_job(farm: Farm, job: Job, follow: bool) -> None:
    """Only what has run, and of that only what may have more to say, is asked again."""
    readers: dict[str, TaskLog] = {}
    while True:
        # The job's state is read first: what was there before its end is then in what is read.
        ended = farm.job(job).has_ended
        for task in farm.tasks(job):
            if task.attempts:
                readers.setdefault(task.id, TaskLog()).print_new(farm, task, ended)
        if not follow or (ended and all(reader.is_complete for reader in readers.values())):
            return
        time.sleep(1.0)


class TaskLog:
    """How far the log of a task has been printed."""

    def __init__(self) -> None:
        self.attempt = 1
        self.offset = 0
        self.is_complete = False
        self._end = LogEnd()

    def print_new(self, farm: Farm, task: Task, job_has_ended: bool) -> None:
        while not self.is_complete:
            piece = farm.log(task, self.attempt, self.offset)
            for line in piece.text.splitlines():
                click.echo(f"[{plain(task.name)}] {shown(line)}")
            if piece.text:
                self.offset = piece.next_offset
                self._end.heard()
            elif self.attempt < len(task.attempts):
                self.attempt, self.offset = self.attempt + 1, 0
            else:
                is_over = job_has_ended or task.has_ended
                self.is_complete = is_over and self._end.is_reached(task.attempts[self.attempt - 1].ended_at)
                return


@command("download")
@click.argument("job")
@click.option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path), default=".", help="Where. [default: here]"
)
@click.option(
    "--zip", "archive", type=click.Path(dir_okay=False, path_type=Path), help="Into a zip file instead; - is stdout."
)
@pass_invocation
def download(invocation: Invocation, job: str, folder: Path, archive: Path | None) -> int:
    """Write the outputs of a job into a folder, and print their paths. Of a job that still runs: those there are."""
    farm = invocation.farm()
    if archive is not None:
        made = download_zip(farm, job, archive)
    else:
        made = [str(path) for path in farm.download(job, folder)]
    if invocation.as_json and archive != STDOUT:
        click.echo(json_text(made))
    elif archive is None:
        click.echo("".join(f"{plain(path)}\n" for path in made), nl=False)
    if not made:
        click.echo(f"millrace: job {job} has no outputs (it is {farm.job(job).status})", err=True)
    return 0 if made else 1


STDOUT = Path("-")


def download_zip(farm: Farm, job: str, archive: Path) -> list[str]:
    """The names in it. What is half written when something fails is removed, and the file that was there stays."""
    if archive == STDOUT:
        return farm.download_zip(job, sys.stdout.buffer)
    part = archive.with_name(f".{archive.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            names = farm.download_zip(job, file)
        if names:
            part.replace(archive)
        return names
    finally:
        part.unlink(missing_ok=True)
