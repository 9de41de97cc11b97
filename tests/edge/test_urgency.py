"""What is put off first, by route."""

from __future__ import annotations

import pytest

from app import app
from chalicelib.edge.urgency import CLAIMS, HELD, READ_FOR_TASKS, REPORTS_HEADER, Urgency, urgency_of


def test_what_is_named_is_a_route() -> None:
    known = {(method, pattern) for pattern, methods in app.routes.items() for method in methods}
    assert known >= HELD
    assert known >= CLAIMS
    assert {("GET", pattern) for pattern in READ_FOR_TASKS} <= known


@pytest.mark.parametrize(
    ("method", "pattern", "urgency"),
    [
        ("POST", "/worker/{id}/renew", Urgency.HELD),
        ("POST", "/api/v0.5/worker/{id}/renew", Urgency.HELD),
        ("POST", "/api/v0.5-snapshot/worker/{id}/log", Urgency.HELD),
        ("GET", "/may-i-run/{id}", Urgency.HELD),
        ("POST", "/master/set_task_result", Urgency.HELD),
        ("POST", "/api/v1/jobs", Urgency.ASKED),
        ("POST", "/api/v1/jobs/{id}/cancel", Urgency.ASKED),
        ("GET", "/data/{id}/blob", Urgency.ASKED),
        ("POST", "/worker", Urgency.ASKED),
        ("POST", "/worker/{id}/contract", Urgency.LATER),
        ("POST", "/task", Urgency.LATER),
        ("GET", "/api/v1/jobs", Urgency.LATER),
        ("GET", "/ping", Urgency.LATER),
    ],
)
def test_what_is_done_or_under_way_comes_first_and_new_work_last(method: str, pattern: str, urgency: Urgency) -> None:
    assert urgency_of(method, pattern, {}) is urgency


def test_a_contract_that_reports_is_no_mere_claim() -> None:
    assert urgency_of("POST", "/worker/{id}/contract", {REPORTS_HEADER: "3"}) is Urgency.HELD
    assert urgency_of("POST", "/worker/{id}/contract", {REPORTS_HEADER: "0"}) is Urgency.LATER
