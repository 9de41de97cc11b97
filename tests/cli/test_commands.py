"""The command line: what each command prints, and its exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from millrace.agent.isolation import CONFINED_TYPES
from millrace.agent.run import DEFAULT_RUNTIMES, DEFAULT_TASK_TYPES
from millrace.cli import watching, worker_options
from millrace.cli.entry import millrace, run
from tests.cli.conftest import Done
from tests.cli.stub_farm import WORDS, StubFarm

Cli = Callable[..., Done]


def test_submit_prints_the_id_and_nothing_else(stub: StubFarm, cli: Cli) -> None:
    done = cli("submit", "sleep", "--set", "seconds=5")
    assert done == Done(0, "1000\n", "")
    assert stub.jobs["1000"]["settings"] == {"seconds": 5}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("true", True), ("null", None), ("[1, 2]", [1, 2]), ('{"a": 1}', {"a": 1}), ("1-5:2-10", "1-5:2-10"),
        ("", ""), ("a=b", "a=b"), ("NaN", "NaN"), ('"5"', "5"), ('"@home"', "@home"), ("00012", "00012"),
        ("913992277032960", "913992277032960"), ("[913992277032960]", [913992277032960]), ("1000000", 1_000_000),
    ],
)  # fmt: skip
def test_a_setting_is_json_where_it_reads_as_json(stub: StubFarm, cli: Cli, text: str, value: object) -> None:
    assert cli("submit", "sleep", "--set", f"key={text}").code == 0
    assert stub.jobs["1000"]["settings"] == {"key": value}


def test_a_setting_with_an_at_uploads_the_file(stub: StubFarm, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"frames")
    assert cli("submit", "transcode", "--set", f"input=@{tmp_path}/clip.mp4").code == 0
    assert stub.blobs[stub.jobs["1000"]["settings"]["input"]] == b"frames"


def test_settings_come_from_a_file_and_options_add_to_it(stub: StubFarm, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"seconds": 5, "other": 1}')
    assert cli("submit", "sleep", "--file", f"{tmp_path}/s.json", "--set", "seconds=6").code == 0
    assert stub.jobs["1000"]["settings"] == {"seconds": 6, "other": 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "seconds"], "not KEY=VALUE"),
        (["--set", "=5"], "not KEY=VALUE"),
        (["--set", "input=@/no/such/file"], "/no/such/file"),
        (["--file", "/no/such/file"], "/no/such/file"),
        (["--priority", "101"], "101"),
        (["--farm", "nowhere"], "nowhere"),
        (["--unknown"], "--unknown"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_submits_nothing(
    stub: StubFarm, cli: Cli, arguments: list[str], says: str
) -> None:
    done = cli("submit", "sleep", *arguments)
    assert (done.code, done.out, stub.jobs) == (2, "", {})
    assert says in done.err


@pytest.mark.parametrize("content", ["[1]", "{", "5", ""])
def test_a_settings_file_must_hold_an_object(stub: StubFarm, cli: Cli, tmp_path: Path, content: str) -> None:
    (tmp_path / "s.json").write_text(content)
    done = cli("submit", "sleep", "--file", f"{tmp_path}/s.json")
    assert (done.code, stub.jobs) == (2, {})
    assert "s.json" in done.err


def test_a_problem_document_is_one_line_that_names_the_field(cli: Cli) -> None:
    done = cli("submit", "nonsense")
    assert done == Done(2, "", "millrace: type: no such job type; there are sleep and transcode\n")


def test_submit_and_wait_tells_by_its_code_how_it_went(stub: StubFarm, cli: Cli) -> None:
    def end(request: str) -> None:
        for job in stub.jobs.values():
            job.update(status="failed", error="the task lost its worker")

    stub.after_request = end
    done = cli("submit", "sleep", "--wait")
    assert (done.code, done.out) == (1, "1000\n")
    assert "the task lost its worker" in done.err


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1), ("canceled", 1)])
def test_wait_ends_with_the_job(stub: StubFarm, cli: Cli, status: str, code: int) -> None:
    assert cli("wait", stub.add_job(status=status)).code == code


def test_waiting_for_several_jobs_is_as_good_as_the_worst(stub: StubFarm, cli: Cli) -> None:
    assert cli("wait", stub.add_job(status="completed"), stub.add_job(status="failed")).code == 1


def test_a_wait_that_runs_out_has_a_code_of_its_own(stub: StubFarm, cli: Cli) -> None:
    assert cli("wait", stub.add_job(), "--timeout", "0.2").code == 4


def test_unreachable_is_exit_code_3(cli: Cli, free_port: Callable[[], int]) -> None:
    done = cli("jobs", "--farm", f"http://127.0.0.1:{free_port()}")
    assert done.code == 3
    assert done.err.count("\n") == 1


def test_a_closed_farm_without_a_token_names_the_variable(stub: StubFarm, cli: Cli) -> None:
    stub.token = "secret"
    done = cli("jobs")
    assert done.code == 1
    assert "MILLRACE_TOKEN" in done.err


def test_the_token_comes_from_the_environment(stub: StubFarm, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.token = "secret"
    monkeypatch.setenv("MILLRACE_TOKEN", "secret")
    assert cli("jobs").code == 0
    monkeypatch.setenv("MILLRACE_TOKEN", "another")
    assert "is no token of this farm" in cli("jobs").err


def test_an_unknown_id_is_said_plainly(cli: Cli) -> None:
    done = cli("show", "999")
    assert done == Done(1, "", "millrace: there is no job and no task 999\n")


def test_jobs_are_listed_up_to_a_limit(stub: StubFarm, cli: Cli) -> None:
    for number in range(8):
        stub.add_job(name=f"job number {number}", status="active", progress=12.5)
    lines = cli("jobs", "--limit", "5").out.splitlines()
    assert len(lines) == 6
    assert "job number 4" in lines[5] and "active" in lines[5] and "12 %" in lines[5]


def test_a_table_in_a_pipe_is_never_cut(stub: StubFarm, cli: Cli) -> None:
    stub.add_job(name="n" * 300)
    assert "n" * 300 in cli("jobs").out


@pytest.mark.parametrize("arguments", [["--json", "jobs"], ["jobs", "--json"]])
def test_json_may_stand_before_or_after_the_command(stub: StubFarm, cli: Cli, arguments: list[str]) -> None:
    stub.add_job(name="one")
    assert [job["name"] for job in json.loads(cli(*arguments).out)] == ["one"]


def test_every_command_that_answers_answers_in_json(stub: StubFarm, cli: Cli, tmp_path: Path) -> None:
    job = stub.add_job(status="active")
    task = stub.add_task(job)
    stub.add_attempt(task, "completed", b"hello\n")
    stub.add_output(job, "a.txt", b"x")
    calls = [["submit", "sleep"], ["show", job], ["show", task], ["logs", task], ["logs", job], ["workers"]]
    calls += [
        ["pause", job],
        ["resume", job],
        ["cancel", job],
        ["retry", job],
        ["download", job, "--to", str(tmp_path)],
    ]
    stub.jobs[job]["status"] = "active"
    for call in calls:
        json.loads(cli(*call, "--json").out)
    stub.jobs[job]["status"] = "completed"
    assert json.loads(cli("wait", job, "--json").out)["status"] == "completed"
    assert json.loads(cli("delete", job, "--json").out)["id"] == job


def test_a_webhook_is_a_url_or_an_address(cli: Cli) -> None:
    """What an address is told is signed by nobody, so it needs no secret."""
    assert cli("webhook", "https://chat.example/x").out == "7 told-once\n"
    assert cli("webhook", "--email", "ann@example.com").out == "7\n"
    assert json.loads(cli("webhook", "--email", "ann@example.com", "--json").out)["url"] == "mailto:ann@example.com"
    soon = cli("webhook", "https://soon.invalid/x")
    assert soon.out == "7 told-once\n" and "could not be resolved" in soon.err
    for wrong in ([], ["https://chat.example/x", "--email", "ann@example.com"]):
        refused = cli("webhook", *wrong)
        assert refused.code == 2 and "--email" in refused.err


def test_show_tells_why_a_task_went_wrong(stub: StubFarm, cli: Cli) -> None:
    job = stub.add_job(name="film", status="failed", error="a task failed for good", counts={"failed": 1})
    task = stub.add_task(job, name="convert 1 of 9", status="failed")
    stub.add_attempt(task, "failed")
    stub.tasks[task]["attempts"][0].update(error="ffmpeg: no such codec\nmore", exit_code=1)
    stub.tasks[task]["activity"] = "frame 7"
    assert re.search(r"failed +\d+ % +77 +ffmpeg: no such codec\n", cli("show", job).out)
    assert "exit code 1" in cli("show", task).out


def test_show_names_the_worker_that_has_a_task_or_had_it_at_its_end(stub: StubFarm, cli: Cli) -> None:
    job = stub.add_job()
    for status, outcome, holder in [
        ("completed", "completed", None),
        ("active", None, "78"),
        ("queued", "failed", None),
    ]:
        task = stub.add_task(job, name=f"frame {status}", status=status, worker=holder)
        stub.add_attempt(task, outcome)
    said = {line.split()[2]: line.split()[6:] for line in cli("show", job).out.splitlines() if " frame " in line}
    assert said == {"completed": ["77"], "active": ["78"], "queued": []}


def test_waiting_for_a_job_that_fails_tells_each_reason_once_and_where_more_is(stub: StubFarm, cli: Cli) -> None:
    job = stub.add_job(status="failed", error="3 of 4 tasks failed")
    for name, said in (
        ("frame 1", "no licence"),
        ("frame 2", "no such file"),
        ("frame 3", "no licence"),
        ("frame 4", ""),
    ):
        task = stub.add_task(job, name=name, status="failed" if said else "completed")
        stub.add_attempt(task, "failed" if said else "completed")
        stub.tasks[task]["attempts"][0]["error"] = said or None
    told = cli("wait", job).err
    assert told.index("  frame 1 and 1 more: no licence\n") < told.index("  frame 2: no such file\n")
    assert f"millrace logs {job} --error" in told


def test_whoever_waits_for_a_job_that_nobody_takes_is_told_what_it_waits_for(
    stub: StubFarm, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PATIENCE_WITH_A_QUEUE_SECONDS", 0.2)
    told = cli("wait", stub.add_job(status="queued"), "--timeout", "1")
    assert told.code == 4 and told.err.count("it waits: no worker is registered with this farm") == 1
    assert "it waits" not in cli("wait", stub.add_job(status="active"), "--timeout", "1").err
    assert cli("wait", stub.add_job(status="queued"), "--timeout", "0").code == 4


def test_frames_that_cannot_be_are_refused_before_anything_is_sent(stub: StubFarm, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "shot.blend").write_bytes(b"BLENDER")
    for frames, said in (
        ("10-1", "write 1-10"),
        ("1-5,9-7x2", "write 7-9x2"),
        ("abc", "no frame range"),
        ("", "1-250"),
    ):
        for command in (["blender-render", f"{tmp_path}/shot.blend"], ["frames"]):
            done = cli("submit", command[0], "--frames", frames, *command[1:], "--", *(["true"] * (len(command) == 1)))
            assert (done.code, stub.requests) == (2, []) and said in done.err
    assert cli("submit", "frames", "--frames", " -10--5, 1 - 9 x 2 ,300", "true").code == 0


def test_a_misspelt_command_or_type_is_told_of_its_neighbour(stub: StubFarm, cli: Cli) -> None:
    assert "Did you mean submit?" in cli("sumbit", "frames").err
    assert "Is blender-render the type that is meant?" in cli("submit", "blendr-render", "--frames", "1").err
    assert "the type that is meant" not in cli("submit", "sleep", "--frames", "1").err
    assert stub.jobs == {}


def test_workers_are_asked_by_name_or_id_to_sleep_wake_and_end(stub: StubFarm, cli: Cli) -> None:
    for worker, name in (("77", "corner"), ("78", "twin"), ("79", "twin")):
        stub.workers.append({
            "id": worker, "uuid": "u", "name": name, "status": "awake", "status_requested": None,
            "task_types": ["sleep"], "tags": [], "slots": 1, "tasks": [], "last_contact_at": None,
        })  # fmt: skip
    assert cli("workers", "sleep", "corner").out == "77 corner: awake, asked to be asleep\n"
    assert cli("workers", "drain", "78", "--now").code == 0
    assert cli("workers", "wake", "corner").code == 0
    assert stub.said == [
        {"status": "asleep", "lazy": True},
        {"status": "offline", "lazy": False},
        {"status": "awake", "lazy": False},
    ]
    assert "corner" in cli("workers").out
    for name, said in (("twin", "78, 79"), ("nobody", "there are corner, twin")):
        refused = cli("workers", "sleep", "corner", name)
        assert refused.code == 2 and said in refused.err
    assert len(stub.said) == 3
    assert cli("workers", "forget", "corner").out == "77 corner: forgotten\n"
    assert [one["id"] for one in stub.workers] == ["78", "79"]


def test_logs_of_a_job_name_the_task_of_each_line(stub: StubFarm, cli: Cli) -> None:
    job = stub.add_job(status="completed")
    for name in ("split", "join"):
        stub.add_attempt(stub.add_task(job, name=name, status="completed"), "completed", b"one\ntwo\n")
    assert cli("logs", job).out == "[split] one\n[split] two\n[join] one\n[join] two\n"


def test_logs_follow_until_the_job_ends(stub: StubFarm, cli: Cli) -> None:
    job = stub.add_job(status="active")
    task = stub.add_task(job, name="t", status="active")
    stub.add_attempt(task, None, b"one\n")

    def go_on() -> None:
        stub.logs[(task, 1)] += b"two\n"
        stub.tasks[task]["status"] = stub.jobs[job]["status"] = "completed"

    timer = threading.Timer(0.3, go_on)
    timer.start()
    assert cli("logs", "-f", job).out == "[t] one\n[t] two\n"
    timer.join()


def test_logs_that_come_a_moment_after_the_end_of_the_job_are_printed_too(stub: StubFarm, cli: Cli) -> None:
    job = stub.add_job(status="completed")
    task = stub.add_task(job, name="t", status="completed")
    stub.add_attempt(task, "completed", b"one\n")
    stub.tasks[task]["attempts"][0]["ended_at"] = datetime.now(UTC).isoformat()

    def come_late() -> None:
        stub.logs[(task, 1)] += b"two\n"

    timer = threading.Timer(0.5, come_late)
    timer.start()
    assert cli("logs", "-f", job).out == "[t] one\n[t] two\n"
    timer.join()


def test_logs_of_one_attempt(stub: StubFarm, cli: Cli) -> None:
    task = stub.add_task(stub.add_job(), status="completed")
    stub.add_attempt(task, "failed", b"first\n")
    stub.add_attempt(task, "completed", b"second\n" * 1000)
    assert cli("logs", task, "--attempt", "1").out == "first\n"
    assert cli("logs", task).out == "second\n" * 1000


def test_jobs_are_steered_one_after_the_other(stub: StubFarm, cli: Cli) -> None:
    first, second = stub.add_job(), stub.add_job()
    assert cli("pause", first, second).out == f"{first} paused\n{second} paused\n"
    assert cli("delete", first).code == 0
    assert list(stub.jobs) == [second]


def test_a_refused_change_is_exit_code_1(stub: StubFarm, cli: Cli) -> None:
    done = cli("cancel", stub.add_job(status="completed"))
    assert done.code == 1
    assert "has ended" in done.err


def test_downloads_are_listed_by_path(stub: StubFarm, cli: Cli, tmp_path: Path) -> None:
    job = stub.add_job(status="completed")
    stub.add_output(job, "movie.mp4", b"frames")
    assert cli("download", job, "--to", str(tmp_path)).out == f"{tmp_path}/movie.mp4\n"


def test_what_exit_codes_mean_is_said_in_short(stub: StubFarm, cli: Cli) -> None:
    rules = ["--on-exit", "3=fail", "--on-exit", "9=retry:60", "--on-exit", "211=wait:300"]
    assert cli("submit", "sleep", "--retry-delay", "5", *rules).code == 0
    assert stub.jobs["1000"]["retry"] == {
        "delay_seconds": 5,
        "exit_codes": {
            "3": {"action": "fail"},
            "9": {"action": "retry", "delay_seconds": 60, "counted": True},
            "211": {"action": "retry", "delay_seconds": 300, "counted": False},
        },
    }
    assert "write 3=fail, 9=retry:60, or 211=wait:300" in cli("submit", "sleep", "--on-exit", "3=never").err


def test_a_job_runs_again_for_some_of_its_frames(stub: StubFarm, cli: Cli) -> None:
    settings = {"frames": "1-250", "samples": 64}
    job = stub.add_job(type="frames", name="shot", settings=settings, tags=["gpu"], priority=70)
    assert cli("rerun", job, "--frames", "12,40-45", "--set", "samples=512").code == 0
    again = stub.jobs["1001"]
    assert (again["type"], again["name"]) == ("frames", "shot again")
    assert again["settings"] == {"frames": "12,40-45", "samples": 512}
    assert (again["tags"], again["priority"]) == (["gpu"], 70)
    assert cli("rerun", job, "--priority", "50").code == 0 and stub.jobs["1002"]["priority"] == 50
    assert "has no frames" in cli("rerun", stub.add_job(type="sleep"), "--frames", "1").err


def test_some_frames_alone_make_no_video_that_would_take_the_place_of_the_whole_one(stub: StubFarm, cli: Cli) -> None:
    job = stub.add_job(type="blender-render", settings={"frames": "1-250", "preview": True})
    shared = stub.add_job(type="blender-render", settings={"frames": "1-9", "preview": True, "output_path": "/mnt/out"})
    lines = [
        [job, "--frames", "12"],
        [job, "--frames", "12", "--set", "preview=true"],
        [job],
        [shared, "--frames", "2"],
    ]
    assert [cli("rerun", *line).code for line in lines] == [0, 0, 0, 0]
    again = [stub.jobs[str(1002 + number)]["settings"].get("preview", False) for number in range(4)]
    assert again == [False, True, True, True]


def test_a_job_that_runs_again_keeps_its_limits_and_what_its_failures_mean(stub: StubFarm, cli: Cli) -> None:
    retry = {"delay_seconds": 60, "exit_codes": {"211": {"action": "retry", "delay_seconds": 300, "counted": False}}}
    job = stub.add_job(type="frames", max_workers=4, retry=retry, max_retries=0, on_failure="stop")
    assert cli("rerun", job).code == 0
    kept = ("max_workers", "retry", "max_retries", "on_failure")
    assert [stub.jobs["1001"][name] for name in kept] == [4, retry, 0, "stop"]
    others = ["--max-workers", "9", "--retry-delay", "5", "--max-retries", "1", "--on-failure", "continue"]
    assert cli("rerun", job, *others).code == 0
    assert [stub.jobs["1002"][name] for name in kept] == [9, {**retry, "delay_seconds": 5}, 1, "continue"]


@pytest.mark.parametrize("type", [["blender-render", "--frames", "1-9"], ["blender-render-tiles"]])
def test_what_is_said_of_any_job_can_be_said_of_one_for_blender(stub: StubFarm, cli: Cli, type: list[str]) -> None:
    of_the_job = [
        "--max-workers",
        "4",
        "--max-retries",
        "2",
        "--on-failure",
        "stop",
        "--priority",
        "60",
        "--tag",
        "gpu",
    ]
    assert cli("submit", *type, "/nas/a.blend", "--shared", *of_the_job).code == 0
    job = stub.jobs["1000"]
    assert [job[name] for name in ("max_workers", "max_retries", "on_failure", "priority")] == [4, 2, "stop", 60]
    assert job["tags"] == ["gpu"]
    assert set(job["settings"]) <= {"frames", "frame", "columns", "rows", "chunk", "prefix", "blend"}


def test_a_word_of_a_command_may_be_longer_than_a_file_name(stub: StubFarm, cli: Cli) -> None:
    script = "echo {frame}; " * 50
    assert cli("submit", "frames", "--frames", "1", "--", "bash", "-c", script).code == 0
    assert stub.jobs["1000"]["settings"]["command"] == ["bash", "-c", script]


def test_a_zip_file_is_written_whole_or_not_at_all(stub: StubFarm, cli: Cli, tmp_path: Path) -> None:
    job = stub.add_job(status="completed")
    stub.add_output(job, "a/movie.mp4", b"frames")
    target = tmp_path / "out.zip"
    assert cli("download", job, "--zip", str(target)).code == 0
    with zipfile.ZipFile(target) as archive:
        assert archive.read("a/movie.mp4") == b"frames"
    before = target.read_bytes()
    stub.blobs = dict.fromkeys(stub.blobs, b"damage")
    assert cli("download", job, "--zip", str(target)).code == 1
    assert target.read_bytes() == before and os.listdir(tmp_path) == ["out.zip"]


def test_a_zip_without_files_is_not_written(stub: StubFarm, cli: Cli, tmp_path: Path) -> None:
    assert cli("download", stub.add_job(), "--zip", f"{tmp_path}/out.zip").code == 1
    assert os.listdir(tmp_path) == []


def test_a_job_without_outputs_downloads_nothing_and_says_so(stub: StubFarm, cli: Cli, tmp_path: Path) -> None:
    done = cli("download", stub.add_job(), "--to", str(tmp_path))
    assert done.code == 1
    assert "no outputs" in done.err


def test_workers_are_listed_with_what_they_can_do(stub: StubFarm, cli: Cli) -> None:
    stub.workers.append({
        "id": "7", "uuid": "u", "name": "node7", "status": "awake", "status_requested": None, "task_types": ["sleep"],
        "tags": [], "slots": 2, "tasks": ["5"], "last_contact_at": None,
    })  # fmt: skip
    out = cli("workers").out
    assert "node7" in out and "1/2" in out and "sleep" in out
    rungs = [f"vcpu>={count}" for count in (1, 2, 12, 3)]
    stub.workers[-1]["tags"] = ["vcpu", *rungs, "os.family=linux", "memory>=256", "a>=b"]
    assert " vcpu,vcpu>=12,os.family=linux,memory>=256,a>=b " in cli("workers").out


def test_serve_without_a_checkout_says_where_the_manager_is(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    done = cli("serve")
    assert done.code == 1
    assert "MILLRACE_HOME" in done.err and str(tmp_path) in done.err


def test_a_reader_that_leaves_is_nothing_to_talk_about(stub: StubFarm) -> None:
    task = stub.add_task(stub.add_job(), status="completed")
    stub.add_attempt(task, "completed", b"line\n" * 100_000)
    environment = os.environ | {"MILLRACE_URL": stub.url, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "millrace.cli", "logs", task]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_every_command_explains_itself() -> None:
    context = click.Context(millrace)
    for name in millrace.list_commands(context):
        command = millrace.get_command(context, name)
        assert command is not None and command.help, name
        assert run([name, "--help"]) == 0


def test_the_worker_command_takes_what_the_agent_takes_by_default() -> None:
    assert tuple(worker_options.TASK_TYPES.split(",")) == DEFAULT_TASK_TYPES
    assert tuple(worker_options.RUNTIMES.split(",")) == DEFAULT_RUNTIMES


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--listen", "127.0.0.1:0"], "--listen HOST:PORT, --master URL and --storage DIR go together"),
        (["--master", "http://127.0.0.1:20000", "--storage", "."], "go together"),
        (["--listen", "127.0.0.1", "--master", "http://127.0.0.1:20000", "--storage", "."], "--listen"),
        (["--listen", "127.0.0.1:0", "--master", "master", "--storage", "."], "is not a master's URL"),
        (["--listen", "127.0.0.1:0", "--master", "http://127.0.0.1:20000", "--storage", "/nowhere"], "--storage"),
    ],
)
def test_a_worker_listens_only_when_all_that_it_takes_is_said(cli: Cli, options: list[str], said: str) -> None:
    done = cli("worker", *options)
    assert done.code == 2 and said in done.err


@pytest.mark.parametrize(
    ("arguments", "types", "apart"),
    [
        ([], DEFAULT_TASK_TYPES, {}),
        (["--sandbox"], CONFINED_TYPES, {"sandbox": True}),
        (["--task-user", "nobody", "--types", "exec,sim"], ("exec", "sim"), {"user": "nobody"}),
        (
            ["--task-memory-mb", "500", "--task-cpu-seconds", "60"],
            DEFAULT_TASK_TYPES,
            {"memory_mb": 500, "cpu_seconds": 60},
        ),
    ],
)
def test_a_worker_is_told_how_to_keep_its_tasks_apart(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], types: tuple[str, ...], apart: dict[str, object]
) -> None:
    """And takes by itself only types that it can run so."""
    told: dict[str, Any] = {}
    monkeypatch.setattr("millrace.agent.run.run_worker", lambda url, **options: told.update(options) or 0)
    monkeypatch.setattr("millrace.runtimes.blender.find_blender", lambda: None)
    assert run(["worker", *arguments]) == 0
    assert told["task_types"][: len(types)] == types
    nothing = {"user": None, "sandbox": False, "memory_mb": None, "cpu_seconds": None, "writable": ()}
    nothing |= {"cgroup": None, "cpus": None, "processes": None}
    assert told["apart"] == {**nothing, **apart}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], {}),
        (["--failed"], {"only": "failed"}),
        (["--only", "failed"], {"only": "failed"}),
        (["--only", "canceled"], {"only": "canceled"}),
        (["--frames", "12,40-45"], {"frames": "12,40-45"}),
        (["--task", "5000", "--task", "5001"], {"tasks": ["5000", "5001"]}),
    ],
)
def test_retry_says_what_is_to_run_again(stub: StubFarm, cli: Cli, options: list[str], said: dict[str, Any]) -> None:
    job = stub.add_job(status="failed")
    assert cli("retry", job, *options).code == 0
    assert stub.said == [said]


def test_retry_takes_one_choice(stub: StubFarm, cli: Cli) -> None:
    refused = cli("retry", stub.add_job(), "--failed", "--frames", "3")
    assert refused.code == 2 and "not several" in refused.err and stub.said == []


def test_retry_of_what_is_missing_names_the_tasks_whose_files_are_gone(stub: StubFarm, cli: Cli) -> None:
    job = stub.add_job(status="failed", counts={**dict.fromkeys(WORDS, 0), "failed": 1, "completed": 3})
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        stub.add_output(job, name, name.encode(), task=str(5000 + number), task_name=f"frame {number}")
    for lost in (stub.jobs[job]["outputs"][0], stub.jobs[job]["outputs"][2]):
        del stub.blobs[lost["sha256"]]
    done = cli("retry", job, "--missing")
    assert done.code == 0 and "2 completed tasks with files that are gone" in done.err
    assert stub.said == [{"tasks": ["5000", "5002"]}, {}]


def test_frames_are_added(stub: StubFarm, cli: Cli) -> None:
    job = stub.add_job(status="active")
    done = cli("add-frames", job, "3-5")
    assert (done.code, done.out.strip()) == (0, f"{job} frames 4-5 added; 3 were there already")
    assert json.loads(cli("add-frames", job, "3-5", "--json").out)["added"] == "4-5"


def test_what_is_said_of_a_job_type_is_added_to_what_was_said(stub: StubFarm, cli: Cli) -> None:
    said = cli("retry-policy", "blender-render", "--attempts", "5", "--on-exit", "211=wait:300")
    assert said.code == 0 and "211=wait:300" in said.out
    cli("retry-policy", "blender-render", "--on-exit", "3=fail", "--idle-seconds", "600")
    [policy] = json.loads(cli("retry-policy", "--json").out).values()
    assert (policy["max_retries"], policy["idle_seconds"], sorted(policy["exit_codes"])) == (4, 600, ["211", "3"])
    assert cli("retry-policy", "blender-render", "--clear").code == 0 and stub.policies == {}
    assert "name the job type" in cli("retry-policy", "--attempts", "3").err


def test_logs_show_the_line_that_says_why(stub: StubFarm, cli: Cli) -> None:
    job = stub.add_job(status="failed")
    task, quiet = (
        stub.add_task(job, status="failed", name="frame 7"),
        stub.add_task(job, status="failed", name="frame 8"),
    )
    stub.errors[task] = {
        "text": "KeyError: 'bone'",
        "number": 12,
        "offset": 200,
        "before": ["above"],
        "after": ["below"],
    }
    one = cli("logs", task, "--error")
    assert one.code == 0 and "attempt 1, line 12" in one.out
    assert one.out.index("above") < one.out.index("> KeyError: 'bone'") < one.out.index("below")
    both = cli("logs", job, "--error")
    assert both.code == 0 and f"frame 8 ({quiet}): no line" in both.out
    assert cli("logs", quiet, "--error").code == 1
    assert [each["task"] for each in json.loads(cli("logs", job, "--error", "--json").out)] == [task, quiet]
    assert cli("logs", task, "--error", "-f").code == 2


def test_how_long_jobs_are_kept_is_shown_set_and_tried(stub: StubFarm, cli: Cli) -> None:
    old = stub.add_job(status="completed", name="old", finished_at="2026-01-02T03:04:05Z")
    assert "for ever" in cli("retention").out
    tried = cli("retention", "--days", "30", "--preview")
    assert "1 job would be deleted" in tried.out and old in tried.out and stub.kept_days is None
    assert "for 30 days" in cli("retention", "--days", "30").out and stub.kept_days == 30
    assert json.loads(cli("retention", "--json").out) == {"ended_jobs_days": 30, "content_days": None}
    assert "for ever" in cli("retention", "--keep").out and stub.kept_days is None
    assert "no job needs are kept for 20 days" in cli("retention", "--content-days", "20").out
    assert (stub.kept_days, stub.content_days) == (None, 20)
    assert "until somebody prunes" in cli("retention", "--keep-content").out and stub.content_days is None
    assert cli("retention", "--keep-content", "--content-days", "3").code == 2
    assert cli("retention", "--preview", "--days", "3", "--content-days", "3").code == 2 and stub.content_days is None
    assert cli("retention", "--preview").code == 2 and cli("retention", "--keep", "--days", "3").code == 2
