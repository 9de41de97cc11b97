"""Each minute: the sweep, how long work has been waiting, the fleet if there is one, calls to webhooks and workers
where the operator allowed networks, and e-mail where it is sent.

May run twice at once, late or not at all for a while; the next run does what is left.
"""

from __future__ import annotations

import logging
from datetime import datetime

from ..core import queueing, sweeping
from ..core.farm import Farm
from ..edge import current
from . import metrics

THOROUGH_EVERY_MINUTES = 30
"""Such a run looks into every task of every open window."""

HOOK_SECONDS = 20.0
"""Of each minute, at most: who answers slowly must not keep workers that are called from their calls."""

PUSH_SECONDS = 50.0
"""Of each minute: workers that are called are called each second, also where nobody keeps a process running."""

log = logging.getLogger(__name__)


def minute_passed(farm: Farm, stage: str, scheduled_for: str) -> sweeping.Swept:
    """`stage`: the farm's name among the metrics. `scheduled_for`: the minute in ISO 8601, as EventBridge says it."""
    thorough = datetime.fromisoformat(scheduled_for).minute % THOROUGH_EVERY_MINUTES == 0
    done = sweeping.sweep(farm, thorough=thorough)
    print(metrics.line(farm.clock, stage, OldestQueuedSeconds=queueing.oldest_seconds(farm)), flush=True)
    if any(done):
        log.info("swept: %s", done, extra={"action": "swept", **done._asdict()})
    if (settings := current.settings().fleet) is not None and (group := current.scaling_group()) is not None:
        from . import fleet  # brings botocore along, which farms on one machine lack

        try:
            fleet.look_after(farm, settings, group)
        except Exception:  # webhooks and workers that are called must not wait for Auto Scaling to be well
            log.exception("the fleet could not be looked after", extra={"action": "fleet_failed"})
    if current.settings().hook_networks or current.settings().mail_from:
        from ..webhooks import delivering

        name = current.settings().farm_name
        try:
            delivering.deliver_all(farm, current.hook_pusher(), name, current.mailer(), seconds=HOOK_SECONDS)
        except Exception:  # the next minute goes on; workers that are called must not wait, nor the sweep be repeated
            log.exception("the webhooks could not be called", extra={"action": "webhook_failed"})
    if current.settings().push_networks:
        from .. import rooms
        from . import pushing

        rooms.import_all()  # they bring their rounds along; other minutes start without them
        pushing.push_for(farm, current.pusher(), PUSH_SECONDS)
    return done
