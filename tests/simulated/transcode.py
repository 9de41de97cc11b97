"""A foreign worker of the transcode protocol, which its master calls."""

from __future__ import annotations

import time
from typing import Any

from tests.dialects.transcode.scripted_worker import ScriptedWorker
from tests.simulated.worker import Given, SimulatedWorker

BEAT_SECONDS = 2.0


class TranscodeWorker(SimulatedWorker):
    """`cuts`: it can be given parts of files."""

    kind = "transcode"
    LOST_AFTER_SECONDS = 10.0

    def __init__(self, url: str, name: str, *, cuts: bool = True) -> None:
        super().__init__(url, name)
        self._listener = ScriptedWorker()
        self._cuts = cuts
        self._seen = 0
        self._beat_at = 0.0

    @property
    def address(self) -> str:
        return self._listener.address

    def join(self) -> None:
        self._listener.tasks.clear()
        self._seen = len(self._listener.given)
        self._call("register_worker", ip="127.0.0.1", port=self._listener.port, state=0, cuts=self._cuts)
        listed = self.caller.ok("GET", "/api/v1/workers?limit=1000")["items"]
        self.is_now(next(worker["id"] for worker in listed if worker["name"] == self.address))

    def _call(self, name: str, **body: Any) -> int:
        answer = self.caller.ok("POST", f"/master/{name}", json={"type": 0, **body})
        return int(answer["err_code"])

    def _beat(self, state: int) -> None:
        if time.monotonic() - self._beat_at >= BEAT_SECONDS:
            self._beat_at = time.monotonic()
            assert self._call("worker_heartbeat", worker_id=self.address, worker_state=state) == 0

    def take(self) -> Given | None:
        while self._seen < len(self._listener.given):
            document = self._listener.given[self._seen]
            self._seen += 1
            if document["id"] in self._listener.tasks:  # else it was taken back at once
                return Given(("transcode", document["id"]), document)
        self._beat(0)
        return None

    def take_again(self, given: Given) -> Given | None:
        return None

    def may_go_on(self, given: Given) -> bool:
        self._beat(1)
        return given.document["id"] in self._listener.tasks

    def fall_silent(self, silent: bool) -> None:
        super().fall_silent(silent)
        (self._listener.silent.set if silent else self._listener.silent.clear)()

    def end(self, given: Given, outcome: str) -> bool:
        return self._result(given, 3, 0 if outcome == "completed" else -1)

    def give_back(self, given: Given) -> bool:
        return self._result(given, 1, -1)

    def stopped(self, given: Given) -> None:
        """It was told so by a call, and that call's answer has said it all."""

    def _result(self, given: Given, state: int, result: int) -> bool:
        """It knows, and tells when asked, what it has reported."""
        self._listener.becomes(given.document["id"], state, result)
        said = {"task_id": given.document["id"], "task_state": state, "task_result": result}
        return self._call("set_task_result", **said) == 0

    def leave(self) -> None:
        self._listener.stop()
        super().leave()
