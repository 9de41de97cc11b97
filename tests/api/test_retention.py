"""How long ended jobs are kept: for ever, unless an operator says otherwise."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chalicelib.core import blobs, hooks, jobs, retention, sweeping
from tests.api.bench import Bench

DAY = 86_400_000
FOR_EVER = {"ended_jobs_days": None, "content_days": None}


def names(bench: Bench) -> list[str]:
    return sorted(job["name"] for job in bench.get("/jobs")["items"])


def some_jobs(bench: Bench) -> None:
    """One ended long ago, one was begun long ago and ended today, one runs since, one ended today."""
    old, long = bench.job(name="old"), bench.job(name="long")
    bench.job(name="open")
    jobs.cancel(bench.farm, old.id)
    bench.clock.advance(40 * DAY)
    jobs.cancel(bench.farm, long.id)
    jobs.cancel(bench.farm, bench.job(name="new").id)


def test_nothing_is_deleted_unless_somebody_says_so(bench: Bench) -> None:
    some_jobs(bench)
    bench.clock.advance(400 * DAY)
    sweeping.sweep(bench.farm)
    assert bench.get("/retention") == FOR_EVER
    assert names(bench) == ["long", "new", "old", "open"]


def test_a_preview_names_what_would_go_and_deletes_nothing(bench: Bench) -> None:
    some_jobs(bench)
    told = bench.get("/retention/preview?ended_jobs_days=30")
    assert (told["count"], [job["name"] for job in told["jobs"]]) == (1, ["old"])
    assert bench.get("/retention/preview?ended_jobs_days=41")["count"] == 0
    sweeping.sweep(bench.farm)
    assert names(bench) == ["long", "new", "old", "open"]


def test_the_sweep_deletes_what_is_too_old_and_open_jobs_never(bench: Bench) -> None:
    some_jobs(bench)
    set_ = bench.call("PUT", "/retention", {"ended_jobs_days": 30})
    assert (set_.status, set_.json) == (200, FOR_EVER | {"ended_jobs_days": 30})
    sweeping.sweep(bench.farm)
    assert names(bench) == ["long", "new", "open"]
    bench.clock.advance(31 * DAY)
    sweeping.sweep(bench.farm)
    assert names(bench) == ["open"]
    assert bench.call("PUT", "/retention", {"ended_jobs_days": None}).json == FOR_EVER


def test_many_go_a_part_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MOST_AT_ONCE", 2)
    for n in range(5):
        jobs.cancel(bench.farm, bench.job(name=f"job {n}").id)
    bench.clock.advance(2 * DAY)
    assert [retention.prune(bench.farm, 1) for _ in range(4)] == [2, 2, 1, 0]
    assert names(bench) == []


def test_a_job_that_is_retried_meanwhile_stays(bench: Bench) -> None:
    job = bench.job()
    jobs.cancel(bench.farm, job.id)
    hooks.create(bench.farm, "https://example.org/", ["job.failed"], job=job.id)
    bench.clock.advance(2 * DAY)
    found = list(retention.aged(bench.farm, 1))
    jobs.retry(bench.farm, job.id)
    assert [each.id for each in found] == [job.id]
    assert retention.prune(bench.farm, 1) == 0 and len(names(bench)) == 1


@pytest.mark.parametrize("body", [{}, {"ended_jobs_days": 0}, {"ended_jobs_days": 4000}, {"ended_jobs_days": "30"}])
def test_a_wrong_retention_is_named_and_nothing_changes(bench: Bench, body: dict[str, Any]) -> None:
    refused = bench.call("PUT", "/retention", body)
    assert (refused.status, refused.json["field"]) == (400, "ended_jobs_days")
    assert bench.get("/retention") == FOR_EVER


def test_what_is_not_named_stays_as_it_is(bench: Bench) -> None:
    bench.call("PUT", "/retention", {"ended_jobs_days": 9})
    assert bench.call("PUT", "/retention", {"content_days": 30}).json == {"ended_jobs_days": 9, "content_days": 30}
    bench.call("PUT", "/retention", {"ended_jobs_days": None})
    assert bench.get("/retention") == {"ended_jobs_days": None, "content_days": 30}
    for wrong in (0, 4000, "30"):
        refused = bench.call("PUT", "/retention", {"content_days": wrong})
        assert (refused.status, refused.json["field"]) == (400, "content_days")
    assert bench.get("/retention")["content_days"] == 30


def test_files_of_deleted_jobs_go_by_themselves_where_that_is_said(bench: Bench) -> None:
    """On one machine, from file to file: the sweep does it."""
    bench.clock.advance(int(time.time() * 1000) - bench.clock.now())  # the files are as old as the machine says
    needed, lost = (blobs.store_bytes(bench.farm, name) for name in (b"needed", b"lost"))
    for blob in (needed, lost):
        settings = {"code": str(blob.id), "input": str(blob.id), "runtime": "python3"}
        job = jobs.submit(bench.farm, jobs.Submission("a job", "function", settings))
    jobs.cancel(bench.farm, job.id)
    jobs.delete(bench.farm, job.id)

    def there() -> list[bool]:
        return [bench.farm.objects.head(blob.object_key) is not None for blob in (needed, lost)]

    bench.clock.advance(100 * DAY)
    sweeping.sweep(bench.farm)
    assert there() == [True, True]
    bench.call("PUT", "/retention", {"content_days": 300})
    sweeping.sweep(bench.farm)
    assert there() == [True, True]
    bench.call("PUT", "/retention", {"content_days": 30})
    sweeping.sweep(bench.farm)
    assert there() == [True, True], "once a day"
    bench.clock.advance(DAY)
    sweeping.sweep(bench.farm)
    assert there() == [True, False]
    assert bench.farm.objects.list("collections/") == []
