"""Items of an older form become those of today's while the farm runs, however often and wherever it is interrupted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.core import schema, upgrading
from chalicelib.core.farm import Farm
from chalicelib.core.ports import Item, Key, Put, Table, TableUnavailable
from chalicelib.core.records import keys
from chalicelib.core.records.keys import INDEXES
from chalicelib.core.records.notes import Notes
from chalicelib.core.records.paging import pages
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import make_farm
from tests.engines.simulated import Crash, Faults, SimulatedClock, SimulatedTable

OLD_NOTES, OLD_FUNCTIONS, OTHERS = 30, 25, 40


def fill(table: Table) -> None:
    """As a Millrace wrote it that had no lists of functions and notes."""
    for number in range(OLD_NOTES):
        table.write(Put({"pk": f"NOTE#room#n{number}", "sk": "-", "fields": "{}", "version": 1}))
    for number in range(1, OLD_FUNCTIONS + 1):
        table.write(Put({"pk": f"FUNCTION#{number}", "sk": "-", "id": number, "code": number, "tags": []}))
    for number in range(OTHERS):
        table.write(Put({"pk": f"BLOB#{number}", "sk": "-", "id": number}))


def listed(table: Table, noun: str) -> set[str]:
    return {entry["pk"] for entry in pages(table, keys.listing_pk(noun), index="listing")}


def is_whole(table: Table) -> bool:
    return (len(listed(table, "notes")), len(listed(table, "functions"))) == (OLD_NOTES, OLD_FUNCTIONS)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrading, "PAGE", 7)


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Farm]:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    fill(table)
    yield make_farm(table, SimulatedClock())
    table.close()


def everything(table: Table) -> list[Item]:
    found, cursor = [], None
    while True:
        page = table.scan(limit=50, cursor=cursor)
        found += page.items
        if page.cursor is None:
            return found
        cursor = page.cursor


def test_what_an_older_one_wrote_gets_todays_form_and_nothing_else_changes(old: Farm) -> None:
    before = {Key(item["pk"], item["sk"]): item for item in everything(old.table)}
    schema.stamp(old.table)
    assert upgrading.is_needed(old.table)
    upgrading.advance(old)
    assert is_whole(old.table) and not upgrading.is_needed(old.table)
    assert set(Notes(old.table, "room").names("n")) == {f"n{number}" for number in range(OLD_NOTES)}
    for item in everything(old.table):
        if item["pk"] != "FARM":
            assert before[Key(item["pk"], item["sk"])].items() <= item.items()


def test_a_new_farm_needs_none(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    schema.stamp(table)
    assert not upgrading.is_needed(table)
    table.close()


def test_what_an_older_one_still_writes_meanwhile_is_found_too(old: Farm) -> None:
    """An older process may run beside: behind the mark it writes what has been looked at."""
    assert upgrading._one_page(old.table)
    while (old.table.get(keys.farm()) or {}).get("upgrade_mark"):
        upgrading._one_page(old.table)
    old.table.write(Put({"pk": "FUNCTION#00", "sk": "-", "id": 77, "code": 1, "tags": []}))
    upgrading.advance(old)
    assert "FUNCTION#00" in listed(old.table, "functions")
    assert not upgrading.is_needed(old.table)


def test_of_two_at_once_the_slower_stops_and_nothing_is_missed(old: Farm) -> None:
    chance = random.Random(3)
    table = old.table
    true_write = table.write_many

    def another_is_faster(transactions: object) -> object:
        """Between a look and its writes, the other process does a whole page."""
        table.write_many = true_write  # type: ignore[method-assign]
        try:
            if chance.random() < 0.5:
                upgrading._one_page(table)
            return true_write(transactions)  # type: ignore[arg-type]
        finally:
            table.write_many = another_is_faster  # type: ignore[method-assign,assignment]

    table.write_many = another_is_faster  # type: ignore[method-assign,assignment]
    stopped = 0
    while upgrading.is_needed(table):
        stopped += not upgrading._one_page(table)
    assert stopped > 0 and is_whole(table)


@pytest.mark.parametrize("seed", range(20))
def test_it_goes_on_after_any_death_and_any_trouble_of_the_table(seed: int) -> None:
    clock = SimulatedClock()
    table = SimulatedTable(INDEXES, seed, clock=clock, lag_ms=(0, 0))
    fill(table)
    table.faults = Faults(lost_answer=0.05, repeated=0.05, refused=0.05, unreadable=0.05, crash=0.05)
    farm = make_farm(table, clock)
    for _ in range(10_000):
        try:
            if not upgrading.is_needed(table):
                break
            upgrading.advance(farm)
        except (TableUnavailable, Crash):
            pass
    table.calm()
    assert not upgrading.is_needed(table)
    assert is_whole(table)


def test_who_comes_when_another_process_has_just_ended_it_has_nothing_to_do() -> None:
    table = SimulatedTable(INDEXES, seed=1, clock=SimulatedClock(), lag_ms=(0, 0))
    fill(table)
    while upgrading.is_needed(table):
        upgrading._one_page(table)
    assert not upgrading._one_page(table)
