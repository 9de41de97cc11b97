"""Join tokens: made by an admin, and exchanged, once, by a machine that becomes a worker."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core import joining
from ..core.access import Scope
from ..core.farm import Farm
from ..edge.http import Reply, Request
from .answering import answer
from .models import Answer
from .operations import Operation
from .reading import read_body
from .tokens import NewToken, shown
from .wanted import Name, Wanted

NO_STORE = {"Cache-Control": "no-store"}


class JoinTokenWanted(Wanted):
    name: Annotated[Name, Field(description="What for.")] = "a worker"
    minutes: Annotated[int, Field(ge=1, le=joining.MOST_MINUTES, description="How long it may be used.")] = (
        joining.MINUTES
    )


class JoinWanted(Wanted):
    token: Annotated[str, Field(min_length=1, max_length=200, description="A join token.")]
    name: Annotated[Name, Field(description="The worker's name.")]
    nonce: Annotated[
        str,
        Field(
            pattern="^[A-Za-z0-9_-]{16,200}$",
            description="Made up by the worker; the same when the call is repeated for want of an answer.",
        ),
    ]


class Joined(Answer):
    token: Annotated[str, Field(description="Registers the worker of this name, and opens nothing else.")]
    name: str


def create(farm: Farm, request: Request) -> Reply:
    """Make a join token, which lets one machine in.

    It is exchanged by `POST /join`, once. Until it ends it is among the tokens, with scope `join`, and can be revoked.
    """
    wanted = read_body(request, JoinTokenWanted, may_be_empty=True)
    token, text = joining.make(farm, wanted.name, wanted.minutes)
    return answer(NewToken(token=text, **shown(token).model_dump()), 201)


def join(farm: Farm, request: Request) -> Reply:
    """Exchange a join token for a lasting one of the worker's own.

    Repeated with the same name and nonce it answers the same, for an hour. 409: another worker has used it.
    """
    wanted = read_body(request, JoinWanted)
    token = joining.join(farm, wanted.token, wanted.name, wanted.nonce)
    return answer(Joined(token=token, name=wanted.name), headers=NO_STORE)


OPERATIONS = (
    Operation("POST", "/join-tokens", create, Scope.ADMIN, status=201, answer=NewToken, body=JoinTokenWanted),
    Operation("POST", "/join", join, None, answer=Joined, body=JoinWanted, problems=(401, 403, 409)),
)
