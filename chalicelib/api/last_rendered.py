"""The picture that was rendered last: of a job, and of the farm."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core import jobs, last_rendered
from ..core.access import Scope
from ..core.errors import NotFound
from ..core.farm import Farm
from ..core.ids import parse_id
from ..edge.clock import time_text
from ..edge.http import Reply, Request
from ..edge.refusals import API
from .answering import UNSNIFFED, answer
from .models import Answer, Id, Time
from .operations import Operation, Parameter
from .reading import LARGEST_NUMBER, number

JPEG = "image/jpeg"
USUAL_WIDTH = 600


class PictureSize(Answer):
    """A JPEG."""

    width: int
    height: int
    url: Annotated[str, Field(description="On this farm; another picture has another one.")]


class LastRendered(Answer):
    """What a task rendered last, small."""

    job: Id
    task: Id
    task_name: str
    worker: Id
    name: Annotated[str, Field(description="Of the file that it shows.")]
    at: Time
    sizes: Annotated[list[PictureSize], Field(description="The smallest first.")]


def of_job(farm: Farm, request: Request, job_id: str) -> Reply:
    """What a job rendered last.

    404 until one of its tasks has given a picture or a video that a worker could show.
    """
    return answer(_shown(_of_job(farm, job_id)))


def of_farm(farm: Farm, request: Request) -> Reply:
    """What was rendered last on the farm. 404 while there is nothing."""
    picture = last_rendered.of_farm(farm)
    if picture is None:
        raise NotFound("no such picture: nothing was rendered yet, or the job that it was of is gone")
    return answer(_shown(picture))


def image(farm: Farm, request: Request, job_id: str) -> Reply:
    """The picture as a JPEG: the smallest that is at least so wide, else the largest there is."""
    width = number(request, "width", USUAL_WIDTH, 1, last_rendered.LARGEST_SIDE)
    number(request, "at", 0, 0)
    data = last_rendered.image(farm, _of_job(farm, job_id), width)
    return Reply(200, data, JPEG, {"Cache-Control": "private, max-age=60", **UNSNIFFED})


def _of_job(farm: Farm, job_id: str) -> last_rendered.Picture:
    job = jobs.get(farm, parse_id(job_id, "job"))
    picture = last_rendered.of_job(farm, job.id)
    if picture is None:
        raise NotFound(f"no such picture: job {job.id} has rendered nothing that could be shown yet")
    return picture


def _shown(picture: last_rendered.Picture) -> LastRendered:
    path = f"{API}/jobs/{picture.job}/last-rendered/image"
    return LastRendered(
        job=str(picture.job),
        task=str(picture.task),
        task_name=picture.task_name,
        worker=str(picture.worker),
        name=picture.name,
        at=time_text(picture.at),
        sizes=[
            PictureSize(width=size.width, height=size.height, url=f"{path}?width={size.width}&at={picture.at}")
            for size in picture.sizes
        ],
    )


_WIDTH = Parameter(
    "width",
    "In pixels.",
    {"type": "integer", "minimum": 1, "maximum": last_rendered.LARGEST_SIDE, "default": USUAL_WIDTH},
)
_AT = Parameter(
    "at",
    "Ignored: gives each picture an address of its own.",
    {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER},
)

OPERATIONS = (
    Operation("GET", "/last-rendered", of_farm, Scope.SUBMIT, answer=LastRendered, problems=(404,)),
    Operation("GET", "/jobs/{id}/last-rendered", of_job, Scope.SUBMIT, answer=LastRendered),
    Operation("GET", "/jobs/{id}/last-rendered/image", image, Scope.SUBMIT, media=JPEG, parameters=(_WIDTH, _AT)),
)
