"""Frames are added to a job that lives: once, all or none, at the same cost however many they are."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.compilers.command import TASK_TYPE
from chalicelib.compilers.frame_ranges import Chunks, Frames, parse_frames, split
from chalicelib.core import blobs, extending, jobs, retrying, sweeping, tasks
from chalicelib.core.errors import BadInput, Conflict
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.leases import Report, report
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Job, Output, Task, Worker
from chalicelib.core.records.keys import INDEXES
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import Crash, SimulatedClock, SimulatedTable


def frames_job(bench: Bench, frames: str = "1-5", chunk: int = 1, **wanted: Any) -> Job:
    asked = {"frames": frames, "chunk": chunk, "command": ["true", "{frame}"]}
    return jobs.submit(bench.farm, jobs.Submission("shot", "frames", asked, **wanted))


def blender_job(bench: Bench, **more: Any) -> Job:
    asked = {"blend": "/shots/a.blend", "frames": "1-3", "preview": True, **more}
    return jobs.submit(bench.farm, jobs.Submission("shot", "blender-render", asked))


def worker_of(bench: Bench) -> Worker:
    return bench.worker("w", TASK_TYPE, "blender-render", "video-encoding")


def work_off(bench: Bench, worker: Worker, most: int = 10_000) -> list[str]:
    """Complete what can be claimed, each frame with a picture; the names of what ran."""
    ran: list[str] = []
    while len(ran) < most and (some := bench.claim(worker, slots=min(50, most - len(ran)))):
        for one in some:
            ran.append(one.task.name)
            made = _pictures(bench.farm, one.task)
            said = Report(Outcome.COMPLETED, outputs=made)
            report(bench.farm, worker.id, one.task.id, one.lease.generation, said)
    return ran


def _pictures(farm: Farm, task: Task) -> tuple[Output, ...]:
    if not task.work.outputs:
        return ()
    name = "preview.mp4" if task.name.startswith("preview") else f"frame_{task.name.split()[-1]:0>4}.png"
    return blobs.as_outputs(farm, {name: blobs.store_bytes(farm, name.encode()).id})


@pytest.mark.parametrize("more", ["6-9", "6-700"])
def test_added_frames_run_after_those_there_were(bench: Bench, more: str) -> None:
    job = frames_job(bench)
    worker = worker_of(bench)
    work_off(bench, worker, 2)
    done = extending.add_frames(bench.farm, job.id, more)
    assert (done.added, done.present) == (more, None)
    count = parse_frames(more).count
    assert bench.counts(job)["queued"] == 3 + count
    ran = work_off(bench, worker)
    assert ran == [f"frame {number}" for number in range(3, 6 + count)]
    assert bench.job(job).status == "completed" and bench.counts(job) == {"completed": 5 + count}


def test_the_same_request_twice_adds_once(bench: Bench) -> None:
    job = frames_job(bench)
    first = extending.add_frames(bench.farm, job.id, "4-8, 20-30x5")
    assert (first.added, first.present) == ("6-8,20-30x5", "4-5")
    again = extending.add_frames(bench.farm, job.id, "4-8, 20-30x5")
    assert (again.added, again.present) == (None, "4-8,20-30x5")
    assert len(bench.farm.jobs.steps(job.id)) == 2
    assert len(work_off(bench, worker_of(bench))) == 5 + 3 + 3


def test_no_task_changes_its_place(bench: Bench) -> None:
    """With `1-10` in chunks of 4 the last chunk has two frames; what is added does not fill it up."""
    job = frames_job(bench, "1-10", chunk=4)
    before = [(task.id, task.name) for task in bench.tasks(job)]
    extending.add_frames(bench.farm, job.id, "11-17")
    after = [(task.id, task.name) for task in bench.tasks(job)]
    assert after[: len(before)] == before
    assert [name for _, name in after[len(before) :]] == ["frames 11-14", "frames 15-17"]


@pytest.mark.parametrize("end", [jobs.cancel, None])
def test_a_job_that_has_ended_says_what_to_do(bench: Bench, end: Callable[[Farm, int], Job] | None) -> None:
    job = frames_job(bench)
    end(bench.farm, job.id) if end else work_off(bench, worker_of(bench))
    with pytest.raises(Conflict, match=f"millrace rerun {job.id} --frames 6-9"):
        extending.add_frames(bench.farm, job.id, "6-9")


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ("", "no frames are named"),
        ("9-6", "backwards"),
        ("7,7", "named twice"),
        ("6-2000000", "more than the 1,000,000"),
    ],
)
def test_frames_that_cannot_be_added_are_refused(bench: Bench, frames: str, message: str) -> None:
    job = frames_job(bench)
    with pytest.raises(BadInput, match=message) as refused:
        extending.add_frames(bench.farm, job.id, frames)
    assert refused.value.field == "frames" and len(bench.farm.jobs.steps(job.id)) == 1


def test_a_job_without_frames_gets_none(bench: Bench) -> None:
    with pytest.raises(BadInput, match="type ladder has no frames"):
        extending.add_frames(bench.farm, bench.submit().id, "1-5")


def test_a_paused_job_gets_frames_and_gives_them_away_when_it_goes_on(bench: Bench) -> None:
    job = frames_job(bench)
    jobs.pause(bench.farm, job.id)
    extending.add_frames(bench.farm, job.id, "6-200")
    assert work_off(bench, worker_of(bench)) == []
    jobs.resume(bench.farm, job.id)
    assert len(work_off(bench, worker_of(bench))) == 200


def chained_job(bench: Bench, *then: dict[str, Any], frames: str = "1-4", **more: Any) -> Job:
    asked = {"frames": frames, "command": ["render", "{frame}", "{output}/f"], "then": list(then), **more}
    return jobs.submit(bench.farm, jobs.Submission("shot", "frames", asked))


DENOISE = {"name": "denoise", "chunk": 2, "command": ["denoise", "{input}/f", "{frame}", "{output}/f"]}
PUBLISH = {"command": ["publish", "{frame}", "{input}/f"]}


@pytest.mark.parametrize("more", ["5-9", "5-130"])
@pytest.mark.parametrize("begun", [0, 3, 7])
def test_steps_that_follow_frame_by_frame_follow_the_added_ones_too(bench: Bench, more: str, begun: int) -> None:
    """Whatever has been done of the others; and none of those runs again, or waits."""
    job = chained_job(bench, DENOISE, PUBLISH)
    worker = worker_of(bench)
    ran = work_off(bench, worker, begun)
    assert extending.add_frames(bench.farm, job.id, more).added == more
    assert extending.add_frames(bench.farm, job.id, more).added is None
    ran += work_off(bench, worker)
    assert bench.job(job).status == "completed"
    count = parse_frames(more).count
    assert len(ran) == 4 + 2 + 4 + count + -(-count // 2) + count
    names = [step.name for step in bench.farm.jobs.steps(job.id)]
    assert names == ["frames", "denoise", "then 2", "frames-2", "denoise-2", "then 2-2"]


def test_what_follows_an_added_frame_gets_its_files_and_waits_for_nothing_else(bench: Bench) -> None:
    job = chained_job(bench, DENOISE, frames="1-2")
    worker = worker_of(bench)
    held = bench.claim(worker, slots=2)
    extending.add_frames(bench.farm, job.id, "7-8")
    ran = work_off(bench, worker)
    assert ran == ["frame 7", "frame 8", "frames 7-8"], "the first two are still running"
    [last] = [task for task in bench.tasks(job) if task.name == "frames 7-8"]
    assert sorted(given.name for given in last.work.inputs) == ["input/frame_0007.png", "input/frame_0008.png"]
    outputs = bench.job(job).outputs
    for one in held:
        report(bench.farm, worker.id, one.task.id, one.lease.generation, Report(Outcome.RELEASED))
    assert sorted(work_off(bench, worker)) == ["frame 1", "frame 2", "frames 1-2"]
    assert bench.job(job).status == "completed" and len(bench.job(job).outputs) == 2, outputs


def test_an_added_frame_that_runs_again_has_only_what_follows_it_start_over(bench: Bench) -> None:
    job = chained_job(bench, PUBLISH)
    worker = worker_of(bench)
    extending.add_frames(bench.farm, job.id, "5-6")
    work_off(bench, worker)
    retrying.retry_frames(bench.farm, job.id, "6")
    assert sorted(work_off(bench, worker)) == ["frame 5", "frame 6", "frame 6"]
    assert bench.job(job).status == "completed"


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ({**PUBLISH, "shift": -1}, r"'then 1'\) is shifted"),
        ({**PUBLISH, "frames": "1-2"}, "has frames of its own"),
    ],
)
def test_where_it_is_not_plain_what_would_follow_an_added_frame_none_is_added(
    bench: Bench, then: dict[str, Any], message: str
) -> None:
    job = chained_job(bench, then)
    with pytest.raises(BadInput, match=message) as refused:
        extending.add_frames(bench.farm, job.id, "5-9")
    assert refused.value.field == "frames" and len(bench.farm.jobs.steps(job.id)) == 2


def test_a_job_of_many_steps_gets_frames_less_often(bench: Bench) -> None:
    job = chained_job(bench, *[PUBLISH] * 9, frames="1")
    for frame in range(2, 12):
        extending.add_frames(bench.farm, job.id, str(frame))
    with pytest.raises(BadInput, match="10 times at most"):
        extending.add_frames(bench.farm, job.id, "12")
    assert len(work_off(bench, worker_of(bench))) == 11 * 10


def test_the_names_of_added_steps_are_nobody_elses(bench: Bench) -> None:
    job = chained_job(bench, {**PUBLISH, "name": "a"}, {**PUBLISH, "name": "a-2"})
    with pytest.raises(BadInput, match="different names"):
        extending.add_frames(bench.farm, job.id, "5-9")
    assert len(work_off(bench, worker_of(bench))) == 12


def test_a_preview_waits_for_the_added_frames_too(bench: Bench) -> None:
    job = blender_job(bench)
    worker = worker_of(bench)
    work_off(bench, worker, 2)
    extending.add_frames(bench.farm, job.id, "10-11")
    ran = work_off(bench, worker)
    assert ran == ["frame 3", "frame 10", "frame 11", "preview"]
    [preview] = [task for task in bench.tasks(job) if task.name == "preview"]
    assert [name for name in (given.name for given in preview.work.inputs)] == [
        f"frames/{number:06d}.png" for number in range(5)
    ]
    assert bench.job(job).status == "completed"


def test_a_preview_that_gets_too_long_for_one_task_is_made_in_parts(bench: Bench) -> None:
    job = blender_job(bench)
    extending.add_frames(bench.farm, job.id, "4-10")
    extending.add_frames(bench.farm, job.id, "11-620")
    extending.add_frames(bench.farm, job.id, "621-625")
    names = [step.name for step in bench.farm.jobs.steps(job.id)]
    assert names == ["render", "preview", "render-2", "render-3", "preview-parts", "render-4"]
    ran = work_off(bench, worker_of(bench))
    assert ran[-3:] == ["preview part 1 of 2", "preview part 2 of 2", "preview"] and len(ran) == 628
    assert bench.job(job).status == "completed"


def test_frames_come_too_late_for_a_preview_that_is_being_made(bench: Bench) -> None:
    job = blender_job(bench)
    worker = worker_of(bench)
    work_off(bench, worker, 3)
    bench.take(worker)
    with pytest.raises(Conflict, match="step 'preview' is at work on the frames before"):
        extending.add_frames(bench.farm, job.id, "4-5")


def test_chosen_frames_run_again_and_the_preview_with_them(bench: Bench) -> None:
    job = blender_job(bench)
    worker = worker_of(bench)
    work_off(bench, worker, 1)
    extending.add_frames(bench.farm, job.id, "10-200")
    work_off(bench, worker)
    retrying.retry_frames(bench.farm, job.id, "2, 100-101")
    assert work_off(bench, worker) == ["frame 2", "frame 100", "frame 101", "preview"]
    assert bench.job(job).status == "completed"
    with pytest.raises(BadInput, match="no frames 5"):
        retrying.retry_frames(bench.farm, job.id, "2,5")


def test_frames_that_have_not_ended_are_not_run_again(bench: Bench) -> None:
    job = frames_job(bench, "1-300")
    worker = worker_of(bench)
    work_off(bench, worker, 5)
    with pytest.raises(Conflict, match="none of these has ended"):
        retrying.retry_frames(bench.farm, job.id, "7-300")
    retrying.retry_frames(bench.farm, job.id, "4-300")
    assert work_off(bench, worker)[:2] == ["frame 4", "frame 5"]
    assert bench.counts(job) == {"completed": 300}


def test_large_settings_are_kept_beside_the_job_and_go_with_it(bench: Bench) -> None:
    farm = make_farm(bench.farm.table, bench.clock, limits=Limits(inline_bytes=100))
    ours = Bench(farm, bench.clock)
    job = frames_job(ours)
    for more in ("6-9", "10-20"):
        extending.add_frames(farm, job.id, more)
    assert farm.plans.settings(jobs.get(farm, job.id))["added"] == ["6-9", "10-20"]
    work_off(ours, worker_of(ours))
    jobs.delete(farm, job.id)
    assert farm.objects.list(f"jobs/{job.id}/") == []


def test_of_two_who_add_frames_at_once_the_settings_are_those_of_who_was_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has written its settings before the first is through, and has read the job before."""
    first = make_farm(bench.farm.table, bench.clock, limits=Limits(inline_bytes=10))
    second = replace(first, random=random.Random(2))
    job = frames_job(Bench(first, bench.clock))
    extend = first.jobs.extend

    def slowly(*arguments: Any) -> bool:
        with monkeypatch.context() as lost:
            lost.setattr(second.jobs, "extend", lambda *arguments: False)
            with pytest.raises(Conflict, match="keeps changing"):
                extending.add_frames(second, job.id, "100-120")
        return extend(*arguments)

    monkeypatch.setattr(first.jobs, "extend", slowly)
    extending.add_frames(first, job.id, "6-9")
    assert first.plans.settings(jobs.get(first, job.id))["added"] == ["6-9"]
    assert len(first.objects.list(f"jobs/{job.id}/")) == 2  # as it was, and as it is


def test_a_command_that_is_to_be_copied_is_never_cut(bench: Bench) -> None:
    job = frames_job(bench)
    work_off(bench, worker_of(bench))
    many = ",".join(str(number) for number in range(10, 400, 2))
    with pytest.raises(Conflict, match=r"rerun \d+ --frames \.\.\.`"):
        extending.add_frames(bench.farm, job.id, many)


def test_another_process_knows_of_added_frames(bench: Bench) -> None:
    other = make_farm(bench.farm.table, bench.clock)
    job = frames_job(bench)
    assert tasks.get(other, bench.farm.jobs.steps(job.id)[0].base).name == "frame 1"
    extending.add_frames(other, job.id, "6-300")
    assert work_off(bench, worker_of(bench))[-1] == "frame 300"


class Meter:
    """A table that counts what is asked of it."""

    def __init__(self, table: Any) -> None:
        self._table, self.calls = table, 0

    def __getattr__(self, name: str) -> Any:
        self.calls += name in ("get", "get_many", "query", "write", "update", "write_many", "take")
        return getattr(self._table, name)


def test_a_million_frames_are_added_with_as_few_requests_as_two_hundred() -> None:
    costs = []
    for more in ("6-205", "6-1000000"):
        clock = SimulatedClock()
        meter = Meter(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock))
        bench = Bench(make_farm(meter, clock), clock)
        job = frames_job(bench)
        meter.calls = 0
        extending.add_frames(bench.farm, job.id, more)
        costs.append(meter.calls)
    assert costs[0] == costs[1] and costs[1] < 40


def test_who_dies_while_frames_are_added_leaves_all_of_them_or_none() -> None:
    """Killed at each of its calls to the table in turn; the sweep and a repetition make it whole."""
    for at in itertools.count(1):
        clock = SimulatedClock()
        table = Dying(SimulatedTable(INDEXES, seed=at, lag_ms=(0, 0), clock=clock))
        bench = Bench(make_farm(table, clock), clock)
        job = blender_job(bench)
        table.left = at
        try:
            extending.add_frames(bench.farm, job.id, "4-300")
        except Crash:
            table.left = None
        else:
            assert at > 3
            return
        bench = Bench(make_farm(table, clock), clock)
        sweeping.sweep(bench.farm, thorough=True)
        assert len(bench.farm.jobs.steps(job.id)) in (2, 3)
        extending.add_frames(bench.farm, job.id, "4-300")
        ran = work_off(bench, worker_of(bench))
        assert len(ran) == 301 and ran[-1] == "preview" and bench.job(job).status == "completed"


class Dying:
    """A table whose process dies before its nth call."""

    def __init__(self, table: Any) -> None:
        self._table, self.left = table, None

    def __getattr__(self, name: str) -> Any:
        if self.left is not None and name in ("get", "get_many", "query", "write", "update", "write_many"):
            self.left -= 1
            if self.left <= 0:
                raise Crash
        return getattr(self._table, name)


# ---- ranges

PARTS = st.tuples(st.integers(-30, 60), st.integers(0, 20), st.integers(1, 4))


def _frames_of(parts: Sequence[tuple[int, int, int]]) -> Frames | None:
    text = ",".join(f"{first}-{first + length}x{step}" for first, length, step in parts)
    try:
        return parse_frames(text)
    except ValueError:
        return None


def _listed(frames: Frames) -> list[int]:
    return [n for one in frames.ranges for n in range(one.first, one.last + 1, one.step)]


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=4), st.lists(PARTS, min_size=1, max_size=4), st.integers(1, 7))
def test_what_is_new_and_where_frames_are_is_what_lists_say(wanted: Any, there: Any, chunk: int) -> None:
    asked, had = _frames_of(wanted), _frames_of(there)
    if asked is None or had is None:
        return
    new, present = split(asked, had)
    known = set(_listed(had))
    assert _listed(new) == [n for n in _listed(asked) if n not in known]
    assert _listed(present) == [n for n in _listed(asked) if n in known]
    chunks = Chunks(had, chunk)
    holding = {
        index
        for index in range(len(chunks))
        if set(range(chunks[index].first, chunks[index].last + 1, chunks[index].step)) & set(_listed(asked))
    }
    assert {index for indices in chunks.indices_of(asked) for index in indices} == holding
