"""Host requirements of a step as tags that a worker must carry, and what a worker can say of its machine.

The farm matches tags, and a task needs all of its tags. So an attribute must ask for one value; an amount becomes
`vcpu>=4`, rounded up to a rung of a ladder (1, 2, 3, 4, 6, 8, 12, 16 ...), and a machine carries every rung that it
reaches. Of custom capabilities (`attr.NAME`, `amount.NAME`) the operator names the tags with `--tags NAME=value`.
"""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from millrace.openjd.errors import Refused

if TYPE_CHECKING:
    from openjd.model import Step

OS_FAMILIES = {"linux": "linux", "darwin": "macos", "win32": "windows"}
ARCHITECTURES = {"amd64": "x86_64", "aarch64": "arm64"}
"""Other names of what the standard calls x86_64 and arm64."""


def tags_of_this_machine() -> tuple[str, ...]:
    """The standard's own capabilities, as far as every machine can tell."""
    machine = platform.machine().lower()
    return (
        f"os.family={OS_FAMILIES.get(sys.platform, sys.platform)}",
        f"cpu.arch={ARCHITECTURES.get(machine, machine)}",
        *(f"vcpu>={rung}" for rung in _rungs_to(os.cpu_count() or 1)),
        *(f"memory>={rung}" for rung in _rungs_to(_memory_mib()) if rung >= 256),
    )


def tags_wanted(step: Step) -> list[str]:
    """Raises Refused for what tags cannot say."""
    wanted = step.hostRequirements
    if wanted is None:
        return []
    tags: list[str] = []
    for amount in wanted.amounts or ():
        if amount.max is not None:
            raise Refused(f"step {step.name!r}: {amount.name} has a max; this farm knows only 'at least'")
        if amount.min:
            tags.append(f"{_short(amount.name)}>={_rung_from(float(amount.min))}")
    for attribute in wanted.attributes or ():
        values = list(attribute.allOf or ())
        if attribute.anyOf and len(attribute.anyOf) > 1:
            raise Refused(
                f"step {step.name!r}: {attribute.name} may be any of {', '.join(map(str, attribute.anyOf))}; "
                "this farm can ask for one value, so name one, or leave the requirement out"
            )
        tags += [f"{_short(attribute.name)}={value}" for value in [*values, *(attribute.anyOf or ())]]
    return tags


def _short(name: str) -> str:
    return name.removeprefix("amount.").removeprefix("attr.").removeprefix("worker.")


def _ladder() -> Iterator[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, 24 ..."""
    yield 1
    power = 2
    while True:
        yield power
        yield power + power // 2
        power *= 2


def _rungs_to(most: float) -> Iterator[int]:
    for rung in _ladder():
        if rung > most:
            return
        yield rung


def _rung_from(least: float) -> int:
    return next(rung for rung in _ladder() if rung >= math.ceil(least))


def _memory_mib() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)
    except (AttributeError, ValueError, OSError):  # Windows
        return 0
