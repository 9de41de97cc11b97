"""Job type `openjd`: a template of Open Job Description, as `millrace submit openjd` and `submit bundle` prepare it.

The template is read where it is submitted and run where the worker is, both with the standard's own libraries; the
manager needs neither. It gets the steps with their numbers of tasks, and the template with the values of its parameters
as one blob (`document`), which each task gets as a file together with its step's name and its index: the worker finds
the values of the task's parameters by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from ..core.model import BlobId, Requirement
from ..core.plans import Expansion, Results, StepPlan, TaskPlan
from .fields import BlobRef, FileName, Name, Settings, blob_id, manifest_of

TASK_TYPE = "openjd"
MOST_STEPS = 100
MOST_TASKS = 1_000_000
DOCUMENT, INPUT, OUTPUTS = "openjd/job.json", "input/", "output/./**"
"""Names in the work folder: what the worker's `run_openjd` reads, where the job's files are, and what comes back."""


def _tag(text: str) -> str:
    if text[0] in "+-~" or not text.isprintable():
        raise ValueError(f"{text!r} is no tag: printable, and not beginning with +, - or ~")
    return text


Tag = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_tag)]


class OpenJdStep(Settings):
    name: Name
    count: int = Field(ge=1, le=MOST_TASKS)
    """Tasks: the size of its parameter space, in chunks."""
    after: list[Name] = Field(default=[], max_length=MOST_STEPS)
    """Steps before it in the list, of which every task must complete first."""
    tags: list[Tag] = Field(default=[], max_length=100)
    """What its host requirements mean to this farm: tags that a worker must carry."""


class OpenJdSettings(Settings):
    document: BlobRef
    """JSON: the template, the values of its parameters, where its paths lie in the work folder."""
    steps: list[OpenJdStep] = Field(min_length=1, max_length=MOST_STEPS)
    inputs: dict[FileName, BlobRef] = Field(default={}, max_length=10_000)
    """Files laid into each task's work folder, each by its own blob."""
    manifest: BlobRef | None = None
    """A manifest whose files are laid into `input`."""
    outputs: bool = False
    """Whether what a task leaves in `output` comes back."""

    @model_validator(mode="after")
    def steps_come_in_order(self) -> OpenJdSettings:
        known: set[str] = set()
        for step in self.steps:
            if step.name in known:
                raise ValueError(f"there are two steps {step.name!r}")
            if unknown := [name for name in step.after if name not in known]:
                raise ValueError(f"step {step.name!r} comes after {unknown[0]!r}, which is no step before it")
            known.add(step.name)
        return self


class OpenJd:
    name = "openjd"
    settings: type[BaseModel] = OpenJdSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, OpenJdSettings)
        return [_step(settings, step) for step in settings.steps]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        assert isinstance(settings, OpenJdSettings)
        inputs = {f"settings.inputs.{name}": blob_id(blob) for name, blob in settings.inputs.items()}
        return {"settings.document": blob_id(settings.document), **manifest_of(settings.manifest), **inputs}


def _step(settings: OpenJdSettings, step: OpenJdStep) -> StepPlan:
    files = {DOCUMENT: settings.document, **settings.inputs}
    inputs = tuple((name, blob_id(blob)) for name, blob in files.items())
    if settings.manifest is not None:
        inputs = ((INPUT, blob_id(settings.manifest)), *inputs)

    def task(index: int) -> TaskPlan:
        return TaskPlan(
            name=step.name if step.count == 1 else f"{step.name} {index + 1} of {step.count}",
            requirement=Requirement(TASK_TYPE, frozenset(step.tags)),
            commands=({"name": "run_openjd", "settings": {"step": step.name, "index": index}},),
            inputs=inputs,
            outputs=(OUTPUTS,) if settings.outputs else (),
        )

    def expand(results: Results) -> Expansion:
        return Expansion(step.count, task, alike=True)

    return StepPlan(step.name, expand, after=tuple(step.after), publishes=True)
