"""A real server, killed between an event and its delivery: the event is delivered after the next start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millrace import Farm
from millrace.sdk.errors import BadRequest
from tests.webhooks.receiver import receiving
from tests.worker.processes import until

ROOT = Path(__file__).parents[2]
TASK = {"name": "one", "task_type": "exec", "commands": [{"name": "exec", "settings": {"cmd": "true"}}]}
Start = Callable[[], "tuple[subprocess.Popen[str], Farm]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []
    command = [sys.executable, "-m", "chalicelib.embedded", "--data", str(tmp_path / "farm"), "--port", "0"]

    def start() -> tuple[subprocess.Popen[str], Farm]:
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        running.append(process)
        assert process.stdout is not None
        return process, Farm(process.stdout.readline().split()[1])

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_an_event_survives_the_server_and_a_receiver_that_is_not_there(
    start: Start, free_port: Callable[[], int]
) -> None:
    port = free_port()
    process, farm = start()
    hook = farm.make_webhook(f"http://127.0.0.1:{port}/hook", ["job.canceled"])
    first = farm.submit("commands", {"tasks": [TASK]}, name="first")
    farm.cancel(first)
    until(lambda: any(each.attempts for each in farm.deliveries(hook)), "a try that nobody answers", 30)
    second = farm.submit("commands", {"tasks": [TASK]}, name="second")
    farm.cancel(second)
    process.kill()  # at once: the server has perhaps not even seen that there is an event
    process.wait()
    with receiving(port) as receiver:
        _, farm = start()
        until(lambda: {call.json["job"]["name"] for call in receiver.calls} == {"first", "second"}, "both events", 60)
        until(lambda: {each.status for each in farm.deliveries(hook)} == {"delivered"}, "both noted", 30)
    assert len({call.headers["Millrace-Delivery"] for call in receiver.calls}) == 2


def test_hooks_that_never_answer_do_not_keep_a_server_from_its_end(start: Start) -> None:
    """One of them is waited for, in which the signal came; not all, three seconds each."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process, farm = start()
        for number in range(8):
            farm.make_webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/{number}", ["job.canceled"])
        farm.cancel(farm.submit("commands", {"tasks": [TASK]}))
        silent.settimeout(30)
        called = [silent.accept()[0]]
        process.terminate()
        assert process.wait(60) == 0
        silent.settimeout(0.1)
        try:
            while True:
                called.append(silent.accept()[0])
        except TimeoutError:
            pass
        for connection in called:
            connection.close()
    assert len(called) < 4


def test_a_server_says_at_once_that_it_will_not_call(start: Start) -> None:
    """On loopback it calls loopback."""
    _, farm = start()
    with pytest.raises(BadRequest, match="would not be called.*MILLRACE_HOOK_NETWORKS=public millrace serve"):
        farm.make_webhook("http://10.255.0.1/hook", ["job.failed"])
    assert farm.webhooks() == []
