"""The farm that this process serves: made once, on the first request (or before, by the embedded server)."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from ..config import Settings
from ..core.farm import Farm
from . import log_lines

if TYPE_CHECKING:
    from ..core.ports import Mailer
    from ..store.scaling_group import ScalingGroup
    from .push import Pusher

_lock = threading.Lock()
_served: tuple[Farm, Settings] | None = None


def _current() -> tuple[Farm, Settings]:
    global _served
    if _served is None:
        with _lock:
            if _served is None:
                from ..bootstrap import farm_from_environment  # the edge must not need the engines to be imported

                _served = farm_from_environment()
                if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
                    log_lines.set_up_on_lambda(_served[1].log)
    return _served


def farm() -> Farm:
    return _current()[0]


def settings() -> Settings:
    return _current()[1]


def pusher() -> Pusher:
    """Makes calls to workers, inside the networks that this farm's operator allowed."""
    from .push import Pusher  # who is never called needs no client

    return Pusher(settings().push_networks)


def hook_pusher() -> Pusher:
    """Makes calls to webhooks, which have networks of their own."""
    from .push import Pusher

    return Pusher(settings().hook_networks, setting="MILLRACE_HOOK_NETWORKS")


def mailer() -> Mailer | None:
    """Sends e-mail, if this farm does."""
    if not settings().mail_from:
        return None
    from ..bootstrap import mailer_of

    return mailer_of(settings())


def scaling_group() -> ScalingGroup | None:
    """The group of the fleet's machines, if this farm has a fleet."""
    fleet = settings().fleet
    if fleet is None:
        return None
    from ..bootstrap import scaling_group_of

    return scaling_group_of(fleet)


def serve(farm: Farm, settings: Settings) -> None:
    """Let this process serve that farm."""
    global _served
    with _lock:
        _served = (farm, settings)


def forget() -> None:
    """The next call makes the farm anew."""
    global _served
    with _lock:
        _served = None
