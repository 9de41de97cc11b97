"""The one list of this API's operations, hung into a blueprint: parameters and access are checked here, for all."""

from __future__ import annotations

import functools

from pydantic import BaseModel

from ..core.farm import Farm
from ..edge import auth
from ..edge.http import Reply, Request, Room, View, mount
from ..edge.json_text import compact_json
from ..edge.refusals import API
from . import (
    blobs,
    blocklists,
    changes,
    farm,
    jobs,
    joining,
    last_rendered,
    outputs,
    queue_mode,
    retention,
    sessions,
    sleep_schedules,
    statistics,
    strips,
    tasks,
    tokens,
    type_policies,
    uploads,
    variables,
    webhooks,
    why,
    workers,
)
from .openapi import document
from .operations import Operation
from .problems import on_error, refuse
from .reading import refuse_unknown


def openapi(farm: Farm, request: Request) -> Reply:
    """This document."""
    types = tuple(sorted((name, kind.settings) for name, kind in farm.job_types.items()))
    return Reply(200, _document(types), "application/json")


@functools.cache
def _document(job_types: tuple[tuple[str, type[BaseModel]], ...]) -> bytes:
    return compact_json(document(OPERATIONS, dict(job_types)))


OPERATIONS = (
    *farm.OPERATIONS,
    *changes.OPERATIONS,
    *statistics.OPERATIONS,
    *jobs.OPERATIONS,
    *tasks.OPERATIONS,
    *strips.OPERATIONS,
    *outputs.OPERATIONS,
    *last_rendered.OPERATIONS,
    *workers.OPERATIONS,
    *why.OPERATIONS,
    *sleep_schedules.OPERATIONS,
    *blocklists.OPERATIONS,
    *variables.OPERATIONS,
    *type_policies.OPERATIONS,
    *retention.OPERATIONS,
    *queue_mode.OPERATIONS,
    *tokens.OPERATIONS,
    *joining.OPERATIONS,
    *sessions.OPERATIONS,
    *webhooks.OPERATIONS,
    *blobs.OPERATIONS,
    *uploads.OPERATIONS,
    Operation("GET", "/openapi.json", openapi, None),
)


def _view(operation: Operation) -> View:
    """Access before anything else: who may not ask learns nothing about the request."""

    @functools.wraps(operation.view)
    def view(farm: Farm, request: Request, *variables: str) -> Reply:
        if operation.scope is not None:
            auth.require(farm, request, operation.scope)
        refuse_unknown(request, operation.query_names)
        return operation.view(farm, request, *variables)

    return view


blueprint = Room(__name__, refuse)

for operation in OPERATIONS:
    mount(blueprint, [operation.method], API + operation.path, _view(operation), on_error)
