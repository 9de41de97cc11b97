"""A manager to work for, and agents as threads (quick) or as processes (to be killed)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millrace.agent.run import run_worker
from tests.worker.manager import Manager, running_manager
from tests.worker.workbench import Workbench

REPOSITORY = Path(__file__).parents[2]
AS_PROCESS = """
import json, sys
from millrace.agent.run import run_worker
sys.exit(run_worker(**json.loads(sys.argv[1])))
"""


@pytest.fixture
def manager() -> Iterator[Manager]:
    with running_manager() as one:
        yield one


@pytest.fixture
def start_agent(manager: Manager, tmp_path: Path) -> Iterator[Callable[..., threading.Event]]:
    """Start an agent on a thread; the returned event stops it. All are stopped at the end, and end with 0."""
    running: list[tuple[threading.Thread, threading.Event, list[int]]] = []

    def start(**options: Any) -> threading.Event:
        stop, codes = threading.Event(), list[int]()
        given = {"name": "node7", "state_dir": tmp_path / "state", "grace_seconds": 0.0, **options}
        thread = threading.Thread(
            target=lambda: codes.append(run_worker(manager.url, stop_event=stop, **given)), daemon=True
        )
        thread.start()
        running.append((thread, stop, codes))
        return stop

    yield start
    for _, stop, _ in running:
        stop.set()
    for thread, _, codes in running:
        thread.join(60)
        assert codes == [0]


@pytest.fixture
def start_process(manager: Manager, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start an agent as a process of its own; it is killed at the end if it still runs."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**options: Any) -> subprocess.Popen[bytes]:
        given = {"farm_url": manager.url, "name": "node7", "state_dir": str(tmp_path / "state"), **options}
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "worker"), "MILLRACE_TOKEN": "never-for-tasks"}
        process = subprocess.Popen([sys.executable, "-c", AS_PROCESS, json.dumps(given)], env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    one = Workbench(tmp_path)
    yield one
    one.close()
