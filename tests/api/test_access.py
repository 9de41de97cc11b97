"""Who may do what on a farm with tokens, route by route, and what the farm tells of itself."""

from __future__ import annotations

import pytest

from chalicelib.api.operations import Operation
from chalicelib.api.routes import OPERATIONS
from chalicelib.core import leases
from tests.api.bench import Bench

GUARDED = [operation for operation in OPERATIONS if operation.scope is not None]
ENOUGH = {"submit": ["submit"], "operate": ["operate"], "admin": ["admin"]}
TOO_LITTLE = {"submit": ["worker"], "operate": ["submit", "worker"], "admin": ["operate", "worker"]}


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def call(bench: Bench, operation: Operation, token: str | None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = bench.call(operation.method, operation.path.replace("{id}", "1"), **headers)
    if answer.status in (401, 403):
        assert answer.kind == "application/problem+json"
    return answer.status


@pytest.mark.parametrize("operation", GUARDED, ids=named)
def test_every_guarded_route_asks_for_its_scope(bench: Bench, operation: Operation) -> None:
    bench.serve(auth="token")
    assert operation.scope is not None
    assert call(bench, operation, None) == 401
    assert call(bench, operation, "mr_wrong") == 401
    assert call(bench, operation, bench.token(*TOO_LITTLE[operation.scope])) == 403
    assert call(bench, operation, bench.token(*ENOUGH[operation.scope])) in (200, 201, 400, 404)
    assert call(bench, operation, bench.token("admin")) in (200, 201, 400, 404)


def test_reading_and_submitting_need_less_than_steering() -> None:
    needs = {named(operation): operation.scope for operation in OPERATIONS}
    signing_in = {f"{method} /session" for method in ("GET", "POST", "DELETE")}
    free = {"GET /farm", "GET /openapi.json", "POST /join"} | signing_in
    assert {name for name, scope in needs.items() if scope is None} == free
    hooks = {name for name in needs if "webhooks" in name}
    tokens = {"GET /tokens", "POST /tokens", "DELETE /tokens/{id}", "POST /join-tokens"}
    assert {name for name, scope in needs.items() if scope == "admin"} == {
        "POST /sweep",
        "POST /prune",
        "PUT /variables",
        "PUT /retention",
        "PUT /retry-policies/{id}",
        "DELETE /retry-policies/{id}",
        "PUT /queue",
    } | tokens | hooks
    submit = {name for name, scope in needs.items() if scope == "submit"}
    assert {name for name in submit if not name.startswith("GET")} == {
        "POST /jobs",
        "POST /jobs/check",
        "POST /blobs",
        "POST /blobs/missing",
        *(f"POST /blobs/{{id}}/parts{then}" for then in ("", "/sign", "/complete", "/abort")),
    }


def test_who_may_not_ask_learns_nothing_about_the_request(bench: Bench) -> None:
    bench.serve(auth="token")
    answer = bench.send("POST", "/api/v1/jobs?nonsense=1", b"{nonsense")
    assert answer.status == 401 and "WWW-Authenticate" in answer.headers


def test_the_farm_tells_what_it_is(bench: Bench) -> None:
    bench.worker()
    bench.clock.advance(200_000)
    bench.worker()
    bench.job()
    farm = bench.get("/farm")
    assert (farm["name"], farm["version"], farm["auth"]) == ("Millrace", farm["version"], "open")
    assert farm["counts"] == {"open_jobs": 1, "workers": 2, "live_workers": 1}


def test_a_closed_farm_shows_its_counts_only_to_who_may_read(bench: Bench) -> None:
    bench.serve(auth="token")
    for headers in ({}, {"Authorization": "Bearer mr_wrong"}, {"Authorization": f"Bearer {bench.token('worker')}"}):
        farm = bench.get("/farm", **headers)
        assert (farm["auth"], farm["counts"]) == ("token", {})
    assert bench.get("/farm", Authorization=f"Bearer {bench.token('submit')}")["counts"]["workers"] == 0


def test_a_sweep_on_request_ends_what_ran_out(bench: Bench) -> None:
    worker, _ = bench.worker()
    bench.job()
    given = bench.take(worker)
    bench.clock.advance(1_000_000)
    assert bench.post("/sweep") == {"expired": 1, "settled": 1, "failed": 0}
    assert leases.get(bench.farm, given.task.id).lease is None
    assert bench.post("/sweep", {"thorough": True})["expired"] == 0
    refused = bench.call("POST", "/sweep", {"deep": True})
    assert (refused.status, refused.json["field"]) == (400, "deep")
