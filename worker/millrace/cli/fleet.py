"""`millrace workers`: those that the farm knows, and what they are asked to become."""

from __future__ import annotations

from collections.abc import Sequence

import click

from millrace.cli.options import FarmSubgroup, Invocation, json_text, pass_invocation
from millrace.cli.plain_text import plain
from millrace.farm import Farm
from millrace.sdk.values import WorkerInfo


@click.group("workers", cls=FarmSubgroup, invoke_without_command=True)
@click.pass_context
@pass_invocation
def workers(invocation: Invocation, /, context: click.Context) -> None:
    """List the workers that the farm knows; or have some sleep, wake or end, or forget them.

    WORKER is an id or a name.
    """
    if context.invoked_subcommand is not None:
        return
    from millrace.cli.rendering import table, when

    found = list(invocation.farm().workers())
    if invocation.as_json:
        return invocation.answer_list(found)
    rows = [
        [
            one.id,
            one.name,
            _status(one),
            f"{len(one.tasks)}/{one.slots}",
            one.software,
            one.platform,
            ",".join(_highest(one.tags)),
            ",".join(one.task_types),
            when(one.last_contact_at),
        ]
        for one in found
    ]
    table(["ID", "NAME", "STATUS", "BUSY", "RUNS", "PLATFORM", "TAGS", "TASK TYPES", "LAST CONTACT"], rows)


def _highest(tags: Sequence[str]) -> list[str]:
    """Without the rungs of an amount below the highest: `memory>=16384` says that of `memory>=8192`."""
    amounts = {tag: (name, int(most)) for tag in tags for name, _, most in [tag.partition(">=")] if most.isdecimal()}
    highest: dict[str, int] = {}
    for name, most in amounts.values():
        highest[name] = max(most, highest.get(name, 0))
    return [tag for tag in tags if tag not in amounts or amounts[tag] in highest.items()]


workers_argument = click.argument("names", nargs=-1, required=True, metavar="WORKER...")
now_option = click.option("--now", is_flag=True, help="Do not let its tasks end: they go back to the queue.")


@workers.command("sleep")
@workers_argument
@now_option
@pass_invocation
def sleep(invocation: Invocation, names: tuple[str, ...], now: bool) -> None:
    """Have workers take no more tasks, until they are woken; what they run ends first."""
    _ask(invocation, names, "asleep", lazy=not now)


@workers.command("wake")
@workers_argument
@pass_invocation
def wake(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Have workers take tasks again."""
    _ask(invocation, names, "awake", lazy=False)


@workers.command("drain")
@workers_argument
@now_option
@pass_invocation
def drain(invocation: Invocation, names: tuple[str, ...], now: bool) -> None:
    """Have workers end what they run, sign off and exit. Only their machine can start them again."""
    _ask(invocation, names, "offline", lazy=not now)


@workers.command("forget")
@workers_argument
@pass_invocation
def forget(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Take workers off the list that are offline or lost. `millrace revoke` ends the tokens of their machines."""
    farm = invocation.farm()
    for worker in [_worker_of(farm, name) for name in names]:
        farm.forget_worker(worker)
        gone = {"id": worker.id, "forgotten": True}
        click.echo(json_text(gone) if invocation.as_json else f"{worker.id} {plain(worker.name)}: forgotten")


def _ask(invocation: Invocation, names: tuple[str, ...], status: str, *, lazy: bool) -> None:
    farm = invocation.farm()
    for worker in [_worker_of(farm, name) for name in names]:
        asked = farm.set_worker_status(worker, status, lazy=lazy)
        invocation.answer(asked, f"{asked.id} {plain(asked.name)}: {_status(asked)}")


def _worker_of(farm: Farm, name: str) -> WorkerInfo:
    """By id, else by name. All are looked up before any is asked."""
    known = list(farm.workers())
    found = [one for one in known if one.id == name] or [one for one in known if one.name == name]
    if not found:
        there = ", ".join(sorted({one.name for one in known})[:10]) or "none"
        raise click.BadParameter(f"there is no worker {name!r}; there are {there}", param_hint="WORKER")
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise click.BadParameter(f"several workers are named {name!r}; say which by its id: {ids}", param_hint="WORKER")
    return found[0]


def _status(worker: WorkerInfo) -> str:
    asked = worker.status_requested
    return f"{worker.status}, asked to be {asked}" if asked and asked != worker.status else worker.status
