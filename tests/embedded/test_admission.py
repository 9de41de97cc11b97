"""The line before the farm: who is next, who is refused, and that nothing of it stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from chalicelib.edge import pace
from chalicelib.edge.urgency import Urgency
from chalicelib.embedded import admission
from chalicelib.embedded.admission import Gate, stepping_aside
from chalicelib.embedded.http1 import Refused
from tests.worker.processes import until

HELD, ASKED, LATER = Urgency


@pytest.fixture(autouse=True)
def usual_pace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And more patience than a busy machine can use up while a crowd gathers."""
    for urgency in Urgency:
        monkeypatch.setitem(admission.PATIENCE_SECONDS, urgency, 100.0)
    yield
    pace.set_stretch(1.0)


class Crowd:
    """Threads that want a place, and the order in which they got one."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.served: list[str] = []
        self.refused: list[str] = []
        self._threads: list[threading.Thread] = []

    def comes(self, name: str, urgency: Urgency) -> None:
        """Returns when it stands in line, or has been sent away."""
        waiting = self.gate._waiting
        before = waiting[urgency]
        thread = threading.Thread(target=self._visit, args=(name, urgency))
        self._threads.append(thread)
        thread.start()
        until(lambda: waiting[urgency] > before or not thread.is_alive(), f"{name} in line", 20)

    def goes(self) -> None:
        for thread in self._threads:
            thread.join(20)

    def _visit(self, name: str, urgency: Urgency) -> None:
        try:
            with self.gate.place(urgency):
                self.served.append(name)
        except Refused:
            self.refused.append(name)


def test_the_most_urgent_is_next_and_among_equals_who_came_first() -> None:
    gate = Gate(places=1)
    crowd = Crowd(gate)
    with gate.place(ASKED):
        for name, urgency in [("claim", LATER), ("submission", ASKED), ("report", HELD), ("renewal", HELD)]:
            crowd.comes(name, urgency)
    crowd.goes()
    assert crowd.served == ["report", "renewal", "submission", "claim"]


def test_a_line_that_is_too_long_takes_nobody_more_and_the_other_lines_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(admission.LONGEST_LINE, LATER, 2)
    gate = Gate(places=1)
    crowd = Crowd(gate)
    with gate.place(HELD):
        for number in range(3):
            crowd.comes(f"claim {number}", LATER)
        crowd.comes("report", HELD)
        with pytest.raises(Refused) as refused:
            gate.look(LATER)
        gate.look(HELD)
    crowd.goes()
    assert refused.value.status == 503
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 2
    assert crowd.refused == ["claim 2"]
    assert crowd.served == ["report", "claim 0", "claim 1"]


def test_who_has_waited_in_vain_is_refused_and_leaves_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(admission.PATIENCE_SECONDS, LATER, 0.2)
    gate = Gate(places=1)
    crowd = Crowd(gate)
    with gate.place(HELD):
        crowd.comes("claim", LATER)
        until(lambda: crowd.refused == ["claim"], "the end of its patience", 20)
        crowd.comes("report", HELD)
    crowd.goes()
    assert (crowd.refused, crowd.served) == (["claim"], ["report"])
    with gate.place(LATER):
        pass


def test_who_waits_for_work_leaves_the_place_to_others() -> None:
    gate = Gate(places=1)
    with gate.place(LATER), stepping_aside(), gate.place(ASKED):
        pass
    with gate.place(LATER):  # all places are there again
        crowd = Crowd(gate)
        crowd.comes("next", LATER)
        assert crowd.served == []
    crowd.goes()
    assert crowd.served == ["next"]


def test_a_failure_in_a_request_gives_its_place_back() -> None:
    gate = Gate(places=1)
    with pytest.raises(ZeroDivisionError), gate.place(ASKED):
        raise ZeroDivisionError
    gate.look(LATER)
    with gate.place(LATER):
        pass


def test_the_pause_that_is_told_grows_while_more_is_refused_than_served_and_shrinks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(admission.time, "monotonic", lambda: now[0])
    pressure = admission._Pressure()
    told = []
    for second in range(30):
        now[0] = float(second)
        told.append([pressure.refused() for _ in range(50)][-1])
        pressure.served()
    assert told[0] == 1 and told[-1] == admission.MOST_PAUSE_SECONDS and told == sorted(told)
    assert pace.stretch() == pace.MOST
    for second in range(30, 90):
        now[0] = float(second)
        pressure.served()
    assert pressure.refused() == 1
    assert pace.stretch() < 1.1


def test_workers_are_told_to_ask_less_often_up_to_what_a_person_may_have_to_wait() -> None:
    pace.set_stretch(4)
    assert pace.stretched(1.0) == 4.0
    assert pace.stretched(30.0) == 30.0
    pace.set_stretch(1000)
    assert pace.stretched(1.0) == pace.MOST
    assert pace.stretched(5.0) == pace.LONGEST_POLL_SECONDS


def test_a_short_line_that_does_not_move_takes_more_and_a_longer_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stall of the disk is no overload."""
    gate = Gate(places=1)
    crowd = Crowd(gate)
    with gate.place(HELD):
        for number in range(3):
            crowd.comes(f"claim {number}", LATER)
        for ticket in gate._lines[LATER]:
            ticket.since -= 60.0
        gate.look(LATER)
        monkeypatch.setattr(admission, "PLACES", 2)
        with pytest.raises(Refused):
            gate.look(LATER)
    crowd.goes()
