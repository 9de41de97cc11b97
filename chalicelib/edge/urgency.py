"""Which calls a farm that has too much to do answers first, and which it puts off.

Only method, pattern and headers are looked at, so that a call can be put off before its body is read. What is already
done or under way comes first: a report that is put off makes a task run again, and a renewal that is put off loses one.
New work and lists come last, for whoever asks for them asks again. Everything that is not named lies between.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum

REPORTS_HEADER = "x-millrace-reports"
"""On a native contract: how many reports it carries. An older worker does not send it; its contracts count as claims,
are put off sooner than they had to be, and are sent again."""


class Urgency(IntEnum):
    HELD = 0
    """About work that somebody has: reports, renewals, logs, outputs, a worker's coming and going."""
    ASKED = 1
    """People's wishes, inputs of tasks, and whatever is not listed here."""
    LATER = 2
    """Claims, and reading: lists, charts, changes."""


CONTRACT = ("POST", "/worker/{id}/contract")

HELD = frozenset(
    {
        # native and Pleiades
        ("POST", "/worker/{id}/renew"),
        ("POST", "/worker/{id}/log"),
        ("POST", "/worker/{id}/status"),
        ("POST", "/worker/{id}/files"),
        ("POST", "/worker/{id}/parts"),
        ("POST", "/worker/{id}/sign-on"),
        ("POST", "/worker/{id}/sign-off"),
        ("POST", "/job/{id}"),
        ("POST", "/data"),
        # Flamenco 2
        ("GET", "/may-i-run/{id}"),
        ("POST", "/tasks/{id}/update"),
        ("POST", "/tasks/{id}/return"),
        ("POST", "/output-produced"),
        ("POST", "/ack-status-change/{id}"),
        ("POST", "/sign-on"),
        ("POST", "/sign-off"),
        # Flamenco 1
        ("PATCH", "/tasks/{id}"),
        ("POST", "/tasks/thumbnails"),
        ("PATCH", "/workers/{id}"),
        ("PATCH", "/workers/status/{id}"),
        # transcode
        ("POST", "/master/set_task_result"),
        ("POST", "/master/heartbeat"),
        ("POST", "/master/worker_heartbeat"),
        ("POST", "/master/unregister"),
        ("POST", "/master/unregister_worker"),
    }
)
CLAIMS = frozenset(
    {CONTRACT, ("POST", "/task"), ("GET", "/task"), ("GET", "/workers/loop"), ("POST", "/master/get_job")}
)
READ_FOR_TASKS = frozenset(
    {
        "/data/{id}",
        "/data/{id}/blob",
        "/lambda/{id}",
        "/tasks/file/{id}",
        "/tasks/zip/{id}",
        "/tasks/zip/sup/{id}",
        "/tasks/compiled/{id}",
        "/static/storage/{id}/{name}",
    }
)

_VERSIONS = re.compile(r"^/api/v0\.5(-snapshot)?(?=/)")


def urgency_of(method: str, pattern: str, headers: Mapping[str, str]) -> Urgency:
    """`pattern`: as the app's routes have it. `headers`: with names in lower case."""
    call = (method, _VERSIONS.sub("", pattern))
    if call == CONTRACT and headers.get(REPORTS_HEADER, "0") != "0":
        return Urgency.HELD
    if call in HELD:
        return Urgency.HELD
    reads = method in ("GET", "HEAD") and call[1] not in READ_FOR_TASKS
    return Urgency.LATER if reads or call in CLAIMS else Urgency.ASKED
