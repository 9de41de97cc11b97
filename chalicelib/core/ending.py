"""The end of a job: its last status, its outputs, its counts."""

from __future__ import annotations

from collections.abc import Sequence

from .counting import count_tasks
from .farm import Farm
from .lifecycle import ENDED_JOBS
from .model import Job, Step
from .outputs import first_outputs
from .ports import Change, Remove, Set
from .records.fields import outputs_json


def end(farm: Farm, job: Job, steps: Sequence[Step]) -> Job | None:
    """Every step is done or skipped: write what became of the job, once. The job as it is then; None if somebody else
    was faster."""
    now = farm.clock.now()
    changes: list[Change] = [
        Set("counts", count_tasks(farm, job, steps)),
        Set("outputs", outputs_json(first_outputs(farm, job, steps))),
        Remove("unsettled_pk"),
        Remove("unsettled_sk"),
    ]
    if job.started_at is None and any(step.completed + step.failed for step in steps):
        changes.append(Set("started_at", now))
    if job.status in ENDED_JOBS:
        ended = farm.jobs.change(job, *changes)
    else:
        unfit = _what_failed(steps)
        changes += [Set("finished_at", now)] + ([Set("error", unfit)] if unfit else [])
        ended = farm.jobs.transition(job, _event(steps), *changes)
    farm.bell.ring(f"job/{job.id}", times=None)
    return ended


def _event(steps: Sequence[Step]) -> str:
    """Some protocols cancel a task, not its job: then nothing has failed."""
    if any(step.failed for step in steps):
        return "fail"
    return "cancel" if any(step.canceled for step in steps) else "complete"


def _what_failed(steps: Sequence[Step]) -> str | None:
    failed = [f"{step.failed} of {step.count} tasks of step {step.name!r} failed" for step in steps if step.failed]
    canceled = [f"{step.canceled} of step {step.name!r} were canceled" for step in steps if step.canceled]
    return "; ".join(failed + canceled) or None
