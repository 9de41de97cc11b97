"""Garbage collection in pieces: what is needed stays and the rest goes, whoever dies, comes twice or comes late."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from chalicelib.core import blobs, collecting, jobs, retention, sweeping
from chalicelib.core.collecting import Collection, Needed
from chalicelib.core.errors import BadInput, Conflict
from chalicelib.core.farm import Farm
from chalicelib.core.jobs import Submission
from chalicelib.core.leases import Report, report
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Blob
from chalicelib.core.ports import Clock, ObjectHead, Operation, Put
from chalicelib.core.records import keys
from chalicelib.core.records.notes import Notes
from tests.core.conftest import Bench
from tests.engines.memory_objects import MemoryObjects

DAYS = 40 * 86_400_000


@dataclass
class Left:
    """Errands that wait until the test runs them."""

    collections: list[int] = field(default_factory=list)

    def settle(self, job_id: int) -> None:
        pass

    def collect(self, collection_id: int) -> None:
        self.collections.append(collection_id)


class Aged(MemoryObjects):
    """Objects that are as old as the farm's clock says."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock, self._stored_at = clock, dict[str, int]()

    def put(self, key: str, data: bytes) -> None:
        super().put(key, data)
        self._stored_at[key] = self._clock.now()

    def head(self, key: str) -> ObjectHead | None:
        head = super().head(key)
        return None if head is None else head._replace(modified_at=self._stored_at[key])

    def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ObjectHead]:
        found = super().list(prefix, after=after, limit=limit)
        return [head._replace(modified_at=self._stored_at[head.key]) for head in found]

    def touch(self, key: str) -> bool:
        if there := super().touch(key):
            self._stored_at[key] = self._clock.now()
        return there


@dataclass
class Site:
    bench: Bench
    farm: Farm
    left: Left

    def run_all(self) -> Collection:
        while self.left.collections:
            collecting.go_on(self.farm, self.left.collections.pop(0))
        found = collecting.current(self.farm)
        assert found is not None
        return found

    def stored(self, *names: str) -> list[Blob]:
        return [blobs.store_bytes(self.farm, name.encode()) for name in names]

    def there(self, found: Blob) -> bool:
        return self.farm.objects.head(found.object_key) is not None


@pytest.fixture
def site(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(collecting, "FILTER_BYTES", 1 << 14)
    monkeypatch.setattr(collecting, "TASKS_AT_ONCE", 7)
    monkeypatch.setattr(collecting, "PIECE_SECONDS", 0.0005)  # a piece does one thing
    left = Left()
    farm = replace(bench.farm, errands=left, objects=Aged(bench.clock))
    return Site(Bench(farm, bench.clock), farm, left)


@pytest.fixture(autouse=True)
def time_that_passes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A millisecond with every second look."""
    looks = itertools.count()
    now = bench.clock.now
    monkeypatch.setattr(bench.clock, "now", lambda: now() + next(looks) // 2)


def a_used_farm(site: Site) -> tuple[list[Blob], list[Blob]]:
    """What is needed, and what is not: all of it old."""
    code, given, made, noted, lost, old_input = site.stored("code", "given", "made", "noted", "lost", "old input")
    function = {"code": str(code.id), "input": str(given.id), "runtime": "python3"}
    kept = jobs.submit(site.farm, Submission("kept", "function", function))
    gone = jobs.submit(site.farm, Submission("gone", "function", {**function, "input": str(old_input.id)}))
    worker = site.bench.worker("w", "function:python3")
    while some := site.bench.claim(worker):
        [one] = some
        outputs = blobs.as_outputs(site.farm, {"made": made.id if one.task.job == kept.id else lost.id})
        said = Report(Outcome.COMPLETED, outputs=outputs)
        report(site.farm, worker.id, one.task.id, one.lease.generation, said)
    jobs.delete(site.farm, gone.id)
    site.bench.submit({"count": 40})
    Notes(site.farm.table, "room").add("n", {"blob": noted.id})
    site.bench.clock.advance(DAYS)
    return [code, given, made, noted], [lost, old_input]


def test_what_nobody_needs_goes_piece_by_piece(site: Site) -> None:
    needed, garbage = a_used_farm(site)
    begun = collecting.begin(site.farm, older_than_days=30, dry_run=False)
    collecting.go_on(site.farm, begun.id)
    assert site.left.collections == [begun.id]
    done = site.run_all()
    assert (done.phase, done.removed, done.kept, done.error) == ("done", len(garbage), len(needed), None)
    assert done.piece > 5
    assert all(map(site.there, needed)) and not any(map(site.there, garbage))
    assert site.farm.objects.list("collections/") == []


def test_a_dry_run_counts_and_removes_nothing(site: Site) -> None:
    needed, garbage = a_used_farm(site)
    collecting.go_on(site.farm, collecting.begin(site.farm, older_than_days=30, dry_run=True).id)
    done = site.run_all()
    assert (done.removed, done.kept) == (len(garbage), len(needed))
    assert all(map(site.there, garbage))


def test_what_is_young_stays(site: Site) -> None:
    _, garbage = a_used_farm(site)
    collecting.go_on(site.farm, collecting.begin(site.farm, older_than_days=50, dry_run=False).id)
    assert site.run_all().removed == 0 and all(map(site.there, garbage))


def test_errands_that_come_twice_or_late_change_nothing(site: Site) -> None:
    needed, garbage = a_used_farm(site)
    begun = collecting.begin(site.farm, older_than_days=30, dry_run=False)
    for _ in range(3):
        collecting.go_on(site.farm, begun.id)
    site.left.collections += site.left.collections
    done = site.run_all()
    assert (done.phase, done.removed) == ("done", len(garbage)) and all(map(site.there, needed))
    collecting.go_on(site.farm, begun.id)
    again = collecting.begin(site.farm, older_than_days=30, dry_run=False)
    assert again.id != begun.id and collecting.go_on(site.farm, begun.id) is None
    assert collecting.current(site.farm) == again


def test_of_two_at_one_piece_one_counts(site: Site) -> None:
    """The other one's marks are dropped with its place, so none is missing."""
    needed, garbage = a_used_farm(site)
    begun = collecting.begin(site.farm, older_than_days=30, dry_run=False)
    put, depth = site.farm.objects.put, [0]

    def meddling(key: str, data: bytes) -> None:
        put(key, data)
        if key.startswith("collections/") and depth[0] == 0:
            depth[0] = 1
            collecting.go_on(site.farm, begun.id)  # another delivery, in the middle of ours
            depth[0] = 0

    site.farm.objects.put = meddling  # type: ignore[method-assign]
    collecting.go_on(site.farm, begun.id)
    done = site.run_all()
    assert (done.phase, done.removed) == ("done", len(garbage)) and all(map(site.there, needed))
    assert site.farm.objects.list("collections/") == []


def a_table_whose_answers_are_lost(site: Site, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None]) -> None:
    """What begins a collection or ends a piece is written, and its answer lost: the client writes it again, and its
    condition fails."""
    write = site.farm.table.write

    def deaf(*operations: Operation) -> None:
        write(*operations)
        first = operations[0]
        if isinstance(first, Put) and first.key in (keys.collection(), keys.daily_collection()):
            meanwhile()
            write(*operations)

    monkeypatch.setattr(site.farm.table, "write", deaf)


def test_a_piece_that_did_not_hear_of_its_own_end_has_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    needed, garbage = a_used_farm(site)
    begun = collecting.begin(site.farm, older_than_days=30, dry_run=False)
    a_table_whose_answers_are_lost(site, monkeypatch, lambda: None)
    collecting.go_on(site.farm, begun.id)
    done = site.run_all()
    assert (done.phase, done.removed) == ("done", len(garbage)) and all(map(site.there, needed))
    assert site.farm.objects.list("collections/") == []


def test_who_did_not_hear_that_a_collection_was_begun_has_begun_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    a_table_whose_answers_are_lost(site, monkeypatch, lambda: None)
    first = collecting.begin(site.farm, older_than_days=30, dry_run=True)
    assert collecting.current(site.farm) == first
    site.left.collect(first.id)
    site.run_all()
    second = collecting.begin(site.farm, older_than_days=30, dry_run=True)
    assert collecting.current(site.farm) == second != first


def test_nor_does_the_sweep_put_off_the_daily_one_by_a_day(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    a_table_whose_answers_are_lost(site, monkeypatch, lambda: None)
    for _ in range(2):
        collecting.begin_daily(site.farm, 30)
        assert len(site.left.collections) == 1
        site.run_all()
        site.bench.clock.advance(collecting.DAY_MS)


def test_nor_does_it_take_away_what_another_goes_on_with(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    needed, garbage = a_used_farm(site)
    begun = collecting.begin(site.farm, older_than_days=30, dry_run=False)
    others = [0]

    def another() -> None:
        if others[0] < 1:
            others[0] += 1
            collecting.go_on(site.farm, begun.id)
            others[0] -= 1

    a_table_whose_answers_are_lost(site, monkeypatch, another)
    collecting.go_on(site.farm, begun.id)
    done = site.run_all()
    assert (done.phase, done.removed) == ("done", len(garbage)) and all(map(site.there, needed))


def test_what_pieces_that_were_cut_off_have_left_goes_in_the_end(site: Site) -> None:
    a_used_farm(site)
    alone = replace(site.farm, errands=None)
    begun = collecting.begin(alone, older_than_days=30, dry_run=False)
    newer = f"collections/{begun.id + 1}/1-ab"
    for key in (f"collections/{begun.id}/1-cd", f"collections/{begun.id - 9}/3-ef", newer):
        alone.objects.put(key, b"cut off")
    while (now := collecting.go_on(alone, begun.id)) is not None and not now.is_over:
        pass
    assert [head.key for head in alone.objects.list("collections/")] == [newer]


def test_an_errand_that_was_lost_is_left_again_by_the_sweep(site: Site) -> None:
    a_used_farm(site)
    begun = collecting.begin(site.farm, older_than_days=30, dry_run=False)
    sweeping.sweep(site.farm)
    assert site.left.collections == []
    site.bench.clock.advance(collecting.QUIET_MS + 1_000)
    sweeping.sweep(site.farm)
    assert site.left.collections == [begun.id]
    assert site.run_all().phase == "done"
    site.bench.clock.advance(collecting.QUIET_MS + 1_000)
    sweeping.sweep(site.farm)
    assert site.left.collections == []


def test_a_job_that_cannot_be_read_ends_it_with_nothing_removed(site: Site) -> None:
    _, garbage = a_used_farm(site)
    begun = collecting.begin(site.farm, older_than_days=30, dry_run=False)
    types = {name: kind for name, kind in site.farm.job_types.items() if name != "function"}
    collecting.go_on(replace(site.farm, job_types=types), begun.id)
    while site.left.collections:
        collecting.go_on(replace(site.farm, job_types=types), site.left.collections.pop())
    failed = collecting.current(site.farm)
    assert failed is not None and failed.phase == "failed" and "cannot be read" in str(failed.error)
    assert all(map(site.there, garbage)) and site.farm.objects.list("collections/") == []


def test_what_a_new_job_relies_on_meanwhile_stays(site: Site) -> None:
    _, [lost, _] = a_used_farm(site)
    begun = collecting.begin(site.farm, older_than_days=30, dry_run=False)
    while (now := collecting.go_on(site.farm, begun.id)) is not None and now.phase != "objects":
        pass
    settings = {"code": str(lost.id), "input": str(lost.id), "runtime": "python3"}
    jobs.submit(site.farm, Submission("new", "function", settings))
    assert site.run_all().phase == "done" and site.there(lost)


def test_one_is_under_way_at_a_time(site: Site) -> None:
    begun = collecting.begin(site.farm, older_than_days=30, dry_run=False)
    assert collecting.begin(site.farm, older_than_days=9, dry_run=False) == begun
    with pytest.raises(Conflict, match="other kind"):
        collecting.begin(site.farm, older_than_days=30, dry_run=True)
    with pytest.raises(BadInput):
        collecting.begin(site.farm, older_than_days=0, dry_run=False)


def test_the_sweep_begins_one_a_day_where_that_is_said(site: Site) -> None:
    needed, garbage = a_used_farm(site)
    sweeping.sweep(site.farm)
    assert collecting.current(site.farm) is None and site.left.collections == []
    retention.write(site.farm, content_days=30)
    sweeping.sweep(site.farm)
    first = collecting.current(site.farm)
    assert first is not None and site.left.collections == [first.id] and not first.dry_run
    done = site.run_all()
    assert (done.phase, done.removed) == ("done", len(garbage)) and all(map(site.there, needed))
    sweeping.sweep(site.farm)
    assert site.left.collections == []
    site.bench.clock.advance(collecting.DAY_MS)
    sweeping.sweep(site.farm)
    assert len(site.left.collections) == 1 and site.left.collections != [first.id]
    retention.write(site.farm, content_days=None)
    site.run_all()
    site.bench.clock.advance(2 * collecting.DAY_MS)
    sweeping.sweep(site.farm)
    assert site.left.collections == []


def test_where_there_are_no_errands_each_sweep_goes_on_for_a_moment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed, garbage = a_used_farm(site)
    monkeypatch.setattr(collecting, "SWEEP_SECONDS", 0.0005)
    alone = replace(site.farm, errands=None)
    retention.write(alone, content_days=30)
    sweeps = 0
    while (found := collecting.current(alone)) is None or not found.is_over:
        sweeping.sweep(alone)
        sweeps += 1
        assert sweeps < 200
    assert (found.phase, found.removed) == ("done", len(garbage)) and sweeps > 5
    assert all(map(site.there, needed)) and not any(map(site.there, garbage))


def test_of_two_sweeps_at_the_same_moment_one_begins_it(site: Site) -> None:
    look, others = collecting.current, [1]

    def between(farm: Farm) -> Collection | None:
        """Another sweep, right behind our look at what is under way, which is through before we go on."""
        found = look(farm)
        if others:
            others.clear()
            collecting.begin_daily(farm, 30)
            site.run_all()
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(collecting, "current", between)
        collecting.begin_daily(site.farm, 30)
    assert site.left.collections == [], "the other's has come to its end, and there is no second"


def test_the_daily_one_waits_for_what_somebody_has_begun(site: Site) -> None:
    begun = collecting.begin(site.farm, older_than_days=30, dry_run=True)
    collecting.begin_daily(site.farm, 30)
    assert collecting.current(site.farm) == begun and site.left.collections == []
    site.left.collect(begun.id)
    site.run_all()
    collecting.begin_daily(site.farm, 30)
    assert not site.run_all().dry_run


def test_the_filter_never_forgets() -> None:
    needed = Needed()
    digests = [f"{n * 7919:064x}" for n in range(1, 2_000)]
    needed.add(digests)
    again = Needed(bytes(needed.data))
    assert all(digest in again for digest in digests)
