"""What the farm knows of its fleet: how much waits for it, and what each of its machines does.

A worker of the fleet is called like its machine. Reads of the table: the lanes and the heads of those that the fleet
could serve, and the gates of jobs there that have one; with machines there also all workers and, for each of the
fleet's, what it holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from . import gates
from .farm import Farm
from .fleet import Seen, State
from .lifecycle import WorkerStatus
from .model import FUNCTION_TYPE, JobId, Requirement, Worker
from .workers import request_status

MOST_ENTRIES = 1000
"""Of one lane; a page of the index."""


@dataclass(frozen=True)
class Abilities:
    """What the fleet's workers say of themselves, also while there are none."""

    task_types: frozenset[str]
    runtimes: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def fit(self, requirement: Requirement) -> bool:
        kinds = self.task_types | {FUNCTION_TYPE + runtime for runtime in self.runtimes}
        return (
            requirement.task_type in kinds
            and requirement.require <= self.tags
            and not requirement.forbid & self.tags
            and requirement.worker is None
        )


def queued(farm: Farm, abilities: Abilities, enough: int) -> int:
    """Tasks that wait and that such a worker could take now; counting stops above `enough`. Of a job that may run only
    so many at once those that it may begin now."""
    registry = farm.registry.refresh()
    limited = registry.gated - registry.unlimited
    room: dict[JobId, int] = {}
    count = 0
    for lane in registry.lanes:
        if count >= enough or not abilities.fit(lane.requirement):
            continue
        # The entries of a full job may be many, and count for nothing: those behind them are looked at too.
        entries = farm.tasks.head(lane.requirement, MOST_ENTRIES if limited else min(enough - count, MOST_ENTRIES))
        waiting = [entry for entry in entries if entry["job"] not in registry.halted]
        count += farm.tasks.weigh([entry for entry in waiting if entry["job"] not in limited])
        for job in {entry["job"] for entry in waiting} & limited:
            free = room[job] if job in room else gates.room(farm, job)
            begun = min(free, farm.tasks.weigh([entry for entry in waiting if entry["job"] == job])) if free else 0
            room[job], count = free - begun, count + begun
    return count


def seen(
    farm: Farm,
    *,
    waiting: int,
    desired: int,
    machines: Mapping[str, bool],
    first_seen: Mapping[str, int],
    silent_ms: int,
) -> tuple[Seen, Mapping[str, Worker]]:
    """`machines`: of the group, and whether it is ending them. Also gives the workers of those that have one."""
    now = farm.clock.now()
    members = _members(farm, machines) if machines else {}
    held = {name: len(farm.tasks.held_by(worker.id)) for name, worker in members.items()}

    def state(name: str, is_ending: bool) -> State:
        if is_ending:
            return State.ENDING
        worker = members.get(name)
        called_at = first_seen.get(name, now) if worker is None else worker.last_contact_at
        if worker is not None and worker.status is WorkerStatus.OFFLINE:
            return State.GONE
        if now - called_at > silent_ms:
            return State.SILENT
        if worker is None:
            return State.STARTING
        return _of_worker(worker, held[name])

    states = {name: state(name, is_ending) for name, is_ending in machines.items()}
    # What those do that go is nothing that others would have to do; what silent ones hold will be.
    running = sum(held.get(name, 0) for name, its in states.items() if its not in (State.GOING, State.ENDING))
    return Seen(now, waiting, running, desired, states), members


def _of_worker(worker: Worker, held: int) -> State:
    if worker.status_requested is WorkerStatus.OFFLINE:
        return State.GOING
    if held:
        return State.BUSY
    return State.GONE if worker.status is WorkerStatus.ERROR else State.IDLE


def _members(farm: Farm, machines: Collection[str]) -> dict[str, Worker]:
    """The newest worker of each machine: one that lost its state folder has registered again."""
    mine = (worker for worker in farm.workers.all() if worker.name in machines)
    return {worker.name: worker for worker in sorted(mine, key=lambda worker: worker.id)}


def ask_to_go(farm: Farm, worker: Worker) -> None:
    """It gets no task from now on, ends what it has, and signs off."""
    request_status(farm, worker.id, WorkerStatus.OFFLINE.value, lazy=True)
