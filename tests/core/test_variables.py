"""Variables: which text counts for whom, and where it is put."""

from __future__ import annotations

from chalicelib.core import variables
from chalicelib.core.variables import Value, Variable
from tests.core.conftest import Bench

BLENDER = Variable(
    (
        Value("everywhere/", "all"),
        Value("linux/", "all", ("linux", "darwin")),
        Value("worker/", "workers"),
        Value("user/", "users", ("windows",)),
    )
)


def test_they_are_kept_as_a_whole(bench: Bench) -> None:
    assert variables.read(bench.farm.table) == {}
    variables.write(bench.farm.table, {"blender": BLENDER, "x": Variable((), "twoway")})
    assert variables.read(bench.farm.table) == {"blender": BLENDER, "x": Variable((), "twoway")}
    variables.write(bench.farm.table, {})
    assert variables.read(bench.farm.table) == {}


def test_workers_get_what_is_meant_for_them() -> None:
    without = Variable(tuple(v for v in BLENDER.values if v.audience != "workers"))
    for variable, platform, text in (
        (BLENDER, "linux", "worker/"),
        (without, "linux", "linux/"),
        (without, "windows", "everywhere/"),
        (Variable(without.values, "twoway"), "darwin", "linux"),
    ):
        assert variables.for_worker({"b": variable}, platform) == {"b": text}
    assert variables.for_worker({"b": Variable((Value("u", "users"),))}, "linux") == {}


def test_only_strings_of_the_settings_are_replaced_and_once() -> None:
    commands = [{"name": "{a}", "settings": {"s": "{a}{b}{c", "n": 1, "l": ["{a}"]}}, {"name": "x"}]
    assert variables.replaced(commands, {"a": "{b}", "b": "B"}) == [
        {"name": "{a}", "settings": {"s": "{b}B{c", "n": 1, "l": ["{a}"]}},
        {"name": "x", "settings": {}},
    ]
