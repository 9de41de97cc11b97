"""Calls to workers of this protocol: `add_task`, `get_task_info`, `cancel_task`.

A round declares silent workers lost, asks busy ones about their tasks and offers one to each idle one. A task that is
offered is claimed first, under the worker's identity. Refused, it goes back and another worker may have it; a worker
that refuses three times is offered nothing until it registers anew. A process that dies between claim and offer leaves
a task that the worker does not know of: the next rounds hear so, and put it back.

Never called from within a worker's own call: many workers answer nobody while they wait for an answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from ...core import claiming, leases, leaving
from ...core.declining import decline
from ...core.errors import BadInput, FarmError, LeaseLost, NotFound
from ...core.farm import Farm
from ...core.lifecycle import Outcome, WorkerStatus
from ...core.model import Task, Worker
from ...core.ports import Table
from ...edge.fields import parsed
from ...edge.json_text import compact_json, strict_json
from ...edge.push import Pusher, PushFailed, PushRefused
from . import documents, registrations, reporting
from .registrations import LOST_AFTER_MS, MOST_REFUSALS, Registration
from .reporting import Known
from .wire import TaskResult

CALL_SECONDS = 1.0
AT_ONCE = 16
"""Workers called at the same time in one round."""
ASK_EVERY_MS = 2_000
SETTLING_MS = 10_000
"""So long a worker may take to find a task that it has accepted."""
PAUSE_MS = 5_000
"""A round that comes later than this after the last: the farm was away."""
PATIENCE_MS = 60_000
"""So long a worker is not offered again what it does not want, even if nobody else can take it."""


class Refused(FarmError):
    """The worker answered, and said no."""


def push_round(farm: Farm, pusher: Pusher) -> None:
    """Look after every worker of this protocol once."""
    resumed_at = _resumed_at(farm)
    here = [entry for entry in registrations.entries(farm) if not entry.lost]
    if here:
        with ThreadPoolExecutor(min(AT_ONCE, len(here)), "transcode-push") as pool:
            list(pool.map(lambda entry: _look_after(farm, pusher, entry, resumed_at), here))
    _rounds[farm.table] = _Rounds(resumed_at, farm.clock.now())


@dataclass(frozen=True)
class _Rounds:
    """Those of this process, one soon after the other."""

    resumed_at: int
    ended_at: int
    """The last of them."""


_rounds: WeakKeyDictionary[Table, _Rounds] = WeakKeyDictionary()


def _resumed_at(farm: Farm) -> int:
    """When the rounds began, or went on after a pause. While the farm was away nobody took heartbeats, so silence from
    before that is not the workers'."""
    now, before = farm.clock.now(), _rounds.get(farm.table)
    if before is None or not 0 <= now - before.ended_at <= PAUSE_MS:
        return now
    return before.resumed_at


def _look_after(farm: Farm, pusher: Pusher, entry: Registration, resumed_at: int) -> None:
    with suppress(NotFound):  # it has left meanwhile
        if farm.clock.now() - max(entry.heard_at, resumed_at) > LOST_AFTER_MS:
            registrations.lose(farm, entry)
            return
        worker = farm.workers.get(entry.worker)
        if worker is None:
            return
        held = leaving.held_tasks(farm, worker)
        for task in held:
            _follow(farm, pusher, entry, task)
        if held and farm.clock.now() - entry.asked_at >= ASK_EVERY_MS:
            registrations.note(farm, entry, asked_at=farm.clock.now())
        if not held and pusher.may_push and _is_free(entry, worker):
            _offer(farm, pusher, entry, worker)


def _is_free(entry: Registration, worker: Worker) -> bool:
    return not entry.busy and entry.refusals < MOST_REFUSALS and worker.status is WorkerStatus.AWAKE


# ---- following what it has -----------------------------------------------------------------------------------------


def _follow(farm: Farm, pusher: Pusher, entry: Registration, task: Task) -> None:
    it = reporting.known(farm, task)
    if it is None:
        leases.give_back(farm, task.id, task.generation, Outcome.RELEASED, "its worker cannot run it")
    elif task.cancel_reason is not None:
        _cancel(pusher, entry, it)
        leases.give_back(farm, task.id, task.generation, Outcome.CANCELED, task.cancel_reason)
    elif farm.clock.now() - entry.asked_at >= ASK_EVERY_MS:
        with suppress(LeaseLost):  # it has reported by itself meanwhile
            _ask(farm, pusher, entry, it)


def _cancel(pusher: Pusher, entry: Registration, it: Known) -> None:
    """Whatever it answers, nobody waits for it."""
    with suppress(PushFailed, Refused):
        _call(pusher, entry, "cancel_task", documents.task_reference(it.text))


def _ask(farm: Farm, pusher: Pusher, entry: Registration, it: Known) -> None:
    try:
        answer = _call(pusher, entry, "get_task_info", documents.task_reference(it.text))
        said = parsed(TaskResult, answer)
    except (Refused, BadInput):
        _unknown_to_it(farm, entry, it)
    except PushFailed:
        _vouched_for(farm, entry, it)
    else:
        reporting.note(farm, it, entry.worker, said)


def _unknown_to_it(farm: Farm, entry: Registration, it: Known) -> None:
    """It answers, but not about this task. One that calls itself busy may be of the kind that only reports."""
    lease = it.task.lease
    if entry.busy or lease is None or farm.clock.now() - lease.granted_at < SETTLING_MS:
        _vouched_for(farm, entry, it)
        return
    why = "its worker does not know of it"
    leases.give_back(farm, it.task.id, it.task.generation, Outcome.INTERRUPTED, why)


def _vouched_for(farm: Farm, entry: Registration, it: Known) -> None:
    """Its heartbeats say that it is at work; from one that says nothing of the kind the lease is left to run out."""
    if entry.busy:
        leases.renew(farm, entry.worker, it.task.id, it.task.generation, None, None)


# ---- offering ------------------------------------------------------------------------------------------------------


def _offer(farm: Farm, pusher: Pusher, entry: Registration, worker: Worker) -> None:
    takes_excluded = farm.clock.now() - entry.declined_at > PATIENCE_MS
    claimed = claiming.claim(farm, worker, secrets.token_hex(16), takes_excluded=takes_excluded)
    if not claimed.assignments:
        return
    task = claimed.assignments[0].task
    it = reporting.known(farm, task)
    if it is None:
        decline(farm, task, "a worker of this protocol cannot run it")
        registrations.note(farm, entry, declined_at=farm.clock.now())
        return
    try:
        _call(pusher, entry, "add_task", documents.task_call(documents.task_document(it.job, it.settings, task)))
    except (PushFailed, Refused) as error:
        _refused(farm, pusher, entry, it, error)


def _refused(farm: Farm, pusher: Pusher, entry: Registration, it: Known, error: FarmError) -> None:
    """One that did not answer in time may have begun, and is told to stop."""
    if isinstance(error, PushFailed) and not isinstance(error, PushRefused):
        _cancel(pusher, entry, it)
    decline(farm, it.task, f"worker {entry.address} did not take it: {error.message}")
    refusals = MOST_REFUSALS if isinstance(error, PushRefused) else entry.refusals + 1
    registrations.note(farm, entry, refusals=refusals, declined_at=farm.clock.now())


def _call(pusher: Pusher, entry: Registration, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises PushFailed for silence, Refused for a no (section 7: not HTTP 200, or a negative number)."""
    url, headers = f"{entry.url}/{name}", {"Content-Type": "application/json"}
    answer = pusher.send(url, "POST", headers, compact_json(body), CALL_SECONDS)
    if answer.status != 200:
        raise Refused(f"it answered with HTTP status {answer.status}")
    try:
        said = strict_json(answer.body)
    except BadInput:
        raise Refused("its answer is not JSON") from None
    if not isinstance(said, dict):
        raise Refused("its answer is no JSON object")
    code = said.get("err_code", said.get("error_code", 0))
    if not isinstance(code, int) or code < 0:
        raise Refused(f"it answered with err_code {str(code)[:20]}")
    return said
