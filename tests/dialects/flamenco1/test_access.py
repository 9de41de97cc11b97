"""On a farm with tokens the programs of this protocol carry one in their URL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.config import Settings
from chalicelib.core.access import make_token
from chalicelib.dialects.flamenco1 import routes
from chalicelib.edge import current
from tests.dialects.flamenco1.conftest import Site


@pytest.fixture
def closed(site: Site, settings: Settings) -> Site:
    current.serve(site.farm, replace(settings, auth="token"))
    return site


def test_without_a_token_nothing_is_told(closed: Site) -> None:
    for route in routes.ROUTES:
        path = route.path.format(id=1, name="dependencies_1.zip")
        answer = closed.call(route.method, path)
        assert answer.status_code == 401 and answer.json()["message"], (route, answer.text)
        assert closed.call(route.method, path, params={"token": "mr_wrong"}).status_code == 401


def test_a_token_in_the_urls_user_part_or_in_the_query_opens(closed: Site) -> None:
    token = make_token(closed.farm, "node7", ["worker"])[1]
    form = {"hostname": "node7", "port": 5000}
    assert closed.call("POST", "/workers", data=form, auth=(token, "")).status_code == 204
    assert closed.call("GET", f"/tasks/compiled/0?worker=node7&token={token}").json() == ""


def test_a_token_opens_only_its_scope(closed: Site) -> None:
    worker = make_token(closed.farm, "node7", ["worker"])[1]
    submitter = make_token(closed.farm, "server", ["submit"])[1]
    task = {"task_id": 41, "type": "print_string", "settings": '{"text": "hi"}'}
    assert closed.call("POST", "/tasks", data=task, auth=(worker, "")).status_code == 403
    assert closed.call("POST", "/tasks", data=task, auth=(submitter, "")).status_code == 202
    assert closed.call("DELETE", "/tasks/41", auth=(submitter, "")).status_code == 403
    assert closed.call("POST", "/settings", data={"blender_path_linux": "x"}, auth=(submitter, "")).status_code == 403


def test_a_token_in_the_query_is_no_setting(closed: Site) -> None:
    token = make_token(closed.farm, "operator", ["operate"])[1]
    assert closed.call("POST", f"/settings?token={token}", data={"a": "b"}).status_code == 204
    assert closed.call("GET", f"/settings?token={token}").json() == {"a": "b"}
