"""The farm as a whole: what it is, and its periodic pass on request."""

from __future__ import annotations

from itertools import islice

from ..config import VERSION
from ..core import collecting, pruning, sweeping, workers
from ..core.access import Scope
from ..core.errors import Conflict, Forbidden
from ..core.farm import Farm
from ..core.lifecycle import WorkerStatus
from ..edge import auth, current
from ..edge.http import Reply, Request
from . import models
from .answering import answer
from .operations import Operation
from .reading import read_body
from .wanted import PruneWanted, SweepWanted

MOST_COUNTED = 1000
"""Whoever asks whether the farm is ready must not make it read everything."""


def show(farm: Farm, request: Request) -> Reply:
    """What runs here; 200 as soon as the farm is ready for work."""
    counts: models.FarmCounts | dict[str, int] = _counts(farm) if _may_see(farm, request) else {}
    return answer(models.Farm(name="Millrace", version=VERSION, auth=current.settings().auth, counts=counts))


def _may_see(farm: Farm, request: Request) -> bool:
    try:
        auth.require(farm, request, Scope.SUBMIT)
    except Forbidden:
        return False
    return True


def _counts(farm: Farm) -> models.FarmCounts:
    found, _ = farm.workers.page(MOST_COUNTED, None)
    seen = [workers.liveness(farm, worker) for worker in found]
    away = (WorkerStatus.OFFLINE, WorkerStatus.LOST)
    return models.FarmCounts(
        open_jobs=sum(1 for _ in islice(farm.jobs.unsettled(), MOST_COUNTED)),
        workers=len(seen),
        live_workers=sum(status not in away for status in seen),
    )


def sweep(farm: Farm, request: Request) -> Reply:
    """Do the periodic pass now.

    For a farm without a schedule (`chalice local`): ends leases that ran out, and settles what was left half done.
    """
    wanted = read_body(request, SweepWanted, may_be_empty=True)
    done = sweeping.sweep(farm, thorough=wanted.thorough)
    return answer(models.Swept(expired=done.expired, settled=done.settled, failed=done.failed))


def prune(farm: Farm, request: Request) -> Reply:
    """Remove old content that nothing needs.

    Needed is what a job that was not deleted, a task of it, or a function names, with all files of its manifests. On
    AWS it goes on by itself when the call is over: call again to see how far it is.
    """
    wanted = read_body(request, PruneWanted, may_be_empty=True)
    if farm.errands is not None:
        return answer(models.Pruned(**_collected(farm, wanted)._asdict()))
    done = pruning.prune(farm, older_than_days=wanted.older_than_days, dry_run=wanted.dry_run)
    return answer(models.Pruned(**done._asdict()))


def _collected(farm: Farm, wanted: PruneWanted) -> pruning.Pruned:
    begun = collecting.begin(farm, older_than_days=wanted.older_than_days, dry_run=wanted.dry_run)
    found = collecting.go_on(farm, begun.id) or begun
    if found.error is not None:
        raise Conflict(found.error)
    return pruning.Pruned(found.removed, found.removed_bytes, found.kept, complete=found.is_over)


OPERATIONS = (
    Operation("GET", "/farm", show, None, answer=models.Farm),
    Operation("POST", "/sweep", sweep, Scope.ADMIN, answer=models.Swept, body=SweepWanted),
    Operation("POST", "/prune", prune, Scope.ADMIN, answer=models.Pruned, body=PruneWanted, problems=(409,)),
)
