"""`POST /api/v1/jobs/{id}/frames`, and retries by frames."""

from __future__ import annotations

from typing import Any

from chalicelib.core import workers
from tests.api.bench import Bench

SHOT = {"name": "shot", "type": "frames", "settings": {"frames": "1-3", "command": ["true", "{frame}"]}}


def submitted(bench: Bench) -> Any:
    return bench.post("/jobs", SHOT)


def test_frames_are_added_once(bench: Bench) -> None:
    job = submitted(bench)
    first = bench.post(f"/jobs/{job['id']}/frames", {"frames": "3-5"})
    assert (first["added"], first["present"]) == ("4-5", "3")
    assert first["job"]["counts"]["queued"] == 5 and first["job"]["settings"]["added"] == ["4-5"]
    again = bench.post(f"/jobs/{job['id']}/frames", {"frames": "3-5"})
    assert (again["added"], again["present"]) == (None, "3-5")
    assert [step["count"] for step in again["job"]["steps"]] == [3, 2]
    assert bench.get(f"/jobs/{job['id']}/tasks?limit=1000")["items"][-1]["name"] == "frame 5"


def test_a_job_that_has_ended_is_a_conflict_that_says_what_to_do(bench: Bench) -> None:
    job = submitted(bench)
    bench.post(f"/jobs/{job['id']}/cancel")
    refused = bench.call("POST", f"/jobs/{job['id']}/frames", {"frames": "4"})
    assert refused.status == 409 and f"millrace rerun {job['id']} --frames 4" in refused.json["detail"]


def test_what_is_no_frame_names_the_field(bench: Bench) -> None:
    job = submitted(bench)
    for body in ({"frames": "a-b"}, {"frames": ""}, {}, {"frames": 5}):
        refused = bench.call("POST", f"/jobs/{job['id']}/frames", body)
        assert (refused.status, refused.json["field"]) == (400, "frames")
    other = bench.job()
    assert bench.call("POST", f"/jobs/{other.id}/frames", {"frames": "4"}).status == 400
    assert bench.call("POST", f"/jobs/{other.id}/retry", {"frames": "4"}).status == 400


def test_frames_run_again_by_their_numbers(bench: Bench) -> None:
    worker, _ = workers.register(bench.farm, workers.Description("w", task_types=("exec",)), with_secret=False)
    job = submitted(bench)
    for _ in range(3):
        bench.end(bench.take(worker))
    again = bench.post(f"/jobs/{job['id']}/retry", {"frames": "1,3"})
    assert (again["status"], again["counts"]["queued"], again["counts"]["completed"]) == ("queued", 2, 1)
