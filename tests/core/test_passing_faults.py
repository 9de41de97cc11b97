"""An object store that cannot be read for a moment: calls say "try again", and nothing fails for good."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from chalicelib.compilers import JOB_TYPES
from chalicelib.compilers.command import TASK_TYPE
from chalicelib.core import blobs, jobs, leases, sweeping, tasks
from chalicelib.core.errors import Unavailable
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.lifecycle import JobStatus, Outcome, TaskStatus
from chalicelib.core.model import Assignment, Job
from chalicelib.embedded.bell import LocalBell
from tests.core.conftest import Bench
from tests.engines.memory_objects import MemoryObjects

Process = Callable[[], Bench]


class UnwellObjects(MemoryObjects):
    def __init__(self) -> None:
        super().__init__()
        self.faults = 0
        """How many reads fail from here on."""

    def get(self, key: str) -> bytes | None:
        if self.faults:
            self.faults -= 1
            raise Unavailable(f"object {key} cannot be read: slow down")
        return super().get(key)


@pytest.fixture
def objects() -> UnwellObjects:
    return UnwellObjects()


@pytest.fixture
def process(bench: Bench, objects: UnwellObjects) -> Process:
    """Another process of the same farm, that remembers nothing yet; all settings are large ones."""

    def begin() -> Bench:
        limits, chance = Limits(inline_bytes=10), random.Random(1)
        farm = Farm(bench.farm.table, objects, bench.clock, LocalBell(), JOB_TYPES, limits, chance)
        return Bench(farm, bench.clock)

    return begin


def submit(bench: Bench, frames: str, *after: int) -> Job:
    settings = {"frames": frames, "command": ["true", "{frame}"]}
    return jobs.submit(bench.farm, jobs.Submission("shot", "frames", settings, after=after))


def complete(bench: Bench, one: Assignment) -> None:
    made = blobs.as_outputs(bench.farm, {"a.png": blobs.store_bytes(bench.farm, b"a picture").id})
    said = leases.Report(Outcome.COMPLETED, outputs=made)
    leases.report(bench.farm, one.lease.worker, one.task.id, one.lease.generation, said)


def test_a_job_is_compiled_when_its_settings_can_be_read_again(
    process: Process, objects: UnwellObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as died:
        died.setattr(jobs, "settle", lambda farm, job_id: None)
        job = submit(process(), "1-3")
    other = process()
    objects.faults = 1
    assert sweeping.sweep(other.farm).failed == 1
    assert other.job(job).status is JobStatus.COMPILING
    sweeping.sweep(other.farm)
    assert other.job(job).status is JobStatus.QUEUED


def test_a_step_is_opened_when_the_plan_can_be_read_again(process: Process, objects: UnwellObjects) -> None:
    first = process()
    before = submit(first, "1")
    job = submit(first, "1-3", before.id)
    given = first.take(first.worker("w", TASK_TYPE))
    other = process()
    other.farm.plans.of(before)
    objects.faults = 1
    with pytest.raises(Unavailable):
        complete(other, given)
    assert other.job(job).status is JobStatus.QUEUED
    sweeping.sweep(other.farm)
    assert other.counts(job) == {"queued": 3}


def test_a_claim_that_cannot_read_the_plan_fails_no_job_and_loses_no_task(
    process: Process, objects: UnwellObjects
) -> None:
    job = submit(process(), "1-150")
    other = process()
    worker = other.worker("w", TASK_TYPE)
    objects.faults = 1
    with pytest.raises(Unavailable):
        other.claim(worker, slots=2)
    assert other.job(job).status is JobStatus.QUEUED
    while given := other.claim(worker, slots=50):
        for one in given:
            complete(other, one)
    for _ in range(2):
        other.clock.advance(61_000)
        sweeping.sweep(other.farm)
    for one in other.claim(worker, slots=50):
        assert one.task.work.commands
        complete(other, one)
    assert (other.job(job).status, other.counts(job)) == (JobStatus.COMPLETED, {"completed": 150})


def test_a_job_ends_with_its_outputs_when_the_plan_can_be_read_again(process: Process, objects: UnwellObjects) -> None:
    first = process()
    job = submit(first, "1")
    given = first.take(first.worker("w", TASK_TYPE))
    other = process()
    objects.faults = 1
    with pytest.raises(Unavailable):
        complete(other, given)
    complete(other, given)  # as a worker does that was told to try again
    sweeping.sweep(other.farm)
    ended = other.job(job)
    assert (ended.status, [output.name for output in ended.outputs]) == (JobStatus.COMPLETED, ["a.png"])


def test_a_task_is_shown_whole_or_not_at_all(process: Process, objects: UnwellObjects) -> None:
    job = submit(process(), "1-150")
    other = process()
    [step] = other.farm.jobs.steps(job.id)
    objects.faults = 1
    with pytest.raises(Unavailable):
        tasks.get(other.farm, step.base + 70)
    shown = tasks.get(other.farm, step.base + 70)
    assert (shown.status, shown.name) == (TaskStatus.QUEUED, "frame 71")
