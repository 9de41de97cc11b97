"""`millrace jobs`, `show`, `why`, `wait`: what the farm is doing."""

from __future__ import annotations

import time
from itertools import islice

import click

from millrace.cli.options import Invocation, command, pass_invocation
from millrace.cli.plain_text import plain, plain_lines
from millrace.cli.rendering import JobProgress, job_lines, table, task_lines, when
from millrace.farm import Farm
from millrace.sdk.errors import FarmError, NotEnded, NotFound
from millrace.sdk.values import Job, Task, WorkerInfo

JOB_WORDS = ("compiling", "queued", "active", "paused", "completed", "failed", "canceled")

# While a job is waited for, a farm that restarts is no reason to give up.
WAIT_PATIENCE_SECONDS = 120.0


@command("jobs")
@click.option("--status", type=click.Choice(JOB_WORDS), help="Only these.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@pass_invocation
def jobs(invocation: Invocation, status: str | None, limit: int) -> None:
    """List jobs, newest first."""
    found = list(islice(invocation.farm().jobs(status), limit))
    if invocation.as_json:
        return invocation.answer_list(found)
    rows = [[job.id, job.name, job.type, job.status, f"{job.progress:.0f} %", when(job.created_at)] for job in found]
    table(["ID", "NAME", "TYPE", "STATUS", "DONE", "CREATED"], rows)


@command("show")
@click.argument("id")
@pass_invocation
def show(invocation: Invocation, id: str) -> None:
    """Show a job and its tasks, or a task and its attempts."""
    farm = invocation.farm()
    thing = job_or_task(farm, id)
    if isinstance(thing, Task):
        return invocation.answer(thing, task_lines(thing))
    invocation.answer(thing, job_lines(thing))
    if not invocation.as_json:
        show_tasks(farm, thing)


def show_tasks(farm: Farm, job: Job, limit: int = 100) -> None:
    tasks = list(islice(farm.tasks(job), limit))
    rows = [
        [task.id, task.name, task.status, f"{task.progress:.0f} %", who_ran(task), last_word(task)] for task in tasks
    ]
    table(["TASK", "NAME", "STATUS", "DONE", "WORKER", "SAYS"], rows)
    if job.tasks > len(tasks):
        click.echo(f"... and {job.tasks - len(tasks)} more tasks")


def who_ran(task: Task) -> str:
    """Who holds it, or of a task that has ended, who had it last."""
    last = task.attempts[-1].worker if task.has_ended and task.attempts else None
    return task.worker or last or ""


def last_word(task: Task) -> str:
    """What is worth knowing about a task: what it does, or why it last went wrong."""
    if task.status == "completed":
        return ""
    errors = [attempt.error for attempt in task.attempts if attempt.error]
    said = errors[-1].splitlines()[0] if errors else ""
    return said or task.activity or "" if task.status == "failed" else task.activity or said


@command("why")
@click.argument("id")
@pass_invocation
def why(invocation: Invocation, id: str) -> None:
    """Say why a job or task waits, or why a worker is idle; the nearest reason first."""
    farm = invocation.farm()
    reasons = farm.why(job_task_or_worker(farm, id))
    if invocation.as_json:
        return invocation.answer_list(reasons)
    for reason in reasons:
        click.echo(plain(reason.text))


@command("wait")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Give up then, with exit code 4.")
@pass_invocation
def wait(invocation: Invocation, jobs: tuple[str, ...], timeout: float | None) -> int:
    """Wait until jobs have ended. Exit code 0: all completed; 1: some failed or were canceled."""
    return max(result_of(wait_and_show(invocation, job, timeout)) for job in jobs)


def wait_and_show(invocation: Invocation, job: str, timeout: float | None = None) -> Job:
    """Progress goes to stderr, so that stdout holds the result alone."""
    farm = invocation.farm(patience_seconds=WAIT_PATIENCE_SECONDS)
    with JobProgress(quiet=invocation.as_json) as progress:
        ended = _wait(farm, job, timeout, progress)
    if invocation.as_json:
        invocation.answer(ended, "")
    elif ended.status != "completed":
        click.echo(
            f"millrace: job {ended.id} {ended.status}{': ' + plain_lines(ended.error) if ended.error else ''}", err=True
        )
        show_reasons(farm, ended)
    return ended


PATIENCE_WITH_A_QUEUE_SECONDS = 5.0


def _wait(farm: Farm, job: str, timeout: float | None, progress: JobProgress) -> Job:
    """As `farm.wait`; of a job that still stands in the queue after a moment it is said, once, what it waits for."""
    begun = time.monotonic()
    if timeout is None or timeout > PATIENCE_WITH_A_QUEUE_SECONDS:
        try:
            return farm.wait(job, PATIENCE_WITH_A_QUEUE_SECONDS, progress.update)
        except NotEnded:
            _say_why_it_waits(farm, job, progress)
    left = None if timeout is None else max(0.0, timeout - (time.monotonic() - begun))
    return farm.wait(job, left, progress.update)


def _say_why_it_waits(farm: Farm, job: str, progress: JobProgress) -> None:
    try:
        current = farm.job(job)
        reasons = farm.why(current) if current.status == "queued" else []
    except FarmError:
        return  # an older farm, or one that restarts
    for reason in reasons[:1]:
        progress.note(f"  it waits: {reason.text}")


ASKED_TASKS, SHOWN_REASONS = 100, 3


def show_reasons(farm: Farm, job: Job) -> None:
    """On stderr: why tasks failed, each reason once, the most frequent first, and where more is told."""
    try:
        failed = list(islice(farm.tasks(job, "failed"), ASKED_TASKS))
    except FarmError:
        return  # the job is over, and that was said; its exit code stands
    reasons: dict[str, list[str]] = {}
    for task in failed:
        reasons.setdefault(last_word(task), []).append(task.name)
    often = sorted(((said, names) for said, names in reasons.items() if said), key=lambda one: -len(one[1]))
    for said, names in often[:SHOWN_REASONS]:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        click.echo(f"  {plain(names[0])}{others}: {plain(said)}", err=True)
    if failed:
        click.echo(f"  more: millrace logs {job.id} --error", err=True)


def result_of(job: Job) -> int:
    return 0 if job.status == "completed" else 1


def job_or_task(farm: Farm, id: str) -> Job | Task:
    """Ids are unique over all nouns of a farm, so one argument can name either."""
    try:
        return farm.job(id)
    except NotFound:
        pass
    try:
        return farm.task(id)
    except NotFound:
        raise NotFound({"status": 404, "detail": f"there is no job and no task {id}"}) from None


def job_task_or_worker(farm: Farm, id: str) -> Job | Task | WorkerInfo:
    try:
        return job_or_task(farm, id)
    except NotFound:
        pass
    try:
        return farm.worker(id)
    except NotFound:
        raise NotFound({"status": 404, "detail": f"there is no job, task or worker {id}"}) from None
