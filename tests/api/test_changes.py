"""What changed, as pages that stay open see it."""

from __future__ import annotations

import pytest

from chalicelib.core import jobs
from tests.api.bench import Bench


def test_a_page_begins_and_follows(bench: Bench) -> None:
    begun = bench.get("/changes")
    assert begun == {"jobs": [], "workers": [], "gone": [], "next": begun["next"], "poll_seconds": 0, "restart": False}
    job, (worker, _) = bench.job(), bench.worker("node7")
    told = bench.get(f"/changes?since={begun['next']}")
    assert told["jobs"] == bench.get("/jobs")["items"]
    assert [{**shown, "tasks": []} for shown in told["workers"]] == bench.get("/workers")["items"]
    assert told["poll_seconds"] == 2.0
    jobs.cancel(bench.farm, job.id)
    assert bench.call("DELETE", f"/jobs/{job.id}").status == 204
    told = bench.get(f"/changes?since={told['next']}")
    assert told["gone"] == [str(job.id)] and told["jobs"] == told["workers"] == []
    assert worker.name == "node7"


def test_many_tabs_of_a_browser_share_an_answer(bench: Bench) -> None:
    answer = bench.call("GET", "/changes")
    assert answer.headers["Cache-Control"] == "private, max-age=1"


def test_who_comes_after_days_is_told_to_begin_again(bench: Bench) -> None:
    begun = bench.get("/changes")["next"]
    bench.clock.advance(2 * 86_400_000)
    told = bench.get(f"/changes?since={begun}")
    assert told["restart"] is True and bench.get(f"/changes?since={told['next']}")["restart"] is False


@pytest.mark.parametrize(("query", "field"), [("since=", "since"), ("since=x", "since"), ("cursor=1", "cursor")])
def test_a_wrong_parameter_is_named(bench: Bench, query: str, field: str) -> None:
    refused = bench.call("GET", f"/changes?{query}")
    assert (refused.status, refused.json["field"]) == (400, field)


def test_a_closed_farm_tells_only_those_who_may_see_it(bench: Bench) -> None:
    bench.serve(auth="token")
    assert bench.call("GET", "/changes").status == 401
    assert bench.call("GET", "/changes", Authorization=f"Bearer {bench.token('submit')}").status == 200
