"""Signing in at the web page: a token goes into a cookie that only the browser and the farm see."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core import access
from ..core.access import Scope
from ..core.farm import Farm
from ..edge import auth, current, page_session
from ..edge.auth import Unauthenticated
from ..edge.http import Reply, Request
from .answering import answer
from .models import Answer
from .operations import Operation
from .reading import read_body
from .wanted import Wanted


class SessionWanted(Wanted):
    token: Annotated[str, Field(min_length=1, max_length=200)]


class Session(Answer):
    """Who asks, as the farm sees it. `name` is null, and `scopes` empty, for who showed no token of this farm."""

    name: str | None
    scopes: list[Scope]
    auth: Annotated[str, Field(json_schema_extra={"enum": ["open", "token"]})]


def create(farm: Farm, request: Request) -> Reply:
    """Sign in: the token is kept in a cookie of this browser.

    The cookie counts only together with the header `X-Millrace-Page: 1`, or for reading by a page of this farm. An open
    farm asks for no token, and keeps none.
    """
    token = read_body(request, SessionWanted).token
    if current.settings().auth == "open":
        return Reply(204)
    if not token.isascii() or access.principal(farm, token) is None:
        raise Unauthenticated("this is not a token of this farm")
    return Reply(204, headers={"Set-Cookie": page_session.kept(request, token), "Cache-Control": "no-store"})


def show(farm: Farm, request: Request) -> Reply:
    """Who asks, and what that one may do."""
    settings = current.settings()
    try:
        principal = auth.authenticate(farm, request)
    except Unauthenticated:
        return answer(Session(name=None, scopes=[], auth=settings.auth))
    return answer(Session(name=principal.name, scopes=sorted(principal.scopes), auth=settings.auth))


def delete(farm: Farm, request: Request) -> Reply:
    """Sign out: the browser forgets the token, which stays valid."""
    return Reply(204, headers={"Set-Cookie": page_session.forgotten(request)})


OPERATIONS = (
    Operation("GET", "/session", show, None, answer=Session),
    Operation(
        "POST",
        "/session",
        create,
        None,
        204,
        body=SessionWanted,
        headers={"Set-Cookie": "The token, on a farm with tokens."},
        problems=(401,),
    ),
    Operation("DELETE", "/session", delete, None, 204),
)
