"""Tasks kept apart from their worker: by limits, by a user of their own, in a sandbox. Real programs in all of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millrace.agent import isolation
from millrace.agent.attempt import StopReason
from millrace.agent.errors import CommandFailed, StartError, Stopped
from millrace.agent.isolation import Isolation, prepared
from millrace.agent.run import run_worker
from millrace.runtimes import RUNTIMES
from tests.worker.manager import Manager
from tests.worker.processes import until
from tests.worker.workbench import Workbench

StartAgent = Callable[..., threading.Event]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="not on Windows")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs tasks as another user")


@pytest.fixture
def apart(bench: Workbench, tmp_path: Path) -> Iterator[Callable[..., Workbench]]:
    """The bench, its tasks kept apart as asked for. The folder of tests is root's alone: the way to it is opened, and
    closed again at the end."""
    opened: dict[Path, int] = {}

    def keep(**wanted: Any) -> Workbench:
        state, work = tmp_path, bench.work.parent
        if "user" in wanted:
            for folder in (tmp_path, *tmp_path.parents):
                mode = stat.S_IMODE(folder.stat().st_mode)
                if folder != Path("/") and not mode & stat.S_IXOTH:
                    opened[folder] = mode
                    folder.chmod(mode | stat.S_IXOTH)
        bench.keep_apart(prepared(state, work, **wanted))
        return bench

    yield keep
    for folder, mode in opened.items():
        folder.chmod(mode)


# ---- always


def test_a_work_folder_is_its_users_alone(manager: Manager, start_agent: StartAgent, tmp_path: Path) -> None:
    start_agent()
    manager.queue("11", ("exec", {"argv": ["stat", "-c", "%a", "."]}))
    manager.wait_for_outcome("11", 20)
    manager.wait_for(lambda: b"700\n" in manager.logs["11", 1])
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_nothing_the_worker_has_open_is_open_in_a_task(bench: Workbench, tmp_path: Path) -> None:
    with open(tmp_path / "secret", "w") as file:
        os.set_inheritable(file.fileno(), True)
        bench.run("exec", argv=["sh", "-c", "ls -l /proc/self/fd; ls /dev/fd"])
    assert "secret" not in bench.log()


def test_output_is_not_written_through_a_link(bench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text("{}")
    (bench.work / "code").write_text("echo overwritten")
    bench.run("exec", argv=["ln", "-s", str(tmp_path / "identity.json"), "output"])
    with pytest.raises(CommandFailed, match="output"):
        bench.run("function", runtime="bash")
    assert (tmp_path / "identity.json").read_text() == "{}"


# ---- limits


def test_a_task_that_wants_more_memory_than_it_may_have_fails(apart: Callable[..., Workbench]) -> None:
    bench = apart(memory_mb=300)
    bench.run("exec", argv=["python3", "-c", "bytearray(50 << 20)"])
    with pytest.raises(CommandFailed, match="exit code 1"):
        bench.run("exec", argv=["python3", "-c", "bytearray(600 << 20)"])
    assert "MemoryError" in bench.log()


def test_a_task_that_computes_for_longer_than_it_may_is_killed(apart: Callable[..., Workbench]) -> None:
    bench = apart(cpu_seconds=1)
    with pytest.raises(CommandFailed, match=f"signal ({signal.SIGXCPU:d}|{signal.SIGKILL:d})|exit code"):
        bench.run("exec", argv=["python3", "-c", "while True: pass"])


def test_with_limits_a_missing_program_is_named_as_ever(apart: Callable[..., Workbench]) -> None:
    bench = apart(cpu_seconds=5)
    with pytest.raises(CommandFailed, match='exec: "no-such-program": executable file not found'):
        bench.run("exec", argv=["no-such-program"])
    with pytest.raises(CommandFailed, match="fork/exec ./none: no such file or directory"):
        bench.run("exec", argv=["./none"])


@pytest.mark.parametrize("words", [["a b", "$HOME", "`id`", "'", '"', "-n", "", "*"]])
def test_with_limits_words_reach_a_program_as_they_are(apart: Callable[..., Workbench], words: list[str]) -> None:
    bench = apart(cpu_seconds=5)
    bench.run("exec", argv=["python3", "-c", "import sys, json; print(json.dumps(sys.argv[1:]))", *words])
    assert json.dumps(words) in bench.log()


# ---- a user of their own


@as_root
def test_tasks_run_as_the_user_that_was_named(apart: Callable[..., Workbench], tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text("secret")
    (tmp_path / "identity.json").chmod(0o600)
    bench = apart(user="nobody")
    bench.run("exec", argv=["sh", "-c", "id -un; id -G; umask; echo own > made; echo HOME=$HOME"])
    assert "nobody\n" in bench.log() and "077\n" in bench.log()
    assert (bench.work / "made").stat().st_uid == bench.context.isolation.user.uid  # type: ignore[union-attr]
    with pytest.raises(CommandFailed):
        bench.run("exec", argv=["cat", str(tmp_path / "identity.json")])
    assert "secret" not in bench.log()
    with pytest.raises(CommandFailed):
        bench.run("exec", argv=["sh", "-c", f"kill -0 {os.getpid()}"])


@as_root
def test_frames_of_another_user_have_folders_to_write_to(apart: Callable[..., Workbench]) -> None:
    bench = apart(user="nobody")
    bench.run("run_frames", argv=["sh", "-c", "echo {frame} > {output}/f{frame}"], first=1, last=3)
    assert sorted(path.name for path in (bench.work / "output").iterdir()) == ["f1", "f2", "f3"]


@as_root
def test_handing_a_folder_over_hands_over_nothing_behind_a_link(
    apart: Callable[..., Workbench], tmp_path: Path
) -> None:
    """Whatever programs of that user do to it at that moment."""
    bench = apart(user="nobody")
    (victim := tmp_path / "victim" / "b").mkdir(parents=True)
    swapped, aside, ended = bench.work / "a", bench.work / "aside", threading.Event()
    (swapped / "b").mkdir(parents=True)

    def swap() -> None:
        while not ended.is_set():
            swapped.rename(aside)
            swapped.symlink_to(tmp_path / "victim")
            swapped.unlink()
            aside.rename(swapped)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(3000):
            bench.context.isolation.hand_over(bench.work)
    finally:
        ended.set()
        swapper.join()
    assert victim.stat().st_uid == 0
    assert (swapped / "b").stat().st_uid == bench.context.isolation.user.uid  # type: ignore[union-attr]


@as_root
@pytest.mark.parametrize(
    ("user", "says"), [("no-such-user", "there is no user 'no-such-user'"), ("root", "kept apart from nothing")]
)
def test_a_user_that_cannot_be_is_refused(tmp_path: Path, user: str, says: str) -> None:
    with pytest.raises(StartError, match=says):
        prepared(tmp_path, tmp_path, user=user)


def test_only_root_gives_tasks_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation.os, "geteuid", lambda: 1000)
    with pytest.raises(StartError, match="only root can run tasks as 'nobody'"):
        prepared(tmp_path, tmp_path, user="nobody")


@as_root
def test_a_state_folder_that_the_user_cannot_reach_is_told_at_the_start(tmp_path: Path) -> None:
    (closed := tmp_path / "closed").mkdir(mode=0o700)
    (state := closed / "state").mkdir()
    (work := state / "work").mkdir()
    with pytest.raises(StartError, match=r"can user 'nobody' reach .*--state"):
        prepared(state, work, user="nobody")


# ---- a sandbox


@pytest.fixture
def sandboxed(apart: Callable[..., Workbench], require_program: Callable[[str], str]) -> Workbench:
    require_program("bwrap")
    try:
        return apart(sandbox=True)
    except StartError as error:
        pytest.skip(f"missing system program: a bwrap that may make namespaces here ({error})")


def test_a_sandboxed_task_sees_neither_the_workers_state_nor_its_processes(
    sandboxed: Workbench, tmp_path: Path
) -> None:
    (tmp_path / "identity.json").write_text("secret")
    look = f"ls -A {tmp_path}; cat {tmp_path}/identity.json; ls -d /proc/{os.getpid()}; ls -d /proc/[0-9]* | wc -l"
    sandboxed.run("exec", argv=["sh", "-c", look + "; true"])
    said = sandboxed.log()
    assert "secret" not in said and f"/proc/{os.getpid()}\n" not in said
    assert said.startswith("work\n"), "only the way to its own folder"


def test_a_sandboxed_task_writes_to_its_work_folder_alone(sandboxed: Workbench, tmp_path: Path) -> None:
    attempt = "touch ok /tmp/gone; for f in /etc/x /usr/x /var/tmp/x; do touch $f && echo BROKEN; done; true"
    sandboxed.run("exec", argv=["sh", "-c", attempt])
    assert "BROKEN" not in sandboxed.log() and (sandboxed.work / "ok").exists() and not Path("/tmp/gone").exists()


def test_a_folder_of_shared_storage_can_be_opened(
    apart: Callable[..., Workbench], sandboxed: Workbench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = tmp_path_factory.mktemp("shared")
    bench = apart(sandbox=True, writable=[shared])
    bench.run("exec", argv=["sh", "-c", f"echo frame > {shared}/0001"])
    assert (shared / "0001").read_text() == "frame\n"


def test_the_workers_state_stays_hidden_in_a_folder_that_tasks_may_write_to(
    apart: Callable[..., Workbench], sandboxed: Workbench, tmp_path: Path
) -> None:
    (tmp_path / "identity.json").write_text("secret")
    bench = apart(sandbox=True, writable=[tmp_path.parent])
    attempt = (
        f"cat {tmp_path}/identity.json; echo mine > {tmp_path}/identity.json; touch {tmp_path.parent}/shared; true"
    )
    bench.run("exec", argv=["sh", "-c", attempt])
    assert "secret" not in bench.log() and (tmp_path / "identity.json").read_text() == "secret"
    assert (tmp_path.parent / "shared").exists()


def test_a_folder_in_the_workers_state_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    with pytest.raises(StartError, match=r"tasks may not write to .*cache: it lies in a folder where workers keep"):
        prepared(tmp_path, tmp_path, sandbox=True, writable=[tmp_path / "cache"])


def test_what_listens_in_run_does_nothing_for_a_sandboxed_task(sandboxed: Workbench) -> None:
    """As D-Bus and Docker do, which start programs outside of any sandbox."""
    places = (Path("/run"), Path(os.environ.get("XDG_RUNTIME_DIR") or "/nowhere"))
    place = next((one for one in places if os.access(one, os.W_OK)), None)
    if place is None:
        pytest.skip("nothing in /run that this user may write to")
    with socket.socket(socket.AF_UNIX) as listener:
        path = place / f"millrace-test-{os.getpid()}.sock"
        listener.bind(str(path))
        listener.listen()
        try:
            asks = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"
            subprocess.run([sys.executable, "-c", asks], check=True)
            with pytest.raises(CommandFailed):
                sandboxed.run("exec", argv=["python3", "-c", asks])
        finally:
            path.unlink()
    assert "FileNotFoundError" in sandboxed.log()


def test_a_sandboxed_task_is_told_who_answers_for_names(sandboxed: Workbench) -> None:
    if not Path("/etc/resolv.conf").exists():
        pytest.skip("no /etc/resolv.conf here")
    sandboxed.run("exec", argv=["cat", "/etc/resolv.conf"])
    assert sandboxed.log() == Path("/etc/resolv.conf").read_text()


def test_a_sandboxed_function_and_its_exit_code_come_through(sandboxed: Workbench) -> None:
    (sandboxed.work / "code").write_text("tr a-z A-Z; echo said >&2")
    (sandboxed.work / "input").write_text("hello")
    assert sandboxed.run("function", runtime="bash").outputs == ("output",)
    assert (sandboxed.work / "output").read_text() == "HELLO" and "said" in sandboxed.log()
    with pytest.raises(CommandFailed, match="exit code 7"):
        sandboxed.run("exec", argv=["sh", "-c", "exit 7"])


@pytest.mark.parametrize(("obeys", "says"), [(True, "goodbye"), (False, "started")])
def test_a_sandboxed_task_is_asked_to_end_and_nothing_of_it_is_left(
    sandboxed: Workbench, obeys: bool, says: str
) -> None:
    """Also not what left its session and forgot its environment: with the sandbox all of it goes."""
    trap = "trap 'echo goodbye; exit 0' TERM" if obeys else "trap '' TERM"
    mark = f"987{os.getpid()}"
    hidden = f"setsid env -i sleep {mark} &"
    script = f"{trap}; {hidden} echo started; while true; do sleep 0.1; done"
    stopper = threading.Thread(target=stop_when_started, args=(sandboxed,))
    stopper.start()
    with pytest.raises(Stopped):
        sandboxed.context.run(["sh", "-c", script], notify_seconds=3.0)
    stopper.join(20)
    assert says in sandboxed.log()
    until(lambda: not running(mark), "the end of all of it", 60)


def stop_when_started(bench: Workbench) -> None:
    until(lambda: "started" in bench.log(), "the task", 60)
    bench.attempt.stop(StopReason.CANCELED)


def running(mark: str) -> list[str]:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if line == f"sleep {mark}"]


def test_a_sandboxed_worker_does_a_task(
    manager: Manager, start_agent: StartAgent, require_program: Callable[[str], str], sandboxed: Workbench
) -> None:
    start_agent(apart={"sandbox": True})
    manager.queue(
        "11", ("exec", {"argv": ["sh", "-c", "echo made > result; ls /proc | grep -c '^[0-9]'"]}), outputs=["result"]
    )
    report = manager.wait_for_outcome("11", 20)
    assert report["outcome"] == "completed" and manager.blobs[report["outputs"][0]["blob"]] == b"made\n"


def test_what_a_sandboxed_task_does_to_its_inputs_no_other_task_sees(
    manager: Manager, start_agent: StartAgent, sandboxed: Workbench
) -> None:
    start_agent(apart={"sandbox": True})
    code = {"name": "code", **manager.store(b"echo good > result")}
    spoils = "import os; os.chmod('code', 0o644); open('code', 'w').write('echo evil > result'); "
    spoils += "os.utime('code', ns=(os.stat('code').st_atime_ns, 1_000_000_000))"
    manager.queue("11", ("exec", {"argv": ["python3", "-c", spoils]}), inputs=[code])
    assert manager.wait_for_outcome("11", 20)["outcome"] == "completed"
    manager.queue("12", ("exec", {"argv": ["sh", "code"]}), inputs=[code], outputs=["result"])
    [output] = manager.wait_for_outcome("12", 20)["outputs"]
    assert manager.blobs[output["blob"]] == b"good\n"


def test_what_a_sandboxed_task_made_is_not_decoded_outside_of_it(
    manager: Manager, start_agent: StartAgent, sandboxed: Workbench, tmp_path: Path
) -> None:
    start_agent(apart={"sandbox": True})
    manager.queue("11", ("exec", {"argv": ["sh", "-c", "echo any > a.png"]}), outputs=["a.png"])
    assert manager.wait_for_outcome("11", 20)["outcome"] == "completed"
    assert not (tmp_path / "state" / "pictures").exists()


# ---- what is refused


def test_commands_that_the_worker_would_do_itself_are_refused(sandboxed: Workbench, tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text("secret")
    for name in set(RUNTIMES) - isolation.CONFINED:
        with pytest.raises(CommandFailed, match="keeps tasks apart"):
            sandboxed.run(name, src=str(tmp_path / "identity.json"), dest="stolen")
    assert set(RUNTIMES) >= isolation.CONFINED


def test_without_bubblewrap_a_sandbox_is_refused_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match="apt-get install bubblewrap"):
        prepared(tmp_path, tmp_path, sandbox=True)


def test_a_bubblewrap_that_may_not_is_told_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program := tmp_path / "bwrap").write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2; exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(StartError, match="cannot be run apart here: bwrap: No permissions"):
        prepared(tmp_path, tmp_path, sandbox=True)


def test_folders_go_with_a_sandbox(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="for a sandbox only"):
        prepared(tmp_path, tmp_path, writable=[tmp_path])


def test_on_windows_nothing_of_it_is_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation.sys, "platform", "win32")
    assert prepared(tmp_path, tmp_path) == Isolation(hidden=prepared(tmp_path, tmp_path).hidden)
    with pytest.raises(StartError, match="on Windows tasks run as the worker's own user"):
        prepared(tmp_path, tmp_path, sandbox=True)


def test_a_worker_that_cannot_give_what_was_asked_for_does_not_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, manager: Manager
) -> None:
    code = run_worker(manager.url, name="n", state_dir=tmp_path / "state", apart={"user": "no-such-user"})
    assert code == 2 and "there is no user 'no-such-user'" in caplog.text
