"""The room serves what its table of routes says."""

from __future__ import annotations

from chalicelib.core.farm import Farm
from chalicelib.dialects.pleiades import routes
from tests.dialects.pleiades.conftest import the_app


def test_every_route_is_served_under_every_base(farm: Farm) -> None:
    served = the_app().routes
    for base in routes.BASES:
        for route in routes.ROUTES:
            assert route.method in served[base + route.path]
