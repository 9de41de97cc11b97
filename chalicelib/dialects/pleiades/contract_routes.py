"""`POST /worker/{id}/contract`: who asks natively, and who in the words of Pleiades. Each side is imported when it is
asked: a farm in a Lambda function starts to answer that much sooner.
"""

from __future__ import annotations

from ...core.farm import Farm
from ...edge.http import Reply, Request
from .envelope import json_object


def contract(farm: Farm, request: Request, worker_id: str) -> Reply:
    body = json_object(request, may_be_empty=True)
    if not body.keys().isdisjoint({"slots", "request_id"}):
        from . import native_contract

        return native_contract.contract(farm, request, worker_id, body)
    from . import worker_routes

    return worker_routes.contract(farm, request, worker_id, body)
