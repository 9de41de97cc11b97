"""The way of a farm on AWS, on a stand-in: deployed, worked with by a real worker, updated.

One deployment for all tests of this file that a process runs, in any order. `test_destroying.py` has what ends one.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import requests

from chalicelib.core import jobs
from millrace.demo import video
from tests.rehearsal.conftest import STAGE, Deployment
from tests.together.ensemble import ROOT, Worker
from tests.together.submissions import shell, submit, until_status
from tests.together.test_videos import FRAMES_PER_SECOND, film, frames_of
from tests.worker.processes import until

__all__ = ["film"]
pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

MANY = 3000
"""Tasks of a job that is more work than a call does by itself here."""


@pytest.fixture(scope="module")
def worker(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A real one, which knows nothing but a URL and a token."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "PYTHONUNBUFFERED": "1"}
    token = deployment.farm.make_token("render room", ["worker"]).text or ""
    folder = tmp_path_factory.mktemp("worker")
    one = Worker("node1", deployment.url, folder, {**environment, "MILLRACE_TOKEN": token}, ["--slots", "2"])
    one.start()
    yield one
    one.clear_up()
    print(one.output)


def log_of(deployment: Deployment, function: str) -> str:
    logs = deployment.aws.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{STAGE.stack}-{function}")
    return "\n".join(event["message"] for page in pages for event in page["events"])


def test_it_is_deployed_in_one_stack(deployment: Deployment) -> None:
    assert f"Farm: {deployment.url}" in deployment.said
    assert "The farm answers, keeps strangers out, and takes and gives bytes." in deployment.said
    there = deployment.stack.describe()
    assert there is not None and there.status == "UPDATE_COMPLETE"  # created, then told where its page is


def test_the_page_and_no_other_may_ask_the_bucket(deployment: Deployment) -> None:
    there = deployment.stack.describe()
    assert there is not None
    [rule] = deployment.aws.client("s3").get_bucket_cors(Bucket=there.outputs["BucketName"])["CORSRules"]
    assert rule["AllowedOrigins"] == [deployment.url]
    assert {"GET", "PUT"} <= set(rule["AllowedMethods"])


def test_deploying_the_same_again_changes_nothing(deployment: Deployment) -> None:
    said = deployment.redeploy()
    assert f"The stack {STAGE.stack} is up to date." in said
    assert "Admin token" not in said


def test_a_whole_farm_does_not_lose_its_functions_to_only_infra(deployment: Deployment) -> None:
    refused = deployment.checkout.millrace("deploy", "--stage", STAGE.name, "--only-infra")
    assert refused.returncode == 1
    assert f"{STAGE.stack} is a whole farm" in refused.stderr


def test_status_tells_how_it_is(deployment: Deployment) -> None:
    said = deployment.checkout.succeeds("status", "--stage", STAGE.name, "--url", deployment.url)
    assert re.search(r"farm +http://\S+: version [0-9.]+", said)
    assert re.search(r"errands given up +0", said)
    assert "millrace-rehearsal-sweep" in said


def test_a_stranger_gets_nothing(deployment: Deployment) -> None:
    for headers in ({}, {"Authorization": "Bearer mr_" + "x" * 43}):
        assert requests.get(f"{deployment.url}/api/v1/jobs", headers=headers, timeout=60).status_code == 401


def test_a_function_runs_on_a_real_worker(deployment: Deployment, worker: Worker, tmp_path: Path) -> None:
    farm = deployment.farm
    (tmp_path / "code").write_text("import sys; sys.stdout.write(sys.stdin.read() * 2)")
    (tmp_path / "input").write_text("again ")
    blobs = {name: farm.upload(tmp_path / name) for name in ("code", "input")}
    job = farm.wait(farm.submit("function", {**blobs, "runtime": "python3"}), timeout=120)
    assert job.status == "completed", job
    [path] = farm.download(job, tmp_path / "result")
    assert path.read_text() == "again again "


@pytest.mark.needs("ffmpeg")
def test_a_film_is_transcoded(deployment: Deployment, worker: Worker, film: Path, tmp_path: Path) -> None:
    farm = deployment.farm
    job = farm.submit("transcode", {"input": farm.upload(film), "segment_seconds": 3.0})
    job = farm.wait(job, timeout=240)
    assert job.status == "completed", job
    [result] = farm.download(job, tmp_path)
    assert frames_of(result) == 6 * FRAMES_PER_SECOND
    assert video.measure(video.find_ffmpeg(), result).frames == 6 * FRAMES_PER_SECOND


def test_the_stream_moves_a_job_to_active(deployment: Deployment, worker: Worker) -> None:
    """Nothing else does, so the stream's function has run."""
    farm = deployment.farm
    job = submit(farm, shell("wait", "sleep 20"))
    until_status(farm, job, "active", 60)
    until(lambda: farm.job(job).status == "active", "a job that is active", 60)
    farm.cancel(job)


def test_the_queue_finishes_what_a_call_leaves(deployment: Deployment) -> None:
    farm = deployment.farm
    before = log_of(deployment, "errand_left").count("REPORT")
    first = shell("first", "true", type="nobody-does-this")
    # What waits for others is written task by task; tasks that are alike would be a few writes.
    others = [shell(f"task {number}", "true", type="nobody-does-this", parents=["first"]) for number in range(1, MANY)]
    job = submit(farm, first, *others)
    until(lambda: farm.job(job).counts["waiting"] == MANY - 1, f"{MANY} tasks", 180)
    assert log_of(deployment, "errand_left").count("REPORT") > before
    assert farm.cancel(job).status == "canceled"
    until(lambda: farm.job(job).counts["canceled"] == MANY, f"{MANY} canceled tasks", 180)


def test_the_schedule_settles_what_was_left_half_done(deployment: Deployment) -> None:
    """A job that was written and nothing else: as if the process had died right after."""
    manager = deployment.manager
    wanted = jobs.Submission("half done", "commands", {"tasks": [shell("only", "true", type="nobody-does-this")]})
    with mock.patch("chalicelib.core.jobs.settle"):
        jobs.submit(manager, wanted)
    [job] = manager.jobs.page("compiling", 1, None)[0]
    until(lambda: deployment.farm.job(str(job.id)).counts["queued"] == 1, "a job that is settled", 150)
    deployment.farm.cancel(str(job.id))


def test_an_object_that_is_not_what_its_name_says_is_told(deployment: Deployment) -> None:
    key = f"blobs/{hashlib.sha256(b'something').hexdigest()}"
    deployment.manager.objects.put(key, b"something else")
    until(lambda: key in log_of(deployment, "object_stored"), "a line in the log", 60)


def test_an_update_goes_by_unnoticed_by_a_running_task(deployment: Deployment, worker: Worker, tmp_path: Path) -> None:
    farm = deployment.farm
    job = submit(farm, shell("long", f"sleep 30; echo done > {tmp_path}/done"))
    until_status(farm, job, "active", 60)
    config = deployment.checkout.folder / "chalicelib" / "config.py"
    config.write_text(re.sub(r'VERSION = "[^"]+"', 'VERSION = "99.0.0"', config.read_text()))
    said = deployment.redeploy("--wait-seconds", "2")
    assert "takes and gives bytes" in said  # by version 99.0.0: the smoke test asks for its own
    assert farm.wait(job, timeout=120).status == "completed"
    [task] = farm.tasks(job)
    assert [attempt.outcome for attempt in task.attempts] == ["completed"]
    there = deployment.stack.describe()
    assert there is not None
    assert (there.status, there.parameters["WaitSeconds"]) == ("UPDATE_COMPLETE", "2")
    # What was given once stays with the next update.
    deployment.redeploy("--alarm-email", "somebody@example.com")
    there = deployment.stack.describe()
    assert there is not None
    assert (there.parameters["WaitSeconds"], there.parameters["AlarmEmail"]) == ("2", "somebody@example.com")
