"""Walk a whole partition range, page by page, or the head of one.

A page may hold fewer items than were asked for, or none, and yet not be the last: only its cursor says that.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ..ports import Item, Table


def pages(
    table: Table,
    pk: str,
    *,
    index: str | None = None,
    first: str | None = None,
    last: str | None = None,
    descending: bool = False,
    limit: int = 100,
) -> Iterator[Item]:
    """Every item of the range in order. Lazy: a caller that stops early reads no further than `limit` items ahead."""
    cursor: str | None = None
    while True:
        page = table.query(pk, index=index, first=first, last=last, descending=descending, limit=limit, cursor=cursor)
        yield from page.items
        if page.cursor is None:
            return
        cursor = page.cursor


def head(
    table: Table,
    pk: str,
    limit: int,
    *,
    index: str | None = None,
    first: str | None = None,
    last: str | None = None,
    descending: bool = False,
) -> list[Item]:
    """The first `limit` items of the range, or all where it holds fewer. One request, unless it is cut short."""
    found = pages(table, pk, index=index, first=first, last=last, descending=descending, limit=limit)
    return list(itertools.islice(found, limit))
