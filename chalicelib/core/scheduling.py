"""Which task a worker gets next: pure decisions over the lane registry and a page of candidates.

A lane holds the queued tasks of one requirement class, best first (job priority, own priority, age). A worker looks
only into lanes it may serve, so what it may not take never stands in its way.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .model import JobId, Lease, Requirement, Spans, Worker
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


CROWD = 20
"""Half a page."""


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
    gated: frozenset[JobId] = frozenset()
    """Jobs that one enters by a gate."""
    tickets: dict[JobId, int] = field(default_factory=dict)
    """Gates that it has entered."""
    full: dict[JobId, Spans | None] = field(default_factory=dict)
    """Gates that let nobody more in, and the ids of their jobs' tasks where those are known."""
    wants: JobId | None = None
    """The gate at which it stopped: whoever called is to enter it, or to find it full, and to ask again."""
    met: frozenset[JobId] = frozenset()
    """Other gates on the same page, which may be full too."""
    in_the_way: set[JobId] = field(default_factory=set)
    """Jobs of which the page where it stopped held a crowd: whoever called is to say the ids of those that are full."""
    passed_over: list[Item] = field(default_factory=list)
    """Candidates refused only because they, or too many like them, failed on this worker before."""

    def __call__(self, candidates: Sequence[Item]) -> Iterator[Update | None]:
        closed = self.halted | self.full.keys()
        open_to_it = [c for c in candidates if c["job"] not in closed and self._not_kept_from_it(c)]
        running = _running(open_to_it)
        ranked = sorted(open_to_it, key=lambda c: self._rank(c, running))  # stable: equal ranks keep their age
        for candidate in self._home_shards_first(ranked):
            if candidate["job"] in self.gated and candidate["job"] not in self.tickets:
                self.wants = candidate["job"]
                self.met = (self.gated & {c["job"] for c in ranked}) - self.tickets.keys() - {self.wants}
                self.in_the_way |= _crowds(candidates, self.met | {self.wants})
                yield None  # what stands further back must not overtake
                return
            yield self._grant(candidate)
        self.in_the_way |= _crowds(candidates, {job for job, spans in self.full.items() if spans is None})
        if self.in_the_way:
            yield None

    def onward(self, last: Item) -> str | None:
        """Behind what a full job has in this place of the lane, however much that is: the ids of a step's tasks are its
        own, and stand in order."""
        place, _, number = last["ready_sk"].partition("|")
        for first, end in self.full.get(last["job"]) or ():
            if first <= int(number) < end:
                return keys.ready_sk_from(place, end)
        return None

    def _not_kept_from_it(self, candidate: Item) -> bool:
        if not kept_from(self.worker, candidate) or key_of(candidate) in self.allowed:
            return True
        self.passed_over.append(candidate)
        return False

    def _rank(self, candidate: Item, running: Mapping[JobId, int]) -> tuple[str, int, int]:
        """Priority first; then, where that is counted, the job that runs the fewest; among equals the one that wishes
        for most of this worker's tags."""
        priorities = candidate["ready_sk"].partition("|")[0]
        wishes = len(self.worker.tags.intersection(candidate.get("wishes") or ()))
        return priorities, running.get(candidate["job"], 0), -wishes

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
        ticket = self.tickets.get(candidate["job"])
        if is_cursor(candidate):
            tasks, at = self.slots_of(candidate["job"]), self.lease.granted_at
            return cursors.advanced(candidate, tasks, claim=self.signature, ticket=ticket, at=at)
        lease = self.granted(candidate["generation"], ticket)
        return task_writes.claimed(candidate["id"], candidate["generation"], lease)

    @property
    def signature(self) -> int:
        """Of this look: the next one of the same claim wants fewer."""
        said = f"{self.worker.id} {self.lease.request_id} {self.lease.granted_at} {self.slots}"
        return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=6).digest(), "big")

    def enough(self, taken: Item) -> bool:
        """What a cursor gives is all that was still wanted; a ticket is good for one task, and then a new look is."""
        if is_cursor(taken) or taken["job"] in self.tickets:
            return True
        self.slots -= 1
        return self.slots == 0

    def slots_of(self, job_id: JobId) -> int:
        """How many tasks of this job it may take at once: with a ticket one."""
        return 1 if job_id in self.tickets else self.slots

    def granted(self, generation: int, ticket: int | None = None) -> Lease:
        """The lease on a task that had this generation before."""
        due_at = self.lease.granted_at + round(self.lease.seconds * 1000) + self.grace_ms
        return replace(self.lease, generation=generation + 1, due_at=due_at, ticket=ticket)


def _crowds(candidates: Sequence[Item], of: Container[JobId]) -> set[JobId]:
    found = Counter(candidate["job"] for candidate in candidates if candidate["job"] in of)
    return {job for job, entries in found.items() if entries >= CROWD}


def _running(candidates: Sequence[Item]) -> Mapping[JobId, int]:
    """By job, as its cursors among these have counted."""
    running: dict[JobId, int] = defaultdict(int)
    for candidate in filter(is_cursor, candidates):
        running[candidate["job"]] += candidate.get("generation", 0)
    return running
