"""Access patterns of jobs, their steps and windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..lifecycle import JOB, STEP, JobStatus, StepStatus, next_status
from ..model import Job, JobId, Step
from ..ports import (
    Absent,
    Add,
    Change,
    Check,
    ConditionFailed,
    Delete,
    Equals,
    Exists,
    Include,
    Key,
    Missing,
    OneOf,
    Operation,
    Put,
    Remove,
    Set,
    Table,
    Update,
)
from ..windows import Window
from . import job_items, keys
from .paging import pages


class JobRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    # ---- jobs

    def get(self, job_id: JobId) -> Job | None:
        item = self._table.get(keys.job(job_id))
        return None if item is None else job_items.job_from(item)

    def create(self, job: Job, once: tuple[str, str, str] | None = None) -> None:
        """Write a new job; `once` = (scope, key, digest of the request) makes the call repeatable.

        ConditionFailed.item is then the record of the first call: `job` (its id) and `digest`.
        """
        operations: list[Operation] = []
        if once is not None:
            scope, name, digest = once
            key = keys.once(scope, name)
            record = {"pk": key.pk, "sk": key.sk, "job": job.id, "digest": digest, "created_at": job.created_at}
            operations.append(Put(record, (Absent(),)))
        operations.append(Put(job_items.job_item(job), (Absent(),)))
        self._table.write(*operations)

    def transition(self, job: Job, event: str, *changes: Change) -> Job | None:
        """Move the job by a lifecycle event; None when it is no longer as `job` says (status, epoch, settled)."""
        status = next_status(JOB, job.status, event)
        fields = job_items.job_status_fields(job.id, status)
        return self.change(job, *(Set(name, value) for name, value in fields.items()), *changes)

    def change(self, job: Job, *changes: Change) -> Job | None:
        """Change fields while the job is as `job` says; None when it is not."""
        settled = Missing("unsettled_pk") if job.settled else Equals("unsettled_pk", keys.UNSETTLED)
        when = (Equals("status", job.status.value), Equals("epoch", job.epoch), settled)
        try:
            return job_items.job_from(self._table.update(Update(keys.job(job.id), changes, when)))
        except ConditionFailed:
            return None

    def still(self, job: Job) -> Check:
        """Half of a transaction: nobody has decided anything about this job since it was read."""
        return Check(keys.job(job.id), (Equals("status", job.status.value), Equals("epoch", job.epoch)))

    def runnable(self, job_id: JobId, statuses: Sequence[JobStatus]) -> Check:
        """Half of a transaction: the job is in one of these statuses."""
        return Check(keys.job(job_id), (OneOf("status", tuple(status.value for status in statuses)),))

    def revive(self, job: Job) -> Job | None:
        """failed or canceled -> queued, to be restarted by `settle`."""
        epoch = job.epoch + 1
        return self.transition(
            job,
            "retry",
            Set("epoch", epoch),
            Set("restart_epoch", epoch),
            Set("unsettled_pk", keys.UNSETTLED),
            Set("unsettled_sk", keys.digits(job.id)),
            Remove("finished_at"),
            Remove("error"),
            Remove("outputs"),
        )

    def page(self, status: str | None, limit: int, cursor: str | None) -> tuple[list[Job], str | None]:
        """Newest first. A bad cursor raises ValueError."""
        index, pk = ("status", keys.status_pk(status)) if status else ("listing", keys.listing_pk("jobs"))
        page = self._table.query(pk, index=index, descending=True, limit=limit, cursor=cursor)
        found = self._table.get_many([Key(entry["pk"], entry["sk"]) for entry in page.items])
        jobs = [job_items.job_from(item) for item in found if item is not None]
        return [job for job in jobs if status is None or job.status == status], page.cursor

    def unsettled(self) -> Iterable[JobId]:
        """Ids of the jobs that may need work, oldest first."""
        for entry in pages(self._table, keys.UNSETTLED, index="unsettled"):
            yield int(entry["pk"].removeprefix("JOB#"))

    def delete(self, job: Job, steps: Sequence[Step]) -> None:
        """Windows and steps first, the job last: who dies half way can be called again."""
        for step in steps:
            for window in [*self.open_windows(job.id, step.number), *self.shut_windows(job.id, step.number)]:
                key = keys.shut_window if window.shut else keys.open_window
                self._table.write(Delete(key(job.id, step.number, window.number)))
            self._table.write(Delete(keys.step(job.id, step.number)))
        self._table.write(Delete(keys.job(job.id)))

    # ---- steps

    def steps(self, job_id: JobId) -> list[Step]:
        first, last = keys.STEP_PREFIX
        found = pages(self._table, keys.job(job_id).pk, first=first, last=last)
        return [job_items.step_from(item) for item in found]

    def add_steps(self, steps: Sequence[Step]) -> None:
        """Put-if-absent each."""
        self._table.write_many([[Put(job_items.step_item(step), (Absent(),))] for step in steps])

    def change_step(self, step: Step, event: str | None, *changes: Change) -> Step | None:
        """Move the step, or only change it (`event` None); None when it is no longer as `step` says."""
        status = next_status(STEP, step.status, event) if event else step.status
        when = (Equals("status", step.status.value), Equals("epoch", step.epoch))
        update = Update(keys.step(step.job, step.number), (Set("status", status.value), *changes), when)
        try:
            return job_items.step_from(self._table.update(update))
        except ConditionFailed:
            return None

    # ---- windows

    def open_windows(self, job_id: JobId, step: int) -> Iterable[Window]:
        return self._windows(job_id, step, keys.OPEN_RANGE)

    def shut_windows(self, job_id: JobId, step: int) -> Iterable[Window]:
        return self._windows(job_id, step, keys.SHUT_RANGE)

    def any_open(self, job_id: JobId, step: int) -> bool:
        first, last = keys.OPEN_RANGE
        return bool(self._table.query(keys.windows(job_id, step), first=first, last=last, limit=1).items)

    def last_window(self, job_id: JobId, step: int) -> int:
        """The greatest number among the windows there are; 0 if there is none."""
        greatest = 0
        for first, last in (keys.OPEN_RANGE, keys.SHUT_RANGE):
            found = self._table.query(keys.windows(job_id, step), first=first, last=last, descending=True, limit=1)
            greatest = max([greatest, *(job_items.window_from(item).number for item in found.items)])
        return greatest

    def _windows(self, job_id: JobId, step: int, bounds: tuple[str, str]) -> Iterable[Window]:
        found = pages(self._table, keys.windows(job_id, step), first=bounds[0], last=bounds[1])
        return (job_items.window_from(item) for item in found)

    def add_window(self, window: Window) -> None:
        """Put-if-absent, among the open and the shut ones: a repetition must not revive a window that has closed."""
        shut = Check(keys.shut_window(window.job, window.step, window.number), (Absent(),))
        self._table.write_many([[shut, Put(job_items.window_item(window), (Absent(),))]])

    def mark(self, job_id: JobId, step: int, number: int, marks: frozenset[int]) -> Window | None:
        """Add marks; the window as it is then, or None if it is shut (then its marks no longer matter)."""
        key = keys.open_window(job_id, step, number)
        if not marks:
            item = self._table.get(key)
            return None if item is None else job_items.window_from(item)
        update = Update(key, (Include("marks", marks),), (Exists(),))
        try:
            return job_items.window_from(self._table.update(update))
        except ConditionFailed:
            return None

    def void(self, job_id: JobId, step: int, number: int, marks: frozenset[int]) -> bool:
        """Add void marks, so that the window cannot shut over them. False if it is shut: reopen it first."""
        changes = (Include("marks", marks), Add("version", 1))
        try:
            self._table.update(Update(keys.open_window(job_id, step, number), changes, (Exists(),)))
        except ConditionFailed:
            return False
        return True

    def shut(self, window: Window) -> bool:
        """Close a full window and add it to its step's sums, once. False if it moved on meanwhile."""
        return self._turn(window, shut=True, sign=1)

    def reopen(self, window: Window) -> bool:
        """Open a shut window again and take its sums back; the step is open again too."""
        return self._turn(window, shut=False, sign=-1)

    def _turn(self, window: Window, *, shut: bool, sign: int) -> bool:
        counts = window.counts()
        sums = [Add(s.value, sign * counts[s]) for s in job_items.SUMMED if counts[s]]
        changes: list[Change] = [*sums]
        if not shut:
            changes += [Add("epoch", 1), Set("status", StepStatus.OPEN.value)]
        turned = job_items.window_item(job_items.turned(window, shut=shut))
        here = keys.open_window if shut else keys.shut_window
        try:
            self._table.write(
                Delete(here(window.job, window.step, window.number), (Equals("version", window.version),)),
                Put(turned, (Absent(),)),
                Update(keys.step(window.job, window.step), tuple(changes), (Exists(),)),
            )
        except ConditionFailed:
            return False
        return True
