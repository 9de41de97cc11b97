"""Frame after frame: of any two lists of frames, in chunks of any sizes, completed in any order, a chunk of the later
step is given away exactly when the frames that it needs are done: never before, and none is forgotten."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.compilers.frame_ranges import Chunks, FrameRange, parse_frames
from chalicelib.compilers.frame_trails import is_covered, trail
from chalicelib.core import claiming, events, jobs, leases, sweeping, windows, workers
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Assignment, Worker
from chalicelib.core.records import keys
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable
from tests.store.engines import dynamo_table_with, moto_client

LIMITS = Limits(small_step_tasks=4, shard_tasks=4, most_shards=3)
"""A step of five tasks is a large one here."""


@st.composite
def frames_texts(draw: st.DrawFn) -> str:
    """A few ranges with steps, in any order, that do not meet."""
    parts: list[str] = []
    at = draw(st.integers(-3, 3))
    for _ in range(draw(st.integers(1, 3))):
        count, step = draw(st.integers(1, 8)), draw(st.integers(1, 3))
        last = at + (count - 1) * step
        parts.append(f"{at}-{last}x{step}")
        at = last + draw(st.integers(1, 4))
    return ",".join(draw(st.permutations(parts)))


CHUNKS = st.integers(1, 6)


def members(chunk: FrameRange) -> set[int]:
    return set(range(chunk.first, chunk.last + 1, chunk.step))


def expected_sources(frames: str, chunk: int, source: str, source_chunk: int, shift: int) -> list[set[int]]:
    """By counting frames one by one, what the farm finds by arithmetic."""
    earlier = Chunks(parse_frames(source), source_chunk)
    own = Chunks(parse_frames(frames), chunk)
    wanted = [{frame + shift for frame in members(own[index])} for index in range(len(own))]
    return [{n for n in range(len(earlier)) if members(earlier[n]) & frames} for frames in wanted]


@settings(max_examples=300)
@given(frames_texts(), CHUNKS, frames_texts(), CHUNKS, st.integers(-3, 3))
def test_what_a_chunk_needs_is_what_has_its_frames(own: str, chunk: int, source: str, other: int, shift: int) -> None:
    found = trail("a", parse_frames(own), chunk, parse_frames(source), other, shift=shift, files_into=None)
    expected = expected_sources(own, chunk, source, other, shift)
    for index, sources in enumerate(expected):
        assert [n for part in found.sources(index) for n in part] == sorted(sources)
    for n in range(len(Chunks(parse_frames(source), other))):
        targets = [index for part in found.targets(n) for index in part]
        assert targets == [index for index, sources in enumerate(expected) if n in sources]
    assert not (found.covered and any(not sources for sources in expected))
    frames = {frame + shift for one in parse_frames(own).ranges for frame in members(one)}
    there = {frame for one in parse_frames(source).ranges for frame in members(one)}
    assert is_covered(parse_frames(own), parse_frames(source), shift) == (frames <= there)


@settings(max_examples=300)
@given(frames_texts(), frames_texts(), st.integers(-3, 3))
def test_frames_are_covered_as_if_each_range_was_laid_on_each(own: str, source: str, shift: int) -> None:
    wanted, there = parse_frames(own), parse_frames(source)
    shared = (one.shifted(shift).shared(other) for one in wanted.ranges for other in there.ranges)
    assert is_covered(wanted, there, shift) == (sum(one.count for one in shared if one) == wanted.count)
    assert is_covered(wanted, wanted, 0)


def test_a_thousand_scattered_frames_are_not_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked at each submission, for each later step."""
    scattered = parse_frames(",".join(str(7 * n + n % 3) for n in range(1_000)))
    compared: list[FrameRange] = []
    with monkeypatch.context() as patched:
        patched.setattr(FrameRange, "shared", lambda one, other: compared.append(other))
        assert is_covered(scattered, scattered, 0) and not is_covered(scattered, scattered, 1)
    assert len(compared) <= 2_000


def test_what_is_needed_of_a_million_frames_is_found_at_once() -> None:
    million = parse_frames("1-1000000")
    found = trail("a", million, 10, million, 1, shift=0, files_into=None)
    assert found.covered
    assert found.sources(99_999) == [range(999_990, 1_000_000)]
    assert found.targets(999_999) == [range(99_999, 100_000)]


class Play:
    """A worker that takes all it can get, and reports in the order that it is told."""

    def __init__(self, farm: Farm, clock: SimulatedClock) -> None:
        self.farm, self.clock = farm, clock
        self.worker = self.new_worker()
        self.held: dict[tuple[int, int], Assignment] = {}
        self.requests = 0

    def new_worker(self) -> Worker:
        described = workers.Description("w", task_types=("exec",), slots=100)
        return workers.register(self.farm, described, with_secret=False)[0]

    def take(self) -> set[tuple[int, int]]:
        """What is new, as (step, index)."""
        new: set[tuple[int, int]] = set()
        while True:
            self.requests += 1
            found = claiming.claim(self.farm, self.worker, f"r{self.requests}", slots=50)
            if not found.assignments:
                return new
            for one in found.assignments:
                self.held[one.task.step, one.task.index] = one
                new.add((one.task.step, one.task.index))

    def complete(self, which: tuple[int, int]) -> None:
        one = self.held.pop(which)
        said = leases.Report(Outcome.COMPLETED)
        leases.report(self.farm, self.worker.id, one.task.id, one.lease.generation, said)


@contextmanager
def small_windows() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "WINDOW", 3)
        patch.setattr(keys, "WINDOWS_TOGETHER", 2)
        yield


@contextmanager
def sqlite_farm(clock: SimulatedClock) -> Iterator[Farm]:
    with tempfile.TemporaryDirectory() as folder:
        with closing(SqliteTable(Path(folder) / "farm.db", INDEXES)) as table:
            yield make_farm(table, clock, limits=LIMITS)


@contextmanager
def simulated_farm(clock: SimulatedClock) -> Iterator[Farm]:
    yield make_farm(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock), clock, limits=LIMITS)


@contextmanager
def dynamo_farm(clock: SimulatedClock) -> Iterator[Farm]:
    with moto_client() as client:
        yield make_farm(dynamo_table_with(client, INDEXES), clock, limits=LIMITS)


def play(farm: Farm, clock: SimulatedClock, wanted: dict[str, object], chance: st.DataObject) -> None:
    played = Play(farm, clock)
    job = jobs.submit(farm, jobs.Submission("j", "frames", wanted))
    steps = 1 + len(wanted["then"])  # type: ignore[arg-type]
    parts = [wanted, *wanted["then"]]  # type: ignore[misc]
    needs: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for number in range(1, steps):
        own, before = parts[number], parts[number - 1]
        sources = expected_sources(own["frames"], own["chunk"], before["frames"], before["chunk"], own["shift"])
        needs |= {(number, index): {(number - 1, n) for n in some} for index, some in enumerate(sources)}
    first = len(Chunks(parse_frames(wanted["frames"]), wanted["chunk"]))  # type: ignore[arg-type]
    needs |= {(0, index): set() for index in range(first)}
    done: set[tuple[int, int]] = set()
    given_away: set[tuple[int, int]] = set()
    while True:
        new = played.take()
        assert not new & given_away
        given_away |= new
        assert given_away == {task for task, needed in needs.items() if needed <= done}
        if not played.held:
            break
        which = chance.draw(st.sampled_from(sorted(played.held)))
        task = played.held[which].task
        played.complete(which)
        done.add(which)
        if chance.draw(st.integers(0, 4)) == 0:
            events.tasks_changed(farm, [task.id])
        if chance.draw(st.integers(0, 15)) == 0:
            sweeping.sweep(farm, thorough=chance.draw(st.booleans()))
    assert done == set(needs)
    ended = jobs.get(farm, job.id)
    assert (ended.status, ended.settled, ended.counts["completed"]) == ("completed", True, len(needs))


LATER = st.fixed_dictionaries(
    {
        "frames": frames_texts(),
        "chunk": CHUNKS,
        "shift": st.sampled_from([0, 0, 0, -1, 2]),
        "command": st.just(["c", "{frame}"]),
    }
)
WANTED = st.fixed_dictionaries(
    {
        "frames": frames_texts(),
        "chunk": CHUNKS,
        "command": st.just(["c", "{frame}"]),
        "then": st.lists(LATER, min_size=1, max_size=2),
    }
)


@pytest.mark.parametrize(("engine", "examples"), [(simulated_farm, 150), (sqlite_farm, 10), (dynamo_farm, 4)])
def test_a_chunk_is_given_away_exactly_when_its_frames_are_done(engine, examples) -> None:  # type: ignore[no-untyped-def]
    """On all engines; the simulated one is the quickest."""

    @settings(max_examples=examples)
    @given(WANTED, st.data())
    def holds(wanted: dict[str, object], chance: st.DataObject) -> None:
        clock = SimulatedClock()
        with small_windows(), engine(clock) as farm:
            play(farm, clock, wanted, chance)

    holds()
