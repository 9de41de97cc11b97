"""The farm that this process serves: made once, on the first request (or before, by the embedded server)."""

from __future__ import annotations

import threading

from ..core.farm import Farm

_lock = threading.Lock()
_farm: Farm | None = None


def farm() -> Farm:
    global _farm
    if _farm is None:
        with _lock:
            if _farm is None:
                from ..bootstrap import farm_from_environment  # the edge must not need the engines to be imported

                _farm = farm_from_environment()
    return _farm


def serve(farm: Farm | None) -> None:
    """Let this process serve that farm (None: forget it)."""
    global _farm
    with _lock:
        _farm = farm
