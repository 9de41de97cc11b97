"""On a farm with tokens the programs of this protocol carry one in their URL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.config import Settings
from chalicelib.core import workers
from chalicelib.core.access import make_token
from chalicelib.dialects.flamenco1 import fleet, routes, standing
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


@pytest.mark.parametrize("path", ["/workers/{}", "/workers/status/{}"])
def test_a_workers_token_changes_no_other_worker_than_its_own(closed: Site, path: str) -> None:
    """One machine's token would otherwise put the whole farm to sleep."""
    farm = closed.farm
    token, operator = (make_token(farm, scope, [scope])[1] for scope in ("worker", "operate"))
    form = {"hostname": "node7", "port": 5000}
    made = closed.call("POST", "/workers", data=form, auth=(token, ""))
    own = int(made.headers["Location"].removeprefix("/workers/"))
    native, _ = workers.register(farm, workers.Description(name="ours", task_types=("exec",)), with_secret=True)

    def disables(number: int, token: str) -> bool:
        answer = closed.call("PATCH", path.format(number), data={"status": "disabled"}, auth=(token, ""))
        worker = workers.get(farm, number)
        assert (answer.status_code == 200) == standing.is_disabled(worker), answer.text
        assert answer.status_code in (200, 403)
        return answer.status_code == 200

    assert not disables(native.id, token)
    member = fleet.find(farm, own)
    assert member is not None
    fleet.note(farm, member, address="10.0.0.9")
    assert not disables(own, token), "it is at another address"
    fleet.note(farm, member, address="127.0.0.1", said="busy")
    assert disables(own, token)
    assert disables(native.id, operator)


def test_a_token_in_the_query_is_no_setting(closed: Site) -> None:
    token = make_token(closed.farm, "operator", ["operate"])[1]
    assert closed.call("POST", f"/settings?token={token}", data={"a": "b"}).status_code == 204
    assert closed.call("GET", f"/settings?token={token}").json() == {"a": "b"}
