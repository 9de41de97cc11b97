"""`--processes N`: several processes behind one address are one farm; if any dies, its clients repeat."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import requests

from chalicelib.embedded import supervisor as supervising
from chalicelib.embedded.supervisor import Supervisor
from tests.embedded.test_serve import Start, is_known, ready, registered, start  # noqa: F401  a fixture

TASK = {"name": "t", "task_type": "sleep", "commands": [{"name": "sleep", "settings": {"time_in_seconds": 0}}]}
PATIENCE_SECONDS = 30
SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


def servers(supervisor: subprocess.Popen[str]) -> list[psutil.Process]:
    """Its server processes, once they answer: each has the listening socket from the start."""
    return psutil.Process(supervisor.pid).children()


def eventually(is_so: object) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def test_they_are_one_farm_and_end_together(start: Start) -> None:  # noqa: F811
    supervisor = start("--port", "0", "--processes", "2")
    url = ready(supervisor)
    assert len(servers(supervisor)) == 2
    worker = registered(url)
    assert all(is_known(worker, url) for _ in range(10))
    running = servers(supervisor)
    supervisor.send_signal(signal.SIGTERM)
    rest, errors = supervisor.communicate(timeout=PATIENCE_SECONDS)
    assert (supervisor.returncode, rest) == (0, ""), errors
    assert not any(process.is_running() for process in running)


def test_a_killed_process_is_started_again_while_the_others_answer(start: Start) -> None:  # noqa: F811
    supervisor = start("--port", "0", "--processes", "2")
    url = ready(supervisor)
    worker = registered(url)
    for _ in range(2):
        before = {process.pid for process in servers(supervisor)}
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: answers(url))
        assert is_known(worker, url)
        eventually(lambda: len({p.pid for p in servers(supervisor)} - before) == 1)  # noqa: B023
        eventually(lambda: answers(url))


def test_when_the_supervisor_is_killed_its_processes_end(start: Start) -> None:  # noqa: F811
    supervisor = start("--port", "0", "--processes", "2")
    ready(supervisor)
    running = servers(supervisor)
    supervisor.kill()
    _, alive = psutil.wait_procs(running, timeout=PATIENCE_SECONDS)
    assert not alive


def test_a_wake_crosses_processes(start: Start) -> None:  # noqa: F811
    """Many workers wait on connections of their own, in a lane that did not exist: whichever process each waits in,
    and whichever takes the job, all tasks are claimed long before the polls would end."""
    url = ready(start("--port", "0", "--processes", "2"))
    got: list[float] = []

    def wait(worker: tuple[str, str]) -> None:
        asked = {"request_id": "one", "slots": 1, "timeout": 25, "held": [], "reports": []}
        answer = requests.post(f"{url}/worker/{worker[0]}/contract", json=asked, auth=worker, timeout=40).json()
        got.extend(time.monotonic() for _ in answer["assignments"])

    threads = [threading.Thread(target=wait, args=(registered(url),)) for _ in range(12)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    begun_at = time.monotonic()
    tasks = [{**TASK, "name": f"t{number}"} for number in range(12)]
    wanted = {"name": "wake", "type": "commands", "settings": {"tasks": tasks}}
    assert requests.post(f"{url}/api/v1/jobs", json=wanted, timeout=20).status_code == 201
    for thread in threads:
        thread.join(timeout=40)
    assert len(got) == 12
    assert max(got) - begun_at < 15


@pytest.mark.parametrize("number", ["0", "65", "two"])
def test_an_impossible_number_is_refused_by_name(start: Start, number: str) -> None:  # noqa: F811
    process = start("--port", "0", "--processes", number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "--processes" in errors and "Traceback" not in errors


def test_what_one_process_cannot_do_ends_all_with_its_words(start: Start, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "farm").write_text("a file stands here")
    process = start("--port", "0", "--processes", "2")
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "data folder" in errors and "Traceback" not in errors


class FewProcesses(Supervisor):
    """On a machine that has no more to give after so many."""

    left = 0

    def _start(self, number: int, *, announces: bool) -> subprocess.Popen[bytes]:
        if self.left <= 0:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        self.left -= 1
        return super()._start(number, announces=announces)


def test_where_not_all_can_be_started_none_is_left() -> None:
    supervisor = FewProcesses(SLEEPS, 2, "127.0.0.1", 0)
    supervisor.left = 1
    with pytest.raises(BlockingIOError):
        supervisor.run(threading.Event())
    [begun] = supervisor._processes
    assert begun.returncode == -signal.SIGTERM


def test_one_that_cannot_be_started_again_now_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(supervising, "CHECK_SECONDS", 0.05)
    supervisor, stop, codes = FewProcesses(SLEEPS, 2, "127.0.0.1", 0), threading.Event(), list[int]()
    supervisor.left = 2
    running = threading.Thread(target=lambda: codes.append(supervisor.run(stop)))
    running.start()
    try:
        eventually(lambda: len(supervisor._processes) == 2)
        victim, other = supervisor._processes
        victim.kill()
        victim.wait()
        assert not stop.wait(0.5) and running.is_alive() and other.poll() is None
        supervisor.left = 1
        eventually(lambda: supervisor._processes[0].poll() is None)
    finally:
        stop.set()
        running.join(PATIENCE_SECONDS)
    assert codes == [0]
    assert all(process.returncode is not None for process in supervisor._processes)
