"""A farm as its users run it, in a process of its own, and a client that costs nearly nothing.

The client is a socket and bytes: a library would spend more of the two cores than the server that is measured.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

ROOT = Path(__file__).parents[2]
TASK_TYPE = "exec"


@dataclass(frozen=True)
class Served:
    """A farm that runs. `data` is its folder."""

    url: str
    process: subprocess.Popen[str]
    data: Path

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """What the server has used so far, all its processes together."""
        times = [process.cpu_times() for process in self.family()]
        return sum(spent.user + spent.system for spent in times)

    def memory_bytes(self) -> int:
        return sum(int(process.memory_info().rss) for process in self.family())


END_SECONDS = 60.0
"""A server that has not ended by then is killed."""


@contextmanager
def served(*options: str) -> Iterator[Served]:
    """`millrace serve` in a folder that is removed afterwards."""
    data = Path(tempfile.mkdtemp(prefix="millrace-bench-"))
    command = [sys.executable, "-m", "chalicelib.embedded", "--data", str(data / "farm"), "--port", "0", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    with (data / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            word, _, url = process.stdout.readline().strip().partition(" ")
            if word != "ready":
                raise RuntimeError(f"the farm did not start: {(data / 'log').read_text()[-2000:]}")
            yield Served(url, process, data / "farm")
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()
            shutil.rmtree(data, ignore_errors=True)


class Busy(RuntimeError):
    """The farm has more to do than it can, and says so."""


def until_true(is_so: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Looks ten times a second. Raises RuntimeError that says `otherwise`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise())
        time.sleep(0.1)


class Wire:
    """One keep-alive connection to a farm."""

    def __init__(self, url: str, *, seconds: float = 60) -> None:
        place = urlsplit(url)
        assert place.hostname is not None
        self._host = place.netloc
        self.socket = socket.create_connection((place.hostname, place.port or 80), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method: str, path: str, body: Any = None, authorization: str = "") -> Any:
        """The answer's JSON. Raises Busy for 503, RuntimeError for any other status but a good one."""
        self.send(method, path, body, authorization)
        return self.receive()

    def send(self, method: str, path: str, body: Any = None, authorization: str = "") -> None:
        data = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self._host}",
            "Content-Type: application/json",
            f"Content-Length: {len(data)}",
            *([f"Authorization: {authorization}"] if authorization else []),
            "\r\n",
        ]
        head = "\r\n".join(lines)
        self.socket.sendall(head.encode() + data)

    def receive(self) -> Any:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head = data[:end].lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = data[end + 4 :]
        while len(body) < length:
            body += self._more()
        if not data.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
            kind = Busy if data.startswith(b"HTTP/1.1 503") else RuntimeError
            raise kind(f"{data[:40]!r} {body[:500]!r}")
        return json.loads(body)

    def _more(self) -> bytes:
        piece = self.socket.recv(65536)
        if not piece:
            raise RuntimeError("the farm ended the connection")
        return piece

    def close(self) -> None:
        self.socket.close()


class Worker:
    """A native worker that does nothing but ask and report: each cycle completes what the last one got."""

    def __init__(self, url: str, name: str, *, task_types: tuple[str, ...] = (TASK_TYPE,)) -> None:
        self.wire = Wire(url)
        described = {"runtime": [], "worker": {"name": name, "task_types": list(task_types)}}
        made = self.wire.call("POST", "/worker", described)
        self._path = f"/worker/{made['id']}/contract"
        self._authorization = "Basic " + base64.b64encode(f"{made['id']}:{made['secret']}".encode()).decode()
        self._name, self._asked = name, 0
        self._reports: list[dict[str, Any]] = []

    def cycle(self, slots: int, *, timeout: float = 0) -> int:
        """Complete-and-claim in one call; how many tasks were got."""
        self.ask(slots, timeout=timeout)
        return self.hear()

    def ask(self, slots: int, *, timeout: float = 0) -> None:
        self._asked += 1
        asked = {"request_id": f"{self._name}-{self._asked}", "slots": slots, "timeout": timeout, "held": []}
        self.wire.send("POST", self._path, {**asked, "reports": self._reports}, self._authorization)

    def hear(self) -> int:
        try:
            answer = self.wire.receive()
        except Busy:  # what was to be reported is reported with the next call
            return 0
        refused = [report for report in answer["reports"] if not report["accepted"]]
        if refused:
            raise RuntimeError(f"a report was refused: {refused[0]}")
        self._reports = [
            {"task": given["task"], "generation": given["generation"], "outcome": "completed"}
            for given in answer["assignments"]
        ]
        return len(self._reports)


def submit(url: str, type_: str, settings: dict[str, Any], name: str = "bench") -> dict[str, Any]:
    wire = Wire(url)
    try:
        job: dict[str, Any] = wire.call("POST", "/api/v1/jobs", {"name": name, "type": type_, "settings": settings})
        return job
    finally:
        wire.close()


def frames(count: int) -> dict[str, Any]:
    """Settings of a large step: no task is written before it is claimed."""
    return {"frames": f"1-{count}", "command": ["true", "{frame}"]}


def explicit(count: int, *, parents: int = 0) -> dict[str, Any]:
    """Settings of a job whose tasks are written one by one; each of the later ones may wait for `parents` earlier."""
    return {
        "tasks": [
            {
                "name": f"t{number}",
                "task_type": TASK_TYPE,
                "commands": [{"name": "exec", "settings": {"cmd": "true"}}],
                "parents": [f"t{number - back}" for back in range(1, parents + 1) if number >= back],
            }
            for number in range(count)
        ]
    }
