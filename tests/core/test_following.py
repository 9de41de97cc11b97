"""Jobs that come after other jobs."""

from __future__ import annotations

import pytest

from chalicelib.core import ending, jobs, sweeping, why_waiting
from chalicelib.core.errors import BadInput
from chalicelib.core.model import Job
from chalicelib.core.reasons import Code
from tests.core.conftest import Bench


def status(bench: Bench, job: Job) -> str:
    return bench.job(job).status.value


def test_it_starts_when_all_jobs_before_it_have_completed(bench: Bench) -> None:
    first, second = bench.submit(), bench.submit()
    last = bench.submit(after=(first.id, second.id))
    worker = bench.worker()
    earlier = [bench.take(worker), bench.take(worker)]
    assert bench.claim(worker) == []
    bench.report(earlier[0])
    assert bench.claim(worker) == []
    bench.report(earlier[1])
    assert bench.work_off(worker) == 1
    assert status(bench, last) == "completed"


def test_it_starts_at_once_after_jobs_that_have_completed(bench: Bench) -> None:
    first, worker = bench.submit(), bench.worker()
    bench.work_off(worker)
    bench.submit(after=(first.id,))
    assert bench.work_off(worker) == 1


@pytest.mark.parametrize("how", ["fail", "cancel"])
def test_it_fails_with_the_job_before_it_and_so_does_what_follows(bench: Bench, how: str) -> None:
    first = bench.submit(max_retries=0)
    second = bench.submit(after=(first.id,))
    third = bench.submit(after=(second.id,))
    if how == "cancel":
        jobs.cancel(bench.farm, first.id)
    else:
        bench.fail(bench.take(bench.worker()))
    assert [status(bench, second), status(bench, third)] == ["failed", "failed"]
    assert str(first.id) in (bench.job(second).error or "")
    assert all(bench.job(job).settled for job in (second, third))


def test_after_a_retry_of_both_it_starts(bench: Bench) -> None:
    first = bench.submit()
    second = bench.submit(after=(first.id,))
    jobs.cancel(bench.farm, first.id)
    jobs.retry(bench.farm, first.id)
    jobs.retry(bench.farm, second.id)
    assert status(bench, second) == "queued"
    assert bench.work_off(bench.worker()) == 2
    assert status(bench, second) == "completed"


def test_a_long_row_of_jobs_ends_at_once(bench: Bench) -> None:
    row = [bench.submit()]
    for _ in range(200):
        row.append(bench.submit(after=(row[-1].id,)))
    jobs.cancel(bench.farm, row[0].id)
    assert status(bench, row[-1]) == "failed"


def test_what_a_crash_left_undone_is_the_sweep_s(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process died between the end of the first and the start of the second."""
    first = bench.submit()
    second = bench.submit(after=(first.id,))
    with monkeypatch.context() as patch:
        whole = ending.end
        patch.setattr(ending, "end", lambda *arguments: (whole(*arguments), None)[1])
        worker = bench.worker()
        bench.report(bench.take(worker))
    assert bench.claim(worker) == []
    sweeping.sweep(bench.farm)
    assert bench.work_off(worker) == 1
    assert status(bench, second) == "completed"


def test_it_can_be_paused_and_canceled_while_it_waits(bench: Bench) -> None:
    first, worker = bench.submit(), bench.worker()
    second, third = bench.submit(after=(first.id,)), bench.submit(after=(first.id,))
    jobs.pause(bench.farm, second.id)
    jobs.cancel(bench.farm, third.id)
    assert bench.job(third).settled
    bench.report(bench.take(worker))
    assert bench.claim(worker) == []
    jobs.resume(bench.farm, second.id)
    assert bench.work_off(worker) == 1


def test_a_job_that_is_not_there_cannot_be_waited_for(bench: Bench) -> None:
    with pytest.raises(BadInput, match="there is no job 12345"):
        bench.submit(after=(12345,))
    first = bench.submit()
    with pytest.raises(BadInput, match="twice"):
        bench.submit(after=(first.id, first.id))
    assert len(bench.farm.jobs.page(None, 10, None)[0]) == 1


def test_a_job_that_completed_may_be_deleted_before_what_follows_has_begun(bench: Bench) -> None:
    first, other, worker = bench.submit(), bench.submit(priority=10), bench.worker()
    second, third = bench.submit(after=(first.id,)), bench.submit(after=(first.id, other.id))
    jobs.pause(bench.farm, second.id)
    bench.report(bench.take(worker))
    jobs.delete(bench.farm, first.id)
    sweeping.sweep(bench.farm)
    assert [status(bench, second), status(bench, third)] == ["paused", "queued"]
    assert (bench.job(second).after, bench.job(third).after) == ((), (other.id,))
    jobs.resume(bench.farm, second.id)
    assert bench.work_off(worker) == 3
    assert [status(bench, second), status(bench, third)] == ["completed", "completed"]


def test_while_it_is_being_deleted_it_counts_as_what_it_was(bench: Bench) -> None:
    """Whoever deleted it died right after it was hidden."""
    first, worker = bench.submit(), bench.worker()
    second = bench.submit(after=(first.id,))
    jobs.pause(bench.farm, second.id)
    bench.work_off(worker)
    assert bench.farm.jobs.hide(bench.job(first))
    jobs.resume(bench.farm, second.id)
    assert bench.work_off(worker) == 1
    sweeping.sweep(bench.farm)
    assert bench.farm.jobs.hidden(first.id) is None and status(bench, second) == "completed"


def test_a_job_that_failed_and_was_deleted_is_not_waited_for_in_vain(bench: Bench) -> None:
    first = bench.submit()
    second = bench.submit(after=(first.id,))
    jobs.cancel(bench.farm, first.id)
    jobs.delete(bench.farm, first.id)
    jobs.retry(bench.farm, second.id)
    assert "which is gone" in (bench.job(second).error or "")


def test_why_says_which_job_it_waits_for(bench: Bench) -> None:
    first = bench.submit()
    second = bench.submit(after=(first.id,))
    reason = why_waiting.of_job(bench.farm, bench.job(second))[0]
    assert (reason.code, str(first.id) in reason.text) == (Code.WAITS_FOR_JOB, True)
