"""Maps between the farm's words and this protocol's are total, and ids come back as they went."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.compilers.transcode_settings import TranscodeSettings
from chalicelib.core.errors import BadInput, NotFound
from chalicelib.core.ids import LARGEST
from chalicelib.core.lifecycle import ENDED_JOBS, JobStatus, Outcome
from chalicelib.dialects.transcode import translate
from chalicelib.dialects.transcode.translate import State
from chalicelib.dialects.transcode.wire import JobRef, NewJob, TaskResult


def test_every_status_of_a_job_has_a_state_and_a_result() -> None:
    assert set(translate.JOB_STATES) == set(JobStatus)
    for status, (state, result) in translate.JOB_STATES.items():
        assert (state is State.COMPLETED) == (status in ENDED_JOBS)
        assert (result == 0) == (status not in (JobStatus.FAILED, JobStatus.CANCELED))


@pytest.mark.parametrize("state", range(4))
@pytest.mark.parametrize("result", [0, -1, 7])
def test_every_word_of_a_worker_means_something(state: int, result: int) -> None:
    said = TaskResult.model_validate({"id": "t", "state": state, "result": result})
    outcome = translate.outcome_of(said.task_state, said.task_result)
    expected = {
        (3, True): Outcome.COMPLETED,
        (3, False): Outcome.FAILED,
        (1, False): Outcome.RELEASED,  # what the original makes of a task that was canceled
    }
    assert outcome is expected.get((state, result == 0))


@given(st.integers(1, LARGEST))
def test_a_job_s_id_comes_back_as_it_went(number: int) -> None:
    text = translate.job_text(number)
    assert translate.job_number(text) == number


def test_a_job_s_id_looks_as_in_the_seed() -> None:
    assert translate.job_text(((1490776760 - 1577836800 + 2**31) << 22) + 13).endswith(".13")
    assert translate.job_text(((1714560000 - 1577836800) << 22) + 25) == "1714560000.25"


@pytest.mark.parametrize(
    "text", ["", "7", "1714560000", "1714560000.1", "1714560000.007", "1490776760.13", "1714560000.4194304", "x.25"]
)
def test_what_is_no_id_of_ours_names_no_job(text: str) -> None:
    with pytest.raises(NotFound):
        translate.job_number(text)


CUT = TranscodeSettings(
    input="/in", output_path="/out/in.mp4", pieces_path="/out/p", segments="0-90:120-150", segment_seconds=45
)
WHOLE = TranscodeSettings(input="/in", output_path="/out/in.mp4", whole_file=True)


@pytest.mark.parametrize(("index", "segment", "task"), [(0, 0, 0), (1, 0, 1), (2, 1, 0)])
def test_a_task_s_id_names_its_segment_and_its_place(index: int, segment: int, task: int) -> None:
    job = (1714560000 - 1577836800) << 22
    text = translate.task_text(job, CUT, index)
    assert text == f"1714560000.00---segment{segment}---task{task}"
    assert translate.task_parts(text) == (job, segment, task)
    assert translate.task_index(CUT, segment, task) == index


@pytest.mark.parametrize(("segment", "task"), [(0, 2), (1, 1), (2, 0)])
def test_a_task_that_the_job_does_not_have_is_not_found(segment: int, task: int) -> None:
    with pytest.raises(NotFound):
        translate.task_index(CUT, segment, task)
    with pytest.raises(NotFound):
        translate.task_index(WHOLE, 0, 1)


def job(**fields: object) -> NewJob:
    return NewJob.model_validate({"src_filename": "concert.bin", "dst_dir": "/out", "dst_format": "mp4", **fields})


@pytest.mark.parametrize(
    ("fields", "recordings", "source", "target"),
    [
        ({}, "", "/out/concert.bin", "/out/concert.bin.mp4"),
        ({}, "/rec", "/rec/concert.bin", "/out/concert.bin.mp4"),
        ({"src_filename": "/a/b.mov", "dst_dir": "/out/"}, "/rec", "/a/b.mov", "/out/b.mov.mp4"),
        ({"src_filename": "C:\\a\\b.mov", "dst_dir": "D:\\out"}, "", "C:\\a\\b.mov", "D:\\out\\b.mov.mp4"),
    ],
)
def test_where_a_recording_is_and_where_its_result_goes(
    fields: dict[str, str], recordings: str, source: str, target: str
) -> None:
    settings = translate.submission(job(**fields), recordings, 1, "t").settings
    assert (settings["input"], settings["output_path"]) == (source, target)


@pytest.mark.parametrize(
    ("num_workers", "pieces"),
    [
        (0, [[(0, 60), (60, 90)], [(120, 150)]]),
        (1, [[(0, 60), (60, 90)], [(120, 150)]]),
        (2, [[(0, 45), (45, 90)], [(120, 135), (135, 150)]]),
        (4, [[(0, 23), (23, 46), (46, 69), (69, 90)], [(120, 128), (128, 136), (136, 144), (144, 150)]]),
    ],
)
def test_a_task_is_a_worker_s_share_of_its_segment_and_at_most_a_minute(
    num_workers: int, pieces: list[list[tuple[int, int]]]
) -> None:
    submission = translate.submission(job(segments="0-90:120-150"), "", num_workers, "t")
    assert TranscodeSettings.model_validate(submission.settings).pieces() == pieces


def test_however_large_the_farm_a_job_stays_one_that_it_accepts() -> None:
    many = ":".join(["0-9999"] * 36)
    submission = translate.submission(job(segments=many), "", 100_000, "t")
    assert sum(map(len, TranscodeSettings.model_validate(submission.settings).pieces())) < 10_000


@pytest.mark.parametrize("segments", ["5", "1-", "5-1", "1-1", "1-5:", "a-b", "1.5-2", "1-5;6-9", " 1-5"])
def test_a_malformed_segment_refuses_the_whole_job(segments: str) -> None:
    with pytest.raises(BadInput, match="segments"):
        translate.submission(job(segments=segments), "", 1, "t")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"job_id": "a", "task_id": "b"}, "a"),
        ({"job_id": "", "task_id": "b", "id": "c"}, "b"),
        ({"id": "c", "job": {"id": "d"}}, "c"),
        ({"job": {"id": "d"}}, "d"),
        ({"job": "d"}, ""),
        ({"job_id": 1714560000.25}, "1714560000.25"),
    ],
)
def test_a_job_is_named_in_any_of_four_ways(body: dict[str, object], found: str) -> None:
    assert JobRef.model_validate(body).job_id == found


@pytest.mark.parametrize(("progress", "kept"), [(40.4, 40.4), (150, 100.0), (-1, 0.0), ("x", None), (True, None)])
def test_a_progress_that_makes_no_sense_does_no_harm(progress: object, kept: float | None) -> None:
    said = {"task_id": "t", "task_state": 2, "task_result": 0, "progress": progress}
    assert TaskResult.model_validate(said).progress == kept
