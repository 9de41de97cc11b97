"""What changed since a look before, for pages that stay open."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core import changes, workers
from ..core.access import Scope
from ..core.farm import Farm
from ..edge.http import Reply, Request
from . import translate
from .answering import answer
from .models import Answer, Id, Job, ListedWorker
from .operations import Operation, Parameter

CACHED = {"Cache-Control": "private, max-age=1"}
"""The tabs of one browser ask with the same words while nothing happens: one answer for all of them."""


class Changes(Answer):
    """Jobs and workers as they are now, with the fields of their lists."""

    jobs: list[Job]
    workers: Annotated[list[ListedWorker], Field(description="Without what they hold: that is in `/workers/{id}`.")]
    gone: Annotated[list[Id], Field(description="Jobs and workers that were deleted.")]
    next: Annotated[str, Field(description="The next `since`.")]
    poll_seconds: Annotated[float, Field(description="When to ask again. 0: at once, there is more.")]
    restart: Annotated[
        bool, Field(description="`since` is too old, or from the future: read the lists again, and go on with `next`.")
    ]


def show(farm: Farm, request: Request) -> Reply:
    """What changed since an answer before.

    Without `since`: only where to begin; read the lists after that. Nothing is missed, but things may be told twice.
    A worker's contacts are no change (`last_contact_at` is as old as the last thing that is); that it is lost is one,
    up to a minute late.
    """
    text = request.query.get("since")
    if text is None:
        found = changes.Changes((), (), (), changes.begin(farm), changes.AT_ONCE_SECONDS)
    else:
        found = changes.since(farm, changes.cursor_from(text))
    told = Changes(
        jobs=[translate.listed_job(job) for job in found.jobs],
        workers=[translate.listed_worker(worker, workers.liveness(farm, worker)) for worker in found.workers],
        gone=[str(number) for number in found.gone],
        next=str(found.next),
        poll_seconds=found.poll_seconds,
        restart=found.restart,
    )
    return answer(told, headers=CACHED)


_SINCE = Parameter("since", "`next` of the answer before.", {"type": "string"})

OPERATIONS = (Operation("GET", "/changes", show, Scope.SUBMIT, answer=Changes, parameters=(_SINCE,)),)
