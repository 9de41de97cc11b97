"""`POST /job/{id}`: a worker, or whoever, says what has become of a job.

The protocol carries neither a worker's identity nor a generation: an update counts for the attempt that is current when
the call is read. A worker that was silent past its lease may thus end its successor's attempt. Repeating an update
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...core import blobs, jobs, leases
from ...core.errors import BadInput, Conflict, LeaseLost, ObjectMissing
from ...core.farm import Farm
from ...core.leases import Report
from ...core.lifecycle import JobStatus, Outcome, TaskStatus
from ...core.model import Job, Output, Task, WorkerId
from ...core.ports import Set
from ...core.records.fields import to_json
from . import documents, translate
from .translate import NO_BLOB, State
from .wire import UpdateJob

TRIES = 5
"""Updates of one job made at the same moment."""


def update(farm: Farm, job: Job, task: Task | None, wanted: UpdateJob, speaker: WorkerId | None) -> None:
    """`speaker`: the worker that said who it is, and may then end only its own attempt; None for everybody else.

    Raises BadInput (word, output), Conflict (not from this state, or not this worker's).
    """
    asked = None if wanted.word is None else translate.state_named(wanted.word)
    if asked is None and (wanted.output or NO_BLOB) != NO_BLOB:
        raise BadInput("output counts only together with the status finished", field="output")
    state = translate.state_of(job, task)
    if state in translate.FINAL_STATES:
        _stop_worker(farm, task)
        if asked not in (None, state):
            raise _conflict(state, asked)
        return
    if wanted.input is not None:
        _replace_input(farm, job, wanted.input)
    if asked is not None and asked is not State.RUNNING:
        _move(farm, job, task, asked, wanted, speaker)


def _conflict(state: State, asked: State | None) -> Conflict:
    return Conflict(f"the job is {state.value}; it cannot become {asked.value if asked else state.value}")


def _move(farm: Farm, job: Job, task: Task | None, asked: State, wanted: UpdateJob, speaker: WorkerId | None) -> None:
    if task is None or task.status is not TaskStatus.ACTIVE:
        _move_unclaimed(farm, job, asked, speaker)
        return
    report = _REPORTS[asked](farm, wanted)
    try:
        leases.report(farm, speaker, task.id, task.generation, report)
    except LeaseLost:
        now = translate.state_of(jobs.get(farm, job.id), farm.tasks.get(task.id))
        if now is not asked:
            raise _conflict(now, asked) from None


def _move_unclaimed(farm: Farm, job: Job, asked: State, speaker: WorkerId | None) -> None:
    """Nobody has it, so nobody can have finished it. Whoever wants it no more may cancel it, but for its workers."""
    if asked is State.CANCELLED and speaker is None:
        jobs.cancel(farm, job.id)
    elif asked is not State.ENQUEUED:
        raise Conflict(f"no worker has the job; it cannot become {asked.value}")


def _stop_worker(farm: Farm, task: Task | None) -> None:
    """A worker of this protocol never hears that its job was canceled: now it has come to an end by itself."""
    if task is not None and task.status is TaskStatus.ACTIVE:
        leases.give_back(farm, task.id, task.generation, Outcome.CANCELED, "the job was canceled")


def _finished(farm: Farm, wanted: UpdateJob) -> Report:
    return Report(Outcome.COMPLETED, outputs=_outputs(farm, wanted.output or NO_BLOB))


def _outputs(farm: Farm, blob_id: str) -> tuple[Output, ...]:
    if blob_id == NO_BLOB:
        return ()
    try:
        return blobs.as_outputs(farm, {translate.OUTPUT: int(blob_id)})
    except ObjectMissing as missing:
        raise BadInput(missing.message, field="output") from None


_REPORTS: Mapping[State, Callable[[Farm, UpdateJob], Report]] = {
    State.FINISHED: _finished,
    State.CANCELLED: lambda farm, wanted: Report(Outcome.CANCELED, error="its worker gave up"),
    State.ERROR: lambda farm, wanted: Report(Outcome.FAILED, error="its worker reported an error", final=True),
    State.ENQUEUED: lambda farm, wanted: Report(Outcome.RELEASED, error="its worker gave it back"),
}


def _replace_input(farm: Farm, job: Job, input_id: str) -> None:
    """For the next attempt, and beside the job for clients of this protocol: it may be "0", or no blob yet."""
    jobs.replace_input(farm, job, int(input_id))
    for _ in range(TRIES):
        noted = documents.with_input(job, input_id)
        if noted == job.annotations or farm.jobs.change(job, Set("annotations", to_json(noted))) is not None:
            return
        job = jobs.get(farm, job.id)
        if job.status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED):
            return
    raise Conflict("the job keeps changing; try again")
