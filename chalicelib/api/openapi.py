"""The OpenAPI 3.1 document, generated from the operations and their models. Pure."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from ..config import VERSION
from ..edge.refusals import API, PROBLEM_TYPE, title
from . import models
from .operations import Operation, Parameter
from .wanted import JobWanted

Json = dict[str, Any]

REF = "#/components/schemas/{model}"
_ABOUT = (
    "The farm's own API. Ids are decimal strings, times are RFC 3339 in UTC, lists come in pages, errors are problem "
    "documents (RFC 9457) that name the field. Requests may hold no unknown fields and no unknown parameters."
)
_LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of the farm."},
    "basic": {"type": "http", "scheme": "basic", "description": "The token as password, or as user without one."},
    "query": {"type": "apiKey", "in": "query", "name": "token", "description": "Where nothing else is possible."},
}
_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "A decimal number.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,16}$"},
}


def document(operations: Sequence[Operation], job_types: Mapping[str, type[BaseModel]]) -> Json:
    """`job_types`: the settings' model of each."""
    paths: Json = {}
    for operation in operations:
        paths.setdefault(API + operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Millrace", "version": VERSION, "description": _ABOUT, "license": _LICENSE},
        "paths": paths,
        "components": {
            "schemas": _schemas(operations, job_types),
            "responses": {_problem_name(status): _problem(status) for status in _all_problems(operations)},
            "securitySchemes": _SECURITY,
        },
    }


def _schemas(operations: Iterable[Operation], job_types: Mapping[str, type[BaseModel]]) -> Json:
    bodies = {operation.body for operation in operations if operation.body} | set(job_types.values())
    answers = {operation.answer for operation in operations if operation.answer} | {models.Problem}
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in sorted(bodies, key=lambda model: model.__name__)),
        *((model, "serialization") for model in sorted(answers, key=lambda model: model.__name__)),
    ]
    references, definitions = models_json_schema(wanted, ref_template=REF)
    schemas: Json = definitions["$defs"]
    # No keyword says "what this is depends on its neighbour" in a way that tools understand.
    settings = schemas[JobWanted.__name__]["properties"]["settings"]
    settings["x-job-types"] = {name: references[model, "validation"] for name, model in sorted(job_types.items())}
    return schemas


def _operation(operation: Operation) -> Json:
    summary, _, description = inspect.getdoc(operation.view).partition("\n")  # type: ignore[union-attr]
    described: Json = {
        "operationId": _operation_id(operation),
        "summary": summary,
        "description": _access(operation) + description.replace("\n", " ").rstrip(),
        "parameters": [*([_ID] if "{id}" in operation.path else []), *map(_parameter, operation.parameters)],
        "responses": _responses(operation),
        "security": [{name: []} for name in _SECURITY] if operation.scope else [],
    }
    if operation.body is not None:
        required = any(field.is_required() for field in operation.body.model_fields.values())
        described["requestBody"] = {"required": required, "content": _content("application/json", operation.body)}
    return described


def _operation_id(operation: Operation) -> str:
    """`GET /jobs/{id}/tasks` is `get_jobs_id_tasks`."""
    words = [operation.method.lower(), *operation.path.replace(".", "/").split("/")]
    return "_".join(word.strip("{}") for word in words if word)


def _access(operation: Operation) -> str:
    if operation.scope is None:
        return "Needs no token."
    return f"On a farm with tokens this needs one with scope `{operation.scope.value}`."


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": False,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _responses(operation: Operation) -> Json:
    success: Json = {"description": title(operation.status)}
    if operation.headers:
        success["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in operation.headers.items()
        }
    if operation.status != 204:
        success["content"] = _content(operation.media, operation.answer)
    also: Mapping[str, Json] = {str(status): {"description": text} for status, text in operation.also.items()}
    problems = {str(status): _ref(status) for status in _problems(operation)}
    return {str(operation.status): success, **also, **problems}


def _content(media: str, model: type[BaseModel] | None) -> Json:
    if model is not None:
        return {media: {"schema": {"$ref": REF.format(model=model.__name__)}}}
    return {media: {"schema": {"type": "object" if media == "application/json" else "string"}}}


def _problems(operation: Operation) -> list[int]:
    needs_token = (401, 403) if operation.scope else ()
    unknown = (404,) if "{id}" in operation.path else ()
    too_large = (413,) if operation.body else ()
    return sorted({400, 500, 503, *needs_token, *unknown, *too_large, *operation.problems})


def _all_problems(operations: Iterable[Operation]) -> list[int]:
    return sorted({status for operation in operations for status in _problems(operation)})


def _problem_name(status: int) -> str:
    return f"Problem{status}"


def _ref(status: int) -> Json:
    return {"$ref": f"#/components/responses/{_problem_name(status)}"}


def _problem(status: int) -> Json:
    return {"description": title(status), "content": _content(PROBLEM_TYPE, models.Problem)}
