"""One farm: what a Flamenco 1 Server sends is run by our own worker too, and each shows in the other's lists."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from chalice import Chalice

from chalicelib.core import logs
from chalicelib.core.farm import Farm
from chalicelib.core.lifecycle import WorkerStatus
from chalicelib.dialects.flamenco1.routes import blueprint as flamenco1
from chalicelib.dialects.pleiades.routes import blueprint as native
from millrace.agent.run import run_worker
from tests.dialects.conftest import MovableClock, app_of, served
from tests.dialects.flamenco1.conftest import Site
from tests.worker.processes import until


@cache
def both_rooms() -> Chalice:
    return app_of("flamenco1-and-native", flamenco1, native)


@pytest.fixture
def site(farm: Farm, clock: MovableClock, tmp_path: Path) -> Iterator[Site]:
    """With our own worker, `ours`, on a thread."""
    with served(both_rooms(), farm) as url:
        stop = threading.Event()
        given: dict[str, Any] = {"name": "ours", "state_dir": tmp_path / "state", "grace_seconds": 0.0}
        agent = threading.Thread(target=lambda: run_worker(url, stop_event=stop, **given))
        agent.start()
        until(lambda: any(w.status is WorkerStatus.AWAKE for w in farm.workers.all()), "a worker", 20)
        site = Site(farm, url, clock)
        yield site
        stop.set()
        agent.join(20)
        site.session.close()


def test_our_own_worker_runs_the_compiled_command(site: Site) -> None:
    site.send(41, "hello from a server")
    until(lambda: site.job_status(41) == "completed", "a completed job", 20)
    until(lambda: b"hello from a server" in logs.read(site.farm, site.task(41), None, 0).data, "its log", 20)
    ours = site.workers()["ours"]
    assert ours["connection"] == "online" and ours["port"] == 0 and ours["status"] in ("enabled", "rendering")


def test_our_own_worker_leaves_tasks_with_placeholders_alone(site: Site) -> None:
    site.send(41, type="blender_bake_anim_cache", settings='{"filepath": "a.blend"}')
    site.send(42)
    until(lambda: site.job_status(42) == "completed", "a completed job", 20)
    assert site.task(41).status == "queued" and site.task(41).attempts == ()


def test_our_own_worker_can_be_disabled_and_enabled_here(site: Site) -> None:
    worker = site.workers()["ours"]["id"]
    answer = site.call("PATCH", f"/workers/status/{worker}", data={"status": "disabled"})
    assert answer.json()["status"] == "disabled"
    until(lambda: site.farm.workers.get(worker).status is WorkerStatus.ASLEEP, "a sleeping worker", 40)  # type: ignore[union-attr]
    site.send(41)
    assert site.task(41).status == "queued"
    site.call("PATCH", f"/workers/status/{worker}", data={"status": "enabled"})
    until(lambda: site.job_status(41) == "completed", "a completed job", 40)
