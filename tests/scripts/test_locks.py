"""The lock files: what goes to Lambda, workers and a checkout, to the last package, each file of it by its hash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS: dict[str, tuple[str, ...]] = {
    "requirements.lock": ("requirements.txt",),
    "worker/requirements.lock": ("millrace",),
    "requirements-local.lock": ("requirements.txt", "requirements-local.txt", "millrace[openjd]"),
    "requirements-dev.lock": ("requirements-dev.txt",),
}
"""Lock file -> whose needs it holds: those that a file names, or a distribution's."""
INSTALLERS = ("pip", "setuptools", "wheel")
"""What chalice brings along to build with; pip leaves them out when it says what is installed."""
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+?)(?: ; ([^\\]+?))? \\$", re.M)


def pins(name: str) -> dict[str, str]:
    """Without what a marker keeps for another system than this one."""
    found = PIN.findall((ROOT / name).read_text())
    return {canonicalize_name(p): version for p, version, marker in found if not marker or Marker(marker).evaluate()}


def pinned_in(name: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([\w.]+)", (ROOT / name).read_text(), re.M)
    return {canonicalize_name(package): version for package, version in found}


def needs(one: Requirement) -> Iterator[Requirement]:
    for text in distribution(one.name).requires or []:
        wanted = Requirement(text)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *one.extras)):
            yield wanted


def closure(roots: Iterable[str]) -> set[str]:
    """Everything that comes along, as it is installed here."""
    files = [root for root in roots if root.endswith(".txt")]
    waiting = [Requirement(f"{name}=={version}") for file in files for name, version in pinned_in(file).items()]
    waiting += [need for root in roots if root not in files for need in needs(Requirement(root))]
    found: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one = waiting.pop()
        name, extras = canonicalize_name(one.name), frozenset(one.extras)
        if (name, extras) not in found:
            found.add((name, extras))
            waiting += needs(one)
    return {name for name, _ in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_all_that_comes_along_in_the_versions_of_every_checkout(lock: str) -> None:
    held = pins(lock)
    assert set(held) == closure(LOCKS[lock]), "make it anew: docs/security.md says how"
    installers = {name: held[name] for name in INSTALLERS if name in held}
    files = ("constraints.txt", "requirements-dev.txt", "requirements-local.txt", "requirements.txt")
    everywhere = {name: version for file in files for name, version in pinned_in(file).items()}
    assert held == {name: everywhere[name] for name in held if name not in INSTALLERS} | installers


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes_and_nothing_else_is_in_a_lock(lock: str) -> None:
    text = (ROOT / lock).read_text()
    blocks = [block for block in re.split(r"\n(?=[A-Za-z0-9])", text) if not block.startswith("#")]
    assert len(blocks) == len(PIN.findall(text))
    for block in blocks:
        first, *hashes = block.strip().splitlines()
        assert hashes and all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes), first
