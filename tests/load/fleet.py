"""Workers as the farm sees them: registered, signed on, polling as they are told, claiming, renewing, reporting.

Each follows `worker/millrace/agent`: one contract at a time under a request id that a repetition keeps, a long poll
only while idle, renewals at a third of the lease, pauses by the agent's own `Backoff`. A task is a pause.
"""

from __future__ import annotations

import asyncio
import base64
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from millrace.agent.retrying import Backoff
from tests.load.tally import Tally
from tests.load.wire import Answer, Cut, Wire

LONG_POLL_SECONDS = 20.0


@dataclass
class Pace:
    """Changed while a fleet runs, to make the load rise and fall."""

    task_seconds: float
    idle_poll_seconds: float | None = None
    """In place of what the farm tells; None: obey."""


@dataclass
class Running:
    lease: dict[str, Any]
    ends_at: float
    renew_at: float
    renew_every: float


class LoadWorker:
    def __init__(self, url: str, name: str, tally: Tally, pace: Pace, token: str = "") -> None:
        self._name, self._tally, self._pace = name, tally, pace
        self._wire, self._second_wire = Wire(url, f"Bearer {token}" if token else ""), Wire(url)
        self._id = ""
        self._held: Running | None = None
        self._report: dict[str, Any] | None = None
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Until it is canceled."""
        await self._until_answered(self._register)
        await self._until_answered(self._sign_on)
        await asyncio.gather(self._contracts(), self._renewals())

    def close(self) -> None:
        self._wire.close()
        self._second_wire.close()

    async def _until_answered(self, call: Callable[[], Any]) -> None:
        backoff = Backoff()
        while (pause := await call()) is not None:
            await asyncio.sleep(backoff.failed(pause))

    async def _register(self) -> float | None:
        """The pause that was asked for, or None for success."""
        body = {"runtime": ["python3"], "worker": {"name": self._name, "task_types": ["exec"], "slots": 1}}
        answer = await self._call(self._wire, "register", "/worker", body)
        if answer is None or answer.status != 200:
            return (answer and answer.retry_after_seconds) or 0.0
        self._id = answer.body["id"]
        basic = base64.b64encode(f"{self._id}:{answer.body['secret']}".encode()).decode()
        self._wire.authorization = self._second_wire.authorization = f"Basic {basic}"
        return None

    async def _sign_on(self) -> float | None:
        body = {"runtime": ["python3"], "worker": {"name": self._name, "task_types": ["exec"], "slots": 1}, "held": []}
        answer = await self._own_call(self._wire, "sign-on", body)
        return None if answer is not None and answer.status == 200 else (answer and answer.retry_after_seconds) or 0.0

    # ---- the contract

    async def _contracts(self) -> None:
        backoff, request, repeat = Backoff(), "", False
        while True:
            self._woken.clear()
            slots = 0 if self._held else 1
            request = request if repeat else f"k{uuid.uuid4().hex}"
            idle = self._held is None and self._report is None and not repeat
            reports = [] if self._report is None else [self._report]
            body = {
                "request_id": request,
                "repeat": repeat,
                "slots": slots,
                "timeout": LONG_POLL_SECONDS if idle and self._pace.idle_poll_seconds is None else 0.0,
                "held": [] if self._held is None else [self._held.lease],
                "reports": reports,
            }
            headers = {"X-Millrace-Reports": "1"} if reports else {}
            sent_at = time.monotonic()
            answer = await self._own_call(self._wire, "contract", body, headers, waited=bool(idle))
            if answer is None or answer.status != 200:
                repeat = slots > 0
                await self._rest(backoff.failed(answer and answer.retry_after_seconds), bool(reports))
                continue
            backoff.succeeded()
            repeat = False
            await self._use(answer.body, reports, sent_at)

    async def _use(self, answer: dict[str, Any], reports: list[dict[str, Any]], sent_at: float) -> None:
        for said, verdict in zip(reports, answer["reports"], strict=True):
            if verdict["accepted"]:
                self._tally.completed[said["task"]] = self._id
            self._report = None
        for given in answer["assignments"]:
            self._begin(given, sent_at)
        pause = answer["poll_seconds"]
        if self._held is None and self._pace.idle_poll_seconds is not None:
            pause = self._pace.idle_poll_seconds
        await self._rest(max(0.0, pause - (time.monotonic() - sent_at)), carried=False)

    async def _rest(self, seconds: float, carried: bool) -> None:
        """A report that comes up meanwhile goes out at once, unless it was one that was put off."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        if carried:
            await asyncio.sleep(seconds)

    def _begin(self, given: dict[str, Any], sent_at: float) -> None:
        lease = {"task": given["task"], "generation": given["generation"]}
        third = given["lease_seconds"] / 3
        seconds = self._pace.task_seconds * random.uniform(0.5, 1.5)
        self._held = Running(lease, time.monotonic() + seconds, sent_at + third, third)

    # ---- while a task runs

    async def _renewals(self) -> None:
        while True:
            held, now = self._held, time.monotonic()
            if held is None:
                await asyncio.sleep(0.1)
            elif now >= held.ends_at:
                await self._end(held)
            elif now >= held.renew_at:
                await self._renew(held)
            else:
                await asyncio.sleep(max(0.0, min(held.ends_at, held.renew_at) - now))

    async def _renew(self, held: Running) -> None:
        sent_at = time.monotonic()
        answer = await self._own_call(self._second_wire, "renew", {"leases": [{**held.lease, "progress": 50}]})
        if answer is None or answer.status != 200:
            await asyncio.sleep(Backoff().failed(min(5.0, (answer and answer.retry_after_seconds) or 0.0)))
        elif answer.body["leases"][0]["held"]:
            held.renew_at = sent_at + held.renew_every
        else:
            self._tally.troubles.append(f"{self._name} lost a lease")
            self._held = None

    async def _end(self, held: Running) -> None:
        text = f"{self._name} has done it\n"
        await self._own_call(self._second_wire, "log", {**held.lease, "offset": 0, "text": text})
        self._report = {**held.lease, "outcome": "completed", "exit_code": 0}
        self._held = None
        self._woken.set()

    # ---- calls

    async def _own_call(
        self, wire: Wire, name: str, body: Any, headers: dict[str, str] | None = None, *, waited: bool = False
    ) -> Answer | None:
        return await self._call(wire, name, f"/worker/{self._id}/{name}", body, headers, waited=waited)

    async def _call(
        self,
        wire: Wire,
        name: str,
        path: str,
        body: Any,
        headers: dict[str, str] | None = None,
        *,
        waited: bool = False,
    ) -> Answer | None:
        sent_at = time.monotonic()
        try:
            answer = await wire.call("POST", path, body, headers, seconds=60.0)
        except Cut:
            self._tally.cuts[name] += 1
            self._tally.record(path, body, sent_at, None, None)
            return None
        self._tally.answered(name, answer.status, sent_at, waited=waited)
        self._tally.record(path, body, sent_at, answer.status, answer.body)
        return answer


@dataclass
class Fleet:
    """Workers that can be sent home. `tally` has what they saw."""

    url: str
    pace: Pace
    tally: Tally = field(default_factory=Tally)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    workers: list[LoadWorker] = field(default_factory=list)

    async def grow(self, number: int, seconds: float) -> None:
        """So many workers come, spread over so many seconds."""
        for _ in range(number):
            worker = LoadWorker(self.url, f"load-{len(self.workers)}", self.tally, self.pace)
            self.workers.append(worker)
            self.tasks.append(asyncio.create_task(worker.run()))
            await asyncio.sleep(seconds / number)

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        for error in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(error, Exception):
                self.tally.troubles.append(f"a worker broke: {error!r}")
        for worker in self.workers:
            worker.close()
