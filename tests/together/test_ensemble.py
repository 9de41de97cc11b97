"""What the tests of whole farms stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.together import ensemble
from tests.together.ensemble import Ensemble


def test_of_a_farm_that_does_not_get_ready_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble, "START_SECONDS", 0.5)
    one = Ensemble(tmp_path, {})
    one.server.program = ("-c", "import time; time.sleep(600)")
    with pytest.raises(AssertionError, match="ready"):
        one.start()
    assert not one.server.runs
