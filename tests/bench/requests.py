"""What each call costs on AWS: requests to the table and capacity units, by item size, on the DynamoDB engine (moto).

The whole app answers, called as API Gateway calls it. The same sequence is played with 101 and with 1,000,000 tasks
queued: what workers call must cost the same.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from tests.api.bench import Bench
from tests.bench.figures import Figure, Finding
from tests.bench.metered import Bill
from tests.bench.metered_farm import Bills, as_json, metered_farm
from tests.bench.options import Options
from tests.bench.served import ROOT, explicit, frames

CALLS = ROOT / "deploy" / "calls.json"
"""What `millrace cost` counts with; `python -m tests.bench.requests` writes it."""
FEW, MANY = 101, 1_000_000


def measure(options: Options) -> Iterator[Finding]:
    few, many = bills(FEW), bills(MANY)
    for name, bill in many.items():
        requests = " + ".join(f"{count} {kind}" for kind, count in sorted(bill.requests.items()))
        note = f"{bill.read_units:g} read units, {bill.write_units:g} write units: {requests or 'none'}"
        yield Figure(name, bill.count, "requests", note=note)
    differing = [name for name in many if _sums(many[name]) != _sums(few[name])]
    of_workers = [name for name in differing if not name.startswith(("GET", "POST"))]
    what = f"with {MANY:,} queued than with {FEW}"
    yield Figure(f"calls of workers that cost more {what}", len(of_workers), "", 0, note=", ".join(of_workers))
    of_people = [name for name in differing if name not in of_workers]
    note = f"{', '.join(of_people)}: a step of more than 75,000 tasks has 16 cursors, {FEW} tasks have one"
    yield Figure(f"calls of people that cost more {what}", len(of_people), "", note=note)


def _sums(bill: Bill) -> tuple[int, float, float]:
    return bill.count, bill.read_units, bill.write_units


def bills(queued: int) -> Bills:
    """Each call of a native worker's and a client's day, once everything is warm."""
    found: Bills = {}
    with metered_farm() as (bench, table):
        worker = _Native(bench)
        bench.post("/jobs", {"name": "frames", "type": "frames", "settings": frames(queued)})
        for _ in range(2):
            worker.contract(1)  # the plan is made, the window is there, the worker is awake
        for name, call in _calls(bench, worker, queued):
            with table.measured() as bill:
                call()
            found[name] = bill
    return found


def _calls(bench: Bench, worker: _Native, queued: int) -> Iterator[tuple[str, Any]]:
    yield "contract: complete and claim, large step", lambda: worker.contract(1)
    yield "contract: complete and claim ten, large step", lambda: worker.contract(10)
    yield "contract: complete ten and claim ten, large step", lambda: worker.contract(10)
    yield "contract: report ten, claim none", lambda: worker.contract(0)
    job = bench.get("/jobs?limit=1")["items"][0]["id"]
    yield "GET job", lambda: bench.get(f"/jobs/{job}")
    yield "GET jobs, a page", lambda: bench.get("/jobs")
    yield "GET workers, a page", lambda: bench.get("/workers")
    yield "POST job: pause", lambda: bench.post(f"/jobs/{job}/pause")
    yield "contract: nothing to do", lambda: worker.contract(1)
    bench.clock.advance(25_000)
    yield "contract: nothing to do, contact noted", lambda: worker.contract(1)
    since = bench.get("/changes")["next"]
    yield "GET changes, none since", lambda: bench.get(f"/changes?since={since}")
    yield "POST jobs: ten written tasks", lambda: bench.post("/jobs", _written(10))
    bench.clock.advance(3_000)  # the lanes known to this process are 2 s old at most
    worker.contract(1)
    yield "contract: complete and claim, written tasks", lambda: worker.contract(1)
    yield "contract: is it still wanted, one held", lambda: worker.listen()
    yield "renew", lambda: worker.renew()
    yield "log: one chunk", lambda: worker.log()


def _written(count: int) -> dict[str, Any]:
    return {"name": "written", "type": "commands", "settings": explicit(count)}


class _Native:
    """A native worker that remembers what it holds."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._asked = bench, 0
        described = {"runtime": [], "worker": {"name": "bench", "task_types": ["exec"]}}
        made = bench.send("POST", "/worker", _json(described), Content_Type="application/json").json
        self._path = f"/worker/{made['id']}"
        self._authorization = "Basic " + base64.b64encode(f"{made['id']}:{made['secret']}".encode()).decode()
        self._held: list[dict[str, Any]] = []

    def contract(self, slots: int) -> None:
        self._asked += 1
        asked = {"request_id": f"r{self._asked}", "slots": slots, "timeout": 0, "held": []}
        reports = [{**lease, "outcome": "completed"} for lease in self._held]
        answer = self._post("/contract", {**asked, "reports": reports})
        self._held = [{"task": got["task"], "generation": got["generation"]} for got in answer["assignments"]]

    def listen(self) -> None:
        self._asked += 1
        asked = {"request_id": f"r{self._asked}", "slots": 0, "timeout": 0, "held": self._held, "reports": []}
        self._post("/contract", asked)

    def renew(self) -> None:
        self._post("/renew", {"leases": self._held})

    def log(self) -> None:
        self._post("/log", {**self._held[0], "offset": 0, "text": "a line\n"})

    def _post(self, path: str, body: Any) -> Any:
        headers = {"Content_Type": "application/json", "Authorization": self._authorization}
        answer = self._bench.send("POST", self._path + path, _json(body), **headers)
        assert answer.status == 200, answer.body
        return answer.json


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


if __name__ == "__main__":
    CALLS.write_text(json.dumps(as_json(bills(MANY)), indent=1) + "\n")
