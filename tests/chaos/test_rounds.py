"""Two rounds with every run of the suite, one of them on a table like DynamoDB; `./millrace chaos` plays hundreds."""

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
