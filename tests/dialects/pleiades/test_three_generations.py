"""The three generations of Python clients and the Rust one, as far as they care what they read, against a real server.

Each client here breaks on what the real one breaks on (protocols/pleiades.md sections 2.2 and 8).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.dialects.pleiades.conftest import Site


class May2024:
    """Builds reply objects from all keys: one that it does not know is a TypeError there."""

    KNOWN = {
        "worker": {"code", "status", "id", "runtime"},
        "blob": {"code", "status", "id", "checksum"},
        "lambda": {"code", "status", "id"},
        "job": {"code", "status", "id"},
        "update": {"code", "status", "message"},
    }

    def __init__(self, site: Site) -> None:
        self._site = site

    def read(self, noun: str, reply: dict[str, Any]) -> dict[str, Any]:
        unknown = reply.keys() - self.KNOWN[noun]
        assert not unknown, f"a {noun} reply of May 2024 got an unexpected keyword argument {unknown}"
        assert reply["status"] == "ok" and reply["code"] == 0
        return reply

    def register(self, runtime: str) -> str:
        return str(self.read("worker", self._site.post("/worker", {"runtime": [runtime]}).json())["id"])

    def upload(self, content: bytes) -> str:
        return str(self.read("blob", self._site.post("/data", files={"file": ("input", content)}).json())["id"])

    def submit(self, code: str, input_id: str, runtime: str) -> str:
        function = self.read("lambda", self._site.post("/lambda", {"codex": code, "runtime": runtime}).json())["id"]
        wanted = {"lambda": function, "input": input_id, "tags": []}
        return str(self.read("job", self._site.post("/job", wanted).json())["id"])

    def take(self, worker: str) -> str | None:
        wanted = {"id": worker, "tags": [], "timeout": 1}
        reply = self._site.post(f"/worker/{worker}/contract", wanted).json()
        assert reply["status"] == "ok" and reply["code"] in (0, 1299)
        return reply.get("job")

    def finish(self, job: str, output: str) -> None:
        said = {"output": output, "state": "finished", "status": "finished"}
        self.read("update", self._site.post(f"/job/{job}", said).json())


class Rust:
    """Decodes into structures: a field that is missing or of another type is an error."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def need(self, reply: dict[str, Any], fields: Iterable[str]) -> dict[str, Any]:
        assert isinstance(reply["code"], int) and isinstance(reply["status"], str)
        for field in fields:
            assert isinstance(reply[field], str), f"missing field `{field}`"
        return reply

    def ping(self) -> None:
        self.need(self._site.get("/ping").json(), ["message"])

    def info(self, job: str, query: str = "") -> dict[str, Any]:
        reply = self.need(self._site.get(f"/job/{job}{query}").json(), ["id", "state"])
        for field in ("id", "codex", "runtime"):
            assert isinstance(reply["lambda"][field], str)
        assert isinstance(reply["input"]["id"], str)
        return reply

    def download(self, blob: str) -> bytes | None:
        reply = self._site.get(f"/data/{blob}/blob")
        if reply.headers["Content-Type"] == "application/octet-stream":
            return reply.content
        assert reply.headers["Content-Type"] == "application/json"
        self.need(reply.json(), ["message"])
        return None

    def update(self, job: str, output: str, status: str) -> None:
        self.need(self._site.post(f"/job/{job}", {"output": output, "status": status}).json(), ["message"])


class April2024:
    """Uses the old names, and polls."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def _ok(self, reply: dict[str, Any]) -> dict[str, Any]:
        assert reply["status"] == "ok"
        return reply

    def register(self, runtime: str) -> str:
        return str(self._ok(self._site.post("/worker", {"execulator": [runtime]}).json())["wid"])

    def submit(self, code: bytes, content: bytes, runtime: str) -> str:
        code_id = self._ok(self._site.post("/data", files={"file": ("data", code)}).json())["id"]
        function = self._ok(self._site.post("/lambda", {"code_id": code_id, "runtime": runtime}).json())["id"]
        input_id = self._ok(self._site.post("/data", files={"file": ("data", content)}).json())["id"]
        wanted = {"input_id": input_id, "functio": function, "extra_tag": []}
        return str(self._ok(self._site.post("/job", wanted).json())["jid"])

    def take(self, worker: str) -> str | None:
        wanted = {"worker_id": worker, "extra_tag": [], "timeout": 1}
        return self._ok(self._site.post(f"/worker/{worker}/contract", wanted).json()).get("job_id")

    def info(self, job: str) -> dict[str, Any]:
        return self._ok(self._site.get(f"/job/{job}", json={"job_id": job}).json())

    def fetch(self, blob: str) -> bytes:
        reply = self._site.get(f"/data/{blob}/blob", headers={"Accept": "application/json"})
        assert reply.status_code == 200
        return reply.content

    def finish(self, job: str, content: bytes) -> None:
        output = self._ok(self._site.post("/data", files={"file": ("data", content)}).json())["id"]
        self._ok(self._site.post(f"/job/{job}", {"status": "Finished", "output": output}).json())


def test_a_client_of_may_2024_meets_no_key_it_does_not_know(site: Site) -> None:
    client = May2024(site)
    worker = client.register("lua54")
    job = client.submit(client.upload(b"code"), client.upload(b"input"), "lua54")
    assert client.take(worker) == job
    client.finish(job, client.upload(b"output"))
    assert site.state(job) == "Finished"


def test_a_rust_client_finds_every_field_it_needs(site: Site) -> None:
    client = Rust(site)
    client.ping()
    job = site.job(input_id=site.upload(b"input"))
    assert client.info(job)["state"] == "Enqueued"
    assert site.contract(site.old_worker()) == job
    assert client.info(job)["state"] == "Running"
    output = site.upload(b'{"an": "object"}')
    client.update(job, output, "finished")
    done = client.info(job, "?except=Finished&timeout=10")
    assert client.download(done["output"]["id"]) == b'{"an": "object"}'
    assert client.download("999") is None


def test_a_rust_worker_that_gives_up_cancels_the_job(site: Site) -> None:
    job = site.job()
    assert site.contract(site.old_worker()) == job
    Rust(site).update(job, "0", "cancelled")
    assert site.state(job) == "Cancelled"


def test_a_client_of_april_2024_reads_and_writes_its_own_names(site: Site) -> None:
    client = April2024(site)
    worker = client.register("python+echo")
    job = client.submit(b"the code", b"the input", "python+echo")
    assert client.take(worker) == job
    seen = client.info(job)
    assert client.fetch(seen["lambda_id"]) == b"the code"
    assert client.fetch(seen["job_input_id"]) == b"the input"
    client.finish(job, b"the output")
    done = client.info(job)
    assert (done["job_status"], client.fetch(done["job_output_id"])) == ("Finished", b"the output")
    assert client.take(worker) is None


@pytest.mark.parametrize("old", [{"execulator": ["x"]}, {"runtimes": ["x"]}])
def test_old_names_are_answered_only_to_those_who_use_them(site: Site, old: dict[str, Any]) -> None:
    assert "wid" in site.post("/worker", old).json()
    assert "wid" not in site.post("/worker", {"runtime": ["x"]}).json()
