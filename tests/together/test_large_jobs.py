"""A million frames on a farm of real processes: what a person does with such a job is done at once."""

from __future__ import annotations

import time
from itertools import islice

import pytest

from millrace import Farm
from millrace.sdk.errors import Conflict, NotFound
from millrace.sdk.values import Job
from tests.together.conftest import Found
from tests.worker.processes import until

MILLION = 1_000_000
AT_ONCE = 15.0
"""Seconds; it takes a few milliseconds, but the machine may be busy."""


def deleted(farm: Farm, job: Job) -> bool:
    try:
        farm.delete(job)
        return True
    except Conflict:  # its last tasks are still ending
        return False


def test_a_million_frames_run_pause_stop_and_go(found: Found) -> None:
    ensemble = found()
    farm, server = ensemble.farm, ensemble.server
    ensemble.worker("one", "--slots", "2")
    until(lambda: list(farm.workers()), "a worker", 30)
    before_bytes, begin = server.resident_bytes(), time.monotonic()
    job = farm.submit("frames", {"frames": f"1-{MILLION}", "command": ["sh", "-c", "exit 0 # {frame}"]}, name="all")
    until(lambda: farm.job(job).counts["completed"] >= 5, "the first frames", AT_ONCE)
    assert time.monotonic() - begin < 2 * AT_ONCE
    assert sum(farm.job(job).counts.values()) == MILLION
    assert [task.name for task in islice(farm.tasks(job), 3)] == ["frame 1", "frame 2", "frame 3"]
    first_queued = next(farm.tasks(job, status="queued"))
    assert farm.task(first_queued.id).name == first_queued.name

    farm.pause(job)
    until(lambda: farm.job(job).counts["active"] == 0, "the running frames' end", AT_ONCE)
    paused = farm.job(job).counts
    assert paused["paused"] + paused["completed"] == MILLION
    farm.resume(job)
    until(lambda: farm.job(job).counts["completed"] > paused["completed"], "more frames", AT_ONCE)

    farm.cancel(job)
    ended = farm.wait(job, timeout=AT_ONCE)
    until(lambda: sum(farm.job(job).counts[s] for s in ("active", "queued", "paused")) == 0, "the end of all", AT_ONCE)
    counts = farm.job(job).counts
    assert ended.status == "canceled" and counts["completed"] + counts["canceled"] == MILLION
    assert server.resident_bytes() - before_bytes < 60_000_000
    until(lambda: deleted(farm, job), "nothing to be left to do for it", AT_ONCE)
    with pytest.raises(NotFound):
        farm.job(job)
