"""The tasks of a step as a strip, as clients of `/api/v1` see it. That it is right: `tests/core/test_strips.py`."""

from __future__ import annotations

import pytest

from tests.api.bench import Bench


def test_a_strip_tells_statuses_by_the_bucket_and_leads_to_the_tasks(bench: Bench) -> None:
    job = bench.job({"count": 300}, {"count": 5, "after": [0]})
    worker, _ = bench.worker()
    bench.end(bench.take(worker))
    told = bench.get(f"/jobs/{job.id}/strip?size=200")
    [first, *_] = bench.get(f"/jobs/{job.id}/tasks?limit=1")["items"]
    assert told == {
        "step": 0,
        "count": 300,
        "first": 0,
        "first_task": first["id"],
        "size": 200,
        "buckets": [{"completed": 1, "queued": 199}, {"queued": 100}],
        "next": None,
        "cursor": "0.0",
    }


def test_a_part_of_a_strip_has_its_own_place_in_the_list(bench: Bench) -> None:
    job = bench.job({"count": 300})
    told = bench.get(f"/jobs/{job.id}/strip?first=120&last=122")
    assert told["buckets"] == [{"queued": 1}, {"queued": 1}]
    [there, *_] = bench.get(f"/jobs/{job.id}/tasks?limit=1&cursor={told['cursor']}")["items"]
    assert (there["name"], there["id"]) == ("0/120", told["first_task"])


def test_a_step_that_is_not_open_is_empty_and_one_that_is_not_there_is_said_so(bench: Bench) -> None:
    job = bench.job({"count": 3}, {"count": 5, "after": [0]})
    told = bench.get(f"/jobs/{job.id}/strip?step=1")
    assert (told["count"], told["buckets"], told["next"]) == (0, [], None)
    missing = bench.call("GET", f"/jobs/{job.id}/strip?step=2")
    assert missing.status == 404 and "has 2 steps" in missing.json["detail"]


@pytest.mark.parametrize("query", ["step=-1", "step=x", "first=x", "last=0", "size=-1", "buckets=5"])
def test_what_is_wrong_is_named(bench: Bench, query: str) -> None:
    job = bench.job()
    refused = bench.call("GET", f"/jobs/{job.id}/strip?{query}")
    assert refused.status == 400 and refused.json["field"] == query.partition("=")[0]
