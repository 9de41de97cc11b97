"""Tasks: those of a job, page by page; one; and what its attempts wrote."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..core import jobs, log_search, logs, retrying, tasks
from ..core.access import Scope
from ..core.farm import Farm
from ..core.ids import parse_id
from ..core.lifecycle import TaskStatus
from ..core.model import Job, Step, Task
from ..edge.http import Reply, Request
from . import models, translate
from .answering import UNSNIFFED, answer
from .operations import CURSOR, LIMIT, TEXT, Operation, Parameter, status_parameter
from .reading import LARGEST_NUMBER, bad_cursor, number, page_wanted, read_body, status_wanted
from .wanted import Nothing

MOST_CHUNKS = 50
"""A hundred tasks each, read for one page: a filter that nothing passes ends in time; the cursor goes on from there."""
_CURSOR = re.compile(r"([0-9]{1,4})\.([0-9]{1,9})")


class Place(NamedTuple):
    """Where a list goes on: step and index, in the order of the job."""

    step: int
    slot: int
    """The index within the step."""


def listing(farm: Farm, request: Request, job_id: str) -> Reply:
    """Tasks of a job, in the order of its steps.

    A step that is not open yet has none. With `status` a page may hold fewer than there are, and even none, before the
    last: follow `next`.
    """
    wanted, status = page_wanted(request), status_wanted(request, TaskStatus)
    place = place_of(wanted.cursor)
    job = jobs.get(farm, parse_id(job_id, "job"))
    found, following = _page(farm, job, status, wanted.limit, place)
    return answer(models.TaskPage(items=[translate.task(task) for task in found], next=cursor_of(following)))


def cursor_of(place: Place | None) -> str | None:
    return None if place is None else f"{place.step}.{place.slot}"


def place_of(cursor: str | None) -> Place:
    if cursor is None:
        return Place(0, 0)
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise bad_cursor()
    return Place(int(match[1]), int(match[2]))


def _page(farm: Farm, job: Job, status: TaskStatus | None, limit: int, place: Place) -> tuple[list[Task], Place | None]:
    found: list[Task] = []
    for read, (step, indices) in enumerate(chunks_from(farm, job, farm.jobs.steps(job.id), status, place)):
        if read == MOST_CHUNKS:
            return found, Place(step.number, indices.start)
        for task in tasks.of_step(farm, job, step, indices):
            if status in (None, task.status):
                if len(found) == limit:
                    return found, Place(step.number, task.index)
                found.append(task)
    return found, None


def chunks_from(
    farm: Farm, job: Job, steps: Iterable[Step], status: TaskStatus | None, place: Place
) -> Iterator[tuple[Step, range]]:
    """Where tasks of this status may be, from the place on: ranges of indices."""
    for step in steps:
        if step.number >= place.step and step.count:
            first = place.slot if step.number == place.step else 0
            yield from ((step, indices) for indices in tasks.may_be(farm, job, step, status, first))


def show(farm: Farm, request: Request, task_id: str) -> Reply:
    """One task, with its attempts and what it does."""
    return answer(translate.task_details(tasks.get(farm, parse_id(task_id, "task"))))


def retry(farm: Farm, request: Request, task_id: str) -> Reply:
    """Run one task again, within its job.

    Whatever became of it: what failed, was canceled or completed. What was canceled because of it runs again too, and
    steps that followed on it start over. A job that has ended lives again. A task that has not ended is refused (409).
    """
    number = parse_id(task_id, "task")
    read_body(request, Nothing, may_be_empty=True)
    return answer(translate.task(retrying.retry_task(farm, number)))


def log(farm: Farm, request: Request, task_id: str) -> Reply:
    """What an attempt wrote.

    Up to a megabyte from `offset` (bytes) on; empty when there is nothing more, or nothing yet.
    """
    offset = number(request, "offset", 0, 0)
    attempt = number(request, "attempt", 0, 1) or None
    task = tasks.get(farm, parse_id(task_id, "task"))
    part = logs.read(farm, task, attempt, offset)
    data = _whole_characters(part.data)
    following = part.next_offset - (len(part.data) - len(data))
    return Reply(200, data, TEXT, {"X-Next-Offset": str(following), **UNSNIFFED})


def error(farm: Farm, request: Request, task_id: str) -> Reply:
    """The line of a log that likely says why the task failed.

    By what lines say: the end of a traceback, what is fatal, errors, what could not be done. The last such line counts.
    """
    attempt = number(request, "attempt", 0, 1) or None
    searched = log_search.search(farm, tasks.get(farm, parse_id(task_id, "task")), attempt)
    found = searched.found
    line = None
    if found is not None:
        line = models.ErrorLine(
            text=found.text, number=found.number, offset=found.offset, before=[*found.before], after=[*found.after]
        )
    return answer(
        models.ErrorFound(attempt=searched.attempt, line=line, searched_bytes=searched.size, complete=searched.complete)
    )


def _whole_characters(data: bytes) -> bytes:
    """Without the beginning of a character at the end, whose rest comes with the next part."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    begun, _ = decoder.getstate()
    return data[: len(data) - len(begun)] if len(begun) < len(data) else data


_ATTEMPT = Parameter(
    "attempt",
    "Its number; the newest if left out.",
    {"type": "integer", "minimum": 1, "maximum": LARGEST_NUMBER},
)

OPERATIONS = (
    Operation("GET", "/tasks/{id}/error", error, Scope.SUBMIT, answer=models.ErrorFound, parameters=(_ATTEMPT,)),
    Operation(
        "GET",
        "/jobs/{id}/tasks",
        listing,
        Scope.SUBMIT,
        answer=models.TaskPage,
        parameters=(status_parameter(TaskStatus), LIMIT, CURSOR),
    ),
    Operation("GET", "/tasks/{id}", show, Scope.SUBMIT, answer=models.TaskDetails),
    Operation("POST", "/tasks/{id}/retry", retry, Scope.OPERATE, answer=models.Task, body=Nothing, problems=(409,)),
    Operation(
        "GET",
        "/tasks/{id}/log",
        log,
        Scope.SUBMIT,
        media=TEXT,
        parameters=(
            _ATTEMPT,
            Parameter(
                "offset",
                "In bytes.",
                {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER, "default": 0},
            ),
        ),
        headers={"X-Next-Offset": "Where the next part begins, in bytes."},
    ),
)
