"""What the operator said about the fleet (`./millrace deploy --fleet ...`): `MILLRACE_FLEET`, one JSON object that
`infra/fleet.yaml` writes. Without it there is no fleet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from .core.fleet import Rules
from .core.fleet_watching import Abilities

TAG = "fleet"
"""Carried by every worker of the fleet: jobs may require or forbid it."""


@dataclass(frozen=True)
class FleetSettings:
    group: str
    """Name of the Auto Scaling group."""
    role_id: str
    """Of the machines' role: AWS knows a machine as `<role id>:<instance id>`."""
    rules: Rules
    abilities: Abilities
    silent_ms: int = field(default=600_000)
    """A machine whose worker has not called for so long is replaced."""


def parsed(text: str) -> FleetSettings | None:
    """Raises ValueError that says what is wrong."""
    if not text:
        return None
    try:
        said = json.loads(text)
        return FleetSettings(str(said["group"]), str(said["role_id"]), _rules(said), _abilities(said), _silent(said))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it must be a JSON object as infra/fleet.yaml writes it ({error!r})") from None


def _rules(said: Mapping[str, str]) -> Rules:
    slots, backlog = _number(said, "slots", least=1), _number(said, "tasks_per_slot", least=1)
    return Rules(
        most=int(_number(said, "most", least=1)),
        price=round(_number(said, "price", least=0.000_001) * 1e6),
        hourly_cap=round(_number(said, "hourly_cap", least=0) * 1e6),
        cool_down_ms=round(_number(said, "cool_down_minutes", least=0) * 60_000),
        tasks_each=max(1, int(slots * backlog)),
    )


def _abilities(said: Mapping[str, str]) -> Abilities:
    types, runtimes, tags = (_words(said[name]) for name in ("task_types", "runtimes", "tags"))
    return Abilities(types, runtimes, tags | {TAG})


def _silent(said: Mapping[str, str]) -> int:
    return round(_number(said, "silent_minutes", least=1) * 60_000)


def _number(said: Mapping[str, str], name: str, *, least: float) -> float:
    number = float(said[name])
    if not least <= number < 1e9:
        raise ValueError(f"{name} must be a number from {least:g} on, not {said[name]!r}")
    return number


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())
