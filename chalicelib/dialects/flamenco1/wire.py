"""What requests say: lenient towards unknown fields, strict about what a number is.

Values come as text from forms and typed from JSON bodies; both are taken. A field that is not sent keeps what it was.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from ...core.errors import BadInput
from ...edge.json_text import strict_json
from .translate import USUAL_PRIORITY

LARGEST_ID = 2**31 - 1
"""As large as the original's column. The farm's own ids are far above it."""
LARGEST_NUMBER = 2**63 - 1
LARGEST_SETTINGS = 100_000
USUAL_PORT = 5000


def whole(value: Any) -> int:
    """A decimal integer, as text or as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and _is_decimal(value.strip()):
        number = int(value)
    else:
        raise ValueError(f"must be a whole number, not {str(value)[:40]!r}")
    if abs(number) > LARGEST_NUMBER:
        raise ValueError("is too large")
    return number


def _is_decimal(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 19


def _text(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return value.encode(errors="replace").decode()  # lone surrogates cannot be stored


def _json_text(value: Any) -> Any:
    """An object as JSON text; the object itself in a JSON body."""
    if isinstance(value, str):
        try:
            value = strict_json(value.encode(errors="replace"))
        except BadInput as error:
            raise ValueError(f"must be the JSON text of an object: {error.message}") from None
    if not isinstance(value, dict):
        raise ValueError("must be the JSON text of an object")
    if len(json.dumps(value)) > LARGEST_SETTINGS:
        raise ValueError(f"at most {LARGEST_SETTINGS} characters")
    return value


def _any_text(value: Any) -> Any:
    """`activity` is JSON text; a real object is taken as its text."""
    return json.dumps(value) if isinstance(value, dict) else _text(value)


Whole = Annotated[int, BeforeValidator(whole)]
Text = Annotated[str, BeforeValidator(_text)]
Id = Annotated[Whole, Field(ge=1, le=LARGEST_ID)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class NewTask(_Request):
    task_id: Id
    type: Annotated[Text, StringConstraints(min_length=1, max_length=200)]
    parser: Annotated[Text, StringConstraints(max_length=200)] = "blender_render"
    settings: Annotated[dict[str, Any], BeforeValidator(_json_text)] = {}
    priority: Whole = USUAL_PRIORITY
    job_id: Id | None = None


class TaskReport(_Request):
    status: Text
    log: Text | None = None
    activity: Annotated[str, BeforeValidator(_any_text)] | None = None
    time_cost: Whole | None = None
    job_id: Whole | None = None


class Registration(_Request):
    """The document names no port, the original needs one: 5000 is what workers use."""

    hostname: Annotated[Text, StringConstraints(min_length=1, max_length=200)]
    port: Annotated[Whole, Field(ge=1, le=65535)] = USUAL_PORT
    system: Annotated[Text, StringConstraints(max_length=200)] = ""


class WorkerChange(_Request):
    status: Annotated[str, BeforeValidator(_text)] | None = None
    activity: Annotated[str, BeforeValidator(_any_text)] | None = None
    log: Text | None = None
    time_cost: Whole | None = None


class WorkerStatusWanted(_Request):
    status: Annotated[str, BeforeValidator(_text)]


class Thumbnail(_Request):
    task_id: Whole


class SettingValue(_Request):
    value: Annotated[Text, StringConstraints(max_length=4000)]
