"""How many bytes the farm keeps, at the same cost however many there are."""

from __future__ import annotations

import pytest

from chalicelib.core import statistics, storage, sweeping
from chalicelib.store.counting import CountingTable
from tests.core.conftest import Bench


def fill(bench: Bench, first: int, last: int, size: int = 10) -> None:
    for number in range(first, last):
        bench.farm.objects.put(f"blobs/{number:05}", b"x" * size)


def test_what_is_stored_is_told_with_the_next_minute(bench: Bench) -> None:
    fill(bench, 0, 3)
    sweeping.sweep(bench.farm)
    assert statistics.series(bench.farm, 60)[1][-1].stored_bytes == 30
    bench.farm.objects.delete("blobs/00000")
    bench.clock.advance(60_000)
    sweeping.sweep(bench.farm)
    assert statistics.series(bench.farm, 60)[1][-1].stored_bytes == 20


def test_much_is_looked_at_part_by_part_and_the_sum_before_stands_until_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "MOST_AT_ONCE", 4)
    fill(bench, 0, 10)
    assert [storage.look(bench.farm) for _ in range(2)] == [None, None]
    assert storage.look(bench.farm) == (100, 10, bench.clock.now())
    fill(bench, 10, 12)
    sums = [found.bytes for _ in range(8) if (found := storage.look(bench.farm)) is not None]
    assert sums == [100, 100, 100, 120, 120, 120, 120, 120] or sums[-1] == 120
    assert set(sums) == {100, 120}


def test_a_part_that_another_process_looked_at_counts_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MOST_AT_ONCE", 4)
    fill(bench, 0, 6)
    whole, calls = bench.farm.objects.list, []

    def meanwhile(*args: object, **named: object) -> object:
        found = whole(*args, **named)  # type: ignore[arg-type]
        if not calls:
            calls.append("here")
            storage.look(bench.farm)
        return found

    monkeypatch.setattr(bench.farm.objects, "list", meanwhile)
    storage.look(bench.farm)
    assert storage.look(bench.farm) == (60, 6, bench.clock.now())


def test_a_look_costs_the_table_two_reads_and_a_write(bench: Bench) -> None:
    fill(bench, 0, 2000, size=1)
    counted = CountingTable(bench.farm.table)
    object.__setattr__(bench.farm, "table", counted)
    for _ in range(3):
        counted.requests.clear()
        storage.look(bench.farm)
        assert counted.requests.total() == 3
    assert storage.read(bench.farm) == (2000, 2000, bench.clock.now())
