"""The farm's variables: `{blender}` in the settings of commands, as that is on the platform of who runs them."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

from pydantic import Field

from ..core import variables
from ..core.access import Scope
from ..core.errors import BadInput
from ..core.farm import Farm
from ..edge.http import Reply, Request
from .answering import answer
from .models import Answer
from .operations import Operation, Parameter
from .reading import read_body
from .wanted import Name, Wanted

MOST_VARIABLES = 200
LONGEST_VALUE = 1000
MOST_BYTES = 300_000
"""Of all together, as JSON: they are one item of the table, which has room for some more."""


class VariableValue(Wanted):
    """What a variable stands for, on these platforms (none: all) and for this audience."""

    value: Annotated[str, Field(max_length=LONGEST_VALUE)]
    audience: Literal["all", "workers", "users"] = "all"
    platforms: Annotated[list[Name], Field(max_length=20)] = []


class VariableWanted(Wanted):
    """`twoway`: values, which are paths, also stand for the variable; slashes at their ends are cut."""

    direction: Literal["oneway", "twoway"] = "oneway"
    values: Annotated[list[VariableValue], Field(max_length=20)]


class VariablesWanted(Wanted):
    """All variables of the farm, by name without braces."""

    variables: Annotated[
        dict[Annotated[str, Field(pattern="^[^{}]{1,100}$")], VariableWanted], Field(max_length=MOST_VARIABLES)
    ]


class Variables(Answer):
    variables: dict[str, VariableWanted]


_TAGS = re.compile(r'(W/)?"[^"]*"(\s*,\s*(W/)?"[^"]*")*')
RESERVED = frozenset({"frame", "start", "end", "step", "input", "output"})
"""What commands of jobs of type `frames` hold in braces."""


def show(farm: Farm, request: Request) -> Reply:
    """The variables of the farm.

    Workers get commands with every `{name}` in a text replaced. Workers of our own also get a path that begins with a
    value of a two-way variable, whatever platform that is for, as the path that it is on theirs.
    """
    found = variables.read(farm.table)
    shown = Variables(variables={name: _shown(variable) for name, variable in found.items()})
    return answer(shown, headers={"ETag": f'"{variables.tag(found)}"'})


def replace(farm: Farm, request: Request) -> Reply:
    """Replace all variables.

    They count for tasks that are given out from now on. With `If-Match`, only if nobody has changed them since they
    were read.
    """
    wanted = read_body(request, VariablesWanted)
    if taken := sorted(RESERVED & wanted.variables.keys()):
        raise BadInput(f"{{{taken[0]}}} is a placeholder of frame commands; use another name", field="variables")
    size = len(json.dumps(wanted.model_dump()["variables"], ensure_ascii=False).encode("utf-8", "replace"))
    if size > MOST_BYTES:
        raise BadInput(f"all variables together have at most {MOST_BYTES} bytes, not {size}", field="variables")
    new = {name: _variable(variable) for name, variable in wanted.variables.items()}
    variables.write(farm.table, new, known=_known(request))
    return show(farm, request)


def _known(request: Request) -> list[str] | None:
    """The tags that the request names; None: it asks for none. Proxies that compress make strong ones weak."""
    said = request.headers.get("if-match", "").strip()
    if said in ("", "*"):
        return None
    if not _TAGS.fullmatch(said):
        raise BadInput("If-Match holds an ETag as GET /variables answered it, in quotes", field="If-Match")
    return re.findall(r'"([^"]*)"', said)


def _variable(wanted: VariableWanted) -> variables.Variable:
    values = tuple(variables.Value(v.value, v.audience, tuple(v.platforms)) for v in wanted.values)
    return variables.Variable(values, wanted.direction)


def _shown(variable: variables.Variable) -> VariableWanted:
    values = [{"value": v.value, "audience": v.audience, "platforms": list(v.platforms)} for v in variable.values]
    return VariableWanted.model_validate({"direction": variable.direction, "values": values})


_TAG = {"ETag": "Another one when the variables are others."}
_IF_MATCH = Parameter(
    "If-Match",
    "The ETag of the variables that these are to replace; without it they replace whatever there is.",
    {"type": "string"},
    where="header",
)

OPERATIONS = (
    Operation("GET", "/variables", show, Scope.SUBMIT, answer=Variables, headers=_TAG),
    Operation(
        "PUT",
        "/variables",
        replace,
        Scope.ADMIN,
        answer=Variables,
        body=VariablesWanted,
        parameters=(_IF_MATCH,),
        headers=_TAG,
        problems=(412,),
    ),
)
