"""Field types that several job types share. Settings refuse what they do not know, and never convert silently."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from ..core.ids import LARGEST


class Settings(BaseModel):
    """Base of every job type's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


BlobRef = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,15}$")]
"""A blob's id, as the API writes it: a decimal string."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


def blob_id(reference: str) -> int:
    """The number in a reference; 0, which no blob has, for one that cannot exist."""
    number = int(reference)
    return number if number <= LARGEST else 0
