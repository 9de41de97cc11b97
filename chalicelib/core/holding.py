"""Whoever relies on content that is there already says so: else it could be removed as old at that very moment.

What is young needs no word. What is old is touched, and is then looked up among what is about to be removed: `pruning`
first writes that down and then looks how old the content is. One of the two sees the other. When `pruning` is through
it takes back what it wrote down; so who finds nothing of it looks once more whether the content is still there.
"""

from __future__ import annotations

from .errors import Unavailable
from .farm import Farm
from .ports import ObjectHead

PREFIX = "blobs/"
FRESH_MS = 12 * 3600 * 1000
"""Younger content is not touched again. Only what is a day old can be pruned, so a pass may take the rest of it."""
DOOMED_MS = 10 * 60 * 1000
"""How long it counts that something is about to be removed; who said it goes on with it for half of that at most."""
LARGEST_TOUCHED = 5 * 1024**3
"""S3 copies no more at once. Larger objects are never pruned."""


def held(farm: Farm, key: str) -> ObjectHead | None:
    """The object's head, None if it is not there; not to be removed for `FRESH_MS` from here on.

    Costs a look into the store; for old content a touch, a read of the table and a second look too. Raises Unavailable
    while it is being removed: in a moment it is gone, and to be uploaded again.
    """
    head = farm.objects.head(key)
    now = farm.clock.now()
    if head is None or head.modified_at > now - FRESH_MS or head.size > LARGEST_TOUCHED:
        return head
    if not farm.objects.touch(key):
        return None
    if key.removeprefix(PREFIX) in farm.blobs.doomed(now - DOOMED_MS):
        raise Unavailable(f"{key} is being removed at this moment, as content that nothing needs; try again")
    return farm.objects.head(key)
