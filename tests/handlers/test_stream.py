"""DynamoDB's stream does what a call left undone, however often and in whatever order its records come."""

from __future__ import annotations

import itertools

from chalicelib.core import jobs
from tests.engines.simulated import Faults
from tests.handlers.conftest import AwsBench, changes, deliver, failures


def test_what_a_crash_left_undone_is_done(bench: AwsBench) -> None:
    job = bench.submit({"count": 1}, {"count": 2, "after": [0]})
    worker = bench.worker()
    ended = bench.dies_after_the_end_of(bench.take(worker))
    assert bench.claim(worker) == []
    assert failures(deliver("table_changed", changes(ended))) == []
    assert bench.work_off(worker) == 2
    assert bench.job(job).status == "completed"


def test_a_claim_makes_the_job_active(bench: AwsBench) -> None:
    job = bench.submit({"count": 2})
    claimed = bench.take(bench.worker())
    deliver("table_changed", changes(claimed.task, before="queued"))
    assert (bench.job(job).status, bench.job(job).counts["active"]) == ("active", 1)


def test_records_may_come_in_any_order_and_twice(bench: AwsBench) -> None:
    for order in itertools.permutations(range(3)):
        job = bench.submit({"count": 3})
        given = bench.claim(bench.worker(), slots=3)
        ended = [bench.dies_after_the_end_of(assignment) for assignment in given]
        for position in [*order, *order]:
            assert failures(deliver("table_changed", changes(ended[position]))) == []
        assert (bench.job(job).status, bench.counts(job)) == ("completed", {"completed": 3})


def test_a_batch_that_comes_again_changes_nothing(bench: AwsBench) -> None:
    job = bench.submit({"count": 3}, {"count": 1, "after": [0]})
    event = changes(*(bench.dies_after_the_end_of(one) for one in bench.claim(bench.worker(), slots=3)))
    deliver("table_changed", event)
    before = bench.states(job)
    deliver("table_changed", event)
    assert bench.states(job) == before


def test_a_record_that_comes_after_a_retry_does_not_end_the_task_again(bench: AwsBench) -> None:
    job = bench.submit({"count": 2}, max_retries=0)
    worker = bench.worker()
    failed = bench.fail(bench.take(worker))
    bench.report(bench.take(worker))
    late = changes(failed)
    jobs.retry(bench.farm, job.id)
    before = bench.tasks(job), bench.windows(job)
    deliver("table_changed", late)
    assert (bench.tasks(job), bench.windows(job)) == before
    assert bench.work_off(worker) == 1
    assert bench.job(job).status == "completed"


def test_a_record_of_a_deleted_job_is_nothing(bench: AwsBench) -> None:
    job = bench.submit({"count": 1})
    bench.work_off(bench.worker())
    event = changes(*bench.tasks(job))
    jobs.delete(bench.farm, job.id)
    assert failures(deliver("table_changed", event)) == []


def test_renewals_cost_no_request(bench: AwsBench) -> None:
    bench.submit({"count": 1})
    claimed = bench.take(bench.worker())
    before = bench.table.points
    deliver("table_changed", changes(claimed.task, before="active"))
    assert bench.table.points == before


def test_what_is_deleted_is_passed_over(bench: AwsBench) -> None:
    bench.submit({"count": 1})
    event = changes(bench.take(bench.worker()).task)
    del event["Records"][0]["dynamodb"]["NewImage"]
    event["Records"][0]["eventName"] = "REMOVE"
    assert failures(deliver("table_changed", event)) == []


def test_only_the_first_bad_record_is_asked_for_again(bench: AwsBench) -> None:
    """Lambda takes up a stream again from there."""
    job = bench.submit({"count": 3})
    event = changes(*(bench.dies_after_the_end_of(one) for one in bench.claim(bench.worker(), slots=3)))
    event["Records"][1]["dynamodb"]["Keys"]["sk"]["S"] = "no number"
    assert failures(deliver("table_changed", event)) == ["2"]
    assert bench.counts(job)["completed"] == 1


def test_a_table_that_is_away_loses_nothing(bench: AwsBench) -> None:
    job = bench.submit({"count": 1})
    event = changes(bench.dies_after_the_end_of(bench.take(bench.worker())))
    bench.table.faults = Faults(unreadable=1.0)
    assert failures(deliver("table_changed", event)) == ["1"]
    bench.table.calm()
    assert failures(deliver("table_changed", event)) == []
    assert bench.job(job).status == "completed"
