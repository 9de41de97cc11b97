"""Who gets in, by which credentials."""

from __future__ import annotations

import base64

import pytest

from chalicelib.core import workers
from chalicelib.core.access import EVERYBODY, Scope
from chalicelib.core.errors import Forbidden, NotFound
from chalicelib.edge import auth
from chalicelib.edge.auth import Unauthenticated
from chalicelib.edge.http import Request
from tests.api.bench import Bench


def request(query: dict[str, str] | None = None, **headers: str) -> Request:
    return Request("GET", "/", headers, query or {}, b"", None, "127.0.0.1")


def basic(user: str, password: str) -> Request:
    return request(authorization="Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


# ---- tokens


def test_an_open_farm_asks_nobody_for_a_token(bench: Bench) -> None:
    assert auth.authenticate(bench.farm, request()) is EVERYBODY
    assert auth.authenticate(bench.farm, request(authorization="Bearer mr_wrong")) is EVERYBODY


def test_a_token_may_come_in_four_ways(bench: Bench) -> None:
    bench.serve(auth="token")
    token = bench.token("operate")
    for sent in (
        request(authorization=f"Bearer {token}"),
        request(authorization=f"bearer  {token} "),
        basic("anybody", token),
        basic("", token),
        basic(token, ""),
        request({"token": token}),
    ):
        principal = auth.authenticate(bench.farm, sent)
        assert principal.scopes == {Scope.SUBMIT, Scope.OPERATE} and principal.name == "tester"


@pytest.mark.parametrize(
    "sent",
    [
        request(),
        request({"token": ""}),
        request({"token": "mr_wrong"}),
        request({"token": "mr_\udcff"}),
        request(authorization="Bearer"),
        request(authorization="Bearer "),
        request(authorization="Bearer mr_wrong"),
        request(authorization="Bearer mr_wröng"),
        request(authorization="Basic ???"),
        request(authorization="Basic /w=="),
        request(authorization="Digest mr_wrong"),
        basic("", ""),
        basic("wrong", "wrong"),
        basic("123456", "wrong"),
    ],
)
def test_no_token_and_a_wrong_one_are_refused(bench: Bench, sent: Request) -> None:
    bench.serve(auth="token")
    with pytest.raises(Unauthenticated) as refused:
        auth.authenticate(bench.farm, sent)
    assert refused.value.context["status"] == 401


def test_a_token_with_too_small_a_scope_is_forbidden_by_name(bench: Bench) -> None:
    bench.serve(auth="token")
    sent = request(authorization=f"Bearer {bench.token('submit')}")
    auth.require(bench.farm, sent, Scope.SUBMIT)
    with pytest.raises(Forbidden, match="operate") as refused:
        auth.require(bench.farm, sent, Scope.OPERATE)
    assert not isinstance(refused.value, Unauthenticated)


def test_a_worker_may_fetch_blobs_by_its_secret_and_nothing_more(bench: Bench) -> None:
    bench.serve(auth="token")
    worker, secret = bench.worker(secret=True)
    own = basic(str(worker.id), secret or "")
    principal = auth.require_or_worker(bench.farm, own, Scope.WORKER)
    assert (principal.scopes, principal.worker) == ({Scope.WORKER}, worker.id)
    with pytest.raises(Unauthenticated):
        auth.require_or_worker(bench.farm, basic(str(worker.id), "wrong"), Scope.WORKER)
    with pytest.raises(Unauthenticated):
        auth.require(bench.farm, own, Scope.WORKER)


# ---- workers


@pytest.mark.parametrize("mode", ["open", "token"])
def test_a_worker_speaks_by_its_secret_on_every_farm(bench: Bench, mode: str) -> None:
    bench.serve(auth=mode)
    worker, secret = bench.worker(secret=True)
    other, _ = bench.worker("other", secret=True)
    named = str(worker.id)
    assert auth.worker_of(bench.farm, basic(named, secret or ""), named) == worker
    for sent in (
        request(),
        basic(named, "wrong"),
        basic(named, ""),
        basic("", secret or ""),
        basic(str(other.id), secret or ""),
        request(authorization=f"Bearer {secret}"),
    ):
        with pytest.raises(Unauthenticated):
            auth.worker_of(bench.farm, sent, named)
    with pytest.raises(Unauthenticated):
        auth.worker_of(bench.farm, basic(named, secret or ""), str(other.id))


def test_an_admin_is_no_worker(bench: Bench) -> None:
    bench.serve(auth="token")
    worker, _ = bench.worker(secret=True)
    with pytest.raises(Unauthenticated):
        auth.worker_of(bench.farm, request(authorization=f"Bearer {bench.token('admin')}"), str(worker.id))


@pytest.mark.parametrize("text", ["nope", "", "0", "-1", "1e3"])
def test_what_is_no_id_is_no_worker(bench: Bench, text: str) -> None:
    with pytest.raises(NotFound):
        auth.worker_of(bench.farm, basic(text, "x"), text)


def test_an_unknown_worker_is_told_so_only_with_credentials_and_after_the_same_check(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    real = workers.secret_fits
    monkeypatch.setattr(workers, "secret_fits", lambda worker, secret: checked.append(secret) or real(worker, secret))
    with pytest.raises(NotFound):
        auth.worker_of(bench.farm, basic("12345", "x"), "12345")
    with pytest.raises(Unauthenticated):
        auth.worker_of(bench.farm, request(), "12345")
    assert checked == ["x", ""]


def test_a_worker_without_secrets_needs_the_scope_of_workers(bench: Bench) -> None:
    worker, _ = bench.worker()
    named = str(worker.id)
    assert auth.worker_of(bench.farm, request(), named) == worker
    bench.serve(auth="token")
    with pytest.raises(Unauthenticated):
        auth.worker_of(bench.farm, request(), named)
    with pytest.raises(Forbidden, match="worker"):
        auth.worker_of(bench.farm, request(authorization=f"Bearer {bench.token('operate')}"), named)
    assert auth.worker_of(bench.farm, request(authorization=f"Bearer {bench.token('worker')}"), named) == worker
