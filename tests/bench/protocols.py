"""What workers and clients of the five older protocols cost on AWS: each of their calls, on the DynamoDB engine (moto).

The clients are those that the tests play with, which say what the real ones say; here they call the app in this
process. `python -m tests.bench.protocols` writes `deploy/protocol_calls.json`, which `millrace cost` counts with.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from chalicelib.core import workers
from chalicelib.dialects.transcode import pushing as transcode_pushing
from chalicelib.edge import current
from chalicelib.edge.networks import LOOPBACK
from chalicelib.edge.uuids import uuid_of
from tests.api.bench import Bench
from tests.bench.figures import Figure, Finding
from tests.bench.metered import MeteredTable
from tests.bench.metered_farm import Bills, as_json, metered_farm
from tests.bench.options import Options
from tests.bench.served import ROOT, explicit
from tests.simulated import clients
from tests.simulated.flamenco1 import PullingWorker
from tests.simulated.flamenco2 import Flamenco2Worker
from tests.simulated.pleiades import PleiadesWorker
from tests.simulated.transcode import TranscodeWorker
from tests.simulated.worker import SimulatedWorker

CALLS = ROOT / "deploy" / "protocol_calls.json"


@dataclass
class _Said:
    """An answer as the simulated clients look at it."""

    status_code: int
    headers: dict[str, Any]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


class InProcess:
    """Takes the place of a `Caller`: no network, and nothing that has to be repeated."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        auth: tuple[str, str] | None = None,
        headers: dict[str, str] | None = None,
        repeats: bool = True,
    ) -> Any:
        named = {name.replace("-", "_"): value for name, value in (headers or {}).items()}
        body = b""
        if json is not None:
            body, named["Content_Type"] = _json(json), "application/json"
        elif data is not None:
            body, named["Content_Type"] = urlencode(data).encode(), "application/x-www-form-urlencoded"
        if auth is not None:
            named["Authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
        answer = self._bench.send(method, path + (f"?{urlencode(params)}" if params else ""), body, **named)
        return _Said(answer.status, dict(answer.headers), answer.body)

    def ok(self, method: str, path: str, **options: Any) -> Any:
        answer = self.send(method, path, **options)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def close(self) -> None:
        """Nothing is open."""


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


def measure(options: Options) -> Iterator[Finding]:
    for name, bill in bills().items():
        units = f"{bill.read_units:g} read units, {bill.write_units:g} write units"
        yield Figure(name, bill.count, "requests", note=units)


def bills() -> Bills:
    found: Bills = {}
    for play in (_pleiades, _flamenco2, _flamenco1, _scheduler, _transcode):
        with metered_farm() as (bench, table):

            def count(name: str, call: Callable[[], Any], table: MeteredTable = table) -> Any:
                with table.measured() as bill:
                    result = call()
                found[name] = bill
                return result

            play(bench, count)
    return found


Count = Callable[[str, Callable[[], Any]], Any]


def _pleiades(bench: Bench, count: Count) -> None:
    worker, client = _of(PleiadesWorker, bench), clients.PleiadesClient("")
    client.caller = InProcess(bench)  # type: ignore[assignment]
    for number in (0, 2, 4):
        client.submit(number)
    bench.clock.advance(3_000)
    given = worker.take()  # the worker is awake, the lane is known
    assert given is not None and worker.end(given, "completed")
    bench.clock.advance(3_000)
    given = count("pleiades: contract, a job", worker.take)
    assert given is not None
    count("pleiades: job, read", lambda: worker.may_go_on(given))
    count("pleiades: job, finished", lambda: worker.end(given, "completed"))
    worker.end(worker.take(), "completed")  # type: ignore[arg-type]
    # Without the wait of a long poll: this clock stands still.
    asked = {"id": worker.number, "tags": [], "timeout": 0}
    path = f"/api/v0.5/worker/{worker.number}/contract"
    assert "job" not in count("pleiades: contract, no job", lambda: worker.caller.ok("POST", path, json=asked))


def _flamenco2(bench: Bench, count: Count) -> None:
    worker = _of(Flamenco2Worker, bench)
    bench.post("/jobs", {"name": "written", "type": "commands", "settings": explicit(3)})
    given = worker.take()
    assert given is not None and worker.end(given, "completed")
    given = count("flamenco2: task, given", worker.take)
    assert given is not None
    count("flamenco2: may keep running", lambda: worker.may_go_on(given))
    said = {"activity": "working", "log": "a line"}
    count("flamenco2: update with a log", lambda: worker._update(given, said))
    count("flamenco2: update, completed", lambda: worker.end(given, "completed"))
    worker.end(worker.take(), "completed")  # type: ignore[arg-type]
    assert count("flamenco2: task, none", worker.take) is None


def _flamenco1(bench: Bench, count: Count) -> None:
    worker = _of(PullingWorker, bench)
    bench.post("/jobs", {"name": "written", "type": "commands", "settings": explicit(3)})
    given = worker.take()
    assert given is not None and worker.end(given, "completed")
    given = count("flamenco1: task, given", worker.take)
    assert given is not None
    count("flamenco1: active", lambda: worker.may_go_on(given))
    count("flamenco1: completed", lambda: worker.end(given, "completed"))
    worker.end(worker.take(), "completed")  # type: ignore[arg-type]
    assert count("flamenco1: task, none", worker.take) is None


def _scheduler(bench: Bench, count: Count) -> None:
    """A program is a job of one task. Its client asks how it is; the program runs on a worker of ours."""
    worker, _ = workers.register(bench.farm, workers.Description("w", task_types=("exec",)), with_secret=True)
    settings = {"argv": ["true"], "worker": str(worker.id)}
    job = count(
        "scheduler: start", lambda: bench.post("/jobs", {"name": "true", "type": "command", "settings": settings})
    )
    client = clients.SchedulerClient("", [])
    client.caller = InProcess(bench)  # type: ignore[assignment]
    started = {"worker_id": str(uuid_of(worker.id)), "job_id": str(uuid_of(int(job["id"])))}
    count("scheduler: query", lambda: client.ending(clients.Submitted(started)))
    count("scheduler: stop", lambda: client.cancel(clients.Submitted(started)))


def _transcode(bench: Bench, count: Count) -> None:
    bench.serve(push_networks=LOOPBACK)
    worker = _of(TranscodeWorker, bench)
    try:
        settings = {"input": "/media/film.mov", "format": "mp4"}
        bench.post("/jobs", {"name": "film", "type": "transcode", "settings": settings})
        count(
            "transcode: heartbeat", lambda: worker._call("worker_heartbeat", worker_id=worker.address, worker_state=0)
        )
        count("transcode: round of pushes, a task", lambda: _round(bench))
        count("transcode: round of pushes, one task runs", lambda: _round(bench))
        given = worker.take()
        if given is not None:
            count("transcode: result", lambda: worker.end(given, "completed"))
    finally:
        worker.leave()


def _round(bench: Bench) -> None:
    transcode_pushing.push_round(bench.farm, current.pusher())


def _of(kind: type[Any], bench: Bench) -> Any:
    worker: SimulatedWorker = kind("", "bench")
    worker.caller = InProcess(bench)  # type: ignore[assignment]
    worker.join()
    return worker


if __name__ == "__main__":
    CALLS.write_text(json.dumps(as_json(bills()), indent=1) + "\n")
