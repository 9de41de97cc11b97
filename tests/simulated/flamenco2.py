"""A worker of Flamenco 2."""

from __future__ import annotations

from typing import Any

import requests

from chalicelib.edge import hexids
from tests.simulated.worker import Given, SimulatedWorker

SECRET = "hJ4rT0wq9LzXcV8bNm2KpQ7sYd5FgE3aUi6OoRt1WxZvCyBnM4kLjHgFdSaPqWeR"
TASK_TYPES = ["exec", "sleep", "debug"]


class Flamenco2Worker(SimulatedWorker):
    kind = "flamenco2"

    def join(self) -> None:
        if self.number:
            self.call("POST", "/sign-on", json={"supported_task_types": TASK_TYPES, "nickname": self.name})
            return
        said = {
            "secret": SECRET,
            "platform": "linux",
            "supported_task_types": TASK_TYPES,
            "nickname": self.name,
        }
        self.is_now(str(hexids.id_of(self.caller.ok("POST", "/register-worker", json=said)["_id"])))

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.caller.send(method, path, auth=(hexids.hex_of(int(self.number)), SECRET), **options)

    def take(self) -> Given | None:
        answer = self.call("POST", "/task")
        assert answer.status_code in (200, 204), (answer.status_code, answer.text)
        if answer.status_code == 204:
            return None
        document = answer.json()
        return Given(("task", str(hexids.id_of(document["_id"]))), document)

    def take_again(self, given: Given) -> Given | None:
        return self.take()

    def may_go_on(self, given: Given) -> bool:
        return bool(self.verdict(given)["may_keep_running"])

    def verdict(self, given: Given) -> Any:
        answer = self.call("GET", f"/may-i-run/{given.document['_id']}")
        assert answer.status_code == 200
        return answer.json()

    def end(self, given: Given, outcome: str) -> bool:
        return self._update(given, {"task_status": outcome, "activity": outcome, "log": f"it has {outcome}"})

    def give_back(self, given: Given) -> bool:
        assert self.call("POST", f"/tasks/{given.document['_id']}/return").status_code in (204, 404)
        return True

    def stopped(self, given: Given) -> None:
        self._update(given, {"log": "told to stop"})
        self.give_back(given)

    def _update(self, given: Given, said: dict[str, Any]) -> bool:
        answer = self.call("POST", f"/tasks/{given.document['_id']}/update", json=said)
        assert answer.status_code in (204, 404, 409), answer.text
        return answer.status_code == 204
