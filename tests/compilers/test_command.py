"""Job type `command`: one task for one worker, begun once."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.compilers.command import Command
from chalicelib.core.compiling import checked
from chalicelib.core.errors import BadInput
from chalicelib.core.plans import TaskPlan


def planned(**settings: Any) -> TaskPlan:
    _, [step] = checked(Command(), {"worker": "7", **settings})
    expansion = step.expand({})
    assert expansion.count == 1
    return expansion.task(0)


def test_it_is_one_task_that_only_the_named_worker_may_take_and_only_once() -> None:
    task = planned(argv=["/usr/bin/render", "a b", ""])
    assert (task.requirement.task_type, task.requirement.worker, task.once) == ("exec", 7, True)
    [command] = task.commands
    assert (task.name, command["name"]) == ("render", "exec")
    assert command["settings"] == {
        "argv": ["/usr/bin/render", "a b", ""],
        "cmd": "/usr/bin/render 'a b' ''",
        "notify_seconds": 5.0,
        "announce": True,
    }


def test_a_text_is_split_as_a_shell_would() -> None:
    [command] = planned(cmd="render 'a b' c", folder="/srv", notify_seconds=0).commands
    assert command["settings"]["argv"] == ["render", "a b", "c"]
    assert (command["settings"]["folder"], command["settings"]["notify_seconds"]) == ("/srv", 0)


@pytest.mark.parametrize("program", ["a\nb", "/", "..", "x" * 5000, " "])
def test_every_task_has_a_name_that_can_be_shown(program: str) -> None:
    name = planned(argv=[program]).name
    assert 1 <= len(name) <= 200 and name.isprintable()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "either argv or cmd"),
        ({"argv": ["a"], "cmd": "a"}, "either argv or cmd"),
        ({"argv": []}, "no program is named"),
        ({"argv": [""]}, "no program is named"),
        ({"cmd": "  "}, "no program is named"),
        ({"cmd": "a 'b"}, "cmd cannot be split into words: No closing quotation"),
        ({"argv": "ls"}, "settings.argv"),
        ({"argv": ["a", 1]}, "settings.argv.1"),
        ({"argv": ["a\0"]}, "settings.argv.0: must not contain NUL"),
        ({"argv": ["a"] + ["x" * 50_000] * 2}, "at most 100000 fit"),
        ({"argv": ["a"], "worker": None}, "settings.worker"),
        ({"argv": ["a"], "worker": 7}, "settings.worker"),
        ({"argv": ["a"], "worker": "vm"}, "settings.worker: must be an id, a decimal number as a text"),
        ({"argv": ["a"], "worker": "0"}, "settings.worker: must be an id"),
        ({"argv": ["a"], "worker": "9999999999999999"}, "settings.worker: is no id of this farm"),
        ({"argv": ["a"], "folder": ""}, "settings.folder"),
        ({"argv": ["a"], "notify_seconds": -1}, "settings.notify_seconds"),
        ({"argv": ["a"], "notify_seconds": float("nan")}, "settings.notify_seconds"),
        ({"argv": ["a"], "shell": True}, "settings.shell"),
    ],
)
def test_what_is_wrong_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(BadInput) as refused:
        checked(Command(), {"worker": "7", **settings})
    assert named in refused.value.message
