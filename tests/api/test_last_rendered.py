"""`/api/v1/last-rendered`: what workers sent of what they rendered."""

from __future__ import annotations

import base64
import json
from typing import Any

from chalicelib.core.model import Assignment
from tests.api.bench import Answer, Bench

JPEG = b"\xff\xd8\xff\xe0 not much of a picture"


def send(bench: Bench, given: Assignment, secret: str | None, **changes: Any) -> Answer:
    lease = {"task": str(given.task.id), "generation": given.lease.generation}
    pictures = [
        {"width": w, "height": 100, "jpeg": base64.b64encode(JPEG + bytes([w % 200])).decode()} for w in (200, 600)
    ]
    body = {**lease, "name": "f1.exr", "pictures": pictures, **changes}
    basic = base64.b64encode(f"{given.lease.worker}:{secret}".encode()).decode()
    path = f"/worker/{given.lease.worker}/picture"
    return bench.send("POST", path, json.dumps(body).encode(), Authorization=f"Basic {basic}")


def test_what_a_worker_sends_is_shown_for_the_job_and_for_the_farm(bench: Bench) -> None:
    assert bench.call("GET", "/last-rendered").status == 404
    worker, secret = bench.worker(secret=True)
    job = bench.job()
    assert bench.call("GET", f"/jobs/{job.id}/last-rendered").status == 404
    given = bench.take(worker)
    sent = send(bench, given, secret)
    assert (sent.status, sent.json["again_seconds"]) == (200, 10)
    shown = bench.get(f"/jobs/{job.id}/last-rendered")
    assert shown == bench.get("/last-rendered")
    assert (shown["job"], shown["task"], shown["name"]) == (str(job.id), str(given.task.id), "f1.exr")
    assert [size["width"] for size in shown["sizes"]] == [200, 600]
    image = bench.send("GET", shown["sizes"][1]["url"])
    assert (image.status, image.kind, image.body) == (200, "image/jpeg", JPEG + bytes([0]))


def test_what_is_wrong_with_a_picture_is_said(bench: Bench) -> None:
    worker, secret = bench.worker(secret=True)
    bench.job()
    given = bench.take(worker)
    for pictures in ([], [{"width": 1, "height": 1, "jpeg": "***"}], [{"width": 1, "height": 1, "jpeg": "R0lG"}]):
        assert send(bench, given, secret, pictures=pictures).status == 400
    assert send(bench, given, "wrong").status in (401, 404)
    assert bench.call("GET", "/last-rendered").status == 404
