"""Brings task logs to the farm: one thread, a chunk per log and second, sooner when 64 KiB have gathered.

Started by the agent; works from the files that `tasklog` keeps, so it may die or the farm may be away for as long as
it likes. A log is removed from disk when its attempt has ended and the farm has all of it, or has refused it.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from millrace.agent.client import FarmClient
from millrace.agent.errors import Refused, Unreachable
from millrace.agent.observe import WARNING, say
from millrace.agent.protocol import LeaseId
from millrace.agent.retrying import Backoff
from millrace.agent.tasklog import Delivery, TaskLog, kept_logs

EVERY_SECONDS = 1.0
SOON_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024


class LogShipper:
    """The logs of running and ended attempts on their way to the farm."""

    def __init__(self, folder: Path, client: FarmClient) -> None:
        self._folder = folder
        self._client = client
        self._lock = threading.Lock()
        self._grown = threading.Event()
        self._deliveries = {lease: Delivery(folder, lease) for lease in kept_logs(folder)}
        self._running: set[LeaseId] = set()
        self._unnoticed_bytes = 0

    def open(self, lease: LeaseId) -> TaskLog:
        """A log for a new attempt. Raises OSError."""
        log = TaskLog(self._folder, lease, lambda: self._notice(log))
        with self._lock:
            self._deliveries[lease] = Delivery(self._folder, lease)
            self._running.add(lease)
        return log

    def ended(self, lease: LeaseId) -> None:
        """The attempt writes no more; what is left goes out at once."""
        with self._lock:
            self._running.discard(lease)
        self._grown.set()

    def abandon(self, lease: LeaseId) -> None:
        """The attempt is not ours any more: nobody wants the rest of its log."""
        with self._lock:
            self._running.discard(lease)
            delivery = self._deliveries.pop(lease, None)
        if delivery:
            delivery.forget()

    def empty(self) -> bool:
        """True when every ended log has been delivered."""
        with self._lock:
            return all(lease in self._running for lease in self._deliveries)

    def run(self, stopping: threading.Event) -> None:
        """Deliver until `stopping`. The body of the agent's log thread."""
        backoff = Backoff()
        while not stopping.is_set():
            try:
                self.deliver()
                backoff.succeeded()
                self._grown.wait(EVERY_SECONDS)
            except Unreachable as error:
                stopping.wait(backoff.failed(error.retry_after_seconds))

    def deliver(self) -> None:
        """One chunk of each log that has something new; raises `Unreachable` when the farm does not answer."""
        self._grown.clear()
        self._unnoticed_bytes = 0
        with self._lock:
            waiting = list(self._deliveries.values())
        for delivery in waiting:
            while delivery.pending() > 0:
                if not self._send(delivery) or delivery.pending() < SOON_BYTES:
                    break
            self._clear_away(delivery)

    def _send(self, delivery: Delivery) -> bool:
        """Send the next chunk; False when this log should not go on now."""
        before, text = delivery.offset, delivery.next_chunk(CHUNK_BYTES)
        body = {**delivery.lease.to_wire(), "offset": before, "text": text}
        try:
            answer = self._client.worker_call("log", body)
        except Refused as refusal:
            say("log", f"The farm refused a log: {refusal}", level=WARNING, lease=delivery.lease)
            delivery.stored(before + delivery.pending())
            return False
        after = answer.get("next_offset")
        # A farm that does not move on would have us send the same chunk for ever.
        delivery.stored(after if isinstance(after, int) and after > before else before + len(text.encode()))
        return True

    def _clear_away(self, delivery: Delivery) -> None:
        with self._lock:
            if delivery.lease in self._running or delivery.pending() > 0:
                return
            self._deliveries.pop(delivery.lease, None)
        delivery.forget()

    def _notice(self, log: TaskLog) -> None:
        """Wake the thread early once 64 KiB have gathered since it last looked."""
        with self._lock:
            delivery = self._deliveries.get(log.lease)
        if delivery and log.size - delivery.offset >= SOON_BYTES:
            self._grown.set()


def wait_until_empty(shipper: LogShipper, seconds: float) -> bool:
    """Give the thread up to `seconds` to deliver all ended logs; True if it did."""
    deadline = time.monotonic() + seconds
    while not shipper.empty() and time.monotonic() < deadline:
        time.sleep(0.05)
    return shipper.empty()
