"""The two generations of Flamenco 1's worker as they behave on the wire, running what they are given as processes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from tests.dialects.flamenco1.pushed_worker import PushedWorker

ACTIVITY = '{"process": "rendering", "current_frame": 1, "remaining": null, "thumbnail": null}'
BLENDER = """#!PYTHON
import sys, time
words = iter(sys.argv[1:])
scene = settings = out = form = first = last = None
def render(frame):
    print(f"Fra:{frame} Mem:8M", flush=True)
    open(out.replace("#####", f"{frame:05d}") + ".png", "w").write(f"{scene} {frame} {form}")
for word in words:
    if word == "--background": scene = open(next(words)).read()
    elif word == "--render-output": out = next(words)
    elif word == "--python": settings = open(next(words)).read()
    elif word == "--render-format": form = next(words)
    elif word == "--frame-start": first = int(next(words))
    elif word == "--frame-end": last = int(next(words))
    elif word == "-f": render(int(next(words)))
    elif word == "--render-anim": [render(frame) for frame in range(first, last + 1)]
    elif word not in ("--enable-autoexec", "-noaudio"): sys.exit(f"unknown argument {word}")
while scene == "endless":
    print("Fra:1 Mem:8M", flush=True)
    time.sleep(0.1)
"""
"""Takes Blender's arguments as they are, in their order, and writes a text for each picture. A scene may be endless."""


def install_blender(folder: Path) -> Path:
    path = folder / "blender"
    path.write_text(BLENDER.replace("PYTHON", sys.executable))
    path.chmod(0o755)
    return path


def with_path(folder: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


class RunningWorker(PushedWorker):
    """Of the push generation. `reports`: what it was answered, and what it had said."""

    def __init__(self, manager: str, programs: Path) -> None:
        super().__init__()
        self._manager, self._environment = manager, with_path(programs)
        self.hostname = f"node{self.port}"
        self._process: subprocess.Popen[str] | None = None
        self._reporter = threading.Thread()
        self.reports: list[tuple[int, Mapping[str, Any]]] = []

    def start(self) -> None:
        """The first call only has to be answered at all."""
        assert requests.get(f"{self._manager}/info", timeout=10).status_code < 500
        form = {"hostname": self.hostname, "port": self.port, "system": "Linux 5.15"}
        assert requests.post(f"{self._manager}/workers", data=form, timeout=10).status_code == 204

    def stop(self) -> None:
        self._kill()
        if self._process is not None:
            self._reporter.join(20)
        super().stop()

    def answer(self, method: str, path: str, content_type: str, body: bytes) -> tuple[int, str]:
        said = super().answer(method, path, content_type, body)
        if (method, path) == ("DELETE", "/kill"):
            self._kill()
        elif (method, path, said[0]) == ("POST", "/execute_task", 200):
            self._execute_for_real(self.given[-1])
        return said

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _execute_for_real(self, form: Mapping[str, str]) -> None:
        self.log = ""
        self._process = subprocess.Popen(
            json.loads(form["task_command"]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
        )
        self._reporter = threading.Thread(target=self._attend, args=(form["task_id"], self._process))
        self._reporter.start()

    def _attend(self, number: str, process: subprocess.Popen[str]) -> None:
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                self.log += line
        word = {0: "finished", -9: "aborted"}.get(process.returncode, "failed")
        self.busy = False
        said = {"status": word, "log": self.log, "activity": ACTIVITY, "time_cost": 1}
        answer = requests.patch(f"{self._manager}/tasks/{number}", data=said, timeout=10)
        self.reports.append((answer.status_code, said))


class PullingWorker:
    """Of the pull generation."""

    def __init__(self, manager: str, folder: Path, programs: Path, hostname: str = "node8") -> None:
        self._manager, self._folder, self._hostname = manager, folder, hostname
        self._environment = with_path(programs)
        self.stopped_by: list[tuple[int, Any]] = []
        """The answers that made it kill its program."""

    def turn(self) -> str | None:
        """Once through its loop. How the task ended that it was given; None if it was given none."""
        assert "message" in self._call("GET", "/").json()
        form = {"hostname": self._hostname, "port": 5000, "system": "Linux 5.15"}
        assert self._call("POST", "/workers", data=form).status_code == 204
        answer = self._call("GET", "/tasks/compiled/0", params={"worker": self._hostname})
        if answer.status_code == 200:
            return self._run(answer.json()["options"])
        assert (answer.status_code, answer.json()) == (400, ""), answer.text
        return None

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, self._manager + path, timeout=20, **options)

    def _run(self, options: Mapping[str, Any]) -> str:
        task, job = options["task_id"], options["job_id"]
        places = {"==jobpath==": self._folder / str(job), "==outputpath==": self._folder / "output" / str(task)}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        assert self._says(options, "active", "") == 204
        self._fetch(f"/tasks/zip/{job}", places["==jobpath=="])
        assert self._fetch(f"/tasks/zip/sup/{job}", places["==jobpath=="]), "without it the task is dropped"
        self._fetch(f"/static/storage/{job}/dependencies_{task}.zip", places["==jobpath=="])
        commands = self._call("GET", f"/job-types/{options['type']}").json()["commands"]
        program = commands[options["settings"].get("command_name", "default")]["Linux"]
        marks = {"==command==": program, **{mark: f"{place}/" for mark, place in places.items()}}
        argv = json.loads(options["task_command"])
        for mark, text in marks.items():
            argv = [word.replace(mark, text) for word in argv]
        word, log = self._execute(options, argv)
        self._call("POST", "/tasks/thumbnails", data={"task_id": task}, files={"file": ("a.jpg", b"JPEG")})
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for path in places["==outputpath=="].iterdir():
                archive.write(path, path.name)
        said = {"status": word, "log": log[-256:], "activity": ACTIVITY, "time_cost": 1, "job_id": job}
        taskfile = {"taskfile": ("taskfile.zip", content.getvalue(), "application/zip")}
        assert self._call("PATCH", f"/tasks/{task}", data=said, files=taskfile).status_code == 204
        return word

    def _fetch(self, path: str, folder: Path) -> bool:
        answer = self._call("GET", path)
        if answer.status_code == 200:
            zipfile.ZipFile(io.BytesIO(answer.content)).extractall(folder)
        return answer.status_code == 200

    def _execute(self, options: Mapping[str, Any], argv: list[str]) -> tuple[str, str]:
        """Reports whenever the program has written something; whatever else than 204 comes back ends it."""
        log = ""
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                log += line
                if not self.stopped_by and self._says(options, "active", log) != 204:
                    process.kill()
        return {0: "completed", -9: "canceled"}.get(process.returncode, "failed"), log

    def _says(self, options: Mapping[str, Any], word: str, log: str) -> int:
        said = {"status": word, "log": log[-256:], "activity": ACTIVITY, "time_cost": 1}
        ids = {"job_id": options["job_id"], "task_id": options["task_id"]}
        answer = self._call("PATCH", f"/tasks/{options['task_id']}", data={**said, **ids})
        if answer.status_code != 204:
            self.stopped_by.append((answer.status_code, answer.json()))
        return answer.status_code
