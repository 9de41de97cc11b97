"""What a Server sends: the id it gives is the task's from then on, however often it is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.core import jobs
from chalicelib.core.lifecycle import ENDED_JOBS
from tests.dialects.flamenco1.conftest import Site


def all_jobs(site: Site) -> list[str]:
    return [job.status.value for job in site.farm.jobs.page(None, 100, None)[0]]


def test_a_task_may_be_sent_in_four_ways(site: Site) -> None:
    fields = {"type": "print_string", "parser": "blender_render", "priority": "10", "settings": '{"text": "hi"}'}
    ways: list[dict[str, Any]] = [
        *({"data": fields}, {"files": {name: (None, text) for name, text in fields.items()}}),
        *({"params": fields}, {"json": {**fields, "priority": 10, "settings": {"text": "hi"}, "job_id": None}}),
    ]
    numbers = range(41, 45)
    for number, way in zip(numbers, ways, strict=True):
        name, given = next(iter(way.items()))
        one = {name: {**given, "task_id": (None, str(number)) if name == "files" else number}}
        answer = site.call("POST", "/tasks", **one)
        assert (answer.status_code, answer.json()["priority"]) == (202, 10), answer.text
    site.register()
    for number in numbers:
        options = site.poll().json()["options"]
        assert (options["task_id"], options["task_command"]) == (number, '["echo", "hi"]')
        site.report(number, "completed", job_id=1)


@pytest.mark.parametrize(
    "how", [{"data": {"tasks": [41, 42]}}, {"params": {"tasks": [41, 42]}}, {"json": {"tasks": [41, 42]}}]
)
def test_several_tasks_are_deleted_at_once(site: Site, how: dict[str, Any]) -> None:
    for number in (41, 42, 43):
        site.send(number)
    answer = site.call("DELETE", "/tasks", **how)
    assert (answer.status_code, answer.json()) == (202, 42)
    assert [site.task(number).status for number in (41, 42, 43)] == ["canceled", "canceled", "queued"]


def test_frames_and_format_of_a_task_are_those_of_its_settings(site: Site) -> None:
    bounds = {"filepath": "a.blend", "frame_start": "-3", "frame_end": 10, "format": "PNG"}
    sent = site.send(41, type="simple_blender_render", settings=json.dumps(bounds)).json()
    assert [sent[f"frame_{name}"] for name in ("start", "end", "current")] == [-3, 10, -3]
    assert sent["format"] == "PNG"


def test_the_same_task_again_is_the_same_task(site: Site) -> None:
    assert site.send(41).json() == site.send(41).json()
    assert all_jobs(site) == ["queued"]


def test_a_task_that_waits_is_replaced(site: Site) -> None:
    site.send(41, "old")
    assert site.send(41, "new", priority=10).json()["priority"] == 10
    assert sorted(all_jobs(site)) == ["canceled", "queued"]
    site.register()
    assert json.loads(site.poll().json()["options"]["task_command"]) == ["echo", "new"]
    site.report(41, "completed", job_id=1)
    assert site.poll().status_code == 400, "the old one is not run"


def test_a_task_that_has_begun_is_not_changed(site: Site) -> None:
    site.send(41, "old")
    site.register()
    site.poll()
    answer = site.send(41, "new")
    assert (answer.status_code, answer.json()["status"]) == (202, "rendering")
    assert len(all_jobs(site)) == 1


@pytest.mark.parametrize("word", ["aborted", "failed", "finished"])
def test_a_task_that_has_ended_begins_anew(site: Site, word: str) -> None:
    """The Server sends again what was aborted, under the same id."""
    site.register()
    for _ in range(3):
        assert site.send(41).json()["status"] == "ready"
        assert site.poll().json()["options"]["task_id"] == 41
        assert site.report(41, word, job_id=1).status_code == 204
    assert len(all_jobs(site)) == 3


def test_a_task_goes_only_to_systems_it_has_paths_for(site: Site) -> None:
    paths = {"file_path_osx": "/V/a.blend", "output_path_osx": "/V/6", "render_settings": "s.py"}
    site.send(
        41,
        type="simple_blender_render",
        settings=json.dumps(paths | {"frame_start": 1, "frame_end": 2, "format": "PNG"}),
    )
    site.register("penguin", system="Linux 5.15")
    assert site.poll("penguin").status_code == 400
    site.register("window", port=5000, system="Windows 7")
    assert site.poll("window").status_code == 400
    site.register("apple", system="Darwin 14.1.0")
    command = json.loads(site.poll("apple").json()["options"]["task_command"])
    assert command[:3] == ["blender", "--background", "/V/a.blend"]


def test_blender_is_where_the_settings_say_for_that_system(site: Site) -> None:
    site.call("POST", "/settings", data={"blender_path_win": "C:\\blender.exe"})
    paths = {f"{stem}_{end}": f"/{end}" for stem in ("file_path", "output_path") for end in ("linux", "win")}
    render = {"render_settings": "s.py", "frame_start": 1, "frame_end": 2, "format": "PNG"}
    site.send(41, type="simple_blender_render", settings=json.dumps(paths | render))
    site.register("window", system="Windows 7")
    assert json.loads(site.poll("window").json()["options"]["task_command"])[:3] == [
        "C:\\blender.exe",
        "--background",
        "/win",
    ]


def test_a_task_from_elsewhere_is_only_taken_from_its_worker(site: Site) -> None:
    job = site.submit({"name": "exec", "settings": {"argv": ["x"]}})
    site.register()
    number = site.poll().json()["options"]["task_id"]
    assert site.call("DELETE", f"/tasks/{number}").status_code == 202
    assert site.task_of(job).status == "queued"
    assert jobs.get(site.farm, job.id).status not in ENDED_JOBS


def test_priorities_hold_across_the_farm(site: Site) -> None:
    site.send(41, priority=60)
    job = site.submit({"name": "exec", "settings": {"argv": ["x"]}}, priority=45)
    site.send(42, priority=50)
    site.register()
    order = []
    for _ in range(3):
        order.append(site.poll().json()["options"]["task_id"])
        site.report(order[-1], "completed", job_id=1)
    assert order == [42, job.first_task, 41]
