"""What a worker is kept from: after three failures of one job and task type, or because a person said so."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core import blocklists, workers
from ..core.access import Scope
from ..core.farm import Farm
from ..core.ids import parse_id
from ..edge.clock import time_text
from ..edge.http import Reply, Request
from .answering import answer
from .models import Answer, Id, Time
from .operations import Operation
from .reading import read_body
from .wanted import Name, Wanted

MOST_ENTRIES = 1000


class BlockWanted(Wanted):
    """A job, and the type of its tasks."""

    job: Id
    task_type: Name


class BlocklistWanted(Wanted):
    """All that the worker is to be kept from."""

    entries: Annotated[list[BlockWanted], Field(max_length=MOST_ENTRIES)]


class Block(Answer):
    """The worker gets no task of this type of this job, while anybody else can run it."""

    job: Id
    task_type: str
    created_at: Time


class Blocklist(Answer):
    entries: list[Block]


def show(farm: Farm, request: Request, worker_id: str) -> Reply:
    """What a worker is kept from.

    Entries are made after failures on three tasks of one job and type.
    """
    number = workers.get(farm, parse_id(worker_id, "worker")).id
    found = farm.workers.blocklist(number)
    shown = [Block(job=str(b.job), task_type=b.task_type, created_at=time_text(b.created_at)) for b in found]
    return answer(Blocklist(entries=shown))


def replace(farm: Farm, request: Request, worker_id: str) -> Reply:
    """Replace what a worker is kept from.

    With an entry that goes, the failures that led to it are forgotten.
    """
    number, wanted = parse_id(worker_id, "worker"), read_body(request, BlocklistWanted)
    blocklists.replace(farm, number, {(int(entry.job), entry.task_type) for entry in wanted.entries})
    return show(farm, request, worker_id)


OPERATIONS = (
    Operation("GET", "/workers/{id}/blocklist", show, Scope.SUBMIT, answer=Blocklist),
    Operation("PUT", "/workers/{id}/blocklist", replace, Scope.OPERATE, answer=Blocklist, body=BlocklistWanted),
)
