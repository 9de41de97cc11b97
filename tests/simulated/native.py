"""A worker as our own is one, speaking `docs/native-protocol.md`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from tests.simulated.pleiades import RUNTIMES
from tests.simulated.worker import Given, SimulatedWorker

TASK_TYPES = ("exec", "sleep", "transcode")


class NativeWorker(SimulatedWorker):
    kind = "native"

    def __init__(self, url: str, name: str, task_types: Sequence[str] = TASK_TYPES) -> None:
        super().__init__(url, name)
        self._task_types = list(task_types)
        self._secret = ""

    def join(self) -> None:
        described = {
            "name": self.name,
            "task_types": self._task_types,
            "tags": [],
            "slots": 1,
            "platform": "linux",
            "software": "simulated",
        }
        said = {"runtime": RUNTIMES, "worker": described}
        if self.number:
            self._call("sign-on", {**said, "held": []})
            return
        answer = self.caller.ok("POST", "/worker", json=said)
        self._secret = answer["secret"]
        self.is_now(answer["id"])

    def _call(self, action: str, body: Any) -> Any:
        return self.caller.ok("POST", f"/worker/{self.number}/{action}", json=body, auth=(self.number, self._secret))

    def _contract(self, request_id: str | None = None, **fields: Any) -> Any:
        """A repeated call is told as one, as our worker does it: by `Caller` it may go out more than once."""
        asked = {"request_id": request_id or secrets.token_hex(8), "repeat": True, "slots": 0, "timeout": 0}
        return self._call("contract", {**asked, "held": [], "reports": [], **fields})

    def take(self) -> Given | None:
        return self._take(secrets.token_hex(8))

    def _take(self, request_id: str) -> Given | None:
        for one in self._contract(request_id, slots=1)["assignments"]:
            document = {"request_id": request_id, **one}
            return Given(("task", one["task"]), document, one["generation"], one["lease_seconds"])
        return None

    def take_again(self, given: Given) -> Given | None:
        return self._take(given.document["request_id"])

    def may_go_on(self, given: Given) -> bool:
        answer = self._call("renew", {"leases": [{**_lease(given), "progress": 50, "activity": "started"}]})
        return bool(answer["leases"][0]["held"] and not answer["cancel"])

    def end(self, given: Given, outcome: str) -> bool:
        """A piece of a video is reported as workers of the transcode protocol do it: by its path."""
        result = {"path": f"/media/{given.document['task']}.mp4"} if outcome == "completed" else None
        return self._report(given, outcome, result=result)

    def give_back(self, given: Given) -> bool:
        self._report(given, "released")
        return True

    def stopped(self, given: Given) -> None:
        self._report(given, "canceled")

    def _report(self, given: Given, outcome: str, **fields: Any) -> bool:
        [verdict] = self._contract(reports=[{**_lease(given), "outcome": outcome, **fields}])["reports"]
        return bool(verdict["accepted"])


def _lease(given: Given) -> dict[str, Any]:
    return {"task": given.document["task"], "generation": given.generation}
