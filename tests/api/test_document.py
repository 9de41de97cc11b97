"""The OpenAPI document says what the API does, and the route tree is one that API Gateway takes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chalicelib.api.routes import OPERATIONS
from chalicelib.core.lifecycle import TaskStatus
from tests.api.bench import Bench


@pytest.fixture
def document(bench: Bench) -> dict[str, Any]:
    loaded: dict[str, Any] = bench.get("/openapi.json")
    return loaded


def test_it_is_an_openapi_document_with_every_route(bench: Bench, document: dict[str, Any]) -> None:
    from app import app

    assert document["openapi"] == "3.1.0" and document["info"]["title"] == "Millrace"
    told = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    served = {(path, m) for path, methods in app.routes.items() if path.startswith("/api/v1") for m in methods}
    assert told == served and len(told) == len(OPERATIONS)


def test_it_needs_no_token(bench: Bench) -> None:
    bench.serve(auth="token")
    assert bench.call("GET", "/openapi.json").status == 200


def test_all_its_references_lead_somewhere(document: dict[str, Any]) -> None:
    found = set(re.findall(r'"\$ref": "(#[^"]+)"', json.dumps(document)))
    assert found
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place


def test_operations_are_described_and_have_names_of_their_own(document: dict[str, Any]) -> None:
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)
    assert all("400" in o["responses"] and "500" in o["responses"] for o in operations)


def test_it_names_fields_parameters_and_problems(document: dict[str, Any]) -> None:
    submit = document["paths"]["/api/v1/jobs"]["post"]
    assert [p["name"] for p in submit["parameters"]] == ["Idempotency-Key"]
    assert {"201", "400", "401", "403", "409", "413", "500", "503"} == set(submit["responses"])
    wanted = document["components"]["schemas"]["JobWanted"]
    assert set(wanted["required"]) == {"name", "type"} and wanted["additionalProperties"] is False
    tasks = document["paths"]["/api/v1/jobs/{id}/tasks"]["get"]
    status = next(p for p in tasks["parameters"] if p["name"] == "status")
    assert status["schema"]["enum"] == [word.value for word in TaskStatus]
    log = document["paths"]["/api/v1/tasks/{id}/log"]["get"]["responses"]["200"]
    assert "X-Next-Offset" in log["headers"] and "text/plain; charset=utf-8" in log["content"]
    assert set(document["components"]["schemas"]["JobChange"]["properties"]["name"]) >= {"maxLength"}
    assert "default" not in document["components"]["schemas"]["JobChange"]["properties"]["name"]


def test_it_describes_the_settings_of_every_job_type(bench: Bench, document: dict[str, Any]) -> None:
    described = document["components"]["schemas"]["JobWanted"]["properties"]["settings"]["x-job-types"]
    assert set(described) == set(bench.farm.job_types) >= {"commands", "function", "transcode"}
    commands = document["components"]["schemas"][described["commands"]["$ref"].rpartition("/")[2]]
    assert set(commands["properties"]) == {"tasks"}


def test_answers_are_as_the_document_says(bench: Bench, document: dict[str, Any]) -> None:
    """Names and nothing else: the values are made by the same models."""
    worker, _ = bench.worker()
    job = bench.job()
    given = bench.take(worker)
    seen = {
        "Farm": bench.get("/farm"),
        "JobPage": bench.get("/jobs"),
        "Job": bench.get("/jobs")["items"][0],
        "JobDetails": bench.get(f"/jobs/{job.id}"),
        "TaskPage": bench.get(f"/jobs/{job.id}/tasks"),
        "Task": bench.get(f"/jobs/{job.id}/tasks")["items"][0],
        "TaskDetails": bench.get(f"/tasks/{given.task.id}"),
        "Strip": bench.get(f"/jobs/{job.id}/strip"),
        "Attempt": bench.get(f"/tasks/{given.task.id}")["attempts"][0],
        "Worker": bench.get(f"/workers/{worker.id}"),
        "Blocklist": bench.get(f"/workers/{worker.id}/blocklist"),
        "Swept": bench.post("/sweep"),
        "Pruned": bench.post("/prune"),
    }
    for name, answer in seen.items():
        schema = document["components"]["schemas"][name]
        assert set(answer) == set(schema["properties"]) == set(schema["required"])


# ---- what API Gateway demands of the tree (it refuses at import; Chalice does not look)


def segments(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def test_each_position_has_one_variable_name() -> None:
    from app import app

    names: dict[tuple[str, ...], str] = {}
    for path in app.routes:
        above: tuple[str, ...] = ()
        for part in segments(path):
            if part.startswith("{"):
                assert names.setdefault(above, part) == part, f"{path}: elsewhere it is {names[above]}"
                part = "{}"
            above = (*above, part)


def test_no_path_ends_with_a_slash() -> None:
    from app import app

    assert [path for path in app.routes if path != "/" and path.endswith("/")] == []


def test_there_are_fewer_resources_than_api_gateway_allows() -> None:
    from app import app

    resources = {tuple(parts[: n + 1]) for path in app.routes if (parts := segments(path)) for n in range(len(parts))}
    assert len(resources) + 1 <= 300
