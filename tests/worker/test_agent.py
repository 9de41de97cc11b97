"""The agent against a manager that speaks the protocol: what it claims, runs, reports and survives."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.worker.manager import Manager

StartAgent = Callable[..., threading.Event]


def test_a_task_runs_and_its_output_log_and_result_reach_the_farm(manager: Manager, start_agent: StartAgent) -> None:
    source = {"name": "in/words.txt", **manager.store(b"hello farm\n")}
    shout = ("exec", {"cmd": "sh -c 'tr a-z A-Z < in/words.txt | tee out.txt'"})
    manager.queue("1", shout, inputs=[source], outputs=["out.txt"])
    start_agent()
    report = manager.wait_for_outcome("1")
    assert (report["outcome"], report["exit_code"]) == ("completed", 0)
    [output] = report["outputs"]
    assert (output["name"], manager.blobs[output["blob"]]) == ("out.txt", b"HELLO FARM\n")
    manager.wait_for(lambda: b"exec: done" in manager.logs["1"])
    assert b"\nHELLO FARM\n" in manager.logs["1"]


def test_a_command_that_fails_fails_the_task_with_its_exit_code(manager: Manager, start_agent: StartAgent) -> None:
    manager.queue("1", ("exec", {"cmd": "sh -c 'exit 7'"}), ("echo", {"message": "never"}))
    start_agent()
    report = manager.wait_for_outcome("1")
    assert (report["outcome"], report["exit_code"], report["error"]) == ("failed", 7, "exec: exit code 7")
    assert b"never" not in manager.logs["1"]
