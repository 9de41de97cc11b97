"""What a worker says about a task it holds: renew, report an outcome, give back; and what the manager does when it
hears nothing. Every write is conditional on the generation that the worker presents; who is late gets LeaseLost.

Cost: a renewal is one read and one write; a completion one read, one write and one mark in its window. A process that
dies between the write and the mark leaves the mark to the event feed and the sweep (`settle.py`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from . import gates, queue_mode, settle, statistics, trace
from .errors import LeaseLost
from .farm import Farm
from .lifecycle import ENDED_TASKS, RUNNABLE_JOBS, JobStatus, Outcome, TaskStatus
from .model import Attempt, Json, Lease, Output, Task, TaskId, WorkerId
from .ports import ConditionFailed, Update
from .records import task_writes
from .retry_policy import MOST_ATTEMPTS, USUAL, Rule
from .tasks import get

RENEW_BELOW = 0.9
"""A call renews the lease once less than this part of it is left: reports of progress do not move the lease index."""


@dataclass(frozen=True)
class Report:
    """How an attempt ended, in the worker's words."""

    outcome: Outcome
    exit_code: int | None = None
    error: str | None = None
    outputs: tuple[Output, ...] = ()
    result: Json = None
    final: bool = False
    """A failure that is not to be tried again, whatever retries are left."""


def renew(
    farm: Farm,
    worker_id: WorkerId,
    task_id: TaskId,
    generation: int,
    progress: int | None,
    activity: str | None,
    *,
    lease_seconds: float | None = None,
) -> Task:
    """Extend the lease and note the progress. Raises LeaseLost. `cancel_reason` of the answer says: stop.

    `lease_seconds`: as given to the claim.
    """
    task = _held(farm, task_id, worker_id, generation)
    assert task.lease is not None
    now = farm.clock.now()
    rule = lease_seconds or farm.limits.lease_seconds
    if seconds_left(farm, task) > rule * RENEW_BELOW:
        return task if (progress, activity) == (None, None) else _note(farm, task, progress, activity)
    # The length is counted from when the lease was granted; what the worker is told is what is left of it.
    seconds = (now - task.lease.granted_at) / 1000 + rule
    lease = replace(task.lease, seconds=seconds, due_at=now + round((rule + farm.limits.grace_seconds) * 1000))
    try:
        return farm.tasks.update(task_writes.renewed(task, lease, progress, activity))
    except ConditionFailed:
        raise LeaseLost(f"task {task_id} is no longer held at generation {generation}") from None


def _note(farm: Farm, task: Task, progress: int | None, activity: str | None) -> Task:
    try:
        noted = farm.tasks.update(task_writes.reported(task, progress, activity))
    except ConditionFailed:
        raise LeaseLost(f"task {task.id} is no longer held at generation {task.generation}") from None
    farm.bell.ring(f"task/{task.id}", times=None)
    return noted


def shorten(farm: Farm, task: Task, seconds: float) -> None:
    """Let the lease of a task that is to stop end soon: a worker that was told so has nothing more to report."""
    lease, now = task.lease, farm.clock.now()
    if lease is None or task.cancel_reason is None or lease.due_at <= now + seconds * 1000:
        return
    length = (now - lease.granted_at) / 1000 + seconds
    with suppress(ConditionFailed):  # it has ended, which is as good
        shorter = replace(lease, seconds=length, due_at=now + round(seconds * 1000))
        farm.tasks.update(task_writes.renewed(task, shorter, None, None))


def seconds_left(farm: Farm, task: Task) -> float:
    """What is left of an active task's lease."""
    if task.lease is None:
        return 0.0
    return max(0.0, task.lease.seconds - (farm.clock.now() - task.lease.granted_at) / 1000)


def report(farm: Farm, worker_id: WorkerId | None, task_id: TaskId, generation: int, said: Report) -> Task:
    """End the attempt. The same report again changes nothing and succeeds; a late one raises LeaseLost.

    `worker_id` None: the protocol does not say who reports.
    """
    task = get(farm, task_id)
    if _has_ended_so(task, worker_id, generation, said.outcome):
        return task
    task = _held(farm, task_id, worker_id, generation, task)
    try:
        return _end(farm, task, said)
    except ConditionFailed:
        pass
    # Lost the race; perhaps only against the same report, which its worker has sent twice.
    task = get(farm, task_id)
    if not _has_ended_so(task, worker_id, generation, said.outcome):
        raise LeaseLost(f"task {task_id} is no longer held at generation {generation}")
    if task.status in ENDED_TASKS:
        settle.task_ended(farm, task)
    return task


def _has_ended_so(task: Task, worker_id: WorkerId | None, generation: int, outcome: Outcome) -> bool:
    """This attempt is known to have ended in just this way: the report is a repetition."""
    same = (a for a in task.attempts if a.generation == generation and a.outcome is outcome)
    return any(worker_id in (None, attempt.worker) for attempt in same)


def give_back(farm: Farm, task_id: TaskId, generation: int, outcome: Outcome, why: str) -> None:
    """End an attempt from the manager's side, if it still runs at that generation."""
    task = farm.tasks.get(task_id)
    if task is None or task.status is not TaskStatus.ACTIVE or task.generation != generation:
        return
    try:
        _end(farm, task, Report(outcome, error=why))
    except ConditionFailed:
        return


def expire(farm: Farm, task_id: TaskId, generation: int) -> bool:
    """Call an attempt lost whose lease ran out. Looks at the task itself: the index may not know of a renewal."""
    task = farm.tasks.get(task_id)
    if task is None or task.lease is None or task.generation != generation or task.lease.due_at > farm.clock.now():
        return False
    try:
        _end(farm, task, Report(Outcome.LOST, error="the worker fell silent"), lease=task.lease)
    except ConditionFailed:
        return False
    return True


def require_held(farm: Farm, task_id: TaskId, worker_id: WorkerId, generation: int) -> None:
    """Raises LeaseLost unless the worker holds the task at this generation, also of a task that is gone."""
    task = farm.tasks.get(task_id)
    if task is None:
        raise LeaseLost(f"task {task_id} is gone")
    _held(farm, task_id, worker_id, generation, task)


def _held(farm: Farm, task_id: TaskId, worker_id: WorkerId | None, generation: int, task: Task | None = None) -> Task:
    task = task or get(farm, task_id)
    if task.lease is None or task.generation != generation or worker_id not in (None, task.lease.worker):
        held = f"it is {task.status.value} at generation {task.generation}"
        raise LeaseLost(f"task {task_id} is not held at generation {generation}: {held}")
    return task


def _end(farm: Farm, task: Task, said: Report, lease: Lease | None = None) -> Task:
    attempt = attempt_of(farm, task, said)
    done = _ended(farm, task, said, attempt, lease)
    trace.attempt("ended", task.job, task.id, attempt.generation, attempt.worker, outcome=said.outcome.value)
    return done


def _ended(farm: Farm, task: Task, said: Report, attempt: Attempt, lease: Lease | None) -> Task:
    rule = _rule(farm, task, said)
    if said.outcome is Outcome.FAILED and rule.counted:
        _note_failure(farm, task, attempt)
    event = _event(task, said, rule)
    if event == "return":
        done = _return(farm, task, attempt, lease, rule)
    else:
        update = _fenced(task_writes.ended(task, event, attempt, said.outputs, said.result), lease)
        done = farm.tasks.end(update, attempt)
        settle.task_ended(farm, done)
    gates.ended(farm, task)
    queue_mode.ended(farm, task)
    statistics.ended(farm, attempt)
    return done


def _rule(farm: Farm, task: Task, said: Report) -> Rule:
    """What the job, or the farm of its type, says of this failure; a read or two more, for failures alone."""
    job = farm.jobs.get(task.job) if said.outcome is Outcome.FAILED else None
    return USUAL if job is None else farm.type_policies.failures_of(job).rule(said.exit_code)


def _note_failure(farm: Farm, task: Task, attempt: Attempt) -> None:
    """After failures on several tasks of one job and type the worker is blocked for them. Repeating it is harmless;
    noted before the attempt ends, or the same worker could claim the next one in between."""
    failed_on = farm.workers.note_failure(attempt.worker, task)
    if failed_on >= farm.limits.blocklist_after:
        farm.workers.block(attempt.worker, task.job, task.requirement.task_type, attempt.ended_at)


def _event(task: Task, said: Report, rule: Rule) -> str:
    """Decide first, act second: what this outcome means for the task."""
    if said.outcome is Outcome.COMPLETED:
        return "complete"
    if said.outcome is Outcome.CANCELED or task.cancel_reason is not None:
        return "cancel"  # whatever came of it, nobody wants it run again
    if task.work.once and said.outcome is not Outcome.RELEASED:
        return "fail"  # it has begun, or may have
    if said.outcome in (Outcome.FAILED, Outcome.LOST) and (said.final or rule.fails or not _may_retry(task, rule)):
        return "fail"
    return "return"


def _may_retry(task: Task, rule: Rule) -> bool:
    if rule.counted:
        return task.failures < task.max_retries
    return not task.attempts or task.attempts[-1].number < MOST_ATTEMPTS


def _return(farm: Farm, task: Task, attempt: Attempt, lease: Lease | None, rule: Rule) -> Task:
    """Back into the lane, at once or later, paused if the job is, canceled if the job has ended: decided and written in
    one transaction with the job's status, so that no task is queued behind the back of a cancel."""
    farm.registry.will_queue(task.requirement, task.priority)
    if rule.delay_seconds:
        until = attempt.ended_at + rule.delay_seconds * 1000
        queued = _fenced(task_writes.deferred(task, attempt, until, counted=rule.counted), lease)
    else:
        queued = _fenced(task_writes.returned(task, attempt, paused=False, counted=rule.counted), lease)
    paused = _fenced(task_writes.returned(task, attempt, paused=True, counted=rule.counted), lease)
    canceled = _fenced(task_writes.ended(task, "cancel", attempt), lease)
    for statuses, update in ((RUNNABLE_JOBS, queued), ((JobStatus.PAUSED,), paused), (None, canceled)):
        try:
            guard = () if statuses is None else (farm.jobs.runnable(task.job, statuses),)
            farm.tasks.write(*guard, update)
            break
        except ConditionFailed as failed:
            if statuses is None or failed.position == 1:
                raise
    written = get(farm, task.id)
    if written.status in ENDED_TASKS:
        settle.task_ended(farm, written)
    return written


def _fenced(update: Update, lease: Lease | None) -> Update:
    """For an expiry: only if nobody renewed since it was read."""
    if lease is None:
        return update
    return replace(update, when=(*update.when, task_writes.unrenewed(lease)))


def attempt_of(farm: Farm, task: Task, said: Report) -> Attempt:
    """The attempt of a task under a lease, ending now."""
    assert task.lease is not None
    return Attempt(
        number=task.attempts[-1].number + 1 if task.attempts else 1,
        generation=task.generation,
        worker=task.lease.worker,
        outcome=said.outcome,
        exit_code=said.exit_code,
        error=said.error,
        started_at=task.lease.granted_at,
        ended_at=farm.clock.now(),
    )
