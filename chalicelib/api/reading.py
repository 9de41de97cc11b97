"""From a request to checked values: body, query, headers. Raises BadInput that names what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from ..core.errors import BadInput
from ..edge.http import Request
from ..edge.json_text import strict_json
from .problems import TooLarge, refused_fields

LARGEST_BODY_BYTES = 8_000_000
MOST_ITEMS = 1000
DEFAULT_ITEMS = 100
LONGEST_TEXT = 200
LARGEST_NUMBER = (1 << 53) - 1

Body = TypeVar("Body", bound=BaseModel)
Word = TypeVar("Word", bound=StrEnum)


def read_body(request: Request, model: type[Body], *, may_be_empty: bool = False) -> Body:
    """The body as this model. Any Content-Type will do; the bytes decide."""
    data = _bytes(request)
    value = {} if may_be_empty and not data.strip() else strict_json(data)
    if not isinstance(value, dict):
        raise BadInput("the body must be a JSON object")
    try:
        return model.model_validate(value)
    except ValidationError as invalid:
        raise refused_fields(invalid, model.model_fields) from None


def _bytes(request: Request) -> bytes:
    size = request.spool.size if request.spool is not None else len(request.body)
    if size > LARGEST_BODY_BYTES:
        raise TooLarge(f"a body has at most {LARGEST_BODY_BYTES} bytes, not {size}; large content goes into blobs")
    with request.open_body() as body:
        return body.read()


class PageWanted(NamedTuple):
    limit: int
    cursor: str | None


def page_wanted(request: Request) -> PageWanted:
    return PageWanted(number(request, "limit", DEFAULT_ITEMS, 1, MOST_ITEMS), request.query.get("cursor") or None)


def bad_cursor() -> BadInput:
    return BadInput("this is no cursor that a page of this list gave", field="cursor")


def number(request: Request, name: str, default: int, least: int, most: int = LARGEST_NUMBER) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 16 and least <= int(text) <= most:
        return int(text)
    raise BadInput(f"{name} must be a number from {least} to {most}, not {text[:40]!r}", field=name)


def status_wanted(request: Request, words: type[Word]) -> Word | None:
    text = request.query.get("status")
    if text is None:
        return None
    try:
        return words(text)
    except ValueError:
        known = ", ".join(word.value for word in words)
        raise BadInput(f"status must be one of {known}, not {text[:40]!r}", field="status") from None


def text_wanted(request: Request, name: str) -> str | None:
    text = request.query.get(name)
    if text is not None and not (0 < len(text) <= LONGEST_TEXT and text.isprintable()):
        raise BadInput(f"{name} must be 1 to {LONGEST_TEXT} printable characters", field=name)
    return text


def refuse_unknown(request: Request, names: Iterable[str]) -> None:
    """A mistyped parameter must not be taken for one that was left out. `token` belongs to the door."""
    known = {*names, "token"}
    for name in request.query:
        if name not in known:
            listed = ", ".join(sorted(known - {"token"})) or "none"
            raise BadInput(f"there is no such parameter; there are {listed}", field=name[:60])


def idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= 200 or not key.isascii() or not key.isprintable():
        raise BadInput("Idempotency-Key must be 1 to 200 printable ASCII characters", field="Idempotency-Key")
    return key
