"""The schedule, and who of several processes runs it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.embedded import election as election_module
from chalicelib.embedded.election import Election
from chalicelib.embedded.timer import Timer

HOLDER = """
import sys
from pathlib import Path
from chalicelib.embedded.election import Election
Election(Path(sys.argv[1]), lambda: print("elected", flush=True), lambda: None).start()
sys.stdin.read()
"""


def test_work_is_done_at_once_and_again_although_it_fails() -> None:
    runs = threading.Semaphore(0)

    def work() -> None:
        runs.release()
        raise RuntimeError("the sweep failed")

    timer = Timer(work, 0.001)
    timer.start()
    assert all(runs.acquire(timeout=10) for _ in range(3))
    timer.stop()


def test_runs_do_not_overlap_and_stopping_waits_for_the_last() -> None:
    started, go_on = threading.Event(), threading.Event()
    finished: list[bool] = []

    def work() -> None:
        started.set()
        go_on.wait(10)
        finished.append(True)

    timer = Timer(work, 0.001)
    timer.start()
    assert started.wait(10)
    stopper = threading.Thread(target=timer.stop)
    stopper.start()
    assert finished == []
    go_on.set()
    stopper.join(10)
    assert finished != []
    count = len(finished)
    assert not threading.Event().wait(0.05) and len(finished) == count


def test_an_interval_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Timer(lambda: None, 0)


class Office:
    def __init__(self, path: Path) -> None:
        self.begun, self.ended = threading.Event(), threading.Event()
        self.election = Election(path, self.begun.set, self.ended.set)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Office]:
    monkeypatch.setattr(election_module, "RETRY_SECONDS", 0.01)
    return lambda: Office(tmp_path / "elected")


def test_one_of_two_is_elected_and_the_other_follows(office: Callable[[], Office]) -> None:
    first, second = office(), office()
    first.election.start()
    second.election.start()
    assert first.begun.is_set()
    assert not second.election.is_elected
    first.election.stop()
    assert first.ended.is_set()
    assert second.begun.wait(10)
    second.election.stop()
    assert second.ended.is_set()


def test_who_was_never_elected_ends_nothing(office: Callable[[], Office]) -> None:
    first, second = office(), office()
    first.election.start()
    second.election.start()
    second.election.stop()
    assert not second.begun.is_set() and not second.ended.is_set()
    first.election.stop()


def test_when_the_elected_process_is_killed_another_takes_over(office: Callable[[], Office], tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "elected")]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"elected\n"
        heir = office()
        heir.election.start()
        assert not heir.election.is_elected
        holder.kill()
        assert heir.begun.wait(10)
        heir.election.stop()
