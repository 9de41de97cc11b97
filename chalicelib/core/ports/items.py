"""What stands in the table: items, each under its key.

An item is a flat mapping of field to value. Values are str, int, bool, None, lists and dicts of these, and number
sets (`frozenset[int]`). No floats: DynamoDB has decimals, JSON has doubles; times are integers in milliseconds.
Every item has `pk` and `sk`. An item stands in the index `X` when it has both fields `X_pk` and `X_sk`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Value = Any
Item = Mapping[str, Value]


class Key(NamedTuple):
    """Names one item of the base table."""

    pk: str
    sk: str
