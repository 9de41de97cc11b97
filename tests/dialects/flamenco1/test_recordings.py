"""Every recorded exchange of the protocol's sheet is answered as recorded, by every kind of server, on a new farm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.config import Settings
from chalicelib.core.farm import Farm
from chalicelib.dialects.flamenco1 import routes
from chalicelib.edge import current
from chalicelib.edge.networks import LOOPBACK
from tests.contract.recordings import FOLDER, read, recordings
from tests.contract.replay import InProcess, OverHttp, check_recording
from tests.dialects.flamenco1.conftest import Site, the_app
from tests.dialects.flamenco1.pushed_worker import RecordedWorker

PUSHED = recordings("flamenco1/worker")
"""With what the farm then asks a worker (`calls`), and what that answers."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Nothing is pushed: what listens at a recorded port of the machine that runs the tests is nobody's business."""
    return Settings(data=tmp_path, auth="open", delivery="stream")


@pytest.mark.parametrize("path", recordings("flamenco1"), ids=lambda path: path.stem)
def test_the_embedded_server_answers_as_recorded(site: Site, path: Path) -> None:
    transport = OverHttp()
    check_recording(read(path), transport, site.url)
    transport.close()


@pytest.mark.parametrize("path", PUSHED, ids=lambda path: path.stem)
def test_the_farm_calls_a_worker_as_recorded(site: Site, settings: Settings, path: Path) -> None:
    current.serve(site.farm, replace(settings, push_networks=LOOPBACK))
    recording, transport = read(path), OverHttp()
    calls = [call for step in recording["steps"] for call in step.get("calls", [])]
    worker = RecordedWorker(list(calls))
    try:
        site.register("node7", worker.port)
        check_recording(recording, transport, site.url)
        assert worker.asked == [call["request"] for call in calls]
    finally:
        transport.close()
        worker.stop()


@pytest.mark.parametrize("name", ["report", "pull_end", "pull_progress_and_stop", "worker_is_disabled", "settings"])
def test_the_engines_of_aws_answer_as_recorded(aws_farm: Farm, name: str) -> None:
    check_recording(read(FOLDER / "flamenco1" / f"{name}.json"), InProcess(the_app()))


def test_every_route_is_served() -> None:
    served = the_app().routes
    for route in routes.ROUTES:
        assert route.method in served[route.path]
