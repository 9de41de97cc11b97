"""`millrace workers`, and `millrace worker`: be one."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import click
from click.core import ParameterSource

from millrace.cli.options import Invocation, command, pass_invocation
from millrace.sdk.urls import is_farm_url

TASK_TYPES = "sleep,debug,file-management,video-encoding,transcode,exec"
BLENDER_TYPES = "blender-render,exr-merge"
OPENJD_TYPE = "openjd"
RUNTIMES = "python3,bash"
MASTER_TOKEN = "MILLRACE_MASTER_TOKEN"


@command("workers")
@pass_invocation
def workers(invocation: Invocation) -> None:
    """List the workers that the farm knows."""
    from millrace.cli.rendering import table, when

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


def types_or_all(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    """Unless told which, a worker takes what this machine has the programs for."""
    words = comma_list(context, parameter, text)
    source = context.get_parameter_source("types")
    if source is not ParameterSource.DEFAULT:
        return words
    from millrace.openjd.errors import has_sessions
    from millrace.runtimes.blender import find_blender

    blender = BLENDER_TYPES.split(",") if find_blender() else ()
    return (*words, *blender, *((OPENJD_TYPE,) if has_sessions() else ()))


def host_and_port(_: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _colon, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"{text!r} is not HOST:PORT, such as 0.0.0.0:20001")
    return host.strip("[]"), int(port)


@command("worker")
@click.option("--name", default=socket.gethostname, show_default="this machine's name", help="Unique on this farm.")
@click.option("--slots", type=click.IntRange(1, 256), default=1, show_default=True, help="Tasks at a time.")
@click.option(
    "--state", type=click.Path(file_okay=False, path_type=Path), help="Its folder. [default: by farm and name]"
)
@click.option(
    "--types",
    default=TASK_TYPES,
    show_default=f"{TASK_TYPES}; with Blender {BLENDER_TYPES}; with openjd-sessions {OPENJD_TYPE}",
    callback=types_or_all,
    help="Task types it takes.",
)
@click.option("--runtimes", default=RUNTIMES, show_default=True, callback=comma_list, help="Runtimes of functions.")
@click.option("--tags", default="", callback=comma_list, help="What jobs may ask for, such as gpu.")
@click.option("--listen", metavar="HOST:PORT", callback=host_and_port, help="Serve a foreign master instead of a farm.")
@click.option(
    "--master",
    metavar="URL",
    help="With --listen: the master, which speaks the transcode protocol. [MILLRACE_MASTER_TOKEN: its token]",
)
@click.option(
    "--storage",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="With --listen: the folder of shared storage; nothing outside of it is read or written.",
)
@click.option("--task-user", metavar="USER", help="Run tasks as this user (the worker must be root).")
@click.option(
    "--sandbox", is_flag=True, help="Run tasks in bubblewrap: the machine read-only, the worker's state hidden."
)
@click.option(
    "--task-folder",
    "task_folders",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="With --sandbox: a folder of shared storage that tasks may write to. Repeatable.",
)
@click.option("--task-memory-mb", type=click.IntRange(min=1), help="Address space of each process of a task.")
@click.option("--task-cpu-seconds", type=click.IntRange(min=1), help="Processor time of each process of a task.")
@pass_invocation
def worker(
    invocation: Invocation,
    name: str,
    slots: int,
    state: Path | None,
    types: tuple[str, ...],
    runtimes: tuple[str, ...],
    tags: tuple[str, ...],
    listen: tuple[str, int] | None,
    master: str | None,
    storage: Path | None,
    task_user: str | None,
    sandbox: bool,
    task_folders: tuple[Path, ...],
    task_memory_mb: int | None,
    task_cpu_seconds: int | None,
) -> int:
    """Be a worker of the farm, until SIGTERM or Ctrl-C: then it finishes its tasks and signs off."""
    if listen is not None or master is not None or storage is not None:
        return serve_master(listen, master, storage, state)
    # Here, not above: the other commands start faster without the agent.
    from millrace.agent.run import run_worker
    from millrace.openjd.capabilities import tags_of_this_machine

    if OPENJD_TYPE in types:
        tags = tuple(dict.fromkeys((*tags, *tags_of_this_machine())))
    return run_worker(
        invocation.url,
        token=invocation.token,
        name=name,
        slots=slots,
        state_dir=state,
        task_types=confined_types(types) if task_user is not None or sandbox else types,
        runtimes=runtimes,
        tags=tags,
        apart={
            "user": task_user,
            "sandbox": sandbox,
            "memory_mb": task_memory_mb,
            "cpu_seconds": task_cpu_seconds,
            "writable": task_folders,
        },
    )


def confined_types(types: tuple[str, ...]) -> tuple[str, ...]:
    """Unless told which, a worker that keeps tasks apart takes those that it can run so."""
    from millrace.agent.isolation import CONFINED_TYPES

    source = click.get_current_context().get_parameter_source("types")
    return CONFINED_TYPES if source is ParameterSource.DEFAULT else types


def serve_master(listen: tuple[str, int] | None, master: str | None, storage: Path | None, state: Path | None) -> int:
    """Its token is not the farm's: a foreign master must not learn that one."""
    if listen is None or master is None or storage is None:
        raise click.UsageError("--listen HOST:PORT, --master URL and --storage DIR go together")
    if not is_farm_url(master):
        raise click.BadParameter(
            f"{master!r} is not a master's URL, such as http://10.0.0.1:20000", param_hint="--master"
        )
    from millrace.agent.state import default_state_root
    from millrace.listener.run import run_listener

    folder = state or default_state_root(master, f"listener-{listen[1]}")
    return run_listener(master, *listen, storage=storage, state_dir=folder, token=os.environ.get(MASTER_TOKEN))
