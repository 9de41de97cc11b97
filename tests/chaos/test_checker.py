"""The checker finds each kind of fault that is planted in a history, and nothing in one that is in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import violations
from tests.chaos.history import EndedJob, EndedTask, Ending, Exchange, Run

TASK = "70"


def call(worker: str, name: str, at: float, body: dict[str, Any], answer: Any, **more: Any) -> Exchange:
    return Exchange("POST", f"/worker/{worker}/{name}", body, at, at + 0.1, 200, answer, **{"delivered": True, **more})


def granted(worker: str, generation: int, at: float, request: str = "", seconds: float = 3.0) -> Exchange:
    body = {"request_id": request or f"{worker}-{at}", "held": [], "reports": []}
    given = {"task": TASK, "generation": generation, "lease_seconds": seconds}
    return call(worker, "contract", at, body, {"assignments": [given], "reports": []})


def reported(worker: str, generation: int, at: float, outcome: str = "completed", *, accepted: bool = True) -> Exchange:
    lease = {"task": TASK, "generation": generation}
    body = {"request_id": f"{worker}-{at}", "held": [], "reports": [{**lease, "outcome": outcome}]}
    return call(worker, "contract", at, body, {"assignments": [], "reports": [{**lease, "accepted": accepted}]})


def renewed(worker: str, generation: int, at: float, **more: Any) -> Exchange:
    lease = {"task": TASK, "generation": generation}
    return call(
        worker, "renew", at, {"leases": [lease]}, {"leases": [{**lease, "held": True, "lease_seconds": 3.0}]}, **more
    )


def ending(*attempts: tuple[str, str], status: str = "completed", counted: str = "") -> Ending:
    return Ending((EndedJob("1", status, {counted or status: 1}, (EndedTask(TASK, status, attempts),)),))


GOOD = (
    granted("a", 1, 0.0, request="r1"),
    granted("a", 1, 0.2, request="r1"),  # repeated for want of an answer
    renewed("a", 1, 1.0),
    granted("b", 2, 4.5, request="r2"),  # a's lease ran out at 4.0
    reported("b", 2, 5.0),
    reported("b", 2, 5.2),
)
GOOD_END = ending(("a", "lost"), ("b", "completed"))


def found(*history: Exchange, end: Ending = GOOD_END, overlaps: tuple[str, ...] = ()) -> list[str]:
    return violations(history, ["1"], end, Run(overlaps))


def test_a_history_in_order() -> None:
    assert found(*GOOD) == []


def test_what_was_taken_back_at_a_sign_off_may_be_released_once_more() -> None:
    history = [
        granted("a", 1, 0.0),
        call("a", "sign-off", 1.0, {}, {}),
        granted("b", 2, 1.5),
        reported("a", 1, 2.0, "released"),
        reported("b", 2, 2.5),
    ]
    assert found(*history, end=ending(("a", "released"), ("b", "completed"))) == []
    late = reported("a", 1, 2.0, "failed")
    assert found(*history[:3], late, history[4], end=ending(("a", "released"), ("b", "completed")))


@pytest.mark.parametrize(
    ("history", "end", "says"),
    [
        ([granted("a", 1, 0.0), granted("b", 1, 9.0), reported("b", 1, 9.5)], ending(("b", "completed")), "given to"),
        ([granted("a", 1, 0.0), granted("a", 1, 9.0), reported("a", 1, 9.5)], ending(("a", "completed")), "given to"),
        ([granted("a", 2, 0.0), granted("b", 1, 9.0), reported("b", 1, 9.5)], GOOD_END, "came after 2"),
        ([granted("a", 1, 0.0), granted("b", 2, 2.0), reported("b", 2, 3.0)], GOOD_END, "held it at 1"),
        ([granted("a", 1, 0.0), renewed("a", 1, 2.9), granted("b", 2, 5.0), reported("b", 2, 5.5)], GOOD_END, "held"),
        ([granted("a", 1, 0.0), granted("b", 2, 5.0), reported("a", 1, 6.0)], ending(("a", "completed")), "newer"),
        ([granted("a", 1, 0.0), reported("a", 1, 1.0), granted("b", 2, 2.0)], ending(("a", "completed")), "after its"),
        ([granted("a", 1, 0.0), reported("a", 1, 1.0)], ending(("a", "failed"), status="failed"), "is lost"),
        ([granted("a", 1, 0.0), reported("a", 1, 1.0)], Ending(()), "is lost"),
        ([granted("a", 1, 0.0), reported("a", 1, 1.0)], ending(("b", "completed")), "its attempts say"),
        ([granted("a", 1, 0.0), reported("a", 1, 1.0)], ending(("a", "completed"), ("a", "completed")), "attempts say"),
        ([], ending(status="active"), "is still active"),
        ([], ending(status="completed", counted="failed"), "counts"),
        ([], Ending(()), "is gone"),
        ([], Ending(ending().jobs * 2), "listed 2 times"),
    ],
)
def test_a_planted_fault_is_found(history: list[Exchange], end: Ending, says: str) -> None:
    assert any(says in sentence for sentence in found(*history, end=end)), found(*history, end=end)


def test_two_runs_at_once_are_found() -> None:
    assert found(*GOOD, overlaps=(TASK,)) == [f"task {TASK} ran twice at the same time"]


@pytest.mark.parametrize(
    "release",
    [
        reported("a", 1, 1.0, "released"),
        reported("a", 1, 1.0, "failed"),
        call("a", "sign-on", 1.0, {"held": []}, {}),
        call("a", "sign-off", 1.0, {}, {}),
        replace(reported("a", 1, 1.0, "failed"), answered_at=None, answer=None, delivered=False),  # it may have acted
    ],
)
def test_what_ends_a_hold_before_its_time(release: Exchange) -> None:
    assert found(granted("a", 1, 0.0), release, granted("b", 2, 1.5), reported("b", 2, 2.0)) == []


@pytest.mark.parametrize(
    "nothing",
    [
        call("a", "sign-on", 1.0, {"held": [{"task": TASK, "generation": 1}]}, {}),
        call("b", "sign-on", 1.0, {"held": []}, {}),
        call("a", "contract", 1.0, {"request_id": "x", "held": [], "reports": []}, {"assignments": []}),
    ],
)
def test_what_does_not_end_a_hold(nothing: Exchange) -> None:
    """A worker that starts again with the task, somebody else's start, a call made while the grant was under way."""
    history = [granted("a", 1, 0.0), nothing, granted("b", 2, 1.5), reported("b", 2, 2.0)]
    assert any("held it" in sentence for sentence in found(*history))


def test_a_renewal_whose_answer_got_lost_is_not_believed_in() -> None:
    lost = renewed("a", 1, 2.9, delivered=False)
    assert found(granted("a", 1, 0.0), lost, granted("b", 2, 4.0), reported("b", 2, 4.5)) == []


def test_a_report_repeated_after_the_task_went_on_is_a_matter_of_manners() -> None:
    """The first one was accepted, its answer got lost, and the worker sends it again after a retry."""
    first = replace(reported("a", 1, 1.0, "failed"), delivered=False)
    again = replace(first, forwarded_at=3.0, answered_at=3.1)
    history = [granted("a", 1, 0.0), first, granted("b", 2, 2.0), again, reported("b", 2, 4.0)]
    assert found(*history, end=ending(("a", "failed"), ("b", "completed"))) == []
