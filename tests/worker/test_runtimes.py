"""The commands, each with real files and real programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from millrace.agent.attempt import StopReason
from millrace.agent.errors import CommandFailed, Stopped
from millrace.runtimes import RUNTIMES
from millrace.runtimes.ffmpeg import probe
from tests.worker.processes import alive, number_in
from tests.worker.workbench import Workbench


def test_exec_logs_both_streams_as_they_come(bench: Workbench) -> None:
    bench.run("exec", cmd="sh -c 'echo one; echo two >&2; echo three'")
    assert bench.log() == "one\ntwo\nthree\n"


def test_exec_splits_like_a_shell_but_is_none(bench: Workbench) -> None:
    bench.run("exec", cmd="echo 'a b' \"$HOME\" '*'")
    bench.run("exec", argv=["echo", "a  b"])
    assert bench.log() == "a b $HOME *\na  b\n"


def test_exec_of_a_missing_program_names_it(bench: Workbench) -> None:
    with pytest.raises(CommandFailed, match=r'exec: "no-such-program": executable file not found in \$PATH'):
        bench.run("exec", cmd="no-such-program --help")


def test_a_killed_program_says_by_which_signal(bench: Workbench) -> None:
    with pytest.raises(CommandFailed, match="exec: killed by signal 9"):
        bench.run("exec", cmd="sh -c 'kill -9 $$'")


def test_a_program_has_no_input_to_wait_for(bench: Workbench) -> None:
    bench.run("exec", cmd="sh -c 'cat; echo ended'")
    assert bench.log() == "ended\n"


def test_what_a_command_leaves_running_ends_with_it(bench: Workbench) -> None:
    bench.run("exec", cmd="sh -c 'setsid sleep 300 & echo $! > stray'")
    assert not alive(number_in(bench.work / "stray"))


def test_a_stopped_attempt_starts_no_further_program(bench: Workbench) -> None:
    bench.attempt.stop(StopReason.CANCELED)
    with pytest.raises(Stopped):
        bench.run("exec", cmd=f"touch {bench.work}/started")
    assert not (bench.work / "started").exists()


def test_sleep_ends_when_the_attempt_is_stopped(bench: Workbench) -> None:
    bench.attempt.stop(StopReason.INTERRUPTED)
    with pytest.raises(Stopped):
        bench.run("sleep", time_in_seconds=300)


def test_copy_file_makes_folders_and_replaces(bench: Workbench, tmp_path: Path) -> None:
    target = tmp_path / "shared" / "deep" / "b"
    (bench.work / "a").write_text("new")
    bench.run("copy_file", src="a", dest=str(target))
    target.write_text("old")
    bench.run("copy_file", src="a", dest=str(target))
    assert target.read_text() == "new" and [path.name for path in target.parent.iterdir()] == ["b"]


def test_copy_file_of_nothing_names_it(bench: Workbench) -> None:
    with pytest.raises(CommandFailed, match="copy_file: .*absent' is not a file"):
        bench.run("copy_file", src="absent", dest="b")


def test_move_to_final_keeps_what_was_there_and_may_be_repeated(bench: Workbench, tmp_path: Path) -> None:
    final = tmp_path / "final"
    final.write_text("old")
    os.utime(final, (0, 0))
    (bench.work / "a").write_text("new")
    bench.run("move_to_final", src="a", dest=str(final))
    bench.run("move_to_final", src="a", dest=str(final))
    assert final.read_text() == "new"
    assert (tmp_path / "final-1970-01-01_000000").read_text() == "old"


def test_what_is_in_the_way_is_renamed_and_may_be_repeated(bench: Workbench) -> None:
    (bench.work / "film").write_text("old")
    os.utime(bench.work / "film", (0, 0))
    bench.run("move_out_of_way", src="film")
    bench.run("move_out_of_way", src="film")
    assert [path.name for path in bench.work.iterdir()] == ["film-1970-01-01_000000"]


def test_a_counter_goes_on_after_the_highest(bench: Workbench) -> None:
    (bench.work / "out").mkdir()
    (bench.work / "out" / "film_007.mp4").touch()
    for text in ("one", "two"):
        (bench.work / "new").write_text(text)
        bench.run("move_with_counter", src="new", dest="out/film.mp4")
    assert (bench.work / "out" / "film_008.mp4").read_text() == "one"
    assert (bench.work / "out" / "film_009.mp4").read_text() == "two"
    with pytest.raises(CommandFailed, match="move_with_counter: .*new' does not exist"):
        bench.run("move_with_counter", src="new", dest="out/film.mp4")


def test_a_python_file_is_written_and_nothing_else(bench: Workbench) -> None:
    bench.run("create_python_file", filepath="deep/shot-overrides.py", contents="import bpy\n")
    assert (bench.work / "deep" / "shot-overrides.py").read_text() == "import bpy\n"
    with pytest.raises(CommandFailed, match="expected a name that ends in .py"):
        bench.run("create_python_file", filepath="run.sh", contents="")


def test_a_lot_can_be_logged(bench: Workbench) -> None:
    bench.run("log_a_lot", lines=3)
    assert [line.partition(" ")[2] for line in bench.log().splitlines()] == [f"log_a_lot: line {n}" for n in range(3)]


@pytest.mark.needs("ffmpeg")
def test_sound_is_encoded_and_joined_to_pictures(bench: Workbench) -> None:
    made = "exec"
    bench.run(made, cmd="ffmpeg -v error -f lavfi -i sine=duration=1 sound.wav")
    bench.run(made, cmd="ffmpeg -v error -f lavfi -i testsrc=duration=1:size=64x48:rate=10 -pix_fmt yuv420p film.mp4")
    bench.run("encode_audio", input_file="sound.wav", output_file="out/sound.m4a", bitrate="64k", codec="aac")
    bench.run("mux_audio", audio_file="out/sound.m4a", video_file="film.mp4", output_file="out/both.mp4")
    media = probe(bench.context, bench.work / "out" / "both.mp4")
    assert media.has_audio and media.video_codec == "h264"
    with pytest.raises(CommandFailed, match="mux_audio: .*none.wav' is not a file"):
        bench.run("mux_audio", audio_file="none.wav", video_file="film.mp4", output_file="both.mp4")


def test_remove_takes_what_is_there_and_does_not_mind_what_is_not(bench: Workbench) -> None:
    (bench.work / "tree" / "deep").mkdir(parents=True)
    (bench.work / "file").touch()
    for _ in range(2):
        bench.run("remove_tree", path="tree")
        bench.run("remove_file", path="file")
    assert list(bench.work.iterdir()) == []


def test_remove_file_does_not_take_a_folder(bench: Workbench) -> None:
    (bench.work / "tree").mkdir()
    with pytest.raises(CommandFailed, match="is a folder; remove_tree removes folders"):
        bench.run("remove_file", path="tree")


@pytest.mark.parametrize("path", ["/", "."])
def test_remove_tree_refuses_the_root_and_the_work_folder(bench: Workbench, path: str) -> None:
    with pytest.raises(CommandFailed, match="may not be removed"):
        bench.run("remove_tree", path=path)


def test_a_function_without_an_interpreter_here_names_those_there_are(bench: Workbench) -> None:
    with pytest.raises(CommandFailed, match="no runtime 'cobol'; it has bash, python3"):
        bench.run("function", runtime="cobol")


def test_a_function_that_fails_fails_with_its_exit_code(bench: Workbench) -> None:
    (bench.work / "code").write_text("echo why >&2; exit 3")
    with pytest.raises(CommandFailed) as failed:
        bench.run("function", runtime="bash")
    assert failed.value.exit_code == 3 and bench.log() == "why\n"


@pytest.mark.parametrize(
    ("command", "settings", "problem"),
    [
        ("echo", {}, "'message' is missing (expected a non-empty text)"),
        ("echo", {"message": 3}, "'message' is 3 (expected a text)"),
        ("sleep", {"time_in_seconds": "1"}, "'time_in_seconds' is '1' (expected a number)"),
        ("sleep", {"time_in_seconds": True}, "'time_in_seconds' is True (expected a number)"),
        ("sleep", {"time_in_seconds": -1}, "'time_in_seconds' is -1 (expected 0 or more)"),
        ("exec", {"cmd": "echo 'open"}, "'cmd' cannot be split into words: No closing quotation"),
        ("exec", {"argv": "ls"}, "'argv' is 'ls' (expected a list of texts)"),
        ("exec", {"argv": []}, "no program is named in 'cmd' or 'argv'"),
        ("copy_file", {"src": "a"}, "'dest' is missing (expected a non-empty text)"),
        ("split_video", {"input": "a", "segment_seconds": 0}, "'segment_seconds' is 0 (expected a number above 0)"),
        (
            "encode_track",
            {"input": "a", "output": "b", "ranges": [[2, 1]]},
            "'ranges' is [[2, 1]] (expected a list of [start, end] in seconds with 0 <= start < end)",
        ),
        ("join_segments", {"inputs": [], "format": "mp4", "output": "a"}, "'inputs' is empty"),
    ],
)
def test_wrong_settings_fail_the_task_naming_the_field(
    bench: Workbench, command: str, settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(CommandFailed) as failed:
        bench.run(command, **settings)
    assert str(failed.value).startswith(f"{command}: invalid settings: {problem}")


@pytest.mark.parametrize("command", sorted(RUNTIMES.keys() - {"log_a_lot"}))
def test_every_command_says_what_it_lacks(bench: Workbench, command: str) -> None:
    with pytest.raises(CommandFailed, match=f"^{command}: invalid settings: "):
        bench.run(command)
