"""The rooms, in the order in which they are registered; on Lambda each when the first request for it comes.

Which paths are whose is then read from `rooms.json`, which the build makes of the registered rooms (`deploy/build.py`):
a function that answers claims starts without the protocols of others. Where that file is not, as in a checkout and in
what plain `chalice deploy` packages, all rooms are registered at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from chalice import Chalice

ROOMS = (
    "chalicelib.api.routes",
    "chalicelib.dashboard.routes",
    "chalicelib.install.routes",
    "chalicelib.dialects.flamenco1.routes",
    "chalicelib.dialects.flamenco2.routes",
    "chalicelib.dialects.pleiades.routes",
    "chalicelib.dialects.scheduler.routes",
    "chalicelib.dialects.transcode.routes",
)
"""Each has a `blueprint`. No two have the same pattern."""
INDEX = Path(__file__).with_name("rooms.json")

Index = Mapping[str, Mapping[str, Sequence[str]]]
"""Room: pattern: methods."""


def register(app: Chalice, room: str) -> None:
    app.register_blueprint(import_module(room).blueprint)


def import_all() -> None:
    """What rooms bring along besides their routes, such as rounds of calls to workers."""
    for room in ROOMS:
        import_module(room)


def index() -> Index:
    """Of all rooms. Raises ValueError when two share a pattern: which comes first would depend on the requests."""
    found: dict[str, dict[str, list[str]]] = {}
    for room in ROOMS:
        alone: Any = Chalice("index")
        register(alone, room)
        found[room] = {pattern: sorted(entries) for pattern, entries in alone.routes.items()}
    patterns = [pattern for own in found.values() for pattern in own]
    if len(set(patterns)) < len(patterns):
        raise ValueError(f"two rooms share {sorted({one for one in patterns if patterns.count(one) > 1})}")
    return found


def kept_index() -> Index | None:
    """The index that the build has left, where the app runs on Lambda."""
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return None
    try:
        kept: Index = json.loads(INDEX.read_bytes())
    except FileNotFoundError:
        return None
    return kept


def keep_index() -> None:
    INDEX.write_text(json.dumps(index(), sort_keys=True))


@dataclass(frozen=True)
class Later:
    """Rooms that are not registered yet, by their patterns."""

    app: Chalice
    room_of: dict[str, str]
    methods: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, app: Chalice, kept: Index) -> Later:
        room_of = {pattern: room for room, own in kept.items() for pattern in own}
        methods = {pattern: frozenset(names) for own in kept.values() for pattern, names in own.items()}
        return cls(app, room_of, methods)

    def bring(self, pattern: str) -> None:
        """Register the room whose pattern this is, unless it is there."""
        room = self.room_of.get(pattern)
        if room is not None:
            register(self.app, room)
            for own in list(self._of(room)):
                del self.room_of[own]

    def _of(self, room: str) -> Iterator[str]:
        return (pattern for pattern, whose in self.room_of.items() if whose == room)


if __name__ == "__main__":
    keep_index()
