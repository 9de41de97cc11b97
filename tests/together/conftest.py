"""Farms of real processes: a quiet one that many tests share, and new ones for tests that kill."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millrace import Farm
from tests.together.ensemble import Ensemble
from tests.worker.processes import until

SHORT = {"lease": "3", "grace": "1", "lost_after": "3"}
"""Seconds; for tests in which leases run out."""
Found = Callable[..., Ensemble]


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Found]:
    """Found a farm of one's own: `found(lease="4")` sets MILLRACE_LEASE_SECONDS. Shows what was said at the end."""
    ensembles: list[Ensemble] = []

    def begin(*options: str, **seconds: str) -> Ensemble:
        variables = {f"MILLRACE_{name.upper()}_SECONDS": value for name, value in seconds.items()}
        ensembles.append(Ensemble(tmp_path / f"farm{len(ensembles)}", variables, options))
        return ensembles[-1].start()

    yield begin
    for ensemble in ensembles:
        print(ensemble.end())
        shutil.rmtree(ensemble.server.data / "objects", ignore_errors=True)  # pytest keeps the folders of three runs


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ensemble]:
    """A farm with two workers that nobody kills, both at work."""
    ensemble = Ensemble(tmp_path_factory.mktemp("quiet"), {}).start()
    try:
        ensemble.worker("one")
        ensemble.worker("two")
        until(lambda: [worker.status for worker in ensemble.farm.workers()] == ["awake"] * 2, "both workers", 60)
        yield ensemble
    finally:
        print(ensemble.end())


@pytest.fixture
def farm(quiet: Ensemble) -> Farm:
    return quiet.farm
