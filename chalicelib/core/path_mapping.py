"""Commands as the platform of their worker wants them: variables filled in, and paths of shared storage turned into
those under which that platform has it. Done in the copy that goes to a worker of our own, never in the task.

- One way: `{name}` anywhere in a text becomes the variable's value for the platform.
- Two ways: a text that begins with a value of the variable for *any* platform or audience, up to a separator, begins
  with the value for the worker's; the separators that follow change too. So `S:/shot/a.blend`, submitted on Windows, is
  `/mnt/shots/shot/a.blend` on Linux, and the other way round. Also after the first `=` of a word (`--scene=S:/a`).

In a template (`TEMPLATES`) single braces are places for frames and folders, so there a variable is written `{{name}}`:
what is left of it when the template is filled in. What is put into one has its braces doubled, and stays what it is.

The longest value wins. Values that look like paths of Windows are compared as Windows compares: without case, and with
either slash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .model import Json
from .variables import TWO_WAY, Variables, filled_in, for_worker

TEMPLATES = {"run_frames": "argv"}
"""Command -> the setting whose words the worker fills in once more, by `str.format`."""
_WINDOWS = re.compile(r"[A-Za-z]:|\\\\")
_IN_TEMPLATE = re.compile(r"(?<!\{)\{\{([^{}]+)\}\}(?!\})")


class PathMapping:
    """For the workers of one platform."""

    def __init__(self, variables: Variables, platform: str) -> None:
        self._texts = for_worker(variables, platform)
        ways = [
            (value.value.rstrip("/\\"), self._texts[name])
            for name, variable in variables.items()
            if variable.direction == TWO_WAY and name in self._texts
            for value in variable.values
        ]
        longest_first = sorted({way for way in ways if way[0]}, key=lambda way: -len(way[0]))
        self._ways = [(_beginning(source), target) for source, target in longest_first]

    def commands(self, commands: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
        """Texts in the settings, and in lists there."""
        return [{**command, "settings": self._settings(command)} for command in commands]

    def _settings(self, command: Mapping[str, Json]) -> dict[str, Json]:
        template = TEMPLATES.get(str(command.get("name")))
        settings = command.get("settings") or {}
        return {name: self._value(value, name == template) for name, value in settings.items()}

    def _value(self, value: Json, template: bool) -> Json:
        if isinstance(value, list):
            return [self.text(one, template) if isinstance(one, str) else one for one in value]
        return self.text(value, template) if isinstance(value, str) else value

    def text(self, text: str, template: bool = False) -> str:
        option, equals, rest = text.partition("=")
        if equals and "/" not in option and "\\" not in option and (path := self._path(rest, template)) is not None:
            return self._filled_in(option, template) + equals + path
        return path if (path := self._path(text, template)) is not None else self._filled_in(text, template)

    def _path(self, text: str, template: bool) -> str | None:
        """None: it lies in no place that a variable knows."""
        for beginning, target in self._ways:
            match = beginning.match(text)
            if match is not None:
                rest = self._filled_in(text[match.end() :], template)
                rest = rest.replace("/", "\\") if _is_windows(target) else rest.replace("\\", "/")
                return (_in_template(target) if template else target) + rest
        return None

    def _filled_in(self, text: str, template: bool) -> str:
        if not template:
            return filled_in(text, self._texts)

        def shown(match: re.Match[str]) -> str:
            return _in_template(self._texts[match[1]]) if match[1] in self._texts else match[0]

        return _IN_TEMPLATE.sub(shown, text)


def _in_template(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _is_windows(path: str) -> bool:
    return _WINDOWS.match(path) is not None


def _beginning(source: str) -> re.Pattern[str]:
    """`/mnt/shots` begins `/mnt/shots/a` and is `/mnt/shots`, but has nothing to do with `/mnt/shots2`."""
    if not _is_windows(source):
        return re.compile(re.escape(source) + r"(?=/|$)")
    parts = [re.escape(part) for part in re.split(r"[/\\]", source)]
    return re.compile(r"[/\\]".join(parts) + r"(?=[/\\]|$)", re.IGNORECASE)
