"""Millrace's worker distribution: the agent, its runtimes, the command line and the client library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millrace.farm import Farm

__version__ = "0.2.0.dev0"

__all__ = ["Farm", "__version__"]


def __getattr__(name: str) -> Any:
    """`Farm` is imported when somebody asks for it: a worker does without, and with ten megabytes less."""
    if name == "Farm":
        from millrace.farm import Farm

        return Farm
    raise AttributeError(f"module 'millrace' has no attribute {name!r}")
