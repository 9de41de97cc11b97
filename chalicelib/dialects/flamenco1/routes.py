"""The one table of this room's routes. `GET /`, which workers ask for first, is answered by the front page."""

from __future__ import annotations

from typing import NamedTuple

from ...edge.http import Room, View, mount
from ...handlers.pushing import PUSH_ROUNDS
from . import pull_routes, pushing, settings_routes, task_routes, worker_routes
from .envelope import on_error, refuse


class Route(NamedTuple):
    method: str
    path: str
    view: View


ROUTES = (
    Route("POST", "/tasks", task_routes.create),
    Route("DELETE", "/tasks", task_routes.delete_many),
    Route("PATCH", "/tasks/{id}", task_routes.report),
    Route("DELETE", "/tasks/{id}", task_routes.delete),
    Route("POST", "/tasks/thumbnails", task_routes.thumbnail),
    Route("GET", "/tasks/compiled/{id}", pull_routes.compiled),
    Route("GET", "/tasks/zip/{id}", pull_routes.job_zip),
    Route("GET", "/tasks/zip/sup/{id}", pull_routes.support_zip),
    Route("GET", "/tasks/file/{id}", pull_routes.has_file),
    Route("GET", "/static/storage/{id}/{name}", pull_routes.dependencies_zip),
    Route("GET", "/job-types", pull_routes.job_types),
    Route("GET", "/job-types/{id}", pull_routes.job_type),
    Route("GET", "/workers", worker_routes.listing),
    Route("POST", "/workers", worker_routes.register),
    Route("GET", "/workers/loop", worker_routes.loop),
    Route("GET", "/workers/{id}", worker_routes.info),
    Route("PATCH", "/workers/{id}", worker_routes.change),
    Route("PATCH", "/workers/status/{id}", worker_routes.change_status),
    Route("GET", "/settings", settings_routes.listing),
    Route("POST", "/settings", settings_routes.change_many),
    Route("GET", "/settings/{id}", settings_routes.show),
    Route("PATCH", "/settings/{id}", settings_routes.change),
)

blueprint = Room(__name__, refuse)

for route in ROUTES:
    mount(blueprint, [route.method], route.path, route.view, on_error)

PUSH_ROUNDS.append(pushing.push_round)
