"""Every recorded exchange of the protocol's sheet is answered as recorded, key for key, by every kind of server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chalicelib.core.farm import Farm
from chalicelib.dialects.flamenco2 import routes
from tests.contract.replay import InProcess, replay
from tests.dialects.flamenco2.conftest import the_app

FOLDER = Path(__file__).parents[2] / "contract" / "flamenco2"
RECORDINGS = sorted(FOLDER.glob("*.json"))


def read(path: Path) -> dict[str, Any]:
    recording: dict[str, Any] = json.loads(path.read_text())
    return recording


def test_there_is_a_recording_for_every_example_of_the_sheet() -> None:
    sources = {read(path)["source"] for path in RECORDINGS}
    assert {f"protocols/flamenco2.md section 12.{n}" for n in range(1, 16)} <= sources


def test_the_engines_of_aws_answer_as_recorded(aws_farm: Farm) -> None:
    for path in RECORDINGS:
        replay(read(path), InProcess(the_app()))


def test_every_route_is_served_at_the_root(farm: Farm) -> None:
    served = the_app().routes
    for route in routes.ROUTES:
        assert set(route.methods) <= set(served[route.path])
