"""Waking: nobody is woken for nothing, nobody sleeps beside work."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pytest

from chalicelib.core.errors import Unavailable
from chalicelib.embedded.bell import LocalBell, LocalWaiter, PollingBell

LONG = 30.0


@pytest.fixture
def bell() -> LocalBell:
    return LocalBell()


class Sleeper:
    """A thread in `wait`."""

    def __init__(self, bell: LocalBell, pool: ThreadPoolExecutor, topics: list[str]) -> None:
        self.waiter: LocalWaiter = bell.waiter(topics)
        self.woken: Future[bool] = pool.submit(self.waiter.wait, LONG)
        _until(lambda: self.waiter.is_asleep)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def sleepers(bell: LocalBell):
    with ThreadPoolExecutor(16) as pool:
        yield lambda topics=("work",): Sleeper(bell, pool, list(topics))
        bell.close()


def test_a_ring_wakes_as_many_as_it_says_first_come_first_woken(bell: LocalBell, sleepers) -> None:
    first, second, third = (sleepers() for _ in range(3))
    bell.ring("work", times=2)
    assert first.woken.result(10) and second.woken.result(10)
    assert third.waiter.delivered is None
    bell.ring("work")
    assert third.woken.result(10)


def test_a_ring_for_all_wakes_all(bell: LocalBell, sleepers) -> None:
    everybody = [sleepers() for _ in range(5)]
    bell.ring("work", times=None)
    assert all(sleeper.woken.result(10) for sleeper in everybody)


def test_a_ring_of_another_topic_wakes_nobody(bell: LocalBell, sleepers) -> None:
    sleeper = sleepers(["python3", "pinned:7"])
    bell.ring("bash", times=None)
    assert sleeper.waiter.delivered is None
    bell.ring("pinned:7")
    assert sleeper.woken.result(10)


def test_a_ring_before_the_sleep_is_not_lost(bell: LocalBell) -> None:
    with bell.waiter(["work"]) as waiter:
        bell.ring("work")
        assert waiter.wait(0)
        assert not waiter.wait(0)


def test_a_ring_before_the_registration_is_not_heard(bell: LocalBell) -> None:
    bell.ring("work")
    with bell.waiter(["work"]) as waiter:
        assert not waiter.wait(0)


def test_the_time_ends_without_a_ring(bell: LocalBell) -> None:
    with bell.waiter(["work"]) as waiter:
        started = time.monotonic()
        assert not waiter.wait(0.05)
        assert 0.05 <= time.monotonic() - started < 5


def test_a_waiter_that_leaves_without_hearing_its_ring_passes_it_on(bell: LocalBell, sleepers) -> None:
    with bell.waiter(["work"]) as leaving:
        bell.ring("work")
        assert leaving.delivered is not None
        sleeper = sleepers()  # has come since, and has looked at the table since
        other = bell.waiter(["work"])
    assert sleeper.waiter.delivered is None and other.delivered is None


def test_a_woken_waiter_that_leaves_without_use_wakes_the_next(bell: LocalBell, sleepers) -> None:
    first, second = sleepers(), sleepers()
    bell.ring("work")
    assert first.woken.result(10)
    with first.waiter:
        pass
    assert second.woken.result(10)


def test_a_woken_waiter_that_found_nothing_for_itself_wakes_the_next_and_waits_on(bell: LocalBell, sleepers) -> None:
    first, second = sleepers(), sleepers()
    bell.ring("work")
    assert first.woken.result(10)
    assert not first.waiter.wait(0.01)
    assert second.woken.result(10)
    assert not second.waiter.wait(0.01)  # and it does not go round in circles
    assert first.waiter.delivered is None


def test_a_used_wake_is_not_passed_on(bell: LocalBell, sleepers) -> None:
    first, second = sleepers(), sleepers()
    bell.ring("work")
    assert first.woken.result(10)
    with first.waiter:
        first.waiter.used()
    assert second.waiter.delivered is None


def test_who_sleeps_is_woken_before_who_is_about_to_look(bell: LocalBell, sleepers) -> None:
    with bell.waiter(["work"]) as looking:
        sleeper = sleepers()
        bell.ring("work")
        assert sleeper.woken.result(10)
        assert looking.delivered is None


def test_closing_ends_every_wait(bell: LocalBell, sleepers) -> None:
    everybody = [sleepers() for _ in range(5)]
    bell.close()
    for sleeper in everybody:
        with pytest.raises(Unavailable, match="stopping"):
            sleeper.woken.result(10)
    with bell.waiter(["work"]) as waiter, pytest.raises(Unavailable):
        waiter.wait(LONG)


def test_who_left_leaves_nothing_behind(bell: LocalBell) -> None:
    with bell.waiter(["work", "work", "other"]):
        pass
    assert bell._waiters == {}


class Queue:
    """Stands for the table: tasks of two kinds, taken atomically."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: deque[int] = deque()

    def put(self, tasks: range) -> None:
        with self._lock:
            self._tasks.extend(tasks)

    def take(self, fits: Callable[[int], bool]) -> int | None:
        with self._lock:
            for task in self._tasks:
                if fits(task):
                    self._tasks.remove(task)
                    return task
            return None


@pytest.mark.parametrize("says_used", [True, False])
def test_no_wake_is_lost_among_many_that_come_and_go(bell: LocalBell, says_used: bool) -> None:
    """Twelve workers, half of which take only even tasks; each task is rung once, and nobody may sleep beside it."""
    queue, bursts = Queue(), [1, 2, 1, 5, 1, 1, 3] * 100
    taken: list[int] = []

    def work(number: int) -> None:
        def fits(task: int) -> bool:
            return task % 2 == 0 or number % 2 == 0

        while not bell.is_closed:
            with bell.waiter(["work"]) as waiter:
                with suppress(Unavailable):
                    while (task := queue.take(fits)) is None and waiter.wait(LONG):
                        pass
                if task is not None:
                    taken.append(task)
                    if says_used:
                        waiter.used()

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(12)]
    for worker in workers:
        worker.start()
    first = 0
    for burst in bursts:
        queue.put(range(first, first + burst))
        bell.ring("work", times=burst)
        first += burst
        if first % 4 == 0:
            time.sleep(0.0005)  # lets the workers run dry, so that they sleep
    _until(lambda: len(taken) == first)  # a lost wake would sleep far longer
    bell.close()
    for worker in workers:
        worker.join(10)
    assert sorted(taken) == list(range(first))


def test_where_nobody_can_ring_the_table_is_looked_at_again_each_half_to_full_second() -> None:
    slept: list[float] = []
    bell = PollingBell(sleep=slept.append, jitter=lambda: 0.5)
    bell.ring("work")
    with bell.waiter(["work"]) as waiter:
        assert waiter.wait(25)
        assert waiter.wait(0.76)
        assert not waiter.wait(0.3)
        assert not waiter.wait(0)
    assert slept == [0.75, 0.75, 0.3, 0]
