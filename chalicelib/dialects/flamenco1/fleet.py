"""The workers of this protocol: the farm's workers, with what only this room knows of them in a note.

A worker is who calls from its address: the address of the connection and the port it registered, and for those that
pull (who all say 5000) the host name as well. An address belongs to the first who registered from it; a crash between
the worker and its address leaves a worker that nobody is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from ...core import leases, workers
from ...core.errors import BadInput
from ...core.farm import Farm
from ...core.leaving import held_tasks
from ...core.lifecycle import Outcome, WorkerStatus
from ...core.model import Task, Worker, WorkerId
from ...core.records.notes import Fields, Notes
from .translate import JOB_TYPE_NAMES, WORKERS, Shown, System, WorkerWord, system_of, system_tag
from .wire import Registration

ROOM = "flamenco1"
"""Under this name the room's notes are kept, and what a job's annotations say for it."""
SOFTWARE = "flamenco1"
EXEC = "exec"
"""The task type of whoever runs any program."""
OURS = "flamenco1"
"""Command lines for systems that our own worker may not run on."""
PULLED = "flamenco1-pull"
"""Command lines with placeholders, which only workers that pull fill in."""
POSIX_TYPES = ("sleep", "debug")
OFFLINE_AFTER_SECONDS = 300


@dataclass(frozen=True)
class Member:
    """What this room knows of a worker, besides the farm's own."""

    worker: Worker
    address: str
    port: int
    hostname: str
    system: str
    pulls: bool = False
    """It has asked for tasks. All others are pushed to."""
    said: str = WorkerWord.ENABLED.value
    activity: str | None = None
    log: str | None = None
    time_cost: int | None = None
    reachable: bool = True
    """It answered when it was last called."""
    polled_at: int = 0
    info: str = WorkerWord.ENABLED.value
    """Whether it was free when last asked: `enabled` or `rendering`."""
    idle_task: int = 0
    """The task over which it was found idle when last asked."""
    declined_at: int = 0
    """When it was last given something that it cannot run."""

    @property
    def id(self) -> WorkerId:
        return self.worker.id

    @property
    def system_kind(self) -> System:
        return system_of(self.system)

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"


def notes(farm: Farm) -> Notes:
    return Notes(farm.table, ROOM)


def member_of(farm: Farm, worker: Worker) -> Member | None:
    """None for a worker of another protocol."""
    if worker.software != SOFTWARE:
        return None
    known = notes(farm).get(_name(worker.id))
    return None if known is None else Member(worker, **known)


def find(farm: Farm, worker_id: WorkerId) -> Member | None:
    worker = farm.workers.get(worker_id)
    return None if worker is None else member_of(farm, worker)


def everybody(farm: Farm) -> Iterator[Member]:
    for worker in farm.workers.all():
        member = member_of(farm, worker)
        if member is not None:
            yield member


def _name(worker_id: WorkerId) -> str:
    return f"worker/{worker_id}"


def note(farm: Farm, member: Member, **changes: Any) -> Member:
    """Change what the room remembers; nothing is written if that is what it remembers already."""
    if all(getattr(member, name) == value for name, value in changes.items()):
        return member

    def change(known: Fields) -> Fields | None:
        return {**known, **changes}

    known = notes(farm).change(_name(member.id), change)
    return Member(member.worker, **known)


# ---- registration --------------------------------------------------------------------------------------------------


def register(farm: Farm, address: str, said: Registration) -> Member:
    """The worker of this address, new or known. What it held before it has forgotten.

    It may do so before every poll, so for a known worker that has not changed this is three reads.
    """
    known = _registered_at(farm, address, said)
    if known is None:
        return _new(farm, address, said)
    forgotten(farm, known)
    fresh = {"reachable": True, "info": WorkerWord.ENABLED.value, "idle_task": 0, "said": WorkerWord.ENABLED.value}
    member = note(farm, known, hostname=said.hostname, system=said.system, **fresh)
    described = _description(member)
    worker = member.worker
    if worker.status is WorkerStatus.OFFLINE or _differs(worker, described):
        worker = workers.sign_on(farm, worker, described)
    return replace(member, worker=_in_contact(farm, worker, address))


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
    member = Member(worker, address, said.port, said.hostname, said.system)
    notes(farm).add(_name(worker.id), _fields(member))
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


# ---- what becomes of them ------------------------------------------------------------------------------------------


def _in_contact(farm: Farm, worker: Worker, address: str | None) -> Worker:
    """It is alive. It cannot be told to sleep or wake: it does so when it is next heard of."""
    worker = workers.contact(farm, worker, wants_work=True, address=address)
    if worker.status_requested in (WorkerStatus.ASLEEP, WorkerStatus.AWAKE):
        return workers.has_become(farm, worker, worker.status_requested.value)
    return worker


def heard_of(farm: Farm, member: Member) -> Member:
    return replace(member, worker=_in_contact(farm, member.worker, None))


def forgotten(farm: Farm, member: Member) -> None:
    """It starts anew, so what it held has no holder. What it never began goes back unharmed."""
    for task in held_tasks(farm, member.worker):
        outcome = Outcome.LOST if task.activity else Outcome.RELEASED
        leases.give_back(farm, task.id, task.generation, outcome, "its worker registered anew, without a report")


def enable(farm: Farm, member: Member, word: WorkerWord) -> Member:
    """What a person, or the worker, wants it to be."""
    disable = word is WorkerWord.DISABLED
    worker = set_asleep(farm, member.worker, asleep=disable)
    said = member.said if disable else word.value
    return replace(note(farm, member, said=said), worker=worker)


def set_asleep(farm: Farm, worker: Worker, *, asleep: bool) -> Worker:
    """Also for workers of other protocols, which then hear of it in their own way."""
    wanted = WorkerStatus.ASLEEP if asleep else WorkerStatus.AWAKE
    if is_disabled(worker) == asleep:
        return worker
    worker = workers.request_status(farm, worker.id, wanted.value, lazy=True)
    if worker.software == SOFTWARE and worker.status_requested is wanted:
        return workers.has_become(farm, worker, wanted.value)
    return worker


def is_disabled(worker: Worker) -> bool:
    if worker.status_requested is not None:
        return worker.status_requested in (WorkerStatus.ASLEEP, WorkerStatus.OFFLINE)
    return WORKERS[worker.status].status is WorkerWord.DISABLED


def shown(farm: Farm, worker: Worker, member: Member | None, held: list[Task]) -> Shown:
    """Its status and whether it is online, as this protocol tells it."""
    status, online = WORKERS[worker.status if member is not None else workers.liveness(farm, worker)]
    if member is not None:
        silent_ms = farm.clock.now() - worker.last_contact_at
        online = online and member.reachable and silent_ms < OFFLINE_AFTER_SECONDS * 1000
    if is_disabled(worker):
        return Shown(WorkerWord.DISABLED, online)
    if status is WorkerWord.ENABLED and held:
        return Shown(WorkerWord.RENDERING, online)
    if status is WorkerWord.ENABLED and member is not None:
        return Shown(WorkerWord(member.said), online)
    return Shown(status, online)
