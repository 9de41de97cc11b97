"""Registration: who calls from an address becomes, or is again, a worker of the farm.

An address belongs to the first who registered from it; a crash between the worker and its address leaves a worker that
nobody is.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from ...core import workers
from ...core.errors import BadInput
from ...core.farm import Farm
from ...core.lifecycle import WorkerStatus
from ...core.model import Worker
from . import standing
from .fleet import EXEC, OURS, PULLED, SOFTWARE, Member, find, name_of, note, notes
from .translate import JOB_TYPE_NAMES, System, WorkerWord, system_of, system_tag
from .wire import Registration

POSIX_TYPES = ("sleep", "debug")


def register(farm: Farm, address: str, said: Registration) -> Member:
    """The worker of this address, new or known. What it held before it has forgotten.

    It may do so before every poll, so for a known worker that has not changed this is three reads.
    """
    known = _registered_at(farm, address, said)
    if known is None:
        return _new(farm, address, said)
    standing.forgotten(farm, known)
    fresh = {"reachable": True, "info": WorkerWord.ENABLED.value, "idle_task": 0, "said": WorkerWord.ENABLED.value}
    member = note(farm, known, hostname=said.hostname, system=said.system, **fresh)
    described = _description(member)
    worker = member.worker
    if worker.status is WorkerStatus.OFFLINE or _differs(worker, described):
        worker = workers.sign_on(farm, worker, described)
    return replace(member, worker=standing.in_contact(farm, worker, address))


def _registered_at(farm: Farm, address: str, said: Registration) -> Member | None:
    first = _at(farm, _address(address, said.port))
    if first is None or not first.pulls or first.hostname == said.hostname:
        return first
    return _at(farm, _address(address, said.port, said.hostname))


def _new(farm: Farm, address: str, said: Registration) -> Member:
    """Where a worker that pulls has the address already, the name is needed to tell them apart."""
    described = _description_of(said.hostname, said.system, pulls=False)
    try:
        workers.checked_description(described.name, described.task_types, ())
    except BadInput as error:
        raise BadInput(f"hostname: {error.message.removeprefix('name ')}", field="hostname") from None
    worker, _ = workers.register(farm, described, with_secret=False, address=address)
    # It is there, so there is no need to ask: it may turn out to be one that pulls, and has nobody who answers.
    member = Member(worker, address, said.port, said.hostname, said.system, polled_at=farm.clock.now())
    notes(farm).add(name_of(worker.id), _fields(member))
    taken = notes(farm).add(_address(address, said.port), {"worker": worker.id})
    if taken["worker"] != worker.id:
        other = find(farm, taken["worker"])
        if other is None:  # it was removed from the farm
            notes(farm).change(_address(address, said.port), lambda _: {"worker": worker.id})
        elif other.pulls and other.hostname != said.hostname:
            notes(farm).change(_address(address, said.port, said.hostname), lambda _: {"worker": worker.id})
        else:  # the same worker, registering twice at the same moment
            farm.workers.remove(worker.id)
            return other
    return member


def _address(address: str, port: int, hostname: str | None = None) -> str:
    return f"at/{address}/{port}" if hostname is None else f"at/{address}/{port}/{hostname}"


def _at(farm: Farm, name: str) -> Member | None:
    known = notes(farm).get(name)
    return None if known is None else find(farm, known["worker"])


def pulling(farm: Farm, address: str, port: int, hostname: str | None) -> Member | None:
    """Who asks for tasks from this address under this name (older ones tell none)."""
    first = _at(farm, _address(address, port))
    if first is None or hostname in (None, "", first.hostname):
        return first
    return _at(farm, _address(address, port, hostname))


def now_pulls(farm: Farm, member: Member) -> Member:
    """It has asked for a task: from here on nothing is pushed to it, and it may have what only such workers can run."""
    if member.pulls:
        return member
    member = note(farm, member, pulls=True)
    return replace(member, worker=workers.sign_on(farm, member.worker, _description(member)))


def _fields(member: Member) -> dict[str, Any]:
    return {part.name: getattr(member, part.name) for part in fields(member) if part.name != "worker"}


def _description(member: Member) -> workers.Description:
    return _description_of(member.hostname, member.system, pulls=member.pulls)


def _description_of(hostname: str, system: str, *, pulls: bool) -> workers.Description:
    kind = system_of(system)
    types = (EXEC, OURS, *(() if kind is System.WIN else POSIX_TYPES), *((PULLED,) if pulls else ()))
    return workers.Description(
        name=hostname,
        task_types=types,
        tags=(system_tag(kind),),
        platform=JOB_TYPE_NAMES[kind].lower(),
        software=SOFTWARE,
    )


def _differs(worker: Worker, said: workers.Description) -> bool:
    now = (worker.name, worker.task_types, worker.tags, worker.platform)
    return now != (said.name, frozenset(said.task_types), frozenset(said.tags), said.platform)
