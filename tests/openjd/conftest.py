"""A real farm with a real worker, and the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.together.ensemble import Ensemble
from tests.together.test_command_line import Shell


@pytest.fixture(scope="package")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ensemble]:
    ensemble = Ensemble(tmp_path_factory.mktemp("openjd"), {"MILLRACE_LOG": "json"}).start()
    ensemble.worker("one", "--slots", "2", "--tags", "licence=nuke")
    yield ensemble
    print(ensemble.end())


@pytest.fixture
def millrace(ensemble: Ensemble) -> Shell:
    return Shell(ensemble.server.url)
