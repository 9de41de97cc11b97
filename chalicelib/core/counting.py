"""A job's tasks by status, from sums and marks: exact once the job is settled, and a moment behind before.

Decisions never use these numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from .farm import Farm
from .lifecycle import ENDED_JOBS, JobStatus, StepStatus, TaskStatus
from .model import Job, Step


def count_tasks(farm: Farm, job: Job, steps: Sequence[Step]) -> dict[str, int]:
    """All seven words, with zeros. Steps that are not open yet have no tasks."""
    counts: Counter[TaskStatus] = Counter()
    for step in steps:
        counts += Counter(
            {
                TaskStatus.COMPLETED: step.completed,
                TaskStatus.FAILED: step.failed,
                TaskStatus.CANCELED: step.canceled,
            }
        )
        if step.status is StepStatus.OPEN:
            in_windows = 0
            for window in farm.windows.open(step):
                counts += window.counts()
                in_windows += window.size
            # What no claim has come near is counted without being there: in no window, and in no sum yet.
            unbegun = sum(cursor.unbegun for cursor in farm.cursors.of(step) if cursor.left is None)
            counts[TaskStatus.CANCELED if job.status in ENDED_JOBS else TaskStatus.QUEUED] += unbegun
            if step.trails is not None:
                rest = max(0, step.count - step.ended - in_windows)
                counts[TaskStatus.CANCELED if job.status in ENDED_JOBS else TaskStatus.WAITING] += rest
    if job.status is JobStatus.PAUSED:
        counts[TaskStatus.PAUSED] += counts.pop(TaskStatus.QUEUED, 0)
    return {status.value: counts[status] for status in TaskStatus}


def progress(job: Job, steps: Sequence[Step], counts: Mapping[str, int]) -> int:
    """0-100: each step weighs the same, so that it never falls when a step's size becomes known.

    Of a job that failed or was canceled: how much of its tasks completed.
    """
    if job.status is JobStatus.COMPLETED:
        return 100
    if job.status in ENDED_JOBS:
        return min(99, 100 * counts[TaskStatus.COMPLETED.value] // (sum(counts.values()) or 1))
    if not steps:
        return 0
    ended = {s.number: _share(s) for s in steps}
    return min(99, int(100 * sum(ended.values()) / len(steps)))


def _share(step: Step) -> float:
    if step.status is StepStatus.DONE:
        return 1.0
    return step.ended / step.count if step.count else 0.0
