"""Tasks that a Server sends: each becomes a job with one task, and keeps the id that the Server gave it.

The id is a note that names the task's present run. The job is submitted first, under an idempotency key, and the note
is written second: who dies between the two has left a job that the repeated call finds again.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core import blobs, jobs, settle, tasks
from ...core.errors import BadInput
from ...core.farm import Farm
from ...core.jobs import Submission
from ...core.lifecycle import ENDED_TASKS, TaskStatus
from ...core.model import Job, Task
from ...core.ports import ConditionFailed
from ...core.records import task_writes
from . import compilers
from .fleet import EXEC, OURS, PULLED, ROOM, notes
from .forms import Upload
from .translate import System, core_priority, system_tag
from .wire import LARGEST_ID, NewTask

MAX_RETRIES = 0
"""The Server sends again what failed; the manager never does."""


@dataclass(frozen=True)
class Known:
    """A task of the farm under the id that this protocol knows it by."""

    number: int
    job: Job
    task: Task | None

    @property
    def has_ended(self) -> bool:
        return self.task is not None and self.task.status in ENDED_TASKS


def submit(farm: Farm, wanted: NewTask, jobfile: Upload | None, owner: str | None) -> Known:
    """Queue it; again under the same id: replace it if it has not begun, and begin anew if it has ended.

    Raises BadInput (settings), UnknownType.
    """
    submission = _submission(wanted, settings_of(farm))
    if jobfile is not None:
        _keep_jobfile(farm, wanted, jobfile)
    known = find(farm, wanted.task_id)
    if known is not None and not known.has_ended and (_same(known.job, submission) or not _withdraw(farm, known)):
        return known
    return _begin(farm, wanted.task_id, submission, owner)


def _begin(farm: Farm, number: int, submission: Submission, owner: str | None) -> Known:
    before = notes(farm).get(_name(number)) or {"run": 0}
    run = before["run"] + 1
    digest = hashlib.sha256(json.dumps(submission.annotations, sort_keys=True).encode()).hexdigest()[:32]
    job = jobs.submit(farm, submission, owner=owner, once=f"{ROOM}/{number}/{run}/{digest}")

    def point(note: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return {"run": run, "job": job.id} if note.get("run", 0) < run else None

    if notes(farm).change(_name(number), point)["job"] != job.id:  # another call was faster
        jobs.cancel(farm, job.id)
    found = find(farm, number)
    assert found is not None  # just written, and never removed
    return found


def make_known(farm: Farm, job: Job) -> None:
    """Let the Server's id name this job, if it does not yet: a worker may be given the task before the call that
    brought it has written the note, or after that call died half way."""

    def point(note: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return {"run": note.get("run", 0) + 1, "job": job.id} if note.get("job", 0) < job.id else None

    notes(farm).change(_name(job.annotations[ROOM]["task_id"]), point)


def _submission(wanted: NewTask, farm_settings: Mapping[str, str]) -> Submission:
    argv, missing = _compiled(wanted, farm_settings)
    if compilers.is_for_pulling(wanted.type, argv):
        task_type = PULLED
    else:
        task_type = EXEC if System.LINUX not in missing else OURS
    commands = [{"name": "exec", "settings": {"argv": argv, "cmd": shlex.join(argv)}}]
    name = f"{wanted.type} {wanted.task_id}"
    return Submission(
        name=name,
        type="commands",
        settings={"tasks": [{"name": name, "task_type": task_type, "commands": commands}]},
        priority=core_priority(wanted.priority),
        tags=tuple(f"-{system_tag(system)}" for system in sorted(missing)),
        max_retries=MAX_RETRIES,
        annotations={ROOM: wanted.model_dump()},
    )


def _compiled(wanted: NewTask, farm_settings: Mapping[str, str]) -> tuple[list[str], set[System]]:
    """The command line for Linux, or else for a system it has paths for; and the systems it has none for."""
    found: dict[System, list[str]] = {}
    problems: list[BadInput] = []
    for system in System:
        try:
            found[system] = compilers.compiled(wanted.type, wanted.settings, farm_settings, system)
        except BadInput as problem:
            problems.append(problem)
    if not found:
        raise problems[0]
    return next(iter(found.values())), set(System) - set(found)


def _same(job: Job, submission: Submission) -> bool:
    return job.annotations == submission.annotations


def _withdraw(farm: Farm, known: Known) -> bool:
    """Take it out of the lane, unless a worker has it. The task first: that is what a claim races against."""
    if known.task is None or known.task.status is TaskStatus.ACTIVE:
        return False
    try:
        withdrawn = farm.tasks.update(task_writes.canceled(known.task, "sent again", farm.clock.now()))
    except ConditionFailed:
        return False
    jobs.cancel(farm, known.job.id)
    settle.task_ended(farm, withdrawn)
    return True


# ---- finding -------------------------------------------------------------------------------------------------------


def _name(number: int) -> str:
    return f"task/{number}"


def find(farm: Farm, number: int) -> Known | None:
    """By the Server's id, or by the farm's own for what was submitted elsewhere: those are far larger."""
    if number <= LARGEST_ID:
        known = notes(farm).get(_name(number))
        job = farm.jobs.get(known["job"]) if known is not None else None
        return None if job is None else Known(number, job, farm.tasks.get(job.first_task))
    task = tasks.find(farm, number)
    job = farm.jobs.get(task.job) if task is not None else None
    return None if job is None or ROOM in job.annotations else Known(number, job, task)


def number_of(job: Job, task: Task) -> int:
    """The id that this protocol knows the task by."""
    ours = job.annotations.get(ROOM)
    return int(ours["task_id"]) if ours else task.id


def job_number(job: Job) -> int:
    ours = job.annotations.get(ROOM) or {}
    return int(ours.get("job_id") or job.id)


# ---- settings and files --------------------------------------------------------------------------------------------


def settings_of(farm: Farm) -> Mapping[str, str]:
    """This room's settings: where Blender is, by system."""
    return notes(farm).get("settings") or {}


def _keep_jobfile(farm: Farm, wanted: NewTask, jobfile: Upload) -> None:
    if wanted.job_id is None:
        raise BadInput("job_id: required with a jobfile", field="job_id")
    blob = blobs.store(farm, jobfile.content, jobfile.size, jobfile.sha256)
    notes(farm).change(f"job/{wanted.job_id}", lambda note: {**note, "jobfile": blob.id})
