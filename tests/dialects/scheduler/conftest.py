"""A served farm with this room, the native protocol and the farm's own API; a real worker, or one by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
from chalice import Chalice

from chalicelib.api.routes import blueprint as api
from chalicelib.bootstrap import rings
from chalicelib.compilers import JOB_TYPES
from chalicelib.config import Settings
from chalicelib.core import claiming, jobs, leases, workers
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.leases import Report
from chalicelib.core.lifecycle import Outcome, WorkerStatus
from chalicelib.core.model import Assignment, Worker
from chalicelib.core.records.keys import INDEXES
from chalicelib.core.workers import Description
from chalicelib.dialects.pleiades.routes import blueprint as pleiades
from chalicelib.dialects.scheduler.routes import blueprint as scheduler
from chalicelib.dialects.scheduler.translate import submission
from chalicelib.edge import current
from chalicelib.edge.uuids import id_of, uuid_of
from chalicelib.embedded.bell import LocalBell
from chalicelib.embedded.server import EmbeddedServer
from chalicelib.store.files import FileObjectStore
from chalicelib.store.sqlite import SqliteTable
from millrace.agent.run import run_worker
from tests.dialects.conftest import MovableClock, app_of
from tests.worker.processes import until

RUNNING = {"done": False, "error": False, "error_text": ""}
KILLED = {"done": True, "error": True, "error_text": "signal: killed"}
ENDED = {"done": True, "error": False, "error_text": ""}


def failed(text: str) -> dict[str, Any]:
    return {"done": True, "error": True, "error_text": text}


@dataclass
class Site:
    """A served farm, as a client of this protocol sees it."""

    farm: Farm
    url: str
    clock: MovableClock

    def send(self, path: str, body: bytes, **options: Any) -> requests.Response:
        return requests.post(self.url + path, data=body, timeout=20, allow_redirects=False, **options)

    def post(self, call: str, **fields: Any) -> requests.Response:
        return requests.post(self.url + call, json=fields, timeout=20, allow_redirects=False)

    def error(self, call: str, **fields: Any) -> str:
        """The text with which the call fails."""
        answer = self.post(call, **fields)
        assert (answer.status_code, list(answer.json())) == (500, ["error"]), answer.text
        return str(answer.json()["error"])

    def start(self, worker: str, command: str = "true", path: str = "") -> str:
        answer = self.post("/start", worker_id=worker, command=command, path=path)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["job_id"])

    def queued(self, worker: str, command: str = "true", path: str = "") -> str:
        """As `start`, of a job that no worker begins, without waiting for that."""
        return uuid_of(jobs.submit(self.farm, submission(id_of(worker), command, path)).id)

    def query(self, worker: str, job: str) -> dict[str, Any]:
        answer = self.post("/query", worker_id=worker, job_id=job)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def stop(self, worker: str, job: str) -> None:
        answer = self.post("/stop", worker_id=worker, job_id=job)
        assert (answer.status_code, answer.json()) == (200, {"success": True})


class HandWorker:
    """A worker that does what a test says, and nothing by itself."""

    def __init__(self, site: Site, *task_types: str) -> None:
        self.farm = site.farm
        description = Description("by hand", task_types=task_types or ("exec",))
        self.worker, _ = workers.register(site.farm, description, with_secret=False)
        self.uuid = uuid_of(self.worker.id)

    def take(self) -> Assignment:
        claimed = claiming.claim_or_wait(self.farm, self.worker, "k", seconds=10)
        [assignment] = claimed.assignments
        return assignment

    def say_started(self, given: Assignment, activity: str = "started pid 7") -> None:
        leases.renew(self.farm, self.worker.id, given.task.id, given.lease.generation, None, activity)

    def report(self, given: Assignment, outcome: Outcome, exit_code: int | None = None, error: str = "") -> None:
        said = Report(outcome, exit_code, error or None)
        leases.report(self.farm, self.worker.id, given.task.id, given.lease.generation, said)


@cache
def the_app() -> Chalice:
    return app_of("scheduler-room", api, pleiades, scheduler)


QUICK = Limits(poll_holding_seconds=0.2, poll_busy_seconds=0.1)
"""How long it takes until a worker hears is what `test_session.py` is about."""


@pytest.fixture
def site(tmp_path: Path, settings: Settings) -> Iterator[Site]:
    clock, bell, table = MovableClock(), LocalBell(), SqliteTable(tmp_path / "farm.db", INDEXES)
    table.subscribe(rings(bell))
    objects = FileObjectStore(tmp_path / "objects", b"a secret", clock=clock)
    farm = Farm(table, objects, clock, bell, JOB_TYPES, QUICK)
    current.serve(farm, settings)
    server = EmbeddedServer(the_app(), objects, clock=clock, on_stop=[bell.close])
    server.start()
    yield Site(farm, server.url, clock)
    server.stop(1.0)
    current.forget()
    table.close()


@pytest.fixture
def hand(site: Site) -> HandWorker:
    return HandWorker(site)


@pytest.fixture
def agent(site: Site, tmp_path: Path) -> Iterator[Worker]:
    """Our own worker on a thread, known to the farm and awake, with room for all that a test leaves running."""
    stop = threading.Event()
    given: dict[str, Any] = {"name": "node7", "slots": 50, "state_dir": tmp_path / "state", "grace_seconds": 0.0}
    thread = threading.Thread(target=lambda: run_worker(site.url, stop_event=stop, **given), daemon=True)
    thread.start()
    try:
        until(lambda: any(w.status is WorkerStatus.AWAKE for w in site.farm.workers.all()), "a worker", 20)
        yield next(w for w in site.farm.workers.all() if w.name == "node7")
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
