"""Every error has its answer, and none tells of the farm's insides."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from chalicelib.api.problems import on_error, status_of
from chalicelib.core import errors
from chalicelib.core.errors import FarmError
from chalicelib.core.lifecycle import IllegalTransition
from chalicelib.core.ports import ObjectMismatch, TableUnavailable
from chalicelib.edge.auth import Unauthenticated
from chalicelib.edge.http import Reply, Request
from tests.api.bench import Bench

REQUEST = Request("GET", "/api/v1/jobs", {}, {}, b"", None, "")
STATUSES = {
    errors.BadInput: 400,
    errors.NotFound: 404,
    errors.ObjectMissing: 404,
    errors.Conflict: 409,
    errors.Changed: 412,
    errors.LeaseLost: 409,
    errors.Forbidden: 403,
    errors.Unavailable: 503,
    errors.AtWork: 503,
}


def kinds(kind: type[FarmError]) -> Iterator[type[FarmError]]:
    """Those of the core: what other doors raise among themselves never comes here."""
    for below in kind.__subclasses__():
        if below.__module__.startswith("chalicelib.core."):
            yield below
            yield from kinds(below)


@pytest.mark.parametrize("kind", sorted(set(kinds(FarmError)) - {errors.Refusal}, key=lambda kind: kind.__name__))
def test_every_error_of_the_farm_has_a_status(kind: type[FarmError]) -> None:
    error = kind.__new__(kind)
    FarmError.__init__(error, "said so")
    assert status_of(error) in (400, 401, 403, 404, 409, 412, 413, 503)


def test_the_statuses_are_those_of_the_contract() -> None:
    own = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FarmError)}
    assert own - {FarmError, errors.Refusal} == set(STATUSES)
    assert {kind: status_of(kind("x")) for kind in STATUSES} == STATUSES
    assert status_of(IllegalTransition("x")) == 409
    assert status_of(Unauthenticated()) == 401


def test_all_but_being_busy_is_refused_for_good() -> None:
    """What fails a job when it cannot go on: nothing that may pass by itself, and all that does not."""
    assert {kind for kind in STATUSES if not issubclass(kind, errors.Refusal)} == {errors.Unavailable, errors.AtWork}


def test_busy_says_when_to_come_again() -> None:
    for error in (errors.Unavailable(), TableUnavailable("throttled at partition 7")):
        reply = on_error(REQUEST, error)
        assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
        assert b"partition" not in reply.body


def test_content_that_does_not_match_is_bad_input() -> None:
    reply = on_error(REQUEST, ObjectMismatch("10 bytes were announced, 9 came"))
    assert reply.status == 400 and b"9 came" in reply.body


@pytest.mark.parametrize("error", [KeyError("secret"), FarmError("secret"), RecursionError("secret")])
def test_our_own_failures_are_logged_and_not_told(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        reply = on_error(REQUEST, error)
    assert isinstance(reply, Reply) and (reply.status, reply.content_type) == (500, "application/problem+json")
    assert b"secret" not in reply.body
    assert "secret" in caplog.text


def test_a_view_that_fails_is_a_500_and_the_next_call_works(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("chalicelib.core.jobs.get", lambda *_: 1 / 0)
        answer = bench.call("GET", "/jobs/1")
        assert answer.status == 500 and b"division" not in answer.body
    assert bench.call("GET", "/jobs/1").status == 404


def test_a_table_that_does_not_answer_is_a_503(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(*_: object, **__: object) -> None:
        raise TableUnavailable("throttled")

    monkeypatch.setattr(bench.farm.jobs, "get", throttled)
    answer = bench.call("GET", "/jobs/1")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
