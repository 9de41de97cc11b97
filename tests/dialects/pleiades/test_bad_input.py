"""Whatever comes in, the answer is the envelope with a message, and nothing has changed."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.dialects.pleiades.conftest import Site

NOT_OBJECTS = [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b"[" * 5000, b'{"a":"\\ud800"}', b'{"timeout":NaN}']


def assert_refused(answer: requests.Response, status: int, code: int = 1) -> str:
    body = answer.json()
    assert (answer.status_code, list(body)) == (status, ["code", "status", "message"]), body
    assert (body["code"], body["status"]) == (code, "error")
    assert answer.headers["Content-Type"] == "application/json"
    assert isinstance(body["message"], str) and body["message"]
    return str(body["message"])


@pytest.mark.parametrize("path", ["/worker", "/lambda", "/job"])
@pytest.mark.parametrize("body", NOT_OBJECTS)
def test_a_body_that_is_no_json_object_is_refused(site: Site, path: str, body: bytes) -> None:
    assert_refused(site.post(path, data=body), 400)


@pytest.mark.parametrize("body", [b"{", b"[]"])
def test_an_update_that_is_no_json_object_changes_nothing(site: Site, body: bytes) -> None:
    job = site.job()
    assert_refused(site.post(f"/job/{job}", data=body), 400)
    assert site.state(job) == "Enqueued"


@pytest.mark.parametrize("runtime", ["lua54", [1], [""], ["a\nb"], {"a": 1}, ["x" * 201]])
def test_runtimes_are_a_list_of_names(site: Site, runtime: Any) -> None:
    assert "runtime" in assert_refused(site.post("/worker", {"runtime": runtime}), 400)


@pytest.mark.parametrize("runtime", [None, "", 7, ["lua54"], "a\x00b"])
def test_a_lambda_needs_a_runtime(site: Site, runtime: Any) -> None:
    assert "runtime" in assert_refused(site.post("/lambda", {"codex": "0", "runtime": runtime}), 400)


@pytest.mark.parametrize("codex", ["x", "-1", 1.5, True, [], str(2**63), "１"])
def test_an_id_is_a_decimal_integer(site: Site, codex: Any) -> None:
    assert "codex" in assert_refused(site.post("/lambda", {"codex": codex, "runtime": "lua54"}), 400)


@pytest.mark.parametrize("wanted", ["12345", "9223372036854775807"])
def test_a_job_of_an_unknown_lambda_is_refused(site: Site, wanted: str) -> None:
    assert_refused(site.post("/job", {"lambda": wanted, "input": "0"}), 404)


def test_a_job_names_its_lambda(site: Site) -> None:
    assert "lambda" in assert_refused(site.post("/job", {"input": "0"}), 400)


@pytest.mark.parametrize("tags", ["eu", [1], ["+"], [""], ["a\nb"], ["x" * 200]])
def test_tags_are_a_list_of_words(site: Site, tags: Any) -> None:
    function = site.post("/lambda", {"runtime": "lua54"}).json()["id"]
    assert_refused(site.post("/job", {"lambda": function, "tags": tags}), 400)


@pytest.mark.parametrize("wrong", ["x", "-1", "1.5", "0x10", "99999999999999999999", "%31", "7"])
@pytest.mark.parametrize("path", ["/worker/{}", "/lambda/{}", "/job/{}", "/job/{}/trace"])
def test_what_is_no_id_of_ours_is_not_found(site: Site, path: str, wrong: str) -> None:
    assert_refused(site.get(path.format(wrong)), 404)


@pytest.mark.parametrize("wrong", ["x", "-1", "00", "99999999999999999999", "7"])
@pytest.mark.parametrize("path", ["/data/{}", "/data/{}/blob"])
def test_a_blob_that_is_not_there_has_its_own_code(site: Site, path: str, wrong: str) -> None:
    assert_refused(site.get(path.format(wrong)), 404, code=601)


def test_an_unknown_worker_gets_no_contract(site: Site) -> None:
    assert_refused(site.post("/worker/7/contract", {"timeout": 0}), 404)


@pytest.mark.parametrize("timeout", ["soon", "nan", "1e", "0x1"])
def test_a_timeout_is_a_number(site: Site, timeout: str) -> None:
    job = site.job()
    assert "timeout" in assert_refused(site.get(f"/job/{job}?except=Finished&timeout={timeout}"), 400)
    assert_refused(site.post(f"/worker/{site.old_worker()}/contract", {"timeout": timeout}), 400)


@pytest.mark.parametrize("timeout", ["-5", "0.9", "-inf"])
def test_a_timeout_is_rounded_down_and_clamped(site: Site, timeout: str) -> None:
    assert site.get(f"/job/{site.job()}?except=Finished&timeout={timeout}").json()["state"] == "Enqueued"


def test_an_unknown_word_changes_nothing(site: Site) -> None:
    job = site.job()
    assert "finished" in assert_refused(site.update(job, "done"), 400)
    assert site.state(job) == "Enqueued"


def test_jobs_of_other_types_are_not_shown(site: Site) -> None:
    from chalicelib.core import jobs

    settings = {"tasks": [{"name": "a", "task_type": "sleep", "commands": [{"name": "sleep", "settings": {}}]}]}
    other = jobs.submit(site.farm, jobs.Submission("other", "commands", settings))
    assert_refused(site.get(f"/job/{other.id}"), 404)
    assert_refused(site.update(str(other.id), "cancelled"), 404)


@pytest.mark.parametrize("path", ["/ping/", "/worker/", "/nothing", "/api/v0.5/nothing"])
def test_unknown_paths_have_the_same_envelope(site: Site, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 404 and answer.json()["status"] == "error" and answer.json()["message"]


def test_a_wrong_method_has_the_same_envelope(site: Site) -> None:
    answer = site.session.delete(site.url + "/ping")
    assert answer.status_code == 405 and answer.json()["status"] == "error" and answer.json()["message"]
