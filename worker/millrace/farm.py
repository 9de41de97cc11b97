"""A farm, from Python: `Farm("http://127.0.0.1:8000").submit("transcode", {...})`. CLI and demo use nothing else.

Every call may raise what `millrace.sdk.errors` describes. Calls that are safe to repeat are repeated for
`patience_seconds` while the farm is away or busy. One `Farm` per thread.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any

from millrace.sdk import folders, reading, results, transfers, unsent
from millrace.sdk.administration import Administration
from millrace.sdk.asking import id_of
from millrace.sdk.calls import Calls
from millrace.sdk.errors import NotEnded, NotFound
from millrace.sdk.logs import LogEnd
from millrace.sdk.sending import OnBytes
from millrace.sdk.values import (
    ErrorLine,
    FarmInfo,
    FramesAdded,
    Job,
    JobOutput,
    LogPiece,
    Picture,
    Reason,
    Task,
    WorkerInfo,
)

DEFAULT_URL = "http://127.0.0.1:8000"


class Farm(Administration):
    """The farm at a URL; `Farm()` is the one of MILLRACE_URL, else of this machine. A closed farm needs a token.

    A token that is not given is that of MILLRACE_TOKEN, as on the command line; `token=""` shows none.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, patience_seconds: float = 5.0) -> None:
        url = os.environ.get("MILLRACE_URL") or DEFAULT_URL if url is None else url
        token = os.environ.get("MILLRACE_TOKEN") if token is None else token
        super().__init__(Calls(url, token or None, patience_seconds))

    @property
    def url(self) -> str:
        return self._calls.url

    def info(self) -> FarmInfo:
        """Answers once the farm is ready for work."""
        return reading.farm_info(self._get("/farm"))

    def time(self) -> datetime | None:
        """The clock of the farm's machine, to the second; None if it does not say."""
        told = self._calls.send("GET", "/farm", repeatable=True).headers.get("Date", "")
        try:
            return parsedate_to_datetime(told)
        except ValueError:
            return None

    # ---- jobs ----

    def submit(
        self,
        type: str,
        settings: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        priority: int = 50,
        tags: Sequence[str] = (),
        max_retries: int | None = None,
        on_failure: str | None = None,
        retry: Mapping[str, Any] | None = None,
        after: Sequence[str | Job] = (),
        max_workers: int | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit a job. Priority goes from 0 to 100, higher first; `on_failure` is `continue` or `stop`.

        `retry` says what failures mean: `{"delay_seconds": 60, "exit_codes": {"211": {"action": "retry" or "fail",
        "delay_seconds": 300, "counted": False}}}`; all of it may be left out. `after`: jobs that must complete before
        this one starts; it fails if one of them does not. `max_workers`: how many of its tasks may run at once.

        A `pathlib.Path` in the settings is a file that is here: it is uploaded, once the farm has looked at the rest of
        the submission and would take it, and the id of its blob takes its place.

        Two submissions with one idempotency key are one job; without a key, each call makes its own.
        """
        body: dict[str, Any] = {
            "name": name or type,
            "type": type,
            "settings": dict(settings or {}),
            "priority": priority,
        }
        body |= {"tags": list(tags)} if tags else {}
        body |= {"max_retries": max_retries} if max_retries is not None else {}
        body |= {"on_failure": on_failure} if on_failure else {}
        body |= {"retry": dict(retry)} if retry else {}
        body |= {"max_workers": max_workers} if max_workers is not None else {}
        body |= {"after": [_text(job) for job in after]} if after else {}
        if unsent.are_in(body["settings"]):
            unsent.check(self._calls, body)
            body["settings"] = unsent.sent(body["settings"], self.upload)
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return reading.job(self._calls.json("POST", "/jobs", repeatable=True, json=body, headers=key))

    def job(self, job: str | Job) -> Job:
        """The job as it is now."""
        return reading.job(self._get(f"/jobs/{id_of(job)}"))

    def jobs(self, status: str | None = None) -> Iterator[Job]:
        """All jobs, newest first, fetched page by page as they are asked for."""
        return map(reading.job, self._pages("/jobs", status))

    def update(
        self,
        job: str | Job,
        *,
        name: str | None = None,
        priority: int | None = None,
        max_workers: int | None = None,
    ) -> Job:
        """`max_workers`: how many of its tasks may run at once from now on; 0: no limit."""
        given = (("name", name), ("priority", priority), ("max_workers", max_workers))
        body: dict[str, Any] = {key: value for key, value in given if value is not None}
        body |= {"max_workers": None} if max_workers == 0 else {}
        return reading.job(self._calls.json("PATCH", f"/jobs/{id_of(job)}", repeatable=True, json=body))

    def queue_mode(self, mode: str | None = None) -> str:
        """How jobs of equal priority are served: `first-in` or `balanced`. With `mode`, for steps that begin from now
        on."""
        if mode is None:
            return str(self._get("/queue")["mode"])
        return str(self._calls.json("PUT", "/queue", repeatable=True, json={"mode": mode})["mode"])

    def cancel(self, job: str | Job) -> Job:
        """Stop the job; tasks that run are stopped by their workers soon after."""
        return self._act(job, "cancel")

    def pause(self, job: str | Job) -> Job:
        """Hold the job; tasks that run may finish."""
        return self._act(job, "pause")

    def resume(self, job: str | Job) -> Job:
        return self._act(job, "resume")

    def retry(
        self,
        job: str | Job,
        *,
        only_failed: bool = False,
        only_canceled: bool = False,
        tasks: Sequence[str | Task] | None = None,
        frames: str | None = None,
    ) -> Job:
        """Run again what failed or was canceled; only the one or the other; or these tasks (up to 1,000) or frames,
        whatever became of them. A job that has ended lives again."""
        if only_failed and only_canceled:
            raise ValueError("say one of only_failed and only_canceled; without either, both run again")
        only = "failed" if only_failed else "canceled" if only_canceled else None
        said: dict[str, Any] = {} if only is None else {"only": only}
        said |= {} if tasks is None else {"tasks": [task if isinstance(task, str) else task.id for task in tasks]}
        said |= {} if frames is None else {"frames": frames}
        return self._act(job, "retry", said)

    def lost_tasks(self, job: str | Job) -> list[str]:
        """The ids of the job's tasks that completed, but of whose files the content is not there any more."""
        return results.lost_tasks(self._calls, self.outputs(job))

    def add_frames(self, job: str | Job, frames: str) -> FramesAdded:
        """Give a job that lives more frames, such as `251-300`; those that it has already are not added again."""
        body = {"frames": frames}
        answer = self._calls.json("POST", f"/jobs/{id_of(job)}/frames", repeatable=True, json=body)
        return FramesAdded(answer["added"], answer["present"], reading.job(answer["job"]))

    def retry_task(self, task: str | Task) -> Task:
        """Run one task again within its job, whatever became of it."""
        return reading.task(self._calls.json("POST", f"/tasks/{id_of(task)}/retry", repeatable=False, json={}))

    def delete(self, job: str | Job) -> None:
        """Forget the job, its tasks and logs."""
        self._calls.send("DELETE", f"/jobs/{id_of(job)}", repeatable=False)

    def wait(
        self, job: str | Job, timeout: float | None = None, on_progress: Callable[[Job], None] | None = None
    ) -> Job:
        """The job once it is completed, failed or canceled; `on_progress` sees it at each change before, and then.

        Raises NotEnded after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause, seen = 0.1, None
        while True:
            current = self.job(job)
            if current != seen and on_progress:
                on_progress(current)
            if current.has_ended:
                return current
            # A job that moves is looked at often; one that stands, every two seconds.
            pause = 0.2 if current != seen else min(pause * 1.5, 2.0)
            seen = current
            if deadline is not None and time.monotonic() + pause > deadline:
                raise NotEnded(f"job {current.id} is still {current.status} ({current.progress:.0f} %)")
            time.sleep(pause)

    def download(self, job: str | Job, folder: str | Path, on_bytes: OnBytes | None = None) -> list[Path]:
        """Write the job's outputs below the folder, each checked; their paths, in the job's order.

        Of a job that still runs: those there are. Two files of one name are both kept, see `sdk/results.py`.
        """
        return list(results.to_folder(self._calls, self.outputs(job), Path(folder), on_bytes))

    def download_zip(self, job: str | Job, archive: IO[bytes]) -> list[str]:
        """Write the job's outputs into a zip file as they come; their names in it."""
        return list(results.to_zip(self._calls, self.outputs(job), archive))

    def outputs(self, job: str | Job) -> Iterator[JobOutput]:
        """All files that the job's tasks made so far, in their order, fetched page by page as they are asked for."""
        return map(reading.job_output, self._pages(f"/jobs/{id_of(job)}/outputs", None))

    def last_rendered(self, job: str | Job | None = None) -> Picture | None:
        """What a job, or the whole farm, rendered last; None while there is nothing that could be shown."""
        path = "/last-rendered" if job is None else f"/jobs/{id_of(job)}/last-rendered"
        try:
            return reading.picture(self._get(path))
        except NotFound:
            return None

    def picture(self, picture: Picture, width: int = 600) -> bytes:
        """As a JPEG, the smallest that is at least so wide."""
        path = f"/jobs/{picture.job}/last-rendered/image"
        return self._calls.send("GET", path, repeatable=True, params={"width": width}).content

    # ---- tasks and logs ----

    def tasks(self, job: str | Job, status: str | None = None) -> Iterator[Task]:
        return map(reading.task, self._pages(f"/jobs/{id_of(job)}/tasks", status))

    def task(self, task: str | Task) -> Task:
        return reading.task(self._get(f"/tasks/{id_of(task)}"))

    def log(self, task: str | Task, attempt: int | None = None, offset: int = 0) -> LogPiece:
        """What an attempt (the newest, if none is named) wrote, from a byte on; empty text at the end."""
        params = {"offset": offset} | ({"attempt": attempt} if attempt is not None else {})
        response = self._calls.send("GET", f"/tasks/{id_of(task)}/log", repeatable=True, params=params)
        next_offset = int(response.headers.get("X-Next-Offset", offset + len(response.content)))
        return LogPiece(response.content.decode("utf-8", "replace"), next_offset)

    def follow_log(self, task: str | Task, attempt: int | None = None, poll_seconds: float = 0.5) -> Iterator[str]:
        """Pieces of an attempt's log as they come, until the attempt has ended and nothing has come for a moment.

        Without an attempt: from the newest on, through those that follow, until the task has ended.
        """
        number, offset, end = attempt, 0, LogEnd()
        while True:
            # The state is read before the log: what was there before the end is then in what is read.
            current = self.task(task)
            number = number or len(current.attempts) or None
            piece = self.log(task, number, offset) if number else LogPiece("", 0)
            run = next((run for run in current.attempts if run.number == number), None)
            is_followed = attempt is None and number is not None and number < len(current.attempts)
            is_over = is_followed or _is_over(current, attempt)
            if piece.text:
                yield piece.text
                offset = piece.next_offset
                end.heard()
            elif not is_over or (run is not None and not end.is_reached(run.ended_at)):
                time.sleep(poll_seconds)
            elif is_followed and number is not None:
                number, offset, end = number + 1, 0, LogEnd()
            else:
                return

    def error_line(self, task: str | Task, attempt: int | None = None) -> ErrorLine | None:
        """The line of an attempt's log (the newest, if none is named) that likely says why it failed."""
        params = {} if attempt is None else {"attempt": attempt}
        return reading.error_line(self._get(f"/tasks/{id_of(task)}/error", **params))

    def why(self, thing: Job | Task | WorkerInfo) -> list[Reason]:
        """Why a job or task waits, or a worker is idle; the nearest reason first."""
        noun = {Job: "jobs", Task: "tasks", WorkerInfo: "workers"}[type(thing)]
        return reading.reasons(self._get(f"/{noun}/{id_of(thing)}/why"))

    # ---- workers and blobs ----

    def workers(self) -> Iterator[WorkerInfo]:
        return map(reading.worker, self._pages("/workers", None))

    def worker(self, worker: str | WorkerInfo) -> WorkerInfo:
        return reading.worker(self._get(f"/workers/{id_of(worker)}"))

    def set_worker_status(self, worker: str | WorkerInfo, status: str, *, lazy: bool = False) -> WorkerInfo:
        """Ask a worker to become `awake`, `asleep` or `offline`; lazily: after the tasks it has."""
        body = {"status": status, "lazy": lazy}
        return reading.worker(self._calls.json("POST", f"/workers/{id_of(worker)}/status", repeatable=True, json=body))

    def forget_worker(self, worker: str | WorkerInfo) -> None:
        """Take a worker that is offline or lost off the list."""
        self._calls.send("DELETE", f"/workers/{id_of(worker)}", repeatable=False)

    def upload(self, path: str | Path, on_bytes: OnBytes | None = None) -> str:
        """Store a file as a blob, unless its content is known; the blob's id."""
        return transfers.upload(self._calls, Path(path), on_bytes)

    def upload_folder(
        self, folder: str | Path, *, paths: Sequence[str] | None = None, on_bytes: OnBytes | None = None
    ) -> str:
        """Store all files of a folder, or those named by path in it, as far as the farm lacks them; the blob id of
        their manifest, for settings that take one. Symbolic links are refused."""
        root = Path(folder)
        return self.upload_files({path: root / path for path in paths or folders.files_below(root)}, on_bytes=on_bytes)

    def upload_files(self, files: Mapping[str, str | Path], *, on_bytes: OnBytes | None = None) -> str:
        """The same for files from anywhere: path in the job (relative, with `/`) -> file here."""
        return folders.upload_files(self._calls, {path: Path(file) for path, file in files.items()}, on_bytes)

    # ---- within ----

    def _act(self, job: str | Job, verb: str, said: Mapping[str, Any] | None = None) -> Job:
        # Not repeated after a broken connection: the job may have moved on since, and been moved by somebody else.
        return reading.job(
            self._calls.json("POST", f"/jobs/{id_of(job)}/{verb}", repeatable=False, json=dict(said or {}))
        )


def _text(job: str | Job) -> str:
    return job if isinstance(job, str) else job.id


def _is_over(task: Task, attempt: int | None) -> bool:
    if attempt is None or task.has_ended:
        return task.has_ended
    return any(run.number == attempt and run.outcome is not None for run in task.attempts)
