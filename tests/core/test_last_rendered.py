"""The picture that a job rendered last: one for each job, and none for a job that is gone."""

from __future__ import annotations

import pytest

from chalicelib.core import jobs, last_rendered
from chalicelib.core.errors import BadInput, LeaseLost, NotFound
from chalicelib.core.last_rendered import Jpeg
from chalicelib.core.model import Assignment
from tests.core.conftest import Bench

START = b"\xff\xd8\xff"


def sizes(mark: bytes) -> list[Jpeg]:
    return [Jpeg(width, width // 2, START + mark + str(width).encode()) for width in (600, 200, 1920)]


def note(bench: Bench, given: Assignment, mark: bytes = b"a", name: str = "f1.png") -> None:
    task = bench.farm.tasks.get(given.task.id)
    assert task is not None
    last_rendered.note(bench.farm, given.lease.worker, task, given.lease.generation, name, sizes(mark))


def test_the_newest_picture_takes_the_place_of_the_one_before(bench: Bench) -> None:
    job = bench.submit({"count": 2})
    worker = bench.worker()
    first, second = bench.take(worker), bench.take(worker)
    assert last_rendered.of_job(bench.farm, job.id) is None and last_rendered.of_farm(bench.farm) is None
    note(bench, first, b"a")
    bench.report(first)
    bench.clock.advance(1_000)
    note(bench, second, b"b", "f2.png")
    picture = last_rendered.of_job(bench.farm, job.id)
    assert picture is not None and (picture.name, picture.task) == ("f2.png", second.task.id)
    assert [size.width for size in picture.sizes] == [200, 600, 1920]
    assert last_rendered.image(bench.farm, picture, 600) == START + b"b600"
    assert last_rendered.image(bench.farm, picture, 201) == START + b"b600"
    assert last_rendered.image(bench.farm, picture, 4_000) == START + b"b1920"
    assert len(bench.farm.objects.list(f"jobs/{job.id}/")) == 3


def test_the_farm_shows_the_newest_of_all_jobs(bench: Bench) -> None:
    worker = bench.worker()
    for mark in (b"a", b"b"):
        bench.submit()
        note(bench, bench.take(worker), mark)
    newest = last_rendered.of_farm(bench.farm)
    assert newest is not None and last_rendered.image(bench.farm, newest, 1) == START + b"b200"


def test_pictures_go_with_their_job(bench: Bench) -> None:
    job = bench.submit()
    given = bench.take(bench.worker())
    note(bench, given)
    bench.report(given)
    jobs.delete(bench.farm, job.id)
    assert last_rendered.of_job(bench.farm, job.id) is None and last_rendered.of_farm(bench.farm) is None
    assert bench.farm.objects.list("jobs/") == []
    with pytest.raises(NotFound):
        last_rendered.note(bench.farm, given.lease.worker, given.task, given.lease.generation, "late.png", sizes(b"c"))
    assert bench.farm.objects.list("jobs/") == []


def test_only_who_holds_or_held_the_task_may_show_something(bench: Bench) -> None:
    bench.submit()
    given, other = bench.take(bench.worker()), bench.worker("other")
    with pytest.raises(LeaseLost):
        last_rendered.note(bench.farm, other.id, given.task, given.lease.generation, "f.png", sizes(b"x"))


@pytest.mark.parametrize(
    "jpegs",
    [
        [],
        [Jpeg(200, 100, b"GIF89a")],
        [Jpeg(200, 0, START)],
        [Jpeg(200, 100, START), Jpeg(200, 100, START)],
        [Jpeg(9_999, 100, START)],
        [Jpeg(200, 100, START + bytes(last_rendered.MOST_BYTES))],
    ],
)
def test_what_is_no_small_jpeg_is_refused(bench: Bench, jpegs: list[Jpeg]) -> None:
    bench.submit()
    given = bench.take(bench.worker())
    with pytest.raises(BadInput):
        last_rendered.note(bench.farm, given.lease.worker, given.task, given.lease.generation, "f.png", jpegs)
    assert bench.farm.objects.list("jobs/") == []
