"""The tables of legal moves, and what is derived from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.core import lifecycle
from chalicelib.core.lifecycle import JOB, STEP, TASK, WORKER, IllegalTransition, JobStatus, TaskStatus

TABLES: dict[str, Any] = {"job": JOB, "step": STEP, "task": TASK, "worker": WORKER}


@pytest.mark.parametrize("noun", TABLES)
def test_every_status_has_a_row(noun: str) -> None:
    table = TABLES[noun]
    noun_of = type(next(iter(table)))
    assert list(table) == list(noun_of)


@pytest.mark.parametrize("noun", ["job", "step", "task"])
def test_every_status_can_be_reached_from_the_first(noun: str) -> None:
    table = TABLES[noun]
    reached, pending = set(), [next(iter(table))]
    while pending:
        status = pending.pop()
        if status not in reached:
            reached.add(status)
            pending += table[status].values()
    assert reached == set(table)


def test_sources_are_the_statuses_from_which_an_event_is_legal() -> None:
    assert lifecycle.sources_of(TASK, "claim") == (TaskStatus.QUEUED,)
    for event in {event for moves in JOB.values() for event in moves}:
        for status in JobStatus:
            legal = status in lifecycle.sources_of(JOB, event)
            if legal:
                assert lifecycle.next_status(JOB, status, event) in JobStatus
            else:
                with pytest.raises(IllegalTransition, match=f"cannot {event}"):
                    lifecycle.next_status(JOB, status, event)


def test_the_page_of_diagrams_is_the_one_drawn_from_the_tables() -> None:
    page = Path(__file__).parents[2] / "docs" / "lifecycle.md"
    assert page.read_text() == lifecycle.diagrams(), "run python -m chalicelib.core.lifecycle > docs/lifecycle.md"
