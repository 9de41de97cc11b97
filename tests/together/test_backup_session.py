"""A farm that is backed up in mid-work, lost, and restored: half-run jobs are finished."""

from __future__ import annotations

import shlex
from pathlib import Path

from chalicelib.embedded.backups import backup, restore
from tests.together.conftest import Found
from tests.together.submissions import shell, submit
from tests.worker.processes import until


def test_half_run_jobs_are_finished_by_a_restored_farm(found: Found, tmp_path: Path) -> None:
    """One worker comes along, and has done more since than the restored farm knows; one is new."""
    first = found(lease="4", grace="1", lost_after="4")
    gate = shlex.quote(str(tmp_path / "gate"))
    quick = [shell(f"quick{n}", "echo done") for n in range(3)]
    slow = [shell(f"slow{n}", f"until test -e {gate}; do sleep 0.1; done; echo done") for n in range(3)]
    worker = first.worker("one")
    job = submit(first.farm, *quick, *slow)
    farm = first.farm

    def completed() -> set[str]:
        return {task.name for task in farm.tasks(job) if task.status == "completed"}

    def logged() -> set[str]:
        return {task.name for task in farm.tasks(job) if ": done in " in farm.log(task).text}

    # A log travels beside the report of its attempt, and may come after it: what is still on its way is in no backup.
    until(lambda: completed() == logged() == {"quick0", "quick1", "quick2"}, "half of the job, with its logs", 40)
    backup(first.server.data, tmp_path / "backup")
    (tmp_path / "gate").touch()
    until(lambda: len(completed()) > 3, "more than the backup knows", 40)
    first.server.kill()

    restore(tmp_path / "backup", tmp_path / "restored")
    first.server.data = tmp_path / "restored"
    first.server.start()  # on the same port
    first.worker("two")
    ended = first.farm.wait(job, timeout=60)
    assert ended.status == "completed" and ended.counts["completed"] == 6
    until(lambda: len(logged()) == 6, "the last logs", 40)
    assert worker.runs
