"""How much slower than usual workers are to ask, as the server of this process sees it. 1: as the settings say.

Set by `embedded/admission.py`, told with every contract. On Lambda nobody sets it: there each request has a process to
itself.
"""

from __future__ import annotations

LONGEST_POLL_SECONDS = 20.0
MOST = 16.0

_stretch = 1.0


def set_stretch(stretch: float) -> None:
    global _stretch
    _stretch = min(MOST, max(1.0, stretch))


def stretch() -> float:
    return _stretch


def stretched(seconds: float) -> float:
    """Never shorter than it was; longer only up to what a person who stops a task may have to wait."""
    return max(seconds, min(seconds * _stretch, LONGEST_POLL_SECONDS))
