"""Every recorded exchange of the protocol's sheet is answered as recorded, by every kind of server, on a new farm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chalicelib.core.farm import Farm
from chalicelib.dialects.transcode import routes
from tests.contract.replay import InProcess, replay
from tests.dialects.transcode.conftest import the_app

FOLDER = Path(__file__).parents[2] / "contract" / "transcode"
RECORDINGS = sorted(FOLDER.glob("*.json"))
BETWEEN_BOTH = sorted((FOLDER / "worker").glob("*.json"))
"""What the manager sends to a worker, and what a worker says of its task: `test_pushing.py` has these, and the tests
of our own worker's listener."""


def read(path: Path) -> dict[str, Any]:
    recording: dict[str, Any] = json.loads(path.read_text())
    return recording


def test_there_is_a_recording_for_every_example_of_the_sheet() -> None:
    sources = {read(path)["source"] for path in [*RECORDINGS, *BETWEEN_BOTH]}
    assert {f"protocols/transcode.md section 13.{n}" for n in range(1, 16)} <= sources


def test_the_engines_of_aws_answer_as_recorded(aws_farm: Farm) -> None:
    for path in RECORDINGS:
        replay(read(path), InProcess(the_app()))


def test_every_route_is_served(farm: Farm) -> None:
    served = the_app().routes
    for route in routes.ROUTES:
        assert set(route.methods) == set(served[route.path])
