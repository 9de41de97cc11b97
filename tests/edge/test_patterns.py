"""No text that can be sent makes a pattern of ours try for long (ReDoS): every compiled pattern meets hostile text."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from types import ModuleType

import pytest

import chalicelib
import millrace

LENGTH = 20_000
UNITS = ["0", "a", " ", "-", "1-", "1,", "1 - ", "a.", ".", "#", "(", "[", "{", "f0", "0x", "\t", "1 - 2 x ", ";", "é"]
TEXTS = [unit * (LENGTH // len(unit)) + end for unit in UNITS for end in ("", "!", "\n")]


def patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes]]]:
    for package in (chalicelib, millrace):
        for module in modules(package):
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern):
                    yield f"{module.__name__}.{name}", value


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


ALL = dict(patterns())


def test_there_are_patterns_to_try() -> None:
    assert len(ALL) > 15


@pytest.mark.parametrize("name", sorted(ALL))
def test_hostile_text_is_answered_at_once(name: str) -> None:
    pattern = ALL[name]
    started = time.process_time()
    for text in TEXTS:
        given = text.encode() if isinstance(pattern.pattern, bytes) else text
        pattern.fullmatch(given)  # type: ignore[arg-type]
        pattern.match(given)  # type: ignore[arg-type]
    assert time.process_time() - started < 5
