"""Why does this worker do nothing? From what is true now; nothing is changed.

Costs the worker, what it holds, the lane registry and a page of each lane of its task types: for people, not for the
worker's own calls.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import gates
from .farm import Farm
from .lifecycle import JobStatus, WorkerStatus
from .model import Worker
from .ports import Item
from .reasons import Code, Reason, asleep, counted, several
from .records.lanes import Registry
from .scheduling import kept_from
from .why_waiting import refused
from .workers import liveness

PAGE = 40
"""Tasks looked at in each lane: what a claim picks among."""


def of_worker(farm: Farm, worker: Worker) -> list[Reason]:
    """The nearest reason first."""
    if (own := _own(farm, worker)) is not None:
        return [own]
    held = len(farm.tasks.held_by(worker.id))
    if held >= worker.slots:
        return [Reason(Code.NOT_WAITING, f"it runs {counted(held, 'task')} in {counted(worker.slots, 'slot')}")]
    found = sorted(_of_lanes(farm, worker, farm.registry.refresh()), key=lambda reason: list(Code).index(reason.code))
    return found or [*_nothing(farm, worker)]


def _own(farm: Farm, worker: Worker) -> Reason | None:
    """What keeps it from all work."""
    status = liveness(farm, worker)
    if status is WorkerStatus.LOST:
        silent_seconds = (farm.clock.now() - worker.last_contact_at) // 1000
        return Reason(Code.GONE, f"it has not called for {silent_seconds} s")
    if status is WorkerStatus.OFFLINE:
        return Reason(Code.GONE, "it signed off")
    if status is WorkerStatus.ERROR:
        return Reason(Code.BROKEN, "it says that it is in error")
    if status is WorkerStatus.ASLEEP:
        return Reason(Code.ASLEEP, asleep(farm, worker))
    if worker.status_requested in (WorkerStatus.ASLEEP, WorkerStatus.OFFLINE):
        return Reason(Code.ASLEEP, f"it was asked to be {worker.status_requested.value}")
    return None


def _of_lanes(farm: Farm, worker: Worker, registry: Registry) -> Iterator[Reason]:
    for lane in registry.lanes:
        if lane.requirement.task_type not in worker.abilities:
            continue
        waiting = [item for item in farm.tasks.head(lane.requirement, PAGE) if item["job"] not in registry.halted]
        if not waiting:
            continue
        count = farm.tasks.weigh(waiting)
        number = f"{count:,} or more" if len(waiting) == PAGE else f"{count:,}"
        what = f"{number} queued of type {lane.requirement.task_type!r}"
        refusal = refused(lane.requirement, worker)
        if refusal is None and (full := _full(farm, registry, waiting)) is not None:
            yield Reason(Code.JOB_FULL, f"{what}, of jobs that have reached their workers ({full})")
            continue
        yield _of_refusal(refusal, what) if refusal is not None else _of_open_lane(worker, waiting, what)


def _full(farm: Farm, registry: Registry, waiting: list[Item]) -> str | None:
    """The jobs of these tasks, if all of them run as many as they may."""
    ids = {item["job"] for item in waiting}
    if not ids <= registry.gated:
        return None
    jobs = [job for job in (farm.jobs.get(job_id) for job_id in sorted(ids)) if job is not None]
    if not all(gates.fullness(farm, job) is not None for job in jobs):
        return None
    return several([f"job {job.id}: {job.max_workers}" for job in jobs])


def _of_refusal(refusal: tuple[Code, str], what: str) -> Reason:
    code, tags = refusal
    texts = {
        Code.LACKS_TAG: f"{what} require a tag that it lacks: {tags}",
        Code.HAS_FORBIDDEN_TAG: f"{what} forbid a tag that it has: {tags}",
        Code.OTHER_WORKER: f"{what} are pinned to another worker",
    }
    return Reason(code, texts[code])


def _of_open_lane(worker: Worker, waiting: list[Item], what: str) -> Reason:
    if any(not kept_from(worker, item) for item in waiting):
        return Reason(Code.NEXT_CALL, f"{what}: it gets one with its next call")
    if all(worker.id in (item.get("excluded") or ()) for item in waiting):
        return Reason(Code.FAILED_HERE, f"{what} failed on it before; it gets them only when nobody else can")
    jobs = sorted({str(item["job"]) for item in waiting})
    return Reason(Code.BLOCKED, f"{what}, but it is blocked for them after failures (job {several(jobs)})")


def _nothing(farm: Farm, worker: Worker) -> Iterator[Reason]:
    types = several(sorted(worker.abilities), most=6) or "none"
    yield Reason(Code.NOTHING_QUEUED, f"nothing is queued for its task types ({types})")
    paused, _ = farm.jobs.page(JobStatus.PAUSED.value, PAGE, None)
    if paused:
        yield Reason(Code.JOB_PAUSED, f"{counted(len(paused), 'job')} would have work if they were resumed")
