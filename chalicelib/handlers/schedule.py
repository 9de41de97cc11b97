"""Each minute: the sweep. May run twice at once, late or not at all for a while; the next run does what is left."""

from __future__ import annotations

import logging
from datetime import datetime

from ..core import sweeping
from ..core.farm import Farm

THOROUGH_EVERY_MINUTES = 30
"""Such a run looks into every task of every open window."""

log = logging.getLogger(__name__)


def minute_passed(farm: Farm, scheduled_for: str) -> sweeping.Swept:
    """`scheduled_for`: the minute in ISO 8601, as EventBridge says it."""
    thorough = datetime.fromisoformat(scheduled_for).minute % THOROUGH_EVERY_MINUTES == 0
    done = sweeping.sweep(farm, thorough=thorough)
    if any(done):
        log.info("swept: %s", done, extra={"action": "swept", **done._asdict()})
    return done
