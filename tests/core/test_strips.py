"""All tasks of a step at a glance: the same statuses as the tasks have, without a look at any of them."""

from __future__ import annotations

from collections import Counter

import pytest

from chalicelib.core import events, jobs, strips, sweeping
from chalicelib.core.farm import Limits
from chalicelib.core.lifecycle import TaskStatus
from chalicelib.core.model import Job
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.counting import CountingTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable

MILLION = 1_000_000


def look(bench: Bench, job: Job, **wanted: int) -> strips.Strip:
    return strips.strip(bench.farm, bench.job(job), bench.farm.jobs.steps(job.id)[0], **wanted)


def statuses(bench: Bench, job: Job) -> list[TaskStatus]:
    """Of each task, as the strip shows it."""
    found = look(bench, job, size=1)
    assert found.next is None
    return [status for bucket in found.buckets for status in bucket.elements()]


def agrees(bench: Bench, job: Job) -> Counter[TaskStatus]:
    """With the tasks themselves, one by one; how many are in which status."""
    shown = statuses(bench, job)
    assert shown == [task.status for task in bench.tasks(job)]
    return Counter(shown)


@pytest.mark.parametrize("alike", [True, False], ids=["given away by a cursor", "written one by one"])
def test_a_step_is_shown_as_it_is_from_beginning_to_end(bench: Bench, alike: bool) -> None:
    job = bench.submit({"count": 730, "alike": alike}, max_retries=0)
    worker, helper = bench.worker("w"), bench.worker("helper")
    assert agrees(bench, job) == {"queued": 730}
    given = bench.claim(worker, slots=10)
    events.tasks_changed(bench.farm, [assignment.task.id for assignment in given])
    assert agrees(bench, job) == {"active": 10, "queued": 720}
    for assignment in given:
        bench.fail(assignment) if assignment.task.index == 7 else bench.report(assignment)
    for assignment in bench.claim(helper, slots=200):
        bench.report(assignment)
    assert agrees(bench, job) == {"completed": 209, "failed": 1, "queued": 520}
    jobs.pause(bench.farm, job.id)
    assert agrees(bench, job) == {"completed": 209, "failed": 1, "paused": 520}
    jobs.resume(bench.farm, job.id)
    running = bench.claim(helper, slots=3)
    jobs.cancel(bench.farm, job.id)
    for assignment in running:
        bench.report(assignment)
    sweeping.sweep(bench.farm)
    assert agrees(bench, job)["completed"] >= 209 and agrees(bench, job)["canceled"] >= 517
    jobs.retry(bench.farm, job.id)
    for _ in range(3):
        sweeping.sweep(bench.farm)
    assert agrees(bench, job)["queued"] >= 518
    bench.work_off(helper)
    assert agrees(bench, job) == {"completed": 730}


def test_tasks_that_wait_for_others_are_shown_so(bench: Bench) -> None:
    job = bench.submit({"count": 130, "parents": {n: [0] for n in range(1, 130)}})
    assert agrees(bench, job) == {"queued": 1, "waiting": 129}


def test_buckets_hold_what_they_stand_for_and_a_part_is_looked_at_by_its_bounds(bench: Bench) -> None:
    job = bench.submit({"count": 1234}, max_retries=0)
    worker = bench.worker()
    for assignment in bench.claim(worker, slots=300):
        bench.fail(assignment) if assignment.task.index == 250 else bench.report(assignment)
    found = look(bench, job, size=200)
    assert [dict(bucket) for bucket in found.buckets] == [
        {"completed": 200},
        {"completed": 99, "failed": 1, "queued": 100},
        *[{"queued": 200}] * 4,
        {"queued": 34},
    ]
    part = look(bench, job, first=249, last=252)
    assert (part.first, part.size, part.next) == (249, 1, None)
    assert [dict(bucket) for bucket in part.buckets] == [{"completed": 1}, {"failed": 1}, {"completed": 1}]
    assert look(bench, job, first=5000).buckets == ()


def test_where_much_has_failed_the_look_ends_and_another_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "MOST_WINDOWS", 2)
    job = bench.submit({"count": 700}, max_retries=0)
    worker = bench.worker()
    for assignment in bench.claim(worker, slots=500):
        bench.fail(assignment) if assignment.task.index % 100 == 0 else bench.report(assignment)
    first, sizes, gathered = 0, [], Counter[TaskStatus]()
    while True:
        found = look(bench, job, first=first, size=30)
        sizes += [bucket.total() for bucket in found.buckets]
        gathered += sum(found.buckets, Counter())
        if found.next is None:
            break
        assert found.next % 30 == 0 and found.next > first
        first = found.next
    assert first > 0 and sizes == [30] * 23 + [10]
    assert gathered == {"completed": 495, "failed": 5, "queued": 200}


def test_a_look_costs_the_same_for_ten_thousand_tasks_done_and_for_few_and_for_a_million(clock: SimulatedClock) -> None:
    def requests(count: int, done: int) -> int:
        counted = CountingTable(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock))
        bench = Bench(make_farm(counted, clock, limits=Limits(most_shards=1)), clock)
        job = bench.submit({"count": count})
        worker = bench.worker()
        for _ in range(done // 1000):
            for assignment in bench.claim(worker, slots=1_000):
                bench.report(assignment)
        events.tasks_changed(bench.farm, [assignment.task.id for assignment in bench.claim(worker, slots=5)])
        shown, step = bench.job(job), bench.farm.jobs.steps(job.id)[0]
        counted.requests.clear()
        found = strips.strip(bench.farm, shown, step)
        assert sum(found.buckets, Counter()) == {"completed": done, "active": 5, "queued": count - done - 5}
        return counted.requests.total()

    assert requests(12_000, 10_000) == requests(12_000, 1_000)
    assert requests(MILLION, 1_000) <= requests(12_000, 1_000) + 2 * 20, "one partition for 51,200 tasks"
