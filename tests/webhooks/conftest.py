from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.conftest import bench, clock
from tests.webhooks.receiver import Receiver, receiving

__all__ = ["bench", "clock"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made
