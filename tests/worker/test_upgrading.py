"""When a worker tries a release that its farm offers, and when it leaves it alone. That it works: `tests/together`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from millrace.agent import run, upgrading
from millrace.agent.agent import Agent
from millrace.agent.client import FarmClient
from millrace.agent.errors import Refused
from millrace.agent.protocol import Offer
from millrace.agent.upgrading import Upgrader
from tests.worker.manager import Manager
from tests.worker.processes import until

MINE, OTHER = "a" * 64, "b" * 64
HOUR = 3600.0


class Farm(FarmClient):
    """Has the wheel that it offers no more; counts who asks for it."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")
        self.asked = 0

    def fetch(self, path: str) -> bytes:
        self.asked += 1
        raise Refused(f"GET {path}: HTTP 404", 404)


class Clock:
    now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(upgrading.time, "time", clock.time)
    return clock


def offer(sha256: str = OTHER) -> Offer:
    return Offer("2.0.0", sha256, "millrace-2.0.0-py3-none-any.whl")


def check_offer(upgrader: Upgrader, farm: Farm, sha256: str = OTHER, *, tries: bool) -> None:
    """One that is heard is tried, or is not."""
    before = farm.asked
    upgrader.hear(offer(sha256))
    if tries:
        until(lambda: farm.asked == before + 1 and not upgrader._busy.locked(), "the try", 60)
    else:
        time.sleep(0.05)
        assert farm.asked == before


def test_what_failed_is_tried_three_times_with_long_pauses_and_then_left_alone(tmp_path: Path, clock: Clock) -> None:
    farm = Farm()
    upgrader = Upgrader(farm, tmp_path, MINE)
    for pause in (600.0, 6 * HOUR):
        check_offer(upgrader, farm, tries=True)
        clock.now += pause - 1
        check_offer(upgrader, farm, tries=False)
        clock.now += 1
    check_offer(upgrader, farm, tries=True)
    clock.now += 1000 * HOUR
    check_offer(upgrader, farm, tries=False)
    again = Upgrader(farm, tmp_path, MINE)  # its next start
    check_offer(again, farm, tries=False)
    check_offer(again, farm, "c" * 64, tries=True)
    assert [path.name for path in tmp_path.iterdir()] == ["upgrade.json"]
    assert "404" in json.loads((tmp_path / "upgrade.json").read_text())["why"]


def test_between_two_releases_it_does_not_go_to_and_fro(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "upgrade.json").write_text(json.dumps({"sha256": MINE, "came_from": OTHER, "came_at": clock.now}))
    farm = Farm()
    upgrader = Upgrader(farm, tmp_path, MINE)
    check_offer(upgrader, farm, OTHER, tries=False)
    check_offer(upgrader, farm, "c" * 64, tries=True)
    clock.now += HOUR
    check_offer(upgrader, farm, OTHER, tries=True)


def test_a_disk_that_was_full_for_a_while_ends_no_upgrades(tmp_path: Path, clock: Clock) -> None:
    farm, folder = Farm(), tmp_path / "state"
    upgrader = Upgrader(farm, folder, MINE)  # nothing can be written: as on a full disk
    check_offer(upgrader, farm, tries=False)
    until(lambda: not upgrader._busy.locked(), "the end of the try", 60)
    folder.mkdir()
    check_offer(upgrader, farm, tries=True)


def test_what_installs_and_tries_a_release_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_TOKEN", "mr_secret")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    seen = upgrading.run([sys.executable, "-c", "import os; print(dict(os.environ))"], 60.0, {"PYTHONPATH": "scratch"})
    assert "mr_secret" not in seen and "https://index.example/simple" in seen and "scratch" in seen


@pytest.mark.parametrize("is_stopped", [True, False])
def test_a_worker_that_is_stopped_while_pip_is_at_work_ends(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_stopped: bool
) -> None:
    class Ready:
        """A release is ready from the beginning, and installed at once."""

        agent: Agent

        def hear(self, offer: Offer) -> None:
            """Heard."""

        def begin(self, drain: Callable[[], None]) -> None:
            self.agent = drain.__self__  # type: ignore[attr-defined]
            drain()

        def finish(self) -> None:
            if is_stopped:
                self.agent.stop()

    monkeypatch.setattr(run, "_upgrader", lambda client, state: Ready())
    monkeypatch.setattr(upgrading, "start_anew", lambda: 77)
    code = run.run_worker(manager.url, name="node7", state_dir=tmp_path / "state", upgrade=True)
    assert code == (0 if is_stopped else 77)


def test_what_cannot_be_an_offer_is_none() -> None:
    good = {"version": "2.0.0", "sha256": OTHER, "file": "millrace-2.0.0-py3-none-any.whl"}
    assert Offer.from_wire(good) == offer()
    for wrong in ({"sha256": "x"}, {"file": "../../x"}, {"file": "millrace-2/../x-py3-none-any.whl"}, {"file": None}):
        assert Offer.from_wire({**good, **wrong}) is None
    assert Offer.from_wire(None) is None and Offer.from_wire([]) is None
