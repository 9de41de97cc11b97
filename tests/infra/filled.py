"""What CloudFormation makes of a template's functions: those that this project's templates use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PLACE = re.compile(r"\$\{(!?)([^}]*)\}")


class Filled:
    """Parameters are as given, or their defaults. Resources and their attributes are their names unless given."""

    def __init__(self, template: Mapping[str, Any], given: Mapping[str, str]) -> None:
        self._template = template
        self._given = given

    def value(self, value: Any) -> Any:
        """None stands for AWS::NoValue."""
        match value:
            case {"Ref": "AWS::NoValue"}:
                return None
            case {"Ref": name}:
                return self.named(name)
            case {"Fn::GetAtt": [name, attribute]}:
                return self.named(f"{name}.{attribute}")
            case {"Fn::Sub": [text, more]}:
                return self._sub(text, {name: self.value(one) for name, one in more.items()})
            case {"Fn::Sub": text}:
                return self._sub(text, {})
            case {"Fn::If": [condition, yes, no]}:
                return self.value(yes if self.holds(condition) else no)
            case {"Fn::Base64": inner}:
                return self.value(inner)
            case dict():
                return {key: self.value(one) for key, one in value.items()}
            case list():
                return [made for one in value if (made := self.value(one)) is not None]
        return value

    def named(self, name: str) -> str:
        if name in self._given:
            return self._given[name]
        parameter = self._template["Parameters"].get(name)
        return name if parameter is None else str(parameter.get("Default", name))

    def holds(self, condition: str) -> bool:
        return self._is_so(self._template["Conditions"][condition])

    def _is_so(self, said: Any) -> bool:
        match said:
            case {"Condition": name}:
                return self.holds(name)
            case {"Fn::Not": [inner]}:
                return not self._is_so(inner)
            case {"Fn::And": parts}:
                return all(self._is_so(part) for part in parts)
            case {"Fn::Equals": [one, other]}:
                return bool(self.value(one) == self.value(other))
        raise AssertionError(f"a condition of a new kind: {said!r}")

    def _sub(self, text: str, more: Mapping[str, str]) -> str:
        def filled(place: re.Match[str]) -> str:
            if place[1]:
                return "${" + place[2] + "}"
            return more[place[2]] if place[2] in more else self.named(place[2])

        return _PLACE.sub(filled, text)
