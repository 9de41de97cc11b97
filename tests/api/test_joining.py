"""Joining over HTTP: a join token made by an admin, exchanged once, and what the token does that comes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.bench import Bench

NONCE = "a-nonce-made-up-by-node7"


@pytest.fixture
def admin(bench: Bench) -> dict[str, str]:
    bench.serve(auth="token")
    return {"Authorization": f"Bearer {bench.token('admin')}"}


def join(bench: Bench, token: str, name: str = "node7", nonce: str = NONCE) -> Any:
    return bench.call("POST", "/join", {"token": token, "name": name, "nonce": nonce})


def register(bench: Bench, token: str, name: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    worker = {"name": name, "task_types": ["sleep"], "tags": [], "slots": 1, "platform": "linux", "software": "x"}
    return bench.send("POST", "/worker", _json({"runtime": [], "worker": worker}), **headers)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_machine_gets_in_once_and_registers_under_its_own_name(bench: Bench, admin: dict[str, str]) -> None:
    made = bench.post("/join-tokens", {"name": "render room", "minutes": 5}, **admin)
    assert (made["scopes"], made["name"], made["worker"]) == (["join"], "render room", None)
    joined = join(bench, made["token"])
    assert (joined.status, joined.json["name"], joined.headers["Cache-Control"]) == (200, "node7", "no-store")
    assert join(bench, made["token"]).json == joined.json
    other = join(bench, made["token"], "node8", "another-nonce-for-node8")
    assert (other.status, other.kind) == (409, "application/problem+json")
    assert register(bench, joined.json["token"], "node8").status in (401, 403)
    answer = register(bench, joined.json["token"], "node7")
    assert (answer.status, bool(answer.json["secret"])) == (200, True)
    theirs = {"Authorization": f"Bearer {joined.json['token']}"}
    for method, path in (("GET", "/jobs"), ("POST", "/tokens"), ("GET", "/workers"), ("POST", "/join-tokens")):
        assert bench.call(method, path, {} if method == "POST" else None, **theirs).status == 403
    listed = bench.get("/tokens", **admin)["items"]
    assert [(token["scopes"], token["worker"]) for token in listed if token["worker"]] == [
        (["worker"], "node7"),
        (["join"], "node7"),
    ]


def test_what_is_no_join_token_is_refused_and_a_token_of_another_kind_too(bench: Bench, admin: dict[str, str]) -> None:
    for wrong in ("mrj_wrong", bench.token("worker"), bench.token("admin")):
        answer = join(bench, wrong)
        assert (answer.status, "millrace token --join" in answer.json["detail"]) == (401, True)


def test_a_join_token_is_not_a_token(bench: Bench, admin: dict[str, str]) -> None:
    made = bench.post("/join-tokens", **admin)
    assert bench.call("GET", "/jobs", Authorization=f"Bearer {made['token']}").status == 401
    assert register(bench, made["token"], "node7").status == 401


def test_a_revoked_one_lets_nobody_in(bench: Bench, admin: dict[str, str]) -> None:
    made = bench.post("/join-tokens", **admin)
    assert bench.call("DELETE", f"/tokens/{made['id']}", **admin).status == 204
    assert join(bench, made["token"]).status == 401


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"token": ""}, "token"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"nonce": "short"}, "nonce"),
        ({"nonce": "x" * 201}, "nonce"),
        ({"nonce": "no spaces in a nonce please"}, "nonce"),
        ({"more": 1}, "more"),
    ],
)
def test_bad_input_is_refused_by_name(bench: Bench, wrong: dict[str, Any], field: str) -> None:
    answer = bench.call("POST", "/join", {"token": "mrj_x", "name": "node7", "nonce": NONCE, **wrong})
    assert (answer.status, answer.json["field"]) == (400, field)


@pytest.mark.parametrize("minutes", [0, 1441, "15", 1.5, None])
def test_a_lifetime_that_cannot_be_is_refused(bench: Bench, admin: dict[str, str], minutes: Any) -> None:
    refused = bench.call("POST", "/join-tokens", {"minutes": minutes}, **admin)
    assert (refused.status, refused.json["field"]) == (400, "minutes")
