"""Templates, parameters and bundles before they are jobs: what is refused, and with which words."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from millrace.openjd import bundle, capabilities
from millrace.openjd.document import document_of, steps_of
from millrace.openjd.errors import Refused
from millrace.openjd.paths import Files, files_of, layout_of
from millrace.openjd.template import ReadyJob, read_template, ready_job, tasks_of

HEAD = "specificationVersion: jobtemplate-2023-09\nname: a job\n"
RUN = 'script: {actions: {onRun: {command: "true"}}}'


def written(folder: Path, text: str) -> Path:
    path = folder / "template.yaml"
    path.write_text(textwrap.dedent(text))
    return path


def ready(folder: Path, text: str, **values: object) -> ReadyJob:
    return ready_job(read_template(written(folder, HEAD + textwrap.dedent(text))), values, folder)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{HEAD}steps:\n- name: A\n  script:\n    actions:\n      onRun: {{comand: x}}\n", "line 7: steps[0] -> "),
        (f"{HEAD}steps:\n- name: A\n  dependencies: [{{dependsOn: C}}]\n  {RUN}\n", "line 5: step[0] -> dependencies"),
        (HEAD + "steps:\n- name: A\n  script: {actions: {onRun: {command: '{{Param.No}}'}}}\n", "line 5: steps[0]"),
        (f"{HEAD}steps: []\n", "line 3: steps"),
        ("- a list\n", "keys and values"),
        ("a: [1\n", "is not YAML: while parsing"),
        ("name: old\n", "specificationVersion"),
        (f"{HEAD}extensions: [WARP_DRIVE]\nsteps:\n- name: A\n  {RUN}\n", "WARP_DRIVE"),
    ],
)
def test_a_template_that_is_refused_names_the_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Refused) as refused:
        read_template(written(tmp_path, text))
    assert says in str(refused.value)
    assert "template.yaml" in str(refused.value)


FRAMES = """
parameterDefinitions:
- {name: Frames, type: INT, minValue: 1, maxValue: 10}
steps:
- name: Render
  parameterSpace: {taskParameterDefinitions: [{name: F, type: INT, range: "1-{{Param.Frames}}"}]}
  script: {actions: {onRun: {command: echo, args: ["{{Task.Param.F}}"]}}}
"""


@pytest.mark.parametrize(
    ("values", "says"),
    [({}, "Frames"), ({"Frames": "x"}, "Frames"), ({"Frames": 11}, "10"), ({"Frames": 3, "Other": 1}, "Other")],
)
def test_wrong_parameters_are_named(tmp_path: Path, values: dict[str, object], says: str) -> None:
    with pytest.raises(Refused, match=says):
        ready(tmp_path, FRAMES, **values)


def test_tasks_are_counted_and_found_by_index(tmp_path: Path) -> None:
    job = ready(tmp_path, FRAMES, Frames="7").job
    tasks = tasks_of(job.steps[0])
    assert (len(tasks), tasks[6]["F"].value) == (7, "7")


def test_chunks_are_countable_even_if_the_template_aims_at_a_running_time(tmp_path: Path) -> None:
    text = """
    extensions: [TASK_CHUNKING]
    steps:
    - name: Render
      parameterSpace:
        taskParameterDefinitions:
        - name: F
          type: "CHUNK[INT]"
          range: "1-9"
          chunks: {defaultTaskCount: 4, targetRuntimeSeconds: 60, rangeConstraint: CONTIGUOUS}
      script: {actions: {onRun: {command: echo, args: ["{{Task.Param.F}}"]}}}
    """
    tasks = tasks_of(ready(tmp_path, text).job.steps[0])
    assert [tasks[n]["F"].value for n in range(len(tasks))] == ["1-3", "4-6", "7-9"]


def test_steps_come_after_what_they_depend_on(tmp_path: Path) -> None:
    text = f"""
    steps:
    - {{name: Join, dependencies: [{{dependsOn: Part}}], {RUN}}}
    - {{name: Part, {RUN}}}
    """
    assert [(step["name"], step["after"]) for step in steps_of(ready(tmp_path, text))] == [
        ("Part", []),
        ("Join", ["Part"]),
    ]


# ---- host requirements


def with_requirements(folder: Path, requirements: str) -> ReadyJob:
    return ready(folder, f"\nsteps:\n- name: A\n  hostRequirements: {requirements}\n  {RUN}\n")


@pytest.mark.parametrize(
    ("requirements", "tags"),
    [
        ("{amounts: [{name: amount.worker.vcpu, min: 4}]}", ["vcpu>=4"]),
        ("{amounts: [{name: amount.worker.vcpu, min: 5}]}", ["vcpu>=6"]),
        ("{amounts: [{name: amount.worker.memory, min: 3000}]}", ["memory>=3072"]),
        ("{attributes: [{name: attr.worker.os.family, anyOf: [linux]}]}", ["os.family=linux"]),
        ("{attributes: [{name: attr.licence, allOf: [nuke, arnold]}]}", ["licence=nuke", "licence=arnold"]),
    ],
)
def test_host_requirements_become_tags(tmp_path: Path, requirements: str, tags: list[str]) -> None:
    assert capabilities.tags_wanted(with_requirements(tmp_path, requirements).job.steps[0]) == tags


@pytest.mark.parametrize(
    ("requirements", "says"),
    [
        ("{amounts: [{name: amount.worker.vcpu, min: 1, max: 4}]}", "has a max"),
        ("{attributes: [{name: attr.worker.os.family, anyOf: [linux, macos]}]}", "any of linux, macos"),
    ],
)
def test_what_tags_cannot_say_is_refused(tmp_path: Path, requirements: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        capabilities.tags_wanted(with_requirements(tmp_path, requirements).job.steps[0])


def test_a_machine_carries_every_rung_that_it_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    tags = capabilities.tags_of_this_machine()
    assert [tag for tag in tags if tag.startswith("vcpu")] == ["vcpu>=1", "vcpu>=2", "vcpu>=3", "vcpu>=4", "vcpu>=6"]


# ---- paths

PATHS = """
parameterDefinitions:
- {name: Scene, type: PATH, objectType: FILE, dataFlow: IN, default: scene/shot.blend}
- {name: Out, type: PATH, objectType: DIRECTORY, dataFlow: OUT, default: out}
- {name: Tool, type: PATH, objectType: FILE, dataFlow: NONE, default: /usr/bin/tool}
steps:
- {name: A, script: {actions: {onRun: {command: "true"}}}}
"""


def test_what_is_read_and_written_has_a_place_in_the_work_folder(tmp_path: Path) -> None:
    (tmp_path / "scene" / "textures").mkdir(parents=True)
    (tmp_path / "scene" / "shot.blend").write_text("scene")
    (tmp_path / "scene" / "textures" / "wood.png").write_text("wood")
    job = ready(tmp_path, PATHS)
    layout = layout_of(files_of(job).also(Files(reads=[tmp_path / "scene" / "textures"])))
    assert set(layout.inputs) == {"0/shot.blend", "0/textures/wood.png"}
    rules = {(rule.source, rule.folder) for rule in layout.rules}
    assert rules == {(str(tmp_path / "scene"), "input/0"), (str(tmp_path / "out"), "output/out")}
    assert layout.has_outputs
    content = json.loads(document_of(job, layout))
    assert content["values"]["Scene"] == {"type": "PATH", "value": str(tmp_path / "scene" / "shot.blend")}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="parameter Scene: there is no .*shot.blend"):
        files_of(ready(tmp_path, PATHS))


# ---- bundles


def test_a_bundle_is_read_without_what_belongs_to_another_farm(tmp_path: Path) -> None:
    (tmp_path / "template.json").write_text("{}")
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "parameter_values.yaml").write_text(
        "parameterValues: [{name: Frames, value: 1-3}, {name: 'deadline:priority', value: 50}]"
    )
    (tmp_path / "asset_references.json").write_text(
        json.dumps({"assetReferences": {"inputs": {"filenames": ["a.txt"]}, "outputs": {"directories": ["out"]}}})
    )
    assert bundle.template_of(tmp_path).name == "template.json"
    assert bundle.values_of(tmp_path) == {"Frames": "1-3"}
    assert bundle.assets_of(tmp_path) == Files([tmp_path / "a.txt"], [tmp_path / "out"])


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("parameter_values.yaml", "parameterValues: {a: 1}", "list of"),
        ("parameter_values.yaml", "a: [", "is not YAML"),
        ("asset_references.yaml", "assetReferences: {inputs: {filenames: x}}", "filenames must be a list"),
        ("asset_references.yaml", "assetReferences: {inputs: {filenames: [gone.png]}}", "1 of 1 inputs are not there"),
    ],
)
def test_a_broken_bundle_says_what_is_broken(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Refused, match=says):
        bundle.values_of(tmp_path)
        bundle.assets_of(tmp_path)


def test_a_folder_without_a_template_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is it a job bundle"):
        bundle.template_of(tmp_path)
