"""The agent against a manager that speaks the protocol: what it claims, runs, reports, and how it stops."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worker.manager import Manager
from tests.worker.processes import appears, gone, number_in, until

StartAgent = Callable[..., threading.Event]

FAMILY = "sh -c 'sleep 300 & echo $! > {0}/child; setsid sleep 300 & echo $! > {0}/stray; echo $$ > {0}/parent; wait'"
"""A command with a child, and a child that has left the session. Each writes its pid into the folder."""


def test_a_task_runs_and_its_output_log_and_result_reach_the_farm(manager: Manager, start_agent: StartAgent) -> None:
    source = {"name": "in/words.txt", **manager.store(b"hello farm\n")}
    shout = ("exec", {"cmd": "sh -c 'tr a-z A-Z < in/words.txt | tee out.txt'"})
    manager.queue("1", shout, inputs=[source], outputs=["out.txt"])
    start_agent()
    report = manager.wait_for_outcome("1")
    assert (report["outcome"], report["exit_code"]) == ("completed", 0)
    [output] = report["outputs"]
    assert (output["name"], manager.blobs[output["blob"]]) == ("out.txt", b"HELLO FARM\n")
    manager.wait_for(lambda: b"exec: done" in manager.logs["1", 1])
    assert b"\nHELLO FARM\n" in manager.logs["1", 1]


def test_a_function_reads_its_input_and_writes_its_output(manager: Manager, start_agent: StartAgent) -> None:
    code = {
        "name": "code",
        **manager.store(b"import sys; print(int(sys.stdin.read()) * 2); print('noted', file=sys.stderr)"),
    }
    number = {"name": "input", **manager.store(b"21")}
    manager.queue("1", ("function", {"runtime": "python3"}), inputs=[code, number], outputs=["output"])
    start_agent()
    [output] = manager.wait_for_outcome("1")["outputs"]
    assert manager.blobs[output["blob"]] == b"42\n"
    manager.wait_for(lambda: b"noted" in manager.logs["1", 1])


def test_a_command_that_fails_fails_the_task_with_its_exit_code(manager: Manager, start_agent: StartAgent) -> None:
    manager.queue("1", ("exec", {"cmd": "sh -c 'exit 7'"}), ("echo", {"message": "never"}))
    start_agent()
    report = manager.wait_for_outcome("1")
    assert (report["outcome"], report["exit_code"], report["error"]) == ("failed", 7, "exec: exit code 7")
    assert b"never" not in manager.logs["1", 1]


def test_an_unknown_command_fails_the_task_naming_the_known_ones(manager: Manager, start_agent: StartAgent) -> None:
    manager.queue("1", ("fry_egg", {}))
    start_agent()
    error = manager.wait_for_outcome("1")["error"]
    assert "unknown command 'fry_egg'" in error and "concatenate_videos" in error


def test_an_input_that_was_never_uploaded_fails_the_task_naming_it(manager: Manager, start_agent: StartAgent) -> None:
    absent = {"name": "film.mp4", "blob": "77", "size": None, "sha256": None}
    manager.queue("1", ("echo", {"message": "never"}), inputs=[absent])
    start_agent()
    report = manager.wait_for_outcome("1")
    assert report["outcome"] == "failed" and "input 'film.mp4': the farm has no content" in report["error"]


def test_as_many_tasks_run_at_once_as_there_are_slots(
    manager: Manager, start_agent: StartAgent, tmp_path: Path
) -> None:
    meet = "sh -c 'touch {0}/{1}; until [ -e {0}/{2} ]; do sleep 0.01; done'"
    manager.queue("1", ("exec", {"cmd": meet.format(tmp_path, "a", "b")}))
    manager.queue("2", ("exec", {"cmd": meet.format(tmp_path, "b", "a")}))
    start_agent(slots=2)
    assert {manager.wait_for_outcome(task)["outcome"] for task in ("1", "2")} == {"completed"}


def test_a_task_fetched_ahead_waits_for_its_slot(manager: Manager, start_agent: StartAgent, tmp_path: Path) -> None:
    released = tmp_path / "release"
    running = tmp_path / "running"
    manager.queue("1", ("exec", {"cmd": f"sh -c 'touch {running}; until [ -e {released} ]; do sleep 0.01; done'"}))
    start_agent(prefetch=1)
    appears(running)
    manager.queue("2", ("echo", {"message": "second"}), inputs=[{"name": "in", **manager.store(b"x")}])
    appears(tmp_path / "state" / "work" / "2-1" / "in")
    assert "starting" not in (tmp_path / "state" / "outbox" / "2-1.log").read_text()
    released.touch()
    assert manager.wait_for_outcome("2")["outcome"] == "completed"


def test_a_cancelled_task_and_all_its_processes_are_gone_at_once(
    manager: Manager, start_agent: StartAgent, tmp_path: Path
) -> None:
    manager.queue("1", ("exec", {"cmd": FAMILY.format(tmp_path)}))
    start_agent()
    pids = [number_in(tmp_path / name) for name in ("parent", "child", "stray")]
    with manager.changed:
        manager.to_cancel.add("1")
    for pid in pids:
        gone(pid, seconds=20)
    assert manager.wait_for_outcome("1")["outcome"] == "canceled"


def test_a_task_that_ignores_the_notice_is_killed(manager: Manager, start_agent: StartAgent, tmp_path: Path) -> None:
    stubborn = f"sh -c 'trap \"\" TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done'"
    manager.queue("1", ("exec", {"cmd": stubborn}))
    start_agent()
    pid = number_in(tmp_path / "pid")
    with manager.changed:
        manager.to_cancel.add("1")
    gone(pid, seconds=30)
    assert manager.wait_for_outcome("1")["outcome"] == "canceled"


def test_a_lost_lease_ends_the_task_and_nothing_is_uploaded_or_reported(
    manager: Manager, start_agent: StartAgent, tmp_path: Path
) -> None:
    manager.lease_seconds = 6.0
    manager.queue("1", ("exec", {"cmd": f"sh -c 'echo $$ > {tmp_path}/pid; echo x > out; sleep 300'"}), outputs=["out"])
    start_agent()
    pid = number_in(tmp_path / "pid")
    with manager.changed:
        manager.lost.add("1")
    gone(pid, seconds=30)
    manager.queue("2", ("echo", {"message": "next"}))
    manager.wait_for_outcome("2")
    assert ("1", 1) not in manager.outcomes and manager.blobs == {}
    assert not any(report["task"] == "1" for _, body in manager.calls for report in body.get("reports", []))


def test_where_leases_are_short_the_worker_does_not_wait_them_away(manager: Manager, start_agent: StartAgent) -> None:
    manager.lease_seconds = 2.0
    manager.queue("1", ("echo", {"message": "first"}))
    start_agent()
    assert manager.wait_for_outcome("1")["outcome"] == "completed"
    manager.wait_for(lambda: manager.calls[-1][1].get("timeout") == 0.5)


def test_a_task_ends_before_its_lease_when_the_farm_cannot_be_reached(
    manager: Manager, start_agent: StartAgent, tmp_path: Path
) -> None:
    manager.lease_seconds = 6.0
    manager.queue("1", ("exec", {"cmd": f"sh -c 'echo $$ > {tmp_path}/pid; sleep 300'"}))
    start_agent()
    pid = number_in(tmp_path / "pid")
    manager.go_away()
    gone(pid, seconds=30)
    manager.come()
    assert manager.wait_for_outcome("1")["outcome"] == "interrupted"


def test_a_long_task_keeps_its_lease_and_tells_its_progress(manager: Manager, start_agent: StartAgent) -> None:
    manager.lease_seconds = 4.0
    manager.queue("1", ("sleep", {"time_in_seconds": 8}))
    start_agent()
    assert manager.wait_for_outcome("1")["outcome"] == "completed"
    told = [percent for task, percent in manager.progress if percent is not None]
    assert told == sorted(told) and told[-1] > 30


def test_a_task_may_not_run_longer_than_its_limit(manager: Manager, start_agent: StartAgent) -> None:
    manager.queue("1", ("exec", {"cmd": "sleep 300"}), max_seconds=0.5)
    start_agent()
    report = manager.wait_for_outcome("1")
    assert (report["outcome"], report["error"]) == ("failed", "ran longer than the 0.5 s it may take")


def test_a_task_that_hangs_is_ended_and_one_that_is_only_slow_is_not(manager: Manager, start_agent: StartAgent) -> None:
    manager.queue("1", ("exec", {"cmd": "sh -c 'echo begun; sleep 300'"}), idle_seconds=4)
    slow = "for n in 1 2 3 4 5 6 7 8 9 10; do echo $n; sleep 0.5; done"
    manager.queue("2", ("exec", {"argv": ["sh", "-c", slow]}), ("sleep", {"time_in_seconds": 5}), idle_seconds=4)
    start_agent(slots=2)
    report = manager.wait_for_outcome("1")
    assert (report["outcome"], report["error"]) == ("failed", "showed no sign of life for 4.0 s")
    assert manager.wait_for_outcome("2")["outcome"] == "completed"


def test_tasks_see_a_clean_environment(manager: Manager, start_agent: StartAgent) -> None:
    manager.queue("1", ("exec", {"cmd": "env"}), ("exec", {"cmd": "sh -c 'cat; pwd; ls -A'"}))
    start_agent(token="never-for-tasks")
    manager.wait_for_outcome("1")
    manager.wait_for(lambda: manager.logs["1", 1].count(b"exec: done") == 2)
    log = manager.logs["1", 1].decode()
    names = {line.partition("=")[0] for line in log.splitlines() if "=" in line}
    expected = {"PATH", "HOME", "LANG", "TMPDIR", "MILLRACE_JOB", "MILLRACE_TASK", "MILLRACE_ATTEMPT", "MILLRACE_WORK"}
    assert names == expected
    assert "never-for-tasks" not in log and not any(secret in log for secret in manager.secrets.values())


def test_asleep_takes_no_tasks_until_awake(manager: Manager, start_agent: StartAgent) -> None:
    with manager.changed:
        manager.status_requested = "asleep"
    start_agent()
    manager.wait_for(lambda: manager.statuses == ["asleep"])
    manager.queue("1", ("echo", {"message": "hello"}))
    asked = len(manager.calls)
    manager.wait_for(lambda: len(manager.calls) > asked + 2)
    assert not manager.active and not manager.outcomes
    with manager.changed:
        manager.status_requested = "awake"
    assert manager.wait_for_outcome("1")["outcome"] == "completed"
    assert manager.statuses == ["asleep", "awake"]


def test_offline_lets_the_running_task_finish_and_signs_off(
    manager: Manager, start_agent: StartAgent, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = tmp_path / "go-on"
    manager.queue("1", ("exec", {"cmd": f"sh -c 'until [ -e {go_on} ]; do sleep 0.05; done'"}))
    manager.queue("2", ("echo", {"message": "not any more"}))
    start_agent()
    manager.wait_for(lambda: "1" in manager.active)
    with manager.changed:
        manager.status_requested = "offline"
    until(lambda: "no new tasks" in caplog.text, "the drain", 60)
    go_on.touch()
    assert manager.wait_for_outcome("1")["outcome"] == "completed"
    manager.wait_for(lambda: manager.signed_off == 1)
    assert [task for task, _ in manager.outcomes] == ["1"]


def test_offline_at_once_gives_the_running_task_back(manager: Manager, start_agent: StartAgent) -> None:
    manager.queue("1", ("sleep", {"time_in_seconds": 300}))
    start_agent()
    manager.wait_for(lambda: "1" in manager.active)
    with manager.changed:
        manager.status_requested, manager.lazy = "offline", False
    assert manager.wait_for_outcome("1")["outcome"] == "interrupted"
    manager.wait_for(lambda: manager.signed_off == 1)


def test_nothing_is_left_in_the_work_folder_or_the_outbox(
    manager: Manager, start_agent: StartAgent, tmp_path: Path
) -> None:
    manager.queue("1", ("exec", {"cmd": "sh -c 'mkdir -p a/b; echo x > a/b/c'"}))
    stop = start_agent()
    manager.wait_for_outcome("1")
    stop.set()
    manager.wait_for(lambda: manager.signed_off == 1)
    assert list((tmp_path / "state" / "work").iterdir()) == []
    assert list((tmp_path / "state" / "outbox").iterdir()) == []
    assert appears(tmp_path / "state" / "identity.json").stat().st_mode & 0o777 == 0o600
