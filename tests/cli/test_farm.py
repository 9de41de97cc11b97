"""The client library: what a call means, and when it is repeated."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from millrace import Farm
from millrace.sdk import reading
from millrace.sdk.calls import Patience, retry_after
from millrace.sdk.errors import (
    BadRequest,
    Busy,
    Conflict,
    Damaged,
    FarmFault,
    NotAFarm,
    NotAllowed,
    NotEnded,
    NotFound,
    Unreachable,
)
from millrace.sdk.transfers import path_within
from millrace.sdk.values import as_json
from tests.cli.stub_farm import StubFarm, running


def test_a_submitted_job_comes_back_with_what_was_asked_for(farm: Farm) -> None:
    job = farm.submit("sleep", {"seconds": 5}, name="nap", priority=70, tags=["gpu"])
    assert (job.name, job.type, job.priority, job.tags, job.settings) == ("nap", "sleep", 70, ("gpu",), {"seconds": 5})
    assert farm.job(job.id) == job


def test_two_submissions_with_one_key_are_one_job(farm: Farm) -> None:
    first = farm.submit("sleep", idempotency_key="k")
    assert farm.submit("sleep", idempotency_key="k").id == first.id
    assert farm.submit("sleep").id != farm.submit("sleep").id


def test_a_submission_whose_answer_was_lost_is_repeated_with_the_same_key(stub: StubFarm, farm: Farm) -> None:
    stub.trouble.append("drop")
    farm.submit("sleep")
    assert stub.requested("POST /api/v1/jobs") == 2
    assert len(stub.jobs) == 1


def test_retrying_a_job_is_not_repeated_after_a_broken_connection(stub: StubFarm, farm: Farm) -> None:
    job = stub.add_job(status="failed")
    stub.trouble.append("drop")
    with pytest.raises(Unreachable):
        farm.retry(job)
    assert stub.requested(f"POST /api/v1/jobs/{job}/retry") == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_farm_is_asked_again(stub: StubFarm, farm: Farm, status: int) -> None:
    job = stub.add_job(status="paused")
    stub.trouble.extend([status, status])
    assert farm.resume(job).status == "queued"


def test_a_farm_that_stays_busy_is_called_busy(stub: StubFarm) -> None:
    stub.trouble.extend([503] * 100)
    with pytest.raises(Busy):
        Farm(stub.url, patience_seconds=0.5).info()


def test_nobody_listening_is_unreachable(free_port: Callable[[], int]) -> None:
    with pytest.raises(Unreachable, match="connection refused"):
        Farm(f"http://127.0.0.1:{free_port()}", patience_seconds=0.2).info()


def test_a_farm_that_starts_late_is_waited_for_by_every_call(stub: StubFarm, free_port: Callable[[], int]) -> None:
    job, port, servers = stub.add_job(status="failed"), free_port(), ExitStack()
    late = threading.Timer(0.3, lambda: servers.enter_context(running(stub, port)))
    late.start()
    assert Farm(f"http://127.0.0.1:{port}").retry(job).status == "queued"
    late.join()
    servers.close()


@pytest.mark.parametrize(("header", "seconds"), [("2", 2.0), ("0.5", 0.5), ("-1", 0.0), ("soon", 0.0), (None, 0.0)])
def test_retry_after_is_understood_as_seconds(header: str | None, seconds: float) -> None:
    response = requests.Response()
    response.headers.update({"Retry-After": header} if header else {})
    assert retry_after(response) == seconds


def test_patience_never_waits_beyond_its_end() -> None:
    assert Patience(0.0).wait() is False
    assert Patience(10.0).wait(at_least=11.0) is False


@pytest.mark.parametrize("url", ["", "farm", "ftp://farm", "http://", "http://farm:port", "http://[::1"])
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(NotAFarm):
        Farm(url)


def test_a_refusal_names_the_field(farm: Farm) -> None:
    with pytest.raises(BadRequest, match="type: no such job type") as caught:
        farm.submit("nonsense")
    assert caught.value.field == "type"


def test_an_unknown_job_is_not_found(farm: Farm) -> None:
    with pytest.raises(NotFound, match="there is no job 999"):
        farm.job("999")


def test_an_id_cannot_lead_to_another_path(stub: StubFarm, farm: Farm) -> None:
    with pytest.raises(NotFound):
        farm.job("../farm")
    assert "GET /api/v1/farm" not in stub.requests


def test_a_job_that_has_ended_cannot_be_canceled(stub: StubFarm, farm: Farm) -> None:
    with pytest.raises(Conflict):
        farm.cancel(stub.add_job(status="completed"))


def test_a_closed_farm_wants_its_token(stub: StubFarm) -> None:
    stub.token = "secret"
    with pytest.raises(NotAllowed):
        Farm(stub.url).info()
    assert Farm(stub.url, "secret").info().name == "stub"


def test_a_farm_that_fails_is_told_from_one_that_refuses(stub: StubFarm, farm: Farm) -> None:
    stub.trouble.append(500)
    with pytest.raises(FarmFault):
        farm.info()


def test_an_answer_in_another_shape_is_no_farm(stub: StubFarm, farm: Farm) -> None:
    job = stub.add_job()
    del stub.jobs[job]["counts"]
    with pytest.raises(NotAFarm, match="counts"):
        farm.job(job)


@pytest.mark.parametrize(
    "read",
    [
        *(reading.farm_info, reading.job, reading.job_output, reading.task, reading.error_line, reading.picture),
        *(reading.worker, reading.reasons, reading.token, reading.webhook, reading.delivery, reading.pruned),
    ],
)
def test_whatever_is_asked_an_empty_answer_is_no_farm(read: Callable[[Mapping[str, Any]], object]) -> None:
    with pytest.raises(NotAFarm, match="as this version knows it"):
        read({})


def test_jobs_are_listed_over_all_pages(stub: StubFarm, farm: Farm) -> None:
    ids = [stub.add_job() for _ in range(8)]
    assert [job.id for job in farm.jobs()] == ids
    assert stub.requested("GET /api/v1/jobs") == 3


def test_a_page_is_fetched_only_when_it_is_reached(stub: StubFarm, farm: Farm) -> None:
    for _ in range(8):
        stub.add_job()
    next(farm.jobs())
    assert stub.requested("GET /api/v1/jobs") == 1


def test_waiting_ends_with_the_job_and_shows_each_change(stub: StubFarm, farm: Farm) -> None:
    job, seen = stub.add_job(), []
    script = iter([("active", 40), ("active", 40), ("completed", 100)])

    def move(request: str) -> None:
        stub.jobs[job]["status"], stub.jobs[job]["progress"] = next(script, ("completed", 100))

    stub.after_request = move
    ended = farm.wait(job, on_progress=lambda state: seen.append((state.status, state.progress)))
    assert ended.status == "completed"
    assert seen == [("queued", 0), ("active", 40), ("completed", 100)]


def test_waiting_gives_up_in_time(stub: StubFarm, farm: Farm) -> None:
    with pytest.raises(NotEnded, match="still queued"):
        farm.wait(stub.add_job(), timeout=0.3)


def test_an_upload_arrives_whole_and_without_the_token(stub: StubFarm, tmp_path: Path) -> None:
    stub.token = "secret"
    path, told = tmp_path / "clip.bin", []
    path.write_bytes(b"abc" * 1_000_000)
    blob = Farm(stub.url, "secret").upload(path, lambda done, size: told.append((done, size)))
    assert stub.blobs[blob] == path.read_bytes()
    assert told[-1] == (3_000_000, 3_000_000)
    headers = stub.seen_headers[f"PUT /upload/{blob}"]
    assert "Authorization" not in headers
    assert (headers["Content-Length"], headers["X-Checked"]) == ("3000000", blob)


def test_known_content_is_not_sent_again(stub: StubFarm, farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"same")
    (tmp_path / "b").write_bytes(b"same")
    assert farm.upload(tmp_path / "a") == farm.upload(tmp_path / "b")
    assert stub.requested("PUT .*") == 1


def test_an_empty_file_is_sent_with_its_length(stub: StubFarm, farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    blob = farm.upload(tmp_path / "empty")
    assert stub.blobs[blob] == b""
    assert stub.seen_headers[f"PUT /upload/{blob}"]["Content-Length"] == "0"


def test_an_upload_that_breaks_off_is_announced_and_sent_again(stub: StubFarm, farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")

    def break_the_first_upload(request: str) -> None:
        if request == "POST /api/v1/blobs" and stub.requested("PUT .*") == 0:
            stub.trouble.append("drop")

    stub.after_request = break_the_first_upload
    assert stub.blobs[farm.upload(tmp_path / "a")] == b"content"
    assert stub.requested("POST /api/v1/blobs") == 2


def test_outputs_are_downloaded_into_their_folders(stub: StubFarm, farm: Farm, tmp_path: Path) -> None:
    job = stub.add_job(status="completed")
    stub.add_output(job, "movie.mp4", b"frames" * 300_000)
    stub.add_output(job, "logs/joined.txt", b"fine")
    paths = farm.download(job, tmp_path / "new")
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["new/movie.mp4", "new/logs/joined.txt"]
    assert paths[0].read_bytes() == b"frames" * 300_000


def test_two_files_of_one_name_are_both_kept(stub: StubFarm, farm: Farm, tmp_path: Path) -> None:
    job = stub.add_job(status="completed")
    stub.add_output(job, "out/frame.png", b"one", task="71")
    stub.add_output(job, "out/frame.png", b"two", task="72")
    stub.add_output(job, "out/frame.png", b"one", task="73")
    names = [path.relative_to(tmp_path).as_posix() for path in farm.download(job, tmp_path)]
    assert names == ["out/frame.png", "out/frame.72.png"]
    assert (tmp_path / "out" / "frame.72.png").read_bytes() == b"two"


def test_what_is_there_already_is_not_fetched_again(stub: StubFarm, farm: Farm, tmp_path: Path) -> None:
    """So a job that still runs can be fetched from time to time."""
    job = stub.add_job(status="active")
    stub.add_output(job, "f1.png", b"one")
    farm.download(job, tmp_path)
    stub.add_output(job, "f2.png", b"two")
    assert [path.name for path in farm.download(job, tmp_path)] == ["f1.png", "f2.png"]
    assert stub.requested("GET .*/content") == 2
    (tmp_path / "f1.png").write_bytes(b"eno")
    farm.download(job, tmp_path)
    assert (tmp_path / "f1.png").read_bytes() == b"one"


def test_outputs_go_into_a_zip_file_as_they_come(stub: StubFarm, farm: Farm, tmp_path: Path) -> None:
    job = stub.add_job(status="completed")
    for number in range(7):
        stub.add_output(job, f"frames/f{number}.png", b"%d" % number * 200_000)
    stub.half_contents = 2
    with (tmp_path / "out.zip").open("wb") as file:
        farm.download_zip(job, file)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"frames/f{number}.png" for number in range(7)]
        assert archive.read("frames/f3.png") == b"3" * 200_000


def test_a_download_that_breaks_off_is_begun_again(stub: StubFarm, farm: Farm, tmp_path: Path) -> None:
    job = stub.add_job(status="completed")
    stub.add_output(job, "movie.mp4", b"frames" * 300_000)
    stub.half_contents = 2
    assert farm.download(job, tmp_path)[0].read_bytes() == b"frames" * 300_000


def test_a_download_that_never_arrives_leaves_nothing(stub: StubFarm, tmp_path: Path) -> None:
    job = stub.add_job(status="completed")
    stub.add_output(job, "movie.mp4", b"frames" * 300_000)
    stub.half_contents = 100
    with pytest.raises(Unreachable, match="movie.mp4"):
        Farm(stub.url, patience_seconds=0.5).download(job, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_download_leaves_nothing(stub: StubFarm, farm: Farm, tmp_path: Path) -> None:
    job = stub.add_job(status="completed")
    stub.add_output(job, "movie.mp4", b"right")
    stub.blobs[stub.jobs[job]["outputs"][0]["blob"]] = b"wrong"
    with pytest.raises(Damaged):
        farm.download(job, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "", ".", "C:\\x", "..\\up", "a\0b"])
def test_an_output_cannot_leave_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(Damaged):
        path_within(tmp_path, name)


def test_a_colon_in_a_name_is_a_sign_as_others_where_it_is_one(tmp_path: Path) -> None:
    assert path_within(tmp_path, "t=1:30.png", windows=False) == tmp_path / "t=1:30.png"
    with pytest.raises(Damaged, match="on Windows"):
        path_within(tmp_path, "t=1:30.png", windows=True)


@pytest.mark.parametrize("name", ["NUL", "frames/con.png", "COM1", "dot."])
def test_on_windows_an_output_is_no_device(name: str, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="on Windows"):
        path_within(tmp_path, name, windows=True)
    assert path_within(tmp_path, name, windows=False) == tmp_path / name
    assert path_within(tmp_path, "a\\b.png", windows=True) == tmp_path / "a" / "b.png"


def test_an_output_that_leads_out_is_not_put_into_a_zip_file(stub: StubFarm, farm: Farm, tmp_path: Path) -> None:
    job = stub.add_job(status="completed")
    stub.add_output(job, "../up", b"out")
    with (tmp_path / "out.zip").open("wb") as file, pytest.raises(Damaged, match="leads out"):
        farm.download_zip(job, file)


def test_a_log_is_read_from_an_offset(stub: StubFarm, farm: Farm) -> None:
    task = stub.add_task(stub.add_job())
    stub.add_attempt(task, "completed", "één\n".encode())
    assert farm.log(task, 1, offset=0).text == "één\n"
    assert farm.log(task, 1, offset=2).next_offset == 6


def test_following_goes_through_later_attempts_to_the_end_of_the_task(stub: StubFarm, farm: Farm) -> None:
    task = stub.add_task(stub.add_job(), status="active")
    stub.add_attempt(task, None, b"first " * 300)

    def try_again() -> None:
        stub.tasks[task]["attempts"][0]["outcome"] = "failed"
        stub.add_attempt(task, "completed", b"second")
        stub.tasks[task]["status"] = "completed"

    timer = threading.Timer(0.1, try_again)
    timer.start()
    assert "".join(farm.follow_log(task, poll_seconds=0.01)) == "first " * 300 + "second"
    timer.join()


def test_lines_that_come_a_moment_after_the_end_of_their_attempt_are_followed_too(stub: StubFarm, farm: Farm) -> None:
    """A worker sends its log beside its report."""
    task = stub.add_task(stub.add_job(), status="completed")
    stub.add_attempt(task, "completed", b"early ")
    stub.tasks[task]["attempts"][0]["ended_at"] = datetime.now(UTC).isoformat()

    def come_late() -> None:
        stub.logs[(task, 1)] += b"late"

    timer = threading.Timer(0.5, come_late)
    timer.start()
    assert "".join(farm.follow_log(task, poll_seconds=0.01)) == "early late"
    timer.join()


def test_values_go_back_to_the_json_they_came_from(stub: StubFarm, farm: Farm) -> None:
    job = stub.add_job(started_at="2026-01-02T03:04:05.250000Z")
    stub.add_output(job, "a", b"x")
    assert as_json(farm.job(job)) == stub.jobs[job]
    task = stub.add_task(job)
    stub.add_attempt(task, "failed")
    assert as_json(farm.task(task)) == stub.tasks[task]


def test_a_script_goes_where_the_command_line_goes(stub: StubFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.token = "secret"
    monkeypatch.setenv("MILLRACE_URL", stub.url)
    monkeypatch.setenv("MILLRACE_TOKEN", "secret")
    assert Farm().submit("sleep", {"seconds": 1}).id in stub.jobs
    with pytest.raises(NotAllowed):
        next(Farm(stub.url, "").jobs())
