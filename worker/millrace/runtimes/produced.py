"""What a runtime gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Produced:
    """`result` goes into the report (small JSON). `outputs` are files of the work folder to publish besides those the
    assignment names; `not_produced` takes names off that list that turned out to have no content (a video without
    audio).
    """

    result: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    not_produced: tuple[str, ...] = ()


NOTHING = Produced()
