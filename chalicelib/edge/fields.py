"""Fields of a request as a value of a model: how every room says which of them is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..core.errors import BadInput

Model = TypeVar("Model", bound=BaseModel)


def parsed(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """Raises BadInput that names the first field that is wrong, and how."""
    try:
        return model.model_validate(fields)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        said = "required" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        raise BadInput(f"{name}: {said}" if name else said, field=name or None) from None
