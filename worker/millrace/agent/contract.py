"""The contract loop: the one call that reports what ended, hears what the farm wants, and claims the next tasks.

One contract call is under way at a time: a second one could list as held what the first is just being given. It waits
on the farm's side (long poll) only while the worker is idle; while anything runs it asks without waiting, so that a
report goes out the moment a task ends.

A call whose answer was lost is repeated with the same `request_id`, and gets the same tasks.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millrace.agent.client import ANSWER_SECONDS, FarmClient
from millrace.agent.errors import Refused, Unreachable
from millrace.agent.held import Held
from millrace.agent.lease import Clock
from millrace.agent.observe import ERROR, WARNING, say
from millrace.agent.outbox import Outbox
from millrace.agent.protocol import Assignment, BadAnswer, JsonObject, LeaseId, Report, Told
from millrace.agent.retrying import Backoff

LONG_POLL_SECONDS = 20.0
MAX_REPORTS = 50
LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class _Claim:
    """What was asked for under one request id, so that it can be asked again."""

    request_id: str
    slots: int


class ContractLoop:
    """Reports, hears and claims. `run` is the body of the agent's contract thread."""

    def __init__(
        self,
        client: FarmClient,
        outbox: Outbox,
        held: Held,
        *,
        wanted: Callable[[], int],
        take: Callable[[Assignment, float], None],
        hear: Callable[[Told], None],
        outputs_missing: Callable[[Report, str], None],
        clock: Clock,
    ) -> None:
        self._client, self._outbox, self._held = client, outbox, held
        self._wanted, self._take, self._hear = wanted, take, hear
        self._outputs_missing = outputs_missing
        self._clock = clock
        self._woken = threading.Event()
        self._unanswered: _Claim | None = None
        self._batch = MAX_REPORTS
        self._longest_wait = LONG_POLL_SECONDS
        self._withheld: set[LeaseId] = set()

    def wake(self) -> None:
        """Something ended or is free again: ask now."""
        self._woken.set()

    def release_withheld(self, lease: LeaseId) -> None:
        """The report whose outputs were missing may go out again."""
        self._withheld.discard(lease)
        self.wake()

    def run(self, stopping: threading.Event) -> None:
        """Ask, then wait as long as the farm said or until something happens; until `stopping`. Raises `Refused` for
        a worker the farm does not know: the agent must register anew."""
        backoff = Backoff()
        while not stopping.is_set():
            self._woken.clear()
            try:
                pause = self.turn()
                backoff.succeeded()
                self._woken.wait(pause)
            except Unreachable as error:
                pause = backoff.failed(error.retry_after_seconds)
                say("contract", f"The farm does not answer, again in {pause:.1f} s: {error}", level=WARNING)
                self._rest(pause, stopping)

    def _rest(self, pause: float, stopping: threading.Event) -> None:
        """A farm that puts off claims still hears of what has ended: a report that came up after the call goes out."""
        over_at = time.monotonic() + pause
        tried = len(self._outbox)
        while (left := over_at - time.monotonic()) > 0 and not stopping.wait(min(left, LOOK_SECONDS)):
            if len(self._outbox) > tried:
                return

    def turn(self) -> float:
        """One contract call; returns the seconds until the next one is due."""
        claim, repeat = self._unanswered or _Claim(f"k{uuid.uuid4().hex}", self._wanted()), self._unanswered is not None
        reports = [one for one in self._outbox.oldest(MAX_REPORTS) if one.lease not in self._withheld][: self._batch]
        # Reports want their answer now: one that waits in the outbox would hold up its job, or a stop of ours.
        idle = not len(self._held) and not len(self._outbox) and not repeat
        timeout = self._longest_wait if idle and claim.slots > 0 else 0.0
        body = self._body(claim, repeat, timeout, reports)
        self._unanswered = claim if claim.slots > 0 else None
        sent_at = self._clock()
        try:
            answer = self._client.worker_call("contract", body, answer_seconds=timeout + ANSWER_SECONDS)
        except Refused as refusal:
            return self._refused(refusal, reports)
        self._unanswered = None
        self._batch = MAX_REPORTS
        return self._use(answer, reports, sent_at, asked=claim.slots)

    def _body(self, claim: _Claim, repeat: bool, timeout: float, reports: Sequence[Report]) -> JsonObject:
        reported = {report.lease for report in reports}
        held = {attempt.id for attempt in self._held.all()} | set(self._outbox.leases())
        return {
            "request_id": claim.request_id,
            "repeat": repeat,
            "slots": claim.slots,
            "timeout": timeout,
            "held": [lease.to_wire() for lease in sorted(held - reported)],
            "reports": [report.to_wire() for report in reports],
        }

    def _use(self, answer: JsonObject, reports: Sequence[Report], sent_at: float, asked: int) -> float:
        for report, verdict in zip(reports, answer.get("reports") or [], strict=False):
            self._settle(report, verdict)
        for one in answer.get("assignments") or []:
            self._accept(one, sent_at)
        told = Told.from_wire(answer)
        self._hear(told)
        # After a claim there may be more where it came from; after the last report the farm may be asked to wait for
        # work.
        idle = not len(self._held) and not len(self._outbox)
        more = bool(answer.get("assignments") or (reports and idle)) and self._wanted() > 0
        if more or len(self._outbox) > len(self._withheld):
            return 0.0
        # From ask to ask: a farm that made us wait for the answer has had its pause, and may have work a moment later.
        return max(0.0, told.poll_seconds - (self._clock() - sent_at))

    def _settle(self, report: Report, verdict: JsonObject) -> None:
        """The farm has answered for this report."""
        message = str(verdict.get("message") or "")
        if verdict.get("accepted"):
            self._outbox.answered(report.lease)
        elif message.startswith("output missing:"):
            self._withheld.add(report.lease)
            self._outputs_missing(report, message)
        else:
            say(
                "report",
                f"The farm refused a report, its outputs are void: {message}",
                level=WARNING,
                lease=report.lease,
            )
            self._outbox.answered(report.lease)

    def _accept(self, wire: JsonObject, sent_at: float) -> None:
        try:
            assignment = Assignment.from_wire(wire)
            # A lease counts from before the call: where leases are short, waiting long for a task would use it up.
            self._longest_wait = min(LONG_POLL_SECONDS, assignment.lease_seconds / 4)
            self._take(assignment, sent_at)
        except (BadAnswer, TypeError, ValueError, AttributeError) as error:
            say("claim", f"The farm gave a task that cannot be run: {error}", level=ERROR)
            self._refuse_task(wire, str(error))

    def _refuse_task(self, wire: JsonObject, problem: str) -> None:
        """Say so, rather than let the task wait for its lease to end and come back."""
        try:
            lease = LeaseId.from_wire(wire)
        except (BadAnswer, AttributeError):
            return
        self._outbox.put(Report(lease, "failed", None, f"the assignment cannot be run: {problem}"))

    def _refused(self, refusal: Refused, reports: Sequence[Report]) -> float:
        """The whole call was refused. About ourselves: up to the agent. Else one report may be to blame: find it
        alone.
        """
        if refusal.status in (401, 404):
            raise refusal
        say("contract", f"The farm refused a call: {refusal}", level=ERROR)
        self._unanswered = None
        if len(reports) == 1 and refusal.status in (400, 413, 422):
            self._give_up(reports[0], refusal)
        self._batch = 1
        return min(5.0, LONG_POLL_SECONDS) if not reports else 0.2

    def _give_up(self, report: Report, refusal: Refused) -> None:
        """A report that the farm cannot take, alone: fail the task with the reason; drop it if that is refused too."""
        if report.outcome == "failed" and not report.result:
            self._outbox.answered(report.lease)
        else:
            error = f"the farm could not take the report of this attempt: {refusal}"[:2000]
            self._outbox.put(Report(report.lease, "failed", None, error))


def wait_until_delivered(outbox: Outbox, loop: ContractLoop, seconds: float) -> bool:
    """Give the loop up to `seconds` to deliver every report; True if it did."""
    deadline = time.monotonic() + seconds
    while len(outbox) and time.monotonic() < deadline:
        loop.wake()
        time.sleep(0.05)
    return len(outbox) == 0
