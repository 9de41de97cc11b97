"""The one table of this room's routes, served under the root and under the base paths that Pleiades clients know."""

from __future__ import annotations

from typing import NamedTuple

from ...config import VERSION
from ...core.access import Scope
from ...core.farm import Farm
from ...core.model import FUNCTION_TYPE
from ...edge import auth
from ...edge.http import OnError, Reply, Request, Room, View, later, mount
from .envelope import failure, ok, on_blob_error, on_error

BASES = ("", "/api/v0.5", "/api/v0.5-snapshot")


def ping(farm: Farm, request: Request) -> Reply:
    return ok(message="pong")


def version(farm: Farm, request: Request) -> Reply:
    return ok(name="Millrace", version=VERSION)


def runtimes(farm: Farm, request: Request) -> Reply:
    """The runtimes for which there have been jobs lately."""
    auth.require(farm, request, Scope.SUBMIT, Scope.WORKER)
    types = {lane.requirement.task_type for lane in farm.registry.read().lanes}
    return ok(runtime=sorted(t.removeprefix(FUNCTION_TYPE) for t in types if t.startswith(FUNCTION_TYPE)))


class Route(NamedTuple):
    method: str
    path: str
    view: View
    on_error: OnError = on_error


ROUTES = (
    Route("GET", "/ping", ping),
    Route("GET", "/sys/version", version),
    Route("GET", "/sys/runt/stat", runtimes),
    Route("POST", "/worker", later(__package__, "worker_routes.register")),
    Route("GET", "/worker/{id}", later(__package__, "worker_routes.info")),
    Route("POST", "/worker/{id}/contract", later(__package__, "contract_routes.contract")),
    Route("POST", "/worker/{id}/sign-on", later(__package__, "native_routes.sign_on")),
    Route("POST", "/worker/{id}/sign-off", later(__package__, "native_routes.sign_off")),
    Route("POST", "/worker/{id}/renew", later(__package__, "native_routes.renew")),
    Route("POST", "/worker/{id}/log", later(__package__, "native_routes.log")),
    Route("POST", "/worker/{id}/picture", later(__package__, "native_routes.picture")),
    Route("POST", "/worker/{id}/files", later(__package__, "native_routes.files")),
    Route("POST", "/worker/{id}/parts", later(__package__, "native_routes.parts")),
    Route("POST", "/worker/{id}/status", later(__package__, "native_routes.status")),
    Route("POST", "/data", later(__package__, "blob_routes.upload")),
    Route("GET", "/data/{id}", later(__package__, "blob_routes.info"), on_blob_error),
    Route("GET", "/data/{id}/blob", later(__package__, "blob_routes.download"), on_blob_error),
    Route("POST", "/lambda", later(__package__, "job_routes.create_lambda")),
    Route("GET", "/lambda/{id}", later(__package__, "job_routes.lambda_info")),
    Route("POST", "/job", later(__package__, "job_routes.create_job")),
    Route("GET", "/job/{id}", later(__package__, "job_routes.job_info")),
    Route("POST", "/job/{id}", later(__package__, "job_routes.update_job")),
    Route("GET", "/job/{id}/trace", later(__package__, "job_routes.trace")),
)

blueprint = Room(__name__, failure)

for base in BASES:
    for route in ROUTES:
        mount(blueprint, [route.method], base + route.path, route.view, route.on_error)
