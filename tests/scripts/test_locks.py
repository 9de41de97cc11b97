"""The lock files: what goes to Lambda and to workers, to the last package, each file of it by its hash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {"requirements.lock": None, "worker/requirements.lock": "millrace"}
"""Lock file -> the distribution whose needs it holds; None: those of requirements.txt."""
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)( ; [^\\]+)? \\$", re.M)


def pins(name: str) -> dict[str, str]:
    """Without what has a marker, and so is for another system than this one."""
    return {canonicalize_name(found[1]): found[2] for found in PIN.finditer((ROOT / name).read_text()) if not found[3]}


def pinned_in(name: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([\w.]+)", (ROOT / name).read_text(), re.M)
    return {canonicalize_name(package): version for package, version in found}


def needs(distribution_name: str | None) -> Iterator[Requirement]:
    if distribution_name is None:
        yield from (Requirement(f"{name}=={version}") for name, version in pinned_in("requirements.txt").items())
        return
    for text in distribution(distribution_name).requires or []:
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            yield wanted


def closure(distribution_name: str | None) -> set[str]:
    """Everything that comes along, as it is installed here."""
    found: set[str] = set()
    waiting = list(needs(distribution_name))
    while waiting:
        name = canonicalize_name(waiting.pop().name)
        if name not in found:
            found.add(name)
            waiting += needs(name)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_all_that_comes_along_in_the_versions_of_every_checkout(lock: str) -> None:
    held = pins(lock)
    assert set(held) == closure(LOCKS[lock]), "make it anew: docs/security.md says how"
    everywhere = {
        **pinned_in("constraints.txt"),
        **pinned_in("requirements-local.txt"),
        **pinned_in("requirements.txt"),
    }
    assert held == {name: everywhere[name] for name in held}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes_and_nothing_else_is_in_a_lock(lock: str) -> None:
    text = (ROOT / lock).read_text()
    blocks = [block for block in re.split(r"\n(?=[A-Za-z0-9])", text) if not block.startswith("#")]
    assert len(blocks) == len(PIN.findall(text))
    for block in blocks:
        first, *hashes = block.strip().splitlines()
        assert hashes and all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes), first
