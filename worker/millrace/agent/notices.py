"""Word that a machine on EC2 is about to go, from its metadata service (IMDSv2). Only for a worker that was told so
(`--on-ec2`): elsewhere nobody asks 169.254.169.254.

    spot/instance-action                Spot takes the machine: at the time that it says, in two minutes at most
    autoscaling/target-lifecycle-state  `Terminated`: its group ends it, and waits some minutes for us
    events/recommendations/rebalance    Spot is likely to take it: no time is set, so tasks may end by themselves

A path answers 404 while there is nothing to tell. A later notice counts besides an earlier one: what was to leave in
its own time may have to hurry. A service that does not answer ends nothing; it is said once, and asked less often.

The service's address is AWS's own variable, AWS_EC2_METADATA_SERVICE_ENDPOINT, or the usual one.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from urllib3 import BaseHTTPResponse, PoolManager
from urllib3.exceptions import HTTPError

from millrace.agent.observe import WARNING, say

ADDRESS = "http://169.254.169.254"
ADDRESS_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
LOOK_SECONDS = 5.0
UNANSWERED_SECONDS = 60.0
ANSWER_SECONDS = 2.0
TOKEN_SECONDS = 6 * 3600
SPOT_SECONDS = 120.0
"""No Spot notice is longer; a clock that is wrong must not make it so."""
GROUP_SECONDS = 600.0
"""How long the group of infra/fleet.yaml waits for its workers."""
RESERVE_SECONDS = 30.0
"""Of the time that is left: for ending tasks, the last logs and reports, and signing off."""

_PATHS = ("spot/instance-action", "autoscaling/target-lifecycle-state", "events/recommendations/rebalance")


@dataclass(frozen=True)
class Notice:
    kind: str
    """`spot`, `group` or `rebalance`."""
    seconds: float | None
    """For which running tasks may go on; None: to their end."""


class MetadataSilent(Exception):
    """The metadata service did not answer, or not as it should."""


class Metadata:
    """The service, asked with a session token that is fetched when there is need. Never through a proxy."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._pool = PoolManager()
        self._token: str | None = None

    def get(self, path: str) -> str | None:
        """None where there is nothing. Raises MetadataSilent."""
        for is_last in (False, True):
            token = self._token or self._new_token()
            response = self._send("GET", f"meta-data/{path}", {"X-aws-ec2-metadata-token": token})
            if response.status == 200:
                return response.data.decode()
            if response.status == 404:
                return None
            self._token = None
            if response.status != 401 or is_last:
                raise MetadataSilent(f"{path}: HTTP {response.status}")
        raise AssertionError("not reached")

    def _new_token(self) -> str:
        wanted = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
        response = self._send("PUT", "api/token", wanted)
        if response.status != 200:
            raise MetadataSilent(f"no session token: HTTP {response.status}")
        self._token = response.data.decode()
        return self._token

    def _send(self, method: str, path: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        url = f"{self._address}/latest/{path}"
        try:
            return self._pool.request(
                method, url, headers=dict(headers), timeout=ANSWER_SECONDS, retries=False, redirect=False
            )
        except (HTTPError, OSError) as error:
            raise MetadataSilent(f"{method} {url}: {error.__class__.__name__}") from error


def notices(metadata: Metadata, now: float) -> Iterator[Notice]:
    """What is told now. `now`: seconds since 1970."""
    for path in _PATHS:
        text = metadata.get(path)
        if text is not None and (notice := _read(path, text, now)) is not None:
            yield notice


def _read(path: str, text: str, now: float) -> Notice | None:
    if path.startswith("spot/"):
        return Notice("spot", max(0.0, _seconds_until(text, now) - RESERVE_SECONDS))
    if path.startswith("autoscaling/"):
        return Notice("group", GROUP_SECONDS - RESERVE_SECONDS) if text.strip() == "Terminated" else None
    return Notice("rebalance", None)


def _seconds_until(text: str, now: float) -> float:
    """`{"action": "terminate", "time": "2026-11-26T08:22:00Z"}`. Unreadable: as a notice that has just been given."""
    try:
        at = datetime.fromisoformat(json.loads(text)["time"])
        return min(SPOT_SECONDS, max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now))
    except (ValueError, KeyError, TypeError):
        return SPOT_SECONDS


class NoticeWatch:
    """Tells each notice once, on a thread of its own, until the process ends."""

    def __init__(
        self, leave: Callable[[Notice], None], address: str | None = None, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._leave = leave
        self._metadata = Metadata(address or os.environ.get(ADDRESS_VARIABLE) or ADDRESS)
        self._look_seconds = look_seconds
        self._told: set[str] = set()
        self._is_silent = False

    def start(self) -> None:
        threading.Thread(target=self._run, name="notices", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(UNANSWERED_SECONDS if self._is_silent else self._look_seconds)
            self.look()

    def look(self) -> None:
        try:
            for notice in notices(self._metadata, time.time()):
                self._tell(notice)
            self._is_silent = False
        except MetadataSilent as error:
            if not self._is_silent:
                say("notice", f"This machine tells nothing of its end: {error}", level=WARNING)
            self._is_silent = True

    def _tell(self, notice: Notice) -> None:
        if notice.kind in self._told:
            return
        self._told.add(notice.kind)
        seconds = "as long as they take" if notice.seconds is None else f"{notice.seconds:.0f} s more"
        say("notice", f"This machine is about to go ({notice.kind}); tasks may run {seconds}.", level=WARNING)
        self._leave(notice)
