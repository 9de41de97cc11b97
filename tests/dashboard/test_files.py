"""What the farm hands to a browser: a shell, and files that it may keep."""

from __future__ import annotations

import gzip
import re

import pytest

from chalicelib.core.ports import SignedRequest
from chalicelib.dashboard import files, shell
from tests.api.bench import Answer, Bench

BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


def page_of(bench: Bench) -> Answer:
    answer = bench.send("GET", "/", **BROWSER)
    assert answer.status == 200
    return answer


def ui(name: str, version: str | None = None) -> str:
    return f"/ui/{version or files.version()}/{name}"


def test_programs_find_a_farm_at_the_root_and_people_a_page(bench: Bench) -> None:
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = bench.send("GET", "/", **accept)
        assert (answer.kind, answer.json, answer.headers["Vary"]) == (
            "application/json",
            {"message": "Millrace"},
            "Accept",
        )
    answer = page_of(bench)
    assert (answer.kind, answer.headers["Vary"]) == ("text/html; charset=utf-8", "Accept")
    assert b'href="/api/v1/openapi.json"' in answer.body


def test_everything_that_the_shell_names_is_there(bench: Bench) -> None:
    named = re.findall(r'(?:src|href)="(/ui/[^"]+)"', page_of(bench).body.decode())
    assert len(named) > 10
    for path in named:
        assert bench.send("GET", path).status == 200, path


def test_everything_that_the_modules_import_is_there() -> None:
    for name, file in files.found().items():
        if name.endswith(".js"):
            wanted = re.findall(r'(?:from|import\() ?"\./([^"]+)"', file.data.decode())
            assert set(wanted) <= set(files.found()), name


def test_behind_a_stage_the_shell_names_its_paths_below_it(bench: Bench) -> None:
    body = shell.page(bench.farm, "/api/").body.decode()
    assert set(re.findall(r'(?:src|href)="(/\w+/)', body)) == {"/api/"}


def test_the_shell_allows_the_browser_nothing_but_the_farms_own(bench: Bench) -> None:
    headers = page_of(bench).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")


def test_the_shell_holds_no_script_and_no_style_of_its_own(bench: Bench) -> None:
    body = page_of(bench).body.decode()
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", body)


def test_on_aws_the_bucket_may_be_read_and_written_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = SignedRequest("GET", "https://bucket.s3.eu-west-1.amazonaws.com/blobs/x?signature", {})
    monkeypatch.setattr(bench.farm.objects, "sign_download", lambda *_, **__: signed)
    policy = page_of(bench).headers["Content-Security-Policy"]
    assert "connect-src 'self' https://bucket.s3.eu-west-1.amazonaws.com;" in policy


@pytest.mark.parametrize(
    "name, kind",
    [
        ("app.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_a_file_is_kept_for_good_under_its_version(bench: Bench, name: str, kind: str) -> None:
    answer = bench.send("GET", ui(name))
    assert (answer.status, answer.kind, answer.body) == (200, kind, (files.FOLDER / name).read_bytes())
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    again = bench.send("GET", ui(name), If_None_Match=answer.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


def test_a_page_of_another_release_gets_todays_file_and_keeps_none(bench: Bench) -> None:
    answer = bench.send("GET", ui("app.js", "0123456789ab"))
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")


def test_who_understands_gzip_gets_it(bench: Bench) -> None:
    answer = bench.send("GET", ui("style.css"), Accept_Encoding="gzip, deflate, br")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body) == files.found()["style.css"].data
    assert "Content-Encoding" not in bench.send("GET", ui("style.css"), Accept_Encoding="br").headers


@pytest.mark.parametrize("name", ["nothing.js", "..", "%2e%2e%2fshell.py", "shell.py", "%00", "app.js%20"])
def test_nothing_else_is_served(bench: Bench, name: str) -> None:
    answer = bench.send("GET", ui(name))
    assert answer.status == 404 and answer.json["status"] == "error"
