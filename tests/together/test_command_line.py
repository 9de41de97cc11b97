"""The commands a person types, against a real farm: what they print, and their exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from millrace.sdk.errors import BadRequest
from tests.together.ensemble import ROOT, Ensemble
from tests.together.submissions import shell
from tests.worker.processes import until

DONE, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3


class Shell:
    """Runs `millrace` for one farm."""

    def __init__(self, url: str, token: str = "") -> None:
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "MILLRACE_URL": url}
        self.environment |= {"MILLRACE_TOKEN": token} if token else {}

    def run(self, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "millrace.cli", *arguments]
        return subprocess.run(command, cwd=folder, env=self.environment, capture_output=True, text=True, timeout=60)

    def answer(self, *arguments: str) -> Any:
        """What it says with --json, when it is done."""
        done = self.run(*arguments, "--json")
        assert done.returncode == DONE, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def millrace(quiet: Ensemble) -> Shell:
    return Shell(quiet.server.url)


def job_file(folder: Path, *scripts: str) -> str:
    path = folder / "job.json"
    path.write_text(json.dumps({"tasks": [shell(f"task {n}", script) for n, script in enumerate(scripts)]}))
    return str(path)


def test_a_job_from_submission_to_its_result(millrace: Shell, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("import sys; print(sys.stdin.read().title(), end='')")
    (tmp_path / "words").write_text("byte for byte")
    sets = [
        "--set",
        f"code=@{tmp_path / 'code.py'}",
        "--set",
        f"input=@{tmp_path / 'words'}",
        "--set",
        "runtime=python3",
    ]
    submitted = millrace.run("submit", "function", *sets, "--wait", "--name", "titles")
    assert submitted.returncode == DONE, submitted.stderr
    job = next(one for one in millrace.answer("jobs") if one["name"] == "titles")
    assert job["id"] in submitted.stdout and job["status"] == "completed"
    done = millrace.run("download", job["id"], "--to", str(tmp_path / "result"))
    assert done.returncode == DONE, done.stderr
    [path] = (tmp_path / "result").rglob("output*")
    assert path.read_text() == "Byte For Byte"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["transcod", "--set", "input=@film.mov"], "unknown job type 'transcod'"),
        (["transcode", "--set", "input=@film.mov", "--set", "segmnts=2"], "there is no such setting"),
        (["function", "--set", "code=@film.mov"], "settings.runtime: this setting is needed"),
        (["transcode", "--set", "input=@film.mov", "--after", "12"], "there is no job 12 to come after"),
        (["frames", "--frames", "1", "--input", "film.mov", "--output", "../x", "--", "true"], "must not contain"),
        (["frames", "--frames", "1", "--input-folder", ".", "--output", "../x", "--", "true"], "must not contain"),
        (["blender-render", "film.mov", "--frames", "1", "--format", "GIF"], "settings.format"),
    ],
)
def test_what_is_wrong_with_a_submission_is_said_before_anything_is_uploaded(
    found: Callable[..., Ensemble], tmp_path: Path, arguments: list[str], said: str
) -> None:
    ensemble = found()
    (tmp_path / "film.mov").write_bytes(b"hours of upload")
    refused = Shell(ensemble.server.url).run("submit", *arguments, folder=tmp_path)
    assert refused.returncode == USAGE and said in refused.stderr, refused.stderr
    assert "uploading" not in refused.stderr and "input film" not in refused.stderr
    assert [path for path in (ensemble.server.data / "objects").rglob("*") if path.is_file()] == []


def test_a_path_in_settings_is_uploaded_by_the_library_once_the_rest_is_right(
    found: Callable[..., Ensemble], tmp_path: Path
) -> None:
    ensemble = found()
    film = tmp_path / "film.mov"
    film.write_bytes(b"hours of upload")
    objects = ensemble.server.data / "objects"
    with pytest.raises(BadRequest, match=r"settings\.segmnts: there is no such setting"):
        ensemble.farm.submit("transcode", {"input": film, "segmnts": 20})
    assert [path for path in objects.rglob("*") if path.is_file()] == []
    job = ensemble.farm.submit("transcode", {"input": film, "segment_seconds": 20})
    stored = requests.get(f"{ensemble.server.url}/api/v1/blobs/{job.settings['input']}/content", timeout=20)
    assert stored.content == b"hours of upload"


def test_logs_are_followed_to_the_end_of_the_job(millrace: Shell, tmp_path: Path) -> None:
    job = millrace.run("submit", "commands", "--file", job_file(tmp_path, "echo early; sleep 1; echo late"))
    followed = millrace.run("logs", "-f", job.stdout.strip())
    assert followed.returncode == DONE, followed.stderr
    assert followed.stdout.index("early") < followed.stdout.index("late")


def test_exit_codes_tell_failed_wrong_and_unreachable_apart(
    millrace: Shell, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    failing = ["submit", "commands", "--file", job_file(tmp_path, "exit 1"), "--max-retries", "0", "--wait"]
    assert millrace.run(*failing).returncode == FAILED
    wrong = millrace.run("submit", "painting")
    assert wrong.returncode == USAGE and "painting" in wrong.stderr and "transcode" in wrong.stderr
    assert millrace.run("submit", "function", "--set", "runtime=7", "--set", "code=12345").returncode == USAGE
    nobody = Shell(f"http://127.0.0.1:{free_port()}").run("jobs")
    assert nobody.returncode == UNREACHABLE and "Traceback" not in nobody.stderr


def test_a_job_is_paused_resumed_canceled_and_retried(millrace: Shell, tmp_path: Path) -> None:
    job = millrace.run("submit", "commands", "--file", job_file(tmp_path, "sleep 60")).stdout.strip()
    assert millrace.answer("show", job)["type"] == "commands"
    for word, status in (("pause", "paused"), ("resume", None), ("cancel", "canceled")):
        assert millrace.run(word, job).returncode == DONE
        assert status in (None, millrace.answer("show", job)["status"])
    assert millrace.run("wait", job).returncode == FAILED
    until(lambda: millrace.run("retry", job).returncode == DONE, "the end of the canceled task", 40)
    assert millrace.answer("show", job)["status"] != "canceled"
    assert millrace.run("cancel", job).returncode == DONE


def test_workers_are_listed_by_name(millrace: Shell, quiet: Ensemble) -> None:
    assert {"one", "two"} <= {worker["name"] for worker in millrace.answer("workers")}


def test_a_job_comes_after_another(millrace: Shell, tmp_path: Path) -> None:
    go, order = tmp_path / "go", tmp_path / "order"
    wait = f"until [ -e {go} ]; do sleep 0.05; done; echo first >> {order}"
    first = millrace.run("submit", "commands", "--file", job_file(tmp_path, wait)).stdout.strip()
    then = ["submit", "commands", "--file", job_file(tmp_path, f"echo second >> {order}"), "--after", first]
    second = millrace.run(*then).stdout.strip()
    assert f"it comes after job {first}" in millrace.run("why", second).stdout
    go.touch()
    assert millrace.run("wait", first, second).returncode == DONE
    assert order.read_text().split() == ["first", "second"]
    unknown = millrace.run("submit", "commands", "--file", job_file(tmp_path, "true"), "--after", "12345")
    assert unknown.returncode == USAGE and "there is no job 12345" in unknown.stderr


def test_why_says_what_a_job_waits_for_and_what_a_worker_misses(millrace: Shell, tmp_path: Path) -> None:
    job = millrace.run(
        "submit", "commands", "--file", job_file(tmp_path, "true"), "--tag", "+gpu", "--name", "wants a gpu"
    ).stdout.strip()
    assert "without a tag that it requires" in millrace.run("why", job).stdout
    worker = millrace.answer("workers")[0]["id"]
    # What a test before this one canceled may keep it busy for a moment.
    until(lambda: {"lacks-tag"} == {reason["code"] for reason in millrace.answer("why", worker)}, "one reason", 30)
    assert "the job is canceled" in [millrace.run("cancel", job), millrace.run("why", job)][1].stdout
    nothing = millrace.run("why", "12345")
    assert nothing.returncode == FAILED and "no job, task or worker 12345" in nothing.stderr


def test_a_closed_farm_takes_nobody_without_a_token(found: Callable[..., Ensemble], tmp_path: Path) -> None:
    ensemble = found("--auth", "token")
    token = ensemble.server.admin_token
    stranger = ensemble.worker("stranger")
    assert stranger.process.wait(60) == FAILED
    assert "MILLRACE_TOKEN" in stranger.output
    locked_out = Shell(ensemble.server.url).run("jobs")
    assert locked_out.returncode == FAILED and "MILLRACE_TOKEN" in locked_out.stderr
    ensemble.environment["MILLRACE_TOKEN"] = token
    ensemble.worker("member")
    environment = f"echo token: ${{MILLRACE_TOKEN:-none}}; test -z \"$(env | grep -F '{token}')\""
    insider = Shell(ensemble.server.url, token)
    done = insider.run("submit", "commands", "--file", job_file(tmp_path, environment), "--wait")
    assert done.returncode == DONE, done.stderr
    [job] = insider.answer("jobs")
    until(lambda: "token: none" in insider.run("logs", job["id"]).stdout, "the log", 30)
    made = insider.answer("token", "artists", "--scope", "submit")
    artist = Shell(ensemble.server.url, made["text"])
    assert [one["id"] for one in artist.answer("jobs")] == [job["id"]]
    assert artist.run("retry", job["id"]).returncode == FAILED
    assert insider.run("revoke", made["id"]).returncode == DONE
    assert artist.run("jobs").returncode == FAILED
    assert {one["name"] for one in insider.answer("tokens")} == {"first admin"}
