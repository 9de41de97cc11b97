"""Walk a whole partition range, page by page."""

from __future__ import annotations

from collections.abc import Iterator

from ..ports import Item, Table


def pages(
    table: Table,
    pk: str,
    *,
    index: str | None = None,
    first: str | None = None,
    last: str | None = None,
    limit: int = 100,
) -> Iterator[Item]:
    """Every item of the range in order. Lazy: a caller that stops early reads no further than `limit` items ahead."""
    cursor: str | None = None
    while True:
        page = table.query(pk, index=index, first=first, last=last, limit=limit, cursor=cursor)
        yield from page.items
        if page.cursor is None:
            return
        cursor = page.cursor
