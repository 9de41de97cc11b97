"""`millrace workers`, and `millrace worker`: be one."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from millrace.cli.options import Invocation, command, pass_invocation
from millrace.cli.rendering import table, when

TASK_TYPES = "sleep,debug,file-management,video-encoding,transcode,exec"
RUNTIMES = "python3,bash"


@command("workers")
@pass_invocation
def workers(invocation: Invocation) -> None:
    """List the workers that the farm knows."""
    found = list(invocation.farm().workers())
    if invocation.as_json:
        return invocation.answer_list(found)
    rows = [
        [
            one.id,
            one.name,
            one.status,
            f"{len(one.tasks)}/{one.slots}",
            ",".join(one.task_types),
            when(one.last_contact_at),
        ]
        for one in found
    ]
    table(["ID", "NAME", "STATUS", "BUSY", "TASK TYPES", "LAST CONTACT"], rows)


def comma_list(_: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if not words and parameter.name == "types":
        raise click.BadParameter("name at least one task type")
    return words


@command("worker")
@click.option("--name", default=socket.gethostname, show_default="this machine's name", help="Unique on this farm.")
@click.option("--slots", type=click.IntRange(1, 256), default=1, show_default=True, help="Tasks at a time.")
@click.option(
    "--state", type=click.Path(file_okay=False, path_type=Path), help="Its folder. [default: by farm and name]"
)
@click.option("--types", default=TASK_TYPES, show_default=True, callback=comma_list, help="Task types it takes.")
@click.option("--runtimes", default=RUNTIMES, show_default=True, callback=comma_list, help="Runtimes of functions.")
@click.option("--tags", default="", callback=comma_list, help="What jobs may ask for, such as gpu.")
@pass_invocation
def worker(
    invocation: Invocation,
    name: str,
    slots: int,
    state: Path | None,
    types: tuple[str, ...],
    runtimes: tuple[str, ...],
    tags: tuple[str, ...],
) -> int:
    """Be a worker of the farm, until SIGTERM or Ctrl-C: then it finishes its tasks and signs off."""
    # Here, not above: the other commands start faster without the agent.
    from millrace.agent.run import run_worker

    return run_worker(
        invocation.url,
        token=invocation.token,
        name=name,
        slots=slots,
        state_dir=state,
        task_types=types,
        runtimes=runtimes,
        tags=tags,
    )
