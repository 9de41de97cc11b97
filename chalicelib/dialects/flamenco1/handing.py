"""What a worker of this protocol is given: the next task that fits it, as one command line for its system."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core import claiming
from ...core.declining import decline
from ...core.errors import BadInput
from ...core.farm import Farm
from ...core.model import Job, Task
from . import commands, compilers, fleet, submitting
from .fleet import ROOM, Member

MOST_DECLINED = 3
"""Tasks that cannot be run, in one call."""
PATIENCE_MS = 60_000
"""So long a worker is not offered again what it cannot run, even if nobody else can."""
ELSEWHERE = "command"
"""The type of tasks that were submitted elsewhere."""
PARSER = "blender_render"


@dataclass(frozen=True)
class Handed:
    """A task under this worker's lease, in this protocol's shape."""

    task: Task
    number: int
    job_number: int
    kind: str
    parser: str
    settings: Mapping[str, Any]
    argv: list[str]


def next_task(farm: Farm, member: Member, lease_seconds: float | None) -> Handed | None:
    """Claim for this worker. What it turns out to be unable to run goes back, and is kept from it."""
    for _ in range(MOST_DECLINED):
        takes_excluded = farm.clock.now() - member.declined_at > PATIENCE_MS
        claimed = claiming.claim(
            farm, member.worker, secrets.token_hex(16), lease_seconds=lease_seconds, takes_excluded=takes_excluded
        )
        if not claimed.assignments:
            return None
        task = claimed.assignments[0].task
        try:
            return handed(farm, member, task)
        except BadInput as unfit:
            decline(farm, task, unfit.message)
            member = fleet.note(farm, member, declined_at=farm.clock.now())
    return None


def handed(farm: Farm, member: Member, task: Task) -> Handed:
    """Raises BadInput for what this worker cannot run."""
    job = farm.jobs.get(task.job)
    if job is None:
        raise BadInput("its job is gone")
    ours = job.annotations.get(ROOM)
    return _from_here(farm, member, job, task, ours) if ours else _from_elsewhere(member, job, task)


def _from_here(farm: Farm, member: Member, job: Job, task: Task, ours: Mapping[str, Any]) -> Handed:
    argv = compilers.compiled(ours["type"], ours["settings"], submitting.settings_of(farm), member.system_kind)
    submitting.make_known(farm, job)
    numbers = (submitting.number_of(job, task), submitting.job_number(job))
    return Handed(task, *numbers, ours["type"], ours["parser"], ours["settings"], argv)


def _from_elsewhere(member: Member, job: Job, task: Task) -> Handed:
    if task.work.inputs or task.work.outputs:
        raise BadInput("a worker of Flamenco 1 carries no files")
    argv = commands.argv_of(task.work.commands, member.system_kind)
    return Handed(task, task.id, job.id, ELSEWHERE, PARSER, {}, argv)
