"""The one table of this room's routes, both spellings of each path."""

from __future__ import annotations

from typing import NamedTuple

from ...edge.http import Room, View, mount
from ...handlers.pushing import PUSH_ROUNDS
from . import job_routes, pushing, worker_routes
from .envelope import on_error, refuse

READ = ("POST", "GET")
"""The protocol posts everything; what changes nothing may also be asked for."""


class Route(NamedTuple):
    path: str
    view: View
    methods: tuple[str, ...] = ("POST",)


ROUTES = (
    Route("/master/add_job", job_routes.add_job),
    Route("/master/get_job", job_routes.get_job, READ),
    Route("/master/get_jobs", job_routes.get_jobs, READ),
    Route("/master/get_job_state", job_routes.get_job_state, READ),
    Route("/master/remove_job", job_routes.remove_job),
    Route("/master/register_worker", worker_routes.register),
    Route("/master/register", worker_routes.register),
    Route("/master/worker_heartbeat", worker_routes.heartbeat),
    Route("/master/heartbeat", worker_routes.heartbeat),
    Route("/master/unregister", worker_routes.unregister),
    Route("/master/unregister_worker", worker_routes.unregister),
    Route("/master/set_task_result", worker_routes.set_task_result),
)

blueprint = Room(__name__, refuse)

for route in ROUTES:
    mount(blueprint, list(route.methods), route.path, route.view, on_error)

PUSH_ROUNDS.append(pushing.push_round)
