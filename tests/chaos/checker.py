"""The farm's promises, checked against a whole history. Pure: what it finds is a list of sentences, empty if all hold.

The history is seen from between the two sides, so a time here lies between the true times at both ends. Every rule is
stated so that this cannot make it find what is not there: a hold is counted only as long as the worker itself could
believe in it, and a grant from when the server had certainly made it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.history import Ending, Exchange, Run

SETTLING_SECONDS = 30.0
"""After so long the manager may take back what a worker does not list (`claiming.SETTLING_MS`)."""
ENDED = ("completed", "failed", "canceled")


@dataclass
class Grant:
    """One lease, as an assignment in a contract's answer told of it."""

    task: str
    generation: int
    worker: str
    request: str
    forwarded_at: float
    answered_at: float
    held_until: float
    """As far as its worker could know, if nothing but time ended it."""
    ended_by: list[float] = field(default_factory=list)
    """When calls were forwarded that may have ended it."""

    def over_by(self, moment: float) -> bool:
        return moment >= self.held_until or any(at <= moment for at in self.ended_by)


Grants = Mapping[str, Mapping[int, Grant]]
"""By task and generation."""


def violations(history: Sequence[Exchange], acknowledged_jobs: Sequence[str], ending: Ending, run: Run) -> list[str]:
    grants: dict[str, dict[int, Grant]] = defaultdict(dict)
    found = list(_collect(history, grants))
    _extend_and_end(history, grants)
    found += _generations_rise(grants)
    found += _one_lease_at_a_time(grants)
    found += _completions_last(history, grants, ending)
    found += _everything_has_ended(acknowledged_jobs, ending)
    found += [f"task {task} ran twice at the same time" for task in run.overlaps]
    return found


def _collect(history: Sequence[Exchange], grants: dict[str, dict[int, Grant]]) -> Iterator[str]:
    for exchange in history:
        for given in (exchange.answer or {}).get("assignments", ()) if exchange.call == "contract" else ():
            assert exchange.worker is not None and exchange.answered_at is not None
            new = Grant(
                given["task"],
                given["generation"],
                exchange.worker,
                exchange.body["request_id"],
                exchange.forwarded_at,
                exchange.answered_at,
                exchange.forwarded_at + given["lease_seconds"],
            )
            known = grants[new.task].setdefault(new.generation, new)
            if (known.worker, known.request) != (new.worker, new.request):
                yield (
                    f"task {new.task} at generation {new.generation} was given to {known.worker} for request "
                    f"{known.request} and to {new.worker} for {new.request}"
                )


def _extend_and_end(history: Sequence[Exchange], grants: Grants) -> None:
    for exchange in history:
        if exchange.worker is None:
            continue
        body, answer = exchange.body or {}, exchange.answer or {}
        for renewed in answer.get("leases", ()) if exchange.call == "renew" and exchange.delivered else ():
            grant = grants.get(renewed["task"], {}).get(renewed["generation"])
            if grant is not None and renewed["held"]:
                grant.held_until = max(grant.held_until, exchange.forwarded_at + renewed["lease_seconds"])
        for said in body.get("reports", ()) if exchange.call == "contract" else ():
            grant = grants.get(said["task"], {}).get(said["generation"])
            if grant is not None:
                grant.ended_by.append(exchange.forwarded_at)
        _end_what_is_not_listed(exchange, grants)


def _end_what_is_not_listed(exchange: Exchange, grants: Grants) -> None:
    """Who signs on or off, or calls long after a grant without listing it, does not work on it."""
    if exchange.call not in ("sign-on", "sign-off", "contract"):
        return
    patience = SETTLING_SECONDS if exchange.call == "contract" else 0.0
    body = exchange.body or {}
    listed = {(lease["task"], lease["generation"]) for lease in (*body.get("held", ()), *body.get("reports", ()))}
    for by_generation in grants.values():
        for grant in by_generation.values():
            mine = grant.worker == exchange.worker and (grant.task, grant.generation) not in listed
            if mine and exchange.forwarded_at >= grant.forwarded_at + patience:
                grant.ended_by.append(exchange.forwarded_at)


def _generations_rise(grants: Grants) -> Iterator[str]:
    for task, by_generation in grants.items():
        in_time = sorted(by_generation.values(), key=lambda grant: grant.answered_at)
        for earlier, later in zip(in_time, in_time[1:], strict=False):
            if earlier.answered_at < later.forwarded_at and earlier.generation >= later.generation:
                yield f"task {task}: generation {later.generation} came after {earlier.generation}"


def _one_lease_at_a_time(grants: Grants) -> Iterator[str]:
    for task, by_generation in grants.items():
        in_order = sorted(by_generation.values(), key=lambda grant: grant.generation)
        for earlier, later in zip(in_order, in_order[1:], strict=False):
            if not earlier.over_by(later.answered_at):
                yield (
                    f"task {task} was given to {later.worker} at generation {later.generation} while {earlier.worker} "
                    f"held it at {earlier.generation} for another {earlier.held_until - later.answered_at:.2f} s"
                )


def _completions_last(history: Sequence[Exchange], grants: Grants, ending: Ending) -> Iterator[str]:
    tasks = {task.id: task for task in ending.tasks()}
    completed: dict[str, tuple[int, str | None]] = {}
    for exchange in history:
        verdicts = (exchange.answer or {}).get("reports", ()) if exchange.call == "contract" else ()
        for said, verdict in zip((exchange.body or {}).get("reports", ()), verdicts, strict=False):
            if not verdict["accepted"]:
                continue
            newer = [g for g in grants.get(said["task"], {}).values() if g.generation > said["generation"]]
            if any(grant.answered_at < exchange.forwarded_at for grant in newer) and not _is_repetition(
                history, exchange, said
            ):
                yield f"task {said['task']}: a report of generation {said['generation']} counted after a newer grant"
            if said["outcome"] == "completed":
                completed[said["task"]] = (said["generation"], exchange.worker)
    for task, (generation, worker) in completed.items():
        if any(later > generation for later in grants.get(task, {})):
            yield f"task {task} was given away again after its completion at generation {generation}"
        ended = tasks.get(task)
        if ended is None or ended.status != "completed":
            yield f"task {task}: its acknowledged completion is lost; it is {ended.status if ended else 'gone'}"
        elif [attempt for attempt in ended.attempts if attempt[1] == "completed"] != [(worker, "completed")]:
            yield f"task {task} was completed by {worker}, and its attempts say {ended.attempts}"


def _is_repetition(history: Sequence[Exchange], exchange: Exchange, said: Mapping[str, object]) -> bool:
    """It says what counted before, and accepting it is a matter of manners: the same report, or a release of what the
    farm took back itself when its worker signed off."""
    for earlier in history:
        if earlier is exchange:
            return False
        if said["outcome"] == "released" and (earlier.call, earlier.worker) == ("sign-off", exchange.worker):
            return True
        if earlier.call == "contract" and said in (earlier.body or {}).get("reports", ()):
            return True
    return False


def _everything_has_ended(acknowledged_jobs: Sequence[str], ending: Ending) -> Iterator[str]:
    jobs = {job.id: job for job in ending.jobs}
    for job_id in acknowledged_jobs:
        if job_id not in jobs:
            yield f"job {job_id} was acknowledged and is gone"
    for job in ending.jobs:
        if job.status not in ENDED:
            yield f"job {job.id} is still {job.status}"
        for task in job.tasks:
            if task.status not in ENDED:
                yield f"task {task.id} is still {task.status}"
        counted = Counter(task.status for task in job.tasks)
        if counted != Counter({status: number for status, number in job.counts.items() if number}):
            yield f"job {job.id} counts {dict(job.counts)}, and its tasks are {dict(counted)}"
    for job_id, number in Counter(job.id for job in ending.jobs).items():
        if number > 1:
            yield f"job {job_id} is listed {number} times"
