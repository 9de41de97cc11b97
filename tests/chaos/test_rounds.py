"""Three rounds with every run of the suite, two of them on tables like DynamoDB; `./millrace chaos` plays hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.round import play


@pytest.mark.needs("flock")
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("seed", "faults"),
    [(101, 2), (102, 2), *(pytest.param(seed, 5, marks=pytest.mark.full) for seed in range(103, 112))],
)
def test_after_a_round_of_faults_every_promise_has_held(seed: int, faults: int, tmp_path: Path) -> None:
    outcome = play(seed, tmp_path / "round", faults=faults)
    assert outcome.found == []
    assert outcome.grants > 0


@pytest.mark.needs("flock")
@pytest.mark.timeout(400)
def test_also_where_dynamodb_does_a_part_of_a_batch_and_stops_in_the_middle_of_a_page(tmp_path: Path) -> None:
    outcome = play(202, tmp_path / "round", faults=2, dynamo=True)
    assert outcome.found == []
    assert outcome.grants > 0
    for what in ("batches in part", "short pages", "throttled", "conflicts"):
        assert outcome.faults[f"table: {what}"] > 0
