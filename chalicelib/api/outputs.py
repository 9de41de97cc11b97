"""What jobs made, page by page: any number of files, also while the job runs."""

from __future__ import annotations

from ..core import jobs, tasks
from ..core.access import Scope
from ..core.farm import Farm
from ..core.ids import parse_id
from ..core.lifecycle import TaskStatus
from ..core.model import Job, Output, Task
from ..core.outputs import publishing_steps
from ..edge.http import Reply, Request
from . import models, translate
from .answering import answer
from .operations import CURSOR, LIMIT, Operation
from .reading import page_wanted
from .tasks import MOST_CHUNKS, Place, chunks_from, cursor_of, place_of


def listing(farm: Farm, request: Request, job_id: str) -> Reply:
    """The files that a job made, so far.

    In the order of its tasks. All files of a task come in one page, which may so be longer than `limit`; a page may
    be empty before the last: follow `next`.
    """
    wanted = page_wanted(request)
    place = place_of(wanted.cursor)
    job = jobs.get(farm, parse_id(job_id, "job"))
    found, following = _page(farm, job, wanted.limit, place)
    items = [translate.job_output(task, output) for task, output in found]
    return answer(models.JobOutputPage(items=items, next=cursor_of(following)))


def _page(farm: Farm, job: Job, limit: int, place: Place) -> tuple[list[tuple[Task, Output]], Place | None]:
    found: list[tuple[Task, Output]] = []
    steps = publishing_steps(farm, job, farm.jobs.steps(job.id))
    for read, (step, indices) in enumerate(chunks_from(farm, job, steps, TaskStatus.COMPLETED, place)):
        if read == MOST_CHUNKS:
            return found, Place(step.number, indices.start)
        for task in tasks.of_step(farm, job, step, indices):
            if task.outputs and len(found) >= limit:
                return found, Place(step.number, task.index)
            found += [(task, output) for output in task.outputs]
    return found, None


OPERATIONS = (
    Operation(
        "GET", "/jobs/{id}/outputs", listing, Scope.SUBMIT, answer=models.JobOutputPage, parameters=(LIMIT, CURSOR)
    ),
)
