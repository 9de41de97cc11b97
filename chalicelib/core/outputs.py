"""What jobs made: the outputs of the tasks of their publishing steps. The tasks hold them, a job only the first few."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from .errors import Refusal
from .farm import Farm
from .model import Job, Output, Step
from .results import tasks_of

KEPT = 100
"""Outputs in the job's own item, which ends at 400 KB; the rest is asked of the tasks."""
LOOKED_INTO = 1_000
"""Tasks; a million may have none."""


def publishing_steps(farm: Farm, job: Job, steps: Sequence[Step]) -> list[Step]:
    """Those whose tasks' outputs are the job's; none of a job whose settings this version no longer accepts. Raises
    Unavailable while they cannot be read."""
    try:
        plans = farm.plans.of(job) if steps else ()
    except Refusal:
        return []
    # A job that got longer since it was read has steps that its plan of then has not.
    return [step for step in steps if step.number < len(plans) and plans[step.number].publishes]


def first_outputs(farm: Farm, job: Job, steps: Sequence[Step]) -> tuple[Output, ...]:
    publishing = publishing_steps(farm, job, steps)
    tasks = islice((task for step in publishing for task in tasks_of(farm, step)), LOOKED_INTO)
    return tuple(islice((output for task in tasks for output in task.outputs), KEPT))
