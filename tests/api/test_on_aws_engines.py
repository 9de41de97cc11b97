"""The same API over DynamoDB and S3: cursors, presigned requests and redirects are the engines' own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from chalicelib.core import blobs, uploads
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.s3 import S3ObjectStore
from millrace import Farm as Client
from millrace import s3
from millrace.sdk import transfers
from millrace.sdk.errors import BadRequest
from tests.api.bench import Bench, serving
from tests.engines.simulated import SimulatedClock
from tests.store.engines import dynamo_table_with, moto_client

DATA = b"bytes in a bucket"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Bench]:
    with moto_client() as client:
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="farm")
        table = dynamo_table_with(client, INDEXES)
        with serving(table, S3ObjectStore(s3, "farm"), SimulatedClock(), tmp_path) as bench:
            bench.serve(delivery="redirect")
            yield bench


def walked(bench: Bench, path: str, key: str) -> list[str]:
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = bench.get(path + (cursor and f"&cursor={cursor}"))
        found += [item[key] for item in page["items"]]
        cursor = page["next"]
    return found


def test_lists_are_walked_by_their_cursors(aws: Bench) -> None:
    jobs = [aws.job({"count": 3}, name=f"job {n}") for n in range(5)]
    for n in range(3):
        aws.worker(f"worker {n}")
    assert walked(aws, "/jobs?limit=2", "name") == [f"job {n}" for n in (4, 3, 2, 1, 0)]
    assert walked(aws, "/jobs?limit=2&status=queued", "name") == [f"job {n}" for n in (4, 3, 2, 1, 0)]
    assert walked(aws, "/workers?limit=2", "name") == ["worker 2", "worker 1", "worker 0"]
    assert walked(aws, f"/jobs/{jobs[0].id}/tasks?limit=2", "name") == ["0/0", "0/1", "0/2"]


@pytest.mark.parametrize("path", ["/jobs", "/workers"])
@pytest.mark.parametrize("cursor", ["nonsense", "e30", "W10", "%00", "é"])
def test_a_cursor_of_nobody_is_refused(aws: Bench, path: str, cursor: str) -> None:
    refused = aws.call("GET", f"{path}?cursor={cursor}")
    assert (refused.status, refused.json["field"]) == (400, "cursor")


def test_uploads_and_large_downloads_go_to_the_bucket(aws: Bench) -> None:
    upload = aws.post("/blobs", {"size": len(DATA), "sha256": DIGEST})["upload"]
    assert upload["url"].startswith("https://") and "farm" in upload["url"]
    small, large = blobs.store_bytes(aws.farm, DATA), blobs.store_bytes(aws.farm, bytes(4_000_001))
    assert aws.call("GET", f"/blobs/{small.id}/content").body == DATA
    answer = aws.call("GET", f"/blobs/{large.id}/content")
    assert (answer.status, answer.body) == (307, b"")
    assert answer.headers["Location"].startswith("https://")


class Gateway(requests.adapters.BaseAdapter):
    """The farm's API for a client of it, without a network between them."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        told = self.bench.send(request.method or "", request.path_url, body or b"", **request.headers)
        response = requests.Response()
        response.status_code, response.url, response.request = told.status, request.url or "", request
        response._content = told.body
        return response

    def close(self) -> None: ...


@pytest.fixture
def client(aws: Bench, monkeypatch: pytest.MonkeyPatch) -> Client:
    """What is above 6 MiB goes in parts of 5, the least that S3 takes."""
    monkeypatch.setattr(uploads, "LARGEST_REQUEST_BYTES", 6 * 1024**2)
    monkeypatch.setattr(s3, "REQUEST_BYTES", 6 * 1024**2)
    monkeypatch.setattr(uploads, "_part_bytes", lambda blob: 5 * 1024**2)
    client = Client("http://farm.test", patience_seconds=0.5)
    client._calls.session.mount("http://farm.test", Gateway(aws))
    return client


@pytest.fixture
def large(tmp_path: Path) -> Path:
    file = tmp_path / "large"
    file.write_bytes(b"".join(bytes([number]) * 1024**2 for number in range(12)) + b"the rest")
    return file


def test_a_client_sends_in_parts_what_one_request_does_not_carry(aws: Bench, client: Client, large: Path) -> None:
    told: list[tuple[int, int]] = []
    blob = client.upload(large, lambda done, size: told.append((done, size)))
    assert aws.get(f"/blobs/{blob}")["stored"] is True
    assert aws.farm.objects.get(f"blobs/{hashlib.sha256(large.read_bytes()).hexdigest()}") == large.read_bytes()
    assert told[-1] == (12 * 1024**2 + 8, 12 * 1024**2 + 8) and told == sorted(told)
    told.clear()
    assert client.upload(large, lambda done, size: told.append((done, size))) and told == []


def test_a_client_stores_no_other_bytes_than_it_announced(
    aws: Bench, client: Client, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 holds parts to their digests, not the whole."""
    real = transfers.digest_of

    def then_it_changes(path: Path) -> tuple[int, str]:
        found = real(path)
        with path.open("r+b") as file:
            file.write(b"other")
        return found

    monkeypatch.setattr(transfers, "digest_of", then_it_changes)
    with pytest.raises(BadRequest, match="large changed while it was uploaded"):
        client.upload(large)
    assert aws.farm.objects.list("blobs/") == []
    assert boto3.client("s3", region_name="us-east-1").list_multipart_uploads(Bucket="farm").get("Uploads", []) == []


def test_a_job_lives_its_life(aws: Bench) -> None:
    worker, _ = aws.worker()
    job = aws.post("/jobs", {"name": "x", "type": "ladder", "settings": {"rungs": [{"count": 2}]}}, Idempotency_Key="k")
    aws.end(aws.take(worker))
    last = aws.take(worker)
    assert aws.get(f"/workers/{worker.id}")["tasks"] == [str(last.task.id)]
    aws.end(last)
    aws.hear(last)
    ended = aws.get(f"/jobs/{job['id']}")
    assert (ended["status"], ended["progress"], ended["counts"]["completed"]) == ("completed", 100, 2)
    assert aws.call("DELETE", f"/jobs/{job['id']}").status == 204
