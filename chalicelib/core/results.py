"""What the tasks of completed steps left behind: read when a plan looks at it, never all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from .farm import Farm
from .model import Step, Task, TaskId
from .plans import Results, TaskResult
from .records.keys import BUCKET


def results(farm: Farm, parents: Sequence[Step]) -> Results:
    """By step name and index."""
    return {step.name: StepResults(farm, step) for step in parents}


def tasks_of(farm: Farm, step: Step) -> Iterator[Task]:
    """The tasks that have an item; of a step that is done, all."""
    return farm.tasks.range(step.base, step.base + step.count - 1) if step.count else iter(())


class StepResults(Sequence[TaskResult]):
    """One step's, by index; the partition looked at last is remembered."""

    def __init__(self, farm: Farm, step: Step) -> None:
        self._farm = farm
        self._step = step
        self._page: tuple[int, dict[TaskId, TaskResult]] = (-1, {})

    def __len__(self) -> int:
        return self._step.count

    def __iter__(self) -> Iterator[TaskResult]:
        return (_result(task) for task in tasks_of(self._farm, self._step))

    @overload
    def __getitem__(self, index: int) -> TaskResult: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[TaskResult]: ...

    def __getitem__(self, index: int | slice) -> TaskResult | Sequence[TaskResult]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        task_id = self._step.base + index % len(self)
        number, page = self._page  # several threads may make tasks of one step
        if number != task_id // BUCKET:
            number = task_id // BUCKET
            tasks = self._farm.tasks.range(number * BUCKET, number * BUCKET + BUCKET - 1)
            page = {task.id: _result(task) for task in tasks}
            self._page = number, page
        return page[task_id]


def _result(task: Task) -> TaskResult:
    return TaskResult(task.outputs, task.result)
