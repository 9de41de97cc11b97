"""How long ended jobs and content are kept, and what would go."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from pydantic import Field

from ..core import retention
from ..core.access import Scope
from ..core.errors import BadInput
from ..core.farm import Farm
from ..core.retention import LONGEST_DAYS
from ..edge.http import Reply, Request
from . import models, translate
from .answering import answer
from .models import Answer
from .operations import Operation, Parameter
from .reading import number, read_body
from .wanted import LEFT_OUT, Wanted

MOST_SHOWN, MOST_COUNTED = 20, 1000

Days = Annotated[
    Annotated[int, Field(ge=1, le=LONGEST_DAYS)] | None,
    Field(description="How long a job is kept after it has ended; null: for ever."),
]


ContentDays = Annotated[
    Annotated[int, Field(ge=1, le=LONGEST_DAYS)] | None,
    Field(
        description="How long content is kept that nothing needs, since it was stored or last relied on; the farm "
        "looks for it once a day. null: until somebody calls `/prune`."
    ),
]


class RetentionWanted(Wanted):
    """What is kept, and how long; what is left out stays as it is."""

    ended_jobs_days: Annotated[Days, LEFT_OUT] = None
    content_days: Annotated[ContentDays, LEFT_OUT] = None


class Retention(Answer):
    """Logs go with their job. Files stay until it is found that no job needs them: by `/prune`, or each day."""

    ended_jobs_days: Days
    content_days: ContentDays


class RetentionPreview(Answer):
    """What would be deleted by now."""

    count: Annotated[int, Field(description="Jobs; counted up to 1,000, which stands for that many or more.")]
    jobs: Annotated[list[models.Job], Field(description="Twenty of them at most.")]


def show(farm: Farm, request: Request) -> Reply:
    """How long ended jobs are kept, and content that nothing needs."""
    return answer(Retention(**retention.read(farm)._asdict()))


def replace(farm: Farm, request: Request) -> Reply:
    """Say how long ended jobs are kept, content that nothing needs, or both.

    The periodic pass deletes what is older, with its tasks and their logs, a part at a time. See the preview first:
    there is no undo.
    """
    wanted = read_body(request, RetentionWanted)
    if not wanted.model_fields_set:
        raise BadInput("say ended_jobs_days, content_days, or both", field="ended_jobs_days")
    retention.write(farm, **wanted.model_dump(exclude_unset=True))
    return show(farm, request)


def preview(farm: Farm, request: Request) -> Reply:
    """Which jobs would be deleted, if they were kept for so many days. Nothing is."""
    days = number(request, "ended_jobs_days", DEFAULT_DAYS, 1, LONGEST_DAYS)
    found = list(islice(retention.aged(farm, days), MOST_COUNTED))
    shown = [translate.listed_job(job) for job in found[:MOST_SHOWN]]
    return answer(RetentionPreview(count=len(found), jobs=shown))


DEFAULT_DAYS = 30
_DAYS = Parameter(
    "ended_jobs_days",
    "How long they would be kept.",
    {"type": "integer", "minimum": 1, "maximum": LONGEST_DAYS, "default": DEFAULT_DAYS},
)

OPERATIONS = (
    Operation("GET", "/retention", show, Scope.SUBMIT, answer=Retention),
    Operation("PUT", "/retention", replace, Scope.ADMIN, answer=Retention, body=RetentionWanted),
    Operation("GET", "/retention/preview", preview, Scope.SUBMIT, answer=RetentionPreview, parameters=(_DAYS,)),
)
