"""What this API can do, as values: one `Operation` per route. Routing, access and the OpenAPI document are made from
the same list, so none of them can say something else than the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from ..core.access import Scope
from ..edge.http import View

TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Parameter:
    """A query parameter or a header that may be left out."""

    name: str
    description: str
    schema: Mapping[str, Any]
    where: str = "query"


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    """Below `/api/v1`. The one variable is always `{id}`: API Gateway wants one name per position."""
    view: View
    """Its docstring's first line is the summary, the rest the description."""
    scope: Scope | None
    """None: whoever reaches the door may call it."""
    status: int = 200
    answer: type[BaseModel] | None = None
    media: str = "application/json"
    body: type[BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    also: Mapping[int, str] = field(default_factory=dict)
    """Other successes: status and what it means."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the success, with their meaning."""
    problems: tuple[int, ...] = ()
    """Besides 400, 401, 403, 500 and 503, which any call may get; 404 goes with `{id}`, 413 with a body."""

    @property
    def query_names(self) -> frozenset[str]:
        return frozenset(parameter.name for parameter in self.parameters if parameter.where == "query")


LIMIT = Parameter(
    "limit",
    "At most so many items.",
    {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
)
CURSOR = Parameter("cursor", "Where to go on: `next` of the page before.", {"type": "string"})


def status_parameter(words: type[Any]) -> Parameter:
    """Only things in this status; `words` is the enum of those there are."""
    return Parameter("status", "Only those in this status.", {"type": "string", "enum": [word.value for word in words]})
