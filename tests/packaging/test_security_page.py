"""`docs/security.md` and `docs/promises.md` name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/security.md", "docs/promises.md")
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_the_page_names_is_there(page: str) -> None:
    named = NAMED.findall((ROOT / page).read_text())
    assert len(named) > 10
    missing = [f"{file}::{test}" for file, test in named if not _is_there(file, test)]
    assert not missing


def _is_there(file: str, test: str) -> bool:
    path = ROOT / file
    return path.is_file() and (not test or re.search(rf"^\s*def {test}\(", path.read_text(), re.M) is not None)


def test_every_line_of_the_threats_has_a_test() -> None:
    threats = (ROOT / "docs/security.md").read_text().partition("## Getting in")[2].partition("## Not covered")[0]
    others = ("| attack", "| option", "| `--")  # heads, and the table of options
    rows = [line for line in threats.splitlines() if line.startswith("| ") and not line.startswith(others)]
    assert len(rows) > 20
    assert [row for row in rows if "`tests/" not in row] == []
