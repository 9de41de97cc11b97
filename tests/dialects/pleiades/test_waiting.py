"""Long polls: they really wait, and they end as soon as there is something to say."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pytest
import requests

from chalicelib.core import leaving
from chalicelib.core.lifecycle import TaskStatus
from chalicelib.dialects.pleiades import translate, wire
from tests.dialects.pleiades.conftest import Site
from tests.dialects.pleiades.native_worker import enlist, submit

T = TypeVar("T")
PROMPT_SECONDS = 1.0
"""Measured: 2 to 20 ms. Busy machines get room; a lost ring would cost the whole timeout."""


def timed(call: Callable[[], T]) -> tuple[T, float]:
    started_at = time.monotonic()
    return call(), time.monotonic() - started_at


def waiting(site: Site, call: Callable[[], T], topic: str) -> tuple[ThreadPoolExecutor, Future[tuple[T, float]]]:
    """The call in a thread of its own, once it waits at the farm's bell."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(lambda: (call(), time.monotonic()))
    bell = site.farm.bell
    for _ in range(500):
        if any(waiter.is_asleep for waiter in list(bell._waiters.get(topic, ()))):  # type: ignore[attr-defined]
            return pool, future
        threading.Event().wait(0.01)
    raise AssertionError(f"nobody waits for {topic}")


def test_a_contract_without_work_waits_until_its_time_is_over(site: Site) -> None:
    worker = site.old_worker()
    job, seconds = timed(lambda: site.contract(worker, timeout=1))
    assert job is None and 0.8 < seconds < 3


def test_a_contract_is_answered_a_little_before_the_worker_may_hang_up() -> None:
    assert [translate.contract_seconds(asked) for asked in (0, 1, 5, 10, 20)] == [0, 0.9, 4.5, 9.5, 19.5]
    assert [translate.contract_seconds(asked) for asked in (None, -1, 1e9, 5.9)] == [19.5, 19.5, 24.5, 4.5]


def test_a_wait_for_a_job_has_bounds() -> None:
    assert [translate.wait_seconds(asked) for asked in (None, 10, 1e9, -1, 0.9)] == [20, 10, 25, 0, 0]
    assert wire.seconds("") is None and wire.seconds("10") == 10


def test_a_contract_ends_as_soon_as_a_job_comes(site: Site) -> None:
    worker = site.old_worker()
    pool, future = waiting(site, lambda: site.contract(worker, timeout=20), f"worker/{worker}")
    submitted_at = time.monotonic()
    job = site.job()
    found, answered_at = future.result(10)
    pool.shutdown()
    assert found == job and answered_at - submitted_at < PROMPT_SECONDS


@pytest.mark.parametrize("goes", ["signs off", "is removed"])
def test_a_worker_that_goes_while_its_call_waits_gets_nothing_more(site: Site, goes: str) -> None:
    """Its process has ended, and left the call behind: nobody would ever run what it got."""
    worker = enlist(site, task_types=["sleep"])
    pool, future = waiting(site, lambda: worker.contract(slots=1, timeout=20), f"worker/{worker.id}")
    if goes == "signs off":
        worker.ok("sign-off", {})
    else:
        leaving.forget(site.farm, int(worker.id))
    job = submit(site)
    assert future.result(10)[0]["assignments"] == []
    pool.shutdown()
    task = site.farm.tasks.get(job.first_task)
    assert task is not None and (task.status, task.attempts) == (TaskStatus.QUEUED, ())


def test_a_waiting_worker_with_a_tag_gets_the_job_that_requires_it(site: Site) -> None:
    worker = site.old_worker()
    pool, future = waiting(site, lambda: site.contract(worker, timeout=5, tags=["gpu"]), f"worker/{worker}")
    site.farm.bell.ring(f"worker/{worker}", times=None)  # it looks, finds nothing and waits again
    job = site.job(tags=["+gpu"])
    assert future.result(10)[0] == job
    pool.shutdown()


def test_waiting_for_a_job_ends_as_soon_as_it_is_finished(site: Site) -> None:
    job = site.job()
    assert site.contract(site.old_worker()) == job
    asked = f"{site.url}/job/{job}?except=Finished&timeout=20"
    pool, future = waiting(site, lambda: requests.get(asked, timeout=30).json(), f"job/{job}")
    finished_at = time.monotonic()
    site.update(job, "finished", output="0")
    seen, answered_at = future.result(10)
    pool.shutdown()
    assert seen["state"] == "Finished" and answered_at - finished_at < PROMPT_SECONDS


def test_waiting_for_a_job_ends_when_it_can_no_longer_finish(site: Site) -> None:
    job = site.job()
    asked = f"{site.url}/job/{job}?except=finished&timeout=20"
    pool, future = waiting(site, lambda: requests.get(asked, timeout=30).json(), f"job/{job}")
    site.update(job, "cancelled")
    assert future.result(10)[0]["state"] == "Cancelled"
    pool.shutdown()


def test_waiting_for_a_job_notices_that_it_runs(site: Site) -> None:
    job = site.job()
    asked = f"{site.url}/job/{job}?except=Running&timeout=20"
    pool, future = waiting(site, lambda: requests.get(asked, timeout=30).json(), f"job/{job}")
    assert site.contract(site.old_worker()) == job
    assert future.result(10)[0]["state"] == "Running"
    pool.shutdown()


def test_waiting_in_vain_gives_the_document_as_it_is(site: Site) -> None:
    job = site.job()
    seen, seconds = timed(lambda: site.get(f"/job/{job}?except=Finished&timeout=1").json())
    assert seen["state"] == "Enqueued" and 0.9 < seconds < 3


def test_without_except_there_is_no_waiting(site: Site) -> None:
    job = site.job()
    seen, seconds = timed(lambda: site.get(f"/job/{job}?timeout=20").json())
    assert seen["state"] == "Enqueued" and seconds < PROMPT_SECONDS


@pytest.mark.parametrize("workers", [8])
def test_concurrent_contracts_never_get_the_same_job(site: Site, workers: int) -> None:
    jobs = [site.job() for _ in range(20)]
    ids = [site.old_worker() for _ in range(workers)]

    def take_all(worker: str) -> list[str]:
        taken: list[str] = []
        while job := site.contract(worker):
            taken.append(job)
        return taken

    with ThreadPoolExecutor(workers) as pool:
        taken = Counter(job for found in pool.map(take_all, ids) for job in found)
    assert taken == Counter(jobs)
