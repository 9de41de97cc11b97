"""Control groups for tasks: what is written, on a folder that looks like one. `test_cgroups_at_work` has real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.agent import process_table, processes
from millrace.agent.cgroups import Cgroups
from millrace.agent.durable import write_json_durably
from millrace.agent.errors import CommandFailed, StartError
from millrace.agent.isolation import Isolation, prepared
from tests.worker.workbench import Workbench

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has control groups")
ROOT = Path("/sys/fs/cgroup")


@pytest.fixture
def like_v2(tmp_path: Path) -> Path:
    folder = tmp_path / "delegated"
    folder.mkdir()
    (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (folder / "cgroup.subtree_control").write_text("pids\n")
    return folder


def test_where_there_is_no_version_2_a_worker_that_was_asked_for_groups_does_not_start(tmp_path: Path) -> None:
    for folder in [tmp_path, *([] if (ROOT / "cgroup.controllers").exists() else [ROOT])]:
        with pytest.raises(StartError, match=r"no control group of version 2 .*--task-cgroup cannot be had"):
            prepared(tmp_path, tmp_path, cgroup=folder)


def test_what_may_not_be_limited_or_written_is_named(like_v2: Path, tmp_path: Path) -> None:
    (like_v2 / "cgroup.controllers").write_text("cpu pids\n")
    with pytest.raises(StartError, match="may not limit memory; its systemd unit needs Delegate"):
        prepared(tmp_path, tmp_path, cgroup=like_v2, memory_mb=1)
    (like_v2 / "cgroup.subtree_control").unlink()
    (like_v2 / "cgroup.subtree_control").mkdir()  # as nobody's to write as can be, for root too
    with pytest.raises(StartError, match="no groups can be made in"):
        prepared(tmp_path, tmp_path, cgroup=like_v2)


@pytest.mark.parametrize("wanted", [{"cpus": 1.0}, {"processes": 9}])
def test_a_limit_that_needs_a_group_is_refused_without_one(tmp_path: Path, wanted: dict[str, float]) -> None:
    with pytest.raises(StartError, match="name --task-cgroup"):
        prepared(tmp_path, tmp_path, **wanted)  # type: ignore[arg-type]


def test_the_limits_are_there_and_the_process_is_in_before_its_program_runs(
    like_v2: Path, bench: Workbench, tmp_path: Path
) -> None:
    isolation = prepared(tmp_path, bench.work.parent, cgroup=like_v2, memory_mb=300, cpus=1.5, processes=50)
    assert (like_v2 / "cgroup.subtree_control").read_text().split() == ["+memory", "+cpu"]
    bench.keep_apart(isolation)
    group = like_v2 / f"millrace-{bench.work.name}"
    script = f'cd {group} && test "$(cat cgroup.procs)" = $$ && grep . *.max memory.oom.group; ulimit -v'
    bench.run("exec", argv=["sh", "-c", script])
    for line in ("cpu.max:150000 100000", f"memory.max:{300 << 20}", "pids.max:50", "memory.oom.group:1", "unlimited"):
        assert f"{line}\n" in bench.log()


def test_a_program_that_is_not_there_is_named_as_ever(like_v2: Path, bench: Workbench) -> None:
    bench.keep_apart(Isolation(cgroups=Cgroups(like_v2)))
    with pytest.raises(CommandFailed, match='exec: "no-such-program": executable file not found'):
        bench.run("exec", argv=["no-such-program"])


def test_a_program_that_is_not_there_leaves_no_group(
    like_v2: Path, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cgroups, "limits", lambda groups: iter(()))  # files in a real group are not in its way
    bench.keep_apart(Isolation(cgroups=Cgroups(like_v2)))
    with pytest.raises(CommandFailed, match="no such file or directory"):
        bench.run("exec", argv=["./no-such-program"])
    assert list(like_v2.glob("millrace-*")) == []


def test_a_process_that_cannot_be_noted_does_not_go_on(bench: Workbench) -> None:
    """The next start, or the guard, would not find it by its note."""
    (note := bench.work.with_name(f"{bench.work.name}.pid")).mkdir()
    (note / "in the way").touch()
    with pytest.raises(CommandFailed):
        bench.run("exec", argv=["sleep", f"987{os.getpid()}"])
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"sleep 987{os.getpid()}" not in found


def test_a_noted_process_of_which_nobody_knows_when_it_began_is_let_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be another's by now, as after a power cut."""
    work = tmp_path / "7-1"
    monkeypatch.setattr(processes, "started_at", lambda pid: None)
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        try:
            write_json_durably(work.with_name("7-1.pid"), {"pid": other.pid, "started": None})
            assert processes.end_work(work) == []
            assert other.poll() is None
        finally:
            other.kill()


def test_where_there_is_no_proc_ps_knows_when_a_process_began() -> None:
    ours = process_table.started_by_ps(os.getpid())
    assert ours is not None and ours == process_table.started_by_ps(os.getpid())
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert process_table.started_by_ps(ended.pid) is None


def test_a_group_that_cannot_be_entered_starts_nothing(like_v2: Path, bench: Workbench, tmp_path: Path) -> None:
    group = Cgroups(like_v2).made(bench.work.name)
    (group / "cgroup.procs").mkdir()
    bench.keep_apart(Isolation(cgroups=Cgroups(like_v2)))
    with pytest.raises(CommandFailed):
        bench.run("exec", argv=["touch", str(tmp_path / "ran")])
    assert not (tmp_path / "ran").exists()


def test_what_left_its_session_and_environment_is_found_by_its_group(like_v2: Path, tmp_path: Path) -> None:
    work = tmp_path / "work" / "7-1"
    work.mkdir(parents=True)
    stray = subprocess.Popen(["sleep", "600"], env={}, start_new_session=True)
    try:
        group = Cgroups(like_v2).made(work.name)
        (group / "cgroup.procs").write_text(f"{stray.pid}\n")
        write_json_durably(work.with_name("7-1.pid"), {"pid": 1, "started": "never", "cgroup": str(group)})
        (group / "cgroup.kill").write_text("")
        assert processes.end_work(work) == [stray.pid]
        assert stray.wait(20) == -9
        assert (group / "cgroup.kill").read_text() == "1"
    finally:
        stray.kill()
        stray.wait()
