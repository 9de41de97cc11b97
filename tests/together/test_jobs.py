"""Jobs of each kind, run by real workers of a real server."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from millrace import Farm
from tests.together.ensemble import Ensemble
from tests.together.submissions import counts_equal_tasks, outcomes, shell, submit, task
from tests.worker.processes import until


def test_tasks_run_after_their_parents(farm: Farm, tmp_path: Path) -> None:
    note = f">> {shlex.quote(str(tmp_path / 'order'))}"
    last = shell("last", f"echo last {note}", parents=["left", "right"])
    left = shell("left", f"sleep 0.3; echo left {note}", parents=["first"])
    right = shell("right", f"echo right {note}", parents=["first"])
    first = shell("first", f"sleep 0.3; echo first {note}")
    job = farm.wait(submit(farm, last, left, right, first), timeout=30)
    assert job.status == "completed", job
    lines = (tmp_path / "order").read_text().split()
    assert (lines[0], sorted(lines[1:3]), lines[3:]) == ("first", ["left", "right"], ["last"])
    assert counts_equal_tasks(farm, job)


def test_a_tasks_output_is_in_its_log_while_it_runs_and_afterwards(farm: Farm, tmp_path: Path) -> None:
    go_on = shlex.quote(str(tmp_path / "go on"))
    job = submit(farm, shell("speaks", f"echo early; until test -e {go_on}; do sleep 0.05; done; echo grün; echo late"))
    until(lambda: any("early" in farm.log(one).text for one in farm.tasks(job)), "the first line", 40)
    [one] = farm.tasks(job)
    assert one.status == "active"
    first = farm.log(one)
    assert "late" not in first.text
    (tmp_path / "go on").touch()
    assert farm.wait(job, timeout=30).status == "completed"
    until(lambda: "exec: done" in farm.log(one, 1, first.next_offset).text, "the last line", 30)
    rest, whole = farm.log(one, 1, first.next_offset), farm.log(one, 1)
    assert "early" not in rest.text and "grün" in rest.text
    assert first.text + rest.text == whole.text
    assert farm.log(one, 1, whole.next_offset).text == ""


def test_commands_of_a_task_run_in_order_and_stop_at_the_first_that_fails(farm: Farm, tmp_path: Path) -> None:
    source, target, never = (tmp_path / name for name in ("source", "target", "never"))
    source.write_bytes(b"some bytes")
    one = shell("several", "true")
    one["commands"] = [
        {"name": "copy_file", "settings": {"src": str(source), "dest": str(target)}},
        {"name": "exec", "settings": {"cmd": "sh -c 'exit 7'"}},
        {"name": "exec", "settings": {"argv": ["touch", str(never)]}},
    ]
    job = farm.wait(submit(farm, one, max_retries=0), timeout=30)
    assert job.status == "failed" and job.error
    assert target.read_bytes() == b"some bytes" and not never.exists()
    [failed] = farm.tasks(job)
    assert [(run.outcome, run.exit_code) for run in failed.attempts] == [("failed", 7)]


def test_a_function_gets_its_input_and_its_output_arrives_byte_for_byte(farm: Farm, tmp_path: Path) -> None:
    code, given = tmp_path / "code", tmp_path / "given"
    code.write_text("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])")
    given.write_bytes(bytes(range(256)) * 5000)
    settings = {"code": farm.upload(code), "runtime": "python3", "input": farm.upload(given)}
    job = farm.wait(farm.submit("function", settings), timeout=30)
    assert job.status == "completed", job
    [path] = farm.download(job, tmp_path / "result")
    assert path.read_bytes() == given.read_bytes()[::-1]


def test_a_failed_job_can_be_retried_and_then_completes(farm: Farm, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    fragile = shell("fragile", f"test -e {shlex.quote(str(mended))}")
    job = farm.wait(submit(farm, fragile, max_retries=1), timeout=30)
    assert job.status == "failed"
    assert outcomes(farm, job) == [("fragile", ["failed", "failed"])]
    mended.touch()
    farm.retry(job)
    assert farm.wait(job, timeout=30).status == "completed"
    assert outcomes(farm, job) == [("fragile", ["failed", "failed", "completed"])]
    assert counts_equal_tasks(farm, job)


def test_two_workers_share_the_work_and_no_task_is_run_twice(farm: Farm, tmp_path: Path) -> None:
    """The first two tasks wait for each other."""
    notes = tmp_path / "notes"
    note = [f"echo {n} >> {shlex.quote(str(notes))}" for n in range(24)]
    for n in (0, 1):
        note[n] += f"; until grep -qx {1 - n} {shlex.quote(str(notes))}; do sleep 0.05; done"
    tasks = [shell(f"note {n}", script) for n, script in enumerate(note)]
    job = farm.wait(submit(farm, *tasks), timeout=60)
    assert job.status == "completed"
    assert sorted(map(int, notes.read_text().split())) == list(range(24))
    # What is taken ahead may be given back before it begins.
    assert all([run for run in runs if run != "released"] == ["completed"] for _, runs in outcomes(farm, job))
    assert len({one.attempts[-1].worker for one in farm.tasks(job)}) == 2


def test_both_workers_race_for_the_one_task_and_one_gets_it(farm: Farm, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    for _ in range(8):
        job = submit(farm, shell("alone", f"echo run >> {shlex.quote(str(notes))}"))
        assert farm.wait(job, timeout=30).status == "completed"
        assert outcomes(farm, job) == [("alone", ["completed"])]
    assert notes.read_text().count("run") == 8


def test_a_worker_of_another_task_type_leaves_the_task_alone(quiet: Ensemble) -> None:
    farm = quiet.farm
    job = submit(farm, task("rendered", "echo", {"message": "hello"}, type="painting"))
    painter = quiet.worker("painter", "--types", "painting", "--runtimes", "")
    job = farm.wait(job, timeout=30)
    assert job.status == "completed"
    [one] = farm.tasks(job)
    names = {worker.id: worker.name for worker in farm.workers()}
    assert [names[run.worker or ""] for run in one.attempts] == ["painter"]
    assert painter.terminate() == 0


@pytest.mark.parametrize("script", ["import os; os.abort()", "raise SystemExit(3)"])
def test_a_program_that_ends_badly_fails_its_task_with_the_reason(farm: Farm, script: str) -> None:
    job = submit(farm, task("bad", "exec", {"argv": [sys.executable, "-c", script]}), max_retries=0)
    assert farm.wait(job, timeout=30).status == "failed"
    [one] = farm.tasks(job)
    [run] = one.attempts
    assert run.outcome == "failed" and run.error and run.exit_code == (3 if "3" in script else -6)
