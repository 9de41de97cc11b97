"""The plan of a transcode, from its settings alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.compilers import JOB_TYPES
from chalicelib.compilers.transcode import PROTOCOL, WHOLE_FILES
from chalicelib.compilers.transcode_settings import parse_ranges, pieces_of
from chalicelib.core.compiling import checked
from chalicelib.core.errors import BadInput
from chalicelib.core.model import Output
from chalicelib.core.plans import StepPlan, TaskResult


def plan(**settings: Any) -> dict[str, StepPlan]:
    return {step.name: step for step in checked(JOB_TYPES["transcode"], {"input": "7", **settings})[1]}


def test_a_whole_file_is_split_converted_in_parallel_and_joined() -> None:
    steps = plan()
    assert {name: step.after for name, step in steps.items()} == {
        "split": (),
        "audio": (),
        "convert": ("split",),
        "join": ("split", "convert", "audio"),
    }
    assert [name for name, step in steps.items() if step.publishes] == ["join"]


def test_the_pieces_of_the_split_become_tasks_in_their_order() -> None:
    pieces = tuple(Output(f"segment_{i:05d}.mov", 100 + i, 1, "0" * 64) for i in (2, 0, 1))
    convert = plan()["convert"].expand({"split": [TaskResult(pieces, {"frames": 90})]})
    assert [convert.task(i).inputs[0][1] for i in range(convert.count)] == [100, 101, 102]


def test_a_source_without_video_fails_with_the_reason() -> None:
    with pytest.raises(BadInput, match="no video"):
        plan()["convert"].expand({"split": [TaskResult((), {"frames": 0})]})


def test_ranges_are_joined_in_the_order_given() -> None:
    convert = plan(segments="30-50:2-10", segment_seconds=10)["convert"].expand({})
    cuts = [convert.task(i).commands[0]["settings"] for i in range(convert.count)]
    assert [(c["start_seconds"], c["end_seconds"]) for c in cuts] == [(30, 40), (40, 50), (2, 10)]


def test_a_range_is_shared_out_in_so_many_parts_of_whole_seconds() -> None:
    convert = plan(segments="0-10:5-7.5", segment_parts=4)["convert"].expand({})
    cuts = [convert.task(i).commands[0]["settings"] for i in range(convert.count)]
    assert [(c["start_seconds"], c["end_seconds"]) for c in cuts] == [
        *[(0, 3), (3, 6), (6, 9), (9, 10)],
        *[(5, 6), (6, 7), (7, 7.5)],
    ]


@pytest.mark.parametrize("text", ["", "5", "5-1", "1-1", "a-b", "1-5:", "1-5:x", "-1-5", "1-5;6-7", "1e3-2e3"])
def test_a_bad_range_is_named(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        plan(segments=text)
    assert refused.value.field == "settings.segments"


@pytest.mark.parametrize("text", ["", "0", "some/path", "7.5", "../x", "x" * 20, "/a\0b"])
def test_an_input_is_a_blob_or_an_absolute_path(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        plan(input=text)
    assert refused.value.field == "settings.input"


def test_frames_are_counted_unless_the_encoder_may_change_them() -> None:
    results = {
        "split": [TaskResult((), {"frames": 90})],
        "convert": [TaskResult((Output("converted.mov", 1, 1, ""),), {})],
        "audio": [TaskResult((), {"has_audio": False})],
    }
    assert plan()["join"].expand(results).task(0).commands[0]["settings"]["expected_frames"] == 90
    told = plan(extra_args=["-r", "12"])["join"].expand(results).task(0).commands[0]["settings"]
    assert (told["expected_frames"], told["audio"]) == (None, None)


@given(st.floats(0, 1000), st.floats(0.5, 500), st.floats(0.2, 60))
def test_pieces_cover_their_range_without_gaps_and_overlaps(start: float, length: float, seconds: float) -> None:
    start, end = round(start, 3), round(start + length, 3)
    pieces = pieces_of((start, end), seconds)
    assert pieces[0][0] == start and pieces[-1][1] == end
    assert all(a[1] == b[0] for a, b in zip(pieces, pieces[1:], strict=False))
    assert all(0 < b - a <= seconds * 1.001 + 0.002 for a, b in pieces)


def test_ranges_read_as_written() -> None:
    assert parse_ranges("1-5:2.5-10") == [(1.0, 5.0), (2.5, 10.0)]


PATHS = {"input": "/media/in.bin", "output_path": "/media/out/in.mp4"}
OF_THE_PROTOCOL, WITH_WHOLE_FILES_ONLY = frozenset({PROTOCOL}), frozenset({PROTOCOL, WHOLE_FILES})


def takers(step: StepPlan) -> list[str]:
    """Which kinds of workers may take the step's tasks."""
    asks = step.expand({}).task(0).requirement
    kinds = {"ours": frozenset[str](), "pieces": OF_THE_PROTOCOL, "files": WITH_WHOLE_FILES_ONLY}
    return [name for name, tags in kinds.items() if asks.require <= tags and not asks.forbid & tags]


def test_a_whole_file_in_one_task_is_for_everybody() -> None:
    steps = plan(**PATHS, whole_file=True)
    assert list(steps) == ["convert"]
    assert takers(steps["convert"]) == ["ours", "pieces", "files"]
    names = [command["name"] for command in steps["convert"].expand({}).task(0).commands]
    assert names == ["transcode_file", "copy_file"]


def test_pieces_between_paths_are_for_those_who_can_cut_and_the_rest_is_ours() -> None:
    steps = plan(**PATHS, segments="0-90", pieces_path="/media/out/.pieces")
    assert takers(steps["convert"]) == ["ours", "pieces"]
    assert takers(steps["audio"]) == takers(steps["tidy"]) == ["ours"]
    assert takers(plan(**PATHS, segments="0-90")["convert"]) == ["ours"]
    assert takers(plan()["split"]) == ["ours"]


def test_a_map_is_for_workers_of_the_protocol_alone() -> None:
    assert takers(plan(**PATHS, whole_file=True, map_path="/maps/wide")["convert"]) == ["pieces", "files"]
    steps = plan(**PATHS, segments="0-9", pieces_path="/p", map_path="/maps/wide")
    assert takers(steps["convert"]) == ["pieces"]


def test_a_piece_of_an_unknown_encoder_is_encoded_again_before_it_is_joined() -> None:
    results = {
        "convert": [TaskResult((Output("converted.mov", 1, 1, ""),), {}), TaskResult((), {"path": "/p/1/in.bin.mp4"})],
        "audio": [TaskResult((), {"has_audio": False})],
    }
    join = plan(**PATHS, segments="0-5:2-10", pieces_path="/p")["join"].expand(results).task(0)
    said = [(command["name"], command["settings"].get("input")) for command in join.commands]
    assert said == [("convert_segment", "/p/1/in.bin.mp4"), ("join_segments", None), ("copy_file", None)]
    assert join.commands[0]["settings"]["most_seconds"] == 8, "and cut to the length that was asked for"
    assert join.commands[1]["settings"]["inputs"] == ["part_00000.mov", "part_00001.mov"]
    assert join.commands[2]["settings"] == {"src": "output.mp4", "dest": "/media/out/in.mp4"}


@pytest.mark.parametrize(
    "settings",
    [
        {"input": "7", "output_path": "/o", "whole_file": True},
        {"input": "/i", "whole_file": True},
        {**PATHS, "whole_file": True, "segments": "1-2"},
        {**PATHS, "pieces_path": "/p"},
        {**PATHS, "map_path": "/m"},
        {**PATHS, "output_path": "relative"},
        {**PATHS, "output_path": "/a\0b"},
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        plan(**settings)
