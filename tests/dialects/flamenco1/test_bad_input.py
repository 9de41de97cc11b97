"""Whatever comes in, the answer is the protocol's own, and nothing has changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dialects.flamenco1.conftest import Site

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TASK = {"task_id": "41", "type": "print_string", "settings": '{"text": "hi"}'}


def assert_refused(answer: requests.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    message = answer.json()["message"]
    assert isinstance(message, str) and message
    return message


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"task_id": None}, "task_id: required"),
        ({"task_id": ""}, "task_id"),
        ({"task_id": "x"}, "task_id"),
        ({"task_id": "1.5"}, "task_id"),
        ({"task_id": "-1"}, "task_id"),
        ({"task_id": "0"}, "task_id"),
        ({"task_id": str(2**31)}, "task_id"),
        ({"task_id": "9" * 5000}, "task_id"),
        ({"task_id": "４１"}, "task_id"),
        ({"type": None}, "type: required"),
        ({"priority": "high"}, "priority"),
        ({"job_id": "x"}, "job_id"),
        ({"settings": "{"}, "settings"),
        ({"settings": "[]"}, "settings"),
        ({"settings": '{"text": NaN}'}, "settings"),
        ({"settings": '{"text": "a", "text": "b"}'}, "settings"),
        ({"settings": '{"text": ' + "[" * 100_000}, "settings"),
        ({"settings": json.dumps({"text": "x" * 200_000})}, "settings"),
        ({"settings": "{}"}, "settings.text: required"),
        ({"settings": '{"text": "a\\u0000b"}'}, "settings.text"),
        ({"settings": '{"text": "a", "command_name": "multiview"}'}, "settings.command_name"),
        ({"settings": '{"text": "a", "command_name": null}'}, "settings.command_name: required"),
    ],
)
def test_a_task_with_a_wrong_field_is_refused(site: Site, change: dict[str, Any], named: str) -> None:
    fields = {name: value for name, value in {**TASK, **change}.items() if value is not None}
    assert named in assert_refused(site.call("POST", "/tasks", data=fields), 400)
    assert site.farm.jobs.page(None, 10, None)[0] == []


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b"\xff\xfe", b"[" * 1_000_000, b'{"task_id":NaN}', b'{"a":1,"a":2}']
)
def test_json_that_is_no_object_is_refused(site: Site, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert_refused(site.call("POST", "/tasks", data=body, headers=headers), 400)


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": ";;"}, FORM])
@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"&&&=", b"%zz"])
def test_a_body_without_fields_is_refused(site: Site, headers: dict[str, str], body: bytes) -> None:
    assert "task_id: required" in assert_refused(site.call("POST", "/tasks", data=body, headers=headers), 400)


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}])
def test_a_form_or_json_without_its_content_type_is_understood(site: Site, headers: dict[str, str]) -> None:
    form = requests.models.RequestEncodingMixin._encode_params(TASK)
    assert site.call("POST", "/tasks", data=form.encode(), headers=headers).status_code == 202
    body = json.dumps({**TASK, "task_id": 42}).encode()
    assert site.call("POST", "/tasks", data=body, headers=headers).status_code == 202


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=task_id\r\n\r\n41"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\nPK"),
    ],
)
def test_a_form_that_is_cut_off_is_refused(site: Site, kind: str, body: bytes) -> None:
    assert_refused(site.call("POST", "/tasks", data=body, headers={"Content-Type": kind}), 400)


def test_an_unknown_type_is_a_failure_as_the_protocol_has_it(site: Site) -> None:
    assert_refused(site.send(41, type="nothing"), 500)


@pytest.mark.parametrize(
    "change", [{"hostname": None}, {"hostname": "a\nb"}, {"port": "x"}, {"port": 0}, {"port": 70000}]
)
def test_a_registration_with_a_wrong_field_is_refused(site: Site, change: dict[str, Any]) -> None:
    wanted = {"hostname": "node7", "port": 5000, "system": "Linux", **change}
    fields = {name: value for name, value in wanted.items() if value is not None}
    assert next(iter(change)) in assert_refused(site.call("POST", "/workers", data=fields), 400)
    assert site.workers() == {}


@pytest.mark.parametrize("status", [None, "", "done", "1"])
def test_a_report_needs_a_known_status(site: Site, status: str | None) -> None:
    site.send(41)
    site.register()
    site.poll()
    fields = {} if status is None else {"status": status}
    assert "status" in assert_refused(site.call("PATCH", "/tasks/41", data=fields), 400)
    assert_refused(site.call("PATCH", "/tasks/41", data={"status": "finished", "time_cost": "x"}), 400)
    assert site.task(41).status == "active"


@pytest.mark.parametrize("status", [1, "1", "asleep", True])
@pytest.mark.parametrize("path", ["/workers/{}", "/workers/status/{}"])
def test_a_worker_has_no_other_status(site: Site, path: str, status: Any) -> None:
    worker = site.register()
    assert "status" in assert_refused(site.call("PATCH", path.format(worker), json={"status": status}), 400)
    assert site.workers()["node7"]["status"] == "enabled"


@pytest.mark.parametrize(
    "method,path", [("GET", "/workers/{}"), ("PATCH", "/workers/{}"), ("PATCH", "/workers/status/{}")]
)
def test_an_unknown_worker_is_not_found(site: Site, method: str, path: str) -> None:
    for number in ("7", "9" * 19):
        assert_refused(site.call(method, path.format(number), data={"status": "enabled"}), 404)


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "0x1", "%2F", "9" * 40, "00000000-0000-4000-8000-00004e2ff913"])
def test_what_is_no_number_names_nothing(site: Site, text: str) -> None:
    for method, path in (
        *(("PATCH", "/tasks/{}"), ("DELETE", "/tasks/{}"), ("GET", "/workers/{}"), ("GET", "/tasks/zip/{}")),
        *(("GET", "/tasks/zip/sup/{}"), ("GET", "/tasks/file/{}"), ("GET", "/tasks/compiled/{}")),
    ):
        answer = site.call(method, path.format(text), data={"status": "finished"})
        assert (answer.status_code, answer.json()) == (404, {"code": 404, "message": "No interface defined for URL"})


def test_unknown_tasks_are_bearable(site: Site) -> None:
    site.register()
    assert site.report(99, "finished").status_code == 204
    assert site.report(99, "active").json() == "Task cancelled"
    assert site.report(99, "completed", job_id=1).status_code == 403
    assert site.call("DELETE", "/tasks/99").status_code == 202
    assert_refused(site.call("DELETE", "/tasks"), 400)
    assert_refused(site.call("DELETE", "/tasks", data={"tasks": ["x"]}), 400)


def test_ids_of_other_kinds_are_no_tasks(site: Site) -> None:
    worker = site.register()
    job = site.submit({"name": "exec", "settings": {"argv": ["x"]}})
    for number in (worker, job.id):
        assert site.report(number, "finished").status_code == 204
        assert site.call("DELETE", f"/tasks/{number}").json() == {"id": number}
    assert site.task_of(job).status == "queued"


def test_a_thumbnail_is_a_file_of_a_task(site: Site) -> None:
    site.send(41)
    picture = {"file": ("a.jpg", b"JPEG", "image/jpeg")}
    assert_refused(site.call("POST", "/tasks/thumbnails", data={"task_id": 41}), 400)
    assert_refused(site.call("POST", "/tasks/thumbnails", files=picture), 400)
    assert_refused(site.call("POST", "/tasks/thumbnails", data={"task_id": 99}, files=picture), 404)
    assert site.call("POST", "/tasks/thumbnails", data={"task_id": 41}, files=picture).json() is None


def test_a_form_has_few_files(site: Site) -> None:
    """Each is held in memory up to a megabyte."""
    site.send(41)
    picture = ("file", ("a.jpg", b"JPEG", "image/jpeg"))
    others = [(f"other{number}", ("b.zip", b"PK", "application/zip")) for number in range(10)]

    def send(*files: Any) -> requests.Response:
        return site.call("POST", "/tasks/thumbnails", data={"task_id": 41}, files=files)

    assert send(*others[:9], picture).json() is None, "what nobody reads is dropped"
    assert "10 files" in assert_refused(send(*others, picture), 400)
    assert "file" in assert_refused(send(picture, picture), 400)


def test_settings_are_texts_with_plain_names(site: Site) -> None:
    assert_refused(site.call("POST", "/settings", data={}), 400)
    assert_refused(site.call("POST", "/settings", data={"a/b": "x"}), 400)
    assert_refused(site.call("POST", "/settings", json={"ok": "x", "bad": ["x"]}), 400)
    assert_refused(site.call("PATCH", "/settings/name", data={}), 400)
    assert_refused(site.call("GET", "/settings/name"), 404)
    much = {f"name{number}": "x" * 4000 for number in range(30)}
    assert "100000 characters" in assert_refused(site.call("POST", "/settings", data=much), 400)
    assert site.call("GET", "/settings").json() == {}


@pytest.mark.parametrize(
    "method,path", [("PUT", "/tasks"), ("POST", "/tasks/41"), ("DELETE", "/workers"), ("PUT", "/settings")]
)
def test_a_wrong_method_is_refused(site: Site, method: str, path: str) -> None:
    assert_refused(site.call(method, path), 405)


def test_a_failure_of_our_own_is_logged_and_told_without_its_reason(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(type(site.farm.workers), "all", broken)
    assert assert_refused(site.call("GET", "/workers"), 500) == "the farm failed on this request; its log says why"
    assert "a secret of ours" in caplog.text


def test_zips_and_job_types_that_are_not_there(site: Site) -> None:
    for path in ("/tasks/zip/6", "/static/storage/6/dependencies_41.zip", "/static/storage/6/passwd", "/job-types/x"):
        assert_refused(site.call("GET", path), 404)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(
    method=st.sampled_from(["POST /tasks", "PATCH /tasks/41", "POST /workers", "PATCH /settings/a", "DELETE /tasks"]),
    kind=st.sampled_from(["application/json", "multipart/form-data; boundary=x", FORM["Content-Type"], ""]),
    body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
)
def test_nothing_at_all_makes_it_fail(site: Site, method: str, kind: str, body: bytes) -> None:
    verb, path = method.split()
    answer = site.call(verb, path, data=body, headers={"Content-Type": kind})
    assert answer.status_code < 500, answer.text
    assert answer.status_code == 204 or answer.json() is not ...
