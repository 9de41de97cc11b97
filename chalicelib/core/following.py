"""Jobs that come after other jobs: none of their steps is opened before each of those has completed.

A submission writes the job, a row for each job it waits for, and a flag on each of those, in one transaction. Whoever
ends a job gets it back from that very write, flag and all, and settles its followers then. So of a submission and an
end at the same moment the later one knows of the other; what dies in between is the sweep's, as ever.
"""

from __future__ import annotations

from collections.abc import Sequence

from .errors import BadInput
from .farm import Farm
from .lifecycle import JobStatus, StepStatus
from .model import Job, JobId
from .ports import Set

MOST_JOBS = 20
TRIES = 5


def check(farm: Farm, after: Sequence[JobId]) -> None:
    """Raises BadInput for a job that cannot be waited for."""
    if len(after) > MOST_JOBS:
        raise BadInput(f"a job may come after {MOST_JOBS} others, not {len(after)}", field="after")
    if len(set(after)) < len(after):
        raise BadInput("a job is named twice", field="after")
    for job_id in after:
        if farm.jobs.get(job_id) is None:
            raise BadInput(f"there is no job {job_id} to come after", field="after")


def in_the_way(farm: Farm, job: Job) -> tuple[list[Job], str | None]:
    """The jobs that it still waits for; and why it cannot come any more, None while it may."""
    waits_for: list[Job] = []
    for job_id in job.after:
        earlier = farm.jobs.get(job_id) or farm.jobs.hidden(job_id)
        if earlier is None:
            return waits_for, f"it comes after job {job_id}, which is gone"
        if earlier.status in (JobStatus.FAILED, JobStatus.CANCELED):
            return waits_for, f"it comes after job {job_id} ({earlier.name}), which is {earlier.status.value}"
        if earlier.status is not JobStatus.COMPLETED:
            waits_for.append(earlier)
    return waits_for, None


def release(farm: Farm, completed: Job) -> bool:
    """Before the last of a job that has completed is removed: who has yet to begin comes after it no more. False when
    one of them keeps changing; may be repeated."""
    return all([_release(farm, completed.id, job_id) for job_id in farm.jobs.followers(completed.id)])


def _release(farm: Farm, earlier: JobId, job_id: JobId) -> bool:
    for _ in range(TRIES):
        job = farm.jobs.get(job_id)
        if job is None or earlier not in job.after:
            return True
        if any(step.status not in (StepStatus.WAITING, StepStatus.SKIPPED) for step in farm.jobs.steps(job_id)):
            return True  # it has begun, and looks no more
        rest = [one for one in job.after if one != earlier]
        # A new epoch: who has read the job before cannot fail it because of what is gone by then.
        if farm.jobs.change(job, Set("after", rest), Set("epoch", job.epoch + 1)) is not None:
            return True
    return False
