"""Outputs that one request does not carry, from real workers into S3: in parts, whatever comes between.

S3 is moto behind a door of ours that holds each part to its checksum, as S3 does, and falls ill when a test wants it.
More than 6 MiB goes in parts of 5 MiB, the least that S3 takes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import urllib3
from moto import mock_aws

from chalicelib.compilers import JOB_TYPES
from chalicelib.config import Settings
from chalicelib.core import blobs, claiming, jobs, sweeping, tasks, uploads, workers
from chalicelib.core.farm import Farm
from chalicelib.core.lifecycle import TaskStatus
from chalicelib.core.model import Job, Task
from chalicelib.core.ports import StoredPart
from chalicelib.core.records.keys import INDEXES
from chalicelib.dialects.pleiades import routes
from chalicelib.edge import current
from chalicelib.embedded.bell import LocalBell
from chalicelib.embedded.server import EmbeddedServer
from chalicelib.store.files import FileObjectStore
from chalicelib.store.s3 import S3ObjectStore
from chalicelib.store.sqlite import SqliteTable
from millrace.agent.client import FarmClient
from millrace.agent.errors import CommandFailed
from millrace.agent.parts import send_in_parts
from millrace.agent.protocol import Credentials, LeaseId
from tests.dialects.conftest import MovableClock, app_of
from tests.together.ensemble import ROOT, Worker
from tests.worker.processes import until

MB = 1024**2
SIZE = 12 * MB + 8
CONTENT = b"".join(bytes([n]) * MB for n in range(12)) + b"the rest"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PROGRAM = "import sys; open(sys.argv[1], 'wb').write(b''.join(bytes([n]) * 1024**2 for n in range(12)) + b'the rest')"
EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
SECONDS = 60.0

Ill = Callable[["Door"], bool]
"""Whether the door was dealt with; else the part is stored as ever."""


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3: Any
    lock: threading.Lock
    taken: Counter[int]
    ills: dict[int, Ill]
    """For the first request with each part."""

    def do_PUT(self) -> None:
        asked = urlsplit(self.path)
        query = parse_qs(asked.query)
        number = int(query["partNumber"][0])
        ill = self.ills.pop(number, None)
        if ill is not None and ill(self):
            return
        data = self.rfile.read(int(self.headers["Content-Length"]))
        checksum = self.headers["x-amz-checksum-sha256"]
        if base64.b64encode(hashlib.sha256(data).digest()).decode() != checksum:
            return self.answer(400, b"<Error><Code>BadDigest</Code></Error>")
        with self.lock:
            made = self.s3.upload_part(
                Bucket="farm",
                Key=asked.path.lstrip("/"),
                UploadId=query["uploadId"][0],
                PartNumber=number,
                Body=data,
                ChecksumSHA256=checksum,
            )
            self.taken[number] += 1
        self.answer(200, b"", ETag=made["ETag"])

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


def breaks_off(door: Door) -> bool:
    door.rfile.read(MB)
    door.close_connection = True
    door.connection.close()
    return True


def has_expired(door: Door) -> bool:
    door.rfile.read(int(door.headers["Content-Length"]))
    door.answer(403, EXPIRED)
    return True


class Store(S3ObjectStore):
    """Signs for the door."""

    door = ""

    def _presigned(self, operation: str, parameters: dict[str, Any], seconds: int) -> str:
        signed = urlsplit(super()._presigned(operation, parameters, seconds))
        return f"{self.door}{signed.path}?{signed.query}"


class Place:
    """A farm with its bucket, and a worker to be started."""

    def __init__(self, farm: Farm, clock: MovableClock, url: str, door: type[Door], folder: Path) -> None:
        self.farm, self.clock, self.url, self.door = farm, clock, url, door
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "PYTHONUNBUFFERED": "1"}
        self.worker = Worker("worker", url, folder, environment, ())

    def submit(self) -> Job:
        settings = {"command": [sys.executable, "-c", PROGRAM, "{output}/film{frame}"], "frames": "1"}
        return jobs.submit(self.farm, jobs.Submission("large", "frames", settings))

    def task(self, job: Job) -> Task:
        return tasks.get(self.farm, job.first_task)

    def completed(self, job: Job) -> Task:
        until(lambda: self.task(job).status is TaskStatus.COMPLETED, "the task is completed", SECONDS)
        return self.task(job)

    def begun(self) -> list[Any]:
        return list(self.door.s3.list_multipart_uploads(Bucket="farm").get("Uploads", []))

    def call(self, worker: str, secret: str, **body: object) -> tuple[int, Any]:
        headers = {**urllib3.make_headers(basic_auth=f"{worker}:{secret}"), "Content-Type": "application/json"}
        answer = urllib3.request("POST", f"{self.url}/worker/{worker}/parts", body=json.dumps(body), headers=headers)
        return answer.status, json.loads(answer.data)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(uploads, "LARGEST_REQUEST_BYTES", 6 * MB)
    monkeypatch.setattr(uploads, "USUAL_PART_BYTES", 5 * MB)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="farm")
        state = {"s3": s3, "lock": threading.Lock(), "taken": Counter(), "ills": {}}
        door = type("OneDoor", (Door,), state)
        entrance = ThreadingHTTPServer(("127.0.0.1", 0), door)
        entrance.daemon_threads = True
        threading.Thread(target=entrance.serve_forever, daemon=True).start()
        clock, bell, table = MovableClock(), LocalBell(), SqliteTable(tmp_path / "farm.db", INDEXES)
        objects = Store(s3, "farm")
        objects.door = f"http://127.0.0.1:{entrance.server_port}"
        farm = Farm(table, objects, clock, bell, JOB_TYPES)
        current.serve(farm, Settings(data=tmp_path, auth="open", delivery="redirect"))
        unused = FileObjectStore(tmp_path / "objects", b"a secret", clock=clock)
        server = EmbeddedServer(app_of("large-outputs", routes.blueprint), unused, clock=clock, on_stop=[bell.close])
        server.start()
        one = Place(farm, clock, server.url, door, tmp_path)
        yield one
        print(one.worker.output)
        one.worker.clear_up()
        server.stop(1.0)
        current.forget()
        entrance.shutdown()
        entrance.server_close()
        table.close()


def test_it_is_stored_though_one_part_breaks_off_and_the_request_for_another_is_too_old(place: Place) -> None:
    place.door.ills.update({2: breaks_off, 3: has_expired})
    job = place.submit()
    place.worker.start()
    [output] = place.completed(job).outputs
    assert (output.name, output.size, output.sha256) == ("film1", SIZE, DIGEST)
    assert place.farm.objects.get(f"blobs/{DIGEST}") == CONTENT
    assert (place.door.taken, place.door.ills) == (Counter({1: 1, 2: 1, 3: 1}), {})
    assert (place.task(job).generation, place.begun()) == (1, [])


def test_a_lease_that_is_lost_half_way_ends_the_upload_and_the_next_attempt_begins_anew(place: Place) -> None:
    begun: list[str] = []

    def loses_the_lease(door: Door) -> bool:
        begun.extend(upload["UploadId"] for upload in place.begun())
        for _ in range(100):  # its worker may renew it between the hour and the sweep
            place.clock.pass_seconds(3600)
            sweeping.sweep(place.farm)
            if place.task(job).attempts:
                break
        return False

    place.door.ills[2] = loses_the_lease
    job = place.submit()
    place.worker.start()
    until(lambda: bool(begun) and place.begun() == [], "the first upload is given up", SECONDS)
    assert len(begun) == 1
    until(lambda: sweeping.sweep(place.farm) and place.task(job).status is TaskStatus.COMPLETED, "the second", SECONDS)
    assert place.task(job).generation > 1
    assert (place.farm.objects.get(f"blobs/{DIGEST}"), place.begun()) == (CONTENT, [])


def test_a_worker_that_is_killed_half_way_does_it_again_and_leaves_parts_that_the_bucket_forgets(place: Place) -> None:
    killed = threading.Event()

    def kills_it(door: Door) -> bool:
        place.worker.kill()
        killed.set()
        return breaks_off(door)

    place.door.ills[2] = kills_it
    job = place.submit()
    place.worker.start()
    assert killed.wait(SECONDS)
    [left] = place.begun()
    place.worker.start()
    place.completed(job)
    assert place.farm.objects.get(f"blobs/{DIGEST}") == CONTENT
    assert [upload["UploadId"] for upload in place.begun()] == [left["UploadId"]]
    assert "AbortIncompleteMultipartUpload" in (ROOT / "infra" / "bucket.yaml").read_text()


def test_of_two_who_send_the_same_the_slower_leaves_no_parts(place: Place) -> None:
    def another_is_faster(door: Door) -> bool:
        blob, _ = blobs.announce(place.farm, SIZE, DIGEST)
        begun = uploads.begin(place.farm, blob.id)
        assert begun.upload is not None
        sent = []
        for number in range(1, begun.parts + 1):
            data = CONTENT[(number - 1) * begun.part_bytes : number * begun.part_bytes]
            digest = hashlib.sha256(data)
            about = {"Bucket": "farm", "Key": blob.object_key, "UploadId": begun.upload, "PartNumber": number}
            checksum = base64.b64encode(digest.digest()).decode()
            with door.lock:
                made = door.s3.upload_part(**about, Body=data, ChecksumSHA256=checksum)
            sent.append(StoredPart(number, digest.hexdigest(), made["ETag"]))
        uploads.complete(place.farm, blob.id, begun.upload, sent)
        assert len(place.begun()) == 1, "the worker's own"
        return False

    place.door.ills[2] = another_is_faster
    job = place.submit()
    place.worker.start()
    [output] = place.completed(job).outputs
    assert (output.sha256, place.farm.objects.get(f"blobs/{DIGEST}")) == (DIGEST, CONTENT)
    assert (place.begun(), place.door.ills) == ([], {})


def test_only_who_holds_the_task_sends_parts(place: Place) -> None:
    go_on = threading.Event()
    place.door.ills[1] = lambda door: go_on.wait(SECONDS) and False
    job = place.submit()
    place.worker.start()
    until(lambda: 1 not in place.door.ills, "the first part comes", SECONDS)
    made = urllib3.request(
        "POST",
        f"{place.url}/worker",
        body=json.dumps({"worker": {"name": "thief", "task_types": ["exec"]}}),
        headers={"Content-Type": "application/json"},
    )
    assert made.status == 200, made.data
    thief = json.loads(made.data)
    blob, _ = blobs.announce(place.farm, SIZE, hashlib.sha256(b"other").hexdigest())
    lease = {"task": str(job.first_task), "generation": 1}
    [upload] = place.begun()
    part = {"number": 1, "sha256": DIGEST}
    about = {**lease, "blob": str(blob.id)}
    for wanted in (
        {"action": "begin"},
        {"action": "sign", "upload": upload["UploadId"], "parts": [part]},
        {"action": "complete", "upload": upload["UploadId"], "parts": [part]},
    ):
        status, answer = place.call(thief["id"], thief["secret"], **about, **wanted)
        assert status == 409, answer
    gone = {**about, "task": str(job.first_task + 1_000_000)}
    assert place.call(thief["id"], thief["secret"], **gone, action="begin")[0] == 409
    assert place.call(thief["id"], "wrong", **about, action="begin")[0] == 401
    assert [one["UploadId"] for one in place.begun()] == [upload["UploadId"]]
    go_on.set()
    place.completed(job)


def test_other_bytes_than_were_announced_are_not_stored(place: Place, tmp_path: Path) -> None:
    """S3 holds parts to their digests, not the whole."""
    job = place.submit()
    worker, secret = workers.register(
        place.farm, workers.Description("by hand", task_types=("exec",)), with_secret=True
    )
    [assignment] = claiming.claim(place.farm, worker, "r1", slots=1).assignments
    assert assignment.task.id == job.first_task and secret is not None
    client = FarmClient(place.url)
    client.use(Credentials(str(worker.id), secret))
    film = tmp_path / "film"
    film.write_bytes(CONTENT[:-1] + b"X")
    blob = str(client.announce_blob(SIZE, DIGEST)["id"])
    lease = LeaseId(str(assignment.task.id), assignment.lease.generation)
    with pytest.raises(CommandFailed, match="film changed while it was uploaded"):
        send_in_parts(client, lease, blob, film, SIZE, DIGEST, lambda seconds: None)
    assert (place.farm.objects.get(f"blobs/{DIGEST}"), place.begun(), place.door.taken) == (None, [], Counter())
