"""The routes of the whole app, as API Gateway takes them: it is stricter than chalice."""

from __future__ import annotations

import re

from app import app

PATHS = sorted(app.routes)


def test_paths_are_made_of_what_api_gateway_takes() -> None:
    segment = re.compile(r"[A-Za-z0-9._:-]+|\{[A-Za-z0-9_]+\+?\}")
    for path in PATHS:
        assert path == "/" or all(segment.fullmatch(part) for part in path[1:].split("/")), path


def test_every_route_takes_any_kind_of_body() -> None:
    """Chalice's own 415 has none of our envelopes; a missing Content-Type must do, too."""
    for path in PATHS:
        for method, entry in app.routes[path].items():
            assert entry.content_types == ["*/*"], (method, path)
