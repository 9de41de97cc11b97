"""Access patterns of jobs and their steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..lifecycle import ENDED_JOBS, JOB, STEP, JobStatus, StepStatus, next_status
from ..model import Job, JobId, Json, Step
from ..ports import (
    Absent,
    Change,
    Check,
    Clock,
    Condition,
    ConditionFailed,
    Delete,
    Equals,
    Exists,
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
from . import changes as changed
from . import job_items, keys
from .fields import to_json
from .job_items import HIDDEN
from .paging import pages


class JobRecords:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    # ---- jobs

    def get(self, job_id: JobId) -> Job | None:
        item = self._table.get(keys.job(job_id))
        return None if item is None or HIDDEN in item else job_items.job_from(item)

    def hidden(self, job_id: JobId) -> Job | None:
        """A job that is being deleted."""
        item = self._table.get(keys.job(job_id))
        return None if item is None or HIDDEN not in item else job_items.job_from(item)

    def create(self, job: Job, once: tuple[str, str, str] | None = None) -> None:
        """Write a new job; `once` = (scope, key, digest of the request) makes the call repeatable.

        ConditionFailed at position 0 is then a repetition: its `item` is the record of the first call, `job` (its id)
        and `digest`. At a later one a job that it comes after is gone.
        """
        operations: list[Operation] = []
        if once is not None:
            scope, name, digest = once
            key = keys.once(scope, name)
            record = {"pk": key.pk, "sk": key.sk, "job": job.id, "digest": digest, "created_at": job.created_at}
            record["expires_at"] = job.created_at // 1000 + keys.ONCE_SECONDS
            operations.append(Put(record, (Absent(),)))
        item = job_items.job_item(job) | changed.place(job.id, self._clock.now())
        operations.append(Put(item, (Absent(),)))
        for earlier in job.after:
            key = keys.follower(earlier, job.id)
            operations.append(Put({"pk": key.pk, "sk": key.sk, "job": job.id}))
            operations.append(Update(keys.job(earlier), (Set("is_followed", True),), (Exists(), Missing(HIDDEN))))
        self._table.write(*operations)

    def followers(self, job_id: JobId) -> list[JobId]:
        """The jobs that come after this one."""
        return [item["job"] for item in pages(self._table, keys.after(job_id))]

    def transition(self, job: Job, event: str, *changes: Change) -> Job | None:
        """Move the job by a lifecycle event; None when it is no longer as `job` says (status, epoch, settled)."""
        status = next_status(JOB, job.status, event)
        fields = job_items.job_status_fields(job.id, status)
        return self.change(job, *(Set(name, value) for name, value in fields.items()), *changes)

    def change(self, job: Job, *changes: Change) -> Job | None:
        """Change fields while the job is as `job` says; None when it is not."""
        when = _as_read(job)
        moves = changed.moves(job.id, changes, changed.JOB_SHOWS, self._clock)
        try:
            return job_items.job_from(self._table.update(Update(keys.job(job.id), (*changes, *moves), when)))
        except ConditionFailed:
            return None

    def still(self, job: Job) -> Check:
        """Half of a transaction: nobody has decided anything about this job since it was read."""
        return Check(
            keys.job(job.id), (Equals("status", job.status.value), Equals("epoch", job.epoch), _same_plan(job))
        )

    def restarts(self, job: Job) -> Check:
        """The same, and this retry is not carried out yet. After that a newer decision may be, with the same epoch."""
        return Check(keys.job(job.id), (*self.still(job).when, Equals("restart_epoch", job.restart_epoch)))

    def runnable(self, job_id: JobId, statuses: Sequence[JobStatus]) -> Check:
        """Half of a transaction: the job is in one of these statuses."""
        return Check(keys.job(job_id), (OneOf("status", tuple(status.value for status in statuses)),))

    def restart(self, job: Job, of: Json, still_waiting: Sequence[Step] = ()) -> Job | None:
        """Let `settle` run some of its tasks again (`restarting.Chosen`); a job that has ended is queued again. None
        when the job has moved on, or one of the steps that are not to begin before."""
        epoch = job.epoch + 1
        changes: list[Change] = [Set("epoch", epoch), Set("restart_epoch", epoch)]
        changes.append(Remove("restart_of") if of is None else Set("restart_of", to_json(of)))
        if job.status in ENDED_JOBS:
            status = next_status(JOB, job.status, "retry")
            changes += [Set(name, value) for name, value in job_items.job_status_fields(job.id, status).items()]
            changes += [Set("unsettled_pk", keys.UNSETTLED), Set("unsettled_sk", keys.digits(job.id))]
            changes += [Remove(name) for name in ("finished_at", "error", "outputs")]
        moves = changed.moves(job.id, changes, changed.JOB_SHOWS, self._clock)
        update = Update(keys.job(job.id), (*changes, *moves), _as_read(job))
        try:
            self._table.write(update, *map(_step_as_read, still_waiting))
        except ConditionFailed:
            return None
        return self.get(job.id)

    def extend(
        self, job: Job, fields: Mapping[str, Any], new: Sequence[Step], later: Sequence[tuple[Step, Sequence[int]]]
    ) -> bool:
        """Give it longer settings (in `fields`, as themselves or as the key of an object), the steps that these make,
        and earlier ones more parents, all at once. False when the job has moved on, or one of those steps."""
        changes: list[Change] = [Set("revision", job.revision + 1)]
        if "settings" in fields:
            changes += [Set("settings", to_json(fields["settings"])), Remove("settings_key")]
        else:
            changes += [Set("settings_key", fields["settings_key"]), Remove("settings")]
        waits = [
            # A new epoch: who read the step before cannot open it as it was then.
            Update(seen.key, (Set("parents", list(parents)), Set("epoch", step.epoch + 1)), seen.when)
            for step, parents in later
            for seen in [_step_as_read(step)]
        ]
        puts = [Put(job_items.step_item(step), (Absent(),)) for step in new]
        try:
            self._table.write(Update(keys.job(job.id), tuple(changes), _as_read(job)), *puts, *waits)
        except ConditionFailed:
            return False
        return True

    def restarted(self, job: Job) -> None:
        """The retry that the job is at is carried out."""
        self.change(job, Remove("restart_epoch"), Remove("restart_of"))

    def page(
        self, status: str | None, limit: int, cursor: str | None, *, owner: str | None = None
    ) -> tuple[list[Job], str | None]:
        """Newest first. With an owner and a status it may hold fewer than there are. A bad cursor raises ValueError."""
        if owner is not None:
            index, pk = "owned", keys.owner_pk(owner)
        elif status is not None:
            index, pk = "status", keys.status_pk(status)
        else:
            index, pk = "listing", keys.listing_pk("jobs")
        page = self._table.query(pk, index=index, descending=True, limit=limit, cursor=cursor)
        found = self._table.get_many([Key(entry["pk"], entry["sk"]) for entry in page.items])
        jobs = [job_items.job_from(item) for item in found if item is not None and HIDDEN not in item]
        return [job for job in jobs if status is None or job.status == status], page.cursor

    def oldest(self, status: str, *, last: JobId) -> Iterator[Job]:
        """Those in this status with an id up to `last`, oldest first; a hundred at a time."""
        entries = pages(self._table, keys.status_pk(status), index="status", last=keys.digits(last))
        while some := list(itertools.islice(entries, 100)):
            for item in self._table.get_many([Key(entry["pk"], entry["sk"]) for entry in some]):
                if item is not None and HIDDEN not in item and item["status"] == status:
                    yield job_items.job_from(item)

    def unsettled(self) -> Iterable[JobId]:
        """Ids of the jobs that may need work, oldest first."""
        for entry in pages(self._table, keys.UNSETTLED, index="unsettled"):
            yield int(entry["pk"].removeprefix("JOB#"))

    def hide(self, job: Job) -> bool:
        """It is gone for everybody but the sweep, which sees to it that nothing is left. False when it has changed."""
        gone = (
            "listing_pk",
            "listing_sk",
            "status_pk",
            "status_sk",
            "owned_pk",
            "owned_sk",
            "changed_pk",
            "changed_sk",
        )
        waits = Set("unsettled_pk", keys.UNSETTLED), Set("unsettled_sk", keys.digits(job.id))
        changes: tuple[Change, ...] = (Set(HIDDEN, True), *waits, *map(Remove, gone))
        try:
            self._table.write(Update(keys.job(job.id), changes, _as_read(job)), changed.gone(job.id, self._clock.now()))
        except ConditionFailed:
            return False
        return True

    def remove(self, job: Job, steps: Sequence[Step]) -> None:
        """The job last: who dies half way can be called again."""
        for step in steps:
            self._table.write(Delete(keys.step(job.id, step.number)))
        if job.is_followed:
            self._table.write_many([[Delete(keys.follower(job.id, one))] for one in self.followers(job.id)])
        self._table.write(Delete(keys.job_picture(job.id)))
        self._table.write(Delete(keys.job(job.id)))

    def whole(self, job_id: JobId) -> tuple[Job | None, list[Step]]:
        """A job and its steps, in one read."""
        found = list(pages(self._table, keys.job(job_id).pk))
        jobs = [item for item in found if item["sk"] == keys.job(job_id).sk and HIDDEN not in item]
        steps = [job_items.step_from(item) for item in found if item["sk"].startswith(keys.STEP_PREFIX[0])]
        return (job_items.job_from(jobs[0]) if jobs else None), steps

    # ---- steps

    def steps(self, job_id: JobId) -> list[Step]:
        first, last = keys.STEP_PREFIX
        found = pages(self._table, keys.job(job_id).pk, first=first, last=last)
        return [job_items.step_from(item) for item in found]

    def step(self, job_id: JobId, number: int) -> Step | None:
        item = self._table.get(keys.step(job_id, number))
        return None if item is None else job_items.step_from(item)

    def add_steps(self, steps: Sequence[Step]) -> None:
        """Put-if-absent each."""
        self._table.write_many([[Put(job_items.step_item(step), (Absent(),))] for step in steps])

    def revive_step(self, job: Job, step: Step) -> None:
        """Let a skipped step wait again, for the retry that the job is at."""
        status = next_status(STEP, step.status, "revive").value
        when = (Equals("status", step.status.value), Equals("epoch", step.epoch))
        try:
            self._table.write(
                self.restarts(job), Update(keys.step(step.job, step.number), (Set("status", status),), when)
            )
        except ConditionFailed:
            return  # somebody else has carried it out

    def reopen_step(self, job: Job, step: Step, *changes: Change) -> bool:
        """Open a step again, for the retry that the job is at. False when it is no longer as `step` says."""
        changes = (Set("status", StepStatus.OPEN.value), Set("epoch", step.epoch + 1), *changes)
        try:
            self._table.write(
                self.restarts(job), Update(keys.step(step.job, step.number), tuple(changes), _step_as_read(step).when)
            )
        except ConditionFailed:
            return False
        return True

    def reset_step(self, job: Job, step: Step) -> None:
        """Let a step that was done, and of which nothing is left, wait again as if it had never been open: for the
        retry that the job is at."""
        status = next_status(STEP, step.status, "reset").value
        blank = {"status": status, "count": 0, "base": 0, "shards": 0, "written": False, "epoch": step.epoch + 1}
        blank |= {"completed": 0, "failed": 0, "canceled": 0, "look_is_last": False}
        changes: list[Change] = [Set(name, value) for name, value in blank.items()]
        changes += [Remove("left"), Remove("look_from")]
        try:
            self._table.write(
                self.restarts(job), Update(keys.step(step.job, step.number), tuple(changes), _step_as_read(step).when)
            )
        except ConditionFailed:
            return  # somebody else has carried it out

    def open_step(self, job: Job, step: Step, *changes: Change) -> bool:
        """False when it is no longer as `step` says, or somebody has decided about the job."""
        status = Set("status", next_status(STEP, step.status, "open").value)
        update = Update(keys.step(step.job, step.number), (status, *changes), _step_as_read(step).when)
        try:
            self._table.write(self.still(job), update)
        except ConditionFailed:
            return False
        return True

    def change_step(self, step: Step, event: str | None, *changes: Change) -> Step | None:
        """Move the step, or only change it (`event` None); None when it is no longer as `step` says."""
        status = next_status(STEP, step.status, event) if event else step.status
        moved = (Set("status", status.value), *changes)
        update = Update(keys.step(step.job, step.number), moved, _step_as_read(step).when)
        try:
            return job_items.step_from(self._table.update(update))
        except ConditionFailed:
            return None


def _step_as_read(step: Step) -> Check:
    when = Equals("status", step.status.value), Equals("epoch", step.epoch)
    return Check(keys.step(step.job, step.number), when)


def _as_read(job: Job) -> tuple[Condition, ...]:
    """Nobody has moved the job since it was read."""
    settled = Missing("unsettled_pk") if job.settled else Equals("unsettled_pk", keys.UNSETTLED)
    return Equals("status", job.status.value), Equals("epoch", job.epoch), settled, _same_plan(job)


def _same_plan(job: Job) -> Condition:
    return Equals("revision", job.revision) if job.revision else Missing("revision")
