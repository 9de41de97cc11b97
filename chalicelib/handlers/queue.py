"""Errands: slow work that a call left for later (`store/errands.py`).

Each looks at what is true now, so it may come twice, late and in any order. What fails comes again after the queue's
pause, and after some attempts is put aside in the dead-letter queue.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ..core import collecting
from ..core.errors import NotFound
from ..core.farm import Farm
from ..core.ids import parse_id
from ..core.settle import settle
from .failures import Failed, failed

log = logging.getLogger(__name__)


class UnknownErrand(ValueError):
    """No errand of ours looks like this."""


class AllFailed(Exception):
    """No errand of a batch was done."""


def errands_left(farm: Farm, records: Sequence[Mapping[str, Any]]) -> Failed:
    """Messages of the queue. Raises AllFailed where nothing was done, which every mapping of the queue understands. The
    answer is read only where the mapping asks for it (`infra/functions.yaml`); `chalice deploy` makes none that does,
    and a message whose failure was only answered would be deleted as done."""
    failures = [record["messageId"] for record in records if not _done(farm, record)]
    if failures and len(failures) == len(records):
        raise AllFailed(f"none of {len(failures)} was done: {', '.join(failures)}")
    return failed(failures)


def _done(farm: Farm, record: Mapping[str, Any]) -> bool:
    try:
        run(farm, record["body"])
        return True
    except Exception:
        message = record["messageId"]
        log.exception("Errand %s failed", message, extra={"action": "errand_failed", "errand": message})
        return False


def run(farm: Farm, body: str) -> None:
    """One errand. A job that takes longer than this process may work on it leaves another."""
    match _read(body):
        case {"settle": job_id}:
            try:
                settle(farm, parse_id(job_id, "job"))
            except NotFound as error:
                raise UnknownErrand(str(error)) from None
        case {"collect": str(number)} if number.isascii() and number.isdigit():
            collecting.go_on(farm, int(number))
        case _:
            raise UnknownErrand(f"no errand: {body[:200]!r}")


def _read(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise UnknownErrand(f"no JSON: {body[:200]!r}") from None
