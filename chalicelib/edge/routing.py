"""Which of the app's patterns a path means. Literal segments come before variables, as behind API Gateway.

Where Chalice's own local matcher is lenient, this is not: `/worker/`, `//worker` and `/worker//contract` match nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Match(NamedTuple):
    pattern: str
    parameters: dict[str, str]
    """Still percent-encoded, as Chalice's views get them everywhere."""


class Routes:
    """A tree of path segments, built once from patterns such as `/worker/{id}/contract`."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._root = _Node()
        for pattern in patterns:
            node = self._root
            for segment in _segments(pattern):
                node = node.grown(segment)
            node.pattern = pattern

    def match(self, path: str) -> Match | None:
        segments = _segments(path)
        if "" in segments or not path.startswith("/"):
            return None
        found: list[str] = []
        pattern = _search(self._root, segments, 0, found)
        if pattern is None:
            return None
        names = (segment[1:-1] for segment in _segments(pattern) if _is_variable(segment))
        return Match(pattern, dict(zip(names, found, strict=True)))

    def nearest(self, path: str) -> frozenset[str]:
        """What lies deepest on the way to a path that means nothing: the pattern there, or else those below."""
        node = self._root
        for segment in _segments(path):
            deeper = node.literals.get(segment) or (node.variable if segment else None)
            if deeper is None:
                break
            node = deeper
        return frozenset([node.pattern] if node.pattern is not None else node.below())


class _Node:
    __slots__ = ("literals", "variable", "pattern")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.pattern: str | None = None

    def grown(self, segment: str) -> _Node:
        if not _is_variable(segment):
            return self.literals.setdefault(segment, _Node())
        if self.variable is None:
            self.variable = _Node()
        return self.variable

    def below(self) -> Iterator[str]:
        for node in (*self.literals.values(), *([self.variable] if self.variable is not None else [])):
            if node.pattern is not None:
                yield node.pattern
            yield from node.below()


def _search(node: _Node, segments: list[str], depth: int, found: list[str]) -> str | None:
    if depth == len(segments):
        return node.pattern
    literal = node.literals.get(segments[depth])
    if literal is not None and (pattern := _search(literal, segments, depth + 1, found)):
        return pattern
    if node.variable is None:
        return None
    found.append(segments[depth])
    pattern = _search(node.variable, segments, depth + 1, found)
    if pattern is None:
        found.pop()
    return pattern


def _segments(path: str) -> list[str]:
    return [] if path == "/" else path.split("/")[1:]


def _is_variable(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")
