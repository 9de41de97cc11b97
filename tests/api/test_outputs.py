"""What a job made, as clients of `/api/v1` fetch it: page by page, while it runs and afterwards."""

from __future__ import annotations

from typing import Any

from chalicelib.core import blobs, claiming, jobs, leases, outputs, workers
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Job, Output
from tests.api.bench import Bench

COMMAND = ["render", "{frame}", "{output}"]


def rendering(bench: Bench, frames: str) -> Job:
    return jobs.submit(bench.farm, jobs.Submission("shot", "frames", {"frames": frames, "command": COMMAND}))


def render(bench: Bench, number: int, *, files: int = 1) -> None:
    """Some worker does so many tasks of the job, each leaving files of its own."""
    worker, _ = workers.register(bench.farm, workers.Description("node", task_types=("exec",)), with_secret=False)
    for turn in range(number):
        [given] = claiming.claim(bench.farm, worker, f"{worker.id}-{turn}", slots=1).assignments
        frame = given.task.work.commands[0]["settings"]["first"]
        made = tuple(output(bench, f"f{frame:04d}.{part}.png") for part in range(files))
        said = leases.Report(Outcome.COMPLETED, 0, outputs=made)
        leases.report(bench.farm, worker.id, given.task.id, given.lease.generation, said)


def output(bench: Bench, name: str) -> Output:
    blob = blobs.store_bytes(bench.farm, name.encode())
    return Output(name, blob.id, blob.size, blob.sha256)


def listed(bench: Bench, job: Job, limit: int = 100) -> tuple[list[str], int]:
    """All names, and how many pages they came in."""
    names: list[str] = []
    pages, cursor = 0, ""
    while True:
        page = bench.get(f"/jobs/{job.id}/outputs?limit={limit}{cursor}")
        names += [item["name"] for item in page["items"]]
        pages += 1
        if page["next"] is None:
            return names, pages
        cursor = f"&cursor={page['next']}"


def test_an_output_names_its_task(bench: Bench) -> None:
    job = rendering(bench, "7")
    render(bench, 1)
    [item] = bench.get(f"/jobs/{job.id}/outputs")["items"]
    [task] = bench.get(f"/jobs/{job.id}/tasks")["items"]
    [kept] = bench.get(f"/jobs/{job.id}")["outputs"]
    assert item == {**kept, "task": task["id"], "task_name": "frame 7"}
    assert item["name"] == "f0007.0.png"


def test_what_is_done_is_listed_while_the_rest_still_waits(bench: Bench) -> None:
    job = rendering(bench, "1-9")
    assert listed(bench, job) == ([], 1)
    render(bench, 2)
    assert len(listed(bench, job)[0]) == 2
    assert bench.get(f"/jobs/{job.id}")["outputs"] == []


def test_pages_hold_all_outputs_once_in_the_order_of_the_frames(bench: Bench) -> None:
    job = rendering(bench, "1-230")
    render(bench, 230, files=2)
    wanted = [f"f{frame:04d}.{part}.png" for frame in range(1, 231) for part in range(2)]
    assert listed(bench, job, limit=60)[0] == wanted
    assert listed(bench, job, limit=1) == (wanted, 230)
    assert bench.get(f"/jobs/{job.id}/outputs?limit=3")["items"][3]["name"] == "f0002.1.png"


def test_a_job_keeps_the_first_of_many_outputs_itself(bench: Bench) -> None:
    """Its item ends at 400 KB, which a few thousand frames would fill."""
    job = rendering(bench, "1-130")
    render(bench, 130)
    document: dict[str, Any] = bench.get(f"/jobs/{job.id}")
    assert document["status"] == "completed"
    assert [item["name"] for item in document["outputs"]] == [f"f{n:04d}.0.png" for n in range(1, outputs.KEPT + 1)]


def test_a_wrong_cursor_and_an_unknown_job_are_refused(bench: Bench) -> None:
    job = rendering(bench, "1")
    assert bench.call("GET", f"/jobs/{job.id}/outputs?cursor=x").status == 400
    assert bench.call("GET", "/jobs/12345/outputs").status == 404
