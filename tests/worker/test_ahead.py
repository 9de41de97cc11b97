"""Tasks taken ahead: while tasks are short, and given back when their turn does not come soon."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from millrace.agent.ahead import MOST, SHORT_SECONDS, Ahead
from tests.worker.manager import Manager
from tests.worker.processes import appears

StartAgent = Callable[..., threading.Event]


def ahead_after(*seconds: float, slots: int = 1) -> Ahead:
    ahead = Ahead(slots, fixed=None)
    for one in seconds:
        ahead.ended(one)
    return ahead


def test_a_worker_takes_tasks_ahead_only_once_it_knows_that_they_are_short() -> None:
    assert ahead_after().wanted(0) == 0
    assert ahead_after(0.5, 0.5, 0.5).wanted(0) == 0
    assert ahead_after(0.5, 0.5, 0.5, 0.5).wanted(0) == 1
    assert ahead_after(*[SHORT_SECONDS * 2] * 4).wanted(0) == 0


def test_as_many_are_ahead_as_run_while_the_farm_answers() -> None:
    assert ahead_after(*[0.005] * 4).wanted(0) == MOST
    assert ahead_after(*[0.06] * 4).wanted(0) == 2
    assert ahead_after(*[0.25] * 4, slots=8).wanted(0) == 4


def test_a_task_that_takes_long_says_more_than_the_short_ones_before_it() -> None:
    assert ahead_after(*[0.005] * 4).wanted(longest_running_seconds=SHORT_SECONDS) == 0


def test_a_fixed_number_is_taken_whatever_tasks_take() -> None:
    assert Ahead(1, fixed=1).wanted(1000) == 1


def test_a_task_ahead_whose_turn_does_not_come_goes_back_to_the_farm(
    manager: Manager, start_agent: StartAgent, tmp_path: Path
) -> None:
    for number in range(1, 5):
        manager.queue(str(number), ("echo", {"message": "short"}))
    start_agent()
    for number in range(1, 5):
        manager.wait_for_outcome(str(number))
    release = tmp_path / "release"
    manager.queue("5", ("exec", {"cmd": f"sh -c 'until [ -e {release} ]; do sleep 0.05; done'"}))
    manager.queue("6", ("echo", {"message": "behind a long one"}))
    assert manager.wait_for_outcome("6")["outcome"] == "released"
    release.touch()
    assert manager.wait_for_outcome("5")["outcome"] == "completed"


def running_until(folder: Path, manager: Manager) -> Path:
    """Task 1 runs until the file is there."""
    release = folder / "release"
    command = f"sh -c 'touch {folder}/running; until [ -e {release} ]; do sleep 0.05; done'"
    manager.queue("1", ("exec", {"cmd": command}))
    return release


def taken_ahead(folder: Path, manager: Manager, **limits: Any) -> None:
    """Task 2, while task 1 runs."""
    appears(folder / "running")
    manager.queue("2", ("echo", {"message": "its turn has come"}), **limits)
    appears(folder / "state" / "work" / "2-1")


def test_a_worker_that_stops_gives_back_what_it_took_ahead_and_finishes_what_runs(
    manager: Manager, start_agent: StartAgent, tmp_path: Path
) -> None:
    release = running_until(tmp_path, manager)
    stop = start_agent(prefetch=1, grace_seconds=20.0)
    taken_ahead(tmp_path, manager)
    stop.set()
    assert manager.wait_for_outcome("2")["outcome"] == "released"
    release.touch()
    assert manager.wait_for_outcome("1")["outcome"] == "completed"


def test_the_wait_for_a_slot_is_no_part_of_the_time_a_task_may_take(
    manager: Manager, start_agent: StartAgent, tmp_path: Path
) -> None:
    release = running_until(tmp_path, manager)
    start_agent(prefetch=1)
    taken_ahead(tmp_path, manager, max_seconds=4)
    subprocess.run(["sleep", "4.5"], check=True)
    release.touch()
    assert manager.wait_for_outcome("2")["outcome"] == "completed"


def test_a_worker_imports_neither_the_client_library_nor_what_draws_tables() -> None:
    code = "import millrace.cli.worker, millrace.cli.entry, millrace.agent.run, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "millrace.agent.agent" in loaded
    assert not loaded & {"requests", "rich", "pydantic", "sqlite3", "millrace.farm", "millrace.runtimes.ffmpeg"}
