"""Ids that others chose."""

from __future__ import annotations

import pytest

from chalicelib.core.errors import BadInput
from chalicelib.core.farm import Farm
from tests.core.conftest import Bench


@pytest.fixture
def farm(bench: Bench) -> Farm:
    return bench.farm


def test_an_id_stands_for_what_it_was_first_given_to(farm: Farm) -> None:
    assert farm.aliases.add("transcode", "worker", "10.0.0.7:20001", 5).id == 5
    assert farm.aliases.add("transcode", "worker", "10.0.0.7:20001", 6).id == 5
    found = farm.aliases.get("transcode", "worker", "10.0.0.7:20001")
    assert found is not None and found.id == 5


def test_the_same_id_in_another_dialect_or_of_another_noun_is_another(farm: Farm) -> None:
    farm.aliases.add("flamenco1", "task", "7", 1)
    assert farm.aliases.get("flamenco1", "worker", "7") is None
    assert farm.aliases.get("transcode", "task", "7") is None


def test_notes_are_kept_one_by_one(farm: Farm) -> None:
    farm.aliases.add("transcode", "worker", "a:1", 5)
    farm.aliases.note("transcode", "worker", "a:1", heard_at=10, busy=False)
    farm.aliases.note("transcode", "worker", "a:1", busy=True)
    found = farm.aliases.get("transcode", "worker", "a:1")
    assert found is not None and found.notes == {"heard_at": 10, "busy": True}
    assert farm.aliases.note("transcode", "worker", "nobody:1", busy=True) is None


def test_all_are_listed_until_they_are_removed(farm: Farm) -> None:
    for number, external in enumerate(("b:1", "a:1", "c:1")):
        farm.aliases.add("transcode", "worker", external, number)
    farm.aliases.remove("transcode", "worker", "b:1")
    assert [(alias.external, alias.id) for alias in farm.aliases.all("transcode", "worker")] == [("a:1", 1), ("c:1", 2)]


@pytest.mark.parametrize("external", ["", "x" * 501])
def test_an_id_that_fits_nowhere_is_refused_and_stands_for_nothing(farm: Farm, external: str) -> None:
    with pytest.raises(BadInput, match="1 to 500 bytes"):
        farm.aliases.add("flamenco1", "task", external, 1)
    assert farm.aliases.get("flamenco1", "task", external) is None
