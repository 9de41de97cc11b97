"""Millrace's worker distribution: the agent, its runtimes, the command line and the client library."""

from __future__ import annotations

from millrace.farm import Farm

__version__ = "0.1.0"

__all__ = ["Farm", "__version__"]
