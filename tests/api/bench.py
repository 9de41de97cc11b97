"""The real app over the real core on one machine's engines, called the way API Gateway and `chalice local` call it."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chalice import Chalice
from chalice.config import Config
from chalice.local import LocalGateway, LocalGatewayException

from chalicelib.compilers import JOB_TYPES
from chalicelib.config import Settings
from chalicelib.core import access, claiming, events, jobs, leases, workers
from chalicelib.core.farm import Farm
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Assignment, Job, Worker
from chalicelib.core.ports import ObjectStore, Table
from chalicelib.core.records.keys import INDEXES
from chalicelib.edge import current
from chalicelib.embedded.bell import LocalBell
from chalicelib.store.files import FileObjectStore
from chalicelib.store.sqlite import SqliteTable
from tests.core.ladder import Ladder
from tests.engines.simulated import SimulatedClock


@dataclass
class Answer:
    status: int
    headers: dict[str, Any]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        return str(self.headers["Content-Type"])


@dataclass
class Bench:
    """A served farm, a client of it, and the few things tests do all the time."""

    farm: Farm
    clock: SimulatedClock
    settings: Settings
    gateway: LocalGateway
    requests: int = 0

    # ---- as a client

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            reply = self.gateway.handle_request(method, path, named, body)
        except LocalGatewayException as refused:
            return Answer(refused.CODE, dict(refused.headers), refused.body or b"")
        return Answer(reply["statusCode"], {**reply["headers"], **reply["multiValueHeaders"]}, _bytes(reply))

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        return self.send(method, "/api/v1" + path, data, **headers)

    def get(self, path: str, **headers: str) -> Any:
        answer = self.call("GET", path, **headers)
        assert answer.status == 200, answer.body
        return answer.json

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.call("POST", path, body, **headers)
        assert answer.status in (200, 201), answer.body
        return answer.json

    # ---- as the farm's people and workers

    def serve(self, **settings: Any) -> None:
        self.settings = replace(self.settings, **settings)
        current.serve(self.farm, self.settings)

    def token(self, *scopes: str) -> str:
        return access.make_token(self.farm, "tester", scopes)[1]

    def worker(self, name: str = "w", *, secret: bool = False) -> tuple[Worker, str | None]:
        return workers.register(self.farm, workers.Description(name, task_types=("sleep",)), with_secret=secret)

    def job(self, *rungs: dict[str, object], **wanted: Any) -> Job:
        settings = {"rungs": list(rungs) or [{"count": 1}]}
        return jobs.submit(self.farm, jobs.Submission(wanted.pop("name", "a job"), "ladder", settings, **wanted))

    def take(self, worker: Worker) -> Assignment:
        self.requests += 1
        [assignment] = claiming.claim(self.farm, worker, f"r{self.requests}", slots=1).assignments
        return assignment

    def end(self, assignment: Assignment, outcome: Outcome = Outcome.COMPLETED, error: str | None = None) -> None:
        lease = assignment.lease
        leases.report(self.farm, lease.worker, assignment.task.id, lease.generation, leases.Report(outcome, 1, error))

    def hear(self, *assignments: Assignment) -> None:
        """What the event feed does soon after these tasks changed."""
        events.tasks_changed(self.farm, [assignment.task.id for assignment in assignments])


def _bytes(reply: dict[str, Any]) -> bytes:
    """Everything this app answers is binary for API Gateway, and so base64 in between."""
    assert reply["isBase64Encoded"] is True
    return base64.b64decode(reply["body"])


def gateway_of(app: Chalice) -> LocalGateway:
    return LocalGateway(app, Config.create(chalice_app=app, app_name="millrace"))


@contextmanager
def served(folder: Path) -> Iterator[Bench]:
    """The app of app.py, serving a fresh open farm on one machine's engines."""
    clock = SimulatedClock()
    table = SqliteTable(folder / "farm.db", INDEXES)
    with serving(table, FileObjectStore(folder / "objects", b"a secret", clock=clock), clock, folder) as bench:
        yield bench
    table.close()


@contextmanager
def serving(table: Table, objects: ObjectStore, clock: SimulatedClock, folder: Path) -> Iterator[Bench]:
    from app import app

    bell = LocalBell()
    farm = Farm(table, objects, clock, bell, {**JOB_TYPES, "ladder": Ladder()}, random=random.Random(1))
    settings = Settings(data=folder, auth="open", delivery="inline")
    current.serve(farm, settings)
    yield Bench(farm, clock, settings, gateway_of(app))
    current.forget()
    bell.close()
