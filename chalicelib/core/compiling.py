"""From settings to plans: validation at the door, and the plan of a job whenever somebody needs it again.

A plan is a pure function of the job's settings, so it is kept only in memory, for the jobs used last.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import ids
from .errors import BadInput, ObjectMissing
from .model import Job, JobId, Step, TaskId
from .plans import Expansion, JobType, StepPlan
from .ports import ObjectStore

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

KEPT_PLANS = 64


def job_folder(job_id: int) -> str:
    """Where a job's own objects are; all of it goes with the job."""
    return f"jobs/{job_id}/"


def settings_key(job_id: int, attempt: str = "") -> str:
    """Where large settings are kept. `attempt`: names one to make them longer; of two at once each has its own."""
    return job_folder(job_id) + (f"settings-{attempt}.json" if attempt else "settings.json")


def settings_text(settings: Any) -> bytes:
    return json.dumps(settings, ensure_ascii=False).encode()


def job_type(types: Mapping[str, JobType], name: str) -> JobType:
    if name not in types:
        raise BadInput(f"unknown job type {name[:60]!r}; this farm knows {', '.join(sorted(types))}", field="type")
    return types[name]


def checked(kind: JobType, settings: Any) -> tuple[BaseModel, Sequence[StepPlan]]:
    """The settings as the type's model, and their plan. Raises BadInput that names the field."""
    from pydantic import ValidationError  # here: who claims tasks compiles nothing

    try:
        model = kind.settings.model_validate(settings)
    except ValidationError as invalid:
        raise _bad_input(invalid, kind) from None
    return model, kind.plan(model)


def _bad_input(invalid: ValidationError, kind: JobType) -> BadInput:
    first = invalid.errors(include_url=False, include_input=False)[0]
    field = ".".join(["settings", *(str(part) for part in first["loc"])])
    # What a validator of ours says stands for itself; pydantic would put "Value error, " before it.
    said = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
    if first["type"] == "missing":
        said = "this setting is needed"
    elif first["type"] == "string_pattern_mismatch" and first["ctx"]["pattern"] == ids.TEXT:
        said = "must be an id, a decimal number as a text"
    elif first["type"] == "extra_forbidden":
        known = f"; there are {', '.join(sorted(kind.settings.model_fields))}" if len(first["loc"]) == 1 else ""
        said = f"there is no such setting{known}"
    return BadInput(f"{field}: {said}", field=field)


@dataclass(frozen=True)
class Opened:
    """An open step, with what its tasks are made from."""

    job: Job
    step: Step
    expansion: Expansion
    trailed_by: tuple[int, ...] = ()
    """The steps that trail this one."""


class PlanCache:
    """The plans of the jobs used last, and the expansions of their open steps; one per process."""

    def __init__(self, types: Mapping[str, JobType], objects: ObjectStore) -> None:
        self._types = types
        self._objects = objects
        self._lock = threading.Lock()
        self._plans: OrderedDict[tuple[JobId, int], Sequence[StepPlan]] = OrderedDict()
        self._opened: OrderedDict[tuple[JobId, int, TaskId], Opened] = OrderedDict()

    def of(self, job: Job) -> Sequence[StepPlan]:
        """Raises BadInput if this version of the farm no longer accepts what it once accepted."""
        known = (job.id, job.revision)
        with self._lock:
            if known in self._plans:
                self._plans.move_to_end(known)
                return self._plans[known]
        _, plan = checked(job_type(self._types, job.type), self.settings(job))
        self.remember(job, plan)
        return plan

    def remember(self, job: Job, plan: Sequence[StepPlan]) -> None:
        """Its settings have just been checked."""
        with self._lock:
            self._plans[job.id, job.revision] = plan
            while len(self._plans) > KEPT_PLANS:
                self._plans.popitem(last=False)

    def opened(self, job_id: JobId, step: int, base: TaskId) -> Opened | None:
        """`base`: of the opening that is meant. A step that starts over gets other ids, and other results before it."""
        known = (job_id, step, base)
        with self._lock:
            if known in self._opened:
                self._opened.move_to_end(known)
            return self._opened.get(known)

    def keep(self, opened: Opened) -> None:
        """Of a step that is open: its count and ids are fixed for this opening, so it stays true."""
        with self._lock:
            self._opened[opened.job.id, opened.step.number, opened.step.base] = opened
            while len(self._opened) > KEPT_PLANS:
                self._opened.popitem(last=False)

    def settings(self, job: Job) -> Any:
        """The settings as submitted, from the item or from the object that holds them."""
        if job.settings_key is None:
            return job.settings
        data = self._objects.get(job.settings_key)
        if data is None:
            raise ObjectMissing(f"the settings of job {job.id} are gone ({job.settings_key})")
        return json.loads(data)
