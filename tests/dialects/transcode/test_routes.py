"""The room serves what its table of routes says."""

from __future__ import annotations

from chalicelib.core.farm import Farm
from chalicelib.dialects.transcode import routes
from tests.dialects.transcode.conftest import the_app


def test_every_route_is_served(farm: Farm) -> None:
    served = the_app().routes
    for route in routes.ROUTES:
        assert set(route.methods) == set(served[route.path])
