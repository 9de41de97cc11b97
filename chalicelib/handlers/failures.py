"""What a handler answers when part of a batch failed: Lambda delivers that part again, and not the rest."""

from __future__ import annotations

from collections.abc import Iterable

Failed = dict[str, list[dict[str, str]]]


def failed(identifiers: Iterable[str]) -> Failed:
    """The sequence numbers or message ids of what is to come again; none: all went well."""
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]}
