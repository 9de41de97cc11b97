"""Who may make which call, on a farm with tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests

from chalicelib.config import Settings
from chalicelib.core import access
from chalicelib.edge import current
from tests.dialects.pleiades.conftest import Site

SELF = {"name": "n"}


@pytest.fixture
def closed(site: Site, settings: Settings) -> Site:
    current.serve(site.farm, replace(settings, auth="token"))
    return site


def bearer(site: Site, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access.make_token(site.farm, 'test', scopes)[1]}"}


CALLS = [
    ("POST", "/worker", {"runtime": ["lua54"]}, {"worker"}),
    ("POST", "/worker", {"runtime": ["lua54"], "worker": SELF}, {"worker"}),
    ("GET", "/worker/7", None, {"submit", "worker"}),
    ("POST", "/worker/7/contract", {"timeout": 0}, {"worker"}),
    ("POST", "/data", {"size": 0, "sha256": "0" * 64}, {"submit", "worker"}),
    ("GET", "/data/7", None, {"submit", "worker"}),
    ("GET", "/data/7/blob", None, {"submit", "worker"}),
    ("POST", "/lambda", {"runtime": "lua54"}, {"submit"}),
    ("GET", "/lambda/7", None, {"submit", "worker"}),
    ("POST", "/job", {"lambda": "7"}, {"submit"}),
    ("GET", "/job/7", None, {"submit", "worker"}),
    ("POST", "/job/7", {"status": "cancelled"}, {"operate", "worker"}),
    ("GET", "/job/7/trace", None, {"submit", "worker"}),
    ("GET", "/sys/runt/stat", None, {"submit", "worker"}),
]


@pytest.mark.parametrize(("method", "path", "body", "scopes"), CALLS)
def test_a_call_needs_a_token_of_the_right_scope(
    closed: Site, method: str, path: str, body: Any, scopes: set[str]
) -> None:
    def status(headers: dict[str, str]) -> int:
        return requests.request(method, closed.url + path, json=body, headers=headers, timeout=10).status_code

    assert status({}) == 401
    assert status({"Authorization": "Bearer mr_wrong"}) == 401
    for scope in ("submit", "operate", "worker", "admin"):
        allowed = scope in scopes or scope == "admin" or (scope == "operate" and "submit" in scopes)
        assert (status(bearer(closed, scope)) in (200, 404)) == allowed, scope
        assert (status(bearer(closed, scope)) == 403) == (not allowed), scope


def test_a_token_fits_into_the_url_of_a_client_that_knows_of_none(closed: Site) -> None:
    """In its user part, which HTTP clients send as Basic (requests only with the colon), or in the query."""
    token = access.make_token(closed.farm, "test", ["submit", "worker"])[1]
    base = closed.url.replace("http://", f"http://{token}:@")
    worker = requests.post(f"{base}/worker", json={"runtime": ["lua54"]}, timeout=10).json()
    assert list(worker) == ["code", "status", "id", "runtime"]
    contract = requests.post(f"{base}/worker/{worker['id']}/contract", json={"timeout": 0}, timeout=10).json()
    assert contract == {"code": 0, "status": "ok", "message": "no job"}
    blob = requests.post(f"{base}/data", files={"file": ("x", b"hello")}, timeout=10).json()
    info = requests.get(f"{base}/data/{blob['id']}", timeout=10).json()
    assert list(info) == ["code", "status", "message", "id", "checksum"]
    assert closed.get(f"/data/{blob['id']}/blob?token={token}").content == b"hello"
    assert closed.get(f"/data/{blob['id']}/blob?token={token}x").status_code == 401


@pytest.mark.parametrize("path", ["/ping", "/sys/version"])
def test_whether_a_farm_is_here_anybody_may_ask(closed: Site, path: str) -> None:
    assert closed.get(path).status_code == 200


def test_a_worker_that_shows_its_secret_ends_only_its_own_attempt(closed: Site) -> None:
    token = bearer(closed, "admin")
    closed.session.headers.update(token)
    one, other = (closed.post("/worker", {"runtime": ["lua54"], "worker": SELF}).json() for _ in range(2))
    job, queued = closed.job(), closed.job()
    del closed.session.headers["Authorization"]

    def call(worker: dict[str, Any], path: str, body: Any) -> requests.Response:
        return closed.post(path, body, auth=(worker["id"], worker["secret"]))

    assert call(one, f"/worker/{one['id']}/contract", {"timeout": 0}).json()["job"] == job
    assert call(other, f"/job/{job}", {"status": "finished"}).status_code == 409
    assert call(other, f"/job/{queued}", {"status": "cancelled"}).status_code == 409
    assert call(one, f"/job/{job}", {"status": "finished"}).status_code == 200


def test_a_worker_moves_blobs_by_its_own_secret(closed: Site) -> None:
    worker = closed.post("/worker", {"runtime": ["lua54"], "worker": SELF}, headers=bearer(closed, "worker")).json()
    own = (worker["id"], worker["secret"])
    closed.session.headers.update(bearer(closed, "admin"))
    blob, others = closed.upload(b"hello"), closed.upload(b"somebody else's")
    job = closed.job(runtime="lua54", input_id=blob)
    del closed.session.headers["Authorization"]

    def reads(blob: str, query: str = "", **who: Any) -> int:
        return closed.get(f"/data/{blob}/blob{query}", auth=own, **who).status_code

    assert reads(blob) == 404, "before it holds the task"
    assert closed.post(f"/worker/{worker['id']}/contract", {"timeout": 0}, auth=own).json()["job"] == job
    [held] = closed.farm.tasks.held_by(int(worker["id"]))
    assert closed.get(f"/data/{blob}/blob", auth=own).content == b"hello"
    assert reads(blob, f"?task={held.task}") == 200
    assert reads(others) == reads(others, f"?task={held.task}") == reads("7", f"?task={held.task}") == 404
    assert closed.get(f"/data/{others}", auth=own).status_code == 404
    assert closed.get(f"/data/{blob}/blob", auth=(worker["id"], "wrong")).status_code == 401
    stored = closed.post("/data", files={"file": ("x", b"result")}, auth=own)
    assert stored.status_code == 200 and reads(stored.json()["id"]) == 404
    assert closed.post(f"/job/{job}", {"status": "finished"}, auth=own).status_code == 200
    assert reads(blob) == reads(blob, f"?task={held.task}") == 404, "after it let go of it"


def test_a_workers_secret_makes_no_other_worker_and_opens_no_other_room(closed: Site) -> None:
    worker = closed.post("/worker", {"worker": SELF}, headers=bearer(closed, "worker")).json()
    own = (worker["id"], worker["secret"])
    for body in ({"runtime": ["lua54"]}, {"worker": SELF}):
        assert closed.post("/worker", body, auth=own).status_code == 401
    old = closed.post("/worker", {"runtime": ["lua54"]}, headers=bearer(closed, "worker")).json()["id"]
    assert closed.post(f"/worker/{old}/contract", {"timeout": 0}, auth=own).status_code == 403, "it is another worker"
    for path in ("/lambda/7", "/job/7", "/job/7/trace", "/sys/runt/stat", "/worker/7"):
        assert closed.get(path, auth=own).status_code == 401, path
