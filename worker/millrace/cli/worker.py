"""`millrace worker`: be one; `millrace worker join`: get its token first; the rest is `worker_service`."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import click
from click.core import ParameterSource

from millrace.cli.options import FarmSubgroup, Invocation, pass_invocation
from millrace.cli.worker_options import OPENJD_TYPE, worker_options
from millrace.cli.worker_service import install, read_environment, uninstall
from millrace.sdk.urls import is_farm_url

MASTER_TOKEN = "MILLRACE_MASTER_TOKEN"


def take_environment(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Before other options are read: some look for programs, and some may stand in a variable."""
    if path is not None and not context.resilient_parsing:
        os.environ.update(read_environment(path))


@click.group("worker", cls=FarmSubgroup, invoke_without_command=True)
@worker_options
@click.option("--upgrade", is_flag=True, help="Become the release that the farm serves, between two tasks.")
@click.option(
    "--environment",
    type=click.Path(path_type=Path),
    hidden=True,
    is_eager=True,
    expose_value=False,
    callback=take_environment,
    help="What `install` kept for the service.",
)
@pass_invocation
@click.pass_context
def worker(
    context: click.Context,
    invocation: Invocation,
    name: str,
    slots: int,
    state: Path | None,
    types: tuple[str, ...],
    runtimes: tuple[str, ...],
    tags: tuple[str, ...],
    join_token: str | None,
    on_ec2: bool,
    listen: tuple[str, int] | None,
    master: str | None,
    storage: Path | None,
    task_user: str | None,
    sandbox: bool,
    task_folders: tuple[Path, ...],
    task_memory_mb: int | None,
    task_cpu_seconds: int | None,
    task_cgroup: Path | str | None,
    task_cpus: float | None,
    task_processes: int | None,
    no_pictures: bool,
    upgrade: bool,
) -> int:
    """Be a worker of the farm, until SIGTERM or Ctrl-C: then it finishes its tasks and signs off."""
    if context.invoked_subcommand is not None:
        refuse_options_before(context, context.invoked_subcommand)
        return 0
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
        join_token=join_token,
        name=name,
        slots=slots,
        state_dir=state,
        task_types=confined_types(types) if task_user is not None or sandbox else types,
        runtimes=runtimes,
        tags=tags,
        on_ec2=on_ec2,
        upgrade=upgrade,
        apart={
            "user": task_user,
            "sandbox": sandbox,
            "memory_mb": task_memory_mb,
            "cpu_seconds": task_cpu_seconds,
            "cgroup": task_cgroup,
            "cpus": task_cpus,
            "processes": task_processes,
            "writable": task_folders,
        },
        pictures=not no_pictures,
    )


def refuse_options_before(context: click.Context, subcommand: str) -> None:
    """They would be read, and forgotten."""
    given = [
        one.opts[0]
        for one in context.command.params
        if one.expose_value and context.get_parameter_source(one.name or "") is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"options of `worker {subcommand}` stand behind {subcommand!r}: {', '.join(given)}")


worker.add_command(install)
worker.add_command(uninstall)


@worker.command("join")
@click.argument("url")
@click.argument("token", envvar="MILLRACE_JOIN_TOKEN")
@click.option("--name", default=socket.gethostname, show_default="this machine's name", help="Unique on this farm.")
@click.option(
    "--state", type=click.Path(file_okay=False, path_type=Path), help="Its folder. [default: by farm and name]"
)
def join(url: str, token: str, name: str, state: Path | None) -> int:
    """Exchange a join token for this worker's own, and keep that in its folder: it then starts without any."""
    if not is_farm_url(url):
        raise click.BadParameter(f"{url!r} is not a farm's URL, such as https://farm.example", param_hint="URL")
    from millrace.agent.run import join_farm

    return join_farm(url, token, name=name, state_dir=state)


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
