"""What jobs made, page by page: any number of files, also while the job runs."""

from __future__ import annotations

from ..core import jobs
from ..core.access import Scope
from ..core.farm import Farm
from ..core.ids import parse_id
from ..core.model import Output, Step, Task
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
    steps = publishing_steps(farm, job, farm.jobs.steps(job.id))
    found, following = _page(farm, steps, wanted.limit, place)
    items = [translate.job_output(task, output) for task, output in found]
    return answer(models.JobOutputPage(items=items, next=cursor_of(following)))


def _page(farm: Farm, steps: list[Step], limit: int, place: Place) -> tuple[list[tuple[Task, Output]], Place | None]:
    found: list[tuple[Task, Output]] = []
    for read, (step, first, last) in enumerate(chunks_from(steps, place)):
        if read == MOST_CHUNKS:
            return found, Place(step.number, first)
        for task in farm.tasks.range(step.base + first, step.base + last):
            if task.outputs and len(found) >= limit:
                return found, Place(step.number, task.index)
            found += [(task, output) for output in task.outputs]
    return found, None


OPERATIONS = (
    Operation(
        "GET", "/jobs/{id}/outputs", listing, Scope.SUBMIT, answer=models.JobOutputPage, parameters=(LIMIT, CURSOR)
    ),
)
