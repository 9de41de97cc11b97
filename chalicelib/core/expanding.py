"""Steps become tasks: a step whose parents are done is opened (its count and its block of ids are fixed), and then its
windows and tasks are written, put-if-absent, window by window, each under a check that nobody decided anything about
the job meanwhile. A process that dies anywhere leaves what the next `settle` takes up where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from .farm import Farm
from .lifecycle import ENDED_JOBS, JobStatus, StepStatus, TaskStatus
from .model import Job, Requirement, Step, Task, TaskInput, Work
from .plans import Expansion, Results, StepPlan, TaskPlan, TaskResult
from .ports import Set
from .records.keys import WINDOW
from .turns import Turn
from .windows import Window, marks_of, window_sizes


def plan_steps(job: Job, plans: Sequence[StepPlan]) -> list[Step]:
    """The steps of a new job, all waiting."""
    numbers = {plan.name: number for number, plan in enumerate(plans)}
    return [
        Step(
            job=job.id,
            number=number,
            name=plan.name,
            status=StepStatus.WAITING,
            parents=tuple(numbers[name] for name in plan.after),
            count=0,
            base=0,
            written=False,
            epoch=0,
            completed=0,
            failed=0,
            canceled=0,
        )
        for number, plan in enumerate(plans)
    ]


def open_step(farm: Farm, job: Job, steps: Sequence[Step], step: Step) -> None:
    """Fix how many tasks there are, and which ids they have."""
    count = _expansion(farm, job, steps, step).count
    single_first = step.number == 0 and count == 1
    base = job.first_task if single_first else farm.ids.block(count)
    farm.jobs.change_step(step, "open", Set("count", count), Set("base", base))


def write_tasks(farm: Farm, job: Job, steps: Sequence[Step], step: Step, turn: Turn) -> None:
    """Write what is missing of an open step. Stops early when somebody decides about the job, or the turn is over;
    settle comes back.

    Windows are written in order, each before its tasks and only after all tasks of the one before. So whoever comes
    back begins with the last window there is.
    """
    expansion = _expansion(farm, job, steps, step)
    children = _children(expansion) if expansion.count > 1 else {}
    first = farm.jobs.last_window(job.id, step.number) if step.count > WINDOW else 0
    for number, size in window_sizes(step.count):
        if number < first:
            continue
        if number > first and turn.is_over:
            return
        plans = [expansion.task(number * WINDOW + slot) for slot in range(size)]
        tasks = _tasks(farm, job, step, number, plans, children)
        if not _write_window(farm, job, step, number, tasks):
            return
    farm.jobs.change_step(step, None, Set("written", True))


def _write_window(farm: Farm, job: Job, step: Step, number: int, tasks: Sequence[Task]) -> bool:
    waits = frozenset(slot for slot, task in enumerate(tasks) if task.parents)
    marks = frozenset[int]().union(*(marks_of(task) for task in tasks)) if job.status in ENDED_JOBS else frozenset()
    window = Window(job.id, step.number, number, len(tasks), 0, waits, marks, shut=False)
    farm.jobs.add_window(window)
    for requirement in {task.requirement for task in tasks}:
        farm.registry.will_queue(requirement, job.priority)
    if not farm.tasks.add(tasks, farm.jobs.still(job)):
        return False
    if window.full:  # of an ended job: no task of it will ever report
        farm.jobs.shut(window)
    return True


def _tasks(
    farm: Farm,
    job: Job,
    step: Step,
    window: int,
    plans: Sequence[TaskPlan],
    children: Mapping[int, tuple[int, ...]],
) -> list[Task]:
    blobs = farm.blobs.get_many(sorted({blob for plan in plans for _, blob in plan.inputs}))
    now = farm.clock.now()
    made: list[Task] = []
    for index, plan in enumerate(plans, start=window * WINDOW):
        requirement, wishes = required(plan.requirement, job.tags)
        inputs = tuple(
            TaskInput(name, blob, blobs[blob].size, blobs[blob].sha256)
            if blob in blobs
            else TaskInput(name, blob, None, None)
            for name, blob in plan.inputs
        )
        status = _first_status(job, plan)
        made.append(
            Task(
                id=step.base + index,
                job=job.id,
                job_name=job.name,
                step=step.number,
                index=index,
                name=plan.name,
                status=status,
                requirement=requirement,
                wishes=wishes,
                priority=job.priority,
                own_priority=plan.own_priority,
                work=Work(plan.commands, inputs, plan.outputs, plan.max_seconds, plan.once),
                parents=plan.parents,
                children=children.get(index, ()),
                generation=0,
                lease=None,
                requeued_epoch=0,
                failures=0,
                max_retries=job.max_retries,
                excluded=frozenset(),
                attempts=(),
                cancel_reason=None,
                progress=0,
                activity="",
                outputs=(),
                result=None,
                error=None,
                created_at=now,
                finished_at=None,
            )
        )
    return made


def required(requirement: Requirement, tags: Sequence[str]) -> tuple[Requirement, frozenset[str]]:
    """A task's own requirement and its job's tags together, and the tags that are only wished for."""
    require = {tag.removeprefix("+") for tag in tags if tag[:1] not in ("-", "~")}
    forbid = {tag[1:] for tag in tags if tag.startswith("-")}
    wishes = frozenset(tag[1:] for tag in tags if tag.startswith("~"))
    together = replace(requirement, require=requirement.require | require, forbid=requirement.forbid | forbid)
    return together, wishes


def _first_status(job: Job, plan: TaskPlan) -> TaskStatus:
    if job.status in ENDED_JOBS:
        return TaskStatus.CANCELED
    if plan.parents:
        return TaskStatus.WAITING
    return TaskStatus.PAUSED if job.status is JobStatus.PAUSED else TaskStatus.QUEUED


def _children(expansion: Expansion) -> dict[int, tuple[int, ...]]:
    """The edges, the other way round."""
    children: dict[int, list[int]] = {}
    for index in range(expansion.count):
        for parent in expansion.task(index).parents:
            children.setdefault(parent, []).append(index)
    return {parent: tuple(indices) for parent, indices in children.items()}


def _expansion(farm: Farm, job: Job, steps: Sequence[Step], step: Step) -> Expansion:
    plan = farm.plans.of(job)[step.number]
    return plan.expand(results(farm, [steps[number] for number in step.parents]))


def results(farm: Farm, parents: Sequence[Step]) -> Results:
    """What the tasks of completed steps left behind, by step name and index."""
    return {step.name: [TaskResult(t.outputs, t.result) for t in tasks_of(farm, step)] for step in parents}


def tasks_of(farm: Farm, step: Step) -> Iterator[Task]:
    return farm.tasks.range(step.base, step.base + step.count - 1) if step.count else iter(())
