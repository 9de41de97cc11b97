"""Workers of Flamenco 1: the generation that is pushed to, and the one that pulls."""

from __future__ import annotations

from typing import Any

from tests.dialects.flamenco1.pushed_worker import PushedWorker
from tests.simulated.worker import Given, SimulatedWorker

LARGEST_SERVER_ID = 2**31 - 1
PULL_PORT = 5000


class Flamenco1Worker(SimulatedWorker):
    port = PULL_PORT

    def join(self) -> None:
        form = {"hostname": self.name, "port": self.port, "system": "Linux 5.15"}
        answer = self.caller.send("POST", "/workers", data=form)
        assert answer.status_code == 204, answer.text
        self.is_now(answer.headers["Location"].removeprefix("/workers/"))

    def _given(self, number: int, job: int | None) -> Given:
        by_server = number <= LARGEST_SERVER_ID
        return Given(("flamenco1" if by_server else "task", str(number)), {"task_id": number, "job_id": job})

    def _report(self, given: Given, status: str) -> bool:
        form = {"status": status, "log": status, "time_cost": 0, **given.document}
        path = f"/tasks/{given.document['task_id']}"
        answer = self.caller.send("PATCH", path, data={name: v for name, v in form.items() if v is not None})
        assert answer.status_code in (204, 403), answer.text
        return answer.status_code == 204

    def give_back(self, given: Given) -> bool:
        return False


class PullingWorker(Flamenco1Worker):
    kind = "flamenco1 pull"

    def take(self) -> Given | None:
        answer = self.caller.send("GET", "/tasks/compiled/0", params={"worker": self.name})
        assert answer.status_code in (200, 400, 403), answer.text
        if answer.status_code != 200:
            return None
        options: dict[str, Any] = answer.json()["options"]
        return self._given(options["task_id"], options["job_id"])

    def take_again(self, given: Given) -> Given | None:
        return self.take()

    def may_go_on(self, given: Given) -> bool:
        return self._report(given, "active")

    def end(self, given: Given, outcome: str) -> bool:
        return self._report(given, outcome)

    def stopped(self, given: Given) -> None:
        self._report(given, "canceled")


class PushedToWorker(Flamenco1Worker):
    """Its listener is the scripted one of the room's own tests."""

    kind = "flamenco1 push"

    def __init__(self, url: str, name: str) -> None:
        super().__init__(url, name)
        self._listener = PushedWorker()
        self.port = self._listener.port
        self._seen = 0

    def join(self) -> None:
        self._listener.busy = False
        self._seen = len(self._listener.given)
        super().join()

    def take(self) -> Given | None:
        if self._seen == len(self._listener.given):
            return None
        form = self._listener.given[self._seen]
        self._seen += 1
        return self._given(int(form["task_id"]), None)

    def take_again(self, given: Given) -> Given | None:
        return None

    def may_go_on(self, given: Given) -> bool:
        return self._listener.busy and self._is_its_last(given)

    def _is_its_last(self, given: Given) -> bool:
        """When a program was killed, or its report is repeated, the next one may be there already."""
        return int(self._listener.given[-1]["task_id"]) == given.document["task_id"]

    def _ends(self, given: Given) -> None:
        """Before the report goes out, as with the real one."""
        if self._is_its_last(given):
            self._listener.busy = False

    def end(self, given: Given, outcome: str) -> bool:
        self._ends(given)
        return self._report(given, {"completed": "finished"}.get(outcome, outcome))

    def stopped(self, given: Given) -> None:
        self._ends(given)
        self._report(given, "aborted")

    def leave(self) -> None:
        self._listener.stop()
        super().leave()
