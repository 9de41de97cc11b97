"""Tokens: made by an admin, told once, revoked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.bench import Bench


@pytest.fixture
def admin(bench: Bench) -> dict[str, str]:
    bench.serve(auth="token")
    return {"Authorization": f"Bearer {bench.token('admin')}"}


def make(bench: Bench, admin: dict[str, str], *scopes: str) -> Any:
    return bench.post("/tokens", {"name": "somebody", "scopes": list(scopes)}, **admin)


def test_a_token_opens_what_its_scopes_say_until_it_is_revoked(bench: Bench, admin: dict[str, str]) -> None:
    made = make(bench, admin, "submit")
    theirs = {"Authorization": f"Bearer {made['token']}"}
    assert bench.call("GET", "/jobs", **theirs).status == 200
    assert bench.call("POST", "/jobs/1/cancel", **theirs).status == 403
    assert bench.call("DELETE", f"/tokens/{made['id']}", **admin).status == 204
    assert bench.call("GET", "/jobs", **theirs).status == 401


def test_a_token_is_told_only_once(bench: Bench, admin: dict[str, str]) -> None:
    made = make(bench, admin, "worker", "submit")
    [listed] = [token for token in bench.get("/tokens", **admin)["items"] if token["id"] == made["id"]]
    assert listed == {key: value for key, value in made.items() if key != "token"}
    assert listed["scopes"] == ["submit", "worker"]


@pytest.mark.parametrize(
    "wrong",
    [{"scopes": ["submit"]}, {"name": "x"}, {"name": "x", "scopes": []}, {"name": "x", "scopes": ["king"]}],
)
def test_a_wrong_token_is_refused(bench: Bench, admin: dict[str, str], wrong: dict[str, Any]) -> None:
    assert bench.call("POST", "/tokens", wrong, **admin).status == 400
    assert len(bench.get("/tokens", **admin)["items"]) == 1


def test_only_an_admin_makes_tokens(bench: Bench, admin: dict[str, str]) -> None:
    other = {"Authorization": f"Bearer {bench.token('operate', 'worker')}"}
    assert bench.call("POST", "/tokens", {"name": "x", "scopes": ["admin"]}, **other).status == 403
