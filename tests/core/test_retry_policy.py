"""What a failure means: when a task is tried again, what its exit code says, and what it costs."""

from __future__ import annotations

from typing import Any

from chalicelib.core import events, jobs, leases, sweeping, tasks, why_waiting
from chalicelib.core.lifecycle import JobStatus, Outcome, TaskStatus
from chalicelib.core.model import Assignment, Job, Task, Worker
from chalicelib.core.retry_policy import TypePolicy, policy_from
from tests.core.conftest import Bench, make_farm

LICENCE, BROKEN = 211, 3
RULES: dict[str, Any] = {
    "delay_seconds": 0,
    "exit_codes": {
        "211": {"action": "retry", "delay_seconds": 300, "counted": False},
        "3": {"action": "fail", "delay_seconds": 0, "counted": True},
    },
}


def submitted(bench: Bench, retry: dict[str, Any] | None, **wanted: Any) -> Job:
    return bench.submit({"count": 1}, retry=retry, **wanted)


def failed(bench: Bench, given: Assignment, exit_code: int | None = 1) -> Task:
    said = leases.Report(Outcome.FAILED, exit_code, "it failed")
    return leases.report(bench.farm, given.lease.worker, given.task.id, given.lease.generation, said)


def pass_time(bench: Bench, seconds: float) -> None:
    """Until the next sweep is through."""
    bench.clock.advance(round(seconds * 1000))
    sweeping.sweep(bench.farm)


def test_without_a_policy_a_failure_is_tried_again_at_once(bench: Bench) -> None:
    submitted(bench, None)
    worker = bench.worker()
    failed(bench, bench.take(worker))
    assert bench.take(worker).lease.generation == 2


def test_a_delayed_task_waits_and_then_comes_back(bench: Bench) -> None:
    job = submitted(bench, {"delay_seconds": 60, "exit_codes": {}})
    worker = bench.worker()
    task = failed(bench, bench.take(worker))
    assert (task.status, task.failures) == (TaskStatus.WAITING, 1)
    pass_time(bench, 59)
    assert bench.claim(worker) == []
    [reason] = why_waiting.of_task(bench.farm, tasks.get(bench.farm, task.id))
    assert "tried again in 1 s" in reason.text
    pass_time(bench, 2)
    again = bench.take(worker)
    bench.report(again)
    assert jobs.get(bench.farm, job.id).status is JobStatus.COMPLETED


def test_a_look_into_every_task_does_not_bring_it_back_early(bench: Bench) -> None:
    submitted(bench, {"delay_seconds": 600, "exit_codes": {}})
    worker = bench.worker()
    failed(bench, bench.take(worker))
    sweeping.sweep(bench.farm, thorough=True)
    assert bench.claim(worker) == []


def test_a_licence_that_is_in_use_costs_no_retry_and_is_not_held_against_the_worker(bench: Bench) -> None:
    job = submitted(bench, RULES, max_retries=0)
    worker = bench.worker()
    for _ in range(5):
        task = failed(bench, bench.take(worker), LICENCE)
        assert (task.status, task.failures, task.excluded) == (TaskStatus.WAITING, 0, frozenset())
        pass_time(bench, 301)
    assert not bench.farm.workers.get(worker.id).blocked  # type: ignore[union-attr]
    task = failed(bench, bench.take(worker), 1)
    assert task.status is TaskStatus.FAILED and len(task.attempts) == 6
    assert jobs.get(bench.farm, job.id).status is JobStatus.FAILED


def test_an_exit_code_may_be_final(bench: Bench) -> None:
    submitted(bench, RULES, max_retries=9)
    task = failed(bench, bench.take(bench.worker()), BROKEN)
    assert (task.status, task.failures) == (TaskStatus.FAILED, 1)


def test_a_machine_that_went_away_is_no_exit_code(bench: Bench) -> None:
    """A lost lease is tried again at once, by whoever is there."""
    submitted(bench, {"delay_seconds": 600, "exit_codes": {}})
    lost: Worker = bench.worker("lost")
    bench.take(lost)
    pass_time(bench, 1000)
    assert bench.take(bench.worker("other")).lease.generation == 2


def test_a_job_that_is_canceled_or_paused_takes_its_delayed_tasks_along(bench: Bench) -> None:
    for decide, status in ((jobs.cancel, TaskStatus.CANCELED), (jobs.pause, TaskStatus.PAUSED)):
        job = submitted(bench, {"delay_seconds": 60, "exit_codes": {}})
        task = failed(bench, bench.take(bench.worker()))
        decide(bench.farm, job.id)
        pass_time(bench, 61)
        assert tasks.get(bench.farm, task.id).status is status
    jobs.resume(bench.farm, job.id)
    assert bench.take(bench.worker()).task.id == task.id


def test_nothing_is_left_to_come_due(bench: Bench) -> None:
    submitted(bench, {"delay_seconds": 60, "exit_codes": {}})
    worker = bench.worker()
    failed(bench, bench.take(worker))
    pass_time(bench, 61)
    bench.clock.advance(10**9)
    assert list(bench.farm.tasks.due(bench.clock.now())) == []


def test_a_delayed_task_shows_as_queued_in_the_counts_of_its_job(bench: Bench) -> None:
    job = submitted(bench, {"delay_seconds": 60, "exit_codes": {}})
    task = failed(bench, bench.take(bench.worker()))
    events.tasks_changed(bench.farm, [task.id])
    counts = jobs.progress(bench.farm, jobs.get(bench.farm, job.id)).counts
    assert (counts["queued"], counts["active"]) == (1, 0)


# ---- what is said of a job type


def say(bench: Bench, **said: Any) -> None:
    retry = {name: said.pop(name) for name in ("delay_seconds", "exit_codes") if name in said}
    bench.farm.type_policies.write("ladder", TypePolicy(policy_from(retry), **said))


def test_a_job_that_says_nothing_has_what_is_said_of_its_type(bench: Bench) -> None:
    say(bench, max_retries=1, exit_codes=RULES["exit_codes"], max_seconds=60, idle_seconds=20)
    job = submitted(bench, None)
    worker = bench.worker()
    assert job.max_retries == 1
    given = bench.take(worker)
    assert (given.task.work.max_seconds, given.task.work.idle_seconds) == (60, 20)
    task = failed(bench, given, LICENCE)
    assert (task.status, task.failures) == (TaskStatus.WAITING, 0)
    pass_time(bench, 301)
    failed(bench, bench.take(worker), BROKEN)
    assert jobs.get(bench.farm, job.id).status is JobStatus.FAILED


def test_tasks_of_a_large_step_have_the_times_of_their_type_too(bench: Bench) -> None:
    say(bench, max_seconds=60)
    bench.submit({"count": 500})
    assert bench.take(bench.worker()).task.work.max_seconds == 60


def test_what_a_job_says_itself_wins(bench: Bench) -> None:
    say(bench, max_retries=1, delay_seconds=100, exit_codes=RULES["exit_codes"])
    own = {"delay_seconds": 0, "exit_codes": {"3": {"action": "retry", "delay_seconds": 0, "counted": True}}}
    job = submitted(bench, own, max_retries=7)
    worker = bench.worker()
    assert job.max_retries == 7
    assert failed(bench, bench.take(worker), BROKEN).status is TaskStatus.QUEUED
    assert failed(bench, bench.take(worker), 1).status is TaskStatus.QUEUED
    assert failed(bench, bench.take(worker), LICENCE).status is TaskStatus.WAITING  # the job says nothing of that


def test_a_rule_that_is_made_when_the_licence_is_out_counts_for_jobs_under_way(bench: Bench) -> None:
    submitted(bench, None, max_retries=0)
    given = bench.take(bench.worker())
    say(bench, exit_codes=RULES["exit_codes"])
    assert failed(bench, given, LICENCE).status is TaskStatus.WAITING


def test_another_process_hears_of_it_within_seconds(bench: Bench) -> None:
    other = make_farm(bench.farm.table, bench.clock)
    assert other.type_policies.of("ladder").max_retries is None
    say(bench, max_retries=9)
    bench.clock.advance(2_500)
    assert other.type_policies.of("ladder").max_retries == 9
    bench.farm.type_policies.remove("ladder")
    bench.clock.advance(2_500)
    assert other.type_policies.of("ladder").max_retries is None
