"""Follow-up work, level-triggered: `settle(job)` looks at what is true now and does what is missing.

It is called on the request path (at once), by the event feed (reliably) and by the sweep (at last), any number of
times and by several processes at once, with the same result. Each round reads the job and its steps, does the first
thing that is missing, and looks again; every write is conditional on what was read, so the loser of a race just looks
again. What it costs: two reads a round, and at most a few rounds for each thing that ended. Where time is short
(`turns.py`) it stops between two windows of tasks and leaves an errand, which is one more such call.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import (
    aligning,
    deleting,
    dependents,
    ending,
    expanding,
    filling,
    following,
    gates,
    restarting,
    trail_looks,
    trailing,
)
from .errors import Refusal
from .farm import Farm
from .lifecycle import ENDED_JOBS, RUNNABLE_JOBS, JobStatus, StepStatus, TaskStatus
from .model import Job, JobId, Step, Task
from .ports import Change, Set
from .turns import Turn, begin_turn
from .windows import Window, marks_of, window_of

ROUNDS = 1000
"""Far more than any job needs; what is left then is the sweep's."""


def task_ended(farm: Farm, task: Task) -> None:
    """A task has just ended: mark it, look after its children, and settle the job if that may have changed it."""
    if task.children:
        dependents.resolve(farm, task)
    mark(farm, task.job, task.step, window_of(task.index), [task])


def mark(farm: Farm, job_id: JobId, step: int, number: int, tasks: Sequence[Task]) -> None:
    """Give a window the marks of these of its tasks, and settle the job if that may have ended it."""
    window, may_have_ended = marked(farm, job_id, step, number, tasks)
    left = trailing.go_on(farm, tasks, window)
    if left or may_have_ended:
        settle(farm, job_id)


def marked(farm: Farm, job_id: JobId, step: int, number: int, tasks: Sequence[Task]) -> tuple[Window | None, bool]:
    """Give a window the marks of these of its tasks: the window, if it was still open, and whether the job may have
    ended (that fills the window, or one has failed for good). What trails these tasks goes on after that."""
    marks = frozenset[int]().union(*(marks_of(task) for task in tasks))
    window = farm.windows.mark(job_id, step, number, marks)
    shut = window is not None and window.full and farm.windows.close(window)
    return window, shut or any(task.status is TaskStatus.FAILED for task in tasks)


def end_early(farm: Farm, job: Job, event: str, reason: str | None) -> Job | None:
    """Fail or cancel a job before its tasks have ended; `settle` ends them. None if the job has moved on meanwhile."""
    changes = [Set("finished_at", farm.clock.now())]
    if reason is not None:
        changes.append(Set("error", reason))
    return decided(farm, job, event, *changes)


def decided(farm: Farm, job: Job, event: str, *changes: Change) -> Job | None:
    """Write a decision that keeps tasks from being given away: it counts from here on, `settle` carries it out.

    The halt comes second: it only shortens the moment until the tasks are in line, and one for a decision that was
    never made would stand in the way for ever.
    """
    after = farm.jobs.transition(job, event, Set("epoch", job.epoch + 1), *changes)
    if after is not None:
        farm.registry.halt(after.id, after.epoch)
    return after


def settle(farm: Farm, job_id: JobId, *, thorough: bool = False) -> Job | None:
    """Do what is missing for this job, and then for those that come after it, if that has ended it. `thorough`: also
    look into every task of its open windows, for marks and releases that a crash has swallowed."""
    followers: list[JobId] = []
    job = _settle(farm, job_id, followers, thorough=thorough)
    while followers:  # not by recursion: a long row of jobs may end at once
        _settle(farm, followers.pop(), followers)
    return job


def _settle(farm: Farm, job_id: JobId, followers: list[JobId], *, thorough: bool = False) -> Job | None:
    """`followers` grows by those of this job, if it ends here."""
    turn = begin_turn(farm)
    for _ in range(ROUNDS):
        job = farm.jobs.get(job_id)
        if job is None:
            deleting.go_on(farm, job_id, turn)
            return None
        if job.settled:
            return job
        if turn.is_over and farm.errands is not None:
            farm.errands.settle(job_id)
            return job
        steps = farm.jobs.steps(job_id)
        if thorough:
            thorough = False
            for step in steps:
                aligning.audit(farm, job, step)
            continue
        if not _advance(farm, job, steps, turn, followers):
            return job
    return farm.jobs.get(job_id)


def _advance(farm: Farm, job: Job, steps: Sequence[Step], turn: Turn, followers: list[JobId]) -> bool:
    """Do the first missing thing. True: something was done, or somebody else was faster; look again."""
    if job.status is JobStatus.COMPILING:
        return _compile(farm, job, steps)
    if job.restart_epoch is not None:
        gates.keep(farm, job)
        restarting.restart(farm, job, steps, turn)
        return True
    if job.epoch != job.aligned_epoch:
        try:
            aligning.align(farm, job, steps, turn)
        except Refusal as error:  # a hole in a paused job whose settings this version no longer accepts
            end_early(farm, job, "fail", error.message)
        return True
    if job.on_failure == "stop" and job.status not in ENDED_JOBS and (failure := _first_failure(farm, job, steps)):
        end_early(farm, job, "fail", failure)
        return True
    if job.after and job.status not in ENDED_JOBS and all(step.status is StepStatus.WAITING for step in steps):
        waits_for, never = following.in_the_way(farm, job)
        if never is not None:
            end_early(farm, job, "fail", never)
            return True
        if waits_for:
            return False
    try:
        if any(_advance_step(farm, job, steps, step, turn) for step in _trailing_first(steps)):
            return True
    except Refusal as error:
        # The plan cannot go on with what was produced; after a moment's fault the sweep comes back.
        end_early(farm, job, "fail", error.message)
        return True
    if not steps or all(step.status in (StepStatus.DONE, StepStatus.SKIPPED) for step in steps):
        ended = ending.end(farm, job, steps)
        if ended is not None and ended.is_followed:
            followers += farm.jobs.followers(job.id)
    return False


def _trailing_first(steps: Sequence[Step]) -> list[Step]:
    """A step that is opened before the one that it trails has missed nothing of it, and need not look."""
    trailing_steps = [step for step in reversed(steps) if step.trails is not None]
    return [*trailing_steps, *(step for step in steps if step.trails is None)]


def _first_failure(farm: Farm, job: Job, steps: Sequence[Step]) -> str | None:
    """What failed for good, as far as the marks tell; None if nothing did."""
    for step in steps:
        if step.failed:
            return f"{step.failed} of {step.count} tasks of step {step.name!r} failed"
        for window in farm.windows.open(step) if step.status is StepStatus.OPEN else ():
            if TaskStatus.FAILED in (states := window.states()):
                task = farm.tasks.get(step.base + window.indices[states.index(TaskStatus.FAILED)])
                return f"task {task.name!r} failed: {task.error or 'no reason given'}" if task else "a task failed"
    return None


def _compile(farm: Farm, job: Job, steps: Sequence[Step]) -> bool:
    try:
        planned = expanding.plan_steps(job, farm.plans.of(job))
    except Refusal as error:
        end_early(farm, job, "fail", error.message)
        return True
    if len(steps) < len(planned):
        farm.jobs.add_steps(planned)
    gates.keep(farm, job)
    farm.jobs.transition(job, "compile")
    return True


def _advance_step(farm: Farm, job: Job, steps: Sequence[Step], step: Step, turn: Turn) -> bool:
    """True if something was done for this step."""
    if step.status is StepStatus.WAITING:
        return _open_or_skip(farm, job, steps, step)
    if step.status is not StepStatus.OPEN:
        return False
    if step.trails is not None and not step.written:
        return trail_looks.advance(farm, job, steps, step, turn)
    if not step.written:
        expanding.write_tasks(farm, job, step, turn)
        return True
    if step.shards:
        cursors = farm.cursors.of(step)
        if filling.mend(farm, job, step, cursors):
            return True
        if not all(cursor.over for cursor in cursors):
            return False
    if farm.windows.any_open(step):
        return False
    farm.jobs.change_step(step, "finish")
    return True


def _open_or_skip(farm: Farm, job: Job, steps: Sequence[Step], step: Step) -> bool:
    parents = [steps[number] for number in step.parents]
    if job.status in ENDED_JOBS or any(not _may_complete(step, parent) for parent in parents):
        farm.jobs.change_step(step, "skip")
        return True
    if job.status in RUNNABLE_JOBS and _may_open(steps, step):
        expanding.open_step(farm, job, step)
        return True
    return False


def _may_open(steps: Sequence[Step], step: Step) -> bool:
    """What it needs as a whole is done; the step that it trails is open, or may be."""
    parents = [steps[number] for number in step.parents]
    return all(
        parent.status is not StepStatus.WAITING or _may_open(steps, parent)
        if parent.number == step.trails
        else parent.status is StepStatus.DONE
        for parent in parents
    )


def _may_complete(step: Step, parent: Step) -> bool:
    """Whether the step may still get what it needs of this one; of one that it trails some tasks are enough."""
    unfit = parent.failed + parent.canceled > 0 and parent.number != step.trails
    return parent.status is not StepStatus.SKIPPED and not (parent.status is StepStatus.DONE and unfit)
