"""The tasks of a step as a strip: how many are in which status, bucket by bucket, at a flat cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core import jobs, strips
from ..core.access import Scope
from ..core.errors import NotFound
from ..core.farm import Farm
from ..core.ids import PER_SECOND, parse_id
from ..core.lifecycle import TaskStatus
from ..edge.http import Reply, Request
from .answering import answer
from .models import Answer, Id
from .operations import Operation, Parameter
from .reading import number
from .tasks import Place, cursor_of

MOST_STEPS = 9999


class Strip(Answer):
    """Tasks `first` to `count` of one step, in the order of their ids, `size` of them together."""

    step: int
    count: Annotated[int, Field(description="How many tasks the step has; 0 until it is open.")]
    first: Annotated[int, Field(description="Which of them the first bucket begins with, from 0.")]
    first_task: Annotated[Id, Field(description="That one's id. Ids of a step's tasks follow each other.")]
    size: Annotated[int, Field(description="Tasks in a bucket; the last may have fewer.")]
    buckets: Annotated[
        list[dict[TaskStatus, int]], Field(description="How many are in which status; what none is in is left out.")
    ]
    next: Annotated[
        int | None, Field(description="There is more: ask again with this `first` and the same `size`. Else null.")
    ]
    cursor: Annotated[str, Field(description="For `/jobs/{id}/tasks`: the list from `first` on.")]


def show(farm: Farm, request: Request, job_id: str) -> Reply:
    """The tasks of one step at a glance.

    From marks that are kept by the hundred: as exact as a job's counts, and without a read of any task. `size` left out
    gives at most 500 buckets.
    """
    wanted = number(request, "step", 0, 0, MOST_STEPS)
    first, last = number(request, "first", 0, 0, PER_SECOND), number(request, "last", PER_SECOND, 1, PER_SECOND)
    size = number(request, "size", 0, 0, PER_SECOND)
    job = jobs.get(farm, parse_id(job_id, "job"))
    steps = farm.jobs.steps(job.id)
    if wanted >= len(steps):
        raise NotFound(f"job {job.id} has {len(steps)} steps, counted from 0; there is no step {wanted}")
    step = steps[wanted]
    found = strips.strip(farm, job, step, first, last, size or None)
    told = Strip(
        step=wanted,
        count=step.count,
        first=found.first,
        first_task=str(step.base + found.first),
        size=found.size,
        buckets=[{status: count for status, count in bucket.items() if count} for bucket in found.buckets],
        next=found.next,
        cursor=cursor_of(Place(wanted, found.first)) or "",
    )
    return answer(told)


def _index(name: str, about: str, least: int) -> Parameter:
    return Parameter(name, about, {"type": "integer", "minimum": least, "maximum": PER_SECOND})


OPERATIONS = (
    Operation(
        "GET",
        "/jobs/{id}/strip",
        show,
        Scope.SUBMIT,
        answer=Strip,
        parameters=(
            Parameter("step", "Which, from 0.", {"type": "integer", "minimum": 0, "maximum": MOST_STEPS, "default": 0}),
            _index("first", "From this task of the step on, counted from 0.", 0),
            _index("last", "Up to this one, not included.", 1),
            _index("size", "How many tasks together make a bucket; at most 2,000 buckets are answered at once.", 0),
        ),
    ),
)
