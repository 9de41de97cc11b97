"""The requirement files name what the manager imports: a developer's environment has more than a user's."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMES_ALONG = {"botocore": "boto3", "pydantic_core": "pydantic"}


def imported(path: Path) -> Iterator[str]:
    """Top-level names of the absolute imports, those within functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


OURS = {"app", "chalicelib", "_typeshed"}
"""`_typeshed` exists for type checkers only."""


def named_in(*files: str) -> set[str]:
    lines = [line for name in files for line in (ROOT / name).read_text().splitlines()]
    return {match[1].lower() for line in lines if (match := re.match(r"([A-Za-z0-9_.-]+)==", line))}


def test_what_the_manager_imports_is_required() -> None:
    paths = [ROOT / "app.py", *(ROOT / "chalicelib").rglob("*.py")]
    modules = {name for path in paths for name in imported(path)} - sys.stdlib_module_names - OURS
    distributions = {packages_distributions()[module][0].lower() for module in modules}
    needed = {COMES_ALONG.get(name, name) for name in distributions}
    assert needed <= named_in("requirements.txt", "requirements-local.txt")


def test_manager_and_worker_are_of_one_version() -> None:
    places = ("chalicelib/config.py", "worker/millrace/__init__.py", "worker/pyproject.toml")
    said = [
        re.findall(r'^(?:VERSION|__version__|version) = "(.+)"$', (ROOT / name).read_text(), re.M) for name in places
    ]
    assert said[0] and said == [said[0]] * 3


def test_every_requirement_is_pinned_and_says_why_and_under_which_licence() -> None:
    for name in ("requirements.txt", "requirements-local.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text().splitlines():
            assert not line or line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+ +# .+; [\w.():, -]+", line), line
