"""Control groups for tasks, on a kernel that has version 2 and lets us divide it: as root on such a machine, or
anywhere on Linux by `tests/worker/on_cgroup2.sh`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millrace.agent import cgroups, processes
from millrace.agent.durable import write_json_durably
from millrace.agent.errors import CommandFailed, StartError
from millrace.agent.isolation import Isolation, prepared
from tests.worker.workbench import Workbench

ROOT = Path("/sys/fs/cgroup")
NOBODY = 65534


@pytest.fixture
def delegated() -> Iterator[Path]:
    """A group that is ours to divide, as systemd gives one to a unit with `Delegate=`."""
    if not {"cpu", "memory", "pids"} <= set(cgroups._words(ROOT / "cgroup.controllers") or []):
        pytest.skip("no cgroup v2 with cpu, memory and pids (tests/worker/on_cgroup2.sh brings a kernel that has them)")
    if not os.access(ROOT, os.W_OK):
        pytest.skip("cgroup v2 may not be divided here")
    cgroups._hand_down(ROOT, ["cpu", "memory", "pids"])
    folder = ROOT / f"millrace-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    cgroups.kill(folder)
    cgroups.remove(folder)
    assert not folder.exists()


def groups_left(folder: Path) -> list[Path]:
    return list(folder.glob("millrace-*"))


def python(text: str) -> list[str]:
    return ["python3", "-c", text]


def in_a_child(work: Callable[[], str]) -> str:
    """What a forked process finds: who and where a process is, is not to be taken back."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writes, said.encode())
        os._exit(0)
    os.close(writes)
    with open(reads, encoding="utf-8") as end:
        said = end.read()
    os.waitpid(child, 0)
    return said


def test_a_task_as_a_whole_may_not_have_more_memory_than_it_was_given(
    delegated: Path, bench: Workbench, tmp_path: Path
) -> None:
    """Though each of its processes has less. The attempt says why it failed, and so does its log."""
    bench.keep_apart(prepared(tmp_path, bench.work.parent, cgroup=delegated, memory_mb=100))
    eater = "python3 -c 'import time; a = bytearray(b\"x\" * (70 << 20)); time.sleep(60)'"
    why = "the task was killed at its memory limit of 100 MB"
    with pytest.raises(CommandFailed, match=f"exec: killed by signal 9; {why}"):
        bench.run("exec", argv=["sh", "-c", f"{eater} & {eater} & wait"])
    assert why in bench.log()
    assert groups_left(delegated) == []


def test_a_task_within_its_limits_is_left_alone(delegated: Path, bench: Workbench, tmp_path: Path) -> None:
    limits = {"memory_mb": 100, "cpus": 1.0, "processes": 20}
    bench.keep_apart(prepared(tmp_path, bench.work.parent, cgroup=delegated, **limits))  # type: ignore[arg-type]
    bench.run("exec", argv=python("a = bytearray(b'x' * (30 << 20)); print('ate', len(a) >> 20)"))
    with pytest.raises(CommandFailed, match="exec: exit code 3$"):
        bench.run("exec", argv=["sh", "-c", "exit 3"])
    assert "ate 30" in bench.log() and "limit" not in bench.log()
    assert groups_left(delegated) == []


def test_a_fork_bomb_ends_at_the_number_of_processes(delegated: Path, bench: Workbench, tmp_path: Path) -> None:
    bench.keep_apart(prepared(tmp_path, bench.work.parent, cgroup=delegated, processes=12))
    bomb = (
        "import subprocess\nstarted = []\ntry:\n    for _ in range(100):\n"
        "        started.append(subprocess.Popen(['sleep', '600']))\n"
        "finally:\n    print('started', len(started))"
    )
    with pytest.raises(CommandFailed, match="the task was refused more than its 12 processes and threads"):
        bench.run("exec", argv=python(bomb))
    assert "started 11" in bench.log()
    assert groups_left(delegated) == []


def test_a_task_gets_its_share_of_processors_and_no_more(delegated: Path, bench: Workbench, tmp_path: Path) -> None:
    bench.keep_apart(prepared(tmp_path, bench.work.parent, cgroup=delegated, cpus=0.2))
    group = delegated / f"millrace-{bench.work.name}"
    busy = (
        f"import os, time\nend = time.monotonic() + 3\nwhile time.monotonic() < end: pass\n"
        f"print(*open('{group}/cpu.stat').read().split())"
    )
    bench.run("exec", argv=python(busy))
    words = next(line for line in bench.log().splitlines() if "nr_throttled" in line).split()
    stat = dict(zip(words, words[1:], strict=False))
    assert int(stat["nr_throttled"]) > 0 and int(stat["throttled_usec"]) > 0
    # Three seconds of the clock are 0.6 of a processor; what is allowed above that is for the last periods.
    assert int(stat["usage_usec"]) < 1_500_000


def test_what_hides_from_its_worker_ends_with_the_task(delegated: Path, bench: Workbench, tmp_path: Path) -> None:
    """In another session, with an empty environment, and in a group that it made itself."""
    bench.keep_apart(prepared(tmp_path, bench.work.parent, cgroup=delegated))
    inner = delegated / f"millrace-{bench.work.name}" / "inner" / "most"
    hides = f"mkdir -p {inner}; echo $$ > {inner}/cgroup.procs; env -i setsid sleep 600 & echo $! > hidden"
    bench.run(
        "exec", argv=["sh", "-c", f"{hides}; while [ $(wc -l < {inner}/cgroup.procs) -lt 2 ]; do sleep 0.05; done"]
    )
    hidden = int((bench.work / "hidden").read_text())
    assert not Path(f"/proc/{hidden}").exists()
    assert groups_left(delegated) == []


@pytest.mark.parametrize("wall", [{"sandbox": True}, {"user": "nobody"}], ids=["sandbox", "user"])
def test_a_task_behind_a_wall_can_neither_lift_its_limits_nor_leave(delegated: Path, wall: dict[str, Any]) -> None:
    if "sandbox" in wall and shutil.which("bwrap") is None:
        pytest.skip("no bwrap here")
    with tempfile.TemporaryDirectory() as folder:  # which the user can reach, other than pytest's
        os.chmod(folder, 0o711)
        bench = Workbench(Path(folder))
        bench.keep_apart(prepared(Path(folder), bench.work.parent, cgroup=delegated, memory_mb=100, **wall))
        group = delegated / f"millrace-{bench.work.name}"
        lifts = f"echo max > {group}/memory.max || echo stays limited"
        leaves = f"echo $$ > {delegated}/cgroup.procs || echo stays inside"
        bench.run("exec", argv=["sh", "-c", f"({lifts}); ({leaves}); cat {group}/memory.max"])
        for line in ("stays limited", "stays inside", str(100 << 20)):
            assert f"{line}\n" in bench.log()
        bench.close()
    assert groups_left(delegated) == []


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_what_a_killed_worker_left_is_ended_by_its_group(delegated: Path, tmp_path: Path, state: str) -> None:
    """By the note alone, as the guard does it; a stopped process too."""
    (work := tmp_path / "work" / "7-1").mkdir(parents=True)
    group = cgroups.prepared(delegated, None, None, None).made(work.name)
    stray = subprocess.Popen(["/bin/sh", "-c", f"{cgroups.ENTER}; exec sleep 600"], env={}, start_new_session=True)
    try:
        if state == "running":
            cgroups.enter(group, stray.pid)
        else:
            (group / "cgroup.procs").write_text(str(stray.pid))
        write_json_durably(work.with_name("7-1.pid"), {"pid": 1, "started": "never", "cgroup": str(group)})
        assert processes.end_work(work) == [stray.pid]
        assert stray.wait(20) == -9
        cgroups.remove(group)
        assert groups_left(delegated) == []
    finally:
        stray.kill()
        stray.wait()


def test_the_attempts_of_two_farms_do_not_share_a_group(delegated: Path, bench: Workbench) -> None:
    """They may have the same name; the end of one is not the other's."""
    groups = cgroups.prepared(delegated, None, None, None)
    theirs = groups.made(bench.work.name)
    with subprocess.Popen(["/bin/sh", "-c", f"{cgroups.ENTER}; exec sleep 600"], start_new_session=True) as other:
        try:
            cgroups.enter(theirs, other.pid)
            bench.keep_apart(Isolation(cgroups=groups))
            bench.run("exec", argv=["sh", "-c", "grep . /proc/self/cgroup"])
            assert f"{theirs.name}.2" in bench.log()
            assert other.poll() is None and groups_left(delegated) == [theirs]
        finally:
            other.kill()


def test_a_worker_in_the_folder_itself_moves_out_of_the_way(delegated: Path, tmp_path: Path) -> None:
    """As a unit of systemd with `Delegate=` begins. It also finds that folder by itself, before and afterwards."""

    def work() -> str:
        (delegated / "cgroup.procs").write_text(str(os.getpid()))
        assert cgroups.own() == delegated
        prepared(tmp_path, tmp_path, cgroup="own", memory_mb=100, cpus=1.0)
        prepared(tmp_path, tmp_path, cgroup="own", memory_mb=100, cpus=1.0)  # as after an upgrade, in the same process
        return f"{cgroups.own()} {Path('/proc/self/cgroup').read_text().strip()}"

    assert in_a_child(work) == f"{delegated} 0::/{delegated.name}/worker"


def test_a_folder_with_another_process_in_it_is_refused(delegated: Path, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            (delegated / "cgroup.procs").write_text(str(other.pid))
            with pytest.raises(StartError, match="hold no process but the worker"):
                prepared(tmp_path, tmp_path, cgroup=delegated, memory_mb=100)
        finally:
            other.kill()


@pytest.mark.parametrize("inside", [True, False], ids=["in the folder", "elsewhere"])
def test_a_worker_that_is_not_root_has_to_be_in_the_folder(delegated: Path, inside: bool) -> None:
    """The kernel lets nobody else bring a process there. Said when the worker starts, not by the first task."""
    for name in (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(delegated / name, NOBODY, NOBODY)

    def work() -> str:
        if inside:
            (delegated / "cgroup.procs").write_text(str(os.getpid()))
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        cgroups.prepared(delegated, 100 << 20, None, None)
        return "can"

    said = in_a_child(work)
    if inside:
        assert said == "can"
    else:
        assert said.startswith("StartError") and "have the worker in it" in said
    assert groups_left(delegated) == []


if sys.platform != "linux":
    pytestmark = pytest.mark.skip(reason="only Linux has control groups")
