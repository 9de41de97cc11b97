"""What a farm costs: from measured calls, and as docs/cost.md says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalicelib.core.farm import Limits
from deploy import __main__ as deploy
from deploy import costing
from deploy.costs import CALLS, NOTHING, PROTOCOL_CALLS, Costs, Prices, Protocol, Setup
from tests.bench import protocols
from tests.bench import requests as measuring
from tests.bench.metered_farm import as_json

ROOT = Path(__file__).parents[2]


def test_the_calls_cost_what_is_counted_with() -> None:
    """If not: run `python -m tests.bench.requests`, and put what `python -m deploy.costing` prints into the page."""
    assert as_json(measuring.bills(measuring.MANY)) == json.loads(CALLS.read_text())


def test_the_page_shows_what_is_computed() -> None:
    page = (ROOT / "docs" / "cost.md").read_text()
    assert costing.page() in page
    assert costing.protocols_table() in page
    assert costing.intervals_table() in page


def test_the_calls_of_older_protocols_cost_what_is_counted_with() -> None:
    """If not: run `python -m tests.bench.protocols`, and put what `python -m deploy.costing` prints into the page."""
    assert as_json(protocols.bills()) == json.loads(PROTOCOL_CALLS.read_text())


def test_a_task_through_another_protocol_costs_its_calls_and_those_while_it_runs() -> None:
    calls = {name: {"requests": 1, "read_units": 0, "write_units": 0} for name in ("begin", "beat")}
    costs = Costs(Setup(), calls)
    protocol = Protocol("one", (("begin", 2),), (("beat", 10.0),), idle=("beat", 10.0))
    assert costs.tasks_of(protocol, 3, 35) == pytest.approx(3 * (2 + 3) * costs.call("begin"))
    assert costs.idle_of(protocol, 1) == pytest.approx(8640 * costs.call("beat"))


def test_a_call_costs_its_doors_its_lambda_and_its_units() -> None:
    prices = Prices(gateway_per_million=3, cloudfront_per_million=1, lambda_per_million=0.5, lambda_per_gb_second=0)
    calls = {NOTHING: {"requests": 2, "read_units": 4, "write_units": 2}}
    setup = Setup(prices=prices, limits=Limits(poll_idle_seconds=10))
    assert Costs(setup, calls).call(NOTHING) * 1e6 == pytest.approx(3 + 1 + 0.5 + 4 * 0.125 + 2 * 0.625)


def test_half_the_interval_is_twice_the_calls() -> None:
    costs = [Costs(Setup(limits=Limits(poll_idle_seconds=seconds))).idle_workers(10) for seconds in (5, 10)]
    assert 1.9 < costs[0] / costs[1] < 2


def test_the_command_prints_a_sum(capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["cost", "--workers", "5", "--tasks", "1000", "--door", "url"]) == 0
    assert "Together" in capsys.readouterr().out


def test_the_command_knows_the_workers_of_other_protocols(capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["cost", "--protocol", "transcode", "--workers", "5", "--tasks", "1000"]) == 0
    assert "Calls to workers" in capsys.readouterr().out
    assert deploy.main(["cost", "--protocol", "smoke signals"]) == 2


def test_an_impossible_size_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["cost", "--workers", "-1"]) == 2
    assert "--workers" in capsys.readouterr().err
