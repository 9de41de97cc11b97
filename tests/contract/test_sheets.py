"""Each protocol's sheet ends in examples: there is a recording of every one."""

from __future__ import annotations

import pytest

from tests.contract.recordings import FOLDER, read


@pytest.mark.parametrize(
    ("dialect", "section", "examples"),
    [("flamenco1", 14, 15), ("flamenco2", 12, 15), ("pleiades", 14, 15), ("scheduler", 15, 14), ("transcode", 13, 15)],
)
def test_there_is_a_recording_for_every_example_of_the_sheet(dialect: str, section: int, examples: int) -> None:
    sources = {read(path)["source"] for path in (FOLDER / dialect).rglob("*.json")}
    assert {f"protocols/{dialect}.md section {section}.{n}" for n in range(1, examples + 1)} <= sources
