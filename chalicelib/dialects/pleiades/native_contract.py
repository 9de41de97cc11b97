"""The native contract: one call that reports what has ended, hears what the farm wants, and claims the next tasks.

A call that dies half way has applied its first reports and perhaps claimed: its repetition finds the reports applied
and, under the same request id, gets the same tasks.

A plain contract costs three table requests: the worker, the lanes' registry (cached) and one `take`.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from ...core import blobs, claiming, completing, idling, leases, workers
from ...core.claiming import Claimed
from ...core.completing import Completion
from ...core.errors import LeaseLost, NotFound
from ...core.farm import Farm
from ...core.model import Worker
from ...core.path_mapping import PathMapping
from ...edge import pace
from ...edge.fields import parsed
from ...edge.http import Reply, Request
from .access import native_worker
from .envelope import ok
from .native_wire import AttemptReport, Contract, LeaseId, assignment, load_of, stop

RECONCILE_EVERY_MS = 30_000


def contract(farm: Farm, request: Request, worker_id: str, body: dict[str, Any]) -> Reply:
    """`POST /worker/{id}/contract` with `slots` or `request_id` in its body: report, hear, claim."""
    worker = native_worker(farm, request, worker_id)
    wanted = parsed(Contract, body)
    worker = workers.contact(farm, worker, wants_work=wanted.slots > 0, load=load_of(request))
    verdicts = _verdicts(farm, worker, wanted.reports)
    cancel = _to_stop(farm, worker, wanted.held)
    _reconcile_now_and_then(farm, worker, wanted)
    worker, claimed = _claim(farm, worker, wanted)
    return ok(
        reports=verdicts,
        assignments=_assignments(farm, worker, claimed),
        cancel=cancel,
        **told(farm, worker, _pause(farm, worker, wanted, claimed)),
        **_upgrade(request),
    )


def _upgrade(request: Request) -> dict[str, Any]:
    """Another release, if this farm serves one to a worker that may replace itself. Others cost a function on Lambda
    nothing: it imports only what its first events need."""
    if "x-millrace-wheel" not in request.headers:
        return {}
    from ...install.offering import offered

    return offered(request)


def _assignments(farm: Farm, worker: Worker, claimed: Claimed) -> list[dict[str, Any]]:
    if not claimed.assignments:
        return []
    paths = PathMapping(farm.variables.read(), worker.platform)
    return [assignment(given, paths) for given in claimed.assignments]


def _pause(farm: Farm, worker: Worker, wanted: Contract, claimed: Claimed) -> float:
    """Seconds. What is held may be stopped by somebody who waits for that; so the worker asks often."""
    if claimed.contended or claimed.assignments:
        return farm.limits.poll_busy_seconds
    return farm.limits.poll_holding_seconds if wanted.held else idling.idle_seconds(farm, worker)


def _verdicts(farm: Farm, worker: Worker, reports: list[AttemptReport]) -> list[dict[str, Any]]:
    """Plain completions are written together; what is not plain is decided, and told, one by one."""
    number_of = Counter(said.task for said in reports)
    plain = [said for said in reports if not said.outputs and number_of[said.task] == 1]
    done = completing.complete(farm, worker.id, [Completion(r.task_id, r.generation, r.said(())) for r in plain])
    return [_accepted(said) if said.task_id in done else _verdict(farm, worker, said) for said in reports]


def _accepted(said: AttemptReport) -> dict[str, Any]:
    return {**said.wire(), "accepted": True, "message": ""}


def _verdict(farm: Farm, worker: Worker, said: AttemptReport) -> dict[str, Any]:
    """Each report counts by itself: one that is late does not keep the others from being heard."""
    try:
        outputs = blobs.as_outputs(farm, said.blobs) if said.outputs else ()
        leases.report(farm, worker.id, said.task_id, said.generation, said.said(outputs))
    except (LeaseLost, NotFound) as refused:
        return {**said.wire(), "accepted": False, "message": refused.message}
    return _accepted(said)


def _to_stop(farm: Farm, worker: Worker, held: list[LeaseId]) -> list[dict[str, Any]]:
    if not held:
        return []
    tasks = farm.tasks.get_many([lease.task_id for lease in held])
    notices = [stop(lease, task, worker.id) for lease, task in zip(held, tasks, strict=True)]
    return [notice for notice in notices if notice is not None]


def _claim(farm: Farm, worker: Worker, wanted: Contract) -> tuple[Worker, Claimed]:
    if wanted.slots == 0:
        return worker, Claimed((), contended=False)
    if wanted.repeat or wanted.timeout <= 0 or worker.status_requested is not None:  # it is to hear that at once
        return worker, claiming.claim(farm, worker, wanted.request_id, slots=wanted.slots, repeat=wanted.repeat)
    # Calls that began together, when the farm came back for instance, are not to end together, with work in between.
    seconds = wanted.timeout * farm.random.uniform(0.9, 1)
    claimed = claiming.claim_or_wait(farm, worker, wanted.request_id, seconds=seconds, slots=wanted.slots)
    if not claimed.assignments:  # something may have been asked of the worker while it waited
        worker = farm.workers.get(worker.id) or worker
    return worker, claimed


class _Reconciled:
    """When this process last compared what a worker holds with what the table says."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[int, int] = {}

    def is_due(self, worker_id: int, now: int) -> bool:
        """At first sight it is not: the worker signed on a moment ago, or another process looks after it."""
        with self._lock:
            if len(self._at) > 10_000:
                self._at.clear()
            if now - self._at.setdefault(worker_id, now) < RECONCILE_EVERY_MS:
                return False
            self._at[worker_id] = now
            return True


_reconciled = _Reconciled()


def _reconcile_now_and_then(farm: Farm, worker: Worker, wanted: Contract) -> None:
    """Not before a repeated claim, which is about to hear of what was given in the answer that got lost."""
    if not wanted.repeat and _reconciled.is_due(worker.id, farm.clock.now()):
        known = [lease.pair for lease in (*wanted.held, *wanted.reports)]
        claiming.reconcile(farm, worker, known)


def told(farm: Farm, worker: Worker, pause_seconds: float) -> dict[str, Any]:
    """What every contract and renewal tells the worker besides its own business."""
    return {
        "poll_seconds": poll_seconds(farm, pause_seconds),
        "status_requested": worker.status_requested.value if worker.status_requested else None,
        "lazy": worker.lazy,
    }


def poll_seconds(farm: Farm, seconds: float) -> float:
    """Jittered, so that workers which were started together do not ask together for ever; longer under load."""
    return round(pace.stretched(seconds) * farm.random.uniform(0.8, 1.2), 3)
