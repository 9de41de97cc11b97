"""`python -m tests.packaging.first_event NAME INDEX`: one function of a farm in AWS starts and answers its first event
of this kind; printed is what it has imported then. Run by `test_imports.py`, in a process of its own.

moto answers for the table and the bucket. What makes them, a worker and a job, is forgotten again before the start.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

WATCHED = ("boto3", "chalice", "pydantic", "sqlite3", "orjson", "PIL", "yaml")
"""What is not ours: that it is imported is said, of which modules is not."""
DEEPER = ("compilers", "dialects", "handlers")
"""Packages of which each module, or each package in them, counts by itself."""
TYPES = ("blender_render", "blender_tiles", "commands", "frames", "function", "openjd", "transcode")
"""Of the compilers these count; what they share does not."""
EVENTS = Path(__file__).resolve().parents[1] / "events"


def prepared() -> tuple[str, str]:
    """A table, a bucket, a worker with something to do; its credentials."""
    from chalicelib.core import jobs, schema, workers
    from chalicelib.core.records.keys import INDEXES
    from chalicelib.edge import current
    from chalicelib.store.dynamo import create_table

    dynamo, s3 = boto3.client("dynamodb"), boto3.client("s3")
    create_table(dynamo, "farm", INDEXES)
    s3.create_bucket(Bucket="farm", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    from chalicelib.store.dynamo import DynamoTable

    schema.stamp(DynamoTable(dynamo, "farm", INDEXES))
    farm = current.farm()
    worker, secret = workers.register(farm, workers.Description("w", ("exec",)), with_secret=True)
    workers.sign_on(farm, worker, workers.Description("w", ("exec",)))
    settings = {"frames": "1-500", "command": ["true", "{frame}"]}
    jobs.submit(farm, jobs.Submission(name="job", type="frames", settings=settings))
    return str(worker.id), secret


def forget_ours() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("app", "chalicelib", *WATCHED)]:
        del sys.modules[name]


def http(method: str, path: str, body: Any = None, **headers: str) -> Any:
    """What the function answers, as API Gateway asks it."""
    import app

    event = json.loads((EVENTS / "gateway.json").read_text())
    sent = {"Host": "localhost", "Content-Type": "application/json", **headers}
    event |= {"path": path, "headers": sent, "multiValueHeaders": {name: [value] for name, value in sent.items()}}
    event["pathParameters"] = {"proxy": path[1:]}
    event |= {"body": None if body is None else json.dumps(body), "isBase64Encoded": False}
    event["requestContext"] |= {"httpMethod": method, "path": f"/api{path}"}
    event["httpMethod"] = method
    answer = app.app(event, None)
    assert answer["statusCode"] < 300, answer
    return answer["body"]


def run(name: str, worker: str, secret: str) -> None:
    basic = {"Authorization": "Basic " + base64.b64encode(f"{worker}:{secret}".encode()).decode()}
    if name == "claim":
        said = http("POST", f"/worker/{worker}/contract", {"slots": 1, "request_id": "r1"}, **basic)
        assert json.loads(said)["assignments"], said
    elif name == "front page":
        http("GET", "/", Accept="text/html")
    elif name == "submit":
        settings = {"frames": "1-5", "command": ["true", "{frame}"]}
        http("POST", "/api/v1/jobs", {"name": "n", "type": "frames", "settings": settings})
    else:
        from chalicelib.handlers import doors

        event = json.loads((EVENTS / f"{name}.json").read_text())
        function = {"stream": "table_changed", "object_created": "object_stored", "queue": "errand_left"}
        getattr(doors, function.get(name, "minute_passed"))(event, None)


def imported() -> list[str]:
    """Modules of ours as far as they count by themselves; and what is watched of others."""
    found = set()
    for name in sys.modules:
        parts = name.split(".")
        if parts[:2] == ["chalicelib", "compilers"] and parts[2:3] not in [[one] for one in TYPES]:
            continue
        if parts[0] == "chalicelib" and len(parts) > 1:
            found.add(".".join(parts[: 3 if parts[1] in DEEPER else 2]))
        elif name in WATCHED:
            found.add(name)
    return sorted(found - {f"chalicelib.{name}" for name in DEEPER})


if __name__ == "__main__":
    os.environ |= {"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_DEFAULT_REGION": "eu-west-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "MILLRACE_AUTH": "open"}
    os.environ |= {"MILLRACE_TABLE": "farm", "MILLRACE_BUCKET": "farm"}
    with mock_aws():
        credentials = prepared()
        forget_ours()
        from chalicelib import rooms

        rooms.INDEX = Path(sys.argv[2])
        run(sys.argv[1], *credentials)
        print(*imported())
