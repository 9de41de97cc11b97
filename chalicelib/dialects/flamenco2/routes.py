"""The one table of this room's routes. Workers join paths to the root of the host, so there is no base path."""

from __future__ import annotations

from typing import NamedTuple

from ...edge.http import OnError, Room, View, mount
from . import dashboard_routes, image_routes, task_routes, worker_routes
from .replies import on_error, on_may_i_run_error, on_update_error, refuse


class Route(NamedTuple):
    methods: tuple[str, ...]
    path: str
    view: View
    on_error: OnError = on_error


ROUTES = (
    Route(("POST",), "/register-worker", worker_routes.register),
    Route(("POST",), "/sign-on", worker_routes.sign_on),
    Route(("POST",), "/sign-off", worker_routes.sign_off),
    Route(("GET", "POST"), "/task", task_routes.fetch),
    Route(("POST",), "/tasks/{id}/update", task_routes.update, on_update_error),
    Route(("POST",), "/tasks/{id}/return", task_routes.give_back),
    Route(("GET",), "/may-i-run/{id}", task_routes.may_i_run, on_may_i_run_error),
    Route(("GET",), "/status-change", worker_routes.status_change),
    Route(("POST",), "/ack-status-change/{id}", worker_routes.acknowledge),
    Route(("POST",), "/output-produced", worker_routes.output_produced),
    Route(("GET",), "/logfile/{id}/{task_id}", task_routes.logfile),
    Route(("GET",), "/as-json", dashboard_routes.as_json),
    Route(("POST",), "/worker-action/{id}", dashboard_routes.worker_action),
    Route(("POST",), "/set-sleep-schedule/{id}", dashboard_routes.set_sleep_schedule),
    Route(("GET",), "/latest-image", image_routes.show),
    Route(("GET",), "/latest-image.jpg", image_routes.picture),
    Route(("GET",), "/imagewatch", image_routes.watch),
)

blueprint = Room(__name__, refuse, slash_status=301)

for route in ROUTES:
    mount(blueprint, list(route.methods), route.path, route.view, route.on_error)
