"""On a farm with tokens: `?token=`, and HTTP 200 for a wrong one, for the worker takes anything else for silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.config import Settings
from chalicelib.core import access
from chalicelib.core.farm import Farm
from chalicelib.dialects.transcode import routes
from chalicelib.edge import current
from tests.dialects.transcode.conftest import INVALID_REQUEST, Site

CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("add_job", {"job": {"src_filename": "/a.bin", "dst_dir": "/out"}}, "submit"),
    ("get_job", {"job_id": "1"}, "submit"),
    ("get_jobs", {}, "submit"),
    ("get_job_state", {"job_id": "1"}, "submit"),
    ("register", {"ip": "10.0.0.7", "port": 20001}, "worker"),
    ("set_task_result", {"task_id": "1", "task_state": 3, "task_result": 0}, "worker"),
    ("heartbeat", {"worker_id": "10.0.0.7:20001"}, "worker"),
    ("unregister", {"worker_id": "10.0.0.7:20001"}, "worker"),
]


@pytest.fixture
def closed(farm: Farm, settings: Settings, site: Site) -> Site:
    current.serve(farm, replace(settings, auth="token"))
    return site


def test_without_a_token_or_with_a_wrong_one_every_call_is_an_invalid_request(closed: Site) -> None:
    for name, methods in ((route.path.removeprefix("/master/"), route.methods) for route in routes.ROUTES):
        body = next((body for call, body, _ in CALLS if call == name), {})
        assert closed.call(name, **body) == INVALID_REQUEST
        assert closed.call(f"{name}?token=wrong", **body) == INVALID_REQUEST
        if "GET" in methods:
            assert closed.send("GET", f"/master/{name}?token=wrong").json() == INVALID_REQUEST


def test_each_call_needs_its_own_kind_of_token(closed: Site) -> None:
    tokens = {scope: access.make_token(closed.farm, scope, [scope])[1] for scope in ("submit", "worker")}
    for name, body, needed in CALLS:
        for scope, token in tokens.items():
            answer = closed.call(f"{name}?token={token}", **body)
            assert (answer["err_code"] != -2) == (scope == needed), (name, scope, answer)


def test_a_token_may_also_be_the_user_of_the_url(closed: Site) -> None:
    token = access.make_token(closed.farm, "submit", ["submit"])[1]
    assert closed.send("POST", "/master/get_jobs", json={}, auth=(token, "")).json()["err_code"] == 0


def test_removing_a_job_is_for_operators(closed: Site) -> None:
    submit, operate = (access.make_token(closed.farm, scope, [scope])[1] for scope in ("submit", "operate"))
    job = closed.call(f"add_job?token={submit}", job=CALLS[0][1]["job"])["job_id"]
    assert closed.call(f"remove_job?token={submit}", job_id=job) == INVALID_REQUEST
    assert closed.call(f"remove_job?token={operate}", job_id=job)["err_code"] == 0
