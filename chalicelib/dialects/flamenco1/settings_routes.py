"""`/settings`: this room's own settings, which say where workers find Blender. A person of the farm sets them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from ...core.access import Scope
from ...core.errors import BadInput, NotFound
from ...core.farm import Farm
from ...edge.auth import require
from ...edge.fields import parsed
from ...edge.http import Reply, Request, json_reply
from . import forms
from .envelope import DONE
from .fleet import notes
from .submitting import settings_of
from .wire import SettingValue

MOST_SETTINGS, MOST_CHARACTERS = 200, 100_000
"""Together: they are one item of the table."""
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def listing(farm: Farm, request: Request) -> Reply:
    require(farm, request, Scope.SUBMIT, Scope.WORKER)
    return json_reply(dict(sorted(settings_of(farm).items())))


def change_many(farm: Farm, request: Request) -> Reply:
    """Each field of the request is a setting. All are taken or none."""
    require(farm, request, Scope.OPERATE)
    given = forms.fields(request)
    if not given:
        raise BadInput("at least one setting is needed")
    _write(farm, {_checked(name): parsed(SettingValue, {"value": value}).value for name, value in given.items()})
    return DONE


def show(farm: Farm, request: Request, name: str) -> Reply:
    require(farm, request, Scope.SUBMIT, Scope.WORKER)
    known = settings_of(farm)
    wanted = unquote(name)
    if wanted not in known:
        raise NotFound(f"no such setting: {wanted[:60]}")
    return json_reply({"name": wanted, "value": known[wanted]})


def change(farm: Farm, request: Request, name: str) -> Reply:
    require(farm, request, Scope.OPERATE)
    wanted = _checked(unquote(name))
    value = parsed(SettingValue, forms.fields(request)).value
    _write(farm, {wanted: value})
    return json_reply({"value": value})


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadInput(f"a setting's name has 1 to 100 letters, digits, _, . and -, not {name[:40]!r}", field=name)
    return name


def _write(farm: Farm, given: Mapping[str, str]) -> None:
    def change(known: Mapping[str, str]) -> Mapping[str, str]:
        wanted = {**known, **given}
        if len(wanted) > MOST_SETTINGS:
            raise BadInput(f"at most {MOST_SETTINGS} settings, please")
        if sum(len(name) + len(value) for name, value in wanted.items()) > MOST_CHARACTERS:
            raise BadInput(f"at most {MOST_CHARACTERS} characters in all settings, please")
        return wanted

    notes(farm).change("settings", change)
