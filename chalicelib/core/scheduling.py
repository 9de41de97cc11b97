"""Which task a worker gets next: pure decisions over the lane registry and a page of candidates.

A lane holds the queued tasks of one requirement class, best first (job priority, own priority, age). A worker looks
only into lanes it may serve, so what it may not take never stands in its way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from .model import JobId, Lease, Requirement, Worker
from .ports import Item, Key, Update
from .records import cursors, keys, task_writes
from .records.cursor_items import is_cursor
from .records.lanes import Registry, Served


def fits(requirement: Requirement, worker: Worker) -> bool:
    """Whether this worker may run what asks for this."""
    return (
        requirement.task_type in worker.abilities
        and requirement.require <= worker.tags
        and not requirement.forbid & worker.tags
        and requirement.worker in (None, worker.id)
    )


def kept_from(worker: Worker, candidate: Item) -> bool:
    """Whether the task failed on this worker before, or the worker is blocked for its job."""
    blocked = any(job == candidate["job"] and candidate["task_type"] == kind for job, kind in worker.blocked)
    return blocked or worker.id in (candidate.get("excluded") or ())


def key_of(candidate: Item) -> Key:
    return Key(candidate["pk"], candidate["sk"])


def served_by(worker: Worker, registry: Registry) -> Served:
    able = (worker.id, worker.task_types, worker.runtimes, worker.tags)
    if (known := registry.served.get(able)) is None:
        fitting = (lane for lane in registry.lanes if fits(lane.requirement, worker))
        lanes = tuple(sorted(fitting, key=lambda lane: -lane.top))
        partitions = tuple(keys.ready_pk(lane.requirement) for lane in lanes)
        known = registry.served[able] = Served(lanes, partitions)
    return known


@dataclass
class Picker:
    """Chooses among candidates of one claim and remembers why it passed some over.

    Runs inside the table's writer on exact engines: no table calls, no blocking.
    """

    worker: Worker
    halted: frozenset[JobId]
    lease: Lease
    """A pattern: generation and end are filled in per candidate."""
    grace_ms: int
    slots: int = 1
    """How many tasks the worker still wants: a cursor gives them all at once, they stand in one place."""
    allowed: frozenset[Key] = frozenset()
    """Entries that are kept from this worker, but that nobody else can take."""
    passed_over: list[Item] = field(default_factory=list)
    """Candidates refused only because they, or too many like them, failed on this worker before."""

    def __call__(self, candidates: Sequence[Item]) -> Iterator[Update]:
        open_to_it = [c for c in candidates if c["job"] not in self.halted and self._not_kept_from_it(c)]
        ranked = sorted(open_to_it, key=self._rank)  # stable: equal ranks keep their age
        for candidate in self._home_shards_first(ranked):
            yield self._grant(candidate)

    def _not_kept_from_it(self, candidate: Item) -> bool:
        if not kept_from(self.worker, candidate) or key_of(candidate) in self.allowed:
            return True
        self.passed_over.append(candidate)
        return False

    def _rank(self, candidate: Item) -> tuple[str, int]:
        """Priority first; among equals the one that wishes for most of this worker's tags."""
        priorities = candidate["ready_sk"].partition("|")[0]
        return priorities, -len(self.worker.tags.intersection(candidate.get("wishes") or ()))

    def _home_shards_first(self, ranked: Sequence[Item]) -> Iterator[Item]:
        """The cursors of one step are equals: each worker begins with another one, so that claims spread."""
        steps: dict[tuple[JobId, str], list[Item]] = defaultdict(list)
        for candidate in filter(is_cursor, ranked):
            steps[candidate["job"], candidate["ready_sk"]].append(candidate)
        for cursors_of_step in steps.values():
            cursors_of_step.sort(key=lambda c: (c["shard"] - self.worker.id) % c["shards"], reverse=True)
        for candidate in ranked:
            yield steps[candidate["job"], candidate["ready_sk"]].pop() if is_cursor(candidate) else candidate

    def _grant(self, candidate: Item) -> Update:
        if is_cursor(candidate):
            return cursors.advanced(candidate, self.slots)
        return task_writes.claimed(candidate["id"], candidate["generation"], self.granted(candidate["generation"]))

    def enough(self, taken: Item) -> bool:
        """What a cursor gives is all that was still wanted."""
        if is_cursor(taken):
            return True
        self.slots -= 1
        return self.slots == 0

    def granted(self, generation: int) -> Lease:
        """The lease on a task that had this generation before."""
        due_at = self.lease.granted_at + round(self.lease.seconds * 1000) + self.grace_ms
        return replace(self.lease, generation=generation + 1, due_at=due_at)
