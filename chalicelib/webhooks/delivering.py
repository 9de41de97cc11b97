"""Rounds of calls to webhooks. At least once, in no promised order.

A try is counted in the outbox before it is made, together with the time of the next: a process that dies in it is
followed by the next one. A hook that fails is left alone for the rest of the round, and what else waits for it is
put off with it, so that a dead hook costs the others at most one time-out a round.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from ..core.farm import Farm
from ..core.ports import Mailer, MailFailed
from ..core.records.hooks import DELIVERED, GIVEN_UP, KEPT_SECONDS, Delivery, Hook
from ..edge.push import Pusher, PushFailed
from . import following, messages

EVERY_SECONDS = 1.0
MOST_IN_A_ROUND = 50
TIMEOUT_SECONDS = 3.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10, 3600
GIVE_UP_AFTER_SECONDS = 86_400
LONGEST_ERROR = 300

log = logging.getLogger(__name__)


def deliver_all(
    farm: Farm,
    pusher: Pusher,
    farm_name: str,
    mailer: Mailer | None = None,
    *,
    seconds: float = math.inf,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """One round: find events, try what is due. How many were delivered. `mailer` is None where none is configured. No
    call begins after so many `seconds`, or once `is_stopping`: hooks behind a dead network keep nobody from other work
    or from the end. What is left then waits for the next round."""
    begun_at = farm.clock.now()
    hooks = {hook.id: hook for hook in farm.hooks.all()}
    if not hooks:
        return 0
    following.follow(farm, list(hooks.values()))
    delivered, failing = 0, dict[int, str]()
    for delivery in farm.hooks.due(farm.clock.now(), MOST_IN_A_ROUND):
        if is_stopping() or farm.clock.now() - begun_at > seconds * 1000:
            break
        hook = hooks.get(delivery.hook)
        if hook is None:
            farm.hooks.drop(delivery)
        elif _is_over(farm, delivery):
            farm.hooks.end(delivery, GIVEN_UP, farm.clock.now())
            farm.hooks.prune(hook.id, farm.clock.now() - KEPT_SECONDS * 1000)
        elif hook.id in failing:
            farm.hooks.postpone(delivery, _next_at(farm, delivery), failing[hook.id])
        elif farm.hooks.take(delivery, _next_at(farm, delivery)):
            error = _told(farm, pusher, mailer, hook, delivery, farm_name)
            delivered += error is None
            if error is not None:
                failing[hook.id] = error
                farm.hooks.failed(delivery, error)
                continue
            farm.hooks.end(delivery, DELIVERED, farm.clock.now(), taken=1)
            farm.hooks.prune(hook.id, farm.clock.now() - KEPT_SECONDS * 1000)
    return delivered


def _told(
    farm: Farm, pusher: Pusher, mailer: Mailer | None, hook: Hook, delivery: Delivery, farm_name: str
) -> str | None:
    """Why it failed; None if it was taken."""
    if hook.mail_to is None:
        error = _call(farm, pusher, hook, delivery, farm_name)
    else:
        error = _mail(mailer, hook.mail_to, delivery, farm_name)
    if error is None:
        return None
    log.info(
        "webhook %s failed: %s", hook.id, error, extra={"action": "webhook_failed", "webhook": str(hook.id)}
    )  # no URL: that of a chat is a secret
    return error[:LONGEST_ERROR]


def _mail(mailer: Mailer | None, to: str, delivery: Delivery, farm_name: str) -> str | None:
    if mailer is None:
        return "this farm sends no e-mail any more"
    try:
        mailer.send(to, *messages.mail(delivery, farm_name))
    except MailFailed as failed:
        return str(failed)
    return None


def _call(farm: Farm, pusher: Pusher, hook: Hook, delivery: Delivery, farm_name: str) -> str | None:
    """Any 2xx means that the hook has taken it."""
    content = messages.body(hook, delivery, farm_name)
    headers = messages.headers(hook, delivery, content, farm.clock.now())
    try:
        answer = pusher.send(hook.url, "POST", headers, content, TIMEOUT_SECONDS)
    except PushFailed as failed:
        return failed.message
    return None if 200 <= answer.status < 300 else f"it answered {answer.status}"


def _is_over(farm: Farm, delivery: Delivery) -> bool:
    return farm.clock.now() - delivery.at > GIVE_UP_AFTER_SECONDS * 1000


def _next_at(farm: Farm, delivery: Delivery) -> int:
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(delivery.attempts, 20))
    return farm.clock.now() + int(pause * 1000)
