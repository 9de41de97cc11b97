"""Who of the tasks on a worker computes next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from millrace.agent.protocol import LeaseId
from millrace.agent.slots import Slots
from tests.worker.manager import Manager

FIRST, SECOND, THIRD = (LeaseId(str(number), 1) for number in (1, 2, 3))


def lined_up(count: int, **is_ready: bool) -> Slots:
    slots = Slots(count)
    for lease, ready in zip((FIRST, SECOND, THIRD), is_ready.values(), strict=False):
        slots.line_up(lease, is_ready=ready)
    return slots


def test_the_task_claimed_first_goes_first_however_late_its_thread_is() -> None:
    slots = lined_up(1, first=True, second=True)
    assert not slots.acquire(SECOND, 0.0)
    assert slots.acquire(FIRST, 0.0)


def test_a_task_that_still_fetches_its_inputs_holds_nobody_up_and_goes_before_later_ones_when_they_are_here() -> None:
    slots = lined_up(1, first=False, second=True, third=True)
    assert slots.acquire(SECOND, 0.0)
    assert not slots.acquire(FIRST, 0.0)
    slots.release()
    assert not slots.acquire(THIRD, 0.0)
    assert slots.acquire(FIRST, 0.0)


def test_as_many_go_as_there_are_slots() -> None:
    slots = lined_up(2, first=True, second=True, third=True)
    assert slots.acquire(SECOND, 0.0)
    assert not slots.acquire(THIRD, 0.0)
    assert slots.acquire(FIRST, 0.0)
    assert not slots.acquire(THIRD, 0.0)
    slots.release()
    assert slots.acquire(THIRD, 0.0)


def test_a_task_that_left_is_waited_for_no_longer() -> None:
    slots = lined_up(1, first=True, second=True)
    threading.Timer(0.05, slots.leave, [FIRST]).start()
    assert slots.acquire(SECOND, 10.0)


@given(
    count=st.integers(1, 3),
    tasks=st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=6),
)
def test_whatever_tasks_do_never_more_run_than_there_are_slots_and_all_have_their_turn(
    count: int, tasks: list[tuple[bool, int]]
) -> None:
    slots, running, most, ran = Slots(count), 0, 0, []
    lock = threading.Lock()

    def run(lease: LeaseId, turns: int) -> None:
        nonlocal running, most
        time.sleep(turns / 1000)
        if turns == 3:  # stopped before it had its slot
            return slots.leave(lease)
        assert slots.acquire(lease, 10.0)
        with lock:
            running += 1
            most = max(most, running)
            ran.append(lease)
        time.sleep(turns / 1000)
        with lock:
            running -= 1
        slots.release()

    threads = []
    for number, (is_ready, turns) in enumerate(tasks):
        lease = LeaseId(str(number), 1)
        slots.line_up(lease, is_ready=is_ready)
        threads.append(threading.Thread(target=run, args=(lease, turns)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert most <= count
    assert len(ran) == sum(turns != 3 for _, turns in tasks)


def test_a_worker_that_took_several_tasks_at_once_runs_them_as_they_came(
    manager: Manager, start_agent: Callable[..., threading.Event], tmp_path: Path
) -> None:
    order = tmp_path / "order"
    numbers = [str(number) for number in range(1, 13)]
    for number in numbers:
        manager.queue(number, ("exec", {"cmd": f"sh -c 'echo {number} >> {order}'"}))
    start_agent(prefetch=5)
    for number in numbers:
        assert manager.wait_for_outcome(number)["outcome"] == "completed"
    assert order.read_text().split() == numbers
