"""What whoever starts the measurements may choose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    quick: bool = False
    """Shorter runs and smaller sizes: for a look, not for figures that are to be quoted."""
