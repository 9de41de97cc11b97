"""One farm: workers of Flamenco 2 and our own share a job. Each kind of job on each kind of worker:
`tests/together/test_every_pair.py`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.core.lifecycle import WorkerStatus
from chalicelib.core.model import WorkerId
from chalicelib.edge import hexids
from millrace.agent.run import run_worker
from tests.dialects.flamenco2.conftest import Flamenco, Site
from tests.worker.processes import until


@pytest.fixture
def ours(site: Site, tmp_path: Path) -> Iterator[WorkerId]:
    """Our own worker, on a thread."""
    stop = threading.Event()
    agent = threading.Thread(
        target=lambda: run_worker(
            site.url, name="ours", state_dir=tmp_path / "state", stop_event=stop, grace_seconds=0.0
        )
    )
    agent.start()
    until(lambda: any(w.status is WorkerStatus.AWAKE for w in site.farm.workers.all()), "a worker", 20)
    [worker] = site.farm.workers.all()
    yield worker.id
    stop.set()
    agent.join(20)


def wanted(name: str, seconds: float, count: int, priority: int) -> dict[str, object]:
    commands = [{"name": "sleep", "settings": {"time_in_seconds": seconds}}]
    tasks = [{"name": f"{name}-{n}", "task_type": "sleep", "commands": commands} for n in range(count)]
    return {"name": name, "type": "commands", "priority": priority, "settings": {"tasks": tasks}}


def submit(site: Site, *said: object) -> str:
    answer = site.post("/api/v1/jobs", wanted(*said))  # type: ignore[arg-type]
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def show(site: Site, path: str) -> dict[str, object]:
    found: dict[str, object] = site.get("/api/v1" + path).json()
    return found


def run_until_empty(worker: Flamenco) -> list[str]:
    names = []
    while task := worker.ask():
        names.append(str(task["name"]))
        assert worker.says(task, "active", log=f"{task['name']} begins") == 204
        assert worker.may_run(task) == {"may_keep_running": True}
        assert worker.says(task, "completed", log="done") == 204
    return names


def test_both_kinds_of_workers_share_a_job_and_nothing_runs_twice(site: Site, ours: WorkerId) -> None:
    job = submit(site, "mixed", 0.15, 16, 50)
    worker = site.worker()
    names = run_until_empty(worker)
    until(lambda: show(site, f"/jobs/{job}")["status"] == "completed", "the end of the job", 30)
    tasks = show(site, f"/jobs/{job}/tasks")["items"]
    assert isinstance(tasks, list) and len(tasks) == 16
    ran = {task["name"]: [attempt["worker"] for attempt in task["attempts"]] for task in tasks}
    theirs = str(hexids.id_of(worker.id))
    assert all(len(by) == 1 for by in ran.values())
    assert {name for name, by in ran.items() if by == [theirs]} == set(names)
    assert {by[0] for by in ran.values()} == {theirs, str(ours)}
    seen = {w["nickname"]: w["status"] for w in site.get("/as-json").json()["workers"]}
    assert seen == {"ours": "awake", "node7": "awake"}


def test_what_fails_on_a_flamenco_worker_is_done_by_ours(site: Site, ours: WorkerId) -> None:
    [native] = site.farm.workers.all()
    site.post(f"/worker-action/{hexids.hex_of(ours)}", data={"action": "set-status", "status": "asleep"})
    until(lambda: site.farm.workers.get(native.id).status is WorkerStatus.ASLEEP, "sleep", 20)  # type: ignore[union-attr]
    job = submit(site, "hard", 0, 1, 50)
    worker = site.worker()
    worker.fail(worker.take())
    assert worker.ask() is None
    site.post(f"/worker-action/{hexids.hex_of(ours)}", data={"action": "set-status", "status": "awake"})
    until(lambda: show(site, f"/jobs/{job}")["status"] == "completed", "the end of the job", 30)


def test_what_is_set_through_our_api_counts_for_flamenco_workers(site: Site) -> None:
    worker = site.worker()
    path = f"/api/v1/workers/{hexids.id_of(worker.id)}"

    def put(path: str, body: object) -> None:
        answer = site.call("PUT", path, json=body)
        assert answer.status_code == 200, answer.text

    blender = {"values": [{"value": "/opt/blender", "platforms": ["linux"]}, {"value": "b.exe"}]}
    put("/api/v1/variables", {"variables": {"blender": blender}})
    commands = [{"name": "blender_render", "settings": {"blender_cmd": "{blender}"}}]
    tasks = [{"name": name, "task_type": "sleep", "commands": commands} for name in ("one", "two")]
    job = site.post("/api/v1/jobs", {"name": "r", "type": "commands", "settings": {"tasks": tasks}}).json()["id"]
    put(f"{path}/blocklist", {"entries": [{"job": job, "task_type": "sleep"}]})
    assert worker.ask() is None
    put(f"{path}/blocklist", {"entries": []})
    assert worker.take()["commands"] == [{"name": "blender_render", "settings": {"blender_cmd": "/opt/blender"}}]
    put(f"{path}/sleep-schedule", {"active": True})
    assert worker.post("/task").json() == {"status_requested": "asleep"}
    put(f"{path}/sleep-schedule", {"active": False})
