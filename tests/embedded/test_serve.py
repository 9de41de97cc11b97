"""`python -m chalicelib.embedded` as its users see it: a process, a line on stdout, an exit code."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

WORKER = {"runtime": [], "worker": {"name": "node7", "task_types": ["sleep"]}}
ROOT = Path(__file__).parents[2]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}

    def start(*options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "chalicelib.embedded", "--data", str(tmp_path / "farm"), *options]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def ready(process: subprocess.Popen[str]) -> str:
    """The URL of the first line."""
    assert process.stdout is not None
    word, _, url = process.stdout.readline().strip().partition(" ")
    assert word == "ready", process.communicate()
    return url


def registered(url: str) -> tuple[str, str]:
    """Id and secret of a new worker."""
    answer = requests.post(f"{url}/worker", json=WORKER, timeout=10).json()
    return answer["id"], answer["secret"]


def is_known(worker: tuple[str, str], url: str) -> bool:
    answer = requests.post(f"{url}/worker/{worker[0]}/renew", json={"leases": []}, auth=worker, timeout=10)
    return answer.status_code == 200


def test_a_stranger_is_not_known(start: Start) -> None:
    assert not is_known(("123", "secret"), ready(start("--port", "0")))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_that_it_is_ready_and_ends_cleanly(start: Start, number: signal.Signals) -> None:
    process = start("--port", "0")
    url = ready(process)
    with requests.Session() as session:
        assert session.get(url, timeout=10).json() == {"message": "Millrace"}
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert rest == ""


def test_killed_and_started_again_it_has_the_same_farm(start: Start, tmp_path: Path) -> None:
    process = start("--port", "0")
    url = ready(process)
    worker = registered(url)
    process.kill()
    process.communicate()
    secret = (tmp_path / "farm" / "secret").read_bytes()
    assert is_known(worker, ready(start("--port", "0")))
    assert (tmp_path / "farm" / "secret").read_bytes() == secret


def test_two_processes_share_a_farm(start: Start) -> None:
    first, second = ready(start("--port", "0")), ready(start("--port", "0"))
    assert is_known(registered(first), second)


def test_a_closed_farm_tells_its_admin_token_once(start: Start) -> None:
    process = start("--port", "0", "--auth", "token")
    url = ready(process)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "admin token" in line
    token = line.split()[-1]
    assert requests.post(f"{url}/worker", json=WORKER, timeout=10).status_code == 401
    allowed = requests.post(f"{url}/worker", json=WORKER, headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert allowed.status_code == 200
    process.terminate()
    assert process.communicate(timeout=20)[0] == ""
    again = start("--port", "0", "--auth", "token")
    ready(again)
    again.terminate()
    assert again.communicate(timeout=20)[0] == ""


def test_a_farm_on_all_addresses_names_one_that_others_can_call(start: Start) -> None:
    process = start("--host", "0.0.0.0", "--port", "0")
    port = ready(process).rpartition(":")[2]
    process.terminate()
    said = re.search(r"others reach it at (http://(\S+):(\d+)),", process.communicate(timeout=20)[1])
    if said is not None:  # a machine without any network has no such address
        assert said[3] == port and said[2] not in ("0.0.0.0", "127.0.0.1")


def test_a_port_that_is_taken_is_said_plainly(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("--port", str(taken.getsockname()[1]))
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (1, "")
    assert "cannot listen" in errors and "--port" in errors and "Traceback" not in errors


def test_whoever_does_not_read_what_it_says_is_not_told_of_the_port(start: Start) -> None:
    process = start("--port", "0", "--auth", "token")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()  # as `| head -1` does before the second line
    assert process.wait(20) == 1
    errors = process.stderr.read()
    assert "stdout has gone" in errors and "cannot listen" not in errors and "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--host", "0.0.0.0", "--auth", "open"], "--i-know"),
        (["--port", "70000"], "--port"),
        (["--port", "x"], "--port"),
        (["--auth", "none"], "--auth"),
    ],
)
def test_wrong_options_are_refused_by_name(start: Start, options: list[str], named: str) -> None:
    process = start(*options)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert named in errors and "Traceback" not in errors


def test_a_data_folder_that_cannot_be_is_said_plainly(start: Start, tmp_path: Path) -> None:
    (tmp_path / "farm").write_text("a file stands here")
    process = start("--port", "0")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "data folder" in errors and "Traceback" not in errors
