"""The sheet's normal session over HTTP, between a real server process and a real worker process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.dialects.scheduler.conftest import ENDED, KILLED, RUNNING, failed
from tests.together.ensemble import ROOT, Ensemble
from tests.worker.processes import gone, number_in, until

KILL_SECONDS = 2.0
UNKNOWN = "rpc error: code = Unknown desc = "


@dataclass(frozen=True)
class Client:
    """A script that was written for the original."""

    url: str
    worker: str

    def call(self, call: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        answer = requests.post(self.url + call, json={"worker_id": self.worker, **fields}, timeout=10)
        return answer.status_code, answer.json()

    def start(self, command: str, path: str) -> str:
        status, said = self.call("/start", command=command, path=path)
        assert (status, list(said)) == (201, ["job_id"]), said
        return str(said["job_id"])

    def query(self, job: str) -> dict[str, Any]:
        status, said = self.call("/query", job_id=job)
        assert status == 200, said
        return said

    def done(self, job: str, seconds: float = 10.0) -> dict[str, Any]:
        until(lambda: bool(self.query(job)["done"]), "the end of the job", seconds)
        return self.query(job)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    ensemble = Ensemble(tmp_path_factory.mktemp("session"), {}).start()
    url = ensemble.server.url
    ensemble.worker("one", "--slots", "2")

    def waiting() -> list[str]:
        items = requests.get(f"{url}/api/v1/workers?status=awake", timeout=10).json()["items"]
        return [item["uuid"] for item in items]

    until(lambda: bool(waiting()), "a worker", 30)
    yield Client(url, waiting()[0])
    print(ensemble.end())


def script(folder: Path, text: str) -> str:
    file = folder / "script.sh"
    file.write_text(text)
    return str(file)


def test_the_normal_session(client: Client) -> None:
    job = client.start("bash", "tests/dialects/scheduler/count.sh")
    assert client.query(job) == RUNNING
    assert client.call("/stop", job_id=job) == (200, {"success": True})
    assert client.done(job, KILL_SECONDS) == KILLED
    assert client.call("/stop", job_id=job) == (200, {"success": True})
    assert client.query(job) == KILLED


def test_a_start_is_answered_long_before_its_second_is_over(client: Client) -> None:
    """Measured: 0.05 to 0.1 s. The quickest counts: the machine may be busy with something else."""
    seconds = []
    while min(seconds, default=1.0) > 0.8 and len(seconds) < 5:
        began_at = time.monotonic()
        job = client.start("sleep", "0.2")
        seconds.append(time.monotonic() - began_at)
        assert client.done(job) == ENDED
    assert min(seconds) < 0.8, seconds


def test_a_program_that_heeds_no_notice_is_killed_in_time_with_all_it_started(client: Client, tmp_path: Path) -> None:
    """Its grandchild is in a session of its own. The other program of the same worker goes on."""
    other = client.start("sleep", "300")
    grandchild = f"setsid bash -c 'sleep 300 & echo $! > {tmp_path}/grandchild; wait' &"
    child = f"sleep 300 & echo $! > {tmp_path}/child"
    stubborn = script(tmp_path, f"trap '' TERM INT\n{grandchild}\n{child}\nwhile :; do sleep 0.1; done\n")
    job = client.start("bash", stubborn)
    started = [number_in(tmp_path / name) for name in ("child", "grandchild")]
    time.sleep(1.5)  # by now the worker asks at the pace of one that is busy
    stopped_at = time.monotonic()
    client.call("/stop", job_id=job)
    assert client.done(job, KILL_SECONDS) == KILLED
    for pid in started:
        gone(pid, KILL_SECONDS - (time.monotonic() - stopped_at))
    assert client.query(other) == RUNNING
    client.call("/stop", job_id=other)
    assert client.done(other, KILL_SECONDS) == KILLED


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("frobnicate", 'exec: "frobnicate": executable file not found in $PATH'),
        ("ls -l", 'exec: "ls -l": executable file not found in $PATH'),
        ("/x/y", "fork/exec /x/y: no such file or directory"),
        ("./pyproject.toml", "fork/exec ./pyproject.toml: permission denied"),
        ("/tmp", "fork/exec /tmp: permission denied"),
        ("", "exec: no command"),
    ],
)
def test_a_program_that_cannot_be_started(client: Client, command: str, text: str) -> None:
    assert client.call("/start", command=command, path="x") == (500, {"error": UNKNOWN + text})


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("exit 0", ENDED),
        ("exit 2", failed("exit status 2")),
        ("exit 255", failed("exit status 255")),
        ("kill -TERM $$", failed("signal: terminated")),
        ("kill -KILL $$", failed("signal: killed")),
        ("kill -HUP $$", failed("signal: hangup")),
        ("ulimit -c 0; kill -SEGV $$", failed("signal: segmentation fault")),
        ("missing-program", failed("exit status 127")),
    ],
)
def test_a_quick_end_is_no_failure_to_start(client: Client, tmp_path: Path, line: str, end: dict[str, Any]) -> None:
    assert client.done(client.start("bash", script(tmp_path, line + "\n"))) == end


def test_the_program_runs_where_the_worker_was_started_with_one_argument(client: Client, tmp_path: Path) -> None:
    program = tmp_path / "shows"
    program.write_text(f'#!/bin/sh\n{{ pwd; echo "$#:$1:"; cat; }} > {tmp_path}/shown\n')
    program.chmod(0o755)
    assert client.done(client.start(str(program), "a  b")) == ENDED
    assert (tmp_path / "shown").read_text() == f"{ROOT}\n1:a  b:\n"
    assert client.done(client.start(str(program), "")) == ENDED
    assert (tmp_path / "shown").read_text() == f"{ROOT}\n1::\n"


def test_a_job_is_unknown_to_whom_it_does_not_belong(client: Client) -> None:
    job = client.start("true", "")
    assert client.call("/query", worker_id="d5feef60-3029-11e9-b210-d663bd873d93", job_id=job) == (
        500,
        {"error": "worker not found"},
    )
    unknown = "4c5ced1c-5ea9-40f8-90ce-63d09cea26f6"
    assert client.call("/query", job_id=unknown) == (500, {"error": UNKNOWN + "job not found"})
