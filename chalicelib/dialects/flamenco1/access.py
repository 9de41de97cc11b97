"""Who may make which call of this room.

The protocol knows no credentials: a worker is recognised by the address of its connection. On a farm with tokens its
programs are given URLs with a token in their user part (`http://TOKEN:@farm/`, sent as Basic), or `?token=`.
"""

from __future__ import annotations

from ...core.access import Scope
from ...core.errors import Forbidden
from ...core.farm import Farm
from ...edge import auth
from ...edge.http import Request


def allow(farm: Farm, request: Request, *scopes: Scope) -> None:
    """One of these scopes is needed. Raises Forbidden."""
    principal = auth.authenticate(farm, request)
    if not principal.scopes.intersection(scopes):
        raise Forbidden(f"this needs a token with scope {' or '.join(scope.value for scope in scopes)}")
