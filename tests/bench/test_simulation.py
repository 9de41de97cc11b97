"""What the simulation rests on: time that passes for those who wait, and a table with the limits of its partitions."""

from __future__ import annotations

import pytest

from chalicelib.core.ports import Add, ConditionFailed, Equals, Key, Put, Set, Update
from tests.bench.crowd import Crowd
from tests.bench.events import Events
from tests.bench.partitions import WRITES_PER_SECOND, Front, Storage

INDEXES = {"ready": ("id",)}


@pytest.fixture
def time() -> Events:
    return Events()


def storage(time: Events, lag_ms: float = 0.0) -> Storage:
    return Storage(INDEXES, time, time.pause, seed=1, lag_ms=(lag_ms, lag_ms))


def test_those_who_wait_go_on_in_the_order_of_their_times(time: Events) -> None:
    heard: list[str] = []

    def wait(name: str, milliseconds: float) -> None:
        time.pause(milliseconds)
        heard.append(f"{name} at {time.now() - begun_at}")

    begun_at = time.now()
    time.begin(lambda: wait("late", 30))
    time.begin(lambda: wait("soon", 10))
    time.begin(lambda: wait("never", 3000))
    time.run(1)
    assert (heard, time.now() - begun_at) == (["soon at 10", "late at 30"], 1000)


def test_two_calls_at_once_meet_and_one_loses(time: Events) -> None:
    table = storage(time)
    Front(table, 1).write(Put({"pk": "a", "sk": "-", "n": 0}))
    lost: list[int] = []

    def take(number: int) -> None:
        try:
            Front(table, number).update(Update(Key("a", "-"), (Set("n", number),), when=(Equals("n", 0),)))
        except ConditionFailed:
            lost.append(number)

    for number in (1, 2):
        time.begin(lambda number=number: take(number))  # type: ignore[misc]
    time.run(1)
    item = Front(table, 3).get(Key("a", "-"))
    assert len(lost) == 1 and item is not None and item["n"] == 3 - lost[0]


def test_a_key_takes_a_thousand_units_a_second_and_the_rest_comes_later(time: Events) -> None:
    table = storage(time)
    done: list[int] = []

    def add() -> None:
        Front(table, 1).update(Update(Key("a", "-"), (Add("n", 1),)))
        done.append(time.now())

    begun_at = time.now()
    for _ in range(WRITES_PER_SECOND + 100):
        time.begin(add)
    time.run(0.5)
    assert len(done) == WRITES_PER_SECOND and table.refused >= 100
    time.run(5)
    assert len(done) == WRITES_PER_SECOND + 100 and max(done) - begun_at > 900
    assert table.most["write", "a"] == WRITES_PER_SECOND


def test_an_index_shows_a_write_when_its_time_has_come(time: Events) -> None:
    table = storage(time, lag_ms=500)
    front = Front(table, 1)
    front.write(Put({"pk": "a", "sk": "-", "ready_pk": "R", "ready_sk": "1", "id": 7, "text": "not shown"}))
    assert front.query("R", index="ready").items == []
    time.pause(500)
    assert front.query("R", index="ready").items == [{"pk": "a", "sk": "-", "ready_pk": "R", "ready_sk": "1", "id": 7}]


def test_workers_of_the_simulation_run_every_task_once() -> None:
    crowd = Crowd(lag_ms=(0, 500), seconds=0.5)
    job = crowd.submit("small", count=120)
    crowd.start(crowd.hire(20), 1.0)
    seen = crowd.look(90)
    assert seen.by_job == {job.id: 120}
    assert seen.unavailable == 0 and crowd.processes > 1
