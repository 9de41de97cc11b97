"""How long ended jobs are kept: for ever, unless an operator says otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core import hooks, jobs, retention, sweeping
from tests.api.bench import Bench

DAY = 86_400_000


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
    assert bench.get("/retention") == {"ended_jobs_days": None}
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
    assert (set_.status, set_.json) == (200, {"ended_jobs_days": 30})
    sweeping.sweep(bench.farm)
    assert names(bench) == ["long", "new", "open"]
    bench.clock.advance(31 * DAY)
    sweeping.sweep(bench.farm)
    assert names(bench) == ["open"]
    assert bench.call("PUT", "/retention", {"ended_jobs_days": None}).json == {"ended_jobs_days": None}


def test_many_go_a_part_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MOST_AT_ONCE", 2)
    for n in range(5):
        jobs.cancel(bench.farm, bench.job(name=f"job {n}").id)
    bench.clock.advance(2 * DAY)
    retention.write(bench.farm, 1)
    assert [retention.prune(bench.farm) for _ in range(4)] == [2, 2, 1, 0]
    assert names(bench) == []


def test_a_job_that_is_retried_meanwhile_stays(bench: Bench) -> None:
    job = bench.job()
    jobs.cancel(bench.farm, job.id)
    hooks.create(bench.farm, "https://example.org/", ["job.failed"], job=job.id)
    bench.clock.advance(2 * DAY)
    found = list(retention.aged(bench.farm, 1))
    jobs.retry(bench.farm, job.id)
    assert [each.id for each in found] == [job.id]
    retention.write(bench.farm, 1)
    assert retention.prune(bench.farm) == 0 and len(names(bench)) == 1


@pytest.mark.parametrize("body", [{}, {"ended_jobs_days": 0}, {"ended_jobs_days": 4000}, {"ended_jobs_days": "30"}])
def test_a_wrong_retention_is_named_and_nothing_changes(bench: Bench, body: dict[str, Any]) -> None:
    refused = bench.call("PUT", "/retention", body)
    assert (refused.status, refused.json["field"]) == (400, "ended_jobs_days")
    assert bench.get("/retention") == {"ended_jobs_days": None}
