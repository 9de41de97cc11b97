"""More frames for a job that lives: `add_frames`.

One transaction writes the job's longer settings, the steps that its plan has more than before, and what earlier steps
now come after: all of it or nothing, and as fast for a million frames as for one, since a step's tasks are given away
by cursors. Each part is conditional on what was read, so the job cannot end in between, nor a step that is to wait for
the new frames begin; `settle` opens the new steps as it does any. Frames that are there already are not added: the same
request twice adds once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import compiling, expanding
from .errors import BadInput, Conflict, NotFound
from .farm import Farm
from .lifecycle import ENDED_JOBS, JobStatus, StepStatus
from .model import Job, JobId, Json, Step
from .plans import Framed
from .settle import settle

TRIES = 5


@dataclass(frozen=True)
class Added:
    job: Job
    added: str | None
    """The frames that it did not have; None: it had them all."""
    present: str | None
    """Of those wanted, the ones that it had."""


def add_frames(farm: Farm, job_id: JobId, frames: str) -> Added:
    """Raises BadInput for frames that the job cannot take, Conflict for a job that has ended, or one of whose steps is
    already at work on what the frames before made."""
    for _ in range(TRIES):
        job = farm.jobs.get(job_id)
        if job is not None and job.status is JobStatus.COMPILING:
            job = settle(farm, job_id)
        if job is None:
            raise NotFound(f"no such job: {job_id}")
        kind = compiling.job_type(farm.job_types, job.type)
        if not isinstance(kind, Framed):
            raise BadInput(f"a job of type {job.type} has no frames to add to", field="frames")
        addition = kind.add_frames(farm.plans.settings(job), frames)
        if job.status in ENDED_JOBS:
            said = frames if len(frames) <= 200 else "..."
            raise Conflict(
                f"the job is {job.status.value}, and frames are added to jobs that live: "
                f"make a new one of it with `millrace rerun {job_id} --frames {said}`"
            )
        if addition.added is None:
            return Added(job, None, addition.present)
        if _extend(farm, job, addition.settings):
            return Added(settle(farm, job_id) or job, addition.added, addition.present)
    raise Conflict("the job keeps changing; try again")


def _extend(farm: Farm, job: Job, settings: Mapping[str, Json]) -> bool:
    """False when the job, or a step that is to wait, has moved on."""
    _, plans = compiling.checked(compiling.job_type(farm.job_types, job.type), settings)
    steps = farm.jobs.steps(job.id)
    planned = expanding.plan_steps(job, plans)
    assert [step.name for step in planned[: len(steps)]] == [step.name for step in steps]
    later = [(now, then) for now, then in zip(steps, planned, strict=False) if now.parents != then.parents]
    for step, _ in later:
        if step.status not in (StepStatus.WAITING, StepStatus.SKIPPED):
            raise Conflict(
                f"step {step.name!r} is at work on the frames before, or done with them; "
                f"when the job has ended, make a new one of it with `millrace rerun {job.id} --frames ...`"
            )
    kept = _kept(farm, job, settings)
    if farm.jobs.extend(job, kept, planned[len(steps) :], [(now, then.parents) for now, then in later]):
        return True
    if "settings_key" in kept:
        farm.objects.delete(kept["settings_key"])
    return False


def _kept(farm: Farm, job: Job, settings: Mapping[str, Json]) -> Mapping[str, Any]:
    """Where the longer settings are: in the item, or as an object of their own, since somebody may still be reading
    those before."""
    text = compiling.settings_text(settings)
    if len(text) <= farm.limits.inline_bytes:
        return {"settings": settings}
    key = compiling.settings_key(job.id, f"{job.revision + 1}-{farm.random.getrandbits(64):016x}")
    farm.objects.put(key, text)
    return {"settings_key": key}


def steps_of_frames(farm: Farm, job: Job, steps: Sequence[Step], frames: str) -> Mapping[int, Sequence[range]]:
    """Step number -> the indices of the tasks that these frames belong to. Raises BadInput."""
    kind = compiling.job_type(farm.job_types, job.type)
    if not isinstance(kind, Framed):
        raise BadInput(f"a job of type {job.type} has no frames", field="frames")
    numbers = {step.name: step.number for step in steps}
    found = kind.tasks_of_frames(farm.plans.settings(job), frames)
    return {numbers[name]: indices for name, indices in found.items() if name in numbers}
