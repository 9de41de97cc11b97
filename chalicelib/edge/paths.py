"""What a method and a path mean to this app, and whose they are. The embedded server and the doors on AWS ask here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalice import Chalice

from .http import Room, rooms_of
from .refusals import NO_INTERFACE, allow_header
from .routing import Match, Routes

if TYPE_CHECKING:
    from ..rooms import Later


@dataclass(frozen=True)
class NotHere:
    """No view answers this."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Paths:
    """Made once all rooms are registered."""

    def __init__(self, app: Chalice, later: Later | None = None) -> None:
        """`later`: rooms that are registered when the first path of theirs is found."""
        self._methods = {pattern: frozenset(entries) for pattern, entries in app.routes.items()}
        if later is not None:
            self._methods.update(later.methods)
        self._routes = Routes(self._methods)
        self._app, self._later = app, later

    def find(self, method: str, path: str) -> Match | NotHere:
        match = self._routes.match(path) or self._with_a_slash_too_many(path)
        if match is None:
            return NotHere(404, NO_INTERFACE)
        methods = self._methods[match.pattern]
        if method not in methods:
            allowed = allow_header(methods)
            return NotHere(405, f"this URL knows {allowed}, not {method[:20]}", {"Allow": allowed})
        self._room_of(match.pattern)
        return match

    def room(self, path: str) -> Room | None:
        """Several protocols share the root: a path is the room's that has the nearest route, if it is one room's."""
        match = self._routes.match(path)
        found = {self._room_of(pattern) for pattern in ([match.pattern] if match else self._routes.nearest(path))}
        return found.pop() if len(found) == 1 else None

    def _with_a_slash_too_many(self, path: str) -> Match | None:
        """What the path without the slash means, if its room sends such calls there."""
        match = self._routes.match(path[:-1]) if path.endswith("/") else None
        room = self._room_of(match.pattern) if match is not None else None
        return match if room is not None and room.slash_status is not None else None

    def _room_of(self, pattern: str) -> Room | None:
        if self._later is not None:
            self._later.bring(pattern)
        return rooms_of(self._app).get(pattern)
