"""What operators say of job types, through `/api/v1/retry-policies`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.bench import Bench

RULES = {"211": {"delay_seconds": 300, "counted": False}}


def test_what_is_said_is_shown_and_counts_for_new_jobs(bench: Bench) -> None:
    assert bench.get("/retry-policies") == {"policies": {}}
    said = {"max_retries": 4, "exit_codes": RULES, "max_seconds": 3600}
    put = bench.call("PUT", "/retry-policies/ladder", said)
    assert put.status == 200
    policy = bench.get("/retry-policies")["policies"]["ladder"]
    assert (policy["max_retries"], policy["max_seconds"], policy["idle_seconds"]) == (4, 3600, None)
    assert policy["exit_codes"] == {"211": {"action": "retry", "delay_seconds": 300, "counted": False}}
    job = bench.post("/jobs", {"name": "a", "type": "ladder", "settings": {"rungs": [{"count": 1}]}})
    assert bench.farm.jobs.get(int(job["id"])).max_retries == 4  # type: ignore[union-attr]
    told = bench.post("/jobs", {"name": "a", "type": "ladder", "settings": {"rungs": [{"count": 1}]}, "max_retries": 3})
    assert bench.farm.jobs.get(int(told["id"])).max_retries == 3  # type: ignore[union-attr]


def test_it_is_replaced_as_a_whole_and_forgotten(bench: Bench) -> None:
    bench.call("PUT", "/retry-policies/ladder", {"max_retries": 4})
    bench.call("PUT", "/retry-policies/ladder", {"delay_seconds": 60})
    policy = bench.get("/retry-policies")["policies"]["ladder"]
    assert (policy["max_retries"], policy["delay_seconds"]) == (None, 60)
    assert bench.call("DELETE", "/retry-policies/ladder").status == 204
    assert bench.call("DELETE", "/retry-policies/ladder").status == 404
    assert bench.get("/retry-policies") == {"policies": {}}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"max_retries": 101}, "max_retries"),
        ({"delay_seconds": -1}, "delay_seconds"),
        ({"idle_seconds": 3}, "idle_seconds"),
        ({"attempts": 3}, "attempts"),
    ],
)
def test_what_makes_no_sense_is_refused(bench: Bench, said: dict[str, Any], field: str) -> None:
    refused = bench.call("PUT", "/retry-policies/ladder", said)
    assert (refused.status, refused.json["field"]) == (400, field)
    unknown = bench.call("PUT", "/retry-policies/nonsense", {})
    assert unknown.status == 404 and "this farm knows" in unknown.json["detail"]
