"""`PATCH /tasks/{id}`: what a worker says of its task. It counts for the attempt that runs on a worker of that address.

A worker that pulls learns from the answer that it must stop; one that is pushed to is told by a call, and always
hears 204 here. The same report again changes nothing.
"""

from __future__ import annotations

from contextlib import suppress

from ...core import blobs, leases, logs
from ...core.errors import BadInput, LeaseLost
from ...core.farm import Farm
from ...core.leases import Report
from ...core.leaving import held_tasks
from ...core.lifecycle import Outcome
from ...core.model import Output, Task
from ...handlers.pushing import TOPIC
from . import fleet, registering, standing, submitting
from .envelope import Stop
from .fleet import ROOM, Member
from .forms import Upload
from .submitting import Known
from .translate import WorkerWord, report_named
from .wire import USUAL_PORT, TaskReport

SILENT_SECONDS = 3600.0
"""A worker that pulls speaks only when its program writes something: this is how long one may be silent."""
LOG_END_CHARACTERS = 1000
"""One that pulls sends the last 256 and perhaps a line on how its program died. What is longer is the whole log."""
TASKFILE = "taskfile.zip"
BEGUN, IDLE = "rendering", WorkerWord.ENABLED.value
CANCELLED, DUPLICATED = "Task cancelled", "Duplicated task"
DISABLED, UNREGISTERED = "Worker is disabled", "Worker is not registered"


def report(farm: Farm, address: str, number: int, said: TaskReport, taskfile: Upload | None) -> None:
    """Raises BadInput for a word that is none, and Stop for a worker that pulls and has to hear of it."""
    outcome = report_named(said.status)
    known = submitting.find(farm, number)
    member = _holder(farm, known, address)
    if known is None or known.task is None or member is None:
        if _pulls(said) and not _has_reported_so(farm, known, address, outcome):
            raise Stop(_why_not(farm, address))
        return
    if outcome is None:
        _runs(farm, member, known.task, said)
    else:
        _ended(farm, member, known, said, outcome, taskfile)


def _pulls(said: TaskReport) -> bool:
    """Only those who pull say so while they run, or name the job."""
    return said.job_id is not None or report_named(said.status) is None


def _holder(farm: Farm, known: Known | None, address: str) -> Member | None:
    """The worker that has the task, if it is one of ours at this address."""
    lease = known.task.lease if known is not None and known.task is not None else None
    member = fleet.find(farm, lease.worker) if lease is not None else None
    return member if member is not None and member.address == address else None


def _has_reported_so(farm: Farm, known: Known | None, address: str, outcome: Outcome | None) -> bool:
    """The answer to this very report got lost."""
    if known is None or known.task is None or not known.task.attempts:
        return False
    last = known.task.attempts[-1]
    member = fleet.find(farm, last.worker)
    return member is not None and member.address == address and last.outcome is outcome


def _why_not(farm: Farm, address: str) -> str:
    member = registering.pulling(farm, address, USUAL_PORT, None)
    if member is None:
        return UNREGISTERED
    return DUPLICATED if held_tasks(farm, member.worker) else CANCELLED


def _runs(farm: Farm, member: Member, task: Task, said: TaskReport) -> None:
    assert task.lease is not None
    member = standing.heard_of(farm, member)
    if task.cancel_reason is not None:
        raise Stop(CANCELLED)
    if standing.is_disabled(member.worker):
        raise Stop(DISABLED)
    activity = (said.activity or BEGUN)[:1000]
    lease_seconds = SILENT_SECONDS if member.pulls else None
    try:
        leases.renew(farm, member.id, task.id, task.generation, None, activity, lease_seconds=lease_seconds)
    except LeaseLost:
        raise Stop(CANCELLED) from None
    keep_log(farm, member, task, said.log)
    said_so = {"activity": said.activity, "time_cost": said.time_cost}
    fleet.note(farm, member, **{name: value for name, value in said_so.items() if value is not None})


def _ended(
    farm: Farm, member: Member, known: Known, said: TaskReport, outcome: Outcome, taskfile: Upload | None
) -> None:
    task = known.task
    assert task is not None
    keep_log(farm, member, task, said.log)
    outputs = _outputs(farm, taskfile) if outcome is Outcome.COMPLETED else ()
    ours = ROOM in known.job.annotations
    if outcome is Outcome.CANCELED and not ours and task.cancel_reason is None:
        # Nobody wanted that: the job is somebody else's, and only its own people cancel it.
        outcome = Outcome.INTERRUPTED if standing.is_disabled(member.worker) else Outcome.FAILED
    error = None if outcome is Outcome.COMPLETED else f"its worker reported {said.status.strip()[:40]}"
    result = None if said.time_cost is None else {"time_cost": said.time_cost}
    with suppress(LeaseLost):  # it ended while this was on its way
        made = Report(outcome, error=error, outputs=outputs, result=result)
        leases.report(farm, member.id, task.id, task.generation, made)
    nothing_more = {"said": IDLE, "info": IDLE, "activity": None, "log": None}
    fleet.note(farm, member, **nothing_more, time_cost=said.time_cost)
    standing.heard_of(farm, member)
    farm.bell.ring(TOPIC)  # it is free again


def _outputs(farm: Farm, taskfile: Upload | None) -> tuple[Output, ...]:
    if taskfile is None:
        return ()
    blob = blobs.store(farm, taskfile.content, taskfile.size, taskfile.sha256)
    return (Output(TASKFILE, blob.id, blob.size, blob.sha256),)


def keep_log(farm: Farm, member: Member, task: Task, text: str | None) -> None:
    """Each report holds the log anew, so it is kept as one piece that the next one replaces. Those that pull send only
    its end: what that adds to the log goes behind it, or whoever follows the log would wait there for ever."""
    if not text or task.lease is None:
        return
    data, offset = text.encode()[-farm.limits.log_chunk_bytes :], 0
    if member.pulls and len(text) <= LOG_END_CHARACTERS:
        offset = logs.end(farm, task, task.lease.generation)
        data = _beyond(logs.read(farm, task, None, max(0, offset - len(data))).data, data)
    with suppress(LeaseLost, BadInput):
        logs.append(farm, task, member.id, task.lease.generation, offset, data)


def _beyond(before: bytes, end: bytes) -> bytes:
    """What is new in `end`, which begins with as much as possible of what was there before."""
    known = next((size for size in range(len(end), 0, -1) if before.endswith(end[:size])), 0)
    return end[known:]
