"""Steps that trail another: each of their tasks may begin when those tasks of the earlier step that it needs have
completed, not only when all have. Which those are, the plan says by two pure functions (`plans.Trail`).

A task of such a step, however many there are, has no item before it is released: it is virtual, and waits. Whoever
completes a task of the earlier step first marks it in its window, as ever, and then looks by the marks whether all is
there that some task of the later step needs. If so it puts that task, queued, put-if-absent, in a transaction with the
job's status. Of two who complete the last two at once each has marked before it looks, so the later one sees both.

Cost, for each completion: one read of the job with its steps; when that releases something, one read of the tasks to
release, one of their window, one of the tasks that they get files from, one transaction for each 99 of them (and one
for each window that is entered) and one mark. What is needed from other windows is read when all that is needed of
the own window is there: once for each window, not for each task, 33 windows to a read, and not on after the first that
lacks something. Nothing depends on how many tasks the steps have.

| dies between | who mends it |
|---|---|
| completion and mark, mark and release | the event feed, which repeats both; a thorough sweep; the *last look* |
| some of the tasks put | the same: what is there is passed over |
| step opened, what had completed before not seen | `look_from` stands on the step: settle goes on looking |
| job decided, released tasks not told | the decision's pass (`aligning.py`); later releases fail their check |

The last look comes when the earlier step is done: it goes through the windows of the later step once, releases what
may have been missed, and cancels, in windows that were begun, what needs a task that failed. Windows of which nothing
was ever released stay unwritten; they are counted as canceled in the step's sum (`left`), in the same write that ends
the look. A job that ends early does that at once. A retry takes the sum back (`reopen`), and looks from the start.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence

from .compiling import Opened
from .errors import FarmError
from .farm import Farm
from .lifecycle import ENDED_JOBS, STEP, StepStatus, TaskStatus, next_status
from .model import Job, JobId, Step, Task, TaskId
from .ports import Change, Set
from .releasing import TRIES, pair_of, release
from .source_marks import Completed
from .turns import begin_turn
from .windows import Window, window_of

log = logging.getLogger(__name__)


def open_step(farm: Farm, of: Opened, base: TaskId) -> None:
    """Nothing is written of its tasks. It has nothing to look for when the step that it trails has not begun."""
    step, count = of.step, of.expansion.count
    pair = pair_of(farm, of.job, farm.jobs.steps(of.job.id), step.number)
    changes: list[Change] = [
        Set("status", next_status(STEP, step.status, "open").value),
        Set("count", count),
        Set("base", base),
    ]
    if not pair.trail.covered or pair.source.status is not StepStatus.WAITING:
        changes.append(Set("look_from", 0))
    farm.cursors.open_step(step, base, count, (), farm.jobs.still(of.job), changes)


def go_on(farm: Farm, tasks: Iterable[Task], marked: Window | None) -> bool:
    """Release what needed these tasks of one window, if they have completed and nothing else is lacking.

    `marked`: their window after that was noted in it, if it is still open. True: something is left for `settle`.
    """
    done = [task for task in tasks if task.trailed_by and task.status is TaskStatus.COMPLETED]
    if not done:
        return False
    job, steps = farm.jobs.whole(done[0].job)
    if job is None or job.status in ENDED_JOBS:
        return False
    return any([_follow(farm, job, steps, number, done, marked) for number in done[0].trailed_by])


def _follow(
    farm: Farm, job: Job, steps: Sequence[Step], number: int, done: Sequence[Task], marked: Window | None
) -> bool:
    if number >= len(steps) or steps[number].status is not StepStatus.OPEN:
        return False  # when it is opened, it looks for what it has missed
    try:
        pair = pair_of(farm, job, steps, number)
        completed = Completed(farm.windows, pair.source, marked)
        targets = {index for task in done for indices in pair.trail.targets(task.index) for index in indices}
        turn = begin_turn(farm)
        for _, group in itertools.groupby(sorted(targets), window_of):
            if turn.is_over:
                return look_later(farm, job.id, number)
            ready = [index for index in group if completed.has(pair.trail.sources(index))]
            release(farm, pair, ready)
    except FarmError as error:
        log.warning("A step could not go on", extra={"action": "release_failed", "job": str(job.id), "why": str(error)})
        return look_later(farm, job.id, number)
    return False


def look_later(farm: Farm, job_id: JobId, number: int) -> bool:
    """Whatever keeps tasks from being released comes up again in `settle`, which has the time, or fails the job."""
    for _ in range(TRIES):
        step = farm.jobs.step(job_id, number)
        if step is None or step.status is not StepStatus.OPEN or step.written:
            return False
        if farm.jobs.change_step(step, None, Set("look_from", 0), Set("epoch", step.epoch + 1)) is not None:
            return True
    return True


def release_one(farm: Farm, task: Task) -> Task | None:
    """A task that waits again, after a retry: the task as it is after it was released; None if it still waits."""
    job, steps = farm.jobs.whole(task.job)
    if job is None or job.status in ENDED_JOBS:
        return None
    try:
        pair = pair_of(farm, job, steps, task.step)
        if not Completed(farm.windows, pair.source).has(pair.trail.sources(task.index)):
            return None
        release(farm, pair, [task.index])
    except FarmError:
        look_later(farm, job.id, task.step)
        return None
    return farm.tasks.get(task.id)


def lacks_something(farm: Farm, task: Task) -> bool:
    """What it needs has not completed, or not all of it."""
    found = needed(farm, task)
    return found is not None and next(found[2], None) is not None


def needed(farm: Farm, task: Task) -> tuple[Job, Step, Iterator[int]] | None:
    """For people: the step that a task needs something of, and which of its tasks have not completed yet."""
    job, steps = farm.jobs.whole(task.job)
    if job is None:
        return None
    pair = pair_of(farm, job, steps, task.step)
    completed = Completed(farm.windows, pair.source)
    indices = (index for part in pair.trail.sources(task.index) for index in part)
    return job, pair.source, (index for index in indices if not completed.has([range(index, index + 1)]))
