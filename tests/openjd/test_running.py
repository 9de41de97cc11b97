"""Templates, one for each feature, submitted from the command line and run by a real worker."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from millrace import Farm
from millrace.openjd.document import document_of, settings_of
from millrace.openjd.paths import files_of, layout_of
from millrace.openjd.template import read_template, ready_job
from millrace.sdk.values import as_json
from tests.together.ensemble import Ensemble
from tests.together.test_command_line import DONE, FAILED, USAGE, Shell
from tests.worker.processes import until

HEAD = "specificationVersion: jobtemplate-2023-09\nname: '{{Param.Title}}'\n"
TITLE = "parameterDefinitions: [{name: Title, type: STRING, default: untitled}]\n"


def script(line: str, **more: str) -> str:
    """A step's script: bash runs this line, which lies in an embedded file."""
    extra = "".join(f", {name}: {value}" for name, value in more.items())
    run = 'onRun: {command: bash, args: ["{{Task.File.Run}}"]' + extra + "}"
    return f"script: {{actions: {{{run}}}, embeddedFiles: [{{name: Run, type: TEXT, data: '{line}'}}]}}"


def run(millrace: Shell, folder: Path, text: str, *arguments: str) -> tuple[int, str]:
    """Submit and wait: the exit code and the job's id."""
    path = folder / "template.yaml"
    path.write_text(text)
    done = millrace.run("submit", "openjd", str(path), "--wait", "--max-retries", "0", *arguments)
    assert re.fullmatch(r"[0-9]+\n", done.stdout), done.stderr
    return done.returncode, done.stdout.strip()


def completed(millrace: Shell, folder: Path, text: str, *arguments: str) -> str:
    """The log of a job that completed."""
    code, job = run(millrace, folder, text, *arguments)
    assert code == DONE, millrace.run("logs", job).stdout
    return log_of(millrace, job)


def log_of(millrace: Shell, job: str) -> str:
    """Of all its tasks, once it is all there: a worker sends it beside its report."""
    farm = Farm(millrace.environment["MILLRACE_URL"])
    until(lambda: all(": done in " in farm.log(task).text for task in farm.tasks(job)), "the end of each log", 60)
    return millrace.run("logs", job).stdout


def test_parameters_and_embedded_files(millrace: Shell, tmp_path: Path) -> None:
    text = HEAD + TITLE + "steps:\n- name: Say\n  " + script('echo "title is {{Param.Title}}"') + "\n"
    assert "title is a shot" in completed(millrace, tmp_path, text, "-p", "Title=a shot")
    assert any(job["name"] == "a shot" for job in millrace.answer("jobs"))


def test_a_task_for_each_point_of_the_parameter_space(millrace: Shell, tmp_path: Path) -> None:
    text = (
        HEAD
        + TITLE
        + """
steps:
- name: Render
  parameterSpace:
    taskParameterDefinitions:
    - {name: Frame, type: INT, range: "1-3"}
    - {name: Eye, type: STRING, range: [left, right]}
    combination: "Eye * Frame"
  """
        + script("echo rendered {{Task.Param.Eye}} {{Task.Param.Frame}}")
        + "\n"
    )
    log = completed(millrace, tmp_path, text)
    for eye in ("left", "right"):
        for frame in (1, 2, 3):
            assert f"rendered {eye} {frame}" in log


def test_fixed_chunks(millrace: Shell, tmp_path: Path) -> None:
    text = (
        HEAD
        + TITLE
        + """
extensions: [TASK_CHUNKING]
steps:
- name: Render
  parameterSpace:
    taskParameterDefinitions:
    - name: Frame
      type: "CHUNK[INT]"
      range: "1-5"
      chunks: {defaultTaskCount: 3, rangeConstraint: CONTIGUOUS}
  """
        + script("echo frames {{Task.Param.Frame}}")
        + "\n"
    )
    log = completed(millrace, tmp_path, text)
    assert "frames 1-3" in log and "frames 4-5" in log


def test_steps_wait_for_what_they_depend_on(millrace: Shell, tmp_path: Path) -> None:
    marker = tmp_path / "first"
    text = (
        HEAD
        + TITLE
        + "steps:\n- name: Second\n  dependencies: [{dependsOn: First}]\n  "
        + script(f"cat {marker}")
        + "\n- name: First\n  "
        + script(f"sleep 0.5; echo was here > {marker}")
        + "\n"
    )
    assert "was here" in completed(millrace, tmp_path, text)


def test_environments_are_entered_and_left_in_reverse(millrace: Shell, tmp_path: Path) -> None:
    def environment(name: str, variable: str) -> str:
        return f"""
- name: {name}
  script:
    actions:
      onEnter: {{command: bash, args: ["-c", "echo entering {name}; echo openjd_env: {variable}={name.lower()}"]}}
      onExit: {{command: bash, args: ["-c", "echo leaving {name}"]}}
"""

    text = (
        HEAD
        + TITLE
        + "jobEnvironments:"
        + environment("Job", "OUTER")
        + "steps:\n- name: Use\n  stepEnvironments:"
        + environment("Step", "INNER").replace("\n", "\n  ")
        + "\n  "
        + script("echo got $OUTER $INNER")
        + "\n"
    )
    log = completed(millrace, tmp_path, text)
    said = re.findall(r"(entering \w+|leaving \w+|got job step)$", log, re.MULTILINE)
    assert said == ["entering Job", "entering Step", "got job step", "leaving Step", "leaving Job"]


def test_files_go_out_and_come_back_under_mapped_paths(millrace: Shell, tmp_path: Path) -> None:
    (tmp_path / "scene").mkdir()
    (tmp_path / "scene" / "shot.txt").write_text("a scene")
    text = (
        HEAD
        + """
parameterDefinitions:
- {name: Title, type: STRING, default: paths}
- {name: Scene, type: PATH, objectType: FILE, dataFlow: IN, default: scene/shot.txt}
- {name: Out, type: PATH, objectType: DIRECTORY, dataFlow: OUT, default: frames}
steps:
- name: Render
  parameterSpace: {taskParameterDefinitions: [{name: Frame, type: INT, range: "1-2"}]}
  """
        + script("mkdir -p {{Param.Out}}; tr a-z A-Z < {{Param.Scene}} > {{Param.Out}}/{{Task.Param.Frame}}.txt")
        + "\n"
    )
    code, job = run(millrace, tmp_path, text)
    assert code == DONE
    assert millrace.run("download", job, "--to", str(tmp_path / "back")).returncode == DONE
    files = sorted(path for path in (tmp_path / "back").rglob("*") if path.is_file())
    assert [path.name for path in files] == ["1.txt", "2.txt"]
    assert {path.read_text() for path in files} == {"A SCENE"}
    assert not (tmp_path / "frames").exists()


def test_progress_and_status_reach_the_farm(millrace: Shell, tmp_path: Path) -> None:
    go = tmp_path / "go"
    line = f"echo openjd_progress: 40; echo openjd_status: halfway there; until [ -e {go} ]; do sleep 0.05; done"
    path = tmp_path / "template.yaml"
    path.write_text(HEAD + TITLE + "steps:\n- name: Say\n  " + script(line) + "\n")
    job = millrace.run("submit", "openjd", str(path)).stdout.strip()

    def told() -> bool:
        found: list[dict[str, Any]] = [job_task for job_task in tasks_of(millrace, job) if job_task["progress"] == 40]
        return bool(found) and found[0]["activity"] == "halfway there"

    until(told, "the progress", 30)
    go.touch()
    assert millrace.run("wait", job).returncode == DONE


def tasks_of(millrace: Shell, job: str) -> list[dict[str, Any]]:
    return [as_json(task) for task in Farm(millrace.environment["MILLRACE_URL"]).tasks(job)]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (script("echo openjd_fail: no such camera; exit 3"), "no such camera"),
        (script("exit 3"), "the task failed: exit code 3"),
        (script("sleep 60", timeout="1"), "ran longer than the template allows"),
    ],
)
def test_a_failure_is_told_in_the_template_s_words(millrace: Shell, tmp_path: Path, step: str, says: str) -> None:
    code, job = run(millrace, tmp_path, HEAD + TITLE + "steps:\n- name: Break\n  " + step + "\n")
    assert code == FAILED
    assert says in millrace.run("show", job).stdout


def test_a_canceled_task_gets_its_notice_and_environments_are_left(millrace: Shell, tmp_path: Path) -> None:
    text = (
        HEAD
        + TITLE
        + f"""
jobEnvironments:
- name: Room
  script:
    actions:
      onEnter: {{command: bash, args: ["-c", "true"]}}
      onExit: {{command: bash, args: ["-c", "echo left > {tmp_path}/left"]}}
steps:
- name: Wait
  """
        + script(
            f'trap "echo noticed > {tmp_path}/noticed; exit 0" TERM; touch {tmp_path}/begun; '
            "while true; do sleep 0.05; done",
            cancelation="{mode: NOTIFY_THEN_TERMINATE, notifyPeriodInSeconds: 20}",
        )
        + "\n"
    )
    path = tmp_path / "template.yaml"
    path.write_text(text)
    job = millrace.run("submit", "openjd", str(path)).stdout.strip()
    until((tmp_path / "begun").exists, "the task", 30)
    assert millrace.run("cancel", job).returncode == DONE
    until((tmp_path / "left").exists, "the end of the environment", 30)
    assert (tmp_path / "noticed").exists()
    assert millrace.run("wait", job).returncode == FAILED


def test_a_worker_without_what_a_step_requires_does_not_get_it(millrace: Shell, tmp_path: Path) -> None:
    def requiring(licence: str) -> str:
        needs = f"hostRequirements: {{attributes: [{{name: attr.licence, anyOf: [{licence}]}}]}}"
        return HEAD + TITLE + f"steps:\n- name: Comp\n  {needs}\n  " + script("echo composited") + "\n"

    assert "composited" in completed(millrace, tmp_path, requiring("nuke"))
    path = tmp_path / "template.yaml"
    path.write_text(requiring("flame"))
    job = millrace.run("submit", "openjd", str(path)).stdout.strip()
    assert "licence=flame" in millrace.run("why", job).stdout
    assert millrace.run("cancel", job).returncode == DONE


def test_a_bundle_as_submitters_save_it(millrace: Shell, ensemble: Ensemble, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    (bundle / "assets").mkdir(parents=True)
    (bundle / "assets" / "wood.txt").write_text("oak")
    (bundle / "template.yaml").write_text(
        HEAD
        + TITLE
        + "steps:\n- name: Look\n  "
        + script("cat " + str(bundle / "assets" / "wood.txt") + "; pwd")
        + "\n"
    )
    (bundle / "parameter_values.yaml").write_text(
        "parameterValues: [{name: Title, value: from a bundle}, {name: 'deadline:priority', value: 50}]"
    )
    (bundle / "asset_references.yaml").write_text("assetReferences: {inputs: {directories: [assets]}}")
    done = millrace.run("submit", "bundle", str(bundle), "--wait")
    assert done.returncode == DONE, done.stderr
    assert "uploaded 1 file (" in done.stderr
    [job] = [job for job in millrace.answer("jobs") if job["name"] == "from a bundle"]
    assert "oak" in log_of(millrace, job["id"])


def test_a_bundle_of_many_small_files_goes_up_in_few_requests_and_once(
    millrace: Shell, ensemble: Ensemble, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    for number in range(200):
        file = bundle / "assets" / f"part{number % 7}" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"texture {number}\n")
    (bundle / "elsewhere").mkdir()
    (bundle / "elsewhere" / "shot.txt").write_text("a scene from elsewhere\n")
    (bundle / "template.yaml").write_text(
        HEAD
        + """
parameterDefinitions:
- {name: Title, type: STRING, default: many files}
- {name: Assets, type: PATH, objectType: DIRECTORY, dataFlow: IN, default: assets}
- {name: Shot, type: PATH, objectType: FILE, dataFlow: IN, default: elsewhere/shot.txt}
steps:
- name: Look
  """
        + script("cat {{Param.Assets}}/part*/*.txt | sort | sha256sum; tr a-z A-Z < {{Param.Shot}}")
        + "\n"
    )

    def submitted() -> tuple[str, list[str]]:
        """The job, and what was asked of the farm until it was made."""
        before = len(ensemble.server.output)
        done = millrace.run("submit", "bundle", str(bundle))
        assert done.returncode == DONE, done.stderr
        assert "uploaded 201 files" in done.stderr
        asked = [json.loads(line) for line in ensemble.server.output[before:].splitlines() if line.startswith("{")]
        calls = [f"{one['method']} {one['path']}" for one in asked if one.get("action") == "request"]
        calls = calls[: calls.index("POST /api/v1/jobs")]  # from then on the worker fetches
        return done.stdout.strip(), [call for call in calls if "/worker" not in call]

    job, calls = submitted()
    sends = [call for call in calls if call.startswith("PUT ")]
    assert 3 <= len(sends) <= 8, sends  # packs, the manifest, the template
    assert len(calls) <= len(sends) + 6, calls
    assert millrace.run("wait", job).returncode == DONE
    lines = sorted(f"texture {number}\n" for number in range(200))
    log = log_of(millrace, job)
    assert hashlib.sha256("".join(lines).encode()).hexdigest() in log and "A SCENE FROM ELSEWHERE" in log
    again = submitted()[1]
    assert not [call for call in again if call.startswith("PUT ")]


def test_a_job_that_names_its_files_one_by_one_runs_too(ensemble: Ensemble, millrace: Shell, tmp_path: Path) -> None:
    """So did clients before jobs of this type had manifests."""
    (tmp_path / "shot.txt").write_text("an older scene")
    path = tmp_path / "template.yaml"
    path.write_text(
        HEAD
        + """
parameterDefinitions:
- {name: Title, type: STRING, default: one by one}
- {name: Scene, type: PATH, objectType: FILE, dataFlow: IN, default: shot.txt}
steps:
- name: Look
  """
        + script("tr a-z A-Z < {{Param.Scene}}")
        + "\n"
    )
    ready = ready_job(read_template(path), {}, Path())
    layout = layout_of(files_of(ready))
    document = tmp_path / "job.json"
    document.write_bytes(document_of(ready, layout))
    inputs = {f"input/{name}": ensemble.farm.upload(file) for name, file in layout.inputs.items()}
    settings = settings_of(ready, layout) | {"document": ensemble.farm.upload(document), "inputs": inputs}
    job = ensemble.farm.submit("openjd", settings).id
    assert millrace.run("wait", job).returncode == DONE
    assert "AN OLDER SCENE" in log_of(millrace, job)


def test_what_is_wrong_is_said_before_anything_is_sent(millrace: Shell, tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(HEAD + TITLE + "steps:\n- name: A\n  script: {actions: {onRun: {comand: x}}}\n")
    refused = millrace.run("submit", "openjd", str(path))
    assert refused.returncode == USAGE and "line 6: steps[0]" in refused.stderr
    refused = millrace.run("submit", "openjd", str(path), "-p", "Title")
    assert refused.returncode == USAGE and "NAME=VALUE" in refused.stderr
