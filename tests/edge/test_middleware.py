"""What every reply passes through, as API Gateway and `chalice local` see it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from chalice import Chalice, Response

from chalicelib.api.routes import blueprint as api
from chalicelib.edge import middleware
from tests.api.bench import Bench, gateway_of


@pytest.fixture
def app() -> Chalice:
    app = Chalice(app_name="millrace")
    middleware.install(app)

    @app.route("/text", content_types=["*/*"])
    def text() -> Response:
        return Response("grüße", {"Content-Type": "text/plain; charset=utf-8"}, 200)

    @app.route("/empty", content_types=["*/*"])
    def empty() -> Response:
        return Response(b"", status_code=204)

    @app.route("/json-only", methods=["POST"])
    def json_only() -> Response:
        return Response({"Code": 7}, status_code=200)

    @app.route("/broken", content_types=["*/*"])
    def broken() -> Response:
        raise RuntimeError("the secret reason")

    return app


def ask(app: Chalice, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply: dict[str, Any] = gateway_of(app).handle_request(method, path, named, b"")
    json.dumps(reply)  # Lambda sends it as JSON
    return reply["statusCode"], reply["headers"], base64.b64decode(reply["body"])


@pytest.mark.parametrize("accept", [{}, {"Accept": "application/json"}, {"Accept": "image/png"}, {"Accept": "*/*"}])
def test_text_and_bytes_pass_whatever_is_accepted(app: Chalice, accept: dict[str, str]) -> None:
    assert ask(app, "GET", "/text", **accept)[2].decode() == "grüße"
    assert ask(app, "GET", "/empty", **accept)[::2] == (204, b"")


def test_refusals_of_chalice_are_put_into_our_envelope(app: Chalice) -> None:
    status, headers, body = ask(app, "DELETE", "/text")
    assert (status, headers["Allow"]) == (405, "GET")
    assert json.loads(body) == {"code": 405, "status": "error", "message": "Unsupported method: DELETE"}
    status, _, body = ask(app, "POST", "/json-only", Content_Type="text/csv")
    assert (status, json.loads(body)["code"]) == (415, 415)


def test_failures_are_told_without_their_reason(app: Chalice, caplog: pytest.LogCaptureFixture) -> None:
    app.log.propagate = True
    status, headers, body = ask(app, "GET", "/broken")
    assert (status, headers["Content-Type"]) == (500, "application/json")
    assert json.loads(body)["status"] == "error" and b"secret" not in body


def test_an_event_without_a_route_is_answered_too(app: Chalice) -> None:
    reply = app({"requestContext": {}}, None)
    assert reply["statusCode"] == 500
    assert json.loads(base64.b64decode(reply["body"]))["code"] == 500


# ---- the front door


def test_an_app_without_a_page_answers_everybody_alike(app: Chalice) -> None:
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "text/html"}):
        status, headers, body = ask(app, "GET", "/", **accept)
        assert (status, headers["Content-Type"], json.loads(body)) == (200, "application/json", {"message": "Millrace"})


# ---- where no server of ours stands in front


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> Chalice:
    """The app as `chalice local` runs it, serving an open farm."""
    monkeypatch.setenv("AWS_CHALICE_CLI_MODE", "true")
    app = Chalice(app_name="millrace")
    middleware.install(app)
    return app


def test_the_app_guards_itself(alone: Chalice) -> None:
    assert ask(alone, "GET", "/", host="localhost:8000")[0] == 200
    status, headers, body = ask(alone, "GET", "/", Host="evil.example")
    assert (status, headers["Content-Type"], json.loads(body)["code"]) == (403, "application/json", 403)
    assert ask(alone, "GET", "/", Host="localhost:8000", Origin="http://localhost:3000")[0] == 403


def test_our_own_server_guards_the_app_otherwise(bench: Bench) -> None:
    assert bench.send("GET", "/", Host="192.168.1.5:8000").status == 200


def test_two_apps_may_share_a_room(bench: Bench) -> None:
    """Chalice takes a blueprint once; the tests of one process have more than one app."""
    apps = []
    for _ in range(2):
        app = Chalice(app_name="millrace")
        app.register_blueprint(api)
        middleware.install(app)
        apps.append(app)
    for app in apps:
        assert {method for methods in app.routes.values() for method in methods} >= {"GET", "POST", "PATCH", "DELETE"}
        assert ask(app, "GET", "/api/v1/farm")[0] == 200
