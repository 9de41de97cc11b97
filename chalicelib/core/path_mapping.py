"""Commands as the platform of their worker wants them: variables filled in, and paths of shared storage turned into
those under which that platform has it. Done in the copy that goes to a worker of our own, never in the task.

- One way: `{name}` anywhere in a text becomes the variable's value for the platform.
- Two ways: a text that begins with a value of the variable for *any* platform or audience, up to a separator, begins
  with the value for the worker's; the separators that follow change too. So `S:/shot/a.blend`, submitted on Windows, is
  `/mnt/shots/shot/a.blend` on Linux, and the other way round. Also after the first `=` of a word (`--scene=S:/a`).

The longest value wins. Values that look like paths of Windows are compared as Windows compares: without case, and with
either slash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .model import Json
from .variables import TWO_WAY, Variables, filled_in, for_worker

_WINDOWS = re.compile(r"[A-Za-z]:|\\\\")


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
        return [{**command, "settings": self._settings(command.get("settings") or {})} for command in commands]

    def _settings(self, settings: Mapping[str, Json]) -> dict[str, Json]:
        return {name: self._value(value) for name, value in settings.items()}

    def _value(self, value: Json) -> Json:
        if isinstance(value, list):
            return [self.text(one) if isinstance(one, str) else one for one in value]
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> str:
        option, equals, rest = text.partition("=")
        if equals and "/" not in option and "\\" not in option and (path := self._path(rest)) is not None:
            return filled_in(option, self._texts) + equals + path
        return path if (path := self._path(text)) is not None else filled_in(text, self._texts)

    def _path(self, text: str) -> str | None:
        """None: it lies in no place that a variable knows."""
        for beginning, target in self._ways:
            match = beginning.match(text)
            if match is not None:
                rest = filled_in(text[match.end() :], self._texts)
                return target + (rest.replace("/", "\\") if _is_windows(target) else rest.replace("\\", "/"))
        return None


def _is_windows(path: str) -> bool:
    return _WINDOWS.match(path) is not None


def _beginning(source: str) -> re.Pattern[str]:
    """`/mnt/shots` begins `/mnt/shots/a` and is `/mnt/shots`, but has nothing to do with `/mnt/shots2`."""
    if not _is_windows(source):
        return re.compile(re.escape(source) + r"(?=/|$)")
    parts = [re.escape(part) for part in re.split(r"[/\\]", source)]
    return re.compile(r"[/\\]".join(parts) + r"(?=[/\\]|$)", re.IGNORECASE)
