"""`run_frames` with real programs, and outputs gathered by pattern."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from millrace.agent.errors import CommandFailed
from millrace.agent.outputs import MOST_OUTPUTS, gathered
from tests.worker.manager import Manager
from tests.worker.workbench import Workbench

NOTE = ["sh", "-c", 'echo "$0" > "$1"', "{frame}", "{output}/f{frame:04d}.txt"]


def written(bench: Workbench) -> dict[str, str]:
    folder = bench.work / "output"
    return {path.name: path.read_text().strip() for path in sorted(folder.iterdir())}


def test_a_command_with_a_frame_runs_for_each(bench: Workbench) -> None:
    bench.run("run_frames", argv=NOTE, first=8, last=12, step=2)
    assert written(bench) == {"f0008.txt": "8", "f0010.txt": "10", "f0012.txt": "12"}


def test_a_command_with_start_and_end_runs_once(bench: Workbench) -> None:
    argv = ["sh", "-c", "echo {start} {end} {step} > {output}/all"]
    bench.run("run_frames", argv=argv, first=1, last=9, step=4)
    assert written(bench) == {"all": "1 9 4"}


def test_frames_may_be_negative(bench: Workbench) -> None:
    bench.run("run_frames", argv=NOTE, first=-1, last=0)
    assert written(bench) == {"f-001.txt": "-1", "f0000.txt": "0"}


def test_it_runs_where_its_inputs_are(bench: Workbench) -> None:
    (bench.work / "input").mkdir()
    (bench.work / "input" / "scene").write_text("a teapot")
    bench.run("run_frames", argv=["cp", "scene", "{output}/{frame}"], first=1, last=1)
    assert written(bench) == {"1": "a teapot"}


def test_it_runs_in_a_folder_on_shared_storage(bench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    bench.run("run_frames", argv=["touch", "{frame}"], first=1, last=2, folder=str(tmp_path / "shared"))
    assert sorted(os.listdir(tmp_path / "shared")) == ["1", "2"]


def test_what_failed_is_told_with_its_frame_and_nothing_runs_after_it(bench: Workbench) -> None:
    argv = ["sh", "-c", "test {frame} -lt 3 && touch {output}/{frame}"]
    with pytest.raises(CommandFailed, match="^frame 3: sh: exit code 1$"):
        bench.run("run_frames", argv=argv, first=1, last=5)
    assert sorted(written(bench)) == ["1", "2"]


def test_doubled_braces_are_braces(bench: Workbench) -> None:
    bench.run("run_frames", argv=["sh", "-c", "HERE=1; echo ${{HERE}} > {output}/{frame}"], first=1, last=1)
    assert written(bench) == {"1": "1"}


@pytest.mark.parametrize("word", ["{frame.__class__}", "{0}", "{frame[0]}", "{nonsense}", "{"])
def test_nothing_but_the_names_of_a_task_is_filled_in(bench: Workbench, word: str) -> None:
    with pytest.raises(CommandFailed, match="run_frames: invalid settings: "):
        bench.run("run_frames", argv=["echo", word], first=1, last=1)


# -- outputs by pattern


def files(work: Path, *names: str) -> None:
    for name in names:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("a.png", ["a.png"]),
        ("*.png", ["a.png", "b.png"]),
        ("out/./*.png", ["c.png"]),
        ("out/./**", ["c.png", "deep/d.png", "deep/er/e.exr"]),
        ("out/./**/*.png", ["c.png", "deep/d.png"]),
        ("out/./deep/**", ["deep/d.png", "deep/er/e.exr"]),
        ("out/*/d.pn?", ["out/deep/d.png"]),
        ("[b].png", ["b.png"]),
    ],
)
def test_a_pattern_stands_for_the_files_that_fit(tmp_path: Path, wanted: str, names: list[str]) -> None:
    files(tmp_path, "a.png", "b.png", "out/c.png", "out/deep/d.png", "out/deep/er/e.exr")
    assert list(gathered([wanted], tmp_path)) == names


def test_a_pattern_that_fits_nothing_says_what_is_there(tmp_path: Path) -> None:
    files(tmp_path, "out/c.tif")
    with pytest.raises(CommandFailed, match=r"no output fits 'out/\*.png'; the command left c.tif there"):
        gathered(["out/./*.png"], tmp_path)
    with pytest.raises(CommandFailed, match=r"no output fits 'none/\*\*'; the command left nothing there"):
        gathered(["none/./**"], tmp_path)


def test_links_are_not_outputs(tmp_path: Path) -> None:
    files(tmp_path, "out/c.png")
    (tmp_path / "out" / "passwords").symlink_to("/etc/passwd")
    (tmp_path / "out" / "etc").symlink_to("/etc")
    assert list(gathered(["out/./**"], tmp_path)) == ["c.png"]
    with pytest.raises(CommandFailed, match="'passwords' was not produced"):
        gathered(["out/./passwords"], tmp_path)


def test_an_output_folder_that_is_a_link_leads_nowhere(tmp_path: Path) -> None:
    (work := tmp_path / "work").mkdir()
    files(tmp_path, "secret/identity.json")
    (work / "output").symlink_to(tmp_path / "secret")
    for wanted in ("output/./**", "output/./identity.json", "output/*"):
        with pytest.raises(CommandFailed):
            gathered([wanted], work)


def test_two_files_for_one_name_are_refused(tmp_path: Path) -> None:
    files(tmp_path, "a/x.png", "b/x.png")
    with pytest.raises(CommandFailed, match="output 'x.png' is there twice"):
        gathered(["a/./*", "b/./*"], tmp_path)


def test_the_same_file_may_fit_twice(tmp_path: Path) -> None:
    files(tmp_path, "out/x.png")
    assert list(gathered(["out/./*", "out/./*.png"], tmp_path)) == ["x.png"]


def test_more_files_than_a_report_holds_fail_the_task(tmp_path: Path) -> None:
    files(tmp_path, *(f"{n}" for n in range(MOST_OUTPUTS + 1)))
    with pytest.raises(CommandFailed, match="1001 files fit the outputs; a task can return 1000"):
        gathered(["*"], tmp_path)


@pytest.mark.parametrize("wanted", ["/etc/*", "../*", "out/./../*", "a/../*", "out/./", "./*"])
def test_a_pattern_never_leads_out_of_the_work_folder(tmp_path: Path, wanted: str) -> None:
    files(tmp_path, "out/c.png")
    with pytest.raises(CommandFailed):
        gathered([wanted], tmp_path)


@pytest.mark.parametrize("wanted", ["**/" * 300 + "x", "/".join(["**", "*a*a*a*a*a*a*"] * 20 + ["x"])])
def test_a_pattern_that_could_fit_in_very_many_ways_is_answered_at_once(tmp_path: Path, wanted: str) -> None:
    files(tmp_path, "/".join(["a" * 8] * 60) + "/y.png")
    with pytest.raises(CommandFailed, match="no output fits"):
        gathered([wanted], tmp_path)


def test_a_worker_reports_what_fits_its_patterns(manager: Manager, start_agent: object) -> None:
    start_agent()  # type: ignore[operator]
    manager.queue("11", ("run_frames", {"argv": NOTE, "first": 1, "last": 2}), outputs=["output/./**"])
    outcome = manager.wait_for_outcome("11")
    assert outcome["outcome"] == "completed"
    stored = {one["name"]: manager.blobs[one["blob"]] for one in outcome["outputs"]}
    assert stored == {"f0001.txt": b"1\n", "f0002.txt": b"2\n"}
