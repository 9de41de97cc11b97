"""What a worker may be told on its command line: for `millrace worker` and what `worker install` starts."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

F = TypeVar("F", bound=Callable[..., Any])

TASK_TYPES = "sleep,debug,file-management,video-encoding,transcode,exec"
BLENDER_TYPES = "blender-render,exr-merge"
OPENJD_TYPE = "openjd"
RUNTIMES = "python3,bash"


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


def own_or_folder(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | Path | None:
    """The worker's own control group is found when it starts: for a service it is another one than here."""
    if text is None or text == "own":
        return text
    if not Path(text).is_dir():
        raise click.BadParameter(f"{text!r} is no folder; `own` is the group that the worker starts in")
    return Path(text)


FOR_SERVICES = frozenset(
    {
        *("slots", "types", "runtimes", "tags", "on_ec2", "task_user", "sandbox", "task_folders"),
        *("task_memory_mb", "task_cpu_seconds", "task_cgroup", "task_cpus", "task_processes", "no_pictures"),
    }
)
"""What `worker install` writes into a command line as it was given. The rest is said in another way, or once."""

_WORKER_OPTIONS = (
    click.option("--name", default=socket.gethostname, show_default="this machine's name", help="Unique on this farm."),
    click.option("--slots", type=click.IntRange(1, 256), default=1, show_default=True, help="Tasks at a time."),
    click.option(
        "--state", type=click.Path(file_okay=False, path_type=Path), help="Its folder. [default: by farm and name]"
    ),
    click.option(
        "--types",
        default=TASK_TYPES,
        show_default=f"{TASK_TYPES}; with Blender {BLENDER_TYPES}; with openjd-sessions {OPENJD_TYPE}",
        callback=types_or_all,
        help="Task types it takes.",
    ),
    click.option("--runtimes", default=RUNTIMES, show_default=True, callback=comma_list, help="Runtimes of functions."),
    click.option("--tags", default="", callback=comma_list, help="What jobs may ask for, such as gpu."),
    click.option(
        "--join",
        "join_token",
        metavar="TOKEN",
        envvar="MILLRACE_JOIN_TOKEN",
        help="A join token (`millrace token --join`), needed once. [MILLRACE_JOIN_TOKEN]",
    ),
    click.option(
        "--on-ec2",
        is_flag=True,
        envvar="MILLRACE_ON_EC2",
        help="Drain when EC2 is about to take this machine (Spot). [MILLRACE_ON_EC2]",
    ),
    click.option(
        "--listen", metavar="HOST:PORT", callback=host_and_port, help="Serve a foreign master instead of a farm."
    ),
    click.option(
        "--master",
        metavar="URL",
        help="With --listen: the master, which speaks the transcode protocol. [MILLRACE_MASTER_TOKEN: its token]",
    ),
    click.option(
        "--storage",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="With --listen: the folder of shared storage; nothing outside of it is read or written.",
    ),
    click.option("--task-user", metavar="USER", help="Run tasks as this user (the worker must be root)."),
    click.option(
        "--sandbox", is_flag=True, help="Run tasks in bubblewrap: the machine read-only, the worker's state hidden."
    ),
    click.option(
        "--task-folder",
        "task_folders",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        multiple=True,
        help="With --sandbox: a folder of shared storage that tasks may write to. Repeatable.",
    ),
    click.option(
        "--task-memory-mb",
        type=click.IntRange(min=1),
        help="Address space of each process of a task; with --task-cgroup memory of the whole task.",
    ),
    click.option(
        "--task-cgroup",
        metavar="FOLDER|own",
        callback=own_or_folder,
        help="Control group (v2) that is this worker's to divide: each attempt gets one in it. own: where it starts.",
    ),
    click.option("--task-cpus", type=click.FloatRange(min=0.01), help="With --task-cgroup: processors of a task."),
    click.option("--task-processes", type=click.IntRange(min=1), help="With --task-cgroup. [default: 4096]"),
    click.option(
        "--no-pictures",
        is_flag=True,
        help="Do not show the farm, small, what was rendered last (with --sandbox and --task-user it never is).",
    ),
    click.option("--task-cpu-seconds", type=click.IntRange(min=1), help="Processor time of each process of a task."),
)


def worker_options(function: F) -> F:
    for option in reversed(_WORKER_OPTIONS):
        function = option(function)
    return function
