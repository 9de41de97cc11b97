"""A worker of Pleiades."""

from __future__ import annotations

from chalicelib.edge import hexids
from tests.simulated.calling import NoAnswer
from tests.simulated.worker import Given, SimulatedWorker

RUNTIMES = ["python3", "lua54"]


class PleiadesWorker(SimulatedWorker):
    kind = "pleiades"

    def join(self) -> None:
        """It never comes back under its old id: somebody at a dashboard has that one forgotten."""
        if self.number:
            forget = {"action": "forget-worker"}
            self.caller.send("POST", f"/worker-action/{hexids.hex_of(int(self.number))}", data=forget)
        self.is_now(self.caller.ok("POST", "/worker", json={"runtime": RUNTIMES})["id"])

    def take(self) -> Given | None:
        asked = {"id": self.number, "tags": [], "timeout": 1}
        try:
            answer = self.caller.ok("POST", f"/api/v0.5/worker/{self.number}/contract", json=asked, repeats=False)
        except NoAnswer:  # nobody may ask twice here: the next question would be for another job
            self.join()
            return None
        return Given(("job", answer["job"]), answer["job"]) if "job" in answer else None

    def take_again(self, given: Given) -> Given | None:
        return None

    def may_go_on(self, given: Given) -> bool:
        return bool(self.caller.ok("GET", f"/job/{given.document}")["state"] == "Running")

    def end(self, given: Given, outcome: str) -> bool:
        said = {"completed": {"status": "finished", "output": "0"}, "failed": {"status": "error"}}[outcome]
        return self._update(given, said, repeats=True)

    def give_back(self, given: Given) -> bool:
        try:
            return self._update(given, {"status": "enqueued"}, repeats=False)
        except NoAnswer:
            return True

    def stopped(self, given: Given) -> None:
        self._update(given, {"status": "cancelled", "output": "0"}, repeats=True)

    def _update(self, given: Given, said: dict[str, str], *, repeats: bool) -> bool:
        answer = self.caller.send("POST", f"/job/{given.document}", json=said, repeats=repeats)
        assert answer.status_code in (200, 404, 409), answer.text
        return answer.status_code == 200
