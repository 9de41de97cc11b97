"""What happens when the manager, the agent or the network goes away in the middle: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from millrace.agent.guard import Guard
from millrace.agent.lease import boot_seconds
from millrace.agent.process_table import WORK_VARIABLE
from tests.worker.manager import Manager
from tests.worker.processes import appears, gone, number_in, until
from tests.worker.test_agent import FAMILY

StartAgent = Callable[..., threading.Event]
StartProcess = Callable[..., "subprocess.Popen[bytes]"]


def waiting_for(file: Path, running: Path) -> tuple[str, dict[str, str]]:
    """A command that writes its pid into `running` and ends when `file` appears."""
    return "exec", {"cmd": f"sh -c 'echo $$ > {running}; until [ -e {file} ]; do sleep 0.02; done; echo finished'"}


def test_what_ends_while_the_manager_is_away_is_reported_once_when_it_is_back(
    manager: Manager, start_agent: StartAgent, tmp_path: Path
) -> None:
    manager.queue("1", waiting_for(tmp_path / "go", tmp_path / "pid"))
    start_agent()
    number_in(tmp_path / "pid")
    manager.go_away()
    (tmp_path / "go").touch()
    outbox = tmp_path / "state" / "outbox"
    until(lambda: any(outbox.glob("*.report")), "a report in the outbox", 60)
    manager.come()
    assert manager.wait_for_outcome("1")["outcome"] == "completed"
    manager.wait_for(lambda: b"exec: done" in manager.logs["1", 1])
    assert manager.doubled == [] and manager.logs["1", 1].count(b"finished") == 1


def test_a_claim_whose_answer_was_lost_is_repeated_and_gets_the_same_task(
    manager: Manager, start_agent: StartAgent
) -> None:
    manager.queue("1", ("echo", {"message": "once"}))
    manager.queue("2", ("echo", {"message": "twice"}))
    manager.lose_answers.add("contract")
    start_agent()
    manager.wait_for_outcome("2")
    contracts = [body for action, body in manager.calls if action == "contract"]
    assert contracts[0]["request_id"] == contracts[1]["request_id"]
    assert [contracts[0]["repeat"], contracts[1]["repeat"]] == [False, True]
    assert [(key, report["outcome"]) for key, report in manager.outcomes.items()] == [
        (("1", 1), "completed"),
        (("2", 1), "completed"),
    ]


def test_a_log_chunk_whose_answer_was_lost_is_stored_once(manager: Manager, start_agent: StartAgent) -> None:
    manager.lose_answers.add("log")
    manager.queue("1", ("echo", {"message": "only once"}))
    start_agent()
    manager.wait_for_outcome("1")
    manager.wait_for(lambda: b"echo: done" in manager.logs["1", 1])
    assert manager.logs["1", 1].count(b"only once") == 1


def test_outputs_that_the_farm_misses_are_sent_again(manager: Manager, start_agent: StartAgent) -> None:
    manager.refuse_outputs = 1
    manager.queue("1", ("exec", {"cmd": "sh -c 'echo precious > out'"}), outputs=["out"])
    start_agent()
    [output] = manager.wait_for_outcome("1")["outputs"]
    assert manager.blobs[output["blob"]] == b"precious\n"


def test_a_farm_that_forgot_the_worker_gets_a_new_one(
    manager: Manager, start_agent: StartAgent, tmp_path: Path
) -> None:
    manager.queue("1", waiting_for(tmp_path / "never", tmp_path / "pid"))
    start_agent()
    pid = number_in(tmp_path / "pid")
    with manager.changed:
        manager.secrets["1000"] = "changed"
    gone(pid, seconds=30)
    manager.wait_for(lambda: len(manager.signed_on) == 2)
    manager.wait_for(lambda: manager.active.get("1", {}).get("generation") == 2)
    assert manager.outcomes == {} and list(manager.secrets) == ["1000", "1001"]


def test_sigterm_lets_the_running_task_finish_and_takes_no_other(
    manager: Manager, start_process: StartProcess, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    manager.queue("1", waiting_for(tmp_path / "go", tmp_path / "pid"))
    agent = start_process()
    number_in(tmp_path / "pid")
    manager.queue("2", ("echo", {"message": "for others"}))
    agent.send_signal(signal.SIGTERM)
    said = ""

    def has_heard() -> bool:  # else another task may be begun
        nonlocal said
        said += capfd.readouterr().err
        return "no new tasks" in said

    until(has_heard, "the drain", 60)
    (tmp_path / "go").touch()
    assert manager.wait_for_outcome("1")["outcome"] == "completed"
    assert agent.wait(60) == 0
    assert manager.signed_off == 1 and [one["task"] for one in manager.queued] == ["2"]


def test_sigterm_gives_a_task_back_that_does_not_finish_in_time(
    manager: Manager, start_process: StartProcess, tmp_path: Path
) -> None:
    manager.queue("1", ("exec", {"cmd": FAMILY.format(tmp_path)}))
    agent = start_process(grace_seconds=0.2)
    pids = [number_in(tmp_path / name) for name in ("parent", "child", "stray")]
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(60) == 0
    for pid in pids:
        gone(pid, seconds=0)
    assert manager.outcomes["1", 1]["outcome"] == "interrupted"
    assert manager.logs["1", 1].endswith(b"interrupted: the worker is stopping\n")


def test_a_second_signal_ends_at_once(manager: Manager, start_process: StartProcess, tmp_path: Path) -> None:
    stubborn = f"sh -c 'trap \"\" TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done'"
    manager.queue("1", ("exec", {"cmd": stubborn}))
    agent = start_process(grace_seconds=300)
    number_in(tmp_path / "pid")
    agent.send_signal(signal.SIGTERM)
    manager.wait_for(lambda: manager.calls[-1][1].get("slots") == 0)
    agent.send_signal(signal.SIGINT)
    assert agent.wait(60) == 0
    assert manager.outcomes["1", 1]["outcome"] == "interrupted"


def test_a_killed_agent_takes_its_tasks_with_it_and_the_next_start_gives_them_back(
    manager: Manager, start_process: StartProcess, tmp_path: Path
) -> None:
    manager.queue("1", ("exec", {"cmd": FAMILY.format(tmp_path)}))
    agent = start_process()
    pids = [number_in(tmp_path / name) for name in ("parent", "child", "stray")]
    agent.kill()
    for pid in pids:
        gone(pid, seconds=30)
        (tmp_path / "parent").unlink(missing_ok=True)
    start_process()
    manager.wait_for(lambda: len(manager.signed_on) == 2)
    assert manager.signed_on[1] == [] and len(manager.secrets) == 1
    manager.wait_for(lambda: manager.active.get("1", {}).get("generation") == 2)
    assert not (tmp_path / "state" / "work" / "1-1").exists()


def test_a_report_survives_the_kill_of_the_agent(manager: Manager, start_process: StartProcess, tmp_path: Path) -> None:
    manager.queue("1", waiting_for(tmp_path / "go", tmp_path / "pid"))
    agent = start_process()
    number_in(tmp_path / "pid")
    manager.go_away()
    (tmp_path / "go").touch()
    until(lambda: any((tmp_path / "state" / "outbox").glob("*.report")), "a report in the outbox", 60)
    agent.kill()
    agent.wait()
    manager.come()
    start_process()
    assert manager.wait_for_outcome("1")["outcome"] == "completed"
    assert manager.signed_on[1] == [{"task": "1", "generation": 1}]
    manager.wait_for(lambda: manager.logs["1", 1].count(b"finished") == 1)
    assert manager.doubled == []


def test_a_stuck_agent_s_task_ends_before_its_lease(
    manager: Manager, start_process: StartProcess, tmp_path: Path
) -> None:
    manager.lease_seconds = 10.0
    alive = tmp_path / "alive"
    manager.queue("1", ("exec", {"cmd": f"sh -c 'echo $$ > {tmp_path}/pid; while touch {alive}; do sleep 0.02; done'"}))
    agent = start_process()
    pid = number_in(tmp_path / "pid")
    agent.send_signal(signal.SIGSTOP)
    gone(pid, seconds=30)
    assert appears(alive).stat().st_mtime < manager.granted_at["1"] + manager.lease_seconds
    agent.kill()


def test_a_task_whose_log_cannot_be_opened_takes_no_slot_from_others(
    manager: Manager, start_agent: StartAgent, tmp_path: Path
) -> None:
    start_agent()
    (appears(tmp_path / "state" / "outbox") / "1-1.log").mkdir()  # as on a full disk, or with too many open files
    manager.queue("1", ("echo", {"message": "never"}))
    manager.queue("2", ("echo", {"message": "two"}))
    assert manager.wait_for_outcome("2")["outcome"] == "completed"
    failed = manager.wait_for_outcome("1")
    assert (failed["outcome"], "cannot read or write its files" in failed["error"]) == ("failed", True)


def test_a_task_that_cannot_be_started_is_not_held(
    manager: Manager, start_agent: StartAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def no_more_threads(thread: threading.Thread) -> None:
        if thread.name == "task 1-1":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", no_more_threads)
    start_agent()
    manager.queue("1", ("echo", {"message": "never"}))
    manager.wait_for(lambda: "1" in manager.active)
    manager.queue("2", ("echo", {"message": "two"}))
    assert manager.wait_for_outcome("2")["outcome"] == "completed"
    assert [body["held"] for action, body in manager.calls if action == "contract"][-1] == []
    assert not any(one["task"] == "1" for action, body in manager.calls if action == "renew" for one in body["leases"])


def test_what_a_frozen_agent_starts_too_late_is_ended_too(tmp_path: Path) -> None:
    """It was frozen between its last look at the lease and the start of the command."""
    work = tmp_path / "work" / "1-1"
    work.mkdir(parents=True)
    guard = Guard(tmp_path / "work", tmp_path / "guard.lock")
    guard.start()
    guard.tell({str(work): boot_seconds() - 1})
    try:
        for _ in range(2):  # not only the first
            late = subprocess.Popen(["sleep", "60"], env={**os.environ, WORK_VARIABLE: str(work)})
            assert late.wait(60) == -signal.SIGKILL
    finally:
        guard.end()


def test_a_second_agent_in_the_same_state_folder_says_who_holds_it(
    manager: Manager, start_process: StartProcess, tmp_path: Path, capfd: object
) -> None:
    first = start_process()
    appears(tmp_path / "state" / "identity.json")
    second = start_process()
    assert second.wait(60) == 2
    text = capfd.readouterr().err  # type: ignore[attr-defined]
    assert f"in use by pid {first.pid} on " in text
