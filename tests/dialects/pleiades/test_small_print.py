"""What the protocol's sheet says in half sentences, each of which some client relies on."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.config import VERSION
from tests.dialects.pleiades.conftest import Site
from tests.dialects.pleiades.test_bad_input import assert_refused


def test_each_registration_makes_a_new_worker(site: Site) -> None:
    first, second = (site.post("/worker", {"runtime": ["lua54"]}).json() for _ in range(2))
    assert int(first["id"]) < int(second["id"])
    for worker in (first, second):
        assert (
            site.get(f"/worker/{worker['id']}").json()
            == worker
            == {
                "code": 0,
                "status": "ok",
                "id": worker["id"],
                "runtime": ["lua54"],
            }
        )


def test_the_path_names_the_worker_whatever_the_body_says(site: Site) -> None:
    job = site.job(runtime="lua54")
    able, other = site.old_worker("lua54"), site.old_worker("python3")
    said = {"id": other, "tags": [], "timeout": 0}
    assert site.post(f"/worker/{able}/contract", said).json()["job"] == job


@pytest.mark.parametrize("body", [b"", b"{}", b'{"worker_id": "7", "extra_tag": null}'])
def test_a_contract_needs_no_body(site: Site, body: bytes) -> None:
    job = site.job()
    answer = site.post(f"/worker/{site.old_worker()}/contract", data=body).json()
    assert answer == {"code": 0, "status": "ok"} | dict.fromkeys(("id", "job", "job_id", "jid"), job)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "?"])
def test_a_body_is_json_whatever_its_header_says(site: Site, kind: str) -> None:
    headers = {"Content-Type": kind}
    assert site.post("/worker", data=b'{"runtime": ["lua54"]}', headers=headers).json()["runtime"] == ["lua54"]


@pytest.mark.parametrize("accept", ["application/json", "text/html", "image/png", "nonsense"])
def test_what_a_client_accepts_is_not_looked_at(site: Site, accept: str) -> None:
    blob = site.upload(b"<b>hello</b>")
    for path, kind in (("/ping", "application/json"), (f"/data/{blob}/blob", "application/octet-stream")):
        answer = site.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)


def test_the_tags_of_the_lambda_count_for_its_jobs(site: Site) -> None:
    function = site.post("/lambda", {"runtime": "lua54", "tags": ["+gpu"]}).json()["id"]
    job = site.post("/job", {"lambda": function, "tags": ["eu"]}).json()["id"]
    assert site.get(f"/job/{job}").json()["tags"] == ["+gpu", "eu"]
    assert site.contract(site.old_worker()) is None
    assert site.contract(site.old_worker(), tags=["gpu"]) == job


def test_a_job_needs_neither_tags_nor_input(site: Site) -> None:
    function = site.post("/lambda", {"runtime": "lua54"}).json()
    assert list(function) == ["code", "status", "id"]
    created = site.post("/job", {"lambda": function["id"]}).json()
    assert list(created) == ["code", "status", "id"]
    seen = site.get(f"/job/{created['id']}").json()
    assert (seen["input"], seen["tags"], "output" in seen) == ({"id": "0"}, [], False)


@pytest.mark.parametrize("job", ["7", "x", "-1", "99999999999999999999"])
def test_what_is_no_job_cannot_be_updated(site: Site, job: str) -> None:
    assert_refused(site.post(f"/job/{job}", {"status": "finished"}), 404)


def test_the_farm_names_its_version_and_the_runtimes_it_has_work_for(site: Site) -> None:
    assert site.get("/sys/version").json() == {"code": 0, "status": "ok", "name": "Millrace", "version": VERSION}
    assert site.get("/sys/runt/stat").json() == {"code": 0, "status": "ok", "runtime": []}
    site.job(runtime="lua54")
    assert site.get("/sys/runt/stat").json()["runtime"] == ["lua54"]


@pytest.mark.parametrize("path", ["/job/7", "/data/7", "/worker/7"])
def test_a_fault_of_the_farm_has_the_envelope_too(site: Site, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def broken(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(site.farm.table, "get", broken)
    monkeypatch.setattr(site.farm.table, "query", broken)
    assert "secret" not in assert_refused(site.get(path), 500)
