"""The command `exec`: what it says of a start, and in whose words; where it runs; how it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millrace.agent.attempt import StopReason
from millrace.agent.errors import CommandFailed, Stopped
from millrace.agent.lease import boot_seconds
from millrace.runtimes.exec_program import go_quote
from tests.worker.manager import Manager
from tests.worker.processes import appears
from tests.worker.workbench import Workbench


def failure(bench: Workbench, *argv: str, **settings: Any) -> CommandFailed:
    with pytest.raises(CommandFailed) as failed:
        bench.run("exec", argv=list(argv), **settings)
    return failed.value


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A file that may not be run."""
    file = tmp_path / "plain"
    file.write_text("x")
    return file


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("no-such-program", 'exec: "no-such-program": executable file not found in $PATH'),
        ("ls -l", 'exec: "ls -l": executable file not found in $PATH'),
        ('a"b\\\n\x01é\u200b', r'exec: "a\"b\\\n\x01é\u200b": executable file not found in $PATH'),
        ("..", 'exec: "..": executable file not found in $PATH'),
        ("/no/such", "fork/exec /no/such: no such file or directory"),
        ("./no-such", "fork/exec ./no-such: no such file or directory"),
        ("/etc/passwd/x", "fork/exec /etc/passwd/x: not a directory"),
        ("/", "fork/exec /: permission denied"),
        ("a\0b", "fork/exec a\0b: invalid argument"),
    ],
)
def test_a_program_that_cannot_be_started_is_said_as_go_says_it(bench: Workbench, program: str, why: str) -> None:
    failed = failure(bench, program)
    assert (str(failed), failed.exit_code) == (why, None)


def test_a_file_that_may_not_be_run_and_one_that_is_no_program(bench: Workbench, plain: Path) -> None:
    assert str(failure(bench, str(plain))) == f"fork/exec {plain}: permission denied"
    plain.chmod(0o755)
    assert str(failure(bench, str(plain))) == f"fork/exec {plain}: exec format error"


def test_an_argument_that_is_too_long_is_named_with_the_program_that_was_found(bench: Workbench) -> None:
    assert str(failure(bench, "ls", "x" * 200_000)).endswith("/ls: argument list too long")


def test_a_folder_that_is_not_there_is_named(bench: Workbench) -> None:
    assert str(failure(bench, "ls", folder="no/such")) == "chdir no/such: no such file or directory"


def test_a_program_runs_in_its_work_folder_or_where_it_is_told_to(bench: Workbench, tmp_path: Path) -> None:
    bench.run("exec", argv=["pwd"])
    bench.run("exec", argv=["pwd"], folder=str(tmp_path))
    bench.run("exec", argv=["pwd"], folder=".")
    assert bench.log().splitlines() == [str(bench.work), str(tmp_path), os.getcwd()]


def test_a_start_is_news_that_goes_out_at_once_if_somebody_asked(bench: Workbench) -> None:
    def news(**settings: Any) -> Any:
        bench.run("exec", argv=["true"], **settings)
        return bench.attempt.renewal(boot_seconds(), 3600.0)

    assert news() is None
    assert news(announce=False) is None
    assert news(announce=True)["activity"].startswith("started pid ")
    assert bench.attempt.renewal(boot_seconds(), 3600.0) is None


def test_the_farm_hears_of_a_start_while_the_program_runs(
    manager: Manager, start_agent: Callable[..., threading.Event]
) -> None:
    manager.queue("1", ("exec", {"argv": ["sleep", "300"], "announce": True}))
    start_agent()
    manager.wait_for(lambda: activities(manager))  # without news a lease is renewed after 40 s
    assert activities(manager)[0].startswith("started pid ") and not manager.outcomes


def activities(manager: Manager) -> list[str]:
    return [lease["activity"] for name, body in manager.calls if name == "renew" for lease in body["leases"]]


@pytest.mark.parametrize("reason", [StopReason.CANCELED, StopReason.INTERRUPTED])
def test_without_notice_a_program_is_killed_at_once(bench: Workbench, tmp_path: Path, reason: StopReason) -> None:
    def stop() -> None:
        appears(tmp_path / "ready")
        bench.attempt.stop(reason)

    threading.Thread(target=stop).start()
    line = f"trap 'touch {tmp_path}/noticed' TERM; touch {tmp_path}/ready; while :; do sleep 0.02; done"
    with pytest.raises(Stopped):
        bench.run("exec", argv=["sh", "-c", line], notify_seconds=0)
    assert not (tmp_path / "noticed").exists()


def test_a_core_is_told_of_where_the_system_wrote_one(bench: Workbench, tmp_path: Path) -> None:
    line = "ulimit -c unlimited 2>/dev/null; kill -SEGV $$"
    as_it_is = subprocess.Popen(["sh", "-c", line], cwd=tmp_path)
    _, status = os.waitpid(as_it_is.pid, 0)
    as_it_is.returncode = -signal.SIGSEGV  # collected above, where subprocess would have forgotten the core
    core = " (core dumped)" if os.WCOREDUMP(status) else ""
    failed = failure(bench, "sh", "-c", line)
    assert (str(failed), failed.exit_code) == (f"exec: killed by signal 11{core}", -11)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("", '""'), ("é🎬", '"é🎬"'), ("\a\x00\x7f", '"\\a\\x00\\x7f"'), ("\U000e0001", '"\\U000e0001"')],
)
def test_texts_are_quoted_as_go_does(text: str, quoted: str) -> None:
    assert go_quote(text) == quoted


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"announce": 1}, "'announce' is 1 (expected true or false)"),
        ({"notify_seconds": "5"}, "'notify_seconds' is '5'"),
    ],
)
def test_wrong_settings_are_named(bench: Workbench, settings: dict[str, Any], problem: str) -> None:
    assert str(failure(bench, "true", **settings)).startswith(f"exec: invalid settings: {problem}")
