"""Paths of shared storage and variables, as the platform of a worker has them."""

from __future__ import annotations

import pytest

from chalicelib.core.path_mapping import PathMapping
from chalicelib.core.variables import Value, Variable

SHOTS = Variable(
    (
        Value("/mnt/shots", platforms=("linux",)),
        Value("/Volumes/shots/", platforms=("darwin",)),
        Value("S:\\shots", platforms=("windows",)),
        Value("\\\\nas\\shots", "users", ("windows",)),
    ),
    "twoway",
)
CACHE = Variable(
    (Value("/mnt/shots/cache", platforms=("linux",)), Value("C:\\cache", platforms=("windows",))), "twoway"
)
BLENDER = Variable((Value("/opt/blender/blender", platforms=("linux",)), Value("blender.exe", platforms=("windows",))))
VARIABLES = {"shots": SHOTS, "cache": CACHE, "blender": BLENDER}


def on(platform: str, text: str) -> str:
    return PathMapping(VARIABLES, platform).text(text)


@pytest.mark.parametrize(
    ("platform", "given", "shown"),
    [
        ("linux", "S:\\shots\\010\\a.blend", "/mnt/shots/010/a.blend"),
        ("linux", "s:/Shots/010/a.blend", "/mnt/shots/010/a.blend"),
        ("linux", "\\\\nas\\shots\\010", "/mnt/shots/010"),
        ("darwin", "/mnt/shots/010/a.blend", "/Volumes/shots/010/a.blend"),
        ("windows", "/Volumes/shots/010/a.blend", "S:\\shots\\010\\a.blend"),
        ("windows", "/mnt/shots", "S:\\shots"),
        ("windows", "/mnt/shots/cache/x/y", "C:\\cache\\x\\y"),
        ("linux", "/mnt/shots/010/a.blend", "/mnt/shots/010/a.blend"),
        ("windows", "--scene=/mnt/shots/010", "--scene=S:\\shots\\010"),
        ("linux", "{shots}/010/{blender}", "/mnt/shots/010//opt/blender/blender"),
        ("windows", "{blender}", "blender.exe"),
    ],
)
def test_a_path_is_what_it_is_there(platform: str, given: str, shown: str) -> None:
    assert on(platform, given) == shown


@pytest.mark.parametrize(
    "text",
    ["/mnt/shots2/a", "/MNT/SHOTS/a", "see /mnt/shots/a", "a/b=/mnt/shots/c", "S:\\shotsx", "{unknown}/a", "{frame}"],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert on("windows", text) == text


def test_a_platform_without_a_value_leaves_all_as_it_is() -> None:
    assert PathMapping({"cache": CACHE}, "darwin").text("/mnt/shots/cache/a") == "/mnt/shots/cache/a"


def test_texts_and_lists_of_a_commands_settings_are_mapped_and_nothing_else() -> None:
    settings = {"argv": ["{blender}", "/mnt/shots/a", 5], "n": 1, "deep": {"a": "{blender}"}, "blend": "{shots}/a"}
    commands = [{"name": "{blender}", "settings": settings}, {"name": "x"}]
    argv = ["/opt/blender/blender", "/mnt/shots/a", 5]
    assert PathMapping(VARIABLES, "linux").commands(commands) == [
        {"name": "{blender}", "settings": {**settings, "argv": argv, "blend": "/mnt/shots/a"}},
        {"name": "x", "settings": {}},
    ]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("{{blender}}", "blender.exe"),
        ("{{blender}}{frame:04d}{{no}}", "blender.exe{frame:04d}{{no}}"),
        ("{blender}", "{blender}"),
        ("{frame}", "{frame}"),
        ("{{{frame}}}", "{{{frame}}}"),
        ("{{{{blender}}}}", "{{{{blender}}}}"),
        ("--scene={{shots}}/{frame}", "--scene=S:\\shots/{frame}"),
        ("/mnt/shots/{frame}/a.{{odd}}", "S:\\shots\\{frame}\\a.{{x}}"),
        ("/odd/a", "{{x}}/a"),
    ],
)
def test_in_the_template_of_a_frame_job_a_variable_has_two_braces_and_takes_no_place_s_name(
    given: str, shown: str
) -> None:
    """Single ones are what the worker fills in: a variable called `frame` must not stand in the way."""
    odd = Variable((Value("{x}", platforms=("windows",)), Value("/odd", platforms=("linux",))), "twoway")
    frame = Variable((Value("wrong"),))
    mapping = PathMapping({**VARIABLES, "frame": frame, "odd": odd}, "windows")
    [command] = mapping.commands([{"name": "run_frames", "settings": {"argv": [given], "folder": "{blender}"}}])
    assert command["settings"] == {"argv": [shown], "folder": "blender.exe"}


def test_without_variables_nothing_changes() -> None:
    command = {"name": "exec", "settings": {"cmd": "sh -c 'echo ${HOME} {x}'", "argv": ["{frame}"]}}
    assert PathMapping({}, "linux").commands([command]) == [command]
