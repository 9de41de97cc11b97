"""The workers of this protocol: the farm's workers, with what only this room knows of them in a note.

A worker is who calls from its address: the address of the connection and the port it registered, and for those that
pull (who all say 5000) the host name as well. Reports count only from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.farm import Farm
from ...core.model import Worker, WorkerId
from ...core.records.notes import Fields, Notes
from .translate import System, WorkerWord, system_of

ROOM = "flamenco1"
"""Under this name the room's notes are kept, and what a job's annotations say for it."""
SOFTWARE = "flamenco1"
WORKER = "worker/"
"""How the names of notes on workers begin."""
EXEC = "exec"
"""The task type of whoever runs any program."""
OURS = "flamenco1"
"""Command lines for systems that our own worker may not run on."""
PULLED = "flamenco1-pull"
"""Command lines with placeholders, which only workers that pull fill in."""
SHOWN_CHARACTERS = 1000
"""Of what a worker says of itself, in the list of workers. The log as a whole is kept with its task."""


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
    """It answered when it was last called. One that pulls may have been called before it first asked for a task."""
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
    known = notes(farm).get(name_of(worker.id))
    return None if known is None else Member(worker, **known)


def find(farm: Farm, worker_id: WorkerId) -> Member | None:
    worker = farm.workers.get(worker_id)
    return None if worker is None else member_of(farm, worker)


def everybody(farm: Farm) -> Iterator[Member]:
    """By the room's notes: the farm may have a thousand workers, and none that is pushed to."""
    for name in notes(farm).names(WORKER):
        member = find(farm, int(name.removeprefix(WORKER)))
        if member is not None:
            yield member


def name_of(worker_id: WorkerId) -> str:
    return f"{WORKER}{worker_id}"


def note(farm: Farm, member: Member, **changes: Any) -> Member:
    """Change what the room remembers; nothing is written if that is what it remembers already."""
    changes = {**changes, **_shortened(changes)}
    if all(getattr(member, name) == value for name, value in changes.items()):
        return member

    def change(known: Fields) -> Fields | None:
        return {**known, **changes}

    known = notes(farm).change(name_of(member.id), change)
    return Member(member.worker, **known)


def _shortened(changes: Mapping[str, Any]) -> dict[str, str]:
    """The beginning of the activity, which is JSON, and the end of the log."""
    kept = {"activity": slice(SHOWN_CHARACTERS), "log": slice(-SHOWN_CHARACTERS, None)}
    return {name: changes[name][part] for name, part in kept.items() if isinstance(changes.get(name), str)}
