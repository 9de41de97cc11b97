"""Clients of all protocols that take jobs: submit in the protocol's own way, stop, and ask what has become of it.

`Ending` is how a job ended in the farm's own words; each client says the same in its protocol's words, so that both
can be compared.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from chalicelib.dialects.transcode import translate as transcode
from chalicelib.edge.uuids import id_of
from tests.simulated.calling import Caller
from tests.simulated.pleiades import RUNTIMES

Ending = str
"""`completed`, `failed` or `canceled`."""


@dataclass(frozen=True)
class Submitted:
    """A job as its client knows it. `job`: its id in the farm, where the client can tell; else its name there."""

    reference: Any
    job: str | None = None
    name: str | None = None
    num_tasks: int = 1


class Client(ABC):
    kind: ClassVar[str]
    TELLS_CANCELED: ClassVar[bool] = True
    """Its protocol has a word for what was canceled; else that looks like what failed."""

    def __init__(self, url: str) -> None:
        self.caller = Caller(url)

    @abstractmethod
    def submit(self, number: int, num_tasks: int = 1) -> Submitted:
        """A job that no other has the number of. Raises NoAnswer where the call must not be repeated."""

    @abstractmethod
    def cancel(self, submitted: Submitted) -> None: ...

    @abstractmethod
    def ending(self, submitted: Submitted) -> Ending | None:
        """In this protocol's eyes; None: it goes on."""


class ApiClient(Client):
    """Tasks of type `exec` and `sleep`, which many kinds of workers run."""

    kind = "api"

    def submit(self, number: int, num_tasks: int = 1, **wanted: Any) -> Submitted:
        tasks = [_exec(f"t{n}") if (number + n) % 3 else _sleep(f"t{n}") for n in range(num_tasks)]
        return self.submit_as("commands", {"tasks": tasks}, number, num_tasks, **wanted)

    def submit_as(self, kind: str, settings: Any, number: int, num_tasks: int = 1, **wanted: Any) -> Submitted:
        said = {"name": f"{kind} {number}", "type": kind, "settings": settings, **wanted}
        answer = self.caller.ok("POST", "/api/v1/jobs", json=said, headers={"Idempotency-Key": f"{kind}-{number}"})
        return Submitted(answer["id"], answer["id"], num_tasks=num_tasks)

    def cancel(self, submitted: Submitted) -> None:
        answer = self.caller.send("POST", f"/api/v1/jobs/{submitted.reference}/cancel")
        assert answer.status_code in (200, 409), answer.text

    def ending(self, submitted: Submitted) -> Ending | None:
        status = str(self.caller.ok("GET", f"/api/v1/jobs/{submitted.reference}")["status"])
        return status if status in ("completed", "failed", "canceled") else None


class FunctionClient(ApiClient):
    """Jobs of type `function`: what Pleiades calls a job, submitted through the farm's own API."""

    kind = "function"

    def submit(self, number: int, num_tasks: int = 1, **wanted: Any) -> Submitted:
        return self.submit_as("function", {"runtime": RUNTIMES[number % len(RUNTIMES)]}, number, **wanted)


class PleiadesClient(Client):
    kind = "pleiades"

    def submit(self, number: int, num_tasks: int = 1) -> Submitted:
        runtime = RUNTIMES[number % len(RUNTIMES)]
        function = self.caller.ok("POST", "/lambda", json={"codex": "0", "runtime": runtime})["id"]
        said = {"lambda": function, "input": "0", "tags": []}
        job = self.caller.ok("POST", "/job", json=said, repeats=False)["id"]
        return Submitted(job, job)

    def cancel(self, submitted: Submitted) -> None:
        answer = self.caller.send("POST", f"/job/{submitted.reference}", json={"status": "cancelled"})
        assert answer.status_code in (200, 409), answer.text

    def ending(self, submitted: Submitted) -> Ending | None:
        state = self.caller.ok("GET", f"/job/{submitted.reference}")["state"]
        return {"Finished": "completed", "Error": "failed", "Cancelled": "canceled"}.get(state)


class SchedulerClient(Client):
    """Starts programs on the workers that it was told of, in turn. `workers`: their UUIDs."""

    kind = "scheduler"
    TELLS_CANCELED = False

    def __init__(self, url: str, workers: list[str]) -> None:
        super().__init__(url)
        self._workers = workers

    def submit(self, number: int, num_tasks: int = 1) -> Submitted:
        worker = self._workers[number % len(self._workers)]
        said = {"worker_id": worker, "command": "true", "path": str(number)}
        answer = self.caller.ok("POST", "/start", json=said, repeats=False)
        return Submitted({"worker_id": worker, "job_id": answer["job_id"]}, str(id_of(answer["job_id"])))

    def cancel(self, submitted: Submitted) -> None:
        assert self.caller.ok("POST", "/stop", json=submitted.reference) == {"success": True}

    def ending(self, submitted: Submitted) -> Ending | None:
        said = self.caller.ok("POST", "/query", json=submitted.reference)
        assert said["error"] == bool(said["error_text"])
        if not said["done"]:
            return None
        return "failed" if said["error"] else "completed"


class TranscodeClient(Client):
    """Whole files, or files cut into as many segments of one second as tasks are wanted."""

    kind = "transcode"
    TELLS_CANCELED = False

    def submit(self, number: int, num_tasks: int = 1) -> Submitted:
        segments = ":".join(f"{2 * n}-{2 * n + 1}" for n in range(num_tasks)) if num_tasks > 1 else ""
        job = {"src_filename": f"/media/{number}.bin", "dst_dir": "/media/out/", "dst_format": "mp4"}
        answer = self.call("add_job", repeats=False, job={**job, "segments": segments})
        text = answer["job_id"]
        # With segments there are the sound, the join and the tidying up as well.
        return Submitted(text, str(transcode.job_number(text)), num_tasks=num_tasks + 3 * (num_tasks > 1))

    def call(self, name: str, *, repeats: bool = True, **body: Any) -> Any:
        answer = self.caller.ok("POST", f"/master/{name}", json={"type": 0, **body}, repeats=repeats)
        assert answer["err_code"] == 0, answer
        return answer

    def cancel(self, submitted: Submitted) -> None:
        """The protocol can only remove: the job is gone from its lists."""
        self.call("remove_job", job_id=submitted.reference)

    def ending(self, submitted: Submitted) -> Ending | None:
        said = self.call("get_job_state", job_id=submitted.reference)
        if said["state"] != 3:
            return None
        return "completed" if said["result"] == 0 else "failed"


class Flamenco1Client(Client):
    """A Server: it chooses the ids of its tasks."""

    kind = "flamenco1"
    WORDS: ClassVar = {"finished": "completed", "failed": "failed", "aborted": "canceled"}

    def submit(self, number: int, num_tasks: int = 1, *, priority: int = 50) -> Submitted:
        form = {"task_id": number, "type": "print_string", "settings": json.dumps({"text": f"hello {number}"})}
        answer = self.caller.send("POST", "/tasks", data={**form, "parser": "blender_render", "priority": priority})
        assert answer.status_code == 202, answer.text
        return Submitted(number, name=f"print_string {number}")

    def cancel(self, submitted: Submitted) -> None:
        assert self.caller.send("DELETE", f"/tasks/{submitted.reference}").status_code == 202

    def ending(self, submitted: Submitted) -> Ending | None:
        """Deleting what has ended changes nothing, and tells: the protocol has no other way to ask."""
        return self.WORDS.get(self.caller.ok("DELETE", f"/tasks/{submitted.reference}")["status"])


def _exec(name: str) -> dict[str, Any]:
    settings = {"argv": ["true", name], "cmd": f"true {name}"}
    return {"name": name, "task_type": "exec", "commands": [{"name": "exec", "settings": settings}]}


def _sleep(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "task_type": "sleep",
        "commands": [{"name": "sleep", "settings": {"time_in_seconds": 0}}],
    }
