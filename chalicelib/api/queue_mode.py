"""In which order jobs of equal priority are served."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..core import queue_mode
from ..core.access import Scope
from ..core.farm import Farm
from ..core.queue_mode import QueueMode
from ..edge.http import Reply, Request
from .answering import answer
from .models import Answer
from .operations import Operation
from .reading import read_body
from .wanted import Wanted

Mode = Annotated[
    Literal["first-in", "balanced"],
    Field(
        description="`first-in`: of jobs of equal priority the oldest first; `balanced`: they share the workers evenly."
    ),
]


class QueueWanted(Wanted):
    """The order for steps that begin from now on."""

    mode: Mode


class Queue(Answer):
    """How the farm gives work away."""

    mode: Mode


def show(farm: Farm, request: Request) -> Reply:
    """In which order jobs of equal priority are served."""
    return answer(Queue(mode=queue_mode.read(farm).value))


def replace(farm: Farm, request: Request) -> Reply:
    """Say in which order jobs of equal priority are served.

    It holds for steps that begin from now on; those that are open keep the order they have.
    """
    queue_mode.write(farm, QueueMode(read_body(request, QueueWanted).mode))
    return show(farm, request)


OPERATIONS = (
    Operation("GET", "/queue", show, Scope.SUBMIT, answer=Queue),
    Operation("PUT", "/queue", replace, Scope.ADMIN, answer=Queue, body=QueueWanted),
)
