"""From an answer's model to a reply."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from ..edge.http import Reply

UNSNIFFED = {"X-Content-Type-Options": "nosniff"}
"""For bytes that workers made: no browser may take them for a page of ours."""


def answer(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, model.model_dump_json().encode(), "application/json", headers or {})
