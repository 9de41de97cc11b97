from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.bench import Bench, served


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with served(tmp_path) as bench:
        yield bench
