"""The lease protocol, visited completely for small sizes: no order of steps, losses and crashes breaks a promise."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.lifecycle import TASK, TaskStatus
from tests.model.explorer import Broken, Explored, explore
from tests.model.leases import Model, Rules, State


def visit(rules: Rules) -> Explored[State]:
    model = Model(rules)
    return explore(model.start(), model.moves, model.check, model.is_end)


SMALL = [
    Rules(workers=2, crashes=0),
    Rules(workers=2, crashes=1, can_cancel=False),
]
LARGE = [
    Rules(workers=2, in_flight=2, crashes=0, can_cancel=False),
    Rules(workers=1, tasks=2, crashes=0),
    Rules(workers=1, in_flight=2, crashes=1),
]


def name_of(rules: Rules) -> str:
    return f"{rules.workers} workers, {rules.tasks} tasks, {rules.in_flight + 1} messages, {rules.crashes} crashes"


@pytest.mark.parametrize("rules", SMALL, ids=name_of)
def test_no_order_of_steps_breaks_a_promise_and_every_one_can_end(rules: Rules) -> None:
    found = visit(rules)
    print(f"{name_of(rules)}: {found.states} states, {found.steps} steps")
    assert found.states > 5000 and found.stuck == 0


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("rules", LARGE, ids=name_of)
def test_nor_does_it_with_more_messages_under_way(rules: Rules) -> None:
    found = visit(rules)
    print(f"{name_of(rules)}: {found.states} states, {found.steps} steps")
    assert found.states > 50_000 and found.stuck == 0


def moved(status: TaskStatus, event: str, to: TaskStatus) -> Any:
    """The farm's table with one more move."""
    return {**TASK, status: {**TASK[status], event: to}}


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a report counts at any generation": (
        {"report_checks_generation": False, "workers": 1, "in_flight": 2},
        "late report",
    ),
    "a report counts from anybody": ({"report_checks_holder": False, "report_checks_generation": False}, "late report"),
    "a claim takes what is active": ({"claim_checks_status": False}, "given while another lives"),
    "a renewal counts at any generation": (
        {"renew_checks_generation": False, "workers": 1, "in_flight": 2},
        "late renewal",
    ),
    "no grace": ({"grace": 0, "counts_from_sending": False}, "twice at once"),
    "the worker counts from the answer": ({"counts_from_sending": False}, "twice at once"),
    "a repeated claim gives a whole lease": ({"says_what_is_left": False}, "twice at once"),
    "a lease that comes too late is begun": ({"late_lease_is_dropped": False}, "twice at once"),
    "a task goes back although its job is canceled": ({"return_looks_at_job": False}, "behind the back"),
    "a claim keeps the generation": ({"claim_raises_generation": False}, "without a new generation"),
    "the table lets a completed task be canceled": (
        {"table": moved(TaskStatus.COMPLETED, "cancel", TaskStatus.CANCELED)},
        "completed task goes on|completion is gone",
    ),
    "the table leads a failed task to where nothing is done with it": (
        {
            "table": {**TASK, TaskStatus.ACTIVE: {**TASK[TaskStatus.ACTIVE], "fail": TaskStatus.WAITING}},
            "can_cancel": False,
        },
        "cannot end",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    changes, says = FAULTS[fault]
    with pytest.raises(Broken, match=says):
        found = visit(Rules(**{"crashes": 0, **changes}))
        if found.stuck:
            raise Broken(f"{found.stuck} states cannot end")


def test_a_story_is_told_in_the_fewest_steps() -> None:
    with pytest.raises(Broken, match="given while another lives") as broken:
        visit(Rules(workers=2, crashes=0, claim_checks_status=False))
    assert len(str(broken.value).split(", ")) <= 8
