"""A call that failed and nobody outside is to blame: what the log says of it, and what the caller hears."""

from __future__ import annotations

import logging

from .http import Request

logger = logging.getLogger(__name__)

OUR_FAULT = "the farm failed on this request; its log says why"


def log_failure(request: Request, error: Exception) -> None:
    logger.error(
        "A call failed for a reason of ours",
        exc_info=error,
        extra={"action": "call_failed", "method": request.method, "path": request.path},
    )
