"""A template file and values for its parameters, checked by the standard's own library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from millrace.openjd.errors import Refused, libraries

if TYPE_CHECKING:
    from openjd.model import Job, JobTemplate, Step, StepParameterSpaceIterator

EXTENSIONS = ("TASK_CHUNKING", "REDACTED_ENV_VARS", "FEATURE_BUNDLE_1")
"""Those of the standard that our worker can run."""
_PLACE = re.compile(r"^(\S.*):$", re.MULTILINE)


@dataclass(frozen=True)
class Template:
    path: Path
    text: str
    content: Mapping[str, Any]
    checked: JobTemplate


@dataclass(frozen=True)
class ReadyJob:
    """A template with all values: what can be run."""

    template: Template
    values: Mapping[str, Any]
    """By parameter: openjd-model's `ParameterValue`."""
    job: Job


def read_template(path: Path) -> Template:
    """Raises Refused, with the line where there is one."""
    text = _read(path)
    content = _content(path, text)
    with libraries():
        from openjd.model import DecodeValidationError, decode_job_template
    try:
        checked = decode_job_template(template=dict(content), supported_extensions=list(EXTENSIONS))
    except DecodeValidationError as error:
        raise Refused(f"{path}: {_with_lines(text, str(error))}") from None
    return Template(path, text, content, checked)


def ready_job(template: Template, given: Mapping[str, Any], folder: Path) -> ReadyJob:
    """With these values, and defaults for the rest; relative paths are taken from `folder`. Raises Refused."""
    from openjd.model import create_job, preprocess_job_parameters

    try:
        values = preprocess_job_parameters(
            job_template=template.checked,
            job_parameter_values=dict(given),
            job_template_dir=template.path.resolve().parent,
            current_working_dir=folder.resolve(),
            allow_job_template_dir_walk_up=True,
        )
        job = create_job(job_template=template.checked, job_parameter_values=values)
    except ValueError as error:  # the library's own errors are among them
        raise Refused(f"{template.path}: {_with_lines(template.text, str(error))}") from None
    return ReadyJob(template, values, job)


def tasks_of(step: Step) -> StepParameterSpaceIterator:
    """Its tasks, countable and by index, in the library's order. Chunks have the size that the template names."""
    from openjd.model import StepParameterSpaceIterator

    return StepParameterSpaceIterator(space=step.parameterSpace, chunks_task_count_override=_chunk_size(step))


def _chunk_size(step: Step) -> int | None:
    """Without it an iterator whose chunks aim at a running time has neither length nor index."""
    definitions = step.parameterSpace.taskParameterDefinitions if step.parameterSpace else {}
    chunks = (getattr(one, "chunks", None) for one in definitions.values())
    return next((int(one.defaultTaskCount) for one in chunks if one is not None), None)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"{path} is no text in UTF-8") from None


def _content(path: Path, text: str) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(text)  # JSON is YAML too
    except yaml.YAMLError as error:
        raise Refused(f"{path} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise Refused(f"{path} must hold keys and values; a template begins with specificationVersion")
    return content


def _with_lines(text: str, complaint: str) -> str:
    """The library names places (`steps[0] -> script`); a person wants to know the line."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return _PLACE.sub(lambda found: f"line {_line(root, found[1])}: {found[1]}:", complaint)


def _line(node: yaml.Node | None, place: str) -> int:
    """Of the deepest part of the place that is there: a missing field is missing somewhere."""
    line = 1
    for part in re.findall(r"\[(\d+)\]|([^\s\[\]>-][^\[\]]*?)(?=\s->|\[|$)", place):
        if node is None:
            break
        found = _below(node, *part)
        if found is None:
            break
        mark, node = found
        line = mark.start_mark.line + 1
    return line


def _below(node: yaml.Node, index: str, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    """(where it begins, what it is) of an element or a field."""
    if index and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
        return node.value[int(index)], node.value[int(index)]
    if key and isinstance(node, yaml.MappingNode):
        names = (key.strip(), f"{key.strip()}s")  # of dependencies the library says `step[1]`
        return next(((name, value) for name, value in node.value if name.value in names), None)
    return None
