"""Objects that came into the bucket: is a blob's content what its name says?

S3 holds every upload by a signed request to the announced bytes. What came another way (copied into the bucket by
hand, restored from a backup) nobody has looked at yet. A mismatch is only told: deleting would race with an upload of
the right bytes. Reading is all that happens here, so an event may come twice, late and out of order.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..core import blobs
from ..core.farm import Farm

log = logging.getLogger(__name__)


def object_stored(farm: Farm, detail: Mapping[str, Any]) -> None:
    """The `detail` of EventBridge's "Object Created"."""
    key, size = str(detail["object"]["key"]), int(detail["object"].get("size", 0))
    if blobs.is_what_it_says(farm, key, size):
        return
    log.error("Object %s is not what its name says", key, extra={"action": "object_mismatch", "key": key})
