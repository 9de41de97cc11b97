"""The farm over time, for the Farm page and for Prometheus."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from chalicelib.core import sweeping, workers
from chalicelib.core.lifecycle import Outcome
from tests.api.bench import Bench


def busy(bench: Bench) -> None:
    """One task ended well, one failed, one runs, two wait."""
    worker, _ = bench.worker()
    workers.contact(bench.farm, worker, wants_work=True)
    bench.job({"count": 5})
    done, broken, running = bench.take(worker), bench.take(worker), bench.take(worker)
    bench.end(done)
    bench.end(broken, Outcome.FAILED, "it broke")
    bench.hear(done, broken, running)
    sweeping.sweep(bench.farm)


def test_a_chart_gets_its_points(bench: Bench) -> None:
    assert bench.get("/statistics") == {"seconds_per_point": 60, "points": []}
    busy(bench)
    told = bench.get("/statistics?minutes=5")
    [point] = told["points"]
    assert told["seconds_per_point"] == 60 and point["at"].endswith(":00.000Z")
    assert (point["tasks"]["queued"], point["tasks"]["active"], point["tasks"]["completed"]) == (3, 1, 1)
    assert (point["busy_workers"], point["idle_workers"], point["workers"]) == (1, 0, {"awake": 1})
    assert point["ended"] == {"completed": 1, "failed": 1}
    assert [failure["count"] for failure in point["failures_by_worker"]] == [1]
    assert point["failures_by_reason"] == [{"reason": "exit code 1", "count": 1}]
    assert bench.get("/statistics?minutes=43200")["seconds_per_point"] == 3600


@pytest.mark.parametrize("query", ["minutes=0", "minutes=43201", "minutes=x", "hours=1"])
def test_a_wrong_span_is_named(bench: Bench, query: str) -> None:
    refused = bench.call("GET", f"/statistics?{query}")
    assert (refused.status, refused.json["field"]) == (400, query.partition("=")[0])


def test_prometheus_can_read_the_metrics(bench: Bench) -> None:
    busy(bench)
    bench.clock.advance(2_000)
    answer = bench.call("GET", "/metrics")
    assert answer.kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    tasks = {sample.labels["status"]: sample.value for sample in families["millrace_tasks"].samples}
    assert tasks == {
        "waiting": 0,
        "queued": 3,
        "active": 1,
        "paused": 0,
        "completed": 1,
        "failed": 0,
        "canceled": 0,
    }
    values = {name: family.samples[0].value for name, family in families.items()}
    assert values["millrace_busy_workers"] == 1
    assert values["millrace_sweep_age_seconds"] >= 2
    assert all(family.documentation and family.type == "gauge" for family in families.values())


def test_a_farm_that_nobody_sweeps_says_nothing_old(bench: Bench) -> None:
    busy(bench)
    bench.clock.advance(600_000)
    families = [family.name for family in text_string_to_metric_families(bench.call("GET", "/metrics").body.decode())]
    assert families == ["millrace_farm"]
