"""How a farm of real processes is shared: a job that may have one worker has one, and the order can be said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.together.ensemble import Ensemble
from tests.together.test_command_line import DONE, USAGE, Shell

ALONE = 'mkdir "$1/running" || exit 9; sleep 0.4; rmdir "$1/running"; echo "$2" >> "$1/done"'
"""Fails while another of its kind runs."""


@pytest.fixture
def millrace(quiet: Ensemble) -> Shell:
    return Shell(quiet.server.url)


def test_a_job_that_may_have_one_worker_never_has_two(millrace: Shell, tmp_path: Path) -> None:
    line = ["submit", "frames", "--frames", "1-5", "--max-workers", "1", "--max-retries", "0", "--wait", "--"]
    done = millrace.run(*line, "sh", "-c", ALONE, "alone", str(tmp_path), "{frame}")
    assert done.returncode == DONE, done.stderr
    assert sorted((tmp_path / "done").read_text().split()) == ["1", "2", "3", "4", "5"]


def test_a_limit_can_be_set_on_a_job_that_is_there(millrace: Shell) -> None:
    job = millrace.run("submit", "sleep-never", "--set", "x=1")
    assert job.returncode != DONE  # there is no such type; the farm says which there are
    line = ["submit", "frames", "--frames", "1-3", "--tag", "nobody", "--", "echo", "{frame}"]
    job_id = millrace.run(*line).stdout.strip()
    assert millrace.run("set", job_id, "--max-workers", "2", "--priority", "70").returncode == DONE
    assert millrace.answer("show", job_id)["priority"] == 70
    assert millrace.run("set", job_id, "--max-workers", "none").returncode == DONE
    wrong = millrace.run("set", job_id, "--max-workers", "0")
    assert wrong.returncode == USAGE and "1 to 1000, or none" in wrong.stderr
    assert millrace.run("set", job_id).returncode == USAGE
    millrace.run("cancel", job_id)


def test_the_order_of_the_queue_is_said_and_told(millrace: Shell) -> None:
    assert millrace.run("queue").stdout.strip() == "first-in"
    assert millrace.run("queue", "balanced").stdout.strip() == "balanced"
    assert millrace.run("queue").stdout.strip() == "balanced"
    assert millrace.run("queue", "first-in").returncode == DONE
