"""Request bodies of the Pleiades protocol, in all its dialects: unknown keys are ignored, old names are accepted.

Three generations of clients write to these models (protocol sheet, section 8). `uses_old_names` says which kind asks,
for only those who used an old name get old names back. Ids are decimal strings, and accepted as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

LARGEST_ID = 2**63 - 1
NO_BLOB = "0"


def _id_text(value: Any) -> Any:
    """An id as its canonical decimal string; None stays None."""
    if value is None:
        return None
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 19):
        raise ValueError("an id is a decimal integer, as a string")
    if int(text) > LARGEST_ID:
        raise ValueError("an id has at most 63 bits")
    return str(int(text))


def seconds(value: Any) -> float | None:
    """A timeout as a number; None when there is none. Raises ValueError for what is no number."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a timeout is a number of seconds")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError("a timeout is a number of seconds") from None
    if math.isnan(number):
        raise ValueError("a timeout is a number of seconds")
    return number


def _none_is_empty(value: Any) -> Any:
    return [] if value is None else value


AnyId = Annotated[str, BeforeValidator(_id_text)]
Runtime = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Tags = Annotated[list[str], BeforeValidator(_none_is_empty), Field(max_length=100)]
Runtimes = Annotated[list[Runtime], BeforeValidator(_none_is_empty), Field(max_length=200)]
Timeout = Annotated[float | None, BeforeValidator(seconds)]
Word = Annotated[str | None, StringConstraints(max_length=100)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    OLD_NAMES: ClassVar[Mapping[str, str]] = {}
    """Old name -> today's; today's counts where both are there."""

    @classmethod
    def uses_old_names(cls, body: Mapping[str, Any]) -> bool:
        return not body.keys().isdisjoint(cls.OLD_NAMES)

    @model_validator(mode="before")
    @classmethod
    def _in_todays_names(cls, body: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in body.items() if value is not None}
        return {cls.OLD_NAMES[name]: given[name] for name in cls.OLD_NAMES if name in given} | given


class Register(_Request):
    OLD_NAMES = {"execulator": "runtime", "runtimes": "runtime"}

    runtime: Runtimes = []


class Contract(_Request):
    OLD_NAMES = {"extra_tag": "tags"}

    tags: Tags = []
    timeout: Timeout = None


class NewLambda(_Request):
    """Code and runtime. `codex` is not looked up, as the original server did not."""

    OLD_NAMES = {"code_id": "codex"}

    codex: AnyId = NO_BLOB
    runtime: Runtime
    tags: Tags = []


class NewJob(_Request):
    OLD_NAMES = {"functio": "lambda", "input_id": "input", "extra_tag": "tags"}

    lambda_id: AnyId = Field(alias="lambda")
    input: AnyId = NO_BLOB
    tags: Tags = []


class UpdateJob(_Request):
    """All optional. Where `state` and `status` differ, `state` counts."""

    state: Word = None
    status: Word = None
    input: Annotated[str | None, BeforeValidator(_id_text)] = None
    output: Annotated[str | None, BeforeValidator(_id_text)] = None

    @property
    def word(self) -> str | None:
        return self.state or self.status or None
