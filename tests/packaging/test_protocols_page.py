"""`docs/protocols.md` names every call of the five protocols, and says the truth about what answers it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from app import app
from chalicelib.dialects.pleiades.routes import BASES
from chalicelib.dialects.scheduler.routes import ROUTES as SCHEDULER

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "protocols.md"
ANSWERED = ("supported", "differently", "added")
ROW = re.compile(r"\| ((?:OUT )?[A-Z, ]+) `(\S+?)`.*? \| (?:yes|no) \|(.*?)\| (\w+) \|.*\|")


class Row(NamedTuple):
    room: str
    method: str
    path: str
    answered_by: str
    status: str


def rows() -> Iterator[Row]:
    room = ""
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"## .*\(room `(\w+)`\)", line):
            room = heading[1]
        if (found := ROW.match(line)) and not found[1].startswith(("OUT", "RPC")):
            for method in found[1].split(", "):
                yield Row(room, method, found[2], found[3].strip(" `"), found[4])


ROWS = list(rows())


def view_of(method: str, path: str) -> str | None:
    """The function behind a route, as `edge.http.mount` names it: module, function, methods and path in one word."""
    entry = app.routes.get(path, {}).get(method)
    return None if entry is None else entry.view_name


def routes_of_the_rooms() -> Iterator[tuple[str, str]]:
    """Without the other bases of Pleiades, and without the methods that only refuse."""
    for path, entries in app.routes.items():
        if any(base and path.startswith(base + "/") for base in BASES):
            continue
        for method, entry in entries.items():
            refuses = path in SCHEDULER and method != "POST"
            if "chalicelib_dialects_" in entry.view_name and not refuses:
                yield method, path


def test_the_tables_are_found() -> None:
    assert {row.room for row in ROWS} == {"pleiades", "scheduler", "transcode", "flamenco2", "flamenco1"}
    assert {row.status for row in ROWS} == {*ANSWERED, "not"}
    assert len(ROWS) == len({(row.method, row.path) for row in ROWS})


def test_every_route_of_a_room_is_on_the_page() -> None:
    assert set(routes_of_the_rooms()) - {(row.method, row.path) for row in ROWS} == set()


@pytest.mark.parametrize("row", [row for row in ROWS if row.status in ANSWERED], ids=lambda row: f"{row[1]} {row[2]}")
def test_what_is_said_to_be_answered_is_answered_by_that_function(row: Row) -> None:
    named = f"chalicelib_dialects_{row.room}_{row.answered_by.replace('.', '_')}_"
    assert (view_of(row.method, row.path) or "no route").startswith(named)


@pytest.mark.parametrize("row", [row for row in ROWS if row.status == "not"], ids=lambda row: f"{row[1]} {row[2]}")
def test_what_is_said_not_to_be_here_is_not(row: Row) -> None:
    as_routed = re.sub(r"\{\w+\}", "{}", row.path)
    here = {re.sub(r"\{\w+\}", "{}", path) for path, entries in app.routes.items() if row.method in entries}
    assert as_routed not in here and not row.answered_by


def test_the_bases_of_pleiades_have_the_same_routes() -> None:
    pleiades = {(row.method, row.path) for row in ROWS if row.room == "pleiades" and row.status in ANSWERED}
    for base in BASES:
        assert all(view_of(method, base + path) for method, path in pleiades), base


def test_calls_that_the_farm_makes_stand_in_the_code_that_is_named() -> None:
    room = ""
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"## .*\(room `(\w+)`\)", line):
            room = heading[1]
        if found := re.match(r"\| OUT \w+ `/(?:worker/)?(\w+)`", line):
            texts = [path.read_text() for path in (ROOT / "chalicelib" / "dialects" / room).glob("*.py")]
            assert any(re.search(rf"\b{found[1]}\b", text) for text in texts), found[1]
