"""The routes of the whole app, as API Gateway takes them: it is stricter than chalice."""

from __future__ import annotations

import re
from collections import defaultdict

from app import app

PATHS = sorted(app.routes)


MOST_RESOURCES = 300


def prefixes(path: str) -> list[str]:
    """API Gateway makes a resource of each."""
    segments = path.strip("/").split("/")
    return ["/".join(segments[:length]) for length in range(len(segments) + 1)]


def test_each_segment_is_a_literal_or_one_whole_variable() -> None:
    segment = re.compile(r"[A-Za-z0-9._:-]+|\{[A-Za-z0-9_]+\}")
    for path in PATHS:
        assert path == "/" or all(segment.fullmatch(part) for part in path[1:].split("/")), path


def test_no_position_has_two_variables_of_different_names() -> None:
    variables = defaultdict(set)
    for prefix in {prefix for path in PATHS for prefix in prefixes(path)}:
        parent, _, segment = prefix.rpartition("/")
        if segment.startswith("{"):
            variables[parent].add(segment)
    assert all(len(names) == 1 for names in variables.values()), variables


def test_variables_have_the_names_that_all_rooms_agreed_on() -> None:
    """`{id}` first; a second one has a name of its own, for a path's variables must differ."""
    for path in PATHS:
        variables = re.findall(r"\{(\w+)\}", path)
        assert variables[:1] in ([], ["id"]), path
        assert len(set(variables)) == len(variables), path
    assert {"/logfile/{id}/{task_id}", "/static/storage/{id}/{name}"} <= set(PATHS)


def test_there_are_no_more_resources_than_an_api_may_have() -> None:
    assert len({prefix for path in PATHS for prefix in prefixes(path)}) <= MOST_RESOURCES


def test_every_route_takes_any_kind_of_body() -> None:
    """Chalice's own 415 has none of our envelopes; a missing Content-Type must do, too."""
    for path in PATHS:
        for method, entry in app.routes[path].items():
            assert entry.content_types == ["*/*"], (method, path)
