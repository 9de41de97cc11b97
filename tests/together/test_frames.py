"""Any program as a render job: submitted in one line, run by two workers, its frames fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from tests.together.conftest import Found
from tests.together.ensemble import Ensemble
from tests.together.test_command_line import DONE, FAILED, USAGE, Shell

RENDER = ["--", "sh", "render.sh", "{frame}", "{output}/f{frame:03d}.txt"]


@pytest.fixture
def millrace(quiet: Ensemble) -> Shell:
    return Shell(quiet.server.url)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder as an artist has it: a program, and what it reads."""
    folder = tmp_path / "project"
    (folder / "maps").mkdir(parents=True)
    (folder / "render.sh").write_text('test "$1" -ne 13 && echo "$(cat maps/sky) $1" > "$2"')
    (folder / "maps" / "sky").write_text("blue")
    return folder


def test_frames_come_back_named_and_numbered(millrace: Shell, project: Path) -> None:
    line = ["submit", "frames", "--frames", "1-7,20-30x5", "--chunk", "3", "--input", "maps", "--to", "out"]
    done = millrace.run(*line, *RENDER, folder=project)
    assert done.returncode == DONE, done.stderr
    frames = [1, 2, 3, 4, 5, 6, 7, 20, 25, 30]
    assert {path.name: path.read_text() for path in (project / "out").iterdir()} == {
        f"f{frame:03d}.txt": f"blue {frame}\n" for frame in frames
    }
    job = millrace.answer("show", done.stdout.strip())
    assert (job["name"], job["counts"]["completed"]) == ("sh 1-7,20-30x5", 4)


def test_a_second_program_follows_frame_by_frame(millrace: Shell, project: Path) -> None:
    """The first program's last frame waits for the second program's first: that can only come true frame by frame."""
    sign = project / "sign"
    (project / "first.sh").write_text(
        'if test "$1" -eq 6; then while ! test -e "$3"; do sleep 0.1; done; fi; echo "first $1" > "$2"'
    )
    (project / "second.sh").write_text('test "$1" -eq 1 && touch "$4"; echo "second of $(cat "$2")" > "$3"')
    line = ["submit", "frames", "--frames", "1-6", "--chunk", "1", "--to", "out", "--"]
    first = ["sh", "first.sh", "{frame}", "{output}/a{frame}.txt", str(sign)]
    second = ["sh", "second.sh", "{frame}", "{input}/a{frame}.txt", "{output}/b{frame}.txt", str(sign)]
    then = ["--then", "--chunk", "2", "--name", "second", "--", *second]
    done = millrace.run(*line, *first, *then, folder=project)
    assert done.returncode == DONE, done.stderr
    assert {path.name: path.read_text() for path in (project / "out").iterdir()} == {
        f"b{frame}.txt": f"second of first {frame}\n" for frame in range(1, 7)
    }
    assert millrace.answer("show", done.stdout.strip())["counts"]["completed"] == 6 + 3


def test_a_program_and_a_path_that_each_platform_has_elsewhere(found: Found, project: Path) -> None:
    farm = found()  # of its own: a server that has given out a task knows the variables for half a minute
    here = {"value": "sh", "platforms": ["linux", "darwin"]}
    store = [{"value": str(project / "maps"), "platforms": ["linux", "darwin"]}, {"value": "S:/maps"}]
    variables = {"shell": {"values": [here]}, "maps": {"direction": "twoway", "values": store}}
    said = requests.put(f"{farm.server.url}/api/v1/variables", json={"variables": variables}, timeout=30)
    assert said.status_code == 200, said.text
    command = ["{{shell}}", "-c", 'cat "$0" > "$1"', "S:\\maps\\sky", "{output}/f{frame}.txt"]
    farm.worker("one")
    line = ["submit", "frames", "--frames", "1", "--to", "out", "--", *command]
    done = Shell(farm.server.url).run(*line, folder=project)
    assert done.returncode == DONE, done.stderr
    assert (project / "out" / "f1.txt").read_text() == "blue"


def test_a_mistake_behind_then_is_named(millrace: Shell, project: Path) -> None:
    done = millrace.run(
        "submit", "frames", "--frames", "1", *RENDER, "--then", "--chunk", "x", "--", "a", folder=project
    )
    assert done.returncode == USAGE and "--then --chunk x" in done.stderr


def test_a_frame_rendered_again_takes_its_place(millrace: Shell, project: Path) -> None:
    line = ["submit", "frames", "--frames", "1-3", "--input", "maps", "--to", "out"]
    job = millrace.run(*line, *RENDER, folder=project).stdout.strip()
    again = [*RENDER[1:-1], "{output}/f{frame:03d}.txt"]
    script = "command=" + json.dumps(["sh", "-c", 'echo better "$0" > "$1"', *again[2:]])
    done = millrace.run("rerun", job, "--frames", "2", "--set", script, "--to", "out", folder=project)
    assert done.returncode == DONE, done.stderr
    texts = [(project / "out" / f"f00{frame}.txt").read_text() for frame in (1, 2, 3)]
    assert texts == ["blue 1\n", "better 2\n", "blue 3\n"]


def test_a_frame_that_fails_is_named_and_the_others_are_there(millrace: Shell, project: Path) -> None:
    line = ["submit", "frames", "--frames", "12-14", "--input", "maps", "--max-retries", "0", "--to", "out"]
    done = millrace.run(*line, *RENDER, folder=project)
    assert done.returncode == FAILED, done.stderr
    assert "1 of 3 tasks of step 'frames' failed" in done.stderr
    assert sorted(path.name for path in (project / "out").iterdir()) == ["f012.txt", "f014.txt"]
    shown = millrace.run("show", done.stdout.strip()).stdout
    assert "frame 13: sh: exit code 1" in shown


def test_a_command_that_leaves_nothing_has_failed(millrace: Shell, project: Path) -> None:
    line = ["submit", "frames", "--frames", "1", "--max-retries", "0", "--wait", "--", "true", "{output}", "{frame}"]
    done = millrace.run(*line, folder=project)
    assert done.returncode == FAILED, done.stderr
    assert "no output fits 'output/**'" in millrace.run("show", done.stdout.strip()).stdout


def test_a_wrong_range_submits_nothing_and_says_what_would_be_right(millrace: Shell, project: Path) -> None:
    done = millrace.run("submit", "frames", "--frames", "1-9,5-3", *RENDER, folder=project)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert "'5-3' goes backwards; write 3-5" in done.stderr
