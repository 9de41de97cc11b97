"""The sessions of Pleiades clients as they are seen on the wire: a requester of theirs with our worker, and a worker of
theirs with jobs of our API."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import requests

from millrace import Farm
from tests.together.conftest import Found
from tests.together.ensemble import Ensemble


class Pleiades:
    """Plain requests below one of the bases, as those clients send them."""

    def __init__(self, base: str) -> None:
        self.base = base

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.base + path, timeout=40, **options)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = requests.post(self.base + path, json=body, timeout=40).json()
        assert (answer["code"], answer["status"]) == (0, "ok"), answer
        return dict(answer)

    def upload(self, content: bytes) -> str:
        answer = requests.post(f"{self.base}/data", files={"file": ("data", content)}, timeout=40).json()
        assert answer["status"] == "ok", answer
        return str(answer["id"])

    def download(self, blob: str) -> bytes:
        answer = self.get(f"/data/{blob}/blob")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/octet-stream")
        return answer.content


@pytest.fixture(params=["", "/api/v0.5"])
def pleiades(request: pytest.FixtureRequest, quiet: Ensemble) -> Pleiades:
    return Pleiades(quiet.server.url + request.param)


def test_a_pleiades_requester_gets_its_lambda_run_by_our_worker(pleiades: Pleiades) -> None:
    code = pleiades.upload(b"import sys; print(sys.stdin.read().upper(), end='')")
    function = pleiades.post("/lambda", {"codex": code, "runtime": "python3"})["id"]
    job = pleiades.post("/job", {"lambda": function, "input": pleiades.upload(b"some words"), "tags": []})["id"]
    document = pleiades.get(f"/job/{job}", params={"except": "Finished", "timeout": 25}).json()
    assert document["state"] == "Finished"
    assert pleiades.download(document["output"]["id"]) == b"SOME WORDS"


def test_a_pleiades_worker_runs_a_job_of_our_api(pleiades: Pleiades, farm: Farm, tmp_path: Path) -> None:
    """Its long poll begins before there is a job, and is answered by it."""
    worker = pleiades.post("/worker", {"runtime": ["reverse"]})["id"]
    for name, content in (("code", b"the code"), ("input", b"abc\x00\xff")):
        (tmp_path / name).write_bytes(content)
    blobs = {name: farm.upload(tmp_path / name) for name in ("code", "input")}
    submitted = farm.submit("function", {**blobs, "runtime": "reverse"})
    contract = pleiades.post(f"/worker/{worker}/contract", {"id": worker, "tags": [], "timeout": 10})
    document = pleiades.get(f"/job/{contract['job']}").json()
    assert document["state"] == "Running"
    assert pleiades.download(document["lambda"]["codex"]) == b"the code"
    output = pleiades.upload(pleiades.download(document["input"]["id"])[::-1])
    pleiades.post(f"/job/{contract['job']}", {"output": output, "status": "finished"})
    job = farm.wait(submitted, timeout=10)
    assert job.status == "completed"
    [path] = farm.download(job, tmp_path / "result")
    assert path.read_bytes() == b"\xff\x00cba"


def test_a_pleiades_worker_that_finds_nothing_waits_as_long_as_it_said(pleiades: Pleiades) -> None:
    worker = pleiades.post("/worker", {"runtime": ["idle"]})["id"]
    asked_at = time.monotonic()
    answer = pleiades.post(f"/worker/{worker}/contract", {"id": worker, "tags": [], "timeout": 2})
    assert answer["message"] == "no job" and not answer.get("job")
    assert 1 < time.monotonic() - asked_at < 15


def test_a_pleiades_worker_with_a_stored_id_goes_on_after_the_manager_was_killed(found: Found) -> None:
    """It registers only once, and what it was given before is still its own."""
    ensemble = found()
    pleiades = Pleiades(ensemble.server.url)
    worker = pleiades.post("/worker", {"runtime": ["reverse"]})["id"]
    function = pleiades.post("/lambda", {"codex": pleiades.upload(b"code"), "runtime": "reverse"})["id"]
    job = pleiades.post("/job", {"lambda": function, "input": pleiades.upload(b"abc"), "tags": []})["id"]
    contract = {"id": worker, "tags": [], "timeout": 5}
    assert pleiades.post(f"/worker/{worker}/contract", contract)["job"] == job
    ensemble.server.kill()
    ensemble.server.start()
    assert pleiades.get(f"/worker/{worker}").json()["runtime"] == ["reverse"]
    document = pleiades.get(f"/job/{job}").json()
    output = pleiades.upload(pleiades.download(document["input"]["id"])[::-1])
    pleiades.post(f"/job/{job}", {"output": output, "status": "finished"})
    document = pleiades.get(f"/job/{job}", params={"except": "Finished", "timeout": 10}).json()
    assert pleiades.download(document["output"]["id"]) == b"cba"
    assert pleiades.post(f"/worker/{worker}/contract", {**contract, "timeout": 0})["message"] == "no job"
