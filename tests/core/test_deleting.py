"""A deleted job is gone at once for everybody, and soon from the table, whoever dies over it."""

from __future__ import annotations

import pytest

from chalicelib.core import jobs, logs, sweeping, tasks
from chalicelib.core.errors import NotFound
from chalicelib.core.farm import Limits
from chalicelib.core.records.keys import INDEXES
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import Crash, SimulatedClock, SimulatedTable

Place = tuple[str, str]
OF_A_JOB = {"JOB", "TASKS", "WINDOWS", "CURSOR", "SPANS"}


def bench_on(table: SimulatedTable, clock: SimulatedClock) -> Bench:
    return Bench(make_farm(table, clock, limits=Limits(shard_tasks=100)), clock)


def ended_job(bench: Bench) -> int:
    """Large and small steps, begun and unbegun windows."""
    job = bench.submit({"count": 400}, {"count": 3})
    for assignment in bench.claim(bench.worker(), slots=110):
        bench.report(assignment)
    jobs.cancel(bench.farm, job.id)
    return job.id


def kinds_of(places: set[Place]) -> set[str]:
    return {pk.partition("#")[0] for pk, _ in places}


def places(table: SimulatedTable) -> set[Place]:
    return {(item["pk"], item["sk"]) for item in table.items()}


def test_a_deleted_job_leaves_nothing(clock: SimulatedClock) -> None:
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
    bench = bench_on(table, clock)
    job_id = ended_job(bench)
    step, *_ = bench.farm.jobs.steps(job_id)
    jobs.delete(bench.farm, job_id)
    assert not kinds_of(places(table)) & OF_A_JOB
    assert tasks.find(bench.farm, step.base) is None and tasks.find(bench.farm, step.base + 399) is None


def test_who_dies_over_it_leaves_the_rest_to_the_sweep() -> None:
    for point in range(0, 150, 6):
        clock = SimulatedClock()
        table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
        bench = bench_on(table, clock)
        job_id = ended_job(bench)
        table.crash_at = table.points + 2 + point  # the job has been read
        try:
            jobs.delete(bench.farm, job_id)
        except Crash:
            table.calm()
            hidden = bench.farm.jobs.get(job_id) is None
            assert hidden == (bench.farm.jobs.page(None, 10, None)[0] == [])
            if hidden:
                sweeping.sweep(bench.farm)
            else:
                jobs.delete(bench.farm, job_id)
        assert not kinds_of(places(table)) & OF_A_JOB


def test_nothing_can_be_done_with_a_job_that_is_going(bench: Bench) -> None:
    job_id = ended_job(bench)
    assert bench.farm.jobs.hide(jobs.get(bench.farm, job_id))
    assert bench.farm.jobs.page(None, 10, None) == ([], None)
    for deed in (jobs.get, jobs.retry, jobs.delete):
        with pytest.raises(NotFound):
            deed(bench.farm, job_id)


def test_what_tasks_wrote_goes_with_their_job_and_nothing_else_does(bench: Bench) -> None:
    worker = bench.worker()
    kept, gone = bench.submit({"count": 3}), bench.submit({"count": 130}, {"count": 2, "after": [0]})
    while given := bench.claim(worker, slots=50):
        for one in given:
            logs.append(bench.farm, one.task, worker.id, one.lease.generation, 0, b"some words\n")
            bench.report(one)
    assert len(bench.farm.objects.list("logs/")) == 135
    jobs.delete(bench.farm, gone.id)
    owners = {int(head.key.split("/")[1]) for head in bench.farm.objects.list("logs/")}
    assert owners == {task.id for task in bench.tasks(kept)}


def test_all_that_was_kept_of_a_job_goes_with_it(bench: Bench) -> None:
    """More than a listing of the store names at once."""
    job = bench.submit()
    jobs.cancel(bench.farm, job.id)
    for number in range(1_003):
        bench.farm.objects.put(f"jobs/{job.id}/{number}", b"x")
    jobs.delete(bench.farm, job.id)
    assert bench.farm.objects.list("jobs/") == []


def test_logs_of_tasks_whose_ids_have_different_lengths_go_too(bench: Bench) -> None:
    for task in (8, 9, 10, 11, 12, 99, 100, 110):
        bench.farm.objects.put(f"logs/{task}/000001/0", b"x")
    logs.remove(bench.farm, 9, 11)
    assert sorted(int(head.key.split("/")[1]) for head in bench.farm.objects.list("logs/")) == [8, 12, 99, 100, 110]
