"""What goes when old content is pruned, what stays, and that nobody who relies on it at that moment loses it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core import blobs, holding, jobs, leases, pruning
from chalicelib.core.errors import BadInput, Conflict, Unavailable
from chalicelib.core.farm import Farm
from chalicelib.core.jobs import Submission
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Function
from chalicelib.core.ports import ObjectHead
from chalicelib.core.records.blobs import BlobRecords
from chalicelib.core.records.keys import INDEXES
from chalicelib.core.records.notes import Notes
from chalicelib.store.files import FileObjectStore
from tests.api.bench import Bench
from tests.api.conftest import bench as bench  # the served farm
from tests.engines.simulated import Faults, SimulatedTable

DAY_MS = 24 * 3600 * 1000


class AgedObjects(FileObjectStore):
    """Objects whose times are the farm's, and which are as old as a test says."""

    def __init__(self, objects: FileObjectStore, farm: Farm) -> None:
        super().__init__(objects.root, b"s", clock=farm.clock)
        self._farm = farm
        self.stored_at: dict[str, int] = {}
        self.before_delete: Callable[[str], None] = lambda key: None
        self.after_touch: Callable[[str], None] = lambda key: None

    def _aged(self, head: ObjectHead) -> ObjectHead:
        return head._replace(modified_at=self.stored_at.get(head.key, 0))

    def head(self, key: str) -> ObjectHead | None:
        head = super().head(key)
        return None if head is None else self._aged(head)

    def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ObjectHead]:
        return [self._aged(head) for head in super().list(prefix, after=after, limit=limit)]

    def touch(self, key: str) -> bool:
        there = super().touch(key)
        if there:
            self.stored_at[key] = self._farm.clock.now()
        self.after_touch(key)
        return there

    def delete(self, key: str) -> None:
        self.before_delete(key)
        super().delete(key)


@pytest.fixture
def objects(bench: Bench) -> AgedObjects:
    """All that is stored is old, unless it was touched."""
    assert isinstance(bench.farm.objects, FileObjectStore)
    aged = AgedObjects(bench.farm.objects, bench.farm)
    object.__setattr__(bench.farm, "objects", aged)
    return aged


@pytest.fixture
def farm(bench: Bench, objects: AgedObjects) -> Farm:
    return bench.farm


def store(farm: Farm, text: str) -> str:
    return str(blobs.store_bytes(farm, text.encode()).id)


def rendering(farm: Farm, **settings: Any) -> jobs.Job:
    return jobs.submit(farm, Submission("j", "frames", {"frames": "1", "command": ["true", "{frame}"], **settings}))


def left(farm: Farm) -> set[bytes]:
    return {farm.objects.get(head.key) or b"" for head in farm.objects.list("blobs/")}


def aged(objects: AgedObjects) -> None:
    objects.stored_at.clear()


def manifest_of(farm: Farm, text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    farm.objects.put(f"blobs/{digest}", text.encode())
    wire = {"version": 1, "objects": [[digest, len(text)]], "files": [["a", digest, len(text), 0, 0]]}
    return store(farm, json.dumps(wire))


def test_what_nobody_needs_goes_and_a_dry_run_only_says_so(farm: Farm) -> None:
    store(farm, "unused")
    would = pruning.prune(farm, older_than_days=30, dry_run=True)
    assert would == (1, 6, 0, True) and left(farm) == {b"unused"}
    assert pruning.prune(farm, older_than_days=30, dry_run=False) == would
    assert left(farm) == set()


def test_what_a_worker_says_it_made_is_not_removed_at_that_moment(farm: Farm) -> None:
    """It was uploaded days ago, and the worker could say so only now."""
    made = store(farm, "a frame")
    blobs.as_outputs(farm, {"frame.png": int(made)})
    assert pruning.prune(farm, older_than_days=1, dry_run=False).removed == 0
    assert left(farm) == {b"a frame"}


def test_what_a_living_job_names_stays_until_the_job_is_deleted(farm: Farm, objects: AgedObjects) -> None:
    manifest = manifest_of(farm, "a texture")
    job = rendering(farm, inputs={"scene": store(farm, "a scene")}, manifest=manifest)
    aged(objects)
    assert pruning.prune(farm, older_than_days=1, dry_run=False).removed == 0
    jobs.cancel(farm, job.id)
    jobs.delete(farm, job.id)
    aged(objects)
    assert pruning.prune(farm, older_than_days=1, dry_run=False).removed == 3
    assert left(farm) == set()


def test_what_a_task_made_stays(bench: Bench, farm: Farm, objects: AgedObjects) -> None:
    worker, _ = bench.worker()
    bench.job()
    given = bench.take(worker)
    made = blobs.as_outputs(farm, {"picture": int(store(farm, "a picture"))})
    lease = given.lease
    leases.report(farm, worker.id, given.task.id, lease.generation, leases.Report(Outcome.COMPLETED, 0, None, made))
    aged(objects)
    pruning.prune(farm, older_than_days=1, dry_run=False)
    assert left(farm) == {b"a picture"}


def test_what_functions_and_rooms_name_stays(farm: Farm, objects: AgedObjects) -> None:
    farm.functions.add(Function(farm.ids.one(), int(store(farm, "code")), "python3", (), farm.clock.now()))
    Notes(farm.table, "room").add("thumbnail/7", {"inside": [{"blob": int(store(farm, "picture"))}]})
    aged(objects)
    pruning.prune(farm, older_than_days=1, dry_run=False)
    assert left(farm) == {b"code", b"picture"}


def test_what_is_younger_stays(farm: Farm, objects: AgedObjects) -> None:
    store(farm, "unused")
    [head] = objects.list("blobs/")
    objects.stored_at[head.key] = farm.clock.now() - 29 * DAY_MS
    assert pruning.prune(farm, older_than_days=30, dry_run=False).removed == 0
    assert pruning.prune(farm, older_than_days=28, dry_run=False).removed == 1


def test_a_job_that_cannot_be_read_stops_the_pass(farm: Farm, objects: AgedObjects) -> None:
    store(farm, "unused")
    job = rendering(farm)
    kinds = {name: kind for name, kind in farm.job_types.items() if name != "frames"}
    object.__setattr__(farm, "job_types", kinds)
    with pytest.raises(Conflict, match=f"job {job.id} cannot be read"):
        pruning.prune(farm, older_than_days=1, dry_run=False)
    assert left(farm) == {b"unused"}


def test_a_job_submitted_after_the_look_keeps_its_files(
    farm: Farm, objects: AgedObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at all jobs and the removal."""
    scene = store(farm, "a scene")
    really = pruning._needed

    def needed_and_then(*given: Any) -> set[str]:
        found = really(*given)
        rendering(farm, inputs={"scene": scene})
        return found

    monkeypatch.setattr(pruning, "_needed", needed_and_then)
    assert pruning.prune(farm, older_than_days=1, dry_run=False).removed == 0
    assert left(farm) == {b"a scene"}


def test_a_job_submitted_during_the_removal_is_told_to_try_again(farm: Farm, objects: AgedObjects) -> None:
    """The last moment of all: the pass has looked how old the content is, and not yet removed it."""
    scene, told = store(farm, "a scene"), list[str]()

    def submitted(key: str) -> None:
        with pytest.raises(Unavailable, match="being removed at this moment"):
            rendering(farm, inputs={"scene": scene})
        told.append(key)

    objects.before_delete = submitted
    assert pruning.prune(farm, older_than_days=1, dry_run=False).removed == len(told) == 1
    objects.before_delete = lambda key: None
    with pytest.raises(Exception, match="settings.inputs.scene"):
        rendering(farm, inputs={"scene": scene})
    announced, upload = blobs.announce(farm, 7, hashlib.sha256(b"a scene").hexdigest())
    assert upload is not None and announced.id != int(scene)


def test_a_job_submitted_around_the_end_of_a_removal_is_refused(farm: Farm, objects: AgedObjects) -> None:
    """Its touch comes after the pass has looked, and its look at what is doomed after the pass is through."""
    scene = store(farm, "a scene")
    looked, touched = threading.Event(), threading.Event()

    def meanwhile(key: str) -> None:
        looked.set()
        assert touched.wait(60)

    def until_it_is_through(key: str) -> None:
        touched.set()
        passing.join()

    objects.before_delete, objects.after_touch = meanwhile, until_it_is_through
    passing = threading.Thread(target=lambda: pruning.prune(farm, older_than_days=1, dry_run=False))
    passing.start()
    assert looked.wait(60)
    with pytest.raises(BadInput, match="settings.inputs.scene"):
        rendering(farm, inputs={"scene": scene})
    assert left(farm) == set()


def test_a_job_that_is_deleted_meanwhile_needs_nothing_and_stops_nobody(farm: Farm, objects: AgedObjects) -> None:
    store(farm, "unused")
    object.__setattr__(farm, "limits", replace(farm.limits, inline_bytes=10))  # its settings are an object
    job = rendering(farm, inputs={"scene": store(farm, "a scene")})
    jobs.cancel(farm, job.id)
    aged(objects)
    page = farm.jobs.page

    def listed_and_then_deleted(*given: Any) -> Any:
        found = page(*given)
        if farm.jobs.get(job.id) is not None:
            jobs.delete(farm, job.id)
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(farm.jobs, "page", listed_and_then_deleted)
        assert pruning.prune(farm, older_than_days=1, dry_run=False).removed == 2
    assert left(farm) == set()


def test_two_passes_do_not_meet_and_a_dead_one_is_forgotten(bench: Bench, farm: Farm) -> None:
    store(farm, "unused")
    assert farm.blobs.doom(["ab" * 32], 1, farm.clock.now(), holding.DOOMED_MS)
    with pytest.raises(Conflict, match="another process prunes"):
        pruning.prune(farm, older_than_days=1, dry_run=False)
    bench.clock.advance(holding.DOOMED_MS + 1)
    assert pruning.prune(farm, older_than_days=1, dry_run=False).removed == 1


@pytest.mark.parametrize("one_died_before", [False, True])
def test_a_pass_knows_its_own_word_whose_answer_was_lost_from_anothers(bench: Bench, one_died_before: bool) -> None:
    """The table's client writes it again, and its condition fails on what it has written itself."""
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), faults=Faults(repeated=1.0))
    blobs_of_it, now, digests = BlobRecords(table), bench.clock.now(), ["ab" * 32]
    if one_died_before:
        assert blobs_of_it.doom(["cd" * 32], 1, now - 2 * holding.DOOMED_MS, holding.DOOMED_MS)
    assert blobs_of_it.doom(digests, 2, now, holding.DOOMED_MS)
    assert not blobs_of_it.doom(digests, 3, now, holding.DOOMED_MS), "the same, said by another at the same moment"
    blobs_of_it.undoom(3)
    assert blobs_of_it.doomed(now) == frozenset(digests), "nobody takes another's word back"
    blobs_of_it.undoom(2)
    assert blobs_of_it.doomed(now) == frozenset()


def test_submissions_and_passes_at_once_lose_no_file_of_a_job(farm: Farm, objects: AgedObjects) -> None:
    """Whatever the order: a job that was accepted has its files."""
    accepted: list[str] = []

    def submit() -> None:
        for number in range(500):
            if len(accepted) == 5:
                return
            text = f"scene {number % 3}"
            scene = store(farm, text)
            aged(objects)
            try:
                rendering(farm, inputs={"scene": scene})
                accepted.append(text)
            except Exception as refused:
                assert "scene" in str(refused) or "removed" in str(refused), refused

    def pass_by() -> None:
        while thread.is_alive():
            pruning.prune(farm, older_than_days=1, dry_run=False)
            time.sleep(0.002)  # or no submission ever comes between two passes

    thread = threading.Thread(target=submit)
    thread.start()
    pass_by()
    thread.join()
    assert accepted and {text.encode() for text in accepted} <= left(farm)
