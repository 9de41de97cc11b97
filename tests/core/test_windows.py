"""Marks: whatever the order, the repetition and the delay, a window says what is true."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.lifecycle import TaskStatus
from chalicelib.core.windows import Mark, Window, member


def window(marks: frozenset[int], size: int = 2, waits: frozenset[int] = frozenset()) -> Window:
    return Window(job=1, step=0, number=0, size=size, version=0, waits=waits, marks=marks, shut=False)


def test_a_slot_without_marks_is_as_it_was_written() -> None:
    assert window(frozenset(), waits=frozenset({1})).states() == [TaskStatus.QUEUED, TaskStatus.WAITING]


def test_a_voided_end_does_not_count_until_the_next_generation_ends() -> None:
    failed, void = member(1, Mark.FAILED, 0), member(1, Mark.VOID, 0)
    assert window(frozenset({failed}), size=1).full
    assert not window(frozenset({failed, void}), size=1).full
    again = member(3, Mark.COMPLETED, 0)
    assert window(frozenset({failed, void, again}), size=1).states() == [TaskStatus.COMPLETED]


# One task's life: what it went through, in order, as (generation, mark).
LIVES = [
    [(1, Mark.STARTED), (1, Mark.COMPLETED)],
    [(0, Mark.CANCELED)],
    [(0, Mark.RELEASED), (1, Mark.STARTED), (1, Mark.RETURNED), (2, Mark.STARTED), (2, Mark.FAILED)],
    [
        *[(1, Mark.STARTED), (1, Mark.FAILED), (1, Mark.VOID), (2, Mark.RELEASED)],
        *[(3, Mark.STARTED), (3, Mark.COMPLETED)],
    ],
    [(0, Mark.CANCELED), (0, Mark.VOID), (1, Mark.CANCELED)],
]


@given(st.sampled_from(LIVES), st.data())
def test_marks_may_come_late_twice_and_out_of_order(life: list[tuple[int, Mark]], data: st.DataObject) -> None:
    """The newest mark that has arrived decides; older ones that come after it change nothing."""
    arrived = data.draw(st.lists(st.sampled_from(range(len(life))), min_size=1))
    marks = frozenset(member(generation, mark, 0) for generation, mark in (life[i] for i in arrived))
    newest = life[max(arrived)]
    assert window(marks, size=1).states() == window(frozenset({member(*newest, 0)}), size=1).states()
