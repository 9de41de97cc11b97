"""Failures: tried elsewhere, blocked after three, and final when nobody is left who may try."""

from __future__ import annotations

from chalicelib.core import jobs, workers
from chalicelib.core.model import Job
from chalicelib.edge import hexids
from tests.dialects.flamenco2.conftest import Flamenco, Site


def shown_status(site: Site, worker: Flamenco, task_id: str) -> str:
    """As a worker is told it."""
    reason = str(worker.get(f"/may-i-run/{task_id}").json().get("reason", "active"))
    return reason.rpartition(" ")[2]


def test_with_only_one_worker_able_a_failure_is_final_at_once(site: Site) -> None:
    job = site.submit()
    only = site.worker()
    site.worker("debug", nickname="cannot")
    task = only.take()
    only.fail(task, "blender crashed")
    assert site.statuses(job) == ["failed"]
    assert site.task(task["_id"]).error == "blender crashed (no other worker may try it)"
    assert jobs.get(site.farm, job.id).status == "failed"


def test_with_another_able_worker_it_is_soft_failed_and_tried_there(site: Site) -> None:
    site.submit()
    one = site.worker(nickname="one")
    other = site.worker(nickname="other")
    other.post("/sign-off")  # also one that is offline counts
    task = one.take()
    one.fail(task)
    assert shown_status(site, one, task["_id"]) == "soft-failed"
    again = other.take()
    assert again["_id"] == task["_id"]
    assert again["failed_by_workers"] == [{"id": one.id, "identifier": "127.0.0.1 (one)"}]
    other.says(again, "completed")
    assert site.task(task["_id"]).status == "completed"


def test_a_worker_never_gets_a_task_that_it_failed(site: Site) -> None:
    site.submit()
    one = site.worker(nickname="one")
    other = site.worker(nickname="other")
    other.post("/sign-off")
    one.fail(one.take())
    site.clock.ahead_ms += 1_000_000  # however long the other stays away
    assert one.ask() is None


def test_what_fails_on_three_workers_has_failed(site: Site) -> None:
    job = site.submit(max_retries=10)
    crew = [site.worker(nickname=f"n{n}") for n in range(4)]
    for number, worker in enumerate(crew[:3], start=1):
        worker.fail(worker.take())
        assert site.statuses(job) == ["queued" if number < 3 else "failed"]


def test_our_own_workers_count_as_able(site: Site) -> None:
    job = site.submit()
    workers.register(site.farm, workers.Description("native", task_types=("sleep",)), with_secret=True)
    worker = site.worker()
    worker.fail(worker.take())
    assert site.statuses(job) == ["queued"]


def fail_on(worker: Flamenco, times: int) -> None:
    for _ in range(times):
        worker.fail(worker.take())


def blacklist(site: Site, worker: Flamenco) -> list[dict[str, str]]:
    """Without the time at which each line was made."""
    lines: list[dict[str, str]] = site.seen(worker).get("blacklist", [])
    assert all(line.pop("_created").startswith("20") for line in lines)
    return lines


def line(job: Job, worker: Flamenco) -> dict[str, str]:
    return {"worker_id": worker.id, "job_id": hexids.hex_of(job.id), "task_type": "sleep"}


def test_after_three_failures_in_a_job_the_worker_is_blocked_for_it_until_a_person_says_otherwise(site: Site) -> None:
    job = site.submit(6)
    bad, good = site.worker(nickname="bad"), site.worker(nickname="good")
    fail_on(bad, 2)
    assert blacklist(site, bad) == []
    fail_on(bad, 1)
    assert blacklist(site, bad) == [line(job, bad)]
    assert bad.ask() is None
    other_job = site.submit()
    other = bad.take()
    assert other["job"] == hexids.hex_of(other_job.id)
    bad.says(other, "completed")
    form = {"action": "forget-blacklist-line", "job_id": hexids.hex_of(job.id), "task_type": "sleep"}
    assert site.post(f"/worker-action/{bad.id}", data=form).status_code == 204
    assert blacklist(site, bad) == [] and bad.take()["job"] == hexids.hex_of(job.id)
    assert good.ask() is not None


def test_when_the_last_worker_is_blocked_what_failed_before_has_failed(site: Site) -> None:
    job = site.submit(6, max_retries=10)
    one, other = site.worker(nickname="one"), site.worker(nickname="other")
    fail_on(one, 3)
    assert sorted(set(site.statuses(job))) == ["queued"]
    fail_on(other, 2)  # the best two of those that one has failed: nobody is left for them
    assert site.statuses(job).count("failed") == 2
    fail_on(other, 1)
    assert blacklist(site, other) == [line(job, other)]
    assert site.statuses(job) == ["failed"] * 3 + ["queued"] * 3


def test_failing_twice_does_not_count_twice(site: Site) -> None:
    job = site.submit()
    one = site.worker(nickname="one")
    site.worker(nickname="other")
    task = one.take()
    one.fail(task)
    one.fail(task)  # the answer got lost, so it is sent again
    [found] = site.tasks(job)
    assert (found.failures, len(found.attempts)) == (1, 1)
