"""The farm's variables and its workers' sleep schedules, as clients of `/api/v1` set them."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core import variables
from chalicelib.core.errors import Changed
from tests.api.bench import Bench

BLENDER = {
    "direction": "oneway",
    "values": [
        {"value": "/usr/bin/blender", "audience": "all", "platforms": ["linux"]},
        {"value": "C:\\blender.exe", "audience": "workers", "platforms": ["windows"]},
    ],
}


def test_variables_are_replaced_as_a_whole(bench: Bench) -> None:
    assert bench.get("/variables") == {"variables": {}}
    answer = bench.call("PUT", "/variables", {"variables": {"blender": BLENDER}})
    assert (answer.status, answer.json) == (200, {"variables": {"blender": BLENDER}})
    assert bench.get("/variables") == answer.json
    assert variables.for_worker(variables.read(bench.farm.table), "windows") == {"blender": "C:\\blender.exe"}
    render = {"values": [{"value": "/render/"}]}
    answer = bench.call("PUT", "/variables", {"variables": {"render": render}})
    assert list(answer.json["variables"]) == ["render"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"variables": []},
        {"variables": {"a{b": BLENDER}},
        {"variables": {"x": {"values": "no"}}},
        {"variables": {"x": {"direction": "both", "values": []}}},
        {"variables": {"x": {"values": [{"value": 1}]}}},
        {"variables": {"x": {"values": [{"value": "1", "audience": "cats"}]}}},
    ],
)
def test_wrong_variables_change_nothing(bench: Bench, body: object) -> None:
    bench.call("PUT", "/variables", {"variables": {"blender": BLENDER}})
    assert bench.call("PUT", "/variables", body).status == 400
    assert bench.get("/variables") == {"variables": {"blender": BLENDER}}


def test_who_says_what_he_read_replaces_only_that(bench: Bench) -> None:
    read = bench.call("GET", "/variables")
    tag = read.headers["ETag"]
    first = bench.call("PUT", "/variables", {"variables": {"blender": BLENDER}}, **{"If-Match": tag})
    assert first.status == 200 and first.headers["ETag"] != tag
    late = bench.call("PUT", "/variables", {"variables": {}}, **{"If-Match": tag})
    assert late.status == 412 and "somebody has changed the variables" in late.json["detail"]
    assert bench.get("/variables") == first.json
    either = f'"other", W/{first.headers["ETag"]}'
    assert bench.call("PUT", "/variables", {"variables": {}}, **{"If-Match": either}).status == 200
    wrong = bench.call("PUT", "/variables", {"variables": {}}, **{"If-Match": "unquoted"})
    assert (wrong.status, wrong.json["field"]) == (400, "If-Match")


def test_of_two_who_replace_the_same_at_once_one_does(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    variables.write(bench.farm.table, {})
    known = [variables.tag({})]
    look = bench.farm.table.get

    def overtaken(*wanted: Any, **options: Any) -> Any:
        """Somebody else writes between the look and the write."""
        item = look(*wanted, **options)
        monkeypatch.undo()
        variables.write(bench.farm.table, {"nuke": variables.Variable((variables.Value("/n"),))}, known=known)
        return item

    monkeypatch.setattr(bench.farm.table, "get", overtaken)
    with pytest.raises(Changed):
        variables.write(bench.farm.table, {}, known=known)
    assert list(variables.read(bench.farm.table)) == ["nuke"]


def test_a_name_that_frame_commands_use_is_refused(bench: Bench) -> None:
    answer = bench.call("PUT", "/variables", {"variables": {"frame": BLENDER}})
    assert answer.status == 400 and "{frame} is a placeholder of frame commands" in answer.json["detail"]


def test_more_than_the_farm_can_keep_is_refused_with_the_limit(bench: Bench) -> None:
    bench.call("PUT", "/variables", {"variables": {"blender": BLENDER}})
    many = {f"v{number}": {"values": [{"value": "x" * 1000}] * 20} for number in range(20)}
    answer = bench.call("PUT", "/variables", {"variables": many})
    assert (answer.status, answer.json["field"]) == (400, "variables")
    assert "at most 300000 bytes" in answer.json["detail"]
    assert bench.get("/variables") == {"variables": {"blender": BLENDER}}
    most = {f"v{number}": {"values": [{"value": "é" * 1000}] * 14} for number in range(10)}
    assert bench.call("PUT", "/variables", {"variables": most}).status == 200


def test_only_an_administrator_sets_variables(bench: Bench) -> None:
    bench.serve(auth="token")
    operator = f"Bearer {bench.token('operate')}"
    assert bench.call("PUT", "/variables", {"variables": {}}, Authorization=operator).status == 403
    assert bench.call("GET", "/variables", Authorization=operator).status == 200


def test_a_worker_gets_a_sleep_schedule(bench: Bench) -> None:
    worker, _ = bench.worker()
    path = f"/workers/{worker.id}/sleep-schedule"
    assert bench.get(path) == {"active": False, "days": [], "start": None, "end": None}
    answer = bench.call("PUT", path, {"active": True, "days": ["tu", "mo"], "start": "22:00", "end": "06:30"})
    assert answer.json == {"active": True, "days": ["mo", "tu"], "start": "22:00", "end": "06:30"}
    assert bench.get(path) == answer.json


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"active": 1},
        {"active": True, "days": ["monday"]},
        {"active": True, "start": "24:00"},
        {"active": True, "end": "7:00"},
        {"active": True, "until": "07:00"},
    ],
)
def test_a_wrong_schedule_is_refused(bench: Bench, body: object) -> None:
    worker, _ = bench.worker()
    assert bench.call("PUT", f"/workers/{worker.id}/sleep-schedule", body).status == 400


def test_nobody_has_no_schedule(bench: Bench) -> None:
    assert bench.call("GET", "/workers/4711/sleep-schedule").status == 404
    assert bench.call("PUT", "/workers/4711/sleep-schedule", {"active": False}).status == 404
