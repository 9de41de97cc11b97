"""Tasks given outright."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.compilers import JOB_TYPES
from chalicelib.core.compiling import checked
from chalicelib.core.errors import BadInput

ECHO = [{"name": "echo", "settings": {"message": "hi"}}]


def task(name: str, *parents: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "task_type": "debug", "commands": ECHO, "parents": list(parents), **more}


def test_parents_are_known_by_name() -> None:
    [step] = checked(JOB_TYPES["commands"], {"tasks": [task("join", "a", "b"), task("a"), task("b", "a")]})[1]
    tasks = step.expand({})
    assert [tasks.task(i).parents for i in range(tasks.count)] == [(1, 2), (), (1,)]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([task("a", "b"), task("b", "a")], "cycle"),
        ([task("a", "a")], "cycle"),
        ([task("a"), task("b", "c"), task("c", "d"), task("d", "c")], "cycle"),
        ([task("a", "nobody")], "no task of this job"),
        ([task("a"), task("a")], "unique"),
        ([], "at least 1"),
        ([task("a", priority=101)], "less than or equal to 100"),
        ([task("a", priority="high")], "valid integer"),
        ([task("a", colour="red")], "there is no such setting"),
        ([task("a", task_type="function:python3")], "jobs of type 'function'"),
        ([task("a") | {"commands": []}], "at least 1"),
        ([task("a") | {"commands": [{"name": "echo", "settings": "hi"}]}], "valid dictionary"),
        ([task("a\x00b")], "match pattern"),
    ],
)
def test_a_wrong_task_is_refused_with_the_reason(tasks: list[Any], message: str) -> None:
    with pytest.raises(BadInput, match=message) as refused:
        checked(JOB_TYPES["commands"], {"tasks": tasks})
    assert (refused.value.field or "").startswith("settings")


@pytest.mark.parametrize(("names", "publishes"), [(["a"], True), (["a", "b"], False)])
def test_what_a_job_of_one_task_makes_is_the_jobs_output(names: list[str], publishes: bool) -> None:
    [step] = checked(JOB_TYPES["commands"], {"tasks": [task(name) for name in names]})[1]
    assert step.publishes is publishes


def test_ten_thousand_tasks_in_a_row_are_accepted_and_one_more_is_not() -> None:
    tasks = [task("t0")] + [task(f"t{i}", f"t{i - 1}") for i in range(1, 10_000)]
    assert checked(JOB_TYPES["commands"], {"tasks": tasks})[1][0].expand({}).count == 10_000
    with pytest.raises(BadInput, match="at most 10000"):
        checked(JOB_TYPES["commands"], {"tasks": [*tasks, task("more")]})
