"""Every recorded exchange of the protocol's sheet is answered as recorded, key for key, by every kind of server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config import Settings
from chalicelib.core.farm import Farm
from chalicelib.dialects.pleiades import routes
from tests.contract.replay import Differs, InProcess, replay
from tests.dialects.pleiades.conftest import the_app

FOLDER = Path(__file__).parents[2] / "contract" / "pleiades"
RECORDINGS = sorted(FOLDER.glob("*.json"))


def read(path: Path) -> dict[str, Any]:
    recording: dict[str, Any] = json.loads(path.read_text())
    return recording


def test_there_is_a_recording_for_every_example_of_the_sheet() -> None:
    sources = {read(path)["source"] for path in RECORDINGS}
    assert {f"protocols/pleiades.md section 14.{n}" for n in range(1, 16)} <= sources


def test_the_engines_of_aws_answer_as_recorded(aws_farm: Farm) -> None:
    for path in RECORDINGS:
        replay(read(path), InProcess(the_app()))


def test_a_key_too_many_is_a_difference(farm: Farm, settings: Settings) -> None:
    recording = read(FOLDER / "ping.json")
    del recording["steps"][0]["response"]["json"]["message"]
    with pytest.raises(Differs, match="keys"):
        replay(recording, InProcess(the_app()))


def test_every_route_is_served_under_every_base(farm: Farm) -> None:
    served = the_app().routes
    for base in routes.BASES:
        for route in routes.ROUTES:
            assert route.method in served[base + route.path]
