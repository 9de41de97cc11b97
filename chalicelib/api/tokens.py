"""Access tokens: made, listed and revoked. A token's text is in the answer that makes it, and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..core import access
from ..core.access import Scope
from ..core.farm import Farm
from ..core.ids import parse_id
from ..edge.clock import time_text
from ..edge.http import Reply, Request
from .answering import answer
from .models import Answer
from .operations import Operation
from .reading import read_body
from .wanted import Name, Wanted


class TokenWanted(Wanted):
    name: Annotated[Name, Field(description="Whose it is, or what for.")]
    scopes: Annotated[list[Literal["submit", "operate", "worker", "admin"]], Field(min_length=1, max_length=4)]


class Token(Answer):
    id: str
    name: str
    scopes: Annotated[list[str], Field(description="`join` alone: it lets one machine in, see `POST /join-tokens`.")]
    created_at: str
    ends_at: Annotated[str | None, Field(description="Only join tokens end.")]
    worker: Annotated[str | None, Field(description="The one worker that it is for, or has let in.")]


class NewToken(Token):
    token: Annotated[str, Field(description="What opens the door. It is not told again.")]


class Tokens(Answer):
    items: list[Token]


def create(farm: Farm, request: Request) -> Reply:
    """Make a token.

    `submit`: submit jobs, upload and read. `operate`: also steer jobs and workers. `worker`: register workers.
    """
    wanted = read_body(request, TokenWanted)
    token, text = access.make_token(farm, wanted.name, wanted.scopes)
    return answer(NewToken(token=text, **shown(token).model_dump()), 201)


def show(farm: Farm, request: Request) -> Reply:
    """List the tokens, without their texts."""
    return answer(Tokens(items=[shown(token) for token in access.tokens(farm)]))


def delete(farm: Farm, request: Request, token_id: str) -> Reply:
    """Revoke a token."""
    access.revoke(farm, parse_id(token_id, "token"))
    return Reply(204)


def shown(token: access.Token) -> Token:
    return Token(
        id=str(token.id),
        name=token.name,
        scopes=list(token.scopes),
        created_at=time_text(token.created_at),
        ends_at=time_text(token.ends_at),
        worker=token.worker,
    )


OPERATIONS = (
    Operation("GET", "/tokens", show, Scope.ADMIN, answer=Tokens),
    Operation("POST", "/tokens", create, Scope.ADMIN, status=201, answer=NewToken, body=TokenWanted),
    Operation("DELETE", "/tokens/{id}", delete, Scope.ADMIN, status=204),
)
