"""Who may make which call, on a farm with tokens: the protocol knows no credentials, URLs do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests

from chalicelib.config import Settings
from chalicelib.core import access
from chalicelib.edge import current
from tests.dialects.scheduler.conftest import HandWorker, Site

CALLS = [
    ("/start", {"submit", "operate", "admin"}),
    ("/query", {"submit", "operate", "admin"}),
    ("/stop", {"operate", "admin"}),
]


@pytest.fixture
def closed(site: Site, settings: Settings) -> Site:
    current.serve(site.farm, replace(settings, auth="token"))
    return site


def token(site: Site, scope: str) -> str:
    return access.make_token(site.farm, "test", [scope])[1]


@pytest.mark.parametrize(("call", "scopes"), CALLS)
def test_a_call_needs_a_token_of_the_right_scope(closed: Site, call: str, scopes: set[str]) -> None:
    def answer(**options: Any) -> requests.Response:
        found = requests.post(closed.url + call, data=b'{"worker_id":"nobody"}', timeout=10, **options)
        assert list(found.json()) == ["error"] and found.headers["Content-Type"] == "application/json"
        return found

    assert answer().status_code == 401
    assert answer(auth=("mr_wrong", "")).status_code == 401
    for scope in ("submit", "operate", "worker", "admin"):
        secret = token(closed, scope)
        for options in ({"auth": (secret, "")}, {"auth": ("", secret)}, {"params": {"token": secret}}):
            assert answer(**options).status_code == (500 if scope in scopes else 403), scope


def test_the_token_is_the_user_of_the_url(closed: Site) -> None:
    worker = HandWorker(closed)
    url = closed.url.replace("http://", f"http://{token(closed, 'submit')}:@")
    answer = requests.post(f"{url}/start", json={"worker_id": worker.uuid, "command": "true"}, timeout=10)
    assert answer.status_code == 201


def test_who_may_not_ask_learns_nothing(closed: Site) -> None:
    worker = HandWorker(closed)
    known, unknown = (closed.send("/start", f'{{"worker_id":"{w}"'.encode()) for w in (worker.uuid, "nobody"))
    assert known.content == unknown.content and known.status_code == 401
