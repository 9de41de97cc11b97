"""The one table of this room's routes, and how its errors look: 500 and one field, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping

from ...core.errors import FarmError, Forbidden, Unavailable
from ...core.farm import Farm
from ...core.ports import TableUnavailable
from ...edge.auth import Unauthenticated
from ...edge.failures import OUR_FAULT, log_failure
from ...edge.http import Reply, Request, Room, View, mount
from . import calls, go_json, wire
from .translate import rpc_error

ROUTES: Mapping[str, View] = {"/start": calls.start, "/stop": calls.stop, "/query": calls.query}
# Declared, so that they reach us through API Gateway too, whose own answer would be 403.
OTHER_METHODS = ["GET", "HEAD", "PUT", "PATCH", "DELETE"]


def on_error(request: Request, error: Exception) -> Reply:
    """What a view raised, in this room's words. Only credentials, which the protocol does not know, are no 500."""
    if isinstance(error, Unauthenticated):
        return wire.failure(error.message, 401)
    if isinstance(error, Forbidden):
        return wire.failure(error.message, 403)
    if isinstance(error, calls.Failed | go_json.Malformed):
        return wire.failure(error.message)
    if isinstance(error, Unavailable | TableUnavailable):
        return wire.failure(rpc_error("the farm is busy; try again", "Unavailable"))
    if isinstance(error, FarmError):
        return wire.failure(rpc_error(error.message))
    log_failure(request, error)
    return wire.failure(rpc_error(OUR_FAULT, "Internal"))


def refuse(status: int, message: str) -> Reply:
    """What no view sees."""
    if status == 404:
        return Reply(404, b"404 page not found\n", wire.PLAIN_TEXT)
    return wire.method_not_allowed() if status == 405 else wire.failure(message)


def wrong_method(farm: Farm, request: Request) -> Reply:
    return wire.method_not_allowed()


def options(farm: Farm, request: Request) -> Reply:
    return Reply(200, b"", None, {"Allow": wire.METHODS})


blueprint = Room(__name__, refuse, slash_status=307)

for path, view in ROUTES.items():
    mount(blueprint, ["POST"], path, view, on_error)
    mount(blueprint, ["OPTIONS"], path, options, on_error)
    mount(blueprint, OTHER_METHODS, path, wrong_method, on_error)
